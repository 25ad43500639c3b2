"""Ways to break a drawn face, for training and testing the factor network's eye for broken ones.

Every function takes uint8 pictures [n, 64, 64, 3], where their eyes are [n, 2, 2] (x, y in pixels, left eye first) and
a NumPy generator, and returns broken copies. `KINDS` are for training; `UNSEEN` are kept for the test alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from leafwing.worlds.faces import Face
from leafwing.worlds.faces_pen import Pen, surface

SIDE = 64
Pictures = NDArray[np.uint8]
Places = NDArray[np.float64]
Kind = Callable[[Pictures, Places, np.random.Generator], Pictures]


def eyes_of(face: Face) -> Places:
    """Where the eyes of a face lie in its picture of 64 pixels: [2, 2], x and y, left eye first."""
    x = np.array([-0.165, 0.165])
    head = np.stack([x, np.zeros(2), surface(x)], 1)
    pen = Pen(SIDE, face.turn, face.tilt, face.scale, (face.shift_x, face.shift_y))
    return pen.at(head) * (SIDE / pen.side)


def another(pictures: Pictures) -> Pictures:
    """Another face for each face."""
    return np.roll(pictures, 1, 0)


def two_halves(pictures: Pictures, eyes: Places, rng: np.random.Generator) -> Pictures:
    """One half of another face: left, right, upper or lower."""
    out, other = pictures.copy(), another(pictures)
    for i, cut in enumerate(rng.integers(26, 39, len(out))):
        half = slice(None, cut) if rng.random() < 0.5 else slice(cut, None)
        where = (half,) if rng.random() < 0.5 else (slice(None), half)
        out[(i, *where)] = other[(i, *where)]
    return out


def swapped(pictures: Pictures, eyes: Places, rng: np.random.Generator) -> Pictures:
    """The two halves of a face have changed places, side by side or up and down."""
    rolled = [np.roll(p, rng.integers(22, 43), axis=rng.integers(0, 2)) for p in pictures]
    return np.stack(rolled)


def patches(pictures: Pictures, eyes: Places, rng: np.random.Generator) -> Pictures:
    """One to three squares from elsewhere, in this picture or in another."""
    out, other = pictures.copy(), another(pictures)
    for i in range(len(out)):
        source = (out if rng.random() < 0.6 else other)[i].copy()
        for _ in range(rng.integers(1, 4)):
            side = rng.integers(12, 25)
            x1, y1 = rng.integers(SIDE // 2 - side + 2, SIDE // 2 - 1, 2)  # over the middle, where it shows
            x0, y0 = (np.array([x1, y1]) + rng.integers(10, 20, 2) * rng.choice([-1, 1], 2)).clip(0, SIDE - side)
            out[i, y1 : y1 + side, x1 : x1 + side] = source[y0 : y0 + side, x0 : x0 + side]
    return out


def tiles(pictures: Pictures, eyes: Places, rng: np.random.Generator) -> Pictures:
    """Two to eight of the sixteen tiles have changed places."""
    out = pictures.copy()
    for i in range(len(out)):
        some = np.append(rng.permutation(16)[: rng.integers(1, 8)], rng.choice([5, 6, 9, 10]))
        for to, source in zip(some, np.roll(some, 1), strict=True):
            (y1, x1), (y0, x0) = divmod(to, 4), divmod(source, 4)
            out[i, 16 * y1 : 16 * y1 + 16, 16 * x1 : 16 * x1 + 16] = pictures[
                i, 16 * y0 : 16 * y0 + 16, 16 * x0 : 16 * x0 + 16
            ]
    return out


def overlaid(pictures: Pictures, eyes: Places, rng: np.random.Generator) -> Pictures:
    """Two faces laid over each other: what the middle of a walk must not look like."""
    share = rng.uniform(0.3, 0.7, (len(pictures), 1, 1, 1))
    return (pictures * share + another(pictures) * (1 - share)).round().astype(np.uint8)


def noisy(pictures: Pictures, eyes: Places, rng: np.random.Generator) -> Pictures:
    """Strong noise, fine or coarse."""
    n, grain = len(pictures), rng.choice([1, 1, 2, 4])
    noise = rng.normal(0, 1, (n, SIDE // grain, SIDE // grain, 3)).repeat(grain, 1).repeat(grain, 2)
    return (pictures + rng.uniform(40, 90, (n, 1, 1, 1)) * noise).clip(0, 255).astype(np.uint8)


def erased(pictures: Pictures, eyes: Places, rng: np.random.Generator) -> Pictures:
    """One eye or both have gone: what is below them, smeared over them."""
    out = pictures.copy()
    for picture, places in zip(out, eyes, strict=True):
        for place in rng.permutation(places)[: rng.integers(1, 3)]:
            _smear(picture, place, rng)
    return out


def moved_eye(pictures: Pictures, eyes: Places, rng: np.random.Generator) -> Pictures:
    """One eye sits too high, too low or too far aside, and what was there is smeared over."""
    out = pictures.copy()
    for picture, source, places in zip(out, pictures, eyes, strict=True):
        place = places[rng.integers(0, 2)]
        angle, far = rng.uniform(0, 2 * math.pi), rng.uniform(7, 14)
        _smear(picture, place, rng)
        _paste(picture, _square(source, place), place + far * np.array([math.cos(angle), math.sin(angle)]))
    return out


HALF = 8
"""Half the side of a square that holds an eye, in pixels."""
_Y, _X = (np.mgrid[:16, :16] - 7.5) / HALF
_SOFT = np.clip(3 * (1 - _X**2 - _Y**2), 0, 1)[..., None]
"""A round mask with a soft rim."""


def _corner(place: Places) -> tuple[int, int]:
    """Left and top of the square around a place, moved to lie within the picture."""
    x, y = (int(np.clip(round(v), HALF, SIDE - HALF)) - HALF for v in place)
    return x, y


def _square(picture: Pictures, place: Places) -> Places:
    x, y = _corner(place)
    return picture[y : y + 16, x : x + 16].astype(float)


def _paste(picture: Pictures, square: Places, place: Places) -> None:
    """Lays a square of 16 pixels over the picture, around a place, with a soft rim."""
    x, y = _corner(place)
    here = picture[y : y + 16, x : x + 16]
    here[:] = (here * (1 - _SOFT) + square * _SOFT).clip(0, 255)


def _smear(picture: Pictures, place: Places, rng: np.random.Generator) -> None:
    """Covers an eye with the colour below it."""
    colour = _square(picture, place + np.array([0, 12]))[6:10, 4:12].mean((0, 1))
    _paste(picture, colour + rng.normal(0, 3, (16, 16, 3)), place)


def warped(pictures: Pictures, eyes: Places, rng: np.random.Generator) -> Pictures:
    """Bent as if melting: by 3 to 7 pixels, smoothly."""
    field = torch.from_numpy(rng.normal(0, 1, (len(pictures), 2, 5, 5))).float()
    amount = torch.from_numpy(rng.uniform(3, 7, (len(pictures), 1, 1, 1))).float()
    return _resampled(pictures, F.interpolate(field, (SIDE, SIDE), mode="bicubic", align_corners=True) * amount)


def swirled(pictures: Pictures, eyes: Places, rng: np.random.Generator) -> Pictures:
    """Twisted about the middle of the face."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    angle = rng.uniform(0.8, 2.0, (len(pictures), 1, 1)) * np.exp(-(x**2 + y**2) / (2 * 14.0**2))
    move = np.stack([x * np.cos(angle) - y * np.sin(angle) - x, x * np.sin(angle) + y * np.cos(angle) - y], 1)
    return _resampled(pictures, torch.from_numpy(move).float())


def torn(pictures: Pictures, eyes: Places, rng: np.random.Generator) -> Pictures:
    """Rows are moved sideways, like a broken television."""
    bands = rng.integers(-12, 13, (len(pictures), 16)).repeat(4, 1)
    columns = (np.arange(SIDE) + bands[..., None]) % SIDE
    return np.take_along_axis(pictures, columns[..., None], 2)


def third_eye(pictures: Pictures, eyes: Places, rng: np.random.Generator) -> Pictures:
    """One more eye, on the forehead, the cheek or the chin."""
    out = pictures.copy()
    for i, places in enumerate(eyes):
        middle = places.mean(0)
        to = middle + np.array([rng.uniform(-6, 6), rng.choice([-16, 16])])
        _paste(out[i], _square(pictures[i], places[rng.integers(0, 2)]), to)
    return out


def _resampled(pictures: Pictures, move: torch.Tensor) -> Pictures:
    """Each pixel read from ``move`` [n, 2, 64, 64] pixels (x, y) aside."""
    base = F.affine_grid(torch.eye(2, 3)[None].expand(len(pictures), -1, -1), [len(pictures), 3, SIDE, SIDE], False)
    grid = base + move.permute(0, 2, 3, 1) * (2 / SIDE)
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    bent = F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    return bent.permute(0, 2, 3, 1).round().clamp(0, 255).byte().numpy()


KINDS: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (two_halves, swapped, patches, tiles, overlaid, noisy, erased, moved_eye, warped)
}  # fmt: skip
UNSEEN: dict[str, Kind] = {kind.__name__: kind for kind in (swirled, torn, third_eye)}


def broken(pictures: Pictures, eyes: Places, rng: np.random.Generator, kinds: dict[str, Kind] = KINDS) -> Pictures:
    """Broken copies, each kind for an equal share of them."""
    parts = np.array_split(rng.permutation(len(pictures)), len(kinds))
    out = np.empty_like(pictures)
    for some, kind in zip(parts, kinds.values(), strict=True):
        out[some] = kind(pictures[some], eyes[some], rng) if len(some) else out[some]
    return out
