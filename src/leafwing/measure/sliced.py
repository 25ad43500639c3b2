"""Sliced Wasserstein distance: how far the two sets are apart, seen from random directions.

    SW = mean over directions u of W1(u·x, u·y)

In one dimension the Wasserstein distance is the area between the two distribution functions. Source: Rabin et al. 2011,
"Wasserstein barycenter and its application to texture mixing", Eq. 7; for generators Karras et al. 2018,
arXiv:1710.10196, Sec. 5 (there on patches of a Laplacian pyramid; here on whole feature vectors).

Shape legend: n, m pictures, d features, k directions.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leafwing.measure.bootstrap import RESAMPLES, Measured
from leafwing.measure.rows import Rows, blocks, check_pair

DIRECTIONS = 128
"""Random directions."""


def directions(d: int, k: int, rng: np.random.Generator) -> Tensor:
    """k unit vectors, uniform on the sphere: float64 [d, k]."""
    u = rng.standard_normal((d, k))
    return torch.from_numpy(u / np.linalg.norm(u, axis=0))


def wasserstein(x: Tensor, y: Tensor) -> Tensor:
    """W1 of each column: x [n, k], y [m, k] -> [k]. Equal n and m: the mean distance of the sorted values."""
    x, y = x.sort(0).values, y.sort(0).values
    if len(x) == len(y):
        return (x - y).abs().mean(0)
    # Both quantile functions are steps; between the merged ends of their steps they are constant.
    n, m = len(x), len(y)
    n_ends, m_ends = np.arange(1, n + 1) * m, np.arange(1, m + 1) * n  # in units of 1 / (n m)
    ends = torch.from_numpy(np.union1d(n_ends, m_ends))
    starts = torch.cat([torch.zeros(1, dtype=ends.dtype), ends[:-1]])
    width = ((ends - starts).double() / (n * m)).to(x.device)
    gaps: Tensor = (x[(starts // m).to(x.device)] - y[(starts // n).to(x.device)]).abs()
    return width @ gaps


def distance(
    a: Rows,
    b: Rows,
    rng: np.random.Generator,
    k: int = DIRECTIONS,
    resamples: int = RESAMPLES,
    device: torch.device | str = "cpu",
) -> Measured:
    """The mean one-dimensional distance over k random directions, in the features' own unit.

    Args:
        a: features [n, d].
        b: features [m, d].
        rng: for the directions and the resamples.
        k: directions.
        resamples: how many times both sets are drawn again; below 2 the spread is left out.
        device: where to compute, in float64.

    Raises:
        BadData: fewer than 2 rows on a side, or unequal d.
    """
    check_pair(a, b, 2, "A sliced Wasserstein distance")
    u = directions(a.shape[1], k, rng).to(device)
    x, y = (torch.cat([part @ u for _, part in blocks(rows, device)]) for rows in (a, b))
    value = float(wasserstein(x, y).mean())
    if resamples < 2:
        return Measured(value)
    again = [float(wasserstein(_drawn(x, rng), _drawn(y, rng)).mean()) for _ in range(resamples)]
    return Measured(value, float(np.std(again, ddof=1)))


def _drawn(x: Tensor, rng: np.random.Generator) -> Tensor:
    chosen: NDArray[np.int64] = rng.integers(0, len(x), len(x))
    return x[torch.from_numpy(chosen).to(x.device)]
