"""Where stores live, and how one appears there whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from leafwing.core.errors import StorageFailed
from leafwing.data.names import shown

try:
    import fcntl
except ImportError:  # Windows: leftovers of killed builds stay until someone empties the cache
    fcntl = None  # type: ignore[assignment]

_LOCK = "building.lock"


def cache_root() -> Path:
    """``$LEAFWING_CACHE``, else ``~/.cache/leafwing``. Everything in it can be deleted and is made again."""
    given = os.environ.get("LEAFWING_CACHE")
    return Path(given).expanduser() if given else Path.home() / ".cache" / "leafwing"


@contextmanager
def building(final: Path) -> Iterator[Path]:
    """Give a fresh folder beside ``final``; when the block ends well, it becomes ``final`` in one rename.

    A process killed inside leaves only ``NAME.tmp-PID-…``, which the next build sweeps away. When two
    processes build the same, the first one to finish wins and the second takes its result.

    Raises:
        StorageFailed: the disk refused; the temporary folder is gone again.
    """
    with storing(final.parent):
        final.parent.mkdir(parents=True, exist_ok=True)
        with _alone(final.parent):  # else another's sweep takes the new folder before it is locked
            _sweep(final.parent)
            folder = final.with_name(f"{final.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}")
            folder.mkdir()
            lock = _locked(folder)
    try:
        with lock:
            yield folder
        with storing(final.parent):
            (folder / _LOCK).unlink()
            _sync_folder(folder)
            _publish(folder, final)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def discard(final: Path) -> None:
    """Take a damaged store out of the way, at once by its name, then its files."""
    with storing(final.parent):
        aside = final.with_name(f"{final.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}")
        with suppress(FileNotFoundError):  # another process was faster
            final.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def storing(folder: Path, needed: int = 0) -> Iterator[None]:
    """Turn what the disk says while something is written into one sentence with needed and free bytes.

    Raises:
        StorageFailed: for any ``OSError`` inside.
    """
    try:
        yield
    except OSError as error:
        raise _refused(folder, needed, error) from error


def reserve(path: Path, nbytes: int) -> None:
    """Make a file of ``nbytes`` whose blocks are really there, so that writing through a map cannot fail.

    Raises:
        StorageFailed: not enough room; says how much is needed and free.
    """
    with storing(path.parent.parent, nbytes):
        if shutil.disk_usage(path.parent).free < nbytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with path.open("wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, nbytes)
            else:
                _write_zeros(file, nbytes)


def write_synced(path: Path, content: str | bytes) -> None:
    """Write a file of a store being built, text as UTF-8, and wait until the disk has it."""
    raw = content if isinstance(content, bytes) else content.encode("utf-8")
    with storing(path.parent.parent, len(raw)), path.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())


def _publish(folder: Path, final: Path) -> None:
    try:
        folder.rename(final)
    except OSError:
        if not (final / "meta.json").is_file():
            raise
        return  # another process finished the same first
    _sync_folder(final.parent)


def _sweep(parent: Path) -> None:
    """Remove what killed builds left: temporary folders whose lock nobody holds."""
    if fcntl is None:
        return
    for leftover in parent.glob("*.tmp-*"):
        with suppress(OSError), (leftover / _LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(leftover, ignore_errors=True)


def _locked(folder: Path) -> IO[bytes]:
    """The folder's lock, held until the file is closed."""
    lock = (folder / _LOCK).open("wb")
    if fcntl is not None:
        with suppress(OSError):  # a file system without locks: only the sweeping suffers
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock


@contextmanager
def _alone(parent: Path) -> Iterator[None]:
    """Wait until nobody else begins a build there, and keep others waiting."""
    if fcntl is None:
        yield
        return
    descriptor = os.open(parent, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_zeros(file: IO[bytes], nbytes: int) -> None:
    zeros = bytes(2**20)
    for start in range(0, nbytes, len(zeros)):
        file.write(zeros[: nbytes - start])


def _refused(folder: Path, needed: int, error: OSError) -> StorageFailed:
    where = folder
    while not where.exists() and where != where.parent:
        where = where.parent
    with suppress(OSError):
        free = shutil.disk_usage(where).free
        return StorageFailed(
            f"The data cache {shown(folder)} cannot be written ({error.strerror or error}): {_mb(needed)} needed, "
            f"{_mb(free)} free. Make room, or set LEAFWING_CACHE to a folder on another disk."
        )
    return StorageFailed(f"The data cache {shown(folder)} cannot be written ({error.strerror or error}).")


def _mb(nbytes: int) -> str:
    return f"{nbytes / 2**20:,.1f} MB"
