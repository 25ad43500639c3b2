"""Published folders: there whole, or not there at all. Checkpoints and exported generators are such.

A folder is written beside its place as ``NAME.tmp-<pid>``, every file pushed to the medium and read back, the
manifest (size and SHA-256 of each file) last; then it is renamed into place in one step. Nothing published is
ever overwritten, and readers check every byte: neither torch.load nor safetensors would notice a flipped bit.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from leafwing.core.contents import Contents, helpers, sha256, sha256_file, size_of, store, write_file
from leafwing.core.disk import DISK, Disk, is_alive
from leafwing.core.errors import BadRun, StorageFailed

MANIFEST = "manifest.json"
FORMAT = "leafwing.folder"
VERSION = 1
SPARE = 1.2
"""Free bytes asked for before the first write, as a multiple of what is to be written."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}")
_MAX_MANIFEST = 64 << 20
# Left in any folder that a file manager or a network disk has touched; never read, so harmless.
_LITTER = re.compile(r"\.DS_Store|Thumbs\.db|desktop\.ini|\._.*|\.nfs.*", re.IGNORECASE)


def publish(
    parent: Path,
    name: str,
    files: Mapping[str, Contents],
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
        files: plain file name -> bytes, or pieces of them that must not change meanwhile.
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
    sizes = {each: size_of(contents) for each, contents in files.items()}
    needed = sum(sizes.values()) + len(_seal(sizes, dict.fromkeys(files, "0" * 64), meta))
    target = parent / name
    try:
        _make_folder(parent, disk)
        taken = disk.listdir(parent)
        if name in taken and is_sound(target, disk):
            disk.fsync_dir(parent)  # the last attempt may have failed just before this
            return target
        _check_space(target, math.ceil(SPARE * needed), disk)
        if name in taken:
            _set_aside(target, taken, disk)
        _write_beside(files, sizes, meta, target, disk)
        check_outline(target, disk=disk)
    except OSError as error:
        why = error.strerror or str(error)
        raise StorageFailed(refusal(target, why, needed, disk)) from error
    except BadRun as error:
        raise StorageFailed(refusal(target, f"it reads back wrong ({error})", needed, disk)) from error
    return target


def verify(folder: Path, *, disk: Disk = DISK) -> dict[str, Any]:
    """Check every byte of a published folder and return its manifest (``files``, ``meta``, ...).

    Raises:
        BadRun: naming the folder, the file and what is wrong with it.
    """
    folder = Path(folder)
    manifest = check_outline(folder, disk=disk)
    listed = manifest["files"]
    with helpers() as pool:
        found = dict(zip(listed, pool.map(lambda name: _hash_file(folder, name, disk), listed), strict=True))
    for name, entry in listed.items():
        _compare(folder, name, found[name], entry["sha256"])
    return manifest


def check_outline(folder: Path, *, disk: Disk = DISK) -> dict[str, Any]:
    """Check everything but the files' own bytes: the manifest, which files there are, how long each is.

    Raises:
        BadRun: naming the folder, the file and what is wrong with it.
    """
    manifest = _read_manifest(Path(folder), disk)
    for name, entry in manifest["files"].items():
        _check_size(Path(folder), name, entry["size"], disk, exactly=True)
    return manifest


def read(folder: Path, *, disk: Disk = DISK) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return the files of a published folder and its ``meta``; the hashes hold for exactly these bytes.

    Raises:
        BadRun: naming the folder, the file and what is wrong with it.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder, disk)
    files = {}
    for name, entry in manifest["files"].items():
        files[name] = _read_file(folder, name, entry["size"], disk, exactly=True)
        _compare(folder, name, sha256(files[name]), entry["sha256"])
    return files, manifest["meta"]


def newest(parent: Path, prefix: str = "step-", *, disk: Disk = DISK) -> tuple[Path | None, list[str]]:
    """Find the newest sound folder ``<prefix><number>``, by that number: clocks lie.

    Returns:
        The folder, or None; and one sentence for each damaged or incomplete one that was passed over.
    """
    skipped = []
    for name in numbered(Path(parent), prefix, disk):
        try:
            verify(Path(parent) / name, disk=disk)
        except BadRun as error:
            skipped.append(str(error))
        else:
            return Path(parent) / name, skipped
    return None, skipped


def replace_file(path: Path, contents: Contents, disk: Disk = DISK) -> None:
    """Replace one file as a whole: a reader sees the old bytes or the new, whatever happens; so does a restart.

    Raises:
        StorageFailed: the disk refused; the old file is unhurt.
    """
    beside = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        for name in disk.listdir(path.parent):
            pid = name.removeprefix(f".{path.name}.tmp-")
            if pid != name and pid.isdigit() and (int(pid) == os.getpid() or not is_alive(int(pid))):
                disk.unlink(path.parent / name)
        write_file(beside, contents, disk)
        disk.replace(beside, path)
        disk.fsync_dir(path.parent)
    except OSError as error:
        remove(beside, disk)
        why = error.strerror or str(error)
        raise StorageFailed(refusal(path, why, size_of(contents), disk)) from error


# ---------------------------------------------------------------------------------------------- writing


def _check_names(name: str, files: Mapping[str, Contents]) -> None:
    """Refuse names that would leave the folder, or mean two things on another system."""
    for each in (name, *files):
        if not _NAME.fullmatch(each) or _LITTER.fullmatch(each) or ".tmp-" in each:
            raise ValueError(f"{each!r} is no plain name for a published file or folder")
    if MANIFEST in files or len({each.lower() for each in files}) < len(files):
        raise ValueError(f"file names must differ (also without regard to case) and not be {MANIFEST!r}")


def _seal(sizes: Mapping[str, int], hashes: Mapping[str, str], meta: Mapping[str, Any] | None) -> bytes:
    """The manifest's bytes: what is in the folder, and a checksum of the manifest itself."""
    body = {
        "format": FORMAT,
        "version": VERSION,
        "files": {name: {"size": size, "sha256": hashes[name]} for name, size in sizes.items()},
        "meta": json.loads(json.dumps(dict(meta or {}), allow_nan=False)),  # as a reader will see it
    }
    return _canonical({**body, "sha256": sha256(_canonical(body))})


def _canonical(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def _make_folder(folder: Path, disk: Disk) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent, disk)
        disk.mkdir(folder)
        disk.fsync_dir(folder.parent)


def _check_space(target: Path, needed: int, disk: Disk) -> None:
    free = disk.free(target.parent)
    if free < needed:
        raise StorageFailed(refusal(target, "no space left on the disk", needed, disk, free))


def _set_aside(target: Path, taken: list[str], disk: Disk) -> None:
    """Keep a damaged folder for whoever wants to look at it, out of the way."""
    k = 1
    while f"{target.name}.damaged-{k}" in taken:
        k += 1
    disk.replace(target, target.with_name(f"{target.name}.damaged-{k}"))


def _write_beside(
    files: Mapping[str, Contents], sizes: Mapping[str, int], meta: Mapping[str, Any] | None, target: Path, disk: Disk
) -> None:
    """Write all files beside ``target`` and read them back, the manifest last; rename them into place as one."""
    beside = target.with_name(f"{target.name}.tmp-{os.getpid()}")
    remove(beside, disk)  # a namesake's, if any: after a restart in a container the pid is the same
    try:
        disk.mkdir(beside)
        with helpers() as pool:
            stored = {name: pool.submit(store, beside / name, contents, disk) for name, contents in files.items()}
            hashes = {name: pool.submit(sha256, contents) for name, contents in files.items()}
            for name, same in stored.items():
                if not same.result():
                    raise BadRun(f"{name} is not what was written")
            manifest = _seal(sizes, {name: sha.result() for name, sha in hashes.items()}, meta)
            write_file(beside / MANIFEST, manifest, disk)
        disk.fsync_dir(beside)
        disk.replace(beside, target)
    except BaseException:
        remove(beside, disk)
        raise
    disk.fsync_dir(target.parent)


def remove(path: Path, disk: Disk) -> None:
    """Remove what is there, if the disk lets us."""
    with suppress(OSError):
        disk.rmtree(path)


def refusal(target: Path, why: str, needed: int, disk: Disk, free: int | None = None) -> str:
    """The one sentence of a refused write: where, why, bytes needed and free."""
    if free is None:
        with suppress(OSError):
            free = disk.free(target.parent)
    there = "an unknown number of" if free is None else f"{free:,}"
    return (
        f"Cannot write {target}: {why} (needs {needed:,} bytes, {there} bytes are free); "
        "what was published before is unhurt: make room or mend the disk, then resume."
    )


# ---------------------------------------------------------------------------------------------- reading


def numbered(parent: Path, prefix: str, disk: Disk) -> list[str]:
    """Names ``<prefix><number>`` in ``parent``, highest number first."""
    try:
        found = [re.fullmatch(re.escape(prefix) + "([0-9]+)", name) for name in disk.listdir(parent)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BadRun(f"{parent} cannot be listed: {error.strerror or error}.") from error
    return [m[0] for m in sorted((m for m in found if m), key=lambda m: (int(m[1]), m[0]), reverse=True)]


def is_sound(folder: Path, disk: Disk, outline: bool = False) -> bool:
    """Whether every byte (or, of the outline, every name and size) is as it was published."""
    try:
        (check_outline if outline else verify)(folder, disk=disk)
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
        is_whole = is_ours and raw == _canonical({**body, "sha256": sha256(_canonical(body))})
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


def _compare(folder: Path, name: str, found: str, wanted: str) -> None:
    if found != wanted:
        raise BadRun(f"{folder} is damaged: the sha256 of {name} is not what {MANIFEST} says.")


def _check_size(folder: Path, name: str, size: int, disk: Disk, *, exactly: bool = False) -> None:
    """Look at a file's size before reading it, so that a lie cannot fill the memory."""
    try:
        found = disk.size(folder / name)
    except OSError as error:
        raise BadRun(_unreadable(folder, name, error)) from error
    if found > size or (exactly and found != size):
        raise BadRun(f"{folder} is damaged: {name} has {found:,} bytes, expected {size:,}.")


def _read_file(folder: Path, name: str, size: int, disk: Disk, *, exactly: bool = False) -> bytes:
    _check_size(folder, name, size, disk, exactly=exactly)
    try:
        return disk.read(folder / name)
    except OSError as error:
        raise BadRun(_unreadable(folder, name, error)) from error


def _hash_file(folder: Path, name: str, disk: Disk) -> str:
    try:
        return sha256_file(folder / name, disk)
    except OSError as error:
        raise BadRun(_unreadable(folder, name, error)) from error


def _unreadable(folder: Path, name: str, error: OSError) -> str:
    return f"{folder} is damaged: {name} cannot be read: {error.strerror or error}."
