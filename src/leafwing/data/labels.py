"""What is known of each picture beside its pixels: attributes by name, learnt from columns of words.

Labels are read each time a store is opened, from where the pictures come from, and joined to them by name; they are
small, and may change without any picture being decoded again.

Shape legend: n pictures, a attributes.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from leafwing.core.errors import BadData
from leafwing.core.vocabulary import Attribute, Codes, Vocabulary
from leafwing.data.names import shown

FEW = 3
MOST_ROWS = 4096
"""Rows of the joint table that a vocabulary keeps; where there are more, a sample of the pictures."""
MEAGRE = 20
"""Pictures a class below which it is said that there are few."""


class Numbers(list[str]):
    """The words of a column that is a number in any case, even if all are whole."""


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of all pictures of a store.

    Attributes:
        vocabulary: the attributes.
        codes: float32 [n, a]: the class's number, or the value; NaN where it is not known.
        remarks: sentences that a person should read once.
    """

    vocabulary: Vocabulary
    codes: Codes
    remarks: list[str] = field(default_factory=list)

    @property
    def fingerprint(self) -> str:
        """64 hex digits; another picture's label, another class or another order of them changes it."""
        kinds = json.dumps(self.vocabulary.as_dict()["attributes"], sort_keys=True)
        return hashlib.sha256(kinds.encode() + self.codes.tobytes()).hexdigest()


def learn(columns: Mapping[str, Sequence[str]], source: str, open_: bool = False) -> Labels:
    """Attributes and codes from words.

    A column all of whose words are numbers, one of them at least no whole one, is a number; any other has classes, in
    the order of the alphabet, whole numbers by size.

    Args:
        columns: attribute -> a word for each picture; an empty one where it is not known.
        source: where they come from, for sentences.
        open_: whether training hides labels now and then, so that "any" is learnt in any case.

    Raises:
        BadData: an attribute that is never known, has one value, or is different for (nearly) every picture.
    """
    kinds, codes, remarks = list[Attribute](), list[list[float]](), list[str]()
    for name, words in columns.items():
        known = [word for word in words if word]
        if not known:
            raise BadData(f"{shown(source)} has no picture with a label of {shown(name)}: leave it out.")
        kind = number(name, known, isinstance(words, Numbers)) or classes(name, known, source, remarks)
        missing = len(words) - len(known)
        if missing:
            some = f"{missing:,} of {len(words):,} pictures have no label of {shown(name)}"
            remarks.append(f"{some}: they teach what 'any' looks like.")
        kinds.append(Attribute(kind.name, kind.classes, kind.mean, kind.spread, open_ or missing > 0))
        table = {word: float(code) for code, word in enumerate(kind.classes)}
        codes.append([math.nan if not word else table[word] if table else float(word) for word in words])
    every = np.array(codes, np.float32).T.copy()
    return Labels(Vocabulary(tuple(kinds), *joint(every), pictures=len(every)), every, remarks)


def number(name: str, known: Sequence[str], surely: bool = False) -> Attribute | None:
    """The attribute of a column of numbers; None if it is not one: if all are whole, unless it ``surely`` is."""
    try:
        numbers = np.array([float(word) for word in known])
    except ValueError:
        return None
    if not np.isfinite(numbers).all() or (not surely and (numbers == np.rint(numbers)).all()):
        return None
    spread = float(numbers.std())
    if not spread > 0:
        raise BadData(f"Every picture has the same {shown(name)} ({known[0]}): there is nothing to ask for.")
    return Attribute(name, (), float(numbers.mean()), spread)


def classes(name: str, known: Sequence[str], source: str, remarks: list[str]) -> Attribute:
    """The attribute of a column of words; says what is thin about it."""
    counts = Counter(known)
    if len(counts) == 1:
        raise BadData(f"Every labelled picture has the same {shown(name)} ({known[0]}): there is nothing to ask for.")
    if len(counts) > len(known) / 2 and len(counts) > FEW:
        raise BadData(
            f"{shown(name)} in {shown(source)} has {len(counts):,} classes for {len(known):,} pictures, fewer than two "
            "pictures each: that names pictures rather than kinds of them; choose another attribute."
        )
    whole = all(word.removeprefix("-").isdecimal() for word in counts)
    single = sorted(word for word, count in counts.items() if count == 1)
    if single:
        some = ", ".join(map(shown, single[:FEW])) + (", …" if len(single) > FEW else "")
        kinds = "1 class has" if len(single) == 1 else f"{len(single):,} classes have"
        remarks.append(f"{shown(name)}: {kinds} a single picture ({some}), which G can only learn to copy.")
    if len(known) / len(counts) < MEAGRE:
        each = len(known) / len(counts)
        remarks.append(f"{shown(name)} has {len(counts):,} classes with {each:.1f} pictures each: few to learn from.")
    return Attribute(name, tuple(sorted(counts, key=int) if whole else sorted(counts)))


def joint(codes: Codes) -> tuple[Codes, NDArray[np.int64]]:
    """The different rows and how often each occurs; of very many, those of evenly spaced pictures."""
    known = np.where(np.isnan(codes), -np.inf, codes)  # NaN is equal to nothing, not even to itself
    rows, counts = np.unique(known, axis=0, return_counts=True)
    if len(rows) > MOST_ROWS:
        some = known[np.linspace(0, len(known) - 1, MOST_ROWS).astype(np.int64)]
        rows, counts = np.unique(some, axis=0, return_counts=True)
    return np.where(np.isinf(rows), np.nan, rows).astype(np.float32), counts.astype(np.int64)
