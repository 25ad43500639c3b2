"""Published folders: there whole, or not there at all. Checkpoints and exported generators are such.

A folder is written beside its place as ``NAME.tmp-<pid>``, every file pushed to the medium, the manifest
(size and SHA-256 of each file) last; then it is renamed into place in one step and read back. Nothing
published is ever overwritten, and readers check every byte: neither torch.load nor safetensors would notice
a flipped bit.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from leafwing.core.disk import DISK, Disk, is_alive
from leafwing.core.errors import BadRun, StorageFailed

MANIFEST = "manifest.json"
FORMAT = "leafwing.folder"
VERSION = 1
SPARE = 1.2
"""Free bytes asked for before the first write, as a multiple of what is to be written."""

_CHUNK = 8 << 20
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}")
_TEMPORARY = re.compile(r".+\.tmp-([0-9]+)")
_OLD = ".old-"
_MAX_MANIFEST = 64 << 20
# Left in any folder that a file manager or a network disk has touched; never read, so harmless.
_LITTER = re.compile(r"\.DS_Store|Thumbs\.db|desktop\.ini|\._.*|\.nfs.*", re.IGNORECASE)


def publish(
    parent: Path,
    name: str,
    files: Mapping[str, bytes],
    *,
    meta: Mapping[str, Any] | None = None,
    disk: Disk = DISK,
) -> Path:
    """Write ``files`` as the folder ``parent/name``, whole or not at all.

    A sound folder of that name is left as it is and returned; a damaged one is moved aside as
    ``NAME.damaged-<k>``. Only one process may publish in ``parent`` (:class:`leafwing.core.lock.RunLock`).

    Args:
        parent: where; made if missing.
        name: the folder's plain name, such as ``step-00000100``.
        files: plain file name -> bytes.
        meta: anything JSON can say, kept in the manifest and covered by its checksum.
        disk: the door to the disk.

    Returns:
        The published folder, on the medium and read back.

    Raises:
        StorageFailed: the disk refused; nothing published was lost and the temporary folder is gone.
        ValueError: a name that is no plain file name, or a ``meta`` that JSON cannot say.
    """
    parent = Path(parent)
    _check_names(name, files)
    manifest = _seal(files, meta)
    target = parent / name
    needed = sum(memoryview(data).nbytes for data in files.values()) + len(manifest)
    try:
        _make_folder(parent, disk)
        taken = disk.listdir(parent)
        if name in taken and _is_sound(target, disk):
            disk.fsync_dir(parent)  # the last attempt may have failed just before this
            return target
        _check_space(target, math.ceil(SPARE * needed), disk)
        if name in taken:
            _set_aside(target, taken, disk)
        _write_beside({**files, MANIFEST: manifest}, target, disk)
        verify(target, disk=disk)
    except OSError as error:
        why = error.strerror or str(error)
        raise StorageFailed(_refusal(target, why, needed, disk)) from error
    except BadRun as error:
        raise StorageFailed(_refusal(target, f"it reads back wrong ({error})", needed, disk)) from error
    return target


def verify(folder: Path, *, disk: Disk = DISK) -> dict[str, Any]:
    """Check every byte of a published folder and return its manifest (``files``, ``meta``, ...).

    Raises:
        BadRun: naming the folder, the file and what is wrong with it.
    """
    manifest = _read_manifest(Path(folder), disk)
    for _ in _read_files(Path(folder), manifest, disk):
        pass
    return manifest


def read(folder: Path, *, disk: Disk = DISK) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return the files of a published folder and its ``meta``; the hashes hold for exactly these bytes.

    Raises:
        BadRun: naming the folder, the file and what is wrong with it.
    """
    manifest = _read_manifest(Path(folder), disk)
    return dict(_read_files(Path(folder), manifest, disk)), manifest["meta"]


def newest(parent: Path, prefix: str = "step-", *, disk: Disk = DISK) -> tuple[Path | None, list[str]]:
    """Find the newest sound folder ``<prefix><number>``, by that number: clocks lie.

    Returns:
        The folder, or None; and one sentence for each damaged or incomplete one that was passed over.
    """
    skipped = []
    for name in _numbered(Path(parent), prefix, disk):
        try:
            verify(Path(parent) / name, disk=disk)
        except BadRun as error:
            skipped.append(str(error))
        else:
            return Path(parent) / name, skipped
    return None, skipped


def prune(parent: Path, prefix: str, keep: int, *, disk: Disk = DISK) -> None:
    """Delete all but the newest ``keep`` folders ``<prefix><number>``, and never the last two sound ones.

    Deleting is housekeeping: a refusal of the disk is no error, the next call tries again.
    """
    parent = Path(parent)
    with suppress(OSError, BadRun):
        for name in disk.listdir(parent):
            if name.startswith(_OLD):
                _remove(parent / name, disk)
        names = _numbered(parent, prefix, disk)
        sound = 0
        for position, name in enumerate(names):
            if sound >= 2 and position >= keep:
                # Renamed first: a folder half deleted must not look like a damaged checkpoint.
                disk.replace(parent / name, parent / (_OLD + name))
                _remove(parent / (_OLD + name), disk)
            elif sound < 2 and len(names) > max(keep, 2):
                sound += _is_sound(parent / name, disk)


def sweep(parent: Path, *, disk: Disk = DISK) -> None:
    """Remove what dead processes left: ``*.tmp-<pid>`` and half-deleted ``.old-*``.

    Call it before this process publishes anything: what bears its own number is a namesake's, and goes too.
    """
    with suppress(OSError):
        for name in disk.listdir(Path(parent)):
            temporary = _TEMPORARY.fullmatch(name)
            pid = int(temporary[1]) if temporary else 0
            if name.startswith(_OLD) or (temporary and (pid == os.getpid() or not is_alive(pid))):
                _remove(Path(parent) / name, disk)


# ---------------------------------------------------------------------------------------------- writing


def _check_names(name: str, files: Mapping[str, bytes]) -> None:
    """Refuse names that would leave the folder, or mean two things on another system."""
    for each in (name, *files):
        if not _NAME.fullmatch(each) or _LITTER.fullmatch(each) or ".tmp-" in each:
            raise ValueError(f"{each!r} is no plain name for a published file or folder")
    if MANIFEST in files or len({each.lower() for each in files}) < len(files):
        raise ValueError(f"file names must differ (also without regard to case) and not be {MANIFEST!r}")


def _seal(files: Mapping[str, bytes], meta: Mapping[str, Any] | None) -> bytes:
    """The manifest's bytes: what is in the folder, and a checksum of the manifest itself."""
    body = {
        "format": FORMAT,
        "version": VERSION,
        "files": {name: {"size": memoryview(data).nbytes, "sha256": _sha256(data)} for name, data in files.items()},
        "meta": json.loads(json.dumps(dict(meta or {}), allow_nan=False)),  # as a reader will see it
    }
    return _canonical({**body, "sha256": _sha256(_canonical(body))})


def _canonical(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _make_folder(folder: Path, disk: Disk) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent, disk)
        disk.mkdir(folder)
        disk.fsync_dir(folder.parent)


def _check_space(target: Path, needed: int, disk: Disk) -> None:
    free = disk.free(target.parent)
    if free < needed:
        raise StorageFailed(_refusal(target, "no space left on the disk", needed, disk, free))


def _set_aside(target: Path, taken: list[str], disk: Disk) -> None:
    """Keep a damaged folder for whoever wants to look at it, out of the way."""
    k = 1
    while f"{target.name}.damaged-{k}" in taken:
        k += 1
    disk.replace(target, target.with_name(f"{target.name}.damaged-{k}"))


def _write_beside(files: Mapping[str, bytes], target: Path, disk: Disk) -> None:
    """Write all files beside ``target``, the manifest last; rename them into place as one."""
    beside = target.with_name(f"{target.name}.tmp-{os.getpid()}")
    _remove(beside, disk)  # a namesake's, if any: after a restart in a container the pid is the same
    try:
        disk.mkdir(beside)
        for name, data in files.items():
            _write_file(beside / name, data, disk)
        disk.fsync_dir(beside)
        disk.replace(beside, target)
    except BaseException:
        _remove(beside, disk)
        raise
    disk.fsync_dir(target.parent)


def _write_file(path: Path, data: bytes, disk: Disk) -> None:
    rest = memoryview(data).cast("B")
    fd = disk.create(path)
    try:
        while rest:
            rest = rest[disk.write(fd, rest[:_CHUNK]) :]
        disk.fsync(fd)
    except BaseException:
        with suppress(OSError):
            disk.close(fd)
        raise
    disk.close(fd)


def _remove(path: Path, disk: Disk) -> None:
    with suppress(OSError):
        disk.rmtree(path)


def _refusal(target: Path, why: str, needed: int, disk: Disk, free: int | None = None) -> str:
    """The one sentence of a refused write."""
    if free is None:
        with suppress(OSError):
            free = disk.free(target.parent)
    there = "an unknown number of" if free is None else f"{free:,}"
    return (
        f"Cannot write {target}: {why} (needs {needed:,} bytes, {there} bytes are free); "
        "what was published before is unhurt: make room or mend the disk, then resume."
    )


# ---------------------------------------------------------------------------------------------- reading


def _numbered(parent: Path, prefix: str, disk: Disk) -> list[str]:
    """Names ``<prefix><number>`` in ``parent``, highest number first."""
    try:
        found = [re.fullmatch(re.escape(prefix) + "([0-9]+)", name) for name in disk.listdir(parent)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BadRun(f"{parent} cannot be listed: {error.strerror or error}.") from error
    return [m[0] for m in sorted((m for m in found if m), key=lambda m: (int(m[1]), m[0]), reverse=True)]


def _is_sound(folder: Path, disk: Disk) -> bool:
    try:
        verify(folder, disk=disk)
    except BadRun:
        return False
    return True


def _read_manifest(folder: Path, disk: Disk) -> dict[str, Any]:
    """The manifest, checked against its own checksum and against the names in the folder."""
    try:
        present = {name for name in disk.listdir(folder) if not _LITTER.fullmatch(name)}
    except OSError as error:
        raise BadRun(f"{folder} cannot be read: {error.strerror or error}.") from error
    if MANIFEST not in present:
        raise BadRun(f"{folder} is incomplete: {MANIFEST}, which is written last, is missing.")
    raw = _read_file(folder, MANIFEST, _MAX_MANIFEST, disk)
    try:
        manifest = json.loads(raw)
        is_ours = manifest["format"] == FORMAT
        version = manifest["version"]
        if is_ours and type(version) is int and version > VERSION:
            raise BadRun(
                f"{folder} was written by a newer Leafwing ({MANIFEST} has version {version}, "
                f"this one reads up to {VERSION}): upgrade Leafwing."
            )
        body = {key: value for key, value in manifest.items() if key != "sha256"}
        # Compared as bytes, so that not one bit of the file is free to change.
        is_whole = is_ours and raw == _canonical({**body, "sha256": _sha256(_canonical(body))})
        listed = {name: (entry["size"], entry["sha256"]) for name, entry in manifest["files"].items()}
        is_whole = is_whole and type(manifest["meta"]) is dict
        is_whole = is_whole and all(type(size) is int and type(sha) is str for size, sha in listed.values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadRun(f"{folder} is damaged: {MANIFEST} is no manifest of ours.") from error
    if not is_whole:
        raise BadRun(f"{folder} is damaged: {MANIFEST} does not match its own checksum.")
    for name in sorted(present ^ {*listed, MANIFEST}):
        raise BadRun(f"{folder} is damaged: {name} is {'missing' if name in listed else 'an extra file'}.")
    return dict(manifest)


def _read_files(folder: Path, manifest: Mapping[str, Any], disk: Disk) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each file, once its size and hash were found right."""
    for name, entry in manifest["files"].items():
        data = _read_file(folder, name, entry["size"], disk, exactly=True)
        if _sha256(data) != entry["sha256"]:
            raise BadRun(f"{folder} is damaged: the sha256 of {name} is not what {MANIFEST} says.")
        yield name, data


def _read_file(folder: Path, name: str, size: int, disk: Disk, *, exactly: bool = False) -> bytes:
    """Read a file after looking at its size, so that a lie cannot fill the memory."""
    try:
        found = disk.size(folder / name)
        if found > size or (exactly and found != size):
            raise BadRun(f"{folder} is damaged: {name} has {found:,} bytes, expected {size:,}.")
        return disk.read(folder / name)
    except OSError as error:
        raise BadRun(f"{folder} is damaged: {name} cannot be read: {error.strerror or error}.") from error
