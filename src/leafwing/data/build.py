"""Filling a store: every picture into its row, the bad ones named and left out, meta written last."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np

from leafwing.core.errors import BadConfig, BadData
from leafwing.data.cache import reserve, storing, write_synced
from leafwing.data.drawn import World
from leafwing.data.entries import BadFile, Door
from leafwing.data.names import shown
from leafwing.data.pictures import Target, quiet
from leafwing.data.reading import work_through
from leafwing.data.tasks import DecodeInto, DrawInto, Outcome, pieces

FORMAT = 1
"""Version of the store and of the decoding rules; a change makes all stores anew."""

PICTURES = "pictures.u8"
Progress = Callable[[int, int], None]


def build_from_door(
    door: Door,
    count: int | None,
    target: Target,
    folder: Path,
    workers: int | None,
    progress: Progress | None,
    max_bad_share: float,
) -> None:
    """Decode the first ``count`` candidates of a door into ``folder``.

    Raises:
        BadData: no pictures, fewer than two good ones, or too many bad ones.
        StorageFailed: no room.
    """
    listing = door.listing
    names = listing.names[:count]
    if not names and not listing.refused:
        raise BadData(_nothing_found(door))
    outcomes = _decode_all(door, len(names), target, folder / PICTURES, workers, progress)
    good = [o for o in outcomes if not o.reason]
    bad = [*listing.refused, *(BadFile(names[o.index], o.reason) for o in outcomes if o.reason)]
    candidates = len(names) + len(listing.refused)
    check_bad_share(door.source, bad, candidates, max_bad_share)
    if len(good) < 2:
        raise BadData(_too_few(door, len(good), bad))
    _close_gaps(folder / PICTURES, len(names), [o.index for o in good], target)
    write_synced(folder / "names.json", json.dumps([names[o.index] for o in good]))
    _write_meta(
        folder,
        target,
        bad,
        source=door.source,
        kind=door.kind,
        n=len(good),
        candidates=candidates,
        not_pictures=listing.not_pictures,
        fingerprint=_fingerprint((names[o.index], o.digest) for o in good),
    )


def build_from_world(
    world: World,
    seed: int,
    count: int,
    target: Target,
    folder: Path,
    workers: int | None,
    progress: Progress | None,
) -> None:
    """Draw ``count`` pictures of a world into ``folder``.

    Raises:
        BadConfig: the world cannot be drawn so small.
        StorageFailed: no room.
    """
    if target.size < world.min_size:
        raise BadConfig(f"image_size must be at least {world.min_size} for world:{world.name}; got {target.size}.")
    path = folder / PICTURES
    reserve(path, count * target.size**2 * target.channels)
    task = DrawInto(path, count, target, world)
    # a world of the user's own may live in a script, which helpers do not run: it is drawn here
    helpers = workers if type(world).__module__.startswith("leafwing.") else 1
    with closing(task):
        for _ in work_through((partial(int, i) for i in range(count)), task, count, helpers, progress):
            pass
    identity = f"world:{world.name}\0{world.version}\0{seed}\0{count}"
    _write_meta(
        folder,
        target,
        [],
        source=f"world:{world.name}",
        kind="world",
        n=count,
        candidates=count,
        not_pictures=0,
        world_seed=seed,
        fingerprint=hashlib.sha256(identity.encode()).hexdigest(),
    )


def check_bad_share(source: str, bad: list[BadFile], candidates: int, max_bad_share: float) -> None:
    """Stop when more than ``max_bad_share`` of the candidates are bad.

    Raises:
        BadData: with the counts per reason and the first few names.
    """
    if len(bad) <= max_bad_share * candidates:
        return
    raise BadData(
        f"{shown(source)}: {len(bad)} of {candidates} files cannot be used, more than max_bad_share = "
        f"{max_bad_share:g} allows ({reasons(bad)}; first: {_first(bad)}): mend or remove them, "
        "or raise max_bad_share."
    )


def reasons(bad: list[BadFile]) -> str:
    """Counts per kind of reason, the most frequent first: ``3 cut off or damaged, 1 too small``."""
    return ", ".join(f"{n} {kind}" for kind, n in Counter(b.kind for b in bad).most_common())


def _decode_all(
    door: Door, count: int, target: Target, path: Path, workers: int | None, progress: Progress | None
) -> list[Outcome]:
    """Decode all candidates into rows of their own; the gaps of bad ones are closed later."""
    if not count:
        return []
    reserve(path, count * target.size**2 * target.channels)
    task = DecodeInto(path, count, target)
    with quiet(), closing(task):
        outcomes = list(work_through(pieces(door, count), task, count, workers, progress))
    return sorted(outcomes, key=lambda o: o.index)


def _close_gaps(path: Path, count: int, good: list[int], target: Target) -> None:
    """Move the good rows together, keeping their order, and cut the file. Rows only move to the front."""
    row = target.size**2 * target.channels
    with storing(path.parent.parent, count * row):
        if len(good) < count:
            rows = np.memmap(path, np.uint8, "r+", shape=(count, row))
            for start in range(0, len(good), 256):
                part = good[start : start + 256]
                rows[start : start + len(part)] = rows[part]
            rows.flush()
        with path.open("r+b") as file:
            file.truncate(len(good) * row)


def _write_meta(folder: Path, target: Target, bad: list[BadFile], **facts: object) -> None:
    with storing(folder.parent), (folder / PICTURES).open("r+b") as file:
        os.fsync(file.fileno())
    lines = [json.dumps({"name": b.name, "reason": b.reason}) + "\n" for b in bad]
    write_synced(folder / "bad_files.jsonl", "".join(lines))
    meta: dict[str, object] = {"format": FORMAT, **facts, "bad": len(bad)}
    meta |= {
        "size": target.size,
        "channels": target.channels,
        "fit": target.fit,
        "background": target.background,
    }
    write_synced(folder / "meta.json", json.dumps(meta, indent=1) + "\n")


def _fingerprint(parts: Iterable[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(parts):
        digest.update(name.encode("utf-8", "surrogateescape") + b"\0" + content)
    return digest.hexdigest()


def _nothing_found(door: Door) -> str:
    others = door.listing.not_pictures
    held = f"only {others} file{'' if others == 1 else 's'} of other kinds" if others else "nothing"
    kinds = "JPEG, PNG, WebP, BMP, TIFF or GIF"
    return f"{shown(door.source)} holds no pictures, {held}: give one with {kinds} files."


def _too_few(door: Door, good: int, bad: list[BadFile]) -> str:
    skipped = f" ({len(bad)} cannot be used: {reasons(bad)}; first: {_first(bad)})" if bad else ""
    usable = f"{good} usable picture{'' if good == 1 else 's'}"
    return f"{shown(door.source)} holds {usable}{skipped}: at least 2 are needed."


def _first(bad: list[BadFile]) -> str:
    return ", ".join(f"{shown(b.name)} {b.reason}" for b in bad[:3])
