"""The door for folders: nested files, opened so that nothing can hang and nothing outside is read."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from array import array
from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from leafwing.data.entries import BadFile, Door, Listing, Load
from leafwing.data.names import claims_picture, is_junk, starts_as_picture
from leafwing.data.pictures import MAX_BYTES, BadPicture, too_many_bytes
from leafwing.data.records import Facts, settled

# O_NOFOLLOW: no link put there since the listing. O_NONBLOCK: a FIFO does not hang the open.
_FLAGS = os.O_RDONLY | sum(getattr(os, f, 0) for f in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))


def read_regular(path: str | os.PathLike[str], limit: int | None = None) -> bytes:
    """Read a regular file whole, or its first ``limit`` bytes.

    Raises:
        BadPicture: a link, FIFO, device or folder; above 256 MB; or the system refuses.
    """
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        raise BadPicture(f"cannot be opened: {error.strerror or error}") from error
    with open(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise BadPicture("not a regular file: a folder, FIFO or device")
        if limit is None and facts.st_size > MAX_BYTES:
            raise BadPicture(too_many_bytes(facts.st_size))
        try:
            return file.read(MAX_BYTES + 1 if limit is None else limit)
        except OSError as error:
            raise BadPicture(f"cannot be read: {error.strerror or error}") from error


class FolderDoor(Door):
    """Pictures in a folder and its subfolders, in the order of their relative names.

    A million files are listed as two lists and an array: names, the few links, 32 bytes of facts a file.
    """

    kind = "folder"

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.source = str(root)
        self._links: dict[str, str] = {}

    def stamp(self) -> str:
        """Hash names, sizes and times of all candidates; no file is read but those of unknown ending."""
        digest = hashlib.sha256(os.fsencode(self.root))
        for name, (size, mtime, ctime, _) in zip(self.listing.names, self._facts.tolist(), strict=True):
            digest.update(f"{name}\0{size}\0{mtime}\0{ctime}\n".encode("utf-8", "surrogateescape"))
        for bad in self.listing.refused:
            digest.update(f"{bad.name}\0{bad.reason}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def facts(self) -> Facts:
        """As listed; those of files too young to be trusted are marked."""
        return settled(self._listed[1], self._listed_at)

    def loads(self, count: int) -> Iterator[tuple[int, Load]]:
        """Yield loaders that read in the worker thread, so that a slow disk is read in parallel."""
        for index, name in enumerate(self.listing.names[:count]):
            yield index, partial(read_regular, self._links.get(name) or os.path.join(self.root, name))

    def beside(self, name: str) -> bytes | None:
        """The file of that relative name, if it is a regular one inside the folder."""
        path = os.path.join(self.root, name)
        return read_regular(path) if os.path.isfile(path) and not os.path.islink(path) else None

    @property
    def _facts(self) -> Facts:
        return self._listed[1]

    def _list(self) -> Listing:
        return self._listed[0]

    @cached_property
    def _listed(self) -> tuple[Listing, Facts]:
        """All names, sorted, and their facts in the same order."""
        self._listed_at = time.time_ns()
        listing, numbers = Listing(), array("q")
        folders = [(str(self.root), "")]
        while folders:
            folders += self._look_through(*folders.pop(), listing, numbers)
        order = np.array(sorted(range(len(listing.names)), key=listing.names.__getitem__), np.int64)
        listing.names = [listing.names[i] for i in order]
        listing.refused.sort(key=lambda bad: bad.name)
        return listing, np.array(numbers, np.int64).reshape(-1, 4)[order]

    def _look_through(self, folder: str, prefix: str, listing: Listing, numbers: array[int]) -> list[tuple[str, str]]:
        """Take in one folder, entry by entry; return its subfolders, which are opened after it is closed."""
        inner = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = prefix + entry.name
                    if is_junk(entry.name):
                        listing.not_pictures += 1
                    elif entry.is_dir(follow_symlinks=False):
                        inner.append((entry.path, name + "/"))
                    else:
                        self._add(entry, name, listing, numbers)
        except OSError as error:
            listing.refused.append(BadFile(prefix or ".", f"folder cannot be listed: {error.strerror}"))
        return inner

    def _add(self, entry: os.DirEntry[str], name: str, listing: Listing, numbers: array[int]) -> None:
        try:
            path, facts = self._followed(entry)
            is_picture = claims_picture(name) or starts_as_picture(read_regular(path, 16))
        except BadPicture as bad:
            if claims_picture(name):
                listing.refused.append(BadFile(name, str(bad)))
            else:
                listing.not_pictures += 1
            return
        if not is_picture:
            listing.not_pictures += 1
            return
        if path != entry.path:
            self._links[name] = path
        listing.names.append(name)
        numbers.extend((facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino & (2**63 - 1)))

    def _followed(self, entry: os.DirEntry[str]) -> tuple[str, os.stat_result]:
        """Return the path to open and its facts. A link is followed only to a file inside the root."""
        path = entry.path
        try:
            if entry.is_symlink():
                path = os.path.realpath(path, strict=True)
                if not Path(path).is_relative_to(self.root):
                    raise BadPicture("link: leads out of the folder")
            facts = os.stat(path, follow_symlinks=False)
        except OSError as error:
            raise BadPicture(f"cannot be opened: {error.strerror or error}") from error
        if not stat.S_ISREG(facts.st_mode):
            raise BadPicture("not a regular file: a folder, FIFO or device")
        if facts.st_size > MAX_BYTES:
            raise BadPicture(too_many_bytes(facts.st_size))
        return path, facts
