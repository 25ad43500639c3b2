"""AFD, the share of pictures in which an anime-face detector finds a face; and how alike the halves of a picture are.

AFD is blind to variety: a generator that always draws one good face scores 1, more than real faces do (about 0.85 with
the usual cascade). So it comes with a number for variety and is never printed alone. The cascade is a file that the
user points at, such as ``lbpcascade_animeface.xml``; the settings are those of the homework: grey, equalised, steps of
1.1, more than 5 neighbours, windows of at least 24 pixels. The scale of the pictures matters, so it is stated.

Shape legend: n pictures, h height, w width, c channels (1 grey, 3 colour).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leafwing.core.errors import BadData
from leafwing.measure.bootstrap import wilson
from leafwing.measure.cascade import Cascade, detect, equalised, grey, resized

Pixels = NDArray[np.uint8]
"""[n, h, w, c], 0 to 255."""

STEP, NEIGHBOURS, SMALLEST = 1.1, 5, 24
"""Settings of the detector: each window so much larger than the last, more candidates than this, pixels."""

AT_ONCE = 64
"""Pictures looked at together."""


@dataclass(frozen=True)
class FaceRate:
    """AFD with what must stand beside it.

    Attributes:
        rate: share of pictures with at least one face, 0 to 1.
        low: lower end of its 95 % interval (Wilson 1927).
        high: upper end.
        spread: mean distance of two pictures, in grey levels a number; 0 when all are the same.
        spread_of_data: the same of real pictures, if some were given.
        count: pictures.
        native: their side in pixels.
        side: the side at which they were searched, in pixels.
    """

    rate: float
    low: float
    high: float
    spread: float
    spread_of_data: float | None
    count: int
    native: int
    side: int

    def __str__(self) -> str:
        scale = f"at {self.side} px" + (f" (scaled from {self.native})" if self.side != self.native else "")
        of_data = f", {self.spread / self.spread_of_data:.2f} of the data's" if self.spread_of_data else ""
        return (
            f"AFD {self.rate:.3f} [{self.low:.3f}, {self.high:.3f}] of {self.count:,} {scale}; "
            f"two of them differ by {self.spread:.1f} levels{of_data}"
        )


def face_rate(
    pictures: Pixels,
    cascade: Cascade,
    *,
    side: int | None = None,
    real: Pixels | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FaceRate:
    """How often a face is found.

    Args:
        pictures: uint8 [n, h, w, c], RGB or grey, n at least 2.
        cascade: the detector, from :func:`leafwing.measure.cascade.read_cascade`.
        side: scale the pictures' shorter side to so many pixels first; None searches them as they are.
        real: real pictures, for the variety that theirs is compared with.
        progress: called with (done, total).

    Raises:
        BadData: fewer than 2 pictures, or pictures too small for the detector.
    """
    found = faces_found(pictures, cascade, side=side, progress=progress)
    low, high = wilson(float(found.mean()), len(found))
    native = min(pictures.shape[1:3])
    return FaceRate(
        float(found.mean()), low, high, spread(pictures), None if real is None else spread(real),
        len(found), native, side or native,
    )  # fmt: skip


def faces_found(
    pictures: Pixels,
    cascade: Cascade,
    *,
    side: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.bool_]:
    """For each of the pictures [n, h, w, c], whether at least one face was found: bool [n]."""
    n, height, width = _shape(pictures)
    scale = 1.0 if side is None else side / min(height, width)
    size = round(height * scale), round(width * scale)
    if size[0] < cascade.height or size[1] < cascade.width:
        raise BadData(
            f"Pictures of {size[1]}x{size[0]} pixels are smaller than the detector's window "
            f"({cascade.width}x{cascade.height}): scale them up, for example to 64."
        )
    found = np.zeros(n, bool)
    for start in range(0, n, AT_ONCE):
        some = pictures[start : start + AT_ONCE, :, :, :3]
        if side is not None:
            some = np.stack([resized(some[..., i], *size) for i in range(some.shape[-1])], -1)
        finds = detect(equalised(grey(some)), cascade, STEP, NEIGHBOURS, SMALLEST)
        found[start : start + AT_ONCE] = [len(rectangles) > 0 for rectangles in finds]
        if progress is not None:
            progress(min(start + AT_ONCE, n), n)
    return found


def spread(pictures: Pixels, most: int = 400) -> float:
    """Root mean square difference of two pictures, per number, in grey levels: the mean over pairs.

    Args:
        pictures: uint8 [n, h, w, c], n at least 2.
        most: look at so many, evenly chosen.
    """
    n = _shape(pictures)[0]
    some = pictures[np.linspace(0, n - 1, min(n, most)).astype(int)].reshape(min(n, most), -1).astype(np.float32)
    squares = (some**2).sum(1)
    apart = np.sqrt(np.maximum(squares[:, None] + squares[None] - 2 * some @ some.T, 0) / some.shape[1])
    return float(apart[np.triu_indices(len(some), 1)].mean())


def asymmetry(pictures: Pixels, reach: float = 0.08) -> NDArray[np.float64]:
    """How far the left half of each picture is from the right one mirrored: 0 for perfect symmetry.

    The mean absolute difference of the picture and its mirror image, in grey levels, at the best of the axes within
    ``reach`` picture widths of the middle, so that a face a little aside is not called crooked. To be read beside the
    data's: hair, light and a turned head make real faces asymmetric too. After BigGAN's crooked cups (R88).

    Args:
        pictures: uint8 [n, h, w, c].
        reach: how far the axis may lie from the middle, in picture widths, below 0.25.

    Returns:
        [n], 0 to 255.
    """
    x = pictures[..., :3].astype(np.int16)
    width = x.shape[2]
    best = np.full(len(x), np.inf)
    for move in range(-int(2 * reach * width), int(2 * reach * width) + 1):
        part = x[:, :, max(move, 0) : width + min(move, 0)]
        best = np.minimum(best, np.abs(part - part[:, :, ::-1]).mean((1, 2, 3)))
    return best


def _shape(pictures: Pixels) -> tuple[int, int, int]:
    if pictures.ndim != 4 or pictures.dtype != np.uint8 or pictures.shape[-1] not in (1, 3, 4):
        raise BadData(f"Pictures should be uint8 [n, h, w, c]; got {pictures.dtype} {list(pictures.shape)}.")
    if len(pictures) < 2:
        raise BadData(f"A rate needs at least 2 pictures; got {len(pictures)}.")
    n, height, width, _ = pictures.shape
    return n, height, width
