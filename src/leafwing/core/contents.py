"""A file's contents: written and pushed to the medium, read back, hashed; the last two beside the first, in threads.

Hashing and reading let go of Python's lock, and who waits for the disk leaves a core free: on two cores all this costs
little more than writing alone (``benchmarks/checkpoint_cost.py``).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from leafwing.core.disk import Disk

Contents: TypeAlias = bytes | list[memoryview]
"""A file's bytes: whole, or in pieces that follow one another."""

T = TypeVar("T")

CHUNK = 1 << 20
"""Bytes written at once."""
READ = 1 << 18
"""Bytes read at once; still in a core's own cache when they are compared."""


class Helpers(ThreadPoolExecutor):
    """Threads; where the machine gives no more of them, as when memory is short, the caller does the work itself."""

    def submit(self, work: Callable[..., T], /, *arguments: Any, **options: Any) -> Future[T]:
        """The work's result, some time; each piece is done once, though a refused one stays in the queue."""
        taken, result = threading.Lock(), Future[T]()

        def once() -> None:
            if not taken.acquire(blocking=False):
                return
            try:
                result.set_result(work(*arguments, **options))
            except BaseException as problem:
                result.set_exception(problem)

        try:
            super().submit(once)
        except RuntimeError:  # can't start new thread
            once()
        return result


def helpers() -> Executor:
    """The threads that work beside the one that writes."""
    return Helpers(4, "leafwing-save")


def size_of(contents: Contents) -> int:
    """Bytes in all."""
    return sum(piece.nbytes for piece in pieces(contents))


def sha256(contents: Contents) -> str:
    """64 hexadecimal digits."""
    total = hashlib.sha256()
    for piece in pieces(contents):
        total.update(piece)
    return total.hexdigest()


def write_file(path: Path, contents: Contents, disk: Disk) -> None:
    """Write a new file and push it to the medium. Raises ``OSError``."""
    fd = disk.create(path)
    try:
        for chunk in chunks(contents):
            while chunk:
                chunk = chunk[disk.write(fd, chunk) :]
        disk.fsync(fd)
    except BaseException:
        with suppress(OSError):
            disk.close(fd)
        raise
    disk.close(fd)


def store(path: Path, contents: Contents, disk: Disk) -> bool:
    """Write a new file, push it to the medium, read it back: whether it is what was written. Raises ``OSError``."""
    write_file(path, contents, disk)
    return holds(path, contents, disk)


def holds(path: Path, contents: Contents, disk: Disk) -> bool:
    """Read a file back: whether it is just these bytes. Raises ``OSError``."""
    fd = disk.open(path)
    try:
        for chunk in chunks(contents):
            while chunk:
                part = disk.read_some(fd, min(READ, len(chunk)))
                if not part or not part.startswith(chunk[: len(part)]):  # C's memcmp; == would go byte by byte
                    return False
                chunk = chunk[len(part) :]
        return not disk.read_some(fd, 1)
    finally:
        with suppress(OSError):  # nothing was written
            disk.close(fd)


def sha256_file(path: Path, disk: Disk) -> str:
    """The hash of a file on the disk, which is never whole in memory. Raises ``OSError``."""
    total = hashlib.sha256()
    fd = disk.open(path)
    try:
        while part := disk.read_some(fd, READ):
            total.update(part)
    finally:
        with suppress(OSError):
            disk.close(fd)
    return total.hexdigest()


def pieces(contents: Contents) -> Iterator[memoryview]:
    """The pieces as plain bytes."""
    for piece in contents if isinstance(contents, list) else [contents]:
        yield memoryview(piece).cast("B")


def chunks(contents: Contents) -> Iterator[memoryview]:
    """Long pieces cut and short ones joined: at most ``CHUNK`` bytes each, none empty."""
    joined = bytearray()
    for piece in pieces(contents):
        if joined and len(joined) + piece.nbytes > CHUNK:
            yield memoryview(joined)
            joined = bytearray()
        if piece.nbytes <= CHUNK // 4:
            joined += piece
            continue
        if joined:
            yield memoryview(joined)
            joined = bytearray()
        for begin in range(0, piece.nbytes, CHUNK):
            yield piece[begin : begin + CHUNK]
    if joined:
        yield memoryview(joined)
