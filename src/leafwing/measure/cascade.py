"""An evaluator for LBP cascades, the kind of file that anime-face detectors come in; needs no OpenCV.

OpenCV 5 no longer has ``CascadeClassifier``; earlier ones have it. This one reads the same XML and takes the same steps
in the same fixed-point arithmetic, so that a rate measured here can be set beside one measured there: a picture is made
smaller step by step, a window slides over each size, and a window that passes every stage is a candidate; many
candidates in nearly one place are a find. The steps are those of Viola and Jones 2001 with the local binary patterns of
Zhang et al. 2007 (multi-block LBP), as OpenCV's documentation and files lay them down.

Shape legend: n pictures, h height, w width, m windows.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from leafwing.core.errors import BadData

Grey: TypeAlias = NDArray[np.uint8]
"""[n, h, w], 0 black to 255 white."""

Rectangles: TypeAlias = NDArray[np.int64]
"""[m, 4]: left, top, width, height in pixels."""

_EPSILON = 1e-5
"""Taken from each stage's threshold, so that rounding in the file rejects nothing that trained the stage."""

_CORNERS = ((0, 0), (1, 0), (2, 0), (2, 1), (2, 2), (1, 2), (0, 2), (0, 1))
"""The eight blocks around the middle one (column, row) from the highest bit to the lowest: clockwise."""

_LARGEST_FILE = 64 * 2**20


@dataclass(frozen=True)
class Stage:
    """Stumps that vote; a window goes on if their sum reaches the threshold.

    Attributes:
        features: which feature each stump looks at, [s].
        subsets: the 256 patterns as bits, for which a stump gives its first value, uint32 [s, 8].
        leaves: both values of each stump, [s, 2].
        threshold: the least sum that passes.
    """

    features: NDArray[np.int64]
    subsets: NDArray[np.uint32]
    leaves: NDArray[np.float64]
    threshold: float


@dataclass(frozen=True)
class Cascade:
    """A detector.

    Attributes:
        width: of its window, in pixels.
        height: of its window.
        stages: in the order in which a window must pass them.
        blocks: of each feature the first of its 3 x 3 blocks, [f, 4]: left, top, width, height.
    """

    width: int
    height: int
    stages: tuple[Stage, ...]
    blocks: NDArray[np.int64]


def read_cascade(path: str | Path) -> Cascade:
    """Reads a cascade from OpenCV's XML.

    Raises:
        BadData: no such file, or not a cascade of LBP stumps.
    """
    path = Path(path).expanduser()
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise BadData(f"{path} is too large for a cascade file: give the XML of an LBP cascade.")
        root = ET.fromstring(path.read_bytes())
    except OSError as error:
        raise BadData(f"The cascade file {path} cannot be read: {error.strerror or error}.") from error
    except (ET.ParseError, ValueError) as error:
        raise BadData(f"{path} is not XML ({error}): give the XML of an LBP cascade.") from error
    try:
        return _cascade(root)
    except (AttributeError, IndexError, ValueError, TypeError, OverflowError) as error:
        raise BadData(f"{path} is not a cascade of LBP stumps: give one such as lbpcascade_animeface.xml.") from error


def _cascade(root: ET.Element) -> Cascade:
    """The parts of the XML; anything missing or odd raises."""
    tops = [part for part in (root, *root) if part.find("stages") is not None]
    top = tops[0]
    if _text(top, "featureType") != "LBP" or _text(top, "stageType") != "BOOST":
        raise ValueError("another kind of feature or stage")
    width, height = int(_text(top, "width")), int(_text(top, "height"))
    blocks = np.array([_text(feature, "rect").split()[:4] for feature in top.iterfind("features/_")], np.int64)
    stages = tuple(_stage(stage) for stage in top.iterfind("stages/_"))
    if not stages or blocks.min() < 0 or width < 3 or height < 3:
        raise ValueError("no stages, or blocks outside")
    if (blocks[:, :2] + 3 * blocks[:, 2:] > (width, height)).any() or (blocks[:, 2:] < 1).any():
        raise ValueError("blocks outside the window")
    if any(stage.features.min() < 0 or stage.features.max() >= len(blocks) for stage in stages):
        raise ValueError("no such feature")
    return Cascade(width, height, stages, blocks)


def _stage(stage: ET.Element) -> Stage:
    """One stage; every weak classifier must be a stump: 0 -1 feature, then eight words of 32 patterns each."""
    weak = list(stage.iterfind("weakClassifiers/_"))
    nodes = np.array([_text(stump, "internalNodes").split() for stump in weak], np.int64)
    leaves = np.array([_text(stump, "leafValues").split() for stump in weak], np.float64)
    if nodes.shape != (len(weak), 11) or leaves.shape != (len(weak), 2) or (nodes[:, :2] != (0, -1)).any():
        raise ValueError("a weak classifier that is no stump")
    words = (nodes[:, 3:] & 0xFFFFFFFF).astype(np.uint32)
    return Stage(nodes[:, 2], words, leaves, float(_text(stage, "stageThreshold")) - _EPSILON)


def _text(element: ET.Element, name: str) -> str:
    return (element.find(name).text or "").strip()  # type: ignore[union-attr]  # None raises, and that is said


# ------------------------------------------------------------------------------------------- from colour to grey


def grey(pictures: NDArray[np.uint8]) -> Grey:
    """RGB [n, h, w, 3] (or grey [n, h, w, 1]) to grey [n, h, w]: ITU-R BT.601 weights in 15 bits, rounded."""
    if pictures.shape[-1] == 1:
        return pictures[..., 0]
    weights = np.array([9798, 19235, 3735], np.int64)
    weighted: NDArray[np.int64] = pictures[..., :3] @ weights
    return ((weighted + (1 << 14)) >> 15).astype(np.uint8)


def equalised(pictures: Grey) -> Grey:
    """Each picture's histogram made even, so that dark and light pictures look alike: [n, h, w]."""
    out = np.empty_like(pictures)
    for picture, into in zip(pictures, out, strict=True):
        counts = np.bincount(picture.ravel(), minlength=256)
        first = int(np.flatnonzero(counts)[0])
        rest = picture.size - int(counts[first])
        if rest == 0:  # one level everywhere: stays as it is
            into[:] = picture
            continue
        below = np.cumsum(counts)
        levels = np.rint((below - counts[first]).astype(np.float32) * np.float32(255 / rest)).clip(0, 255)
        into[:] = levels.astype(np.uint8)[picture]
    return out


def resized(pictures: Grey, height: int, width: int) -> Grey:
    """Bilinear in fixed point: weights of 8 bits, one rounding at the end: [n, h, w] -> [n, height, width]."""
    top, low, v = _between(pictures.shape[1], height)
    left, right, u = _between(pictures.shape[2], width)
    wide = pictures.astype(np.int64)
    across = wide[:, :, left] * (256 - u) + wide[:, :, right] * u
    down = np.asarray(across[:, top] * (256 - v)[:, None] + across[:, low] * v[:, None], np.int64)
    return ((down + (1 << 15)) >> 16).astype(np.uint8)


def _between(old: int, new: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """For each new pixel the two old ones that it lies between, and the weight of the second in 256ths."""
    place = (np.arange(new) + 0.5) * (old / new) - 0.5
    first = np.floor(place).astype(np.int64)
    weight = np.rint((place - first) * 256).astype(np.int64)
    weight[(first < 0) | (first >= old - 1)] = 0
    first = first.clip(0, old - 1)
    return first, (first + 1).clip(0, old - 1), weight


# ------------------------------------------------------------------------------------------------- the detector


def detect(
    pictures: Grey, cascade: Cascade, step: float = 1.1, neighbours: int = 5, smallest: int = 24
) -> list[Rectangles]:
    """Finds what the cascade was trained to find.

    Args:
        pictures: grey [n, h, w], all of one size.
        cascade: the detector.
        step: each size of the window is this much larger than the one before, above 1.
        neighbours: a find needs more candidates than this in nearly one place; 0 or more.
        smallest: windows below this many pixels are left out.

    Returns:
        The finds of each picture, [m, 4] each, cut off at the picture's edge.
    """
    if step <= 1 or neighbours < 0:
        raise ValueError(f"step must be above 1 and neighbours at least 0; got {step}, {neighbours}")
    n, height, width = pictures.shape
    found: list[list[Rectangles]] = [[] for _ in range(n)]
    scale, stripes = 1.0, 0
    while round(cascade.width * scale) <= width and round(cascade.height * scale) <= height:
        window = (round(cascade.width * scale), round(cascade.height * scale))
        if min(window) >= smallest:
            small = resized(pictures, round(height / scale), round(width / scale))
            stripes = stripes or -(-(small.shape[2] + 1 - cascade.width) // 32)
            which, top, left = _passing(small, cascade, 1 if scale >= 2 else 2, stripes)
            for picture in np.unique(which):
                mine = which == picture
                corners = np.stack([left[mine], top[mine]], 1).astype(np.float32) * np.float32(scale)
                corners = np.rint(corners).astype(np.int64)
                found[picture].append(np.concatenate([corners, np.broadcast_to(window, corners.shape)], 1))
        scale *= step
    finds = [grouped(np.concatenate([np.empty((0, 4), np.int64), *rects]), neighbours) for rects in found]
    for rects in finds:
        rects[:, 2:] = np.minimum(rects[:, 2:], (width, height) - rects[:, :2])
    return finds


def _passing(
    pictures: Grey, cascade: Cascade, stride: int, stripes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Windows that pass every stage: which picture, top, left. Windows lie ``stride`` pixels apart.

    OpenCV deals the rows out to ``stripes`` workers in equal numbers; the last row may fall to none, so it is left out
    here too.
    """
    n, height, width = pictures.shape
    places = max(height - cascade.height + 1, 0)
    each = max((places // stride + stripes - 1) // stripes, 1) * stride
    rows = np.arange(0, min(places, each * stripes), stride)
    columns = np.arange(0, width - cascade.width + 1, stride)
    if not len(rows) or not len(columns):
        return (np.empty(0, np.int64),) * 3
    sums = np.zeros((n, height + 1, width + 1), np.int32)  # 255 * 4096 * 2048 still fits
    np.cumsum(np.cumsum(pictures, 1, dtype=np.int32), 2, out=sums[:, 1:, 1:])
    which, top, left = (part.ravel() for part in np.meshgrid(np.arange(n), rows, columns, indexing="ij"))
    for number, stage in enumerate(cascade.stages):
        passed = _vote(sums, cascade, stage, which, top, left) >= stage.threshold
        if number == 0:
            passed &= _visited(passed.reshape(n, len(rows), len(columns))).ravel()
        which, top, left = which[passed], top[passed], left[passed]
        if not len(which):
            break
    return which, top, left


def _visited(passed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A window is left out if the one before it in its row was looked at and failed the first stage."""
    seen = np.ones_like(passed)
    for x in range(1, passed.shape[2]):
        seen[:, :, x] = ~seen[:, :, x - 1] | passed[:, :, x - 1]
    return seen


def _vote(
    sums: NDArray[np.int32],
    cascade: Cascade,
    stage: Stage,
    which: NDArray[np.int64],
    top: NDArray[np.int64],
    left: NDArray[np.int64],
) -> NDArray[np.float64]:
    """The stage's sum for each window, [m]."""
    line = sums.shape[2]
    flat, start = sums.ravel(), (which * sums.shape[1] + top) * line + left
    total = np.zeros(len(which))
    for feature, subset, leaves in zip(stage.features, stage.subsets, stage.leaves, strict=True):
        x, y, w, h = cascade.blocks[feature]
        grid = [[flat.take(start + ((y + j * h) * line + x + i * w)) for i in range(4)] for j in range(4)]
        block = [
            [grid[j][i] - grid[j][i + 1] - grid[j + 1][i] + grid[j + 1][i + 1] for i in range(3)] for j in range(3)
        ]
        pattern = np.zeros(len(which), np.uint8)
        for column, row in _CORNERS:
            pattern = (pattern << 1) | (block[row][column] >= block[1][1])
        chosen = (subset[pattern >> 5] >> (pattern & 31)) & 1
        total += np.where(chosen, leaves[0], leaves[1])
    return total


def grouped(rectangles: Rectangles, neighbours: int, tolerance: float = 0.2) -> Rectangles:
    """Candidates in nearly one place become their mean, if there are more of them than ``neighbours``.

    Two rectangles are near if each of their four sides differs by at most ``tolerance`` of the smaller one's size;
    whoever is near to a near one belongs to the same group. A group inside a stronger one is dropped.
    """
    if neighbours == 0 or not len(rectangles):
        return rectangles
    left, top, width, height = rectangles.T
    reach = tolerance * (np.minimum.outer(width, width) + np.minimum.outer(height, height)) / 2
    sides = (left, top, left + width, top + height)
    near = np.logical_and.reduce([np.abs(np.subtract.outer(side, side)) <= reach for side in sides])
    label = np.arange(len(rectangles))
    while True:  # the smallest number in reach, until nothing changes
        lowest = np.where(near, label, len(label)).min(1)
        if (lowest == label).all():
            break
        label = lowest[lowest]
    groups = [rectangles[label == one] for one in np.unique(label)]
    groups = [group for group in groups if len(group) > neighbours]
    means = np.array(
        [np.rint(group.sum(0, dtype=np.float32) * np.float32(1 / len(group))) for group in groups], np.int64
    ).reshape(-1, 4)
    counts = [len(group) for group in groups]
    kept = [i for i in range(len(means)) if not any(_inside(means, counts, i, j, tolerance) for j in range(len(means)))]
    return means[kept]


def _inside(means: Rectangles, counts: list[int], i: int, j: int, tolerance: float) -> bool:
    """Whether group i lies within group j, which is larger or holds more than three."""
    (x1, y1, w1, h1), (x2, y2, w2, h2) = means[i], means[j]
    dx, dy = round(w2 * tolerance), round(h2 * tolerance)
    within = x1 >= x2 - dx and y1 >= y2 - dy and x1 + w1 <= x2 + w2 + dx and y1 + h1 <= y2 + h2 + dy
    return i != j and bool(within) and (counts[j] > max(3, counts[i]) or counts[i] < 3)
