"""Every D of a run against every G: who fools whom (R42).

G1, D1, G2, D2 ...: each is bred to beat the last rival. Cell (i, j) asks the D of moment i about pictures by the G of
moment j. Both play as they did in training: batch statistics, dropout, batches of reals and of fakes apart.

Shape legend: i moments of D, j moments of G, n pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from leafwing.core import randomness
from leafwing.explore.moments import Cast, Moment
from leafwing.game import Batch, Variant, call, judge
from leafwing.latents import Prior


@dataclass(frozen=True)
class Duels:
    """The table.

    Attributes:
        steps: rounds after which D and G were taken.
        fooled: [i][j] chance that D_i scores a picture of G_j above a real one, 0 to 1; a half when it cannot tell.
        passed: [i][j] share of G_j's pictures that D_i calls real.
        real_right: [i] share of real pictures that D_i calls real.
        pictures: n, of each kind.
    """

    steps: list[int]
    fooled: list[list[float]]
    passed: list[list[float]]
    real_right: list[float]
    pictures: int

    @property
    def fools_better(self) -> tuple[int, int]:
        """In how many of how many generations the next G fools D better than the G that D was trained against."""
        pairs = range(len(self.steps) - 1)
        return sum(self.fooled[i][i + 1] > self.fooled[i][i] for i in pairs), len(pairs)

    @property
    def catches_better(self) -> tuple[int, int]:
        """In how many of how many generations the next D catches the next G better than the last D does."""
        pairs = range(len(self.steps) - 1)
        return sum(self.fooled[i + 1][i + 1] < self.fooled[i][i + 1] for i in pairs), len(pairs)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        (fools, n), (catches, _) = self.fools_better, self.catches_better
        return {
            "steps": self.steps,
            "fooled": self.fooled,
            "passed": self.passed,
            "real_right": self.real_right,
            "pictures": self.pictures,
            "next_g_fools_better": fools,
            "next_d_catches_better": catches,
            "generations": n,
        }

    def sentences(self) -> list[str]:
        """What the table says, in words."""
        (fools, n), (catches, _) = self.fools_better, self.catches_better
        if n == 0:
            return ["Weights of one moment only: a table of rivals needs two (train with --set watch.snapshots=true)."]
        return [
            f"The next G fools D better than the last one in {fools} of {n} generations.",
            f"The next D catches the next G better than the last one in {catches} of {n} generations.",
        ]


def duels(
    cast: Cast,
    moments: Sequence[Moment],
    variant: Variant,
    prior: Prior,
    reals: Batch,
    *,
    batch: int,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Duels:
    """Let every D judge every G's pictures, for the same z, and the same real pictures.

    Args:
        cast: the networks.
        moments: whose weights.
        variant: how D's verdict is read.
        prior: where z comes from.
        reals: n pictures, and what was asked for; as many fakes are drawn, for the same.
        batch: pictures at a time, as in training.
        seed: of z.
        progress: called with (done, total).
    """
    n = len(reals.pictures)
    z = prior.sample(n, randomness.stream(seed, 0, "duels"))
    fakes = [fakes_of(cast.generator(moment), z, reals.condition, batch) for moment in moments]
    fooled, passed, right = [], [], []
    for number, moment in enumerate(moments, 1):
        D = cast.discriminator(moment)
        real = scores(D, variant, reals, batch)
        rows = [scores(D, variant, fake, batch) for fake in fakes]
        fooled.append([above(fake, real) for fake in rows])
        passed.append([share_above(fake, variant.boundary or 0.0) for fake in rows])
        right.append(share_above(real, variant.boundary or 0.0))
        if progress is not None:
            progress(number, len(moments))
    return Duels([moment.step for moment in moments], fooled, passed, right, n)


@torch.no_grad()
def fakes_of(G: nn.Module, z: Tensor, condition: Tensor | None, batch: int) -> Batch:
    """G's pictures of z [n, z], in batches and in the mode it is in, on the CPU."""
    randomness.seed_networks(0, 0)
    device = next(G.parameters()).device
    parts = [moved(Batch(z, condition).rows(some), device) for some in even(len(z), batch)]
    return Batch(torch.cat([call(G, part.pictures, part.condition).float().cpu() for part in parts]), condition)


@torch.no_grad()
def scores(D: nn.Module, variant: Variant, these: Batch, batch: int) -> Tensor:
    """D's scores of pictures, in batches and in the mode it is in: [n] on the CPU."""
    randomness.seed_networks(0, 0)
    device = next(D.parameters()).device
    told = as_told(variant, these)
    parts = [moved(told.rows(some), device) for some in even(len(these.pictures), batch)]
    return torch.cat([variant.score(judge(D, part)).float().cpu() for part in parts])


def as_told(variant: Variant, batch: Batch) -> Batch:
    """The batch as D gets it: without the condition if this D has to find out by itself."""
    return batch if variant.d_sees_condition else Batch(batch.pictures)


def moved(batch: Batch, device: torch.device) -> Batch:
    """The batch on that device."""
    condition = batch.condition
    return Batch(batch.pictures.to(device), None if condition is None else condition.to(device))


def even(n: int, batch: int) -> list[slice]:
    """n rows in parts of about ``batch``, none of them a small rest: batch statistics need company."""
    ends = [round(i * n / max(1, n // batch)) for i in range(max(1, n // batch) + 1)]
    return [slice(start, stop) for start, stop in pairwise(ends)]


def above(fake: Tensor, real: Tensor) -> float:
    """Chance that a fake is scored above a real, ties counted half: 1 less the area under D's ROC curve."""
    ranks = real.sort().values
    below = torch.searchsorted(ranks, fake, right=False) + torch.searchsorted(ranks, fake, right=True)
    return float(below.double().mean() / (2 * len(real)))


def share_above(scores: Tensor, boundary: float) -> float:
    """The share of scores that D's boundary calls real."""
    return float((scores > boundary).double().mean())
