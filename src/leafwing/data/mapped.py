"""The file behind a memory map: is it still as it was, and which rows will be read next."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leafwing.core.errors import BadData
from leafwing.data.names import shown

LARGE = 2**30
"""Bytes from which a store may not stay in memory and its rows are asked for ahead."""


class Mapped:
    """Knows the file behind a memory map; an array in memory has none, and nothing is done.

    A file that shrinks under its map would end the process with a bus error, so it is looked at every turn. A
    store is never written again once it has its name: any other size or time of the same file means that something
    else wrote there. A file that is gone, or replaced by another under its name, does no harm: the map keeps the
    old one. One look costs about 2 µs.
    """

    def __init__(self, pictures: NDArray[np.uint8]) -> None:
        name = getattr(pictures, "filename", None)
        self.path = Path(name) if isinstance(pictures, np.memmap) and name is not None else None
        self._was = self._look()
        self._row = pictures[0].nbytes
        self._map: mmap.mmap | None = None
        large = self.path is not None and pictures.nbytes >= LARGE and hasattr(mmap, "MADV_RANDOM")
        if large and isinstance(pictures.base, mmap.mmap):
            self._map = pictures.base
            self._map.madvise(mmap.MADV_RANDOM)

    def check(self) -> None:
        """Look again.

        Raises:
            BadData: the file was cut or written to since it was opened.
        """
        if self.path is None:
            return
        now = self._look()
        if now != self._was and now is not None and self._was is not None and now[0] == self._was[0]:
            size, was = now[1], self._was[1]
            what = f"cut from {was:,} to {size:,} bytes" if size < was else "written to"
            raise BadData(
                f"The prepared pictures {shown(self.path)} were {what} while they were in use: "
                f"delete the folder {shown(self.path.parent)}, it is made again, and resume."
            )

    def expect(self, rows: NDArray[np.int64]) -> None:
        """Ask the system to bring these rows of a large file, all at once instead of page by page.

        By itself it would bring 128 kB around each page touched, or, told that reading is random, one page at a
        time; either way a batch waits for one page after another.
        """
        if self._map is not None:
            for row in rows.tolist():
                start = row * self._row // mmap.PAGESIZE * mmap.PAGESIZE
                self._map.madvise(mmap.MADV_WILLNEED, start, (row + 1) * self._row - start)

    def _look(self) -> tuple[int, int, int] | None:
        """Which file, its size, its time of writing; ``None`` when there is nothing under that name."""
        if self.path is None:
            return None
        try:
            facts = os.stat(self.path)
        except OSError:
            return None
        return facts.st_ino, facts.st_size, facts.st_mtime_ns
