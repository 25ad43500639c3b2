"""Worlds of pictures for ``bench coverage``: what they have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from leafwing._version import __version__
from leafwing.bench.coverage import Progress, Row
from leafwing.core.pictures import Pixels, save_png, sheet
from leafwing.data import Store
from leafwing.data.feed import to_pictures
from leafwing.recipe import Recipe


class PictureWorld(Protocol):
    """Pictures whose modes are known."""

    @property
    def name(self) -> str:
        """As after ``--on``."""
        ...

    @property
    def samples(self) -> int:
        """How many are measured unless asked otherwise."""
        ...

    def fitted(self, recipe: Recipe, steps: int | None, seed: int, settings: list[str]) -> Recipe:
        """The recipe on these pictures; its own rounds if ``steps`` is None."""
        ...

    def truth(self, count: int) -> Row:
        """What as many of the pictures themselves score."""
        ...

    def measure(
        self, name: str, recipe: Recipe, count: int, device: torch.device, report: Progress
    ) -> tuple[Row, Pixels]:
        """Play a fitted recipe; its row, and 64 of its pictures, uint8 [64, s, s, 3]."""
        ...

    def protocol(self, count: int) -> str:
        """How the figures are made."""
        ...


def on_data(recipe: Recipe, facts: Mapping[str, Any], steps: int | None, seed: int, settings: list[str]) -> Recipe:
    """The recipe as it is on other data, in colour and unmirrored: a digit's mirror image is none."""
    train = recipe.train.model_copy(update={"seed": seed, "steps": steps or recipe.train.steps})
    data = recipe.data.model_copy(update={"channels": 3, "flip": False, **facts})
    return replace(recipe, data=data, train=train).override(settings)


def iter_pictures(store: Store, start: int = 0, chunk: int = 1000) -> Iterator[Tensor]:
    """The store's pictures from one of them on, [chunk, 3, s, s] in [-1, 1], round and round."""
    while True:
        for first in range(start, len(store), chunk):
            yield to_pictures(torch.from_numpy(np.array(store.pictures[first : first + chunk])), channels_last=False)
        start = 0


def save_sheet(pictures: Pixels, path: Path, world: str) -> None:
    """A sheet of samples as a PNG, its folder made if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"Software": f"Leafwing {__version__}: pictures made by a generator", "leafwing:world": world}
    save_png(sheet(pictures), path, about)
