"""Ornaments of the faces world: what is worn in the hair."""

from __future__ import annotations

import numpy as np

from leafwing.worlds.faces_factors import Face
from leafwing.worlds.faces_hair import ornament_colour, parting_side
from leafwing.worlds.faces_pen import Pen, both, circle, lay, mix, smooth

_LOOPS = smooth(both(lay([(0, 0), (0.05, -0.055), (0.105, -0.05), (0.105, 0.04), (0.05, 0.04)], 0.12)), True, 3)
_BOW_KNOT = lay(circle(12) * 0.026, 0.14)
_HEADBAND_X = np.linspace(-0.31, 0.31, 9)
_HEADBAND = smooth(lay(np.column_stack([_HEADBAND_X, -0.372 + 1.7 * _HEADBAND_X**2]), 0.10), steps=3)


def draw_ornament(pen: Pen, face: Face) -> None:
    """What is worn in the hair; a ribbon and a hairpin sit away from the parting."""
    if face.ornament == "none":
        return
    colour = ornament_colour(face)
    dark = mix(colour, (30, 10, 30), 0.55)
    s = -parting_side(face)
    if face.ornament == "ribbon":
        place = np.array([s * 0.19, -0.31, 0.0])
        for loop in pen.at(_LOOPS + place):
            pen.shape(loop, colour, dark)
        pen.fill(pen.at(_BOW_KNOT + place), dark)
    elif face.ornament == "hairpin":
        for lean in (-0.03, 0.03):
            bar = lay([(s * 0.14, -0.19 - lean), (s * 0.195, -0.178), (s * 0.25, -0.165 + lean)], 0.2)
            pen.stroke(pen.at(bar), (255, 236, 120), (0.02, 0.02))
    else:
        band = pen.at(_HEADBAND)
        pen.stroke(band, dark, (0.042, 0.05, 0.042))
        pen.stroke(band, colour, (0.03, 0.038, 0.03))
