"""Clusters of real pictures' features, so that it can be counted which kinds of pictures a generator draws.

k-means on the first principal components, in float64 on the CPU, so that the device changes nothing. Features are not
scaled each by itself: one that hardly ever fires would then outweigh all others.

Sources: Lloyd 1982, "Least squares quantization in PCM"; Arthur & Vassilvitskii 2007, "k-means++", Sec. 2.2.

Shape legend: n pictures, d features, r components, k clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from leafwing.core.errors import BadData

COMPONENTS = 32
"""Principal components that are kept, at most."""
STARTS, ROUNDS = 4, 100
"""Beginnings of k-means, of which the tightest end is kept; rounds of each, at most."""


@dataclass(frozen=True)
class Clusters:
    """Where the clusters lie, and how many of the pictures that made them are in each.

    Attributes:
        mean: of the features, float64 [d].
        axes: the components, float64 [d, r].
        centres: float64 [k, r].
        shares: of the pictures, float64 [k], in sum 1; 0 for a cluster that none came into.
    """

    mean: Tensor
    axes: Tensor
    centres: Tensor
    shares: Tensor

    def shares_of(self, features: Tensor) -> Tensor:
        """How many of other pictures, features [n, d], are nearest to each centre: float64 [k], in sum 1."""
        return shares_at((features.double().cpu() - self.mean) @ self.axes, self.centres)

    def kept(self, features: Tensor, least: float) -> int:
        """Clusters, 0 to k, that features [n, d] come into at least ``least`` times as often as the pictures did."""
        found = self.shares_of(features)
        return int(((found >= least * self.shares) & (found > 0)).sum())


def find(features: Tensor, k: int, rng: np.random.Generator) -> Clusters:
    """The k clusters of features [n, d].

    Raises:
        BadData: fewer than k pictures, or values that are not finite.
    """
    rows = features.double().cpu()
    if len(rows) < k:
        raise BadData(f"{k} clusters need at least as many pictures, and there are {len(rows)}.")
    if not bool(rows.isfinite().all()):
        raise BadData("Clusters cannot be found: some features are not finite numbers.")
    mean = rows.mean(0)
    _, vectors = torch.linalg.eigh((rows - mean).T @ (rows - mean))
    axes = vectors[:, -COMPONENTS:]
    x = (rows - mean) @ axes
    ends = [settled(x, beginnings(x, k, rng)) for _ in range(STARTS)]
    centres = min(ends, key=lambda end: float(squared(x, end).amin(1).sum()))
    return Clusters(mean, axes, centres, shares_at(x, centres))


def squared(x: Tensor, centres: Tensor) -> Tensor:
    """Squared distances [n, k] of x [n, r] and centres [k, r]."""
    return torch.cdist(x, centres, compute_mode="donot_use_mm_for_euclid_dist").square()


def shares_at(x: Tensor, centres: Tensor) -> Tensor:
    """Shares [k] of x [n, r] that are nearest to each centre [k, r]."""
    return torch.bincount(squared(x, centres).argmin(1), minlength=len(centres)).double() / len(x)


def beginnings(x: Tensor, k: int, rng: np.random.Generator) -> Tensor:
    """Centres [k, r] among x [n, r], each drawn by its squared distance from those before it."""
    chosen = [int(rng.integers(len(x)))]
    while len(chosen) < k:
        summed = squared(x, x[chosen]).amin(1).cumsum(0)
        point = torch.tensor(rng.random()) * summed[-1]
        chosen.append(min(int(torch.searchsorted(summed, point, right=True)), len(x) - 1))
    return x[chosen]


def settled(x: Tensor, centres: Tensor) -> Tensor:
    """Centres [k, r] moved to the means of what is nearest to them until they stay; one that has nothing stays."""
    for _ in range(ROUNDS):
        nearest = F.one_hot(squared(x, centres).argmin(1), len(centres)).to(x)  # a product, so the same every time
        counts = nearest.sum(0)[:, None]
        moved = torch.where(counts > 0, nearest.T @ x / counts.clamp(min=1), centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    return centres
