"""The doors for archives: members are read one by one in memory, nothing is ever extracted."""

from __future__ import annotations

import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO

from leafwing.core.errors import BadData
from leafwing.data.entries import BadFile, Door, Listing, Load
from leafwing.data.names import claims_picture, is_junk, shown, starts_as_picture, unsafe
from leafwing.data.pictures import MAX_BYTES, BadPicture, too_many_bytes

BROKEN = (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError, ValueError)
"""What the archive readers raise when the archive itself is damaged."""


def file_stamp(path: Path) -> str:
    """Place, size and times of one file: what tells whether it may have changed."""
    facts = path.stat()
    return f"{path.resolve()}\0{facts.st_size}\0{facts.st_mtime_ns}\0{facts.st_ctime_ns}"


class _Archive(Door):
    """What zip and tar share: one file, a stamp without reading it, safe members by name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.source = str(path)

    def stamp(self) -> str:
        return file_stamp(self.path)

    def _broken(self, error: BaseException) -> BadData:
        why = " ".join(str(error).split())[:120] or type(error).__name__
        what = f"{shown(self.path)} is a damaged {self.kind} archive"
        return BadData(f"{what} ({why}): download or pack it again.")

    @staticmethod
    def _sort(name: str, refusal: str | None, head: Callable[[], bytes], listing: Listing) -> bool:
        """Put one member where it belongs; ``True`` when it is a candidate. ``head`` reads 16 bytes."""
        reason = unsafe(name)
        if reason is None:
            if is_junk(name):
                listing.not_pictures += 1
                return False
            if refusal is not None and claims_picture(name):
                reason = refusal
        if reason is not None:
            listing.refused.append(BadFile(name, reason))
            return False
        if refusal is None and (claims_picture(name) or starts_as_picture(head())):
            return True
        listing.not_pictures += 1
        return False


class ZipDoor(_Archive):
    """Pictures in a .zip; members are read in the worker threads."""

    kind = "zip"

    def _list(self) -> Listing:
        listing = Listing()
        self._members: dict[str, zipfile.ZipInfo] = {}
        try:
            self._zip = zipfile.ZipFile(self.path)
            for member in self._zip.infolist():
                if member.is_dir():
                    continue
                if self._sort(member.filename, self._refusal(member), partial(self._head, member), listing):
                    if member.filename in self._members:  # unpacking would keep the last one
                        listing.refused.append(BadFile(member.filename, "name twice: the later one is used"))
                    self._members[member.filename] = member
        except BROKEN as error:
            raise self._broken(error) from error
        listing.names = sorted(self._members)
        return listing

    def loads(self, count: int) -> Iterator[tuple[int, Load]]:
        for index, name in enumerate(self.listing.names[:count]):
            yield index, partial(self._read, self._members[name])

    def beside(self, name: str) -> bytes | None:
        """The member of that name, if it can be read."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                found = [m for m in archive.infolist() if m.filename == name and not self._refusal(m)]
                return archive.read(found[-1]) if found else None
        except (*BROKEN, NotImplementedError, RuntimeError) as error:
            raise self._broken(error) from error

    @staticmethod
    def _refusal(member: zipfile.ZipInfo) -> str | None:
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind and not stat.S_ISREG(kind):
            return "not a regular file: a link or device"
        if member.flag_bits & 1:
            return "encrypted"
        if member.file_size > MAX_BYTES:
            return too_many_bytes(member.file_size)
        return None

    def _head(self, member: zipfile.ZipInfo) -> bytes:
        try:
            with self._zip.open(member) as file:
                return file.read(16)
        except (*BROKEN, NotImplementedError, RuntimeError):
            return b""

    def _read(self, member: zipfile.ZipInfo) -> bytes:
        try:
            with self._zip.open(member) as file:
                return file.read(MAX_BYTES + 1)
        except (*BROKEN, NotImplementedError, RuntimeError) as error:
            raise BadPicture(f"cannot be read: {' '.join(str(error).split())[:120]}") from error


class TarDoor(_Archive):
    """Pictures in a .tar, plain or packed with gzip, bzip2 or xz; read from front to back."""

    kind = "tar"

    def _list(self) -> Listing:
        listing = Listing()
        seen: set[str] = set()
        try:
            with tarfile.open(self.path) as archive:
                for member in archive:
                    name = self._name(member)
                    if member.isdir():
                        continue
                    head = partial(self._bytes, archive, member, 16)
                    if self._sort(name, self._refusal(member), head, listing):
                        if name in seen:
                            listing.refused.append(BadFile(name, "name twice: the later one is used"))
                        seen.add(name)
        except BROKEN as error:
            raise self._broken(error) from error
        listing.names = sorted(seen)
        return listing

    def loads(self, count: int) -> Iterator[tuple[int, Load]]:
        """Yield members already read: a packed tar can only be read forwards, by one thread."""
        places = {name: index for index, name in enumerate(self.listing.names[:count])}
        last = self._last_of_twice()
        try:
            with tarfile.open(self.path) as archive:
                for position, member in enumerate(archive):
                    name = self._name(member)
                    if name in places and not self._refusal(member) and last.get(name, position) == position:
                        yield places[name], partial(bytes, self._bytes(archive, member, MAX_BYTES))
        except BROKEN as error:
            raise self._broken(error) from error

    def beside(self, name: str) -> bytes | None:
        """The member of that name, if it can be read."""
        try:
            with tarfile.open(self.path) as archive:
                found = [m for m in archive if self._name(m) == name and not self._refusal(m)]
                return self._bytes(archive, found[-1], MAX_BYTES) if found else None
        except BROKEN as error:
            raise self._broken(error) from error

    def _last_of_twice(self) -> dict[str, int]:
        twice = {bad.name for bad in self.listing.refused if bad.reason.startswith("name twice")}
        if not twice:
            return {}
        with tarfile.open(self.path) as archive:
            usable = [(self._name(m), i) for i, m in enumerate(archive) if not self._refusal(m)]
        return {name: position for name, position in usable if name in twice}

    @staticmethod
    def _name(member: tarfile.TarInfo) -> str:
        return member.name.removeprefix("./")

    @staticmethod
    def _refusal(member: tarfile.TarInfo) -> str | None:
        if not member.isreg() or member.issparse():
            return "not a regular file: a link, device or sparse file"
        if member.size > MAX_BYTES:
            return too_many_bytes(member.size)
        return None

    @staticmethod
    def _bytes(archive: tarfile.TarFile, member: tarfile.TarInfo, limit: int) -> bytes:
        file: IO[bytes] | None = archive.extractfile(member)
        return file.read(min(limit, member.size)) if file else b""


def is_npz(path: Path) -> bool:
    """Whether a zip file holds numpy arrays and nothing else."""
    try:
        with path.open("rb") as file:  # the first member's name settles it without reading the directory
            header = file.read(30)
            if not file.read(int.from_bytes(header[26:28], "little")).endswith(b".npy"):
                return False
        with zipfile.ZipFile(path) as archive:
            names = [m.filename for m in archive.infolist() if not m.is_dir()]
    except BROKEN:
        return False
    return bool(names) and all(os.path.splitext(n)[1] == ".npy" for n in names)
