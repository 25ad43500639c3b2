"""Draw from a generator that is asked for something: rows of conditions, or every value of one attribute for each z.

Shape legend: n samples, z latent length, k condition length, a attributes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from leafwing.core import asking, pictures
from leafwing.core.vocabulary import Codes, Vocabulary
from leafwing.explore import sample as sampling
from leafwing.generator import Generator, truncated

LEAST_SIDE = 64
"""Pictures smaller than this are enlarged on a captioned sheet, so that captions fit."""


@dataclass(frozen=True)
class Drawn:
    """Some samples: z [n, z], what was asked for in words (empty for nothing), pictures [n, c, h, w]."""

    z: Tensor
    words: list[str]
    pictures: Tensor


@dataclass(frozen=True)
class Asking:
    """A generator with what it is asked for; ``given`` as on the command line: ``hair=blue``, ``eyes=*``.

    Raises:
        BadConfig: it cannot be asked that.
    """

    G: Generator
    given: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._question()

    def _question(self) -> tuple[Vocabulary, asking.Question] | None:
        vocabulary = self.G.knows(self.given)
        return None if vocabulary is None else (vocabulary, asking.understand(vocabulary, self.given))

    @property
    def note(self) -> str | None:
        """A sentence if the data never has together what is asked for; else None."""
        asked = self._question()
        return None if asked is None else asking.never_seen(*asked)

    @property
    def values(self) -> list[str]:
        """The values that ``*`` stands for, in words; none without it."""
        asked = self._question()
        if asked is None or asked[1].every is None:
            return []
        vocabulary, question = asked
        assert question.every is not None
        attribute = vocabulary.attributes[question.every]
        return [attribute.show(float(code)) for code in asking.values(vocabulary, question.every)]

    def conditions(self, seed: int, start: int, stop: int) -> tuple[Tensor, Codes] | None:
        """Conditions [n, k] and codes [n, a] of samples ``start`` to ``stop - 1``, each by all of its values."""
        asked = self._question()
        if asked is None:
            return None
        vocabulary, question = asked
        rows = asking.draw(vocabulary, question, seed, start, stop)
        rows = rows if question.every is None else asking.sweep(vocabulary, question, rows)
        return torch.from_numpy(vocabulary.encode(rows)), rows

    def draw(self, count: int, seed: int, truncation: float | None = None) -> Iterator[Drawn]:
        """``count`` samples, some at a time; with ``*``, ``count`` z with every value, one z at a time."""
        if not self.values:
            found = sampling.draw(
                self.G.network, self.G.prior, count, seed, condition=self._rows(seed), truncation=truncation
            )
            start = 0
            for z, made in found:
                yield Drawn(z, self._words(seed, start, start + len(z)), made)
                start += len(z)
            return
        network, prior = truncated(self.G.network, self.G.prior, truncation)
        device = sampling.device_of(network)
        for number in range(count):
            z = sampling.latents_at(prior, seed, number, number + 1).expand(len(self.values), -1).to(device)
            condition = self.conditions(seed, number, number + 1)
            assert condition is not None
            made = sampling.generate(network, z, condition[0].to(device))
            yield Drawn(z, self._words(seed, number, number + 1), made)

    def _rows(self, seed: int) -> sampling.Rows | None:
        if self.G.vocabulary is None:
            return None

        def rows(start: int, stop: int) -> Tensor:
            found = self.conditions(seed, start, stop)
            assert found is not None
            return found[0]

        return rows

    def _words(self, seed: int, start: int, stop: int) -> list[str]:
        found = self.conditions(seed, start, stop)
        if found is None or self.G.vocabulary is None:
            return [""] * (stop - start)
        return [self.G.vocabulary.show(row) for row in found[1]]


def sheet(made: Sequence[Tensor], values: Sequence[str]) -> Image.Image:
    """One sheet; with ``values``, a captioned column for each of them and a line for each z."""
    pixels = np.concatenate([pictures.to_uint8(part) for part in made])
    if not values:
        return pictures.sheet(pixels)
    scale = -(-LEAST_SIDE // pixels.shape[1])
    columns = [pictures.sheet(pixels[i :: len(values)], columns=1, scale=scale) for i in range(len(values))]
    return pictures.captioned(list(zip(values, columns, strict=True)), columns=len(values), gap=0)
