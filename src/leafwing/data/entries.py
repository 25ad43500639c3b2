"""What every door offers: a list of names, a reason for each refusal, and a way to load each picture."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from leafwing.data.records import Facts

Raw: TypeAlias = bytes | NDArray[Any]
"""A picture before decoding: a whole encoded file, or an array [h, w] or [h, w, c]."""

Load: TypeAlias = Callable[[], Raw]
"""Fetches one picture; may be called in any thread, once."""


@dataclass(frozen=True)
class BadFile:
    """A file that is not used: its name inside the source, and ``kind: detail`` why."""

    name: str
    reason: str

    @property
    def kind(self) -> str:
        """The part of the reason that is counted: ``too small``, ``cut off or damaged``, …."""
        return self.reason.partition(":")[0]


@dataclass
class Listing:
    """What a source holds.

    Attributes:
        names: candidates for pictures, sorted.
        refused: files refused unread (links out of the root, unsafe names, devices, …).
        not_pictures: how many other files were passed over (labels, text, dotfiles).
    """

    names: list[str] = field(default_factory=list)
    refused: list[BadFile] = field(default_factory=list)
    not_pictures: int = 0


class Door(ABC):
    """A source of pictures. ``kind`` is folder, zip, tar, npz, npy or idx; ``source`` its path."""

    kind: str
    source: str

    @abstractmethod
    def stamp(self) -> str:
        """Return a cheap text that changes whenever the source may have changed."""

    @abstractmethod
    def _list(self) -> Listing:
        """Look through the source once."""

    @abstractmethod
    def loads(self, count: int) -> Iterator[tuple[int, Load]]:
        """Yield (index into ``listing.names``, loader) of the first ``count``, in the best order to read."""

    def facts(self) -> Facts | None:
        """Each name's size, times and inode where they can be trusted to tell a change; none by default."""
        return None

    def beside(self, name: str) -> bytes | None:
        """A file of the source that is no picture, such as ``labels.csv``; ``None`` when there is none."""
        return None

    @property
    def place(self) -> str:
        """Where the source lies, whatever way it was written."""
        return os.path.realpath(self.source)

    @cached_property
    def listing(self) -> Listing:
        """The names, sorted; looked up once."""
        return self._list()


def raw_bytes(raw: Raw) -> bytes:
    """What is hashed for the fingerprint: the file's bytes, or the array's with its shape."""
    if isinstance(raw, bytes):
        return raw
    return f"{raw.dtype.str}{raw.shape}".encode() + np.ascontiguousarray(raw).tobytes()
