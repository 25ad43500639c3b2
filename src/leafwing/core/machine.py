"""What the machine has to give."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import torch


def free_memory(device: torch.device) -> int | None:
    """Bytes a run may still take on a device, or None where the system does not say.

    For a CPU the least of what the kernel calls available (free or quickly freed), what the container's limit leaves
    (cgroup v2), and what the process's own limit leaves (``ulimit -v``).
    """
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu":
        return None
    bounds = [bound for bound in (available(), cgroup_left(), address_space_left()) if bound is not None]
    return min(bounds, default=None)


def available() -> int | None:
    """The kernel's estimate, or free pages where there is no ``/proc``."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    with suppress(AttributeError, OSError, ValueError):  # no such question on Windows, no such answer on macOS
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def cgroup_left(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What a container's limit leaves; its page cache counts as free."""
    with suppress(OSError, ValueError):
        limit, used = ((root / name).read_text().strip() for name in ("memory.max", "memory.current"))
        if limit == "max":
            return None
        stat = dict(line.split() for line in (root / "memory.stat").read_text().splitlines())
        return max(0, int(limit) - int(used) + int(stat.get("inactive_file", 0)))
    return None


def address_space_left() -> int | None:
    """What ``ulimit -v`` leaves of the address space."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            return max(0, limit - pages * os.sysconf("SC_PAGE_SIZE"))
    return None
