"""Drawing of the faces world: from the factors of a face to its pixels, back to front."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from leafwing.worlds import faces_hair
from leafwing.worlds.faces_background import PALETTE, background
from leafwing.worlds.faces_factors import Face, check
from leafwing.worlds.faces_ornaments import draw_ornament
from leafwing.worlds.faces_pen import (
    SIDES,
    Colour,
    Pen,
    Points,
    both,
    circle,
    gradient,
    hard_mask,
    lay,
    mix,
    smooth,
    widened,
)


class Skin(NamedTuple):
    """The colours of skin."""

    base: Colour
    shade: Colour
    line: Colour


_SKIN: dict[str, Skin] = {
    "fair": Skin((255, 240, 230), (246, 204, 194), (150, 92, 88)),
    "light": Skin((255, 229, 211), (240, 186, 166), (144, 82, 72)),
    "warm": Skin((252, 214, 184), (226, 164, 132), (130, 70, 54)),
    "tan": Skin((228, 178, 138), (190, 130, 94), (104, 56, 40)),
    "dark": Skin((200, 144, 108), (156, 100, 74), (82, 42, 32)),
}

# dark (top of the iris), bright (its bottom)
_EYES: dict[str, tuple[Colour, Colour]] = {
    "aqua": ((0, 112, 128), (96, 236, 232)),
    "black": ((18, 16, 24), (74, 70, 86)),
    "blue": ((20, 44, 150), (84, 150, 255)),
    "brown": ((74, 34, 16), (178, 104, 54)),
    "gray": ((70, 74, 86), (176, 182, 196)),
    "green": ((10, 86, 40), (96, 216, 92)),
    "orange": ((168, 66, 0), (255, 164, 44)),
    "pink": ((190, 44, 112), (255, 150, 204)),
    "purple": ((70, 24, 132), (178, 108, 246)),
    "red": ((132, 4, 20), (250, 52, 54)),
    "yellow": ((160, 116, 0), (255, 232, 70)),
}

_WHITE: Colour = (255, 255, 255)
_LASH: Colour = (38, 22, 34)


def draw(face: Face, size: int) -> NDArray[np.uint8]:
    """Draws one face.

    Args:
        face: The factors; a hand-made one is checked.
        size: Side of the picture in pixels, 16 or more. Every size shows the same drawing.

    Returns:
        The picture, uint8 [size, size, 3], RGB.

    Raises:
        ValueError: An unknown name, a factor out of range or a size below 16.
    """
    if size < 16:
        raise ValueError(f"size is {size}, a face needs at least 16 pixels.")
    check(face)
    pen = Pen(size, face.turn, face.tilt, face.scale, (face.shift_x, face.shift_y))
    hair = faces_hair.tones(face)
    skin = _SKIN[face.skin]

    pen.image.paste(background(face.background, face.background_colour, pen.side), (0, 0))
    faces_hair.draw_back(pen, face, hair)
    _draw_body(pen, face, skin)
    faces_hair.draw_braids(pen, face, hair)
    head = _draw_head(pen, face, skin)
    front = faces_hair.front(pen, face)
    faces_hair.draw_shadow(pen, front, head, skin.shade)
    _draw_cheeks(pen, face)
    _draw_nose(pen, skin)
    _draw_mouth(pen, face, skin)
    _draw_eyes(pen, face, skin)
    faces_hair.draw_front(pen, face, hair, front)
    _draw_brows(pen, face, hair.line)
    if face.glasses:
        _draw_glasses(pen)
    draw_ornament(pen, face)
    return pen.picture()


# ---- below the head ----

_SHOULDERS = smooth(lay([(-0.60, 0.75), (-0.52, 0.54), (-0.30, 0.455), (-0.11, 0.41), (0.11, 0.41), (0.30, 0.455),
                        (0.52, 0.54), (0.60, 0.75)], 0.0), steps=3)  # fmt: skip
_NECK = lay([(-0.095, 0.2), (0.095, 0.2), (0.095, 0.40), (0.15, 0.435), (0.0, 0.56), (-0.15, 0.435),
              (-0.095, 0.40)], 0.02)  # fmt: skip
_CHIN_SHADOW = lay([(-0.095, 0.2), (0.095, 0.2), (0.095, 0.385), (0.0, 0.425), (-0.095, 0.385)], 0.04)
_COLLARS: dict[str, Points] = {
    "sailor": both(lay([(0.10, 0.395), (0.30, 0.445), (0.28, 0.60), (0.0, 0.60)], 0.04)),
    "shirt": both(lay([(0.09, 0.385), (0.185, 0.43), (0.15, 0.53), (0.0, 0.50)], 0.04)),
    "hoodie": both(smooth(
        lay([(0.10, 0.37), (0.25, 0.40), (0.31, 0.5), (0.14, 0.56), (0.0, 0.58), (0.11, 0.48)], 0.04),
        closed=True,
        steps=3,
    )),
}  # fmt: skip
_KNOT = lay([(0, 0.5), (0.09, 0.47), (0.09, 0.57), (0, 0.53), (-0.09, 0.57), (-0.09, 0.47)], 0.06)


def _draw_body(pen: Pen, face: Face, skin: Skin) -> None:
    """Shoulders, neck and collar; they turn less than the face, since they lie at the axis."""
    cloth = PALETTE[face.outfit_colour]
    dark = mix(cloth, (40, 24, 60), 0.6)
    pen.shape(pen.at(_SHOULDERS), cloth, dark, 0.008)
    neck = pen.at(_NECK)
    pen.fill(neck, skin.base)
    pen.fill(pen.at(_CHIN_SHADOW), skin.shade)
    pen.line(neck[1:4], skin.line, 0.006)
    pen.line(neck[[5, 6, 0]], skin.line, 0.006)
    if face.outfit == "plain":
        return
    accent = _WHITE if sum(cloth) < 560 else mix(cloth, (60, 90, 190), 0.6)
    for flap in pen.at(_COLLARS[face.outfit]):
        pen.shape(flap, mix(cloth, _WHITE, 0.25) if face.outfit == "hoodie" else accent, dark)
    if face.outfit == "sailor":
        pen.fill(pen.at(_KNOT), (214, 52, 70))


# ---- the head ----

# right half of the face's outline with depths, from the temple over cheek and jaw to the chin
_JAW = [(0.258, -0.12, 0.03), (0.268, 0.02, 0.03), (0.252, 0.12, 0.05), (0.2, 0.215, 0.10),
        (0.115, 0.288, 0.15), (0.038, 0.325, 0.18)]  # fmt: skip
_OUTLINE = np.array([(0.0, -0.3, 0.1), (0.17, -0.26, 0.06), *_JAW,
                     *((-x, y, z) for x, y, z in _JAW[::-1]), (-0.17, -0.26, 0.06)])  # fmt: skip
_FACE = smooth(_OUTLINE, closed=True, steps=5)
# when the head turns, the far outline is a line further to the front of the cheek
_BESIDE = np.sign(_OUTLINE[:, 0]) * (np.abs(_OUTLINE[:, 0]) > 0.18)
_FAR = {
    side: smooth(np.column_stack([np.zeros((len(_OUTLINE), 2)), 0.12 * np.maximum(0, side * _BESIDE)]), True, 5)
    for side in SIDES
}
_EARS = both(smooth(lay([(0.25, -0.02), (0.295, -0.035), (0.31, 0.02), (0.285, 0.085), (0.25, 0.09)], 0.0),
                    closed=True, steps=3))  # fmt: skip


def _draw_head(pen: Pen, face: Face, skin: Skin) -> Image.Image:
    """Ears and face; returns the face's mask."""
    for s, ear in zip(SIDES, pen.at(_EARS), strict=True):
        if s * face.turn < 0.4:  # the far ear is hidden
            pen.shape(ear, skin.shade, skin.line, 0.006)
    side = -1 if face.turn >= 0 else 1  # away from where the head looks
    outline = pen.at(_FACE + abs(face.turn) * _FAR[-side])
    mask, ink = pen.mask()
    pen.fill(outline, 1, ink)
    pen.pour(mask, skin.base, mix(skin.base, skin.shade, 0.3))
    # the jaw on the side turned away from us lies in shadow: the face without itself, moved to the light
    edge = mask.copy()
    pen.fill(outline - np.array([side * 0.03, 0.012]) * pen.unit, 0, ImageDraw.Draw(edge))
    pen.pour(edge, mix(skin.base, skin.shade, 0.75))
    pen.line(outline, skin.line, 0.008, closed=True)
    return mask


_CHEEKS = lay([(-0.175, 0.135), (0.175, 0.135)])
_NOSE = smooth(np.array([(0.0, 0.118, 0.28), (0.012, 0.142, 0.295), (-0.004, 0.15, 0.28)]), steps=5)


def _draw_cheeks(pen: Pen, face: Face) -> None:
    colour: Colour = (255, 110, 110) if face.skin != "dark" else (224, 84, 74)
    for centre in pen.at(_CHEEKS):
        pen.spot(centre, 0.15, 0.1, colour, 0.7 * face.blush)


def _draw_nose(pen: Pen, skin: Skin) -> None:
    pen.stroke(pen.at(_NOSE), mix(skin.shade, skin.line, 0.75), (0.003, 0.011, 0.003))


_LIPS = np.array([(-1.0, -0.4), (-0.5, 0.4), (0.0, 0.6), (0.5, 0.4), (1.0, -0.4)])


def _draw_mouth(pen: Pen, face: Face, skin: Skin) -> None:
    """One curve that bends from a slight frown to a smile, then opens downwards into a laugh."""
    smile = min(1.0, face.mouth / 0.45)
    opening = max(0.0, face.mouth - 0.45) / 0.55
    half = 0.042 + 0.022 * smile + 0.022 * opening
    y, bend = 0.222 - 0.012 * opening, -0.012 + 0.034 * smile
    line = mix(skin.line, (90, 20, 30), 0.4)
    upper = pen.curve(lay(_LIPS * (half, bend) + (0, y)))
    if opening > 0:
        corner, low = y - 0.4 * bend, y + 0.6 * bend + 0.085 * opening
        side = y + 0.65 * (low - y)
        lower = pen.curve(lay(
            [(half, corner), (0.72 * half, side), (0, low), (-0.72 * half, side), (-half, corner)]
        ))  # fmt: skip
        pen.fill(np.concatenate([upper, lower]), (178, 48, 58))
        if opening > 0.35:
            tongue = circle(16) * (0.5 * half, 0.028 * opening) + (0, low - 0.032 * opening)
            pen.fill(pen.at(lay(tongue)), (244, 130, 128))
        pen.line(lower, line, 0.006)
    pen.stroke(upper, line, (0.004, 0.012, 0.004))


# ---- the eyes ----

_EYE_X = 0.165
# One open eye of the right half around its middle: the upper lid (six points) with the tip of its wing (one)
# and the crease above it (four), which follow it down when the eye closes; then the lower lid.
_UPPER = np.array([(-0.078, 0.018), (-0.066, -0.036), (-0.028, -0.080), (0.022, -0.084), (0.062, -0.046),
                   (0.084, 0.002), (0.100, -0.010), (-0.062, -0.062), (-0.024, -0.106), (0.026, -0.110),
                   (0.066, -0.072)])  # fmt: skip
_LOWER = np.array([(0.084, 0.002), (0.07, 0.05), (0.03, 0.084), (-0.025, 0.084), (-0.062, 0.057),
                   (-0.078, 0.018)])  # fmt: skip
_CLOSED = np.array([(-0.08, 0.012), (-0.045, 0.042), (0.0, 0.052), (0.05, 0.04), (0.088, 0.002)])
_BROW = np.array([(-0.068, -0.120), (-0.01, -0.140), (0.05, -0.138), (0.090, -0.114)])
# The round parts of an eye: half width, half height, x and y from its middle. In order: rim, iris, pupil, the
# lit crescent below it, and two highlights.
_PARTS = ((0.060, 0.082, 0.0, 0.0), (0.052, 0.074, 0.0, 0.0), (0.022, 0.035, 0.0, 0.0),
          (0.030, 0.014, 0.0, 0.050), (0.019, 0.024, -0.022, -0.034),
          (0.009, 0.011, 0.024, 0.028))  # fmt: skip


def _eyes(points: Points) -> Points:
    """Points [k, 2] around the middle of the right eye to head points [2, k, 3] of both eyes."""
    return both(lay(points + np.array([_EYE_X, 0])))


def _round_parts(side: int) -> Points:
    """The round parts as head points; not mirrored, since the light comes from the left in both eyes."""
    parts = np.concatenate([lay(circle(24) * (w, h) + (side * _EYE_X + x, y)) for w, h, x, y in _PARTS])
    parts += np.array([-0.004 * side, 0.006, 0.0])  # a little towards the nose and down
    return parts


_LIDS, _ARCS, _BROWS = _eyes(np.concatenate([_UPPER, _LOWER])), _eyes(_CLOSED), _eyes(_BROW)
_ROUNDS = np.stack([_round_parts(side) for side in SIDES])


def _slant(face: Face, points: Points) -> Points:
    """Raises or lowers the outer corners: a shear around the middles of the eyes; changes `points` in place."""
    points[..., 1] -= 0.16 * face.eye_slant * (np.abs(points[..., 0]) - _EYE_X)
    return points


def _draw_eyes(pen: Pen, face: Face, skin: Skin) -> None:
    """Both eyes at once; arrays hold the left one first."""
    if face.eyes_open < 0.2:
        arcs = pen.curve(_slant(face, _ARCS.copy()), steps=6)
        pen.stroke(arcs, _LASH, (0.006, 0.026, 0.022, 0.008))
        return
    lids = _LIDS.copy()
    upper, lower = lids[:, : len(_UPPER)], lids[:, len(_UPPER) :]
    # the upper lids fall, the lower ones rise a little; their corners stay together
    upper[..., 1] = upper[..., 1] * face.eyes_open + 0.062 * (1 - face.eyes_open)
    lower[..., 1] *= 0.7 + 0.3 * face.eyes_open
    upper[:, 0], upper[:, 5] = lower[:, -1], lower[:, 0]
    flat = pen.at(_slant(face, lids))
    top, bottom = flat[:, : len(_UPPER)], flat[:, len(_UPPER) :]
    lid, under = smooth(top[:, :6]), smooth(bottom)
    _paste_eyeballs(pen, face, lid, under)
    pen.stroke(np.concatenate([lid, top[:, 6:7]], 1), _LASH, (0.008, 0.022, 0.030, 0.030, 0.026, 0.004))
    pen.stroke(under[:, :20], mix(_LASH, skin.line, 0.45), (0.016, 0.008, 0.004))
    pen.stroke(smooth(top[:, 7:]), mix(skin.shade, skin.line, 0.6), (0.002, 0.007, 0.002))


def _paste_eyeballs(pen: Pen, face: Face, lid: Points, under: Points) -> None:
    """White, iris, pupil and highlights of both eyes, cut out by the lids [2, k, 2]."""
    outlines = np.concatenate([lid, under], 1)
    corners = outlines.min(1).astype(int) - 1
    sizes = outlines.max(1).astype(int) + 2 - corners
    move = corners[:, None]
    # the upper lids' shadows on the white
    shadows = np.concatenate([lid, lid[:, ::-1] + (0, 0.03 * pen.unit)], 1) - move
    rounds = _ROUNDS.copy()
    rounds[..., 0] += 0.014 * face.turn  # the eyes look ahead of the head a little
    parts = (pen.at(_slant(face, rounds)) - move).reshape(2, len(_PARTS), -1)
    for k, colour in enumerate((face.left_eye, face.right_eye)):
        width, height = sizes[k].tolist()
        ball = _eyeball(width, height, _EYES[colour], shadows[k], parts[k].tolist())
        cut, ink = hard_mask(width, height)
        pen.fill(outlines[k] - corners[k], 1, ink)
        left, top = corners[k].tolist()
        pen.image.paste(ball, (left, top), cut)


def _eyeball(
    width: int, height: int, colours: tuple[Colour, Colour], shadow: Points, parts: list[list[float]]
) -> Image.Image:
    """One eye without its lids; `parts` are the flat outlines of `_PARTS`, in the ball's pixels."""
    dark, bright = colours
    rim, iris, pupil, crescent, big, small = parts
    ball = Image.new("RGB", (width, height), (252, 252, 255))
    ink = ImageDraw.Draw(ball)
    ink.polygon(shadow.ravel().tolist(), fill=(206, 206, 226))
    ink.polygon(rim, fill=mix(dark, (10, 4, 20), 0.55))
    hole, hole_ink = hard_mask(width, height)
    hole_ink.polygon(iris, fill=1)
    ball.paste(widened(gradient(height, dark, bright, 0.1, 0.75), width), (0, 0), hole)
    ink.polygon(pupil, fill=mix(dark, (8, 4, 16), 0.7))
    ink.polygon(crescent, fill=mix(bright, _WHITE, 0.35))
    ink.polygon(big, fill=_WHITE)
    ink.polygon(small, fill=_WHITE)
    return ball


def _draw_brows(pen: Pen, face: Face, colour: Colour) -> None:
    """Brows lie over the hair, as the genre has it; a serious mouth pulls their inner ends down."""
    frown = 0.022 * (1 - min(1.0, face.mouth / 0.4))
    raised = -0.014 * max(0.0, face.mouth - 0.5)
    brows = _BROWS.copy()
    brows[..., 1] += (frown, raised, raised, 0.0)
    pen.stroke(pen.curve(_slant(face, brows), steps=6), colour, (0.010, 0.015, 0.012, 0.004))


_FRAME = np.array([(-0.096, -0.042), (0.0, -0.076), (0.1, -0.05), (0.104, 0.06), (0.0, 0.122),
                   (-0.09, 0.084)])  # fmt: skip
_FRAMES = smooth(_eyes(_FRAME), closed=True, steps=4)
_BRIDGE = smooth(np.array([(-0.068, 0.0, 0.26), (0.0, -0.014, 0.29), (0.068, 0.0, 0.26)]), steps=5)


def _draw_glasses(pen: Pen) -> None:
    colour: Colour = (70, 44, 60)
    pen.line(pen.at(_FRAMES), colour, 0.011, closed=True)
    pen.line(pen.at(_BRIDGE), colour, 0.011)
