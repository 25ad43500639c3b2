"""A watch over a mapped file: one that shrinks under its map would end the process with a bus error."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leafwing.core.errors import BadData
from leafwing.data.names import shown


class Guard:
    """Knows the file behind a memory map and whether it is still as it was; arrays in memory have none.

    A store is never written again once it has its name, so any other size or time of the same file means that
    something else wrote there. A file that is gone, or replaced by another under its name, does no harm: the
    map keeps the old one. One look costs about 2 µs.
    """

    def __init__(self, pictures: NDArray[np.uint8]) -> None:
        name = getattr(pictures, "filename", None)
        self.path = Path(name) if isinstance(pictures, np.memmap) and name is not None else None
        self._was = self._look()

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

    def _look(self) -> tuple[int, int, int] | None:
        """Which file, its size, its time of writing; ``None`` when there is nothing under that name."""
        if self.path is None:
            return None
        try:
            facts = os.stat(self.path)
        except OSError:
            return None
        return facts.st_ino, facts.st_size, facts.st_mtime_ns
