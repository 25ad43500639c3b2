"""Fréchet distance between two sets of features, each taken for a Gaussian.

    d² = |m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^(1/2))

Source: Dowson & Landau 1982, Eq. 4; as a measure of generators Heusel et al. 2017, arXiv:1706.08500, Eq. 6. On the
pool3 features of Inception-v3 with the standard weights, and only there, it is called FID.

Shape legend: n pictures, d features.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leafwing.core.errors import BadData
from leafwing.measure import statistics
from leafwing.measure.bootstrap import RESAMPLES, Measured, resampled
from leafwing.measure.rows import Rows, blocks, check_pair, pick
from leafwing.measure.statistics import Moments

LEAST = 50
"""Below so many pictures on a side nothing is said: the covariance would be made up by the few."""

ENOUGH = 5
"""Pictures for each feature below which a warning is due: 10,000 for Inception's 2,048, as FID's authors advise."""

Line: TypeAlias = NDArray[Any]
Progress: TypeAlias = Callable[[int, int], None]

STRAIGHT = 1.5
"""Pictures for each feature from which on the distance falls about as 1/n: fewer, and the covariance is singular."""

PARTS = 5
"""The extrapolation cuts the sets into up to so many parts: 15 distances in all."""


def between_gaussians(mean1: Tensor, cov1: Tensor, mean2: Tensor, cov2: Tensor) -> float:
    """The squared Fréchet distance of two Gaussians.

    With C = A Aᵀ, the trace of (C1 C2)^(1/2) is the sum of the singular values of A1ᵀ A2. This stays accurate when
    covariances are singular, as they are with fewer pictures than features, where a matrix root of C1 C2 drifts into
    complex numbers; no jitter is added.

    Args:
        mean1: [d].
        cov1: [d, d], symmetric, positive semidefinite.
        mean2: [d].
        cov2: [d, d].

    Raises:
        BadData: something is not a finite number.
    """
    parts = [part.double() for part in (mean1, cov1, mean2, cov2)]
    if not all(bool(part.isfinite().all()) for part in parts):
        raise BadData("A Fréchet distance cannot be computed: some features are not finite numbers.")
    m1, c1, m2, c2 = parts
    overlap = torch.linalg.svdvals(root(c1).T @ root(c2)).sum()
    distance = (m1 - m2).square().sum() + c1.trace() + c2.trace() - 2 * overlap
    return max(0.0, float(distance))  # rounding can take 0 a little below


def root(covariance: Tensor) -> Tensor:
    """A [d, r] with A Aᵀ = covariance [d, d], of its rank r; directions without spread beyond rounding are dropped."""
    values, vectors = torch.linalg.eigh(covariance)
    noise = len(values) * torch.finfo(values.dtype).eps * values[-1].clamp(min=0)
    kept = values > noise
    factor: Tensor = vectors[:, kept] * values[kept].sqrt()
    return factor


def between(a: Moments, b: Moments) -> float:
    """The squared Fréchet distance of two sets by their moments."""
    return between_gaussians(a.mean, a.covariance, b.mean, b.covariance)


def distance(
    a: Rows,
    b: Rows,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
    device: torch.device | str = "cpu",
    moments: tuple[Moments, Moments] | None = None,
    progress: Progress | None = None,
) -> Measured:
    """The squared Fréchet distance of two sets of features, and its spread.

    Args:
        a: features [n, d].
        b: features [m, d].
        rng: for the resamples.
        resamples: how many times both sets are drawn again; below 2 the spread is left out.
        device: where to compute, in float64.
        moments: those of a and b, where they are known already.
        progress: called with (done, total) resamples.

    Raises:
        BadData: fewer than 50 rows on a side, unequal d, or values that are not finite.
    """
    check_pair(a, b, LEAST, "A Fréchet distance")
    known = moments or tuple(statistics.stream(x for _, x in blocks(rows, device)) for rows in (a, b))
    value = between(*known)
    if resamples < 2:
        return Measured(value)
    draws = zip(resampled(len(a), resamples, rng), resampled(len(b), resamples, rng), strict=True)
    values = []
    for times_a, times_b in draws:
        values.append(between(_drawn(a, times_a, device), _drawn(b, times_b, device)))
        if progress:
            progress(len(values), resamples)
    return Measured(value, float(np.std(values, ddof=1)))


def _drawn(rows: Rows, times: NDArray[np.int64], device: torch.device | str) -> Moments:
    """The moments of a resample in which row i came ``times[i]`` times."""
    total: Moments | None = None
    for start, x in blocks(rows, device):
        part = torch.from_numpy(times[start : start + len(x)]).to(x.device)
        if int(part.sum()):
            here = statistics.of(x, part)
            total = here if total is None else total.merged(here)
    assert total is not None
    return total


def extrapolated(
    a: Rows, b: Rows, rng: np.random.Generator, parts: int = PARTS, device: torch.device | str = "cpu"
) -> Measured:
    """What the Fréchet distance would be with infinitely many pictures on both sides.

    The distance of finite sets is too large by about c/n. Both sets are shuffled and cut into 1, 2, … equal parts, and
    a line through the distances of all parts over 1/n is followed to 1/n = 0. Source: Chong & Forsyth 2020,
    arXiv:1911.07023, Sec. 4 (there random subsets of the samples alone, against all the data).

    The spread is the standard error of the line's end. It may come out below 0 when the sets are hardly apart.

    Raises:
        BadData: as for :func:`distance`, with fewer rows than :func:`enough_to_extrapolate`.
    """
    n, d = min(len(a), len(b)), a.shape[1]
    check_pair(a, b, enough_to_extrapolate(d), "An extrapolated Fréchet distance")
    parts = min(parts, n // LEAST, int(n / (STRAIGHT * d)))
    sizes, values = [], []
    for count in range(1, parts + 1):
        orders = [rng.permutation(len(rows))[:n] for rows in (a, b)]
        for part in range(count):
            chosen = slice(part * n // count, (part + 1) * n // count)
            few = [statistics.of(pick(rows, order[chosen], device)) for rows, order in zip((a, b), orders, strict=True)]
            sizes.append(few[0].n)
            values.append(between(*few))
    weights = np.array(sizes) / n  # a distance of n pictures scatters with a variance of about 1/n
    return _end_of_line(1 / np.array(sizes), np.array(values), weights)


def enough_to_extrapolate(d: int) -> int:
    """Pictures on each side, so that halves still lie on the straight part of the line."""
    return max(2 * LEAST, math.ceil(2 * STRAIGHT * d))


def _end_of_line(x: Line, y: Line, w: Line) -> Measured:
    """Weighted least squares y = u + v x: u and its standard error (Draper & Smith, Applied Regression, Sec. 9.2)."""
    mean_x, mean_y = (float((w * part).sum() / w.sum()) for part in (x, y))
    spread_x = float((w * (x - mean_x) ** 2).sum())
    slope = float((w * (x - mean_x) * (y - mean_y)).sum()) / spread_x
    end = mean_y - slope * mean_x
    variance = float((w * (y - end - slope * x) ** 2).sum()) / max(1, len(x) - 2)
    error = math.sqrt(variance * (1 / w.sum() + mean_x**2 / spread_x))
    return Measured(end, error, "standard error of the line's end")


def too_few(n: int, d: int) -> str:
    """A warning when n pictures are few for d features, else nothing."""
    if n >= ENOUGH * d:
        return ""
    what = "the covariance is singular, and the distance" if n <= d else "the distance"
    return (
        f"{n:,} pictures are few for {d:,} features: {what} is too large by an amount that depends on n; "
        f"compare only at equal n, or use at least {ENOUGH * d:,}."
    )
