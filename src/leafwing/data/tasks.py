"""What a build does with each picture: decode it, or draw it, into its row of the store's file."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, TypeAlias

from leafwing.core.errors import BadData
from leafwing.data import pictures
from leafwing.data.cache import storing
from leafwing.data.crew import Fetch
from leafwing.data.drawn import World
from leafwing.data.entries import Door, Load, Raw, raw_bytes
from leafwing.data.names import shown
from leafwing.data.pictures import BadPicture, Pixels, Target
from leafwing.data.records import Earlier, checksum, row_of

PATIENCE = 10.0
"""Seconds of computing that one picture may take: 89 million pixels need about three."""

Piece: TypeAlias = tuple[int, Raw | BadPicture]
"""A candidate's index and its bytes or array, or why it could not be read."""


@dataclass(frozen=True)
class Outcome:
    """What became of one candidate: the sha256 of its bytes and its row's checksum, or why it is not used."""

    index: int
    digest: bytes = b""
    checksum: int = 0
    reason: str = ""


def pieces(door: Door, count: int, done: Container[int] = ()) -> Iterator[Fetch[Piece]]:
    """The first ``count`` candidates of a door, but for those already done, as work for a task."""
    for index, load in door.loads(count):
        if index not in done:
            yield _Fetching(index, load, door.listing.names[index])


@dataclass(frozen=True, slots=True)
class _Fetching:
    """Brings one candidate; as text its name, for a disk that does not answer."""

    index: int
    load: Load
    name: str

    def __call__(self) -> Piece:
        try:
            return self.index, self.load()
        except BadPicture as bad:
            return self.index, bad

    def __str__(self) -> str:
        return shown(self.name)


@dataclass
class _Into:
    """What both tasks share: the file with ``count`` rows of uint8 [size, size, channels]."""

    path: Path
    count: int
    target: Target

    @cached_property
    def file(self) -> IO[bytes]:
        """The file, unbuffered; each process opens it for itself."""
        return self.path.open("r+b", buffering=0)

    def write(self, index: int, pixels: bytes) -> None:
        """Put pictures into the rows from ``index`` on, plainly: through a fresh map page faults cost 0.2 ms each."""
        row = self.target.size**2 * self.target.channels
        with storing(self.path.parent.parent, self.count * row):
            self.file.seek(index * row)
            if self.file.write(pixels) != len(pixels):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """Let go of the files."""
        self.file.close()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "file"}


@dataclass
class DecodeInto(_Into):
    """Decode a candidate into its row, or take the row over from an earlier store that knows its content."""

    earlier: tuple[Earlier, ...] = ()
    patience: float = PATIENCE

    def __call__(self, piece: Piece) -> Outcome:
        """Decode and write one; answer what became of it."""
        index, raw = piece
        try:
            if isinstance(raw, BadPicture):
                raise raw
            digest = hashlib.sha256(raw_bytes(raw)).digest()
            row = row_of(digest, self.earlier) or self._decoded(raw).tobytes()
        except BadPicture as bad:
            return Outcome(index, reason=str(bad))
        self.write(index, row)
        return Outcome(index, digest, checksum(row))

    def close(self) -> None:
        super().close()
        for store in self.earlier:
            store.close()

    def _decoded(self, raw: Raw) -> Pixels:
        if isinstance(raw, bytes):
            return pictures.decode(raw, self.target)
        return pictures.fitted(pictures.from_array(raw), self.target)

    def crashed(self, piece: Piece, why: str) -> Outcome:
        """The decoder itself died over this file, or would not end."""
        return Outcome(piece[0], reason=why)


@dataclass
class DrawInto(_Into):
    """Draw one picture of a world into its row."""

    world: World
    patience: float = 600.0

    def __call__(self, index: int) -> int:
        """Draw picture ``index``."""
        drawn = self.world.render(range(index, index + 1), size=self.target.size, workers=1)
        self.write(index, pictures.with_channels(drawn[0], self.target.channels).tobytes())
        return index

    def crashed(self, piece: int, why: str) -> int:
        """A world that kills its process leaves no picture to skip.

        Raises:
            BadData: with the number of the picture.
        """
        raise BadData(f"Drawing picture {piece} of world:{self.world.name} failed ({why}): nothing was kept.")
