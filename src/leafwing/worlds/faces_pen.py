"""The pen of the faces world: a canvas in the coordinates of a turned, tilted head; curves, strokes, fills.

The origin lies between the eyes, x to the right, y down, z towards the viewer, and one unit is nearly the
side of the picture (`CLOSENESS`). Only the pen knows how many pixels there are: all sizes show one drawing.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Points = NDArray[np.float64]
"""[k, 2] canvas pixels, or [k, 3] head coordinates."""

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""

MIN_CANVAS = 192
"""Pillow draws on whole pixels without antialiasing: even a 16 px picture starts from this many."""

YAW = 0.42
"""Radians that the head turns at |turn| = 1."""

CLOSENESS = 1.06
"""Canvas sides per unit of the head at scale 1: the framing."""

PIVOT = 0.09
"""Depth of the axis that the head turns about."""

EYE_LINE = 0.47
"""Height of the eyes in the picture, as a share from the top."""


@lru_cache(4096)
def mix(a: Colour, b: Colour, share: float) -> Colour:
    """Colour `a` with `share` (0 to 1) of colour `b` in it."""
    return (
        round(a[0] + (b[0] - a[0]) * share),
        round(a[1] + (b[1] - a[1]) * share),
        round(a[2] + (b[2] - a[2]) * share),
    )


def canvas_side(size: int) -> int:
    """Canvas pixels for a picture of `size`: a whole multiple, three times where that is affordable."""
    return size * max(2 if size > 1024 else 3, -(-MIN_CANVAS // size))


@cache
def _spline_basis(count: int, closed: bool, steps: int) -> Points:
    """[m, count] Catmull-Rom weights: a curve through `count` control points is this matrix times them."""
    spans = count if closed else count - 1
    t = np.arange(steps) / steps
    u, v = t**2, t**3
    weights = np.stack([-t + 2 * u - v, 2 - 5 * u + 3 * v, t + 4 * u - 3 * v, v - u], 1) / 2
    rows = np.zeros((spans * steps + (not closed), count))
    for span in range(spans):
        for k in range(4):
            point = (span + k - 1) % count if closed else min(max(span + k - 1, 0), count - 1)
            rows[span * steps : (span + 1) * steps, point] += weights[:, k]
    if not closed:
        rows[-1, -1] = 1
    return rows


def smooth(points: Points, closed: bool = False, steps: int = 6) -> Points:
    """A curve [..., m, d] through the points [..., k, d]."""
    return _spline_basis(points.shape[-2], closed, steps) @ points


@cache
def circle(count: int = 28) -> Points:
    """[count, 2] points of the unit circle."""
    angle = np.linspace(0, 2 * math.pi, count, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], 1)


@cache
def _ramp(height: int, start: float, end: float) -> Image.Image:
    """A cached column: 0 above the share `start` of the height, 255 below the share `end`, linear between."""
    share = ((np.arange(height) + 0.5) / height - start) / (end - start)
    return Image.fromarray((np.clip(share, 0, 1) * 255).round().astype(np.uint8)[:, None])


@lru_cache(1024)
def gradient(height: int, top: Colour, bottom: Colour, start: float = 0, end: float = 1) -> Image.Image:
    """A cached column, one pixel wide, from `top` to `bottom` between two shares of its height."""
    column = Image.new("RGB", (1, height), top)
    column.paste(bottom, (0, 0), _ramp(height, start, end))
    return column


def widened(column: Image.Image, width: int, upper: int = 0, lower: int | None = None) -> Image.Image:
    """The column's rows from `upper` to before `lower` (None: to its end), repeated to a width."""
    end = column.height if lower is None else lower
    return column.resize((width, end - upper), Image.Resampling.NEAREST, (0, upper, 1, end))


@cache
def _spot(width: int, height: int, amount: int) -> Image.Image:
    """A cached soft ellipse: `amount` in the middle, 0 at the rim."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    fall = np.clip(1 - (x * x + y * y), 0, 1) ** 1.5
    return Image.fromarray((amount * fall).round().astype(np.uint8))


@cache
def _widths(widths: tuple[float, ...], count: int) -> NDArray[np.complex128]:
    """[count, 1] half widths along a stroke of `count` points, as imaginary numbers (see `Pen.stroke`)."""
    place = np.linspace(0, len(widths) - 1, count)
    halves: NDArray[np.complex128] = np.interp(place, np.arange(len(widths)), widths) * np.complex128(0.5j)
    return halves[:, None]


@cache
def _slopes(count: int) -> Points:
    """[count, count] weights: differences between the neighbours of each point."""
    return np.asarray(np.gradient(np.eye(count), axis=0))


def hard_mask(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty mask and its drawing. One bit a pixel: Pillow pastes those ten times faster than soft ones."""
    image = Image.new("1", (width, height))
    return image, ImageDraw.Draw(image)


def _flat(points: Points) -> list[list[float]]:
    """The n paths [k, 2] or [n, k, 2] as Pillow wants them: each a list x, y, x, y and so on."""
    paths: list[list[float]] = points.reshape(-1, 2 * points.shape[-2]).tolist()
    return paths


class Pen:
    """Draws in head coordinates on one canvas."""

    def __init__(self, size: int, turn: float, tilt: float, scale: float, shift: tuple[float, float]) -> None:
        self.size = size
        self.side = side = canvas_side(size)
        self.image = Image.new("RGB", (side, side))
        self.ink = ImageDraw.Draw(self.image)
        self.unit = side * scale * CLOSENESS
        yaw, roll = turn * YAW, math.radians(tilt)
        cos, sin = math.cos(roll) * self.unit, math.sin(roll) * self.unit
        # one matrix turns about y, tilts in the plane and scales; its rows are x, y, z
        self.matrix = np.array([
            [math.cos(yaw) * cos, math.cos(yaw) * sin],
            [-sin, cos],
            [math.sin(yaw) * cos, math.sin(yaw) * sin],
        ])  # fmt: skip
        # + 0.5: Pillow cuts coordinates to whole pixels, this rounds them; `turn` keeps the face centred
        centre = (side * (0.5 + shift[0] - 0.015 * turn) + 0.5, side * (EYE_LINE + shift[1]) + 0.5)
        self.origin = np.array(centre) - PIVOT * self.matrix[2]

    def at(self, points: Points) -> Points:
        """Canvas pixels [..., k, 2] of head points [..., k, 3]."""
        pixels: Points = points.dot(self.matrix)
        pixels += self.origin
        return pixels

    def curve(self, points: Points, closed: bool = False, steps: int = 5) -> Points:
        """Canvas pixels [..., m, 2] of a smooth curve through head points [..., k, 3]."""
        return smooth(self.at(points), closed, steps)

    def fill(self, points: Points, colour: Colour | int, ink: ImageDraw.ImageDraw | None = None) -> None:
        """Fills polygons of canvas pixels [k, 2] or [n, k, 2], on the picture or on a mask's drawing."""
        ink = ink or self.ink
        for outline in _flat(points):
            ink.polygon(outline, fill=colour)

    def line(self, points: Points, colour: Colour, width: float, closed: bool = False) -> None:
        """Lines of even width (in units of the head) along canvas pixels [k, 2] or [n, k, 2]."""
        pixels = max(1, round(width * self.unit))
        for path in _flat(points):
            self.ink.line(path + path[:2] if closed else path, fill=colour, width=pixels)

    def shape(self, points: Points, colour: Colour, outline: Colour, width: float = 0.007) -> None:
        """A filled polygon of canvas pixels [k, 2] with an outline."""
        self.fill(points, colour)
        self.line(points, outline, width, closed=True)

    def stroke(self, points: Points, colour: Colour, widths: tuple[float, ...]) -> None:
        """Brush strokes along canvas pixels [k, 2] or [n, k, 2], as wide as `widths` (units of the head) say."""
        # as complex numbers: 1j in the widths turns a stroke's direction by a right angle
        count = points.shape[-2]
        along = (_slopes(count) @ points).view(np.complex128)
        across = along * (_widths(widths, count) * self.unit / (np.abs(along) + 1e-9 * self.unit))
        z = np.ascontiguousarray(points).view(np.complex128)
        rims = np.concatenate([z + across, (z - across)[..., ::-1, :]], -2)
        self.fill(rims.view(np.float64), colour)

    def mask(self) -> tuple[Image.Image, ImageDraw.ImageDraw]:
        """An empty mask of the canvas and its drawing."""
        return hard_mask(self.side, self.side)

    def pour(self, mask: Image.Image, top: Colour, bottom: Colour | None = None, end: float = 1.0) -> None:
        """Colours the masked part, with `bottom` as a gradient that ends at the share `end` of the height."""
        box = mask.getbbox()  # only there: most masks are empty for the greater part
        if box is None:
            return
        if bottom is None:
            self.image.paste(top, box, mask.crop(box))
        else:
            left, upper, right, lower = box
            colours = widened(gradient(self.side, top, bottom, 0.05, end), right - left, upper, lower)
            self.image.paste(colours, box, mask.crop(box))

    def spot(self, centre: Points, width: float, height: float, colour: Colour, amount: float) -> None:
        """A soft spot around one canvas pixel [2]; width and height in units of the head, `amount` 0 to 1."""
        # coarse steps of size and strength, so that the cache of spots stays small
        w, h = 4 * max(1, round(width * self.unit / 4)), 4 * max(1, round(height * self.unit / 4))
        spot = _spot(w, h, 8 * round(amount * 31))
        self.image.paste(colour, (int(centre[0]) - w // 2, int(centre[1]) - h // 2), spot)

    def picture(self) -> NDArray[np.uint8]:
        """The picture, uint8 [size, size, 3]: the mean of each block of canvas pixels, rounded."""
        return np.array(self.image.reduce(self.side // self.size))


def surface(x: Points) -> Points:
    """Depth of the face's front at x: round like a ball, 0.23 in the middle, 0 beyond the cheeks."""
    return np.sqrt(np.maximum(0.0, 0.0529 - 0.4444 * x * x))


def lay(points: Points | list[tuple[float, float]], depth: float | None = None) -> Points:
    """Head points [k, 3] from [k, 2]: at a common depth, or on the face's surface."""
    laid = np.empty((len(points), 3))
    laid[:, :2] = points
    laid[:, 2] = surface(laid[:, 0]) if depth is None else depth
    return laid


MIRROR: dict[int, Points] = {-1: np.array([-1.0, 1.0, 1.0]), 1: np.ones(3)}
"""Factors that bring head points of the right half to a side of the picture."""

SIDES = (-1, 1)
"""The sides of the picture, left and right, in the order of `both`."""


def both(points: Points) -> Points:
    """Head points [2, k, 3] of the left and the right side, from those [k, 3] of the right one."""
    return np.stack([points * MIRROR[side] for side in SIDES])
