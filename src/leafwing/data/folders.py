"""The door for folders: nested files, opened so that nothing can hang and nothing outside is read."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path

from leafwing.data.entries import BadFile, Door, Listing, Load
from leafwing.data.names import claims_picture, is_junk, starts_as_picture
from leafwing.data.pictures import MAX_BYTES, BadPicture, too_many_bytes

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
    """Pictures in a folder and its subfolders, in the order of their relative names."""

    kind = "folder"

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.source = str(root)

    def stamp(self) -> str:
        """Hash names, sizes and times of all candidates; no file is read but those of unknown ending."""
        digest = hashlib.sha256(os.fsencode(self.root))
        for name in self.listing.names:
            facts = self._found[name][1]
            line = f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\0{facts.st_ctime_ns}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
        for bad in self.listing.refused:
            digest.update(f"{bad.name}\0{bad.reason}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def loads(self, count: int) -> Iterator[tuple[int, Load]]:
        """Yield loaders that read in the worker thread, so that a slow disk is read in parallel."""
        for index, name in enumerate(self.listing.names[:count]):
            yield index, partial(read_regular, self._found[name][0])

    @cached_property
    def _found(self) -> dict[str, tuple[str, os.stat_result]]:
        return {}

    def _list(self) -> Listing:
        listing = Listing()
        self._walk(str(self.root), "", listing)
        listing.names.sort()
        listing.refused.sort(key=lambda bad: bad.name)
        return listing

    def _walk(self, folder: str, prefix: str, listing: Listing) -> None:
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            listing.refused.append(BadFile(prefix or ".", f"folder cannot be listed: {error.strerror}"))
            return
        for entry in entries:
            name = prefix + entry.name
            if is_junk(entry.name):
                listing.not_pictures += 1
            elif entry.is_dir(follow_symlinks=False):
                self._walk(entry.path, name + "/", listing)
            else:
                self._add(entry, name, listing)

    def _add(self, entry: os.DirEntry[str], name: str, listing: Listing) -> None:
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
        self._found[name] = (path, facts)
        listing.names.append(name)

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
