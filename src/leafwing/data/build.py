"""Filling a store: every picture into its row, the bad ones named and left out, meta written last."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leafwing.core.errors import BadConfig, BadData
from leafwing.data.cache import reserve, storing, write_synced
from leafwing.data.drawn import World
from leafwing.data.entries import BadFile, Door
from leafwing.data.names import shown
from leafwing.data.pictures import Target, decoder, quiet
from leafwing.data.reading import work_through
from leafwing.data.records import RECORDS, Earlier, Records, no_records, unchanged
from leafwing.data.tasks import DecodeInto, DrawInto, pieces

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
    earlier: Sequence[Earlier] = (),
) -> None:
    """Decode the first ``count`` candidates of a door into ``folder``; what ``earlier`` stores know is taken over.

    Raises:
        BadData: no pictures, fewer than two good ones, or too many bad ones.
        StorageFailed: no room.
    """
    listing = door.listing
    names = listing.names[:count]
    if not names and not listing.refused:
        raise BadData(nothing_found(door))
    task = DecodeInto(folder / PICTURES, len(names), target, tuple(earlier))
    filled = _fill(door, task, workers, progress)
    good = np.flatnonzero(filled.good)
    bad = [*listing.refused, *(BadFile(names[i], filled.reasons[i]) for i in sorted(filled.reasons))]
    candidates = len(names) + len(listing.refused)
    check_bad_share(door.source, bad, candidates, max_bad_share)
    if len(good) < 2:
        raise BadData(_too_few(door, len(good), bad))
    _close_gaps(folder / PICTURES, len(names), good, target)
    names, records = [names[i] for i in good], filled.records[good]
    write_synced(folder / "names.json", json.dumps(names))
    write_synced(folder / RECORDS, records.tobytes())
    _write_meta(
        folder,
        target,
        bad,
        source=door.source,
        kind=door.kind,
        place=door.place,
        decoder=decoder(),
        n=len(good),
        candidates=candidates,
        not_pictures=listing.not_pictures,
        fingerprint=_fingerprint(names, records),
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


@dataclass
class _Filled:
    """What became of all candidates: a record for each, and why some are not used."""

    records: Records
    reasons: dict[int, str] = field(default_factory=dict)

    @property
    def good(self) -> NDArray[np.bool_]:
        """Which candidates are used."""
        good = np.ones(len(self.records), np.bool_)
        good[list(self.reasons)] = False
        return good


def _fill(door: Door, task: DecodeInto, workers: int | None, progress: Progress | None) -> _Filled:
    """Bring all candidates into rows of their own; the gaps of bad ones are closed later."""
    filled = _Filled(no_records(task.count))
    if not task.count:
        return filled
    reserve(task.path, task.count * task.target.size**2 * task.target.channels)
    facts = door.facts()
    if facts is not None:
        filled.records["facts"] = facts[: task.count]
    with quiet(), closing(task):
        done = _take_over(door, task, filled.records)
        left = task.count - len(done)
        said = (lambda n, _: progress(len(done) + n, task.count)) if progress is not None else None
        if progress is not None and done:
            progress(len(done), task.count)
        for outcome in work_through(pieces(door, task.count, done), task, left, workers, said):
            if outcome.reason:
                filled.reasons[outcome.index] = outcome.reason
            else:
                record = filled.records[outcome.index]
                record["digest"] = np.frombuffer(outcome.digest, np.uint8)
                record["checksum"] = outcome.checksum
    return filled


def _take_over(door: Door, task: DecodeInto, records: Records) -> set[int]:
    """Copy the rows of files that are as an earlier build of this place saw them; return which."""
    done: set[int] = set()
    for store in task.earlier:
        if not store.same_place:
            continue
        for here, there, count in unchanged(door.listing.names[: task.count], records["facts"], store):
            new = range(here, here + count)
            rows = None if done.issuperset(new) else store.rows(there, count)
            if rows is not None:
                task.write(here, rows)
                records[here : here + count] = store.records[there : there + count]
                done.update(new)
    return done


def _close_gaps(path: Path, count: int, good: NDArray[np.int64], target: Target) -> None:
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


def _fingerprint(names: Sequence[str], records: Records) -> str:
    """Over the sorted names, each with the sha256 of its file."""
    digest = hashlib.sha256()
    for name, content in zip(names, records["digest"], strict=True):
        digest.update(name.encode("utf-8", "surrogateescape") + b"\0" + content.tobytes())
    return digest.hexdigest()


def nothing_found(door: Door) -> str:
    """The sentence for a source without a picture."""
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
