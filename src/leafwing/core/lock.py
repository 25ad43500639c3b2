"""One trainer a run folder: a lock that the kernel frees when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from leafwing.core.disk import is_alive
from leafwing.core.errors import BadRun, StorageFailed

LOCK_FILE = "lock.json"
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}


class RunLock:
    """Hold a run folder for this process: ``with RunLock(folder): train()``.

    The lock is the kernel's, on the open file, so that it ends with its holder, even by kill -9. What the
    file says (pid, boot, start) serves the message; it decides only on disks that cannot lock.

    Raises:
        BadRun: another process holds it (or this one, already), or there is no such folder.
        StorageFailed: the file cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._fd: int | None = None

    def __enter__(self) -> RunLock:
        """Take the lock or say who has it."""
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lock back."""
        self.release()

    def acquire(self) -> None:
        """Take the lock; raises ``BadRun`` at once if it is taken."""
        if self._fd is not None:
            raise BadRun(_in_use(self.folder, _about_me()))
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        try:
            fd = os.open(self.folder / LOCK_FILE, flags, 0o644)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise BadRun(f"There is no run folder {self.folder}: check the path.") from error
        except OSError as error:
            why = error.strerror or error
            raise StorageFailed(f"Cannot write {self.folder / LOCK_FILE}: {why}; mend that first.") from error
        try:
            if not _lock(fd):
                raise BadRun(_in_use(self.folder, _read(fd)))
            # A full disk must not keep a run from resuming: the file's text is a courtesy.
            with contextlib.suppress(OSError):
                _write(fd, json.dumps(_about_me()).encode())
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        _held.add(self)

    def release(self) -> None:
        """Give the lock back; harmless if it is not held. The file stays, empty: removing it would race."""
        if self._fd is None:
            return
        fd, self._fd = self._fd, None
        _held.discard(self)
        with contextlib.suppress(OSError):
            _write(fd, b"")
        os.close(fd)

    def _forget(self) -> None:
        """In a forked child (a data loader's worker): let go of the parent's lock without freeing it."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


_held: set[RunLock] = set()


def _forget_all() -> None:
    # Else a worker that outlives a killed trainer would keep the run folder taken.
    for lock in list(_held):
        lock._forget()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


def _lock(fd: int) -> bool:
    """Try to take the kernel's lock; True if it is ours."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(fd, 1 << 20, os.SEEK_SET)  # beyond the text, which must stay readable to others
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:  # some network disks
            return not _speaks_of_a_living(_read(fd))
        return False
    return True


def _speaks_of_a_living(note: dict[str, Any]) -> bool:
    """Whether the lock file names a process of this boot that still runs."""
    pid, here = note.get("pid"), note.get("boot_id") == _boot_id()
    return type(pid) is int and pid not in (0, os.getpid()) and here and is_alive(pid)


def _about_me() -> dict[str, Any]:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    return {"pid": os.getpid(), "boot_id": _boot_id(), "started": started}


def _boot_id() -> str:
    """A name for this start of this machine; empty where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _read(fd: int) -> dict[str, Any]:
    """What the lock file says; nothing if it says nothing sensible."""
    try:
        os.lseek(fd, 0, os.SEEK_SET)
        note = json.loads(os.read(fd, 4096))
    except (OSError, ValueError, RecursionError):
        return {}
    return note if isinstance(note, dict) else {}


def _write(fd: int, text: bytes) -> None:
    os.ftruncate(fd, 0)
    os.lseek(fd, 0, os.SEEK_SET)
    os.write(fd, text)


def _in_use(folder: Path, note: dict[str, Any]) -> str:
    pid = note.get("pid")
    who = f"process {pid} (since {note.get('started')})" if type(pid) is int else "another process"
    return f"The run folder {folder} is in use by {who}: wait for it, end it, or choose another folder."
