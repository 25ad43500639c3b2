"""``world:faces`` for ``bench coverage``: a recipe as it is, on drawn faces, each factor set beside the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from leafwing.bench.coverage import TRUTH, Progress, Row, row, trained
from leafwing.bench.picture_worlds import iter_pictures, on_data
from leafwing.bench.zoo import drawn
from leafwing.core.pictures import Pixels, to_uint8
from leafwing.data import Store
from leafwing.measure import factors
from leafwing.measure.coverage import kl_of_chance
from leafwing.measure.faces_world import against_truth
from leafwing.prepare import prepare, read_store, settle
from leafwing.recipe import Recipe
from leafwing.watch.average import standing

NAME = "world:faces"
PICTURES, SIDE, DRAWN = 2000, 32, 10_000
"""Samples measured, side in pixels unless set otherwise, and faces drawn to train on."""
EYES = factors.NAMES["left_eye"]
MODES = len(factors.NAMES["hair_colour"]) * len(EYES)
"""Combinations of hair and eye colours, all equally likely in the world."""


FACTS = {"source": NAME, "image_size": SIDE, "count": DRAWN}
"""What a recipe learns from, unless set otherwise."""


@dataclass(frozen=True)
class DrawnFaces:
    """The faces that are trained on, at the side that was asked for."""

    store: Store
    name: str = NAME
    samples: int = PICTURES

    def fitted(self, recipe: Recipe, steps: int | None, seed: int, settings: list[str]) -> Recipe:
        """The recipe on these faces."""
        return on_data(recipe, FACTS, steps, seed, settings)

    def truth(self, count: int) -> Row:
        """What as many of the faces themselves score."""
        return row_of(TRUTH, 0, 0, taken(iter_pictures(self.store), count))

    def measure(
        self, name: str, recipe: Recipe, count: int, device: torch.device, report: Progress
    ) -> tuple[Row, Pixels]:
        """Play the recipe and read its faces; the row and 64 of them, uint8 [64, s, s, 3]."""
        recipe = settle(recipe, device)
        training = prepare(recipe, read_store(recipe), device)
        trained(recipe, training, report)
        samples = drawn(standing(training), training, count)
        return row_of(name, recipe.train.seed, recipe.train.steps, samples), to_uint8(samples[:64])

    def protocol(self, count: int) -> str:
        """How the figures are made."""
        side = self.store.pictures.shape[1]
        return (
            f"{NAME}: {len(self.store):,} faces drawn by program, {side}x{side}; the recipe as it is but for "
            f"the data, asked for what its data's first faces are where it is asked for something. Measured on "
            f"{count:,} samples of the averaged G, read by the shipped factor network. Modes: the {MODES} combinations "
            f"of hair and eye colour, all equally likely, of those with open eyes, broken or not; KL(samples || "
            f"uniform) in nats, of which chance alone gives about {kl_of_chance(MODES, count):.4f}. Factors: total "
            f"variation from the truth, in brackets what 999 in 1,000 sets of as many true faces of 64x64 stay below; "
            f"what another side costs is in the truth's own row."
        )


def open_faces(recipe: Recipe, settings: list[str]) -> DrawnFaces:
    """Draw the faces, or take them from the cache, as these settings of a recipe want them."""
    return DrawnFaces(read_store(on_data(recipe, FACTS, None, 0, settings)))


def taken(parts: Iterator[Tensor], count: int) -> Tensor:
    """The first ``count`` pictures."""
    found: list[Tensor] = []
    while sum(map(len, found)) < count:
        found.append(next(parts))
    return torch.cat(found)[:count]


def row_of(name: str, seed: int, rounds: int, pictures: Tensor) -> Row:
    """The row of these faces, [n, 3, s, s] in [-1, 1]."""
    reading = factors.read(pictures)
    seen = reading.open_eyes()
    if not bool(seen.any()):
        seen = ~seen  # nobody's eyes can be seen: a colour is read all the same
    labels = reading.indices("hair_colour")[seen] * len(EYES) + reading.indices("left_eye")[seen]
    return replace(row(NAME, name, seed, rounds, labels.numpy(), MODES), faces=against_truth(reading, seed))
