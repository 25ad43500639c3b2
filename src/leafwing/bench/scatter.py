"""Points in the plane as a small picture: good ones, broken ones, and where the modes are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from leafwing._version import __version__
from leafwing.core.pictures import save_png
from leafwing.measure.coverage import NO_MODE, nearest_modes
from leafwing.worlds.mixtures import Mixture

SIDE, OVER = 256, 4
"""Pixels of the picture's side; it is drawn so many times as large and made smaller, for soft edges."""
PAPER, RING, GOOD, BROKEN = "white", "#b8b8b8", "#1f6fb4", "#d1495b"


def scatter(points: NDArray[np.floating], mixture: Mixture) -> Image.Image:
    """Points [n, 2] over the modes: blue within 3 standard deviations of one, red elsewhere; grey rings are modes.

    The frame ends half a mode's gap outside the modes; what lies farther out is drawn at its edge.
    """
    side = SIDE * OVER
    gaps = np.linalg.norm(mixture.means[:, None] - mixture.means[None], axis=2)
    reach = float(np.abs(mixture.means).max() + gaps[gaps > 1e-9].min() / 2)
    image = Image.new("RGB", (side, side), PAPER)
    draw = ImageDraw.Draw(image)

    def dot(at: NDArray[np.floating], radius: float, colour: str, filled: bool) -> None:
        x, y = (np.clip(at * [1, -1] / reach, -1, 1) * 0.98 + 1) / 2 * side
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(box, fill=colour if filled else None, outline=colour, width=OVER)

    for mean in mixture.means:
        dot(mean, 7.0 * OVER, RING, filled=False)
    broken = nearest_modes(points, mixture.means, mixture.std) == NO_MODE
    for some, colour in ((points[broken], BROKEN), (points[~broken], GOOD)):
        for point in some[np.isfinite(some).all(axis=1)]:
            dot(point, 1.0 * OVER, colour, filled=True)
    return image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def save_scatter(points: NDArray[np.floating], mixture: Mixture, path: Path) -> None:
    """The picture as a PNG, its folder made if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"Software": f"Leafwing {__version__}: points made by a generator", "leafwing:world": mixture.name}
    save_png(scatter(points, mixture).quantize(32), path, about)
