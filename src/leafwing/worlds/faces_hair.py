"""Hair of the faces world: behind the head, beside the face and on the forehead."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageChops

from leafwing.worlds.faces_factors import Face
from leafwing.worlds.faces_pen import MIRROR, SIDES, Colour, Pen, Points, both, circle, lay, mix, smooth, surface

# lit, base, shade: the light comes from above, so the lit colour is at the top
_HAIR: dict[str, tuple[Colour, Colour, Colour]] = {
    "aqua": ((150, 242, 236), (76, 204, 208), (34, 136, 158)),
    "black": ((84, 82, 104), (44, 42, 58), (22, 20, 34)),
    "blonde": ((255, 240, 160), (248, 212, 92), (206, 148, 52)),
    "blue": ((120, 172, 252), (58, 106, 222), (32, 56, 154)),
    "brown": ((186, 128, 88), (134, 82, 50), (82, 44, 30)),
    "gray": ((190, 192, 202), (138, 140, 154), (90, 90, 110)),
    "green": ((142, 224, 122), (70, 168, 76), (34, 108, 62)),
    "orange": ((255, 190, 110), (246, 138, 44), (190, 84, 24)),
    "pink": ((255, 206, 224), (252, 152, 190), (210, 90, 142)),
    "purple": ((196, 150, 242), (140, 88, 206), (84, 46, 144)),
    "red": ((246, 106, 94), (208, 40, 46), (132, 18, 38)),
    "white": ((252, 252, 255), (226, 229, 242), (164, 169, 198)),
}

_RED: Colour = (226, 58, 84)
_BLUE: Colour = (64, 110, 214)


class Tones(NamedTuple):
    """The colours one head of hair is drawn with."""

    lit: Colour
    base: Colour
    shade: Colour
    line: Colour


def tones(face: Face) -> Tones:
    """The colours of this face's hair."""
    other: Colour = (255, 255, 255) if face.hair_tone > 0 else (20, 10, 30)
    lit, base, shade = (mix(colour, other, 0.14 * abs(face.hair_tone)) for colour in _HAIR[face.hair_colour])
    return Tones(lit, base, shade, mix(shade, (24, 12, 30), 0.55))


def ornament_colour(face: Face) -> Colour:
    """Ribbons and bands: red, or blue where red would not show."""
    return _BLUE if face.hair_colour in ("red", "pink", "orange") else _RED


def parting_side(face: Face) -> int:
    """The side of the picture (-1 left, 1 right) where a side tail sits and the hair parts."""
    return 1 if face.parting >= 0 else -1


def _wobble(face: Face, k: float) -> float:
    """A small fixed irregularity in -1 to 1 for strand `k`."""
    return math.sin(12.9898 * k + 40 * face.strands)


def _pointed(before: int, after: int) -> Points:
    """[m, count] weights of a bent outline with a tip: smooth up to the corner `before`, smooth from there on."""
    edges = np.eye(before + 1 + after)
    return np.concatenate([smooth(edges[: before + 1], steps=4), smooth(edges[before:], steps=4)])


# from the corners root, edge, tip, edge, root; a lock has more on its way
_WEDGE, _LOCK = _pointed(2, 2), _pointed(3, 3)


# ---- behind the head ----

# Outlines, right half from the crown down; the left half is its mirror image.
_BACK: dict[str, list[tuple[float, float]]] = {
    "bob": [(0.0, -0.415), (0.19, -0.37), (0.325, -0.22), (0.365, -0.02), (0.385, 0.15), (0.375, 0.27),
            (0.30, 0.345), (0.2, 0.33), (0.0, 0.32)],
    "long": [(0.0, -0.415), (0.19, -0.37), (0.32, -0.22), (0.355, -0.02), (0.385, 0.2), (0.41, 0.42),
             (0.42, 0.75), (0.0, 0.75)],
    "wavy": [(0.0, -0.425), (0.2, -0.385), (0.335, -0.24), (0.375, -0.1), (0.36, 0.02), (0.43, 0.14),
             (0.39, 0.25), (0.47, 0.38), (0.42, 0.5), (0.5, 0.75), (0.0, 0.75)],
    "short": [(0.0, -0.38), (0.19, -0.345), (0.31, -0.22), (0.325, -0.04), (0.29, 0.12), (0.2, 0.24),
              (0.0, 0.26)],
    "twin_tails": [(0.0, -0.405), (0.19, -0.365), (0.31, -0.23), (0.325, -0.06), (0.3, 0.1), (0.25, 0.22),
                   (0.0, 0.26)],
    "braids": [(0.0, -0.405), (0.19, -0.365), (0.315, -0.22), (0.345, -0.04), (0.345, 0.12), (0.3, 0.26),
               (0.0, 0.3)],
    "buns": [(0.0, -0.405), (0.19, -0.365), (0.31, -0.23), (0.325, -0.06), (0.3, 0.1), (0.25, 0.2),
             (0.0, 0.24)],
}  # fmt: skip
_BACK["side_tail"] = _BACK["twin_tails"]


def _mirrored(half: list[tuple[float, float]]) -> Points:
    """The smooth closed outline of which `half` is the right side, from the crown (x = 0) to the bottom (x = 0)."""
    right = lay(half, -0.02)
    return smooth(np.concatenate([right, right[-2:0:-1] * MIRROR[-1]]), closed=True, steps=4)


_OUTLINES: dict[str, Points] = {style: _mirrored(half) for style, half in _BACK.items()}

# the parts of the back hair that are seen between cheeks and shoulders lie in the dark
_INSIDE = lay([(-0.25, 0.08), (0.25, 0.08), (0.25, 0.26), (0.15, 0.315), (-0.15, 0.315), (-0.25, 0.26)], 0.0)
_INSIDE_NARROW = _INSIDE * (0.76, 0.8, 1)

_TAILS = both(smooth(lay([(0.25, -0.25), (0.33, -0.29), (0.425, -0.2), (0.455, 0.02), (0.455, 0.26), (0.425, 0.52),
                          (0.385, 0.38), (0.36, 0.2), (0.35, 0.02), (0.31, -0.12)], -0.03),
                     closed=True, steps=4))  # fmt: skip
_BUNS = both(lay(circle() * 0.12 + (0.245, -0.335), -0.03))

# spikes of short hair, right half: place on the skull in degrees from the top, length, droop in degrees
_SPIKES = ((16, 0.085, 16), (44, 0.12, 18), (68, 0.135, 20), (92, 0.13, 20), (116, 0.115, 16), (140, 0.07, 8))


def draw_back(pen: Pen, face: Face, hair: Tones) -> None:
    """Everything of the hair that lies behind the neck and the face."""
    shapes = [pen.at(_OUTLINES[face.hair_style])]
    sides = _tail_sides(face)
    if sides:
        shapes.append(pen.at(_TAILS[[SIDES.index(s) for s in sides]]))
    if face.hair_style == "buns":
        shapes.append(pen.at(_BUNS))
    if face.hair_style == "short":
        shapes.append(_spikes(pen, face))
    mask, ink = pen.mask()
    for shape in shapes:
        pen.fill(shape, 1, ink)
    pen.pour(mask, hair.base, mix(hair.base, hair.shade, 0.9))
    for shape in shapes:
        pen.line(shape, hair.line, 0.007, closed=True)
    inside = _INSIDE if face.hair_style in ("bob", "long", "wavy", "braids") else _INSIDE_NARROW
    pen.fill(pen.at(inside), mix(hair.shade, hair.line, 0.25))
    if face.hair_style in ("long", "wavy"):
        _draw_falling_strands(pen, face, hair)
    if face.hair_style == "buns":
        _draw_bun_strands(pen, hair)
    for s in sides:
        _draw_tail_details(pen, face, hair, s)


def _tail_sides(face: Face) -> tuple[int, ...]:
    if face.hair_style == "twin_tails":
        return (-1, 1)
    return (parting_side(face),) if face.hair_style == "side_tail" else ()


_PLACE, _LENGTH, _DROOP = np.array(_SPIKES * 2).T
# of each spike's five corners [5, n]: angle on the skull, left and right; radius; and how far it grows with reach
_ANGLE = np.radians([_PLACE - 15, _PLACE - 1, _PLACE + _DROOP, _PLACE + 12, _PLACE + 17])
_ASIDE, _ABOVE = np.sin(_ANGLE) * np.repeat((-1.0, 1.0), len(_SPIKES)), -np.cos(_ANGLE)
_RADIUS = np.array([[0.30], [0.335], [0.325], [0.315], [0.30]])
_GROWTH = np.array([[0.0], [0.45], [1.0], [0.3], [0.0]])


def _spikes(pen: Pen, face: Face) -> Points:
    """Bent spikes around the skull that lean outwards and down, canvas outlines [n, m, 2]."""
    reach = _LENGTH + 0.02 * np.sin(12.9898 * np.arange(len(_PLACE)) + 40 * face.strands)
    radius = _RADIUS + _GROWTH * reach
    corners = np.full((len(_PLACE), 5, 3), -0.02)
    corners[..., 0] = (_ASIDE * radius).T
    corners[..., 1] = (_ABOVE * radius).T - 0.06
    return _WEDGE @ pen.at(corners)


_TAIL_STRANDS = smooth(np.stack([
    lay([(0.33, -0.22), (0.385, -0.1), (0.40, 0.1), (0.405, 0.36)], -0.03),
    lay([(0.35, -0.24), (0.415, -0.12), (0.43, 0.1), (0.425, 0.34)], -0.03),
]), steps=5)  # fmt: skip
_BAND = lay(circle(12) * (0.034, 0.044) + (0.275, -0.225), 0.0)


def _draw_tail_details(pen: Pen, face: Face, hair: Tones, side: int) -> None:
    bend = (0.012 * _wobble(face, side), 0.0, 0.0)
    strands = pen.at((_TAIL_STRANDS + bend) * MIRROR[side])
    for strand, tint in zip(strands, (hair.line, hair.lit), strict=True):
        pen.stroke(strand, tint, (0.002, 0.013, 0.002))
    pen.shape(pen.at(_BAND * MIRROR[side]), ornament_colour(face), hair.line, 0.005)


_CURLS = both(smooth(lay([(0.19, -0.39), (0.245, -0.41), (0.29, -0.37), (0.27, -0.32)], -0.03), steps=5))


def _draw_bun_strands(pen: Pen, hair: Tones) -> None:
    pen.stroke(pen.at(_CURLS), hair.line, (0.002, 0.010, 0.002))


def _draw_falling_strands(pen: Pen, face: Face, hair: Tones) -> None:
    wave = 0.035 if face.hair_style == "wavy" else 0.006
    for k, x in enumerate((0.305, 0.345)):
        bends = [wave * (1 + 0.3 * _wobble(face, k + 3 * s)) for s in SIDES]
        strands = np.array([
            [(s * x, -0.05, 0.0), (s * (x + bend), 0.12, 0.0), (s * (x + 0.02 - bend), 0.26, 0.0),
             (s * (x + 0.03 + bend), 0.42, 0.0), (s * (x + 0.03), 0.6, 0.0)]
            for s, bend in zip(SIDES, bends, strict=True)
        ])  # fmt: skip
        tint = hair.line if k == 0 else hair.lit
        pen.stroke(pen.curve(strands), tint, (0.002, 0.012, 0.008, 0.004))


_LOBE = lay([(-0.062, -0.03), (0.0, -0.045), (0.062, -0.03), (0.045, 0.02), (0.0, 0.052),
             (-0.045, 0.02)], 0.02)  # fmt: skip
# left and right, of five lobes each
_BRAIDS = smooth(
    np.stack([both(_LOBE + np.array([0.312 + 0.012 * k, 0.19 + 0.068 * k, 0])) for k in range(5)], 1),
    closed=True,
    steps=3,
)


def draw_braids(pen: Pen, face: Face, hair: Tones) -> None:
    """Two braids that fall in front of the shoulders."""
    if face.hair_style != "braids":
        return
    for braid in pen.at(_BRAIDS):
        for k, lobe in enumerate(braid):
            pen.shape(lobe, mix(hair.lit if k % 2 else hair.base, hair.shade, 0.1 * k), hair.line)


# ---- in front of the face ----

# Strands of the bangs from left to right: left root x, right root x, tip x, tip y. The "swept" ones
# are mirrored if the hair parts on the right.
_ROWS: dict[str, Points] = {
    "straight": np.array([
        (-0.254, -0.175, -0.22, -0.075), (-0.183, -0.103, -0.145, -0.085), (-0.112, -0.031, -0.072, -0.085),
        (-0.04, 0.04, 0.0, -0.085), (0.031, 0.112, 0.072, -0.085), (0.103, 0.183, 0.145, -0.085),
        (0.175, 0.254, 0.22, -0.075)]),
    "jagged": np.array([
        (-0.26, -0.16, -0.235, -0.05), (-0.19, -0.08, -0.165, -0.095), (-0.11, 0.05, -0.01, -0.01),
        (0.02, 0.12, 0.09, -0.10), (0.09, 0.2, 0.165, -0.085), (0.17, 0.26, 0.24, -0.05)]),
    "swept": np.array([
        (-0.26, -0.16, -0.25, -0.04), (-0.2, -0.07, -0.16, -0.12), (-0.1, 0.07, 0.04, -0.115),
        (0.0, 0.16, 0.16, -0.085), (0.1, 0.22, 0.225, -0.05), (0.17, 0.26, 0.262, -0.01)]),
    "parted": np.array([
        (-0.26, -0.17, -0.258, 0.02), (-0.22, -0.11, -0.215, -0.06), (-0.16, -0.01, -0.145, -0.115),
        (0.01, 0.16, 0.145, -0.115), (0.11, 0.22, 0.215, -0.06), (0.17, 0.26, 0.258, 0.02)]),
}  # fmt: skip
_SWEPT_LEFT = _ROWS["swept"][:, (1, 0, 2, 3)] * (-1, -1, -1, 1)
_LEAN = {"straight": 0.0, "jagged": 0.05, "swept": 0.0, "parted": 0.03}
# y of the line from which the strands hang
_ROOTS = {"straight": -0.16, "jagged": -0.185, "swept": -0.19, "parted": -0.235}

_CAP = lay([(-0.30, 0.0), (-0.335, -0.13), (-0.31, -0.25), (-0.21, -0.365), (0.0, -0.41), (0.21, -0.365),
                 (0.31, -0.25), (0.335, -0.13), (0.30, 0.0)], 0.05)  # fmt: skip


def _cap(root: float) -> Points:
    """The outline of the crown: over the skull (33 points), down to the roots of the bangs."""
    under = lay([(0.272, -0.02), (0.255, root + 0.04), (0.15, root), (0.0, root - 0.01), (-0.15, root),
                      (-0.255, root + 0.04), (-0.272, -0.02)], 0.15)  # fmt: skip
    return np.concatenate([smooth(_CAP, steps=4), smooth(under, steps=3)])


_CAPS = {bangs: _cap(root) for bangs, root in _ROOTS.items()}

_LOCK_REACH = {"short": 0.06, "bob": 0.24, "long": 0.40, "wavy": 0.34, "buns": 0.2}


class Front(NamedTuple):
    """The hair in front of the face: canvas outlines, and the mask of all of them together."""

    cap: Points
    wedges: Points
    locks: Points
    mask: Image.Image


def front(pen: Pen, face: Face) -> Front:
    """Lays out the hair in front of the face, without drawing it yet: first its shadow falls on the face."""
    cap, wedges, locks = pen.at(_CAPS[face.bangs]), _bangs(pen, face), _locks(pen, face)
    mask, ink = pen.mask()
    for shapes in (cap, wedges, locks):
        pen.fill(shapes, 1, ink)
    return Front(cap, wedges, locks, mask)


def draw_shadow(pen: Pen, hair: Front, head: Image.Image, colour: Colour) -> None:
    """The shadow that the front hair throws down on the head (its mask)."""
    box = head.getbbox()
    if box is not None:
        # the offset wraps around, but the head's mask ends before the picture's rim where that could be seen
        dropped = ImageChops.offset(hair.mask, 0, round(0.022 * pen.unit))
        pen.image.paste(colour, box, ImageChops.logical_and(head.crop(box), dropped.crop(box)))


def _bangs(pen: Pen, face: Face) -> Points:
    """The strands of the bangs, canvas outlines [n, m, 2]."""
    rows, root = _ROWS[face.bangs], _ROOTS[face.bangs]
    if face.bangs == "swept" and face.parting > 0:
        rows = _SWEPT_LEFT
    k = 12.9898 * np.arange(len(rows)) + 40 * face.strands
    a, b, x, y = rows.T
    lean = _LEAN[face.bangs] * face.parting
    if lean:
        a, b = a + lean * (1 - 3 * np.abs(a)), b + lean * (1 - 3 * np.abs(b))
    x, y = x + 0.012 * np.sin(k), y + 0.010 * np.sin(k + 65)
    corners = np.empty((3, 5, len(rows)))
    across, down, depth = corners
    across[:] = a, a + 0.18 * (x - a), x, b + 0.35 * (x - b), b
    down[::4] = root - 0.05
    down[1::2] = root + 0.55 * (y - root)
    down[2] = y
    depth[:] = 0.95 * surface(across) + 0.02
    return _WEDGE @ pen.at(corners.T)


def _lock_shapes(reach: float, bulge: float) -> Points:
    """Corners [2, 7, 3] of the side locks; the fourth is the tip."""
    return both(np.array([
        (0.20, -0.24, 0.16), (0.254, -0.06, 0.17), (0.25 + bulge, 0.4 * reach, 0.16), (0.265, reach, 0.15),
        (0.315 + bulge, 0.45 * reach, 0.09), (0.337, -0.06, 0.08), (0.30, -0.25, 0.10),
    ]))  # fmt: skip


_LOCKS = {style: _lock_shapes(_LOCK_REACH.get(style, 0.27), 0.035 if style == "wavy" else 0.008) for style in _BACK}


def _locks(pen: Pen, face: Face) -> Points:
    """The two side locks that frame the face, canvas outlines [2, m, 2]."""
    corners = _LOCKS[face.hair_style].copy()
    corners[:, 3, 0] += [0.015 * s * _wobble(face, s) for s in SIDES]
    return _LOCK @ pen.at(corners)


def draw_front(pen: Pen, face: Face, hair: Tones, shapes: Front) -> None:
    """Bangs, crown and side locks, with shine and lines."""
    pen.pour(shapes.mask, hair.lit, mix(hair.base, hair.shade, 0.35), end=0.72)
    _draw_shine(pen, face, hair)
    pen.line(shapes.wedges[:, 2:], hair.line, 0.006)
    pen.line(shapes.locks, hair.line, 0.006)
    _draw_crown_strands(pen, face, hair)
    pen.line(shapes.cap[:33], hair.line, 0.007)


def _shine() -> Points:
    xs = np.linspace(-0.24, 0.24, 13)
    base = -0.29 + 0.55 * xs * xs
    jag = np.where(np.arange(13) % 2 == 0, 0.0, 0.026)
    upper = np.column_stack([xs, base - 0.014 - 0.5 * jag])
    return lay(np.concatenate([upper, np.column_stack([xs, base + 0.010 + jag])[::-1]]), 0.2)


_SHINE = _shine()


def _draw_shine(pen: Pen, face: Face, hair: Tones) -> None:
    """The ring of light around the crown: a zigzag band."""
    amount = 0.35 if face.hair_colour == "black" else 0.55
    pen.fill(pen.at(_SHINE), mix(hair.lit, (255, 255, 255), amount))


_WHORL = np.array([
    lay([(0.25 * x, -0.385), (0.75 * x, -0.31), (x, -0.2)], 0.17) for x in (-0.24, -0.11, 0.12, 0.24)
])  # fmt: skip


def _draw_crown_strands(pen: Pen, face: Face, hair: Tones) -> None:
    """A few thin lines from the crown's whorl, so that the cap reads as hair."""
    strands = _WHORL.copy()
    strands[:, 0, 0] += 0.06 * face.parting
    strands[:, 2, 0] += 0.015 * np.sin(12.9898 * np.arange(4) + 40 * face.strands)
    tint = mix(hair.base, hair.line, 0.7)
    pen.stroke(pen.curve(strands, steps=4), tint, (0.002, 0.009, 0.002))
