"""How many different things a generator can draw, from how often it draws the same thing twice.

Source: Arora & Zhang 2017, arXiv:1706.08224 ("Do GANs actually learn the distribution?"), Sec. 2: by the birthday
paradox, a batch of s samples that holds a duplicate about every second time comes from about s^2 things. Here the pairs
are counted instead of asking whether there is one: each of the s (s - 1) / 2 pairs is a duplicate with probability
sum p_i^2, which is 1 / N for N equally likely things.

What a duplicate is must be said by who counts: equal labels, or a distance of pixels or features.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959964
"""The normal distribution's 97.5 % point."""


@dataclass(frozen=True)
class Support:
    """An estimate of 1 / sum p_i^2: N for N equally likely things, less if some are likelier.

    Attributes:
        size: the estimate; inf if there was no pair.
        low: end of a 95 % interval.
        high: the other end; inf if there was no pair.
        pairs: duplicate pairs seen.
        samples: among so many samples.
    """

    size: float
    low: float
    high: float
    pairs: int
    samples: int


def support(pairs: int, samples: int) -> Support:
    """The estimate from counted pairs.

    The interval takes the number of pairs as Poisson distributed, by Byar's approximation (Breslow & Day 1987,
    "Statistical methods in cancer research" II, Eq. 2.8). That is right for equally likely things; for others it is
    somewhat too narrow.

    Args:
        pairs: of duplicates, see :func:`equal_pairs` and :func:`near_pairs`.
        samples: s, at least 2.

    Raises:
        ValueError: out of range.
    """
    every = samples * (samples - 1) // 2
    if samples < 2 or not 0 <= pairs <= every:
        raise ValueError(f"{pairs} pairs among {samples} samples cannot be")
    least = pairs * max(0.0, 1 - 1 / (9 * pairs) - Z_95 / (3 * math.sqrt(pairs))) ** 3 if pairs else 0.0
    most = (pairs + 1) * (1 - 1 / (9 * (pairs + 1)) + Z_95 / (3 * math.sqrt(pairs + 1))) ** 3
    size, high = (every / count if count else math.inf for count in (pairs, least))
    return Support(size, max(1.0, every / most), high, pairs, samples)


def equal_pairs(labels: NDArray[np.integer]) -> int:
    """Pairs with equal labels, [s] -> count."""
    _, counts = np.unique(labels, return_counts=True)
    return int((counts * (counts - 1) // 2).sum())


def near_pairs(points: NDArray[np.floating], within: float, chunk: int = 512) -> int:
    """Pairs at a Euclidean distance of at most ``within``: points [s, ...] -> count.

    Args:
        points: pictures, features or vectors.
        within: the largest distance of a duplicate.
        chunk: rows compared at once; memory is ``chunk`` x s numbers.
    """
    return sum(int((block <= within).sum()) for block in distances(points, chunk))


def nearest_pair(points: NDArray[np.floating], chunk: int = 512) -> float:
    """The distance of the two points that are nearest to each other, [s, ...]: a yardstick taken from real data."""
    return min(float(block.min()) for block in distances(points, chunk) if block.size)


def distances(points: NDArray[np.floating], chunk: int) -> Iterator[NDArray[np.float64]]:
    """Euclidean distances of every pair once, a flat array for each chunk of rows; equal points are exactly 0 apart."""
    flat = np.ascontiguousarray(points.reshape(len(points), -1), dtype=np.float64)
    flat = flat - flat.mean(axis=0)  # so that little cancels below
    squares = np.square(flat).sum(axis=1)
    for start in range(0, len(flat), chunk):
        rows = flat[start : start + chunk]
        sums = squares[start : start + chunk, None] + squares[None, start:]
        block = sums - 2 * rows @ flat[start:].T
        block[block < 1e-12 * sums] = 0.0  # what rounding leaves of equal points
        later = np.arange(block.shape[1])[None] > np.arange(len(rows))[:, None]
        yield np.sqrt(block[later])
