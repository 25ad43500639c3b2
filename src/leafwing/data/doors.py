"""What kinds of source there are, told apart by content and not by name."""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
from difflib import get_close_matches
from pathlib import Path

from leafwing.core.errors import BadData
from leafwing.data.archives import BROKEN, TarDoor, ZipDoor, is_npz
from leafwing.data.arrays import IDX_NAMES, IdxDoor, NpyDoor, NpzDoor, is_idx
from leafwing.data.entries import Door
from leafwing.data.folders import FolderDoor, read_regular
from leafwing.data.names import shown, starts_as_picture
from leafwing.data.pictures import BadPicture

_KINDS = "a folder, a .zip, .tar, .npz or idx file, or world:NAME"


def find_door(source: str | os.PathLike[str]) -> Door:
    """Return the door that fits what lies at a path.

    Args:
        source: a folder, an archive or an array file. Worlds are not files: see ``drawn``.

    Raises:
        BadData: nothing there, or nothing that could hold pictures.
    """
    path = Path(os.path.expanduser(source))
    try:
        facts = path.stat()
    except (OSError, ValueError) as error:
        raise BadData(_missing(path, error)) from error
    if stat.S_ISDIR(facts.st_mode):
        for name in IDX_NAMES:
            if (path / name).is_file():
                return IdxDoor(path / name)
        return FolderDoor(path)
    try:
        head = read_regular(path.resolve(), 512)
    except BadPicture as bad:
        raise BadData(f"{shown(path)} cannot be used ({bad}): give {_KINDS}.") from bad
    return _file_door(path, head)


def _file_door(path: Path, head: bytes) -> Door:
    if not head:
        raise BadData(f"{shown(path)} is an empty file: give {_KINDS}.")
    if starts_as_picture(head):
        raise BadData(f"{shown(path)} is one picture: give the folder that holds it and others.")
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return NpzDoor(path) if is_npz(path) else ZipDoor(path)
    if head.startswith(b"\x93NUMPY"):
        return NpyDoor(path)
    if is_idx(head) or (head.startswith(b"\x1f\x8b") and is_idx(_unpacked(path))):
        return IdxDoor(path)
    if head[257:262] == b"ustar" or _is_tar(path):
        return TarDoor(path)
    what = "a text file" if _is_text(head) else "of a kind that is not read"
    raise BadData(f"{shown(path)} is {what}: give {_KINDS}.")


def _unpacked(path: Path) -> bytes:
    try:
        with gzip.open(path) as stream:
            return stream.read(16)
    except BROKEN:
        return b""


def _is_tar(path: Path) -> bool:
    try:
        return tarfile.is_tarfile(path)
    except BROKEN:
        return False


def _is_text(head: bytes) -> bool:
    try:
        head[:400].decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > 390  # a character cut in two at the end
    return b"\0" not in head


def _missing(path: Path, error: BaseException) -> str:
    """One sentence for a path that is not there, with near names from the nearest folder that is."""
    if isinstance(error, PermissionError):
        return f"{shown(path)} cannot be opened (permission denied): check its rights."
    part, parent = path, path.parent
    while not parent.is_dir() and parent != parent.parent:
        part, parent = parent, parent.parent
    try:
        near = get_close_matches(part.name, os.listdir(parent), n=2, cutoff=0.6)
    except (OSError, ValueError):
        near = []
    if near:
        return f"{shown(path)} does not exist. Did you mean {' or '.join(shown(parent / n) for n in near)}?"
    return f"{shown(path)} does not exist: give {_KINDS}."
