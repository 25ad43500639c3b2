"""StackedMNIST for ``bench coverage``: a recipe as it is, on pictures of three digits, its 1,000 modes counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from leafwing.bench.coverage import TRUTH, Progress, Row, play, row
from leafwing.bench.digits import accuracy, fingerprint, the_reader
from leafwing.bench.picture_worlds import iter_pictures, on_data
from leafwing.core.pictures import Pixels, to_uint8
from leafwing.core.progress import counting
from leafwing.data import Store, cache_root
from leafwing.data.mnist import MODES, TRIPLES, read_digits, render_stacked
from leafwing.measure.coverage import kl_of_chance
from leafwing.measure.digits import DigitReader, read_stacked
from leafwing.measure.support import near_pairs, nearest_pair
from leafwing.prepare import prepare, read_store, settle
from leafwing.recipe import Recipe

NAME = "stacked-mnist"
PICTURES, SIDE, TWINS = 26_000, 32, 1000
"""Samples measured (VEEGAN's and PacGAN's number), side in pixels, and samples looked at for near-duplicates."""


@dataclass(frozen=True)
class Stacked:
    """The pictures of three digits, and who reads them."""

    data: Path
    """An .npz that a recipe trains on."""
    reader: DigitReader
    right: float
    """Share of MNIST's 10,000 test digits that the reader reads right."""

    name: str = NAME
    samples: int = field(default_factory=lambda: PICTURES)

    def fitted(self, recipe: Recipe, steps: int | None, seed: int, settings: list[str]) -> Recipe:
        """The recipe on these pictures."""
        facts = {"source": str(self.data), "image_size": SIDE, "count": None}
        return on_data(recipe, facts, steps, seed, settings)

    def truth(self, count: int) -> Row:
        """What the training pictures themselves score, with as many of them."""
        return self.count(TRUTH, 0, 0, iter_pictures(self.store()), count)[0]

    def measure(
        self, name: str, recipe: Recipe, count: int, device: torch.device, report: Progress
    ) -> tuple[Row, Pixels]:
        """Play the recipe and count its modes; the row and 64 of its pictures, uint8 [64, s, s, 3]."""
        recipe = settle(recipe, device)
        samples = play(recipe, prepare(recipe, read_store(recipe), device), report)
        return self.count(name, recipe.train.seed, recipe.train.steps, samples, count)

    def count(self, name: str, seed: int, rounds: int, samples: Iterator[Tensor], count: int) -> tuple[Row, Pixels]:
        """Read so many samples, and compare the first of them with each other; a chunk at a time."""
        labels, first, done = [], [], 0
        with counting("reading samples") as report:
            while done < count:
                part = next(samples)[: count - done].float().cpu()
                labels.append(read_stacked(self.reader, part))
                if done < TWINS:
                    first.append(part.numpy())
                done += len(part)
                report(done, count)
        some = np.concatenate(first)[:TWINS]
        found = row(NAME, name, seed, rounds, np.concatenate(labels), MODES)
        within = self.yardstick(len(some))
        return replace(found, twins=near_pairs(some, within), twins_of=len(some)), to_uint8(torch.from_numpy(some[:64]))

    def yardstick(self, count: int) -> float:
        """The distance, in pixels, of the two real pictures among so many that are nearest to each other."""
        others = next(iter_pictures(self.store(), start=PICTURES, chunk=count))
        return nearest_pair(others.numpy())

    def store(self) -> Store:
        """The pictures, decoded."""
        return read_store(self.fitted(Recipe.from_dict({}), None, 0, []))

    def protocol(self, count: int) -> str:
        """How the figures are made."""
        return (
            f"{NAME}: {TRIPLES:,} random triples of MNIST's training digits (seed 0), {SIDE}x{SIDE}x3, black around "
            f"the 28 pixels of a digit; the recipe as it is but for the data. Measured on {count:,} samples of the "
            f"averaged G; a classifier that reads {self.right:.2%} of MNIST's test digits right names the three digits "
            f"of each, one of {MODES:,} modes, all samples counted; KL(samples || uniform) in nats, of which chance "
            f"alone gives about {kl_of_chance(MODES, count):.4f}. The literature (arXiv:1712.04086): 50 epochs, 26,000 "
            f"samples."
        )


def open_stacked(folder: Path) -> Stacked:
    """Read the user's MNIST; draw StackedMNIST and train the classifier, both once, into the cache.

    Raises:
        BadData: no MNIST there.
    """
    train, test = read_digits(folder, "train"), read_digits(folder, "test")
    data = cache_root() / f"{NAME}-{SIDE}-{fingerprint(train)}.npz"
    if not data.exists():
        with counting("stacking digits") as report:
            render_stacked(folder, data, TRIPLES, SIDE, progress=report)
    reader, _ = the_reader(train)
    return Stacked(data, reader, accuracy(reader, test))
