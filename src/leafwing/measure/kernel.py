"""Kernel distance: the squared maximum mean discrepancy under a cubic kernel, without bias at any n.

    k(x, y) = (x·y / d + 1)³
    MMD² = mean k(x, x') + mean k(y, y') - 2 mean k(x, y)     over x ≠ x', y ≠ y'

Source: Bińkowski et al. 2018, arXiv:1801.01401, Sec. 4 (there on Inception's features and called KID); the estimator is
Gretton et al. 2012, Eq. 3. Two sets from one distribution have expectation 0, so small values may be below 0.

Shape legend: n pictures, d features.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from leafwing.measure.bootstrap import Measured
from leafwing.measure.rows import Rows, check_pair, pick

SUBSETS = 100
SUBSET = 1000
"""Subsets and their size, as published KIDs use them."""

LEAST = 50
"""Pictures on each side below which nothing is said."""


def cubic(x: Tensor, y: Tensor) -> Tensor:
    """The kernel of each pair: [n, d], [m, d] -> [n, m]."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def mmd2(x: Tensor, y: Tensor) -> float:
    """The unbiased squared discrepancy of x [n, d] and y [m, d], n and m at least 2."""
    x, y = x.double(), y.double()
    n, m = len(x), len(y)
    k_xx, k_yy = cubic(x, x), cubic(y, y)
    same = (k_xx.sum() - k_xx.trace()) / (n * (n - 1)) + (k_yy.sum() - k_yy.trace()) / (m * (m - 1))
    return float(same - 2 * cubic(x, y).mean())


def distance(
    a: Rows,
    b: Rows,
    rng: np.random.Generator,
    subsets: int = SUBSETS,
    size: int = SUBSET,
    device: torch.device | str = "cpu",
) -> Measured:
    """The mean discrepancy over random subsets, and their standard deviation.

    Args:
        a: features [n, d].
        b: features [m, d].
        rng: chooses the subsets, without replacement within each.
        subsets: how many.
        size: pictures in each; at most half of the smaller set, so that subsets differ.
        device: where to compute, in float64.

    Raises:
        BadData: fewer than 50 rows on a side, or unequal d.
    """
    check_pair(a, b, LEAST, "A kernel distance")
    size = subset_size(len(a), len(b), size)
    values = []
    for _ in range(subsets):
        x, y = (pick(rows, rng.choice(len(rows), size, replace=False), device) for rows in (a, b))
        values.append(mmd2(x, y))
    note = f"over {subsets} subsets of {size:,}"
    return Measured(float(np.mean(values)), float(np.std(values)), note)


def subset_size(n: int, m: int, size: int = SUBSET) -> int:
    """Pictures in each subset: ``size``, or half of the smaller set."""
    return min(size, min(n, m) // 2)
