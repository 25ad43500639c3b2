"""The door for worlds: pictures drawn by program, ``world:faces``, rendered once into the same store."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from leafwing.core.errors import BadData, did_you_mean
from leafwing.data.pictures import Pixels

PREFIX = "world:"


class World(Protocol):
    """What a world offers to the store."""

    name: str
    version: int | str
    channels: int
    min_size: int

    def render(
        self,
        indices: range,
        size: int = 64,
        workers: int | None = None,
        out: NDArray[np.uint8] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Pixels:
        """Draw uint8 [len(indices), size, size, channels], into ``out`` when given."""
        ...


WORLDS: dict[str, str | Callable[[int], World]] = {
    "faces": "leafwing.worlds.faces:Faces",
    "corner": "leafwing.worlds.corner:Corner",
}
"""name -> ``module:Class``, imported when asked for, or a function of the seed. Tests add their own."""


def is_world(source: str | os.PathLike[str]) -> bool:
    """Whether a source is written ``world:NAME``."""
    return isinstance(source, str) and source.startswith(PREFIX)


def find_world(source: str, seed: int) -> World:
    """Return the world that ``world:NAME`` names, seeded.

    Raises:
        BadData: no such world.
    """
    name = source.removeprefix(PREFIX)
    if name not in WORLDS:
        raise BadData(f"There is no world called {name!r}.{did_you_mean(name, WORLDS)}")
    maker = WORLDS[name]
    if isinstance(maker, str):
        module, _, attribute = maker.partition(":")
        maker = cast("Callable[[int], World]", getattr(import_module(module), attribute))
    return maker(seed)
