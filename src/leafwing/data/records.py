"""What a store remembers of its files, so that the next build decodes only what changed.

Beside the pixels lies one record a picture: the sha256 of the file it was decoded from, a checksum of its row and,
for folders, the file's size, times and inode, as in git's index. A later build of the same target takes over
rows in two ways: a file whose name and facts are as they were is not even read; a file that is read (moved, copied,
touched, in a zip now) is hashed, and decoded only when no earlier store knows its content.

Facts are trusted only when the file was left alone for two seconds before it was listed: one written to in the
same tick of the clock would look unchanged ("racily clean" in git's words). FAT's clock ticks every two seconds.
"""

from __future__ import annotations

import json
import os
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from leafwing.data.pictures import Target, decoder

RECORDS = "records.bin"
RECORD = np.dtype([("digest", np.uint8, 32), ("checksum", "<u4"), ("facts", "<i8", 4)])
Records: TypeAlias = NDArray[np.void]
Facts: TypeAlias = NDArray[np.int64]
"""[n, 4]: size in bytes, mtime and ctime in ns, inode; a size of -1 when they must not be trusted."""

RACY_NS = 2 * 10**9
MOST = 4
"""Earlier stores that are asked, the newest of the same place first."""
RUN = 256
"""Rows copied at a time."""


def no_records(count: int) -> Records:
    """``count`` empty records whose facts nobody trusts."""
    records = np.zeros(count, RECORD)
    records["facts"][:, 0] = -1
    return records


def settled(facts: Facts, listed_at: int) -> Facts:
    """Facts with those distrusted that are younger than two seconds at ``listed_at`` (ns since 1970)."""
    kept = facts.copy()
    kept[facts[:, 1:3].max(axis=1, initial=0) > listed_at - RACY_NS, 0] = -1
    return kept


def checksum(row: bytes | memoryview) -> int:
    """CRC-32 of a row: tells a store that was harmed on disk from a sound one."""
    return zlib.crc32(row)


@dataclass
class Earlier:
    """A finished store of the same target, as a source of rows. Travels to helper processes as its path.

    Everything is read by plain reads and checked: a store that is deleted or cut meanwhile only has no rows.
    """

    folder: Path
    row_bytes: int
    same_place: bool
    """Whether it was made from the same path, so that facts of files may be compared."""

    @cached_property
    def records(self) -> Records:
        """One record a row; none at all when they cannot be read."""
        try:
            return np.fromfile(self.folder / RECORDS, RECORD)
        except OSError:
            return no_records(0)

    @cached_property
    def names(self) -> list[str]:
        """The names of its pictures, sorted."""
        try:
            names: list[str] = json.loads((self.folder / "names.json").read_text("utf-8"))
        except (OSError, ValueError):
            return []
        return names if len(names) == len(self.records) else []

    def find(self, digest: bytes) -> int | None:
        """The row that was decoded from a file of this sha256, or ``None``."""
        keys, order = self._index
        at = int(np.searchsorted(keys, np.frombuffer(digest, "<u8", 1)[0]))
        while at < len(keys) and keys[at].tobytes() == digest[:8]:
            if self.records["digest"][order[at]].tobytes() == digest:
                return int(order[at])
            at += 1
        return None

    def rows(self, first: int, count: int = 1) -> bytes | None:
        """The pixels of some rows, or ``None`` when they are not what was once written there."""
        size = self.row_bytes
        try:
            self._file.seek(first * size)
            pixels: bytes = self._file.read(count * size)
        except OSError:
            return None
        if len(pixels) != count * size:
            return None
        view = memoryview(pixels)
        sums = [checksum(view[i * size : (i + 1) * size]) for i in range(count)]
        return pixels if sums == self.records["checksum"][first : first + count].tolist() else None

    def close(self) -> None:
        """Let go of the file."""
        if "_file" in self.__dict__:
            self.__dict__.pop("_file").close()

    @cached_property
    def _file(self) -> Any:
        return (self.folder / "pictures.u8").open("rb", buffering=0)

    @cached_property
    def _index(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """The first eight bytes of all digests, sorted, and whose they are: 16 bytes a picture."""
        keys = np.ascontiguousarray(self.records["digest"][:, :8]).view("<u8")[:, 0]
        order = np.argsort(keys, kind="stable")
        return keys[order], order

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "row_bytes": self.row_bytes, "same_place": self.same_place}


def row_of(digest: bytes, earlier: Sequence[Earlier]) -> bytes | None:
    """The row of the first earlier store that knows this content."""
    for store in earlier:
        index = store.find(digest)
        row = None if index is None else store.rows(index)
        if row is not None:
            return row
    return None


def unchanged(names: Sequence[str], facts: Facts, store: Earlier) -> Iterator[tuple[int, int, int]]:
    """Yield (first here, first there, how many) for files whose name and facts are as they were, in runs."""
    here, there = _same_names(names, store.names)
    same = (facts[here, 0] >= 0) & (facts[here] == store.records["facts"][there]).all(axis=1)
    here, there = here[same], there[same]
    ends = np.flatnonzero((np.diff(here) != 1) | (np.diff(there) != 1)) + 1
    for run in np.split(np.arange(len(here)), ends):
        for start in range(0, len(run), RUN):
            part = run[start : start + RUN]
            yield int(here[part[0]]), int(there[part[0]]), len(part)


def _same_names(names: Sequence[str], others: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the same names stand in two sorted lists."""
    here, there, row = array("q"), array("q"), 0
    for index, name in enumerate(names):
        while row < len(others) and others[row] < name:
            row += 1
        if row < len(others) and others[row] == name:
            here.append(index)
            there.append(row)
    return np.array(here, np.int64), np.array(there, np.int64)


def earlier_stores(data: Path, target: Target, place: str, format_: int) -> list[Earlier]:
    """Finished stores under ``data`` whose rows a build of ``target`` may take over, the likeliest first.

    Only those decoded by the same versions of Pillow and its libraries, so that the result is exactly what
    decoding everything again would give.
    """
    row_bytes = target.size**2 * target.channels
    found = []
    for path in data.glob(f"*-{target.size}px{target.channels}-*/meta.json"):
        if ".tmp-" in path.parent.name:
            continue
        try:
            meta, age = json.loads(path.read_text("utf-8")), path.stat().st_mtime_ns
            fits = _fits(meta, target, format_) and _whole(path.parent, meta["n"], row_bytes)
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if fits:
            found.append((meta["place"] == place, age, str(path.parent)))
    return [Earlier(Path(folder), row_bytes, same) for same, _, folder in sorted(found, reverse=True)[:MOST]]


def _fits(meta: dict[str, Any], target: Target, format_: int) -> bool:
    wanted = [format_, decoder(), target.fit, list(target.background)]
    return [meta[key] for key in ("format", "decoder", "fit", "background")] == wanted


def _whole(folder: Path, n: int, row_bytes: int) -> bool:
    sizes = os.stat(folder / "pictures.u8").st_size, os.stat(folder / RECORDS).st_size
    return sizes == (n * row_bytes, n * RECORD.itemsize)
