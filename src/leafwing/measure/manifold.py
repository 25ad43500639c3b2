"""Is each sample near the data (fidelity), and each datum near a sample (diversity)?

A set is taken for the union of balls, one around each point, out to its k-th nearest neighbour in the same set.

- precision, recall: Kynkäänniemi et al. 2019, arXiv:1904.06991, Eq. 1-2
- density, coverage: Naeem et al. 2020, arXiv:2002.09797, Eq. 5-6

Distances are computed block by block, so 50,000 against 50,000 take the memory of two blocks.

Shape legend: n data, m samples, d features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from leafwing.measure.bootstrap import Measured, mean
from leafwing.measure.rows import BLOCK, Rows, blocks, check_pair

NEAREST = 5
"""Which neighbour sets the radius: 5 in Naeem et al.; Kynkäänniemi et al. used 3."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Manifold:
    """The four numbers; each spread is over the pictures that are counted, with the balls held as they are.

    Attributes:
        precision: share of samples inside a ball of the data, 0 to 1.
        recall: share of data inside a ball of the samples, 0 to 1.
        density: balls of the data around a sample, over k: 1 for samples from the data's distribution; unbounded.
        coverage: share of data whose ball holds a sample, 0 to 1.
    """

    precision: Measured
    recall: Measured
    density: Measured
    coverage: Measured


def measure(
    data: Rows,
    samples: Rows,
    k: int = NEAREST,
    *,
    device: torch.device | str = "cpu",
    size: int = BLOCK,
    progress: Progress | None = None,
) -> Manifold:
    """Precision, recall, density and coverage.

    Args:
        data: features [n, d].
        samples: features [m, d].
        k: which neighbour sets the radius; both sets need more pictures than that.
        device: where to compute, in float64.
        size: rows of a block.
        progress: called with (done, total) blocks of samples.

    Raises:
        BadData: unequal d, or k + 1 pictures are not there.
    """
    check_pair(data, samples, k + 1, f"Precision and recall with k = {k}")
    centre = next(blocks(data, device, size))[1].mean(0)  # near the origin, |x|² + |y|² - 2xy keeps its digits
    of_data, of_samples = (radii(rows, k, centre, device, size) for rows in (data, samples))
    recalled = torch.zeros(len(data), dtype=torch.bool, device=device)
    covered = torch.zeros(len(data), dtype=torch.bool, device=device)
    held = torch.zeros(len(samples), dtype=torch.float64, device=device)  # balls of the data around each sample
    for j, y in blocks(samples, device, size):
        for i, x in blocks(data, device, size):
            apart = squared(x - centre, y - centre)
            inside = apart < of_data[i : i + len(x), None]
            held[j : j + len(y)] += inside.sum(0)
            covered[i : i + len(x)] |= inside.any(1)
            recalled[i : i + len(x)] |= (apart < of_samples[None, j : j + len(y)]).any(1)
        if progress:
            progress(min(j + size, len(samples)), len(samples))
    return Manifold(mean(held > 0), mean(recalled), mean(held / k), mean(covered))


def squared(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances [n, m] of x [n, d] and y [m, d]; what is within rounding of 0 is 0."""
    lengths = x.square().sum(1)[:, None] + y.square().sum(1)[None]
    apart = lengths - 2 * (x @ y.T)
    return apart.masked_fill_(apart < 1e-13 * lengths, 0.0)


def radii(rows: Rows, k: int, centre: Tensor, device: torch.device | str = "cpu", size: int = BLOCK) -> Tensor:
    """The squared distance from each point to its k-th nearest other one, float64 [n]."""
    found = []
    for i, x in blocks(rows, device, size):
        best = torch.full((len(x), k + 1), torch.inf, dtype=torch.float64, device=device)
        for j, y in blocks(rows, device, size):
            apart = squared(x - centre, y - centre)
            if i == j:
                apart.fill_diagonal_(0.0)  # itself, the nearest of all
            best = torch.cat([best, apart], dim=1).topk(k + 1, dim=1, largest=False).values
        found.append(best[:, k])
    return torch.cat(found)
