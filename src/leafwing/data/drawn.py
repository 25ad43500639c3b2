"""The door for worlds: pictures drawn by program, ``world:faces``, rendered once into the same store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from leafwing import worlds
from leafwing.core.errors import BadData, did_you_mean
from leafwing.core.lexicon import shorten
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
        BadData: no such world, or one without pictures.
    """
    name = source.removeprefix(PREFIX)
    if name in MORE:
        return MORE[name](seed)
    if name == worlds.REPLIES:
        some = ", ".join(f"{PREFIX}{other}" for other in worlds.PICTURES)
        raise BadData(
            f"{source} has no pictures, but questions and replies: train on it by --recipe chat-gan, or give {some}."
        )
    must_be_one_of(source, [*worlds.PICTURES, *MORE])
    world: World = worlds.build(name, seed)
    return world


def must_be_one_of(source: str, names: Iterable[str]) -> None:
    """Say that there is no such world, and which there are that would do.

    Raises:
        BadData: it is none of these.
    """
    name = source.removeprefix(PREFIX)
    if name not in (known := list(names)):
        raise BadData(f"There is no world called {shorten(name)}.{did_you_mean(name, known)}")


def must_be_known(source: str) -> None:
    """The same of every world that something can be trained on."""
    must_be_one_of(source, [*worlds.PICTURES, *MORE, worlds.REPLIES])
