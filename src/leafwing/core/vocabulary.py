"""What can be asked of a conditional generator: attributes with classes or numbers, and their vector.

Each attribute has a block of numbers in the condition: a class is one 1 among 0s (hair: twelve numbers), a number is
two (its value, shifted and scaled to mean 0 and spread 1, and a 1 that says it was given). A block of 0s says nothing
of the attribute: "any".

Shape legend: n pictures, a attributes, k length of the condition, m rows of the table of the data's labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from leafwing.core.errors import BadConfig, BadRun, did_you_mean
from leafwing.core.lexicon import shorten

Codes: TypeAlias = NDArray[np.float32]
"""[n, a]: the number of the class, or the value itself; NaN where it is not known or not asked for."""

NUMBER = 2
"""Length of a number's block."""


@dataclass(frozen=True)
class Attribute:
    """One thing that can be asked for.

    Attributes:
        name: such as ``hair``.
        classes: its possible values, in the order of the block; none for a number.
        mean: of a number, over the data.
        spread: of a number, over the data; above 0.
        open: whether training also shows pictures of which nothing is said here, so that "any" is learnt.
    """

    name: str
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    spread: float = 1.0
    open: bool = False

    @property
    def size(self) -> int:
        """Length of its block."""
        return len(self.classes) or NUMBER

    def read(self, text: str) -> float:
        """The code of a value that a person wrote.

        Raises:
            BadConfig: no such class, with the nearest ones; or no number.
        """
        asked = shorten(f"{self.name}={text}")
        if not self.classes:
            try:
                value = float(text)
            except ValueError:
                value = math.nan
            if not math.isfinite(value):
                raise BadConfig(f"{asked} cannot be: {self.name} is a number, e.g. {self.mean:.3g}.")
            return value
        plain = {name.casefold(): number for number, name in reversed(list(enumerate(self.classes)))}
        exact = {name: number for number, name in enumerate(self.classes)}
        code = exact.get(text, plain.get(text.casefold()))
        if code is None:
            raise BadConfig(f"{asked} cannot be: no {self.name} is called {shorten(text)}.{self._near(text)}")
        return float(code)

    def _near(self, text: str) -> str:
        """The nearest classes; of many, only a few to choose from."""
        said = did_you_mean(text, self.classes)
        if len(self.classes) > 30 and not said.startswith(" Did"):
            return f" There are {len(self.classes):,}, e.g. {', '.join(self.classes[:5])}."
        return said

    def show(self, code: float) -> str:
        """A code as a person would write it."""
        if math.isnan(code):
            return "any"
        return self.classes[int(code)] if self.classes else f"{code:.4g}"


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """All attributes, and how their values go together in the data.

    Attributes:
        attributes: in the order of their blocks.
        rows: label rows of the data, [m, a]; all of them, or a sample where there are very many.
        counts: how many pictures have each row, [m].
        pictures: how many the data has, of which ``counts`` may be but a sample; 0 where an older card does not say.
    """

    attributes: tuple[Attribute, ...]
    rows: Codes
    counts: NDArray[np.int64]
    pictures: int = 0

    @property
    def size(self) -> int:
        """Length k of the condition."""
        return sum(attribute.size for attribute in self.attributes)

    @property
    def names(self) -> list[str]:
        """The attributes' names."""
        return [attribute.name for attribute in self.attributes]

    @property
    def blocks(self) -> list[tuple[Attribute, slice]]:
        """Each attribute and where its block lies."""
        ends = list(accumulate(attribute.size for attribute in self.attributes))
        return [(a, slice(end - a.size, end)) for a, end in zip(self.attributes, ends, strict=True)]

    def place(self, name: str) -> int:
        """Which attribute is called so.

        Raises:
            BadConfig: none, with the nearest names.
        """
        if name not in self.names:
            raise BadConfig(f"This generator knows no {shorten(name)}.{did_you_mean(name, self.names)}")
        return self.names.index(name)

    def encode(self, codes: Codes) -> NDArray[np.float32]:
        """Codes [n, a] as conditions [n, k]."""
        out = np.zeros((len(codes), self.size), np.float32)
        for (attribute, block), column in zip(self.blocks, codes.T, strict=True):
            known = np.flatnonzero(~np.isnan(column))
            if attribute.classes:
                out[known, block.start + column[known].astype(np.int64)] = 1
            else:
                out[known, block.start] = (column[known] - attribute.mean) / attribute.spread
                out[known, block.start + 1] = 1
        return out

    def show(self, codes: Codes) -> str:
        """One row of codes [a] in words: ``hair=blue, eyes=any``."""
        return ", ".join(f"{a.name}={a.show(float(code))}" for a, code in zip(self.attributes, codes, strict=True))

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        kinds = [
            {"name": a.name, "open": a.open}
            | ({"classes": list(a.classes)} if a.classes else {"mean": a.mean, "spread": a.spread})
            for a in self.attributes
        ]
        rows = [[None if math.isnan(code) else code for code in row] for row in self.rows.tolist()]
        return {"attributes": kinds, "rows": rows, "counts": self.counts.tolist(), "pictures": self.pictures}

    @classmethod
    def from_dict(cls, saved: Any) -> Vocabulary:
        """What :meth:`as_dict` gave.

        Raises:
            BadRun: it is something else.
        """
        try:
            kinds = [Attribute(**{**a, "classes": tuple(a.get("classes", ()))}) for a in saved["attributes"]]
            rows = [[math.nan if code is None else float(code) for code in row] for row in saved["rows"]]
            table = np.array(rows, np.float32).reshape(-1, len(kinds))
            counts = np.array(saved["counts"], np.int64)
            pictures = int(saved.get("pictures", 0))
            if not kinds or len(table) != len(counts) or not len(counts) or counts.min() < 1:
                raise ValueError
        except (AttributeError, KeyError, TypeError, ValueError):
            raise BadRun("The generator's card is damaged: what can be asked of it cannot be read.") from None
        return cls(tuple(kinds), table, counts, pictures)


def stand_in(names: Sequence[str], size: int) -> Vocabulary:
    """A vocabulary of ``size`` numbers in all, for trying networks before the data was read."""
    classes = tuple(str(number) for number in range(max(2, size)))
    return Vocabulary(
        (Attribute("+".join(names), classes),),
        np.arange(len(classes), dtype=np.float32)[:, None],
        np.ones(len(classes), np.int64),
    )
