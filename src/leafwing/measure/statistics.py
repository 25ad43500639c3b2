"""Mean and covariance of features, streamed in float64 and mergeable: parts computed apart add up.

Source: Chan, Golub, LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances", Eq. 2.1.

Shape legend: n pictures, d features.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from leafwing.core.errors import BadData


@dataclass(frozen=True)
class Moments:
    """What a Gaussian keeps of a set of features.

    Attributes:
        n: how many pictures.
        mean: [d], float64.
        scatter: [d, d], float64: the sum over pictures of the outer product of the deviation from the mean.
    """

    n: int
    mean: Tensor
    scatter: Tensor

    @property
    def covariance(self) -> Tensor:
        """Unbiased, [d, d].

        Raises:
            BadData: fewer than two pictures.
        """
        if self.n < 2:
            raise BadData(f"A covariance needs at least 2 pictures, and there are {self.n}.")
        return self.scatter / (self.n - 1)

    def merged(self, other: Moments) -> Moments:
        """Those of both sets together."""
        n = self.n + other.n
        apart = other.mean - self.mean
        mean = self.mean + apart * (other.n / n)
        scatter = self.scatter + other.scatter + torch.outer(apart, apart) * (self.n * other.n / n)
        return Moments(n, mean, scatter)


def of(features: Tensor, times: Tensor | None = None) -> Moments:
    """The moments of one block.

    Args:
        features: [n, d].
        times: how often each row counts, whole numbers [n], at least one of them above 0; once each by default.
    """
    x = features.double()
    if times is None:
        mean = x.mean(0)
        centred = x - mean
        return Moments(len(x), mean, centred.T @ centred)
    weight = times.to(x)
    n = int(times.sum())
    mean = weight @ x / n
    centred = x - mean
    return Moments(n, mean, (centred * weight[:, None]).T @ centred)


def stream(parts: Iterable[Tensor]) -> Moments:
    """The moments of blocks [n_i, d], one after another, in the memory of one block.

    Raises:
        BadData: no rows at all.
    """
    total: Moments | None = None
    for part in parts:
        if len(part):
            total = of(part) if total is None else total.merged(of(part))
    if total is None:
        raise BadData("There are no features to take the mean of.")
    return total
