"""Weight clipping against the gradient penalty: how D's gradient changes from layer to layer (R95).

    python benchmarks/slopes.py [--rounds 600] [--seeds 3] [--out slopes.svg]

Critics of 12 layers learn to tell a Swiss roll in the plane from itself with unit noise, by the Wasserstein loss, once
with weights clipped to ±c (Arjovsky et al. 2017, arXiv:1701.07875, Algorithm 1: RMSProp) and once with the gradient
penalty of weight 10 (Gulrajani et al. 2017, arXiv:1704.00028, Eq. 3: Adam). Printed: the norm of the gradient of the
loss by each layer's output, from the first layer to the last, mean of the logarithm over seeds, and its growth over
all layers. The paper's Fig. 1b shows explosion or vanishing with clipping and an even course with the penalty.
"""

from __future__ import annotations

import argparse
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from leafwing import game
from leafwing.core import randomness
from leafwing.explore.charts import Line, alone, chart
from leafwing.explore.gaze import layer_norms
from leafwing.game import Batch, Players, Variant
from leafwing.latents import Normal
from leafwing.losses.penalties import score_and_slope

LAYERS, WIDTH, BATCH = 12, 64, 256


class Clipped(Variant):
    """Wasserstein loss, weights kept within ±c."""

    def __init__(self, c: float) -> None:
        self.c = c

    def d_loss(self, real: Tensor, fake: Tensor) -> game.Terms:
        return {"adversarial": fake.mean() - real.mean()}

    @torch.no_grad()
    def after_d_step(self, D: nn.Module) -> None:
        for p in D.parameters():
            p.clamp_(-self.c, self.c)


class Penalised(Clipped):
    """Wasserstein loss, slope pulled towards 1 between reals and fakes."""

    def __init__(self, weight: float = 10.0) -> None:
        self.weight = weight

    def penalties(self, judge, real: Batch, fake: Batch, step: int) -> game.Terms:
        t = torch.from_numpy(randomness.stream(0, step, "between").random((len(real.pictures), 1), dtype="float32"))
        between = t * real.pictures + (1 - t) * fake.pictures
        slope = score_and_slope(judge, between)[1].norm(dim=1)
        return {"penalty": self.weight * (slope - 1).square().mean()}

    def after_d_step(self, D: nn.Module) -> None:
        """Nothing is clipped."""


def roll(rng: np.random.Generator, n: int = BATCH) -> Tensor:
    """n points of a Swiss roll of unit scale [n, 2]."""
    t = 1.5 * math.pi * (1 + 2 * rng.random(n))
    points = np.stack([t * np.cos(t), t * np.sin(t)], 1) / 7.5 + 0.03 * rng.standard_normal((n, 2))
    return torch.from_numpy(points.astype(np.float32))


def batches(seed: int, step: int) -> tuple[Batch, Batch]:
    """The roll, and the roll with unit noise."""
    rng = randomness.stream(seed, step, "roll")
    fake = roll(rng) + torch.from_numpy(rng.standard_normal((BATCH, 2), dtype=np.float32))
    return Batch(roll(rng)), Batch(fake)


def norms(variant: Clipped, seed: int, rounds: int) -> list[float]:
    """The gradient's norm by layer, after training a critic."""
    randomness.seed_networks(seed, 0)
    sizes = [2, *[WIDTH] * (LAYERS - 1), 1]
    layers = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.ReLU())]
    D, G = nn.Sequential(*layers[:-1], nn.Flatten(0)), nn.Linear(2, 2)
    if isinstance(variant, Penalised):
        opt = torch.optim.Adam(D.parameters(), 1e-4, (0.5, 0.9))
    else:
        variant.after_d_step(D)
        opt = torch.optim.RMSprop(D.parameters(), 5e-5)
    players = Players(G, D, torch.optim.SGD(G.parameters(), 0.1), opt, Normal(2), seed)
    for step in range(rounds):
        real, fake = batches(seed, step)
        game.turn_of_d(variant, players, real, lambda some, fake=fake: fake.rows(some), step)
    real, fake = batches(seed, rounds)
    loss = lambda D: variant.d_loss(game.judge(D, real), game.judge(D, fake))["adversarial"]  # noqa: E731
    return [norm for _, norm in layer_norms(D, loss)]


def main() -> None:
    """Print a line for each kind of critic; draw them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    kinds = {f"clipping to ±{c}": Clipped(c) for c in (0.001, 0.01, 0.1)} | {"gradient penalty": Penalised()}
    lines = []
    for name, variant in kinds.items():
        logs = np.log10(np.maximum([norms(variant, seed, args.rounds) for seed in range(args.seeds)], 1e-45))
        mean, spread = logs.mean(0), logs.std(0, ddof=1) if args.seeds > 1 else np.zeros(LAYERS)
        lines.append(Line(name, range(LAYERS), (10**mean).tolist()))
        print(f"{name:18} {' '.join(f'{v:6.1f}' for v in mean)}   last/first 10^{mean[-1] - mean[0]:.1f}, "
              f"spread over seeds up to 10^{spread.max():.1f}", flush=True)  # fmt: skip
    if args.out:
        names = [str(i + 1) for i in range(LAYERS)]
        title = "Gradient norm by layer of the critic, Swiss roll"
        args.out.write_text(alone([chart(lines, title, log_y=True, x_names=names, x_title="layer, from the input on")]))
        print(args.out)


if __name__ == "__main__":
    main()
