"""Backgrounds of the faces world, and the colours that they share with the outfits."""

from __future__ import annotations

from functools import lru_cache

from PIL import Image, ImageDraw

from leafwing.worlds.faces_factors import BACKGROUNDS, COLOURS
from leafwing.worlds.faces_pen import Colour, gradient, mix, widened

PALETTE: dict[str, Colour] = {
    "white": (246, 246, 248),
    "cream": (252, 238, 208),
    "rose": (250, 206, 214),
    "peach": (255, 214, 186),
    "mint": (200, 238, 214),
    "sky": (184, 220, 250),
    "lavender": (218, 206, 246),
    "slate": (126, 138, 160),
    "navy": (52, 66, 118),
    "wine": (134, 48, 72),
}

_WHITE: Colour = (255, 255, 255)

KEPT_SIDE = 400
"""Backgrounds of canvases up to this side are kept for the next face: at most 60 of 0.6 MB."""


def background(kind: str, name: str, side: int) -> Image.Image:
    """The background of a canvas, RGB, not to be changed; it does not move with the head.

    Args:
        kind: One of `BACKGROUNDS`.
        name: One of `COLOURS`.
        side: Side of the canvas in pixels.
    """
    return (_kept if side <= KEPT_SIDE else _paint)(kind, name, side)


def _paint(kind: str, name: str, side: int) -> Image.Image:
    """Draws a background, in shares of the canvas's side."""
    colour = PALETTE[name]
    light, deep = mix(colour, _WHITE, 0.55), mix(colour, (70, 60, 120), 0.22)
    if kind == "glow":
        return _glow(light, deep).resize((side, side), Image.Resampling.BILINEAR)
    if kind in ("gradient", "sky"):
        image = widened(gradient(side, colour, light), side)
    else:
        image = Image.new("RGB", (side, side), colour)
    ink = ImageDraw.Draw(image)
    if kind == "stripes":
        for x in range(-side, side, side // 4):
            ink.polygon([x, side, x + side // 8, side, x + side // 8 + side, 0, x + side, 0], fill=light)
    elif kind == "dots":
        step, radius = side / 6, side / 22
        for row in range(7):
            for column in range(7):
                across, down = (column + 0.5 * (row % 2)) * step, row * step
                ink.ellipse((across - radius, down - radius, across + radius, down + radius), fill=light)
    elif kind == "sky":
        for u, v, r in _CLOUDS:
            box = (side * (u - r), side * (v - 0.6 * r), side * (u + r), side * (v + 0.6 * r))
            ink.ellipse(box, fill=_WHITE)
    return image


_kept = lru_cache(len(BACKGROUNDS) * len(COLOURS))(_paint)

_CLOUDS = ((0.08, 0.30, 0.12), (0.2, 0.36, 0.09), (0.95, 0.18, 0.11), (0.84, 0.24, 0.08), (0.98, 0.62, 0.1))
"""Middle x, middle y and half width, in shares of the picture's side."""


def _glow(light: Colour, deep: Colour) -> Image.Image:
    """A small picture, light in the middle; it is smooth, so it may be enlarged."""
    image = Image.new("RGB", (64, 64), light)
    image.paste(deep, (0, 0), Image.radial_gradient("L").reduce(4))
    return image
