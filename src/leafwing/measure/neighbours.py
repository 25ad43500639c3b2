"""Is a sample a copy? The nearest training pictures of each, and how near that is among training pictures (R82).

Distances are Euclidean, between pixels or between any features. Every number is set beside the same number of real
pictures: one that is a quarter of the usual distance between neighbours away from a training picture is called a copy,
and the authenticity of samples stands beside that of real pictures against each other.

Shape legend: m samples, n training pictures, d features, k neighbours, c channels, h height, w width.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leafwing.core import randomness

Features: TypeAlias = Callable[[Tensor], Tensor]
"""Pictures [n, c, h, w] in [-1, 1] -> numbers [n, d]."""
Progress: TypeAlias = Callable[[int, int], None]

COPY = 0.25
"""A sample is called a copy when nearer to a training picture than this share of the usual distance between one and its
nearest other: small enough to pass what merely resembles, large enough for a copy with some noise."""
BLOCK, NUMBERS = 512, 2**24
"""Training pictures at a time, and their numbers at most: memory stays small for large pictures too."""
SPARE = 4
"""Candidates looked at again exactly, beyond the k asked for."""


class Rows(Protocol):
    """Features of the training pictures, a block at a time; a tensor [n, d] is one."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, which: slice | Tensor, /) -> Tensor:
        """[b, d] float32."""


class Nearest(NamedTuple):
    """Distances [m, k], nearest first, and which rows they lead to [m, k]."""

    distance: Tensor
    which: Tensor


@dataclass(frozen=True)
class Neighbours:
    """What was found.

    Attributes:
        nearest: the nearest training pictures of each sample, mirrored ones too if that was asked.
        beyond: distance from a sample's nearest training picture to that one's own nearest other [m].
        usual: median distance from a training picture to its nearest other.
        authenticity_of_real: the authenticity of training pictures, each against all the others.
    """

    nearest: Nearest
    beyond: Tensor
    usual: float
    authenticity_of_real: float

    @property
    def copies(self) -> Tensor:
        """Which samples are copies [m], by :data:`COPY`."""
        return self.nearest.distance[:, 0] <= COPY * self.usual

    @property
    def authentic(self) -> Tensor:
        r"""Which samples are authentic [m]: farther from their nearest training picture than that is from its own.

        $A_j = 1[d(g_j, r_i) > d(r_i, R \setminus r_i)]$ with $r_i$ the training picture nearest to the sample $g_j$.
        Source: Alaa et al. 2022, arXiv:2102.08921 (their rule for authenticity). Where the data hold near duplicates
        the rule finds almost anything authentic; :attr:`copies` does not.
        """
        return self.nearest.distance[:, 0] > self.beyond

    @property
    def authenticity(self) -> float:
        """The share of authentic samples, 0 to 1; for new draws from the data's own distribution that of real ones.

        It is 1 less the chance of being nearest to each other: 1/3 for numbers on a line, more in higher dimensions.
        """
        return float(self.authentic.double().mean())

    @property
    def closeness(self) -> Tensor:
        """Distance to the nearest training picture over the usual one [m]: 0 a copy, 1 as near as data are."""
        return self.nearest.distance[:, 0] / max(self.usual, torch.finfo(torch.float64).tiny)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, samples in order."""
        return {
            "copies": int(self.copies.sum()),
            "authenticity": self.authenticity,
            "authenticity_of_real": self.authenticity_of_real,
            "usual_distance": self.usual,
            "closeness": self.closeness.tolist(),
            "distance": self.nearest.distance.tolist(),
            "index": self.nearest.which.tolist(),
        }

    def sentences(self) -> list[str]:
        """What was found, in words."""
        n, near = len(self.copies), self.closeness
        which = ", ".join(str(i) for i in self.copies.nonzero()[:8, 0].tolist())
        return [
            f"Copies: {int(self.copies.sum())} of {n} samples"
            + (f" (samples {which})" if which else "")
            + f", nearer to a training picture than {COPY} of the usual distance between two of them.",
            f"Closeness: median {near.median():.2f}, least {near.min():.2f} (1: as near as training pictures are).",
            f"Authenticity: {self.authenticity:.2f} of samples; {self.authenticity_of_real:.2f} of real pictures "
            "against each other.",
        ]


def pixels(pictures: Tensor) -> Tensor:
    """The pictures themselves as features: [n, c, h, w] -> [n, c * h * w]."""
    return pictures.float().contiguous().flatten(1)


class StoreRows:
    """Features of a store's pictures; computed once, kept in a file without a name that goes when we go.

    Args:
        pictures: uint8 [n, h, w, c], may be a memory map.
        features: what is compared; pixels are read from the store each time instead of being kept.
        device: where features are computed.
        progress: called with (done, n) while they are.
    """

    def __init__(
        self,
        pictures: NDArray[np.uint8],
        features: Features = pixels,
        device: torch.device | str = "cpu",
        progress: Progress | None = None,
    ) -> None:
        self.pictures, self.device = pictures, torch.device(device)
        self.kept: NDArray[np.float32] | None = None
        if features is not pixels:
            self.kept = self._compute(features, progress)

    def __len__(self) -> int:
        """How many pictures."""
        return len(self.pictures)

    def __getitem__(self, which: slice | Tensor, /) -> Tensor:
        """Features [b, d] float32 of some pictures."""
        place = which if isinstance(which, slice) else which.cpu().numpy()
        if self.kept is not None:
            return torch.from_numpy(np.array(self.kept[place]))
        return pixels(as_pictures(self.pictures[place]))

    def _compute(self, features: Features, progress: Progress | None) -> NDArray[np.float32]:
        kept: NDArray[np.float32] | None = None
        for start in range(0, len(self), BLOCK):
            block = as_pictures(self.pictures[start : start + BLOCK]).to(self.device)
            found = features(block).float().cpu().numpy()
            if kept is None:
                with tempfile.TemporaryFile() as file:  # lives on, nameless, as long as it is mapped
                    kept = np.memmap(file, np.float32, "w+", shape=(len(self), found.shape[1]))
            kept[start : start + BLOCK] = found
            if progress is not None:
                progress(min(start + BLOCK, len(self)), len(self))
        assert kept is not None
        return kept


def as_pictures(rows: NDArray[np.uint8]) -> Tensor:
    """uint8 [n, h, w, c] -> float32 [n, c, h, w] in [-1, 1], the values that D is shown."""
    return torch.from_numpy(np.array(rows)).permute(0, 3, 1, 2).float().mul_(2 / 255).sub_(1)


def nearest(queries: Tensor, rows: Rows, k: int = 1, but: Tensor | None = None) -> Nearest:
    """The k nearest rows of each query, a block of rows at a time: memory does not grow with their number.

    Candidates are found through |a|² + |b|² - 2ab in float32, which is inexact for near twins; so a few more than k are
    taken and measured again in float64.

    Args:
        queries: [m, d].
        rows: [n, d].
        k: how many, 1 to n; less those excluded.
        but: rows that do not count for each query [m, e].

    Returns:
        float64 distances and int64 indices; equal distances in order of the index.
    """
    queries = queries.float().cpu()
    centre = queries.mean(0)
    moved, most = queries - centre, min(k + SPARE, len(rows))
    best = Nearest(torch.empty(len(queries), 0), torch.empty(len(queries), 0, dtype=torch.int64))
    size = max(1, min(BLOCK, NUMBERS // queries.shape[1]))
    for start in range(0, len(rows), size):
        block = rows[start : start + size].cpu() - centre
        square = moved.square().sum(1)[:, None] + block.square().sum(1) - 2 * moved @ block.T
        if but is not None:
            here = (but >= start) & (but < start + len(block))
            who, which = here.nonzero(as_tuple=True)
            square[who, but[who, which] - start] = float("inf")
        near, index = square.topk(min(most, len(block)), largest=False)
        both = Nearest(torch.cat([best.distance, near], 1), torch.cat([best.which, index + start], 1))
        near, order = both.distance.topk(min(most, both.distance.shape[1]), largest=False)
        best = Nearest(near, both.which.gather(1, order))
    return measured_again(queries, rows, best, k)


def measured_again(queries: Tensor, rows: Rows, found: Nearest, k: int) -> Nearest:
    """The k best of some candidates by exact distance; those at infinity stay there."""
    distance = torch.empty(found.which.shape, dtype=torch.float64)
    for i, query in enumerate(queries):
        distance[i] = (rows[found.which[i]].cpu().double() - query.double()).square().sum(1).sqrt()
    distance[found.distance.isinf()] = float("inf")
    by_index = found.which.argsort(1)
    distance, index = distance.gather(1, by_index), found.which.gather(1, by_index)
    order = distance.argsort(dim=1, stable=True)[:, :k]
    return Nearest(distance.gather(1, order), index.gather(1, order))


def find(
    samples: Tensor,
    pictures: NDArray[np.uint8],
    *,
    features: Features = pixels,
    k: int = 3,
    mirror: bool = True,
    references: int = 256,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> Neighbours:
    """The nearest training pictures of each sample, beside what is usual among training pictures.

    Args:
        samples: [m, c, h, w] in [-1, 1].
        pictures: the training pictures, uint8 [n, h, w, c], n at least 3; a memory map is streamed.
        features: what is compared.
        k: neighbours of each sample.
        mirror: a mirrored copy is one too.
        references: training pictures, drawn at random, that tell what is usual.
        seed: of that draw.
        device: where features are computed.
        progress: called with (done, total).

    Raises:
        ValueError: fewer than 3 training pictures, or of another shape.
    """
    n = len(pictures)
    if n < 3 or tuple(samples.shape[1:]) != (pictures.shape[3], *pictures.shape[1:3]):
        raise ValueError(f"3 training pictures of the samples' shape are needed; got {pictures.shape}")
    rows = StoreRows(pictures, features, device, progress)

    def ask(these: Tensor, k: int, but: Tensor | None = None) -> Nearest:
        views = [these, these.flip(-1)] if mirror else [these]
        found = [nearest(features(view.to(device)).cpu(), rows, k, but) for view in views]
        return merged(found, k)

    def ask_real(which: Tensor, k: int, but: Tensor) -> Nearest:
        return ask(as_pictures(pictures[which.numpy()]), k, but)

    found = ask(samples.float(), min(k, n - 1))
    closest = found.which[:, 0]
    unique, back = (torch.from_numpy(part) for part in np.unique(closest.numpy(), return_inverse=True))
    beyond = ask_real(unique, 1, unique[:, None]).distance[:, 0][back]
    drawn = torch.from_numpy(randomness.stream(seed, 0, "neighbours").permutation(n)[:references]).sort().values
    other = ask_real(drawn, 1, drawn[:, None])
    theirs = ask_real(other.which[:, 0], 1, torch.stack([other.which[:, 0], drawn], 1)).distance[:, 0]
    authentic = (other.distance[:, 0] > theirs).double().mean()
    return Neighbours(found, beyond, float(other.distance.median()), float(authentic))


def merged(found: list[Nearest], k: int) -> Nearest:
    """The k nearest of several views of the same queries; a row that both lead to counts once, the nearer way."""
    distance, index = (torch.cat(parts, 1) for parts in zip(*found, strict=True))
    order = distance.argsort(dim=1, stable=True)
    distance, index = distance.gather(1, order), index.gather(1, order)
    again = torch.stack([(index[:, :j] == index[:, j : j + 1]).any(1) for j in range(index.shape[1])], 1)
    order = again.long().argsort(dim=1, stable=True)[:, :k]
    return Nearest(distance.gather(1, order), index.gather(1, order))
