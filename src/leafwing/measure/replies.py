"""How good replies are: right ones, all of the right ones, different ones, and like what people said (BLEU).

BLEU: Papineni et al. 2002, "BLEU: a method for automatic evaluation of machine translation", Sec. 2: the geometric mean
of the clipped n-gram precisions of the whole corpus, times a penalty for brevity. Several references to one candidate
are part of it: a word counts as often as it does in the reference that has it most often, and the length that counts is
the nearest one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

Words = Sequence[str]
"""A reply, word by word."""


@dataclass(frozen=True)
class Said:
    """What was found of many draws to each of some questions; means over the questions.

    Attributes:
        valid: share of the draws that are right, 0..1.
        coverage: share of the right replies that were drawn at least once, 0..1.
        distinct: different replies to one question.
        draws: to each question.
        questions: how many there were.
    """

    valid: float
    coverage: float
    distinct: float
    draws: int
    questions: int


def judge_replies(said: Sequence[Sequence[str]], right: Sequence[Iterable[str]]) -> Said:
    """Draws set beside all the right replies, which have to be known in full.

    Args:
        said: the draws to each question, as many to each.
        right: the right replies to each question.
    """
    truths = [frozenset(some) for some in right]
    pairs = list(zip(said, truths, strict=True))
    return Said(
        valid=fmean(fmean(reply in truth for reply in draws) for draws, truth in pairs),
        coverage=fmean(len(truth.intersection(draws)) / len(truth) for draws, truth in pairs),
        distinct=fmean(len(set(draws)) for draws in said),
        draws=len(said[0]),
        questions=len(said),
    )


def bleu(candidates: Sequence[Words], references: Sequence[Sequence[Words]], most: int = 4) -> float:
    """BLEU of a corpus, 0..1.

    Args:
        candidates: n replies.
        references: of each candidate, what may be said, one or more.
        most: longest n-gram, each weighted alike.

    Returns:
        0 where no n-gram of some length is right anywhere, as in the paper; nothing is smoothed.
    """
    right, made = [0] * most, [0] * most
    ours = theirs = 0
    for candidate, allowed in zip(candidates, references, strict=True):
        ours += len(candidate)
        theirs += min((len(one) for one in allowed), key=lambda length: (abs(length - len(candidate)), length))
        for n in range(1, most + 1):
            found = grams(candidate, n)
            ceiling: Counter[tuple[str, ...]] = Counter()
            for one in allowed:
                ceiling |= grams(one, n)
            right[n - 1] += (found & ceiling).total()
            made[n - 1] += found.total()
    if not all(right):
        return 0.0
    precision = math.exp(fmean(math.log(a / b) for a, b in zip(right, made, strict=True)))
    return precision * min(1.0, math.exp(1 - theirs / ours))


def single_bleu(candidates: Sequence[Words], references: Sequence[Sequence[Words]], most: int = 4) -> float:
    """BLEU against one reference alone, the mean over which one: the j-th of each candidate, as far as all have it."""
    least = min(map(len, references))
    return fmean(bleu(candidates, [[some[j]] for some in references], most) for j in range(least))


def distinct_grams(replies: Iterable[Words], n: int) -> float:
    """Different n-grams over all n-grams, 0..1; 0 if there is none. Source: Li et al. 2016, arXiv:1510.03055."""
    found: Counter[tuple[str, ...]] = Counter()
    for words in replies:
        found += grams(words, n)
    return len(found) / found.total() if found else 0.0


def grams(words: Words, n: int) -> Counter[tuple[str, ...]]:
    """All runs of n words, counted."""
    return Counter(zip(*(words[start:] for start in range(n)), strict=False))
