"""The factors of an anime face: what can differ between two faces, and how often it does."""

from __future__ import annotations

import difflib
import math
from dataclasses import asdict, dataclass, fields

import numpy as np

HAIR_COLOURS: tuple[str, ...] = (
    "aqua", "black", "blonde", "blue", "brown", "gray", "green", "orange", "pink", "purple", "red", "white",
)  # fmt: skip
"""The twelve hair colours, in alphabetical order (the order of condition codes)."""

EYE_COLOURS: tuple[str, ...] = (
    "aqua", "black", "blue", "brown", "gray", "green", "orange", "pink", "purple", "red", "yellow",
)  # fmt: skip
"""The eleven eye colours, in alphabetical order."""

HAIR_STYLES: tuple[str, ...] = (
    "bob", "long", "wavy", "short", "twin_tails", "side_tail", "braids", "buns",
)  # fmt: skip
"""What the hair does behind and beside the head."""

BANGS: tuple[str, ...] = ("straight", "swept", "parted", "jagged")
"""What the hair does on the forehead."""

SKINS: tuple[str, ...] = ("fair", "light", "warm", "tan", "dark")
"""Skin tones, from pale to dark."""

OUTFITS: tuple[str, ...] = ("sailor", "shirt", "hoodie", "plain")
"""What shows at the neck and the shoulders."""

ORNAMENTS: tuple[str, ...] = ("none", "ribbon", "hairpin", "headband")
"""What is worn in the hair."""

BACKGROUNDS: tuple[str, ...] = ("plain", "gradient", "glow", "stripes", "dots", "sky")
"""What is behind the head."""

COLOURS: tuple[str, ...] = (
    "white", "cream", "rose", "peach", "mint", "sky", "lavender", "slate", "navy", "wine",
)  # fmt: skip
"""Colours of backgrounds and outfits."""

_CHOICES: dict[str, tuple[str, ...]] = {
    "hair_style": HAIR_STYLES,
    "hair_colour": HAIR_COLOURS,
    "bangs": BANGS,
    "left_eye": EYE_COLOURS,
    "right_eye": EYE_COLOURS,
    "skin": SKINS,
    "background": BACKGROUNDS,
    "background_colour": COLOURS,
    "outfit": OUTFITS,
    "outfit_colour": COLOURS,
    "ornament": ORNAMENTS,
}

_RANGES: dict[str, tuple[float, float]] = {
    "turn": (-1, 1),
    "mouth": (0, 1),
    "eyes_open": (0, 1),
    "blush": (0, 1),
    "tilt": (-30, 30),
    "hair_tone": (-1, 1),
    "parting": (-1, 1),
    "strands": (0, 1),
    "eye_slant": (-1, 1),
    "scale": (0.5, 2),
    "shift_x": (-0.5, 0.5),
    "shift_y": (-0.5, 0.5),
}


@dataclass(frozen=True, slots=True)
class Face:
    """The factors of one face. Left and right are those of the picture, not of the character.

    Attributes:
        hair_style: One of `HAIR_STYLES`.
        hair_colour: One of `HAIR_COLOURS`.
        bangs: One of `BANGS`.
        left_eye: One of `EYE_COLOURS`: the eye on the LEFT SIDE OF THE PICTURE.
        right_eye: One of `EYE_COLOURS`: the eye on the right side of the picture.
        turn: Where the head looks, -1 to the picture's left, 0 to the front, +1 to its right.
        mouth: 0 serious, about 0.35 smiling, from 0.45 open, 1 laughing.
        eyes_open: 0 closed, 0.5 half closed, 1 wide open; below 0.2 the eyes are drawn as closed arcs.
        skin: One of `SKINS`.
        blush: Strength of the red cheeks, 0 to 1.
        glasses: Whether the face wears glasses.
        tilt: Rotation of the head in degrees, -30 to 30, positive clockwise as seen.
        background: One of `BACKGROUNDS`.
        background_colour: One of `COLOURS`.
        outfit: One of `OUTFITS`.
        outfit_colour: One of `COLOURS`.
        ornament: One of `ORNAMENTS`.
        hair_tone: Lightness of the hair within its colour, -1 darker to 1 lighter.
        parting: Where the hair parts, -1 to 1; its sign is the side of a side tail, an ornament and a sweep.
        strands: Irregularity of the strands, 0 to 1: another value, other small bends.
        eye_slant: -1 drooping outer corners, 1 raised ones.
        scale: Size of the head, 0.5 to 2; 1 is the common framing.
        shift_x: Move of the head to the right, in picture widths, -0.5 to 0.5.
        shift_y: Move of the head downwards, in picture heights, -0.5 to 0.5.
    """

    hair_style: str = "bob"
    hair_colour: str = "brown"
    bangs: str = "straight"
    left_eye: str = "blue"
    right_eye: str = "blue"
    turn: float = 0.0
    mouth: float = 0.3
    eyes_open: float = 0.9
    skin: str = "light"
    blush: float = 0.4
    glasses: bool = False
    tilt: float = 0.0
    background: str = "plain"
    background_colour: str = "sky"
    outfit: str = "sailor"
    outfit_colour: str = "navy"
    ornament: str = "none"
    hair_tone: float = 0.0
    parting: float = 0.3
    strands: float = 0.5
    eye_slant: float = 0.0
    scale: float = 1.0
    shift_x: float = 0.0
    shift_y: float = 0.0

    def as_row(self) -> dict[str, str | float | bool]:
        """Returns the factors as one row of a `labels.csv`: column name to plain value, in field order."""
        return asdict(self)


FACTORS: tuple[str, ...] = tuple(field.name for field in fields(Face))
"""The names of all factors, in the order of a row."""


def check(face: Face) -> None:
    """Raises `ValueError`, one sentence with a suggestion, if a factor is unknown or out of range."""
    for factor, names in _CHOICES.items():
        value = getattr(face, factor)
        if value not in names:
            near = difflib.get_close_matches(str(value), names, 1, 0.4)
            hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(names)}."
            raise ValueError(f"unknown {factor} {value!r}: {hint}")
    for factor, (low, high) in _RANGES.items():
        number = getattr(face, factor)
        if not (math.isfinite(number) and low <= number <= high):
            raise ValueError(f"{factor} is {number!r}, it must lie between {low:g} and {high:g}.")


def _pick(uniform: float, names: tuple[str, ...], weights: tuple[float, ...] | None = None) -> str:
    """The name that the number `uniform` in [0, 1) falls on; equal shares without weights."""
    if weights is None:
        return names[int(uniform * len(names))]
    mark = uniform * sum(weights)
    for name, weight in zip(names, weights, strict=True):
        mark -= weight
        if mark < 0:
            return name
    return names[-1]


def _bell(a: float, b: float, spread: float) -> float:
    """Two uniform numbers to a triangular one around 0, at most `spread` away: no tails to cut off."""
    return (a + b - 1) * spread


ODD_EYES = 0.03
"""Share of faces with two eye colours."""

CLOSED_EYES = 0.03
"""Share of faces with closed eyes."""

GLASSES = 0.10
"""Share of faces with glasses."""


_WEIGHTS: dict[str, tuple[float, ...]] = {
    "skin": (4, 4, 3, 1.5, 0.8),
    "background": (3, 4, 3, 1.5, 1.5, 2),
    "background_colour": (4, 3, 3, 3, 3, 4, 3, 2, 1, 1),
    "ornament": (6, 1.5, 1.5, 1),
}
"""How often each name comes, in the order of the names; factors that are not here have equal shares."""


def shares(factor: str) -> dict[str, float]:
    """How often each name of a factor is drawn; the shares sum to 1.

    Args:
        factor: one that is chosen by name, such as ``"hair_colour"``.

    Raises:
        KeyError: another one.
    """
    names = _CHOICES[factor]
    weights = _WEIGHTS.get(factor, (1.0,) * len(names))
    return {name: weight / sum(weights) for name, weight in zip(names, weights, strict=True)}


_OTHERS = {colour: tuple(name for name in EYE_COLOURS if name != colour) for colour in EYE_COLOURS}


def draw_factors(seed: int, index: int) -> Face:
    """The factors of face `index` of world `seed`; the pair alone decides them.

    A block of 32 uniform numbers is drawn at once from Philox keyed by (seed, index), and each factor owns
    the places in it that are written below. A factor that is added later takes free places at the end, so the
    others stay as they are.
    """
    key = np.array([seed, index], dtype=np.uint64)
    u: list[float] = np.random.Generator(np.random.Philox(key=key)).random(32).tolist()
    left_eye = _pick(u[2], EYE_COLOURS)
    odd = u[3] < ODD_EYES  # the same number, stretched back to [0, 1), picks among the ten other colours
    return Face(
        hair_style=_pick(u[0], HAIR_STYLES),
        hair_colour=_pick(u[1], HAIR_COLOURS),
        left_eye=left_eye,
        right_eye=_pick(u[3] / ODD_EYES, _OTHERS[left_eye]) if odd else left_eye,
        turn=round(2 * u[4] - 1, 4),
        mouth=round(u[5], 4),
        eyes_open=_openness(u[6]),
        skin=_pick(u[7], SKINS, _WEIGHTS["skin"]),
        blush=round(u[8], 4),
        glasses=u[9] < GLASSES,
        tilt=round(_bell(u[10], u[11], 10), 3),
        background=_pick(u[12], BACKGROUNDS, _WEIGHTS["background"]),
        background_colour=_pick(u[13], COLOURS, _WEIGHTS["background_colour"]),
        bangs=_pick(u[14], BANGS),
        outfit=_pick(u[15], OUTFITS),
        outfit_colour=_pick(u[16], COLOURS),
        ornament=_pick(u[17], ORNAMENTS, _WEIGHTS["ornament"]),
        hair_tone=round(2 * u[18] - 1, 4),
        parting=round(2 * u[19] - 1, 4),
        strands=round(u[20], 4),
        eye_slant=round(_bell(u[21], u[22], 1), 4),
        scale=round(1 + _bell(u[23], u[24], 0.06), 4),
        shift_x=round(_bell(u[25], u[26], 0.03), 4),
        shift_y=round(_bell(u[27], u[28], 0.025), 4),
    )


def _openness(uniform: float) -> float:
    """Mostly open eyes (0.75 to 1), some half closed ones (0.45 to 0.75), few closed ones (exactly 0)."""
    if uniform < CLOSED_EYES:
        return 0.0
    rest = (uniform - CLOSED_EYES) / (1 - CLOSED_EYES)
    return round(0.45 + 2 * rest if rest < 0.15 else 0.75 + 0.25 * (rest - 0.15) / 0.85, 4)
