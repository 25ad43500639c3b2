"""The dataset doctor: look at every picture before training does."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from leafwing.core.errors import BadConfig
from leafwing.data.crew import Fetch
from leafwing.data.doors import find_door
from leafwing.data.drawn import World, find_world, is_world
from leafwing.data.entries import BadFile
from leafwing.data.examination import Exam, Examine
from leafwing.data.likeness import near_duplicates
from leafwing.data.pictures import quiet
from leafwing.data.reading import work_through
from leafwing.data.report import BLURRED, Report
from leafwing.data.tasks import Piece, pieces

DRAWN = 256
"""Pictures of a world that are looked at unless asked otherwise."""


def check(
    source: str | os.PathLike[str],
    *,
    image_size: int = 64,
    count: int | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Examine a source: sizes, colours, damage, wrong names, duplicates, blur. Nothing is written.

    Args:
        source: as for ``open_data``.
        image_size: the side that training would use, in pixels.
        count: look at the first so many only; for worlds 256 unless given.
        workers: processes; default one a core.
        progress: called with (done, total).

    Raises:
        BadData: there is nothing at the source that could be opened at all.
        BadConfig: an impossible option.
    """
    if image_size < 1 or (count is not None and count < 1):
        raise BadConfig(f"image_size and count must be at least 1; got {image_size} and {count}.")
    report, names, work = _world(source, image_size, count) if is_world(source) else _files(source, image_size, count)
    with quiet():
        exams = list(work_through(work, Examine(), len(names), workers, progress))
    _fill(report, names, sorted(exams, key=lambda e: e.index))
    return report


def _files(
    source: str | os.PathLike[str], image_size: int, count: int | None
) -> tuple[Report, Sequence[str], Iterator[Fetch[Piece]]]:
    door = find_door(source)
    listing = door.listing
    names = listing.names[:count]
    report = Report(door.source, door.kind, image_size, not_pictures=listing.not_pictures, bad=list(listing.refused))
    return report, names, pieces(door, len(names))


def _world(
    source: str | os.PathLike[str], image_size: int, count: int | None
) -> tuple[Report, Sequence[str], Iterator[Fetch[Piece]]]:
    world = find_world(str(source), 0)
    size = max(image_size, world.min_size)
    names = [str(i) for i in range(count or DRAWN)]
    work = (partial(_drawn, world, size, i) for i in range(len(names)))
    return Report(f"world:{world.name}", "world", image_size), names, work


def _drawn(world: World, size: int, index: int) -> Piece:
    return index, world.render(range(index, index + 1), size=size, workers=1)[0]


def _fill(report: Report, names: Sequence[str], exams: list[Exam]) -> None:
    good = [e for e in exams if not e.reason]
    report.bad += [BadFile(names[e.index], e.reason) for e in exams if e.reason]
    report.bad_reasons = dict(Counter(b.kind for b in report.bad).most_common())
    report.used = len(good)
    report.formats = dict(Counter(e.format for e in good if e.format).most_common())
    report.modes = dict(Counter(e.mode for e in good).most_common())
    report.misnamed = [[names[e.index], e.format] for e in exams if e.is_misnamed(names[e.index])]
    report.constant = [names[e.index] for e in good if e.constant]
    report.transparent = sum(e.transparent for e in good)
    report.animated = sum(e.animated for e in good)
    report.rotated = sum(e.orientation != 1 for e in good)
    report.fates = [(names[e.index], e.fate(report.image_size)) for e in exams]
    report.fates += [(b.name, ["skipped"]) for b in report.bad[: len(report.bad) - len(exams) + len(good)]]
    report.actions = dict(Counter(step for _, steps in report.fates for step in steps).most_common())
    _fill_sizes(report, good)
    _fill_likeness(report, names, good)
    report.verdict = _verdict(report)


def _fill_sizes(report: Report, good: list[Exam]) -> None:
    if not good:
        return
    sizes = sorted(((e.width, e.height) for e in good), key=lambda s: (s[0] * s[1], s))
    report.smallest, report.median, report.largest = (
        list(sizes[0]),
        list(sizes[len(sizes) // 2]),
        list(sizes[-1]),
    )
    report.common_sizes = [[w, h, n] for (w, h), n in Counter(sizes).most_common(5)]
    lost = [1 - min(w, h) / max(w, h) for w, h in sizes if w != h]
    if lost:
        report.not_square = {"count": len(lost), "median": float(np.median(lost)), "most": max(lost)}


def _fill_likeness(report: Report, names: Sequence[str], good: list[Exam]) -> None:
    same: dict[bytes, list[Exam]] = defaultdict(list)
    for exam in good:
        same[exam.pixels].append(exam)
    report.exact_duplicates = [[names[e.index] for e in group] for group in same.values() if len(group) > 1]
    # pictures of one colour all have the same empty hash: likeness says nothing about them
    firsts = [group[0] for group in same.values() if not group[0].constant]
    if firsts:
        hashes = np.array([e.dhash for e in firsts], np.uint64)
        thumbnails = np.frombuffer(b"".join(e.thumbnail for e in firsts), np.uint8).reshape(len(firsts), -1)
        groups = near_duplicates(hashes, thumbnails)
        report.near_duplicates = [[names[firsts[i].index] for i in group] for group in groups]
    ranked = sorted((round(e.sharpness, 1), names[e.index]) for e in good if not e.constant)
    report.blurred = [(name, value) for value, name in ranked if value < BLURRED]
    report.blurriest = [(name, value) for value, name in ranked[:10]]


def _verdict(report: Report) -> str:
    if report.used < 2:
        return f"{report.used} pictures can be used: at least 2 are needed."
    spare = sum(len(group) - 1 for group in report.exact_duplicates)
    remarks = [
        f"{len(report.bad):,} skipped" if report.bad else "",
        f"{spare:,} of them exact copies" if spare else "",
        f"{len(report.blurred):,} blurred" if report.blurred else "",
        f"{report.actions.get('enlarged', 0):,} enlarged" if report.actions.get("enlarged") else "",
    ]
    said = "".join(f", {remark}" for remark in remarks if remark)
    verdict = f"{report.used:,} pictures will be used{said}."
    if len(report.bad) > 0.1 * (report.used + len(report.bad)):
        verdict += " More than 10% cannot be used: training will refuse unless max_bad_share is raised."
    return verdict
