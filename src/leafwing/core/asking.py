"""From what a person asks for (``hair=blue eyes=red``) to rows of codes, one a sample.

An attribute that is not named is drawn as in the data, together with what is named: ask for red eyes and the hair is
what the data's red-eyed have. ``eyes=any`` says nothing of the eyes, which is something else: the generator chooses.

Shape legend: n samples, a attributes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leafwing.core import randomness
from leafwing.core.errors import BadConfig
from leafwing.core.lexicon import cut, shorten
from leafwing.core.vocabulary import Codes, Vocabulary

ANY, EVERY = "any", "*"
BLOCK = 64
"""Rows are drawn so many at a time, each block from its own stream."""
SWEEP = 9
"""Values of a number where every one is asked for."""
MOST_SWEPT = 100
"""Classes that ``*`` may stand for."""


@dataclass(frozen=True)
class Question:
    """What is asked for.

    Attributes:
        wanted: attribute number -> code; NaN for any.
        every: the attribute all of whose values are asked for, or None.
    """

    wanted: dict[int, float]
    every: int | None = None


def understand(vocabulary: Vocabulary, given: Sequence[str]) -> Question:
    """Read ``name=value`` texts.

    Raises:
        BadConfig: one sentence on the first thing that cannot be.
    """
    wanted: dict[int, float] = {}
    said: dict[int, str] = {}
    every = None
    for text in given:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name or not value:
            example = vocabulary.show(vocabulary.rows[0]).split(", ")[0]
            raise BadConfig(f"--given {shorten(text)} is not of the form attribute=value, e.g. --given {example}.")
        place = vocabulary.place(name)
        if said.get(place) == value:
            continue
        if place in said:
            both = " and ".join(cut(" ".join(text.split())) for text in (said[place], value))
            raise BadConfig(f"--given contradicts itself: {name} cannot be both {both}.")
        said[place] = value
        attribute = vocabulary.attributes[place]
        if value == EVERY:
            if every is not None:
                raise BadConfig(f"--given {name}=* cannot be: only one attribute can take every value at once.")
            if len(attribute.classes) > MOST_SWEPT:
                count = len(attribute.classes)
                raise BadConfig(f"--given {name}=* cannot be: {count:,} classes are too many for a sheet.")
            every = place
        elif value == ANY and ANY not in attribute.classes:
            if not attribute.open:
                raise BadConfig(
                    f"--given {name}=any cannot be: this generator was always told the {name}. Leave {name} out to "
                    "draw it as in the data, or train with data.condition_drop above 0."
                )
            wanted[place] = math.nan
        else:
            wanted[place] = attribute.read(value)
    return Question(wanted, every)


def never_seen(vocabulary: Vocabulary, question: Question) -> str | None:
    """A sentence if no picture that is known of the data has all classes asked for together; else None.

    It may be a contradiction (eyes=odd left_eye=red right_eye=red) or just rare: only who asks can tell.
    """
    if fitting(vocabulary, question).any():
        return None
    codes = {vocabulary.attributes[place]: code for place, code in question.wanted.items()}
    said = [f"{a.name}={a.show(code)}" for a, code in codes.items() if a.classes and not math.isnan(code)]
    known, every = int(vocabulary.counts.sum()), vocabulary.pictures
    whole = "the" if known == every else f"{known:,} of the"  # many different rows: only a sample of them is kept
    pictures = f"{every:,} pictures" if every else "pictures"
    return (
        f"None of {whole} {pictures} that this generator learned from has {' and '.join(said)}: "
        "if they contradict each other it cannot follow both; leave one out."
    )


def fitting(vocabulary: Vocabulary, question: Question) -> NDArray[np.bool_]:
    """Which rows of the data's table have all classes that are asked for, [m]."""
    fits = np.ones(len(vocabulary.rows), bool)
    for place, code in question.wanted.items():
        if vocabulary.attributes[place].classes and not math.isnan(code):
            fits &= vocabulary.rows[:, place] == code
    return fits


def values(vocabulary: Vocabulary, place: int) -> Codes:
    """Every value of an attribute: all classes, or evenly spaced numbers up to two spreads from the mean."""
    attribute = vocabulary.attributes[place]
    if attribute.classes:
        return np.arange(len(attribute.classes), dtype=np.float32)
    return np.array(attribute.mean + attribute.spread * np.linspace(-2, 2, SWEEP), np.float32)


def draw(vocabulary: Vocabulary, question: Question, seed: int, start: int, stop: int) -> Codes:
    """The rows of samples ``start`` to ``stop - 1``, [stop - start, a]; row i depends on (seed, i) alone."""
    rows, counts = vocabulary.rows, vocabulary.counts
    fits = fitting(vocabulary, question)
    if fits.any():  # else the data never has them together: the others are drawn by themselves
        rows, counts = rows[fits], counts[fits]
    first, last = start // BLOCK, max(start, stop - 1) // BLOCK
    streams = (randomness.stream(seed, 0, "asked", block) for block in range(first, last + 1))
    shares = np.concatenate([stream.random(BLOCK) for stream in streams])
    drawn: Codes = rows[np.searchsorted(counts.cumsum(), shares * counts.sum(), side="right")].copy()
    for place, code in question.wanted.items():
        drawn[:, place] = code
    asked: Codes = drawn[start - first * BLOCK : stop - first * BLOCK]
    return asked


def sweep(vocabulary: Vocabulary, question: Question, rows: Codes) -> Codes:
    """Each row once for every value of ``question.every``, [n * values, a]: all values of the first row first."""
    assert question.every is not None
    codes = values(vocabulary, question.every)
    swept: Codes = np.repeat(rows, len(codes), axis=0)
    swept[:, question.every] = np.tile(codes, len(rows))
    return swept


def tour(vocabulary: Vocabulary, count: int, seed: int) -> tuple[Codes, int]:
    """Rows for a sheet of about ``count`` pictures, and its columns: each line asks for another value.

    The first attribute's values go down the sheet, as many as there is room for; the others are drawn as in the data,
    anew for every picture.
    """
    codes = values(vocabulary, 0)
    lines = min(len(codes), max(1, count // 2 if count < 2 * len(codes) else len(codes)))
    columns = max(1, count // lines)
    parts = [
        draw(vocabulary, Question({0: float(code)}), randomness.key(seed, 0, "tour", line) % 2**63, 0, columns)
        for line, code in enumerate(codes[:lines])
    ]
    return np.concatenate(parts), columns
