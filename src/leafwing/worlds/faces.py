"""The faces world: anime faces drawn by program, so that the truth behind every picture is known."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from leafwing.worlds.faces_draw import draw
from leafwing.worlds.faces_factors import (
    BACKGROUNDS,
    BANGS,
    CLOSED_EYES,
    COLOURS,
    EYE_COLOURS,
    FACTORS,
    GLASSES,
    HAIR_COLOURS,
    HAIR_STYLES,
    ODD_EYES,
    ORNAMENTS,
    OUTFITS,
    SKINS,
    Face,
    draw_factors,
    shares,
)
from leafwing.worlds.faces_workers import draw_chunks

__all__ = [
    "BACKGROUNDS", "BANGS", "CLOSED_EYES", "COLOURS", "EYE_COLOURS", "FACTORS", "GLASSES", "HAIR_COLOURS",
    "HAIR_STYLES", "ODD_EYES", "ORNAMENTS", "OUTFITS", "SKINS", "Face", "Faces", "draw", "shares",
]  # fmt: skip

CHUNK = 32
"""Pictures that one worker draws between two reports."""

ODD = "odd"
"""What `eyes` are when left and right differ."""

WORTH_PROCESSES = 800
"""Below so many pictures (at 64 px) starting processes costs more than it saves."""


class Faces:
    """An endless set of faces: picture `index` of a seed is the same for ever.

    Attributes:
        name: Name of the world.
        version: Changes whenever any pixel changes.
        channels: Colour channels of a picture.
        min_size: Smallest side of a picture.
    """

    name = "faces"
    version = 1
    channels = 3
    min_size = 16

    def __init__(self, seed: int = 0) -> None:
        """Choose a world.

        Args:
            seed: 0 or more; every seed is a world of its own.
        """
        if not 0 <= seed < 2**64:
            raise ValueError(f"seed is {seed}, it must be 0 or more and fit in 64 bits.")
        self.seed = seed

    def factors(self, index: int) -> Face:
        """The factors of face `index` (0 or more)."""
        if index < 0:
            raise ValueError(f"index is {index}, faces are counted from 0.")
        return draw_factors(self.seed, int(index))

    def labels(self, index: int) -> dict[str, str | float | bool]:
        """What can be asked for: all factors of face `index`, and `hair` and `eyes` (a colour, or odd) for short."""
        face = self.factors(index)
        eyes = face.left_eye if face.left_eye == face.right_eye else ODD
        return {"hair": face.hair_colour, "eyes": eyes, **face.as_row()}

    def picture(self, index: int, size: int = 64) -> NDArray[np.uint8]:
        """Face `index` as uint8 [size, size, 3], RGB; `size` is 16 or more."""
        return draw(self.factors(index), size)

    def render(
        self,
        indices: Sequence[int] | NDArray[np.integer],
        size: int = 64,
        workers: int | None = None,
        out: NDArray[np.uint8] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> NDArray[np.uint8]:
        """Draws many faces.

        Args:
            indices: Which faces, n numbers of 0 or more.
            size: Side of a picture in pixels, 16 or more.
            workers: Processes to draw with; 1 draws here; None chooses by the work and the cores.
            out: Array to write into, uint8 [n, size, size, 3], for example a memory map.
            progress: Called with the number of pictures just finished.

        Returns:
            The pictures, uint8 [n, size, size, 3]; `out` itself if given. `workers` never changes them.
        """
        wanted = [int(index) for index in indices]
        if size < self.min_size:
            raise ValueError(f"size is {size}, a face needs at least {self.min_size} pixels.")
        if wanted and min(wanted) < 0:
            raise ValueError(f"index is {min(wanted)}, faces are counted from 0.")
        shape = (len(wanted), size, size, 3)
        pictures = np.empty(shape, np.uint8) if out is None else out
        if pictures.shape != shape or pictures.dtype != np.uint8:
            raise ValueError(f"out is {pictures.dtype} {pictures.shape}, it must be uint8 {shape}.")
        chunks = [wanted[start : start + CHUNK] for start in range(0, len(wanted), CHUNK)]
        count = _choose_workers(workers, len(wanted), size, len(chunks))
        # closing: ends the workers, whatever happens
        with closing(draw_chunks(self.seed, size, chunks, count)) as drawn:
            _collect(drawn, pictures, progress)
        return pictures


def _collect(
    chunks: Iterable[NDArray[np.uint8]], pictures: NDArray[np.uint8], progress: Callable[[int], None] | None
) -> None:
    """Writes the chunks one after another into `pictures` and reports each."""
    start = 0
    for chunk in chunks:
        pictures[start : start + len(chunk)] = chunk
        start += len(chunk)
        if progress is not None:
            progress(len(chunk))


def _choose_workers(workers: int | None, count: int, size: int, chunks: int) -> int:
    """How many processes to use: never more than there are chunks of work."""
    if workers is None:
        heavy = count * max(1.0, (size / 64) ** 2) >= WORTH_PROCESSES
        workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
        workers = workers if heavy else 1
    if workers < 1:
        raise ValueError(f"workers is {workers}, it must be 1 or more.")
    return max(1, min(workers, chunks)) if sys.executable else 1  # an embedded Python has no program to start
