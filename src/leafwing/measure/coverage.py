"""Modes hit, where it is known which modes there are: by how many samples, and how evenly.

Shape legend: n samples, k modes, d numbers a sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

REACH = 3.0
"""A point is good within so many standard deviations of a mode; Srivastava et al. 2017, arXiv:1705.07761, Sec. 4.1."""
NO_MODE = -1
"""The label of a sample that belongs to no mode."""


@dataclass(frozen=True)
class Coverage:
    """What samples say about modes whose truth is known.

    Attributes:
        modes: k, how many there are.
        hit: modes with at least one good sample.
        samples: n, good or not.
        good: share of samples that belong to a mode, 0..1.
        kl: KL(samples || truth) over modes, in nats, of the good samples alone (VEEGAN, PacGAN: "reverse KL"); None if
            no sample is good. Even a perfect generator scores about (k - 1) / (2 n): see :func:`kl_of_chance`.
        js: Jensen-Shannon divergence of the same histograms, 0..ln 2; None likewise.
        counts: good samples of each mode, [k].
    """

    modes: int
    hit: int
    samples: int
    good: float
    kl: float | None
    js: float | None
    counts: tuple[int, ...]


def cover(labels: NDArray[np.integer], modes: int, truth: ArrayLike | None = None) -> Coverage:
    """Count modes.

    Args:
        labels: the mode of each sample, 0..k - 1, or :data:`NO_MODE`, [n].
        modes: k.
        truth: how likely each mode is, [k]; all alike if None.

    Raises:
        ValueError: no sample, or a label that is no mode.
    """
    if not len(labels) or labels.min() < NO_MODE or labels.max() >= modes:
        raise ValueError(f"labels must be {NO_MODE} (no mode) or 0 to {modes - 1}, and at least one")
    counts = np.bincount(labels[labels != NO_MODE], minlength=modes)
    good = int(counts.sum())
    expected = np.full(modes, 1 / modes) if truth is None else np.asarray(truth, dtype=np.float64)
    return Coverage(
        modes=modes,
        hit=int((counts > 0).sum()),
        samples=len(labels),
        good=good / len(labels),
        kl=kl(counts / good, expected) if good else None,
        js=jensen_shannon(counts / good, expected) if good else None,
        counts=tuple(int(count) for count in counts),
    )


def nearest_modes(
    points: NDArray[np.floating], means: NDArray[np.floating], std: float, reach: float = REACH
) -> NDArray[np.int64]:
    """The nearest mean to each point, or :data:`NO_MODE` where that is farther than ``reach`` standard deviations.

    A true sample of a round Gaussian in the plane is within r standard deviations with probability
    1 - exp(-r^2 / 2): 0.9889 for 3.

    Shape:
        ``[n, d], [k, d] -> [n]``.
    """
    squares = np.square(points[:, None, :].astype(np.float64) - means[None]).sum(axis=2)
    labels: NDArray[np.int64] = squares.argmin(axis=1)
    labels[~(squares.min(axis=1) <= (reach * std) ** 2)] = NO_MODE  # "not": a point that is NaN is near nothing
    return labels


def kl(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """KL(p || q) = sum p ln(p / q) in nats, [k], [k] -> 0..inf; inf where p is and q is not."""
    some = p > 0
    if (q[some] == 0).any():
        return math.inf
    return max(0.0, float(np.sum(p[some] * np.log(p[some] / q[some]))))


def jensen_shannon(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """(KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2, in nats: 0..ln 2. Lin 1991, IEEE Trans. IT 37(1), Eq. 3.1."""
    middle = (p + q) / 2
    return (kl(p, middle) + kl(q, middle)) / 2


def kl_of_chance(modes: int, samples: int) -> float:
    """What :attr:`Coverage.kl` is on average for n samples of the truth itself: (k - 1) / (2 n), for large n.

    The bias of the plug-in entropy; Miller 1955, "Note on the bias of information estimates".
    """
    return (modes - 1) / (2 * samples)
