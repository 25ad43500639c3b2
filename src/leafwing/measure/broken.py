"""Which samples are broken: all of them in order, from worst to best, as a sheet to be looked at (R75).

Two judges: on `world:faces` the factor network, which learned what broken faces look like; on other pictures the
distance to the nearest real one in any feature network's numbers, which calls the odd one out the worst.

Shape legend: n pictures, m real pictures, d features.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from leafwing.core.errors import BadData
from leafwing.core.pictures import captioned, sheet


def oddness(features: Tensor, real: Tensor, neighbours: int = 5) -> Tensor:
    """How far each sample lies from the real pictures, by how far these lie from each other; about 1 is as usual.

    The distance to the ``neighbours``-th nearest real picture, over the median of that distance between real ones.

    Args:
        features: of samples, [n, d].
        real: of real pictures, [m, d], m above ``neighbours``.
        neighbours: which nearest one, at least 1.

    Returns:
        float64 [n], 0 or more.

    Raises:
        BadData: too few real pictures.
    """
    if len(real) <= neighbours:
        raise BadData(f"Ranking by the {neighbours}-th nearest real picture needs more than {len(real)} of them.")
    x, y = features.double(), real.double()

    def nearest(some: Tensor, k: int) -> Tensor:
        parts = [torch.cdist(part, y).kthvalue(k, dim=1).values for part in torch.split(some, 512)]
        return torch.cat(parts)

    usual = nearest(y, neighbours + 1).median()  # + 1: each real picture is its own nearest
    return nearest(x, neighbours) / usual.clamp_min(torch.finfo(torch.float64).tiny)


def worst_first(scores: Tensor) -> NDArray[np.int64]:
    """The order from the highest score to the lowest; equal ones keep their order: int64 [n]."""
    return torch.argsort(scores, descending=True, stable=True).numpy()


def ranked_sheet(pictures: NDArray[np.uint8], scores: Tensor, rows: int = 4, columns: int = 16) -> Image.Image:
    """The worst pictures, some from every part of the order, and the best, each with its score.

    Args:
        pictures: uint8 [n, h, w, c].
        scores: [n], higher is more broken.
        rows: of the sheet; each row shows another part of the order, the first one the very worst.
        columns: pictures in a row.
    """
    order = worst_first(scores)
    columns = min(columns, len(order))
    shown: list[tuple[str, Image.Image]] = []
    for row in range(rows):
        start = round(row * (len(order) - columns) / max(rows - 1, 1))
        some = order[start : start + columns]
        low, high = (float(scores[i]) for i in (some[-1], some[0]))
        title = f"{start + 1} to {start + len(some)} of {len(order)}, worst first: {high:.3g} to {low:.3g}"
        shown.append((title, sheet(pictures[some], columns=columns)))
    return captioned(shown, columns=1)
