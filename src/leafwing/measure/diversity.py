"""How different the pictures of one set are from each other; 0 when G makes one picture only.

The distance of two pictures is that of their features, each scaled to length 1: between 0 and 2, and 1.41 for unrelated
ones. It follows LPIPS (Zhang et al. 2018, arXiv:1801.03924, Eq. 1) in scaling features to unit length, but uses one
vector of the whole picture and no learned weights, so its values are not LPIPS's.

Shape legend: n pictures, d features.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from leafwing.core.errors import BadData
from leafwing.measure.bootstrap import Measured, mean
from leafwing.measure.rows import BLOCK, Rows, pick


def pairs(n: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """n // 2 random pairs in which each picture comes at most once, so that their distances are independent."""
    if n < 4:
        raise BadData(f"Diversity needs at least 4 pictures, and there are {n}.")
    order = rng.permutation(n)
    return order[: n // 2], order[n // 2 : 2 * (n // 2)]


def mean_distance(rows: Rows, rng: np.random.Generator, device: torch.device | str = "cpu") -> Measured:
    """The mean distance of random pairs of features [n, d], n at least 4, each scaled to length 1."""
    first, second = pairs(len(rows), rng)
    apart = []
    for start in range(0, len(first), BLOCK):
        x, y = (pick(rows, half[start : start + BLOCK], device) for half in (first, second))
        x, y = (part / part.norm(dim=1, keepdim=True).clamp(min=1e-12) for part in (x, y))
        apart.append((x - y).norm(dim=1))
    return mean(torch.cat(apart))
