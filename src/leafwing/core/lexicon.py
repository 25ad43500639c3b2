"""The words that a network of sequences knows: text to numbers and back.

A text is split into words and marks, in small letters; a word is a number, and a sequence is padded with 0 at its end,
which is no word. What does not fit is said in one sentence, never cut silently.

Shape legend: n texts, l words of a sequence, v words known.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leafwing.core.errors import BadConfig, BadRun, did_you_mean

PAD, RARE = "", "<rare>"
"""No word, always number 0; and, of a lexicon that left some out, the one that stands for all of them."""
LONGEST = 10_000
"""Characters of a question that are looked at; a longer one is refused unread."""
SHOWN = 40
WORDS = re.compile(r"<rare>|\w+|[^\w\s]")
TIGHT = re.compile(r" ([.,;:!?])")


def split(text: str) -> list[str]:
    """Words and marks in small letters: ``"Who is Akiso?"`` -> ``who is akiso ?``."""
    return WORDS.findall(unicodedata.normalize("NFKC", text).casefold())


@dataclass(frozen=True)
class Lexicon:
    """All words known, and how long questions and replies may be.

    Attributes:
        words: by number; number 0 is no word.
        question: words of the longest question.
        reply: words of the longest reply.
    """

    words: tuple[str, ...]
    question: int
    reply: int

    @classmethod
    def learn(cls, pairs: Iterable[tuple[str, str]], most: int, question: int, reply: int) -> Lexicon:
        """The most frequent words of questions and replies that are no longer than is allowed.

        Args:
            pairs: questions and replies.
            most: how many words are kept; ``RARE`` stands for the others, if there are any.
            question: most words of a question.
            reply: most words of a reply.
        """
        counts: Counter[str] = Counter()
        longest = [1, 1]
        for pair in pairs:
            texts = [split(text) for text in pair]
            if len(texts[0]) > question or len(texts[1]) > reply:
                continue
            for place, words in enumerate(texts):
                counts.update(words)
                longest[place] = max(longest[place], len(words))
        known = sorted(counts, key=lambda word: (-counts[word], word))
        kept = known if len(known) <= most else [RARE, *known[: most - 1]]
        return cls((PAD, *sorted(kept)), *longest)

    def __len__(self) -> int:
        """v, with the one that is no word."""
        return len(self.words)

    @property
    def open(self) -> bool:
        """Whether training showed questions with words left out, so that an unknown one can be understood as such."""
        return RARE in self.numbers

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Word -> number."""
        return {word: number for number, word in enumerate(self.words)}

    def encode(self, texts: Sequence[str], length: int) -> NDArray[np.int64]:
        """Texts -> [n, length]; words that are not known are ``RARE``, and what is too long is cut.

        Raises:
            KeyError: an unknown word, where no word was left out.
        """
        out = np.zeros((len(texts), length), np.int64)
        rare = self.numbers.get(RARE)
        for row, text in zip(out, texts, strict=True):
            words = split(text)[:length]
            row[: len(words)] = [self.numbers[word] if rare is None else self.numbers.get(word, rare) for word in words]
        return out

    def decode(self, rows: NDArray[np.int64]) -> list[str]:
        """[n, l] -> texts, as :meth:`plain` writes them; what is no word is left out."""
        return [" ".join(self.words[number] for number in row if number) for row in rows]

    def understand(self, text: str) -> NDArray[np.int64]:
        """A question as a person wrote it -> [question].

        Raises:
            BadConfig: one sentence: nothing was asked, too much, in other letters, or in words never seen.
        """
        if len(text) > LONGEST:
            raise BadConfig(
                f"The question that begins with {shorten(text)} has more than {LONGEST:,} characters: ask in at most "
                f"{self.question} words."
            )
        words = split(text)
        if not any(word[0].isalnum() for word in words):
            raise BadConfig("The question is empty: ask in words, e.g. one of those that it was trained on.")
        if len(words) > self.question:
            raise BadConfig(f"The question has {len(words)} words and marks: at most {self.question} are understood.")
        unknown = [word for word in dict.fromkeys(words) if word not in self.numbers]
        strange = [word for word in unknown if not set(scripts(word)) <= self.alphabets]
        if strange:
            raise BadConfig(
                f"{shorten(strange[0])} is written in letters that this run never saw: it knows {self.letters}."
            )
        if unknown and (not self.open or not any(word in self.numbers for word in words if word[0].isalnum())):
            raise BadConfig(f"This run never saw {shorten(unknown[0])}.{self.near(unknown[0])}")
        (row,) = self.encode([text], self.question)
        understood: NDArray[np.int64] = row
        return understood

    def near(self, word: str) -> str:
        """`` Did you mean …?``, or a few words that are known."""
        said = did_you_mean(word, self.words[1:])
        if said.startswith(" Did"):
            return said
        letters = [known for known in self.words if known.isalpha()]
        return f" It knows {len(self.words) - 1:,} words, e.g. {', '.join(letters[:: max(1, len(letters) // 5)][:5])}."

    @cached_property
    def alphabets(self) -> set[str]:
        """The scripts of its words: ``LATIN``, ``CJK`` …."""
        return {script for word in self.words[1:] for script in scripts(word)}

    @property
    def letters(self) -> str:
        """The scripts in words."""
        return " and ".join(sorted(script.capitalize() for script in self.alphabets)) or "no letters"

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"words": list(self.words), "question": self.question, "reply": self.reply}

    @classmethod
    def from_dict(cls, saved: Any) -> Lexicon:
        """What :meth:`as_dict` gave.

        Raises:
            BadRun: it is something else.
        """
        try:
            words, question, reply = tuple(saved["words"]), int(saved["question"]), int(saved["reply"])
            if not all(isinstance(word, str) for word in words) or words[0] != PAD or min(question, reply) < 1:
                raise ValueError
        except (KeyError, TypeError, ValueError, IndexError):
            raise BadRun("The generator's card is damaged: the words that it knows cannot be read.") from None
        return cls(words, question, reply)


def plain(text: str) -> str:
    """As a person would write it: no space before a mark."""
    return TIGHT.sub(r"\1", text)


def cut(word: str) -> str:
    """A word, of a long one the beginning."""
    return word if len(word) <= SHOWN else f"{word[:SHOWN]}…"


def shorten(word: str) -> str:
    """The same in quotes."""
    return repr(cut(word))


def scripts(word: str) -> set[str]:
    """The scripts of a word's letters, by the first word of each letter's name in Unicode."""
    return {unicodedata.name(letter, "UNKNOWN").split()[0] for letter in word if letter.isalpha()}


def stand_in(words: int, question: int, reply: int) -> Lexicon:
    """A lexicon of so many words, for trying networks before the data was read."""
    return Lexicon((PAD, *(f"w{number}" for number in range(words))), question, reply)
