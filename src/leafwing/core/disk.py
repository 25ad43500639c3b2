"""The one door to the disk for whatever must survive: checkpoints, generators.

All writes of :mod:`leafwing.core.published` go through a :class:`Disk`, one small call an operation, so that
a test can fail, kill or lose power at the k-th of them, for every k.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from contextlib import suppress
from pathlib import Path

_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_DIRECTORY_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF}


class Disk:
    """The operating system's file operations, nothing added. Every method may raise ``OSError``."""

    def create(self, path: Path) -> int:
        """Open a new file for writing and return its descriptor; an existing file is an error."""
        return os.open(path, _NEW_FILE, 0o666)

    def write(self, fd: int, data: memoryview) -> int:
        """Write some of ``data`` and return how many bytes were taken."""
        return os.write(fd, data)

    def fsync(self, fd: int) -> None:
        """Return once the file's bytes are on the medium."""
        if sys.platform == "darwin":  # macOS' fsync stops at the drive's cache
            import fcntl

            with suppress(OSError):
                fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
                return
        os.fsync(fd)

    def close(self, fd: int) -> None:
        """Close the descriptor; network disks report a refused write here."""
        os.close(fd)

    def fsync_dir(self, folder: Path) -> None:
        """Return once the folder's list of names is on the medium, where the system can do that."""
        if os.name == "nt":
            return
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        except OSError as error:
            if error.errno not in _NO_DIRECTORY_SYNC:  # FUSE and some network disks cannot; nothing to mend
                raise
        finally:
            os.close(fd)

    def mkdir(self, folder: Path) -> None:
        """Make one new folder."""
        os.mkdir(folder)

    def replace(self, old: Path, new: Path) -> None:
        """Rename in one indivisible step."""
        os.replace(old, new)

    def unlink(self, path: Path) -> None:
        """Remove a file or a link."""
        os.unlink(path)

    def rmdir(self, folder: Path) -> None:
        """Remove an empty folder."""
        os.rmdir(folder)

    def listdir(self, folder: Path) -> list[str]:
        """The names in a folder, sorted."""
        return sorted(os.listdir(folder))

    def size(self, path: Path) -> int:
        """Bytes in a regular file; a pipe or a device, which could hang its reader, is an error."""
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return status.st_size

    def read(self, path: Path) -> bytes:
        """All bytes of a file."""
        return path.read_bytes()

    def open(self, path: Path) -> int:
        """Open a file for reading and return its descriptor."""
        return os.open(path, _READ)

    def read_some(self, fd: int, size: int) -> bytes:
        """The next bytes, at most ``size``; none at the end."""
        return os.read(fd, size)

    def free(self, folder: Path) -> int:
        """Bytes this user may still write there."""
        usage = shutil.disk_usage(folder)
        return usage.free if usage.total else sys.maxsize  # some network disks report nothing at all

    def rmtree(self, path: Path) -> None:
        """Remove a file, a link (not what it points to) or a folder with all it holds."""
        if path.is_symlink() or not path.is_dir():
            self.unlink(path)
            return
        for name in self.listdir(path):
            self.rmtree(path / name)
        self.rmdir(path)


DISK = Disk()
"""The real one."""


def is_alive(pid: int) -> bool:
    """Whether a process with this number runs on this machine."""
    if sys.platform == "win32":  # os.kill(pid, 0) would end it there
        import ctypes

        handle = ctypes.windll.kernel32.OpenProcess(0x00100000, False, pid)  # SYNCHRONIZE
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
