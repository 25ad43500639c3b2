"""What published folders leave behind in time: old ones deleted, leftovers of dead processes swept away."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from leafwing.core.disk import DISK, Disk, is_alive
from leafwing.core.errors import BadRun
from leafwing.core.published import is_sound, numbered, remove

_TEMPORARY = re.compile(r".+\.tmp-([0-9]+)")
_OLD = ".old-"


def prune(parent: Path, prefix: str, keep: int, known: Collection[str] = (), *, disk: Disk = DISK) -> None:
    """Delete all but the newest ``keep`` folders ``<prefix><number>``, and never the last two sound ones.

    Deleting is housekeeping: a refusal of the disk is no error, the next call tries again.

    Args:
        parent: where.
        prefix: of the folders' names.
        keep: how many, at least 2.
        known: names that this process published, and so read back, itself: of these the outline is checked, not
            every byte again, which would come from the same memory.
        disk: the door to the disk.
    """
    parent = Path(parent)
    with suppress(OSError, BadRun):
        for name in disk.listdir(parent):
            if name.startswith(_OLD):
                remove(parent / name, disk)
        names = numbered(parent, prefix, disk)
        sound = 0
        for position, name in enumerate(names):
            if sound >= 2 and position >= keep:
                # Renamed first: a folder half deleted must not look like a damaged checkpoint.
                disk.replace(parent / name, parent / (_OLD + name))
                remove(parent / (_OLD + name), disk)
            elif sound < 2 and len(names) > max(keep, 2):
                sound += is_sound(parent / name, disk, outline=name in known)


def sweep(parent: Path, *, disk: Disk = DISK) -> None:
    """Remove what dead processes left: ``*.tmp-<pid>`` and half-deleted ``.old-*``.

    Call it before this process publishes anything: what bears its own number is a namesake's, and goes too.
    """
    with suppress(OSError):
        for name in disk.listdir(Path(parent)):
            temporary = _TEMPORARY.fullmatch(name)
            pid = int(temporary[1]) if temporary else 0
            if name.startswith(_OLD) or (temporary and (pid == os.getpid() or not is_alive(pid))):
                remove(Path(parent) / name, disk)
