"""The door for worlds: pictures drawn by program, ``world:faces``, rendered once into the same store."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from leafwing import worlds
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


MORE: dict[str, Callable[[int], World]] = {}
"""Further worlds by name, as functions of the seed. Tests add their own."""


def is_world(source: str | os.PathLike[str]) -> bool:
    """Whether a source is written ``world:NAME``."""
    return isinstance(source, str) and source.startswith(PREFIX)


def find_world(source: str, seed: int) -> World:
    """Return the world that ``world:NAME`` names, seeded.

    Raises:
        BadData: no such world.
    """
    name = source.removeprefix(PREFIX)
    if name in MORE:
        return MORE[name](seed)
    if name not in worlds.PICTURES:
        raise BadData(f"There is no world called {name!r}.{did_you_mean(name, [*worlds.PICTURES, *MORE])}")
    world: World = worlds.build(name, seed)
    return world
