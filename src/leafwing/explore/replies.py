"""How good the replies of a run are: to questions that training showed, and to those kept from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from leafwing.core import randomness
from leafwing.core.errors import BadConfig
from leafwing.core.lexicon import split
from leafwing.data.conversations import Conversations, Exchange
from leafwing.explore.chat import Chat
from leafwing.measure.replies import bleu, distinct_grams, judge_replies, single_bleu

TRUTH = "truth"
DRAWS = 50
"""Answers drawn to each question."""
MOST = 300
"""Questions of each kind that are asked, chosen by the seed where there are more."""


@dataclass(frozen=True)
class Quality:
    """What was found for one kind of questions.

    Attributes:
        of: who answered.
        seen: whether training showed these questions.
        questions: how many were asked.
        draws: answers to each.
        valid: share of the answers that are right; None where not all right ones are known.
        coverage: share of the right answers that came up; likewise.
        distinct: different answers to one question.
        bleu: of the first answers, against all the right ones together; of true answers, against the others.
        single_bleu: against one of them, the mean over which.
        distinct_1: different words over all words, of the first answers.
        distinct_2: likewise for pairs of words.
    """

    of: str
    seen: bool
    questions: int
    draws: int
    valid: float | None
    coverage: float | None
    distinct: float
    bleu: float
    single_bleu: float
    distinct_1: float
    distinct_2: float

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


Speaker = Callable[[str, int], list[str]]
"""(question, count) -> answers."""


def measure(chat: Chat, data: Conversations, draws: int = DRAWS, seed: int = 0) -> list[Quality]:
    """A run's answers, and the true ones beside them; each for questions seen and unseen, where there are any."""
    found = []
    for seen in (True, False):
        asked = questions(data, seen, seed)
        if asked:
            found.append(quality("run", lambda q, n: chat.draw(q, n, seed), asked, draws, data.complete, seen))
            found.append(quality(TRUTH, truth(asked, seed), asked, draws, data.complete, seen))
    return found


def questions(data: Conversations, seen: bool, seed: int = 0) -> list[Exchange]:
    """Questions of one kind that can be understood, at most :data:`MOST`; each with all of its right replies."""

    def understood(question: str) -> bool:
        try:
            data.lexicon.understand(question)
        except BadConfig:
            return False
        return True

    known = [some for some in data.exchanges if some.seen == seen and understood(some.question)]
    order = randomness.stream(seed, 0, "questions").permutation(len(known))
    return [known[i] for i in sorted(order[:MOST])]


def truth(asked: Sequence[Exchange], seed: int) -> Speaker:
    """Somebody who gives the right replies by chance, each as likely as the others: what a perfect run would be."""
    right = {some.question: some.replies for some in asked}

    def answers(question: str, count: int) -> list[str]:
        rng = randomness.stream(seed, 0, f"truth/{question}")
        return [right[question][i] for i in rng.integers(len(right[question]), size=count)]

    return answers


def quality(name: str, speaker: Speaker, asked: Sequence[Exchange], draws: int, complete: bool, seen: bool) -> Quality:
    """Ask, and judge the answers."""
    said = [[" ".join(split(reply)) for reply in speaker(some.question, draws)] for some in asked]
    right = [[" ".join(split(reply)) for reply in some.replies] for some in asked]
    judged = judge_replies(said, right)
    first = [answers[0].split() for answers in said]
    allowed = [[reply.split() for reply in replies] for replies in right]
    if name == TRUTH:
        allowed = [[one for one in some if one != own] or some for own, some in zip(first, allowed, strict=True)]
    return Quality(
        of=name,
        seen=seen,
        questions=len(asked),
        draws=draws,
        valid=judged.valid if complete else None,
        coverage=judged.coverage if complete else None,
        distinct=judged.distinct,
        bleu=bleu(first, allowed),
        single_bleu=single_bleu(first, allowed),
        distinct_1=distinct_grams(first, 1),
        distinct_2=distinct_grams(first, 2),
    )
