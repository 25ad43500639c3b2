"""``bench coverage``: how many modes a recipe's game reaches, in worlds whose modes are known.

On the mixtures a recipe lends its rules, optimisers and schedules; the players are a fully connected pair.
On StackedMNIST and `world:faces` the recipe plays as it is, on pictures of three digits and on drawn faces. All are
played by `leafwing.training.fit`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leafwing.contract import check_players
from leafwing.core import randomness
from leafwing.explore.sample import draw
from leafwing.game import Terms
from leafwing.measure.coverage import NO_MODE, Coverage, cover, kl_of_chance, nearest_modes
from leafwing.measure.faces_world import AgainstTruth
from leafwing.measure.support import equal_pairs, support
from leafwing.networks.mlp import PointDiscriminator, PointGenerator
from leafwing.prepare import seat, settle
from leafwing.recipe import AverageSettings, Recipe, read_part
from leafwing.training import Training, Watcher, fit
from leafwing.watch.average import Average, standing
from leafwing.watch.soundness import Soundness
from leafwing.worlds.mixtures import Mixture

Progress = Callable[[int, int], None]
TRUTH = "the truth"
"""What the row of the world's own samples is called."""
POINTS, BATCH, Z_DIM = 2500, 100, 2
"""PacGAN's protocol on both mixtures: samples measured, points a turn, length of z."""


@dataclass(frozen=True)
class Row:
    """One training measured, or the truth itself.

    Attributes:
        on: the world.
        recipe: whose game; :data:`TRUTH` for samples of the world itself.
        seed: of the training and of the samples.
        rounds: played; 0 for the truth.
        coverage: modes, good share, divergences.
        effective_modes: 1 / sum p_i^2 over modes, from equal pairs of good samples; None if there is none.
        twins: near-duplicate pairs among ``twins_of`` samples, where the world has a rule for them.
        twins_of: how many samples were compared.
        faces: every factor against the truth, where the samples are faces.
    """

    on: str
    recipe: str
    seed: int
    rounds: int
    coverage: Coverage
    effective_modes: float | None
    twins: int | None = None
    twins_of: int = 0
    faces: AgainstTruth | None = None


class Counting(Watcher):
    """Reports rounds."""

    def __init__(self, report: Progress) -> None:
        self.report = report

    def after_round(self, training: Training, log: Terms) -> None:
        """One more."""
        self.report(training.step, training.goal)


def row(on: str, recipe: str, seed: int, rounds: int, labels: NDArray[np.int64], modes: int) -> Row:
    """The row of these labels."""
    good = labels[labels != NO_MODE]
    pairs = equal_pairs(good)
    effective = support(pairs, len(good)).size if pairs else None
    return Row(on, recipe, seed, rounds, cover(labels, modes), effective)


def trained(recipe: Recipe, training: Training, report: Progress) -> None:
    """Train to the goal."""
    average = recipe.average
    fit(
        training,
        [
            Average(average.halflife_kimg * 1000, average.ramp, average.burn_in_kimg * 1000),
            Soundness(recipe.watch.log_every),
            Counting(report),
        ],
    )


def play(recipe: Recipe, training: Training, report: Progress) -> Iterator[Tensor]:
    """Train to the goal, then draw from the averaged generator, without end."""
    trained(recipe, training, report)
    G, seed = standing(training), training.players.seed
    return (samples for _, samples in draw(G, training.players.prior, 10**9, seed, chunk=100))


def gathered(samples: Iterator[Tensor], count: int) -> NDArray[np.float32]:
    """The first ``count`` samples in one array."""
    found, missing = [], count
    while missing > 0:
        found.append(next(samples)[:missing].float().cpu().numpy())
        missing -= len(found[-1])
    return np.concatenate(found)


# ---- mixtures ----


def for_points(recipe: Recipe, steps: int, seed: int, settings: list[str]) -> Recipe:
    """The recipe's game by the protocol of the mixtures, then with the settings that were asked for."""
    train = recipe.train.model_copy(update={"batch": BATCH, "microbatch": None, "steps": steps, "seed": seed})
    prior = read_part("prior", {"name": "normal", "dim": Z_DIM})
    average = AverageSettings(halflife_kimg=0)
    return replace(recipe.whole(), train=train, prior=prior, average=average).override(settings)


def seat_at(mixture: Mixture, recipe: Recipe, width: int, device: torch.device) -> Training:
    """The fully connected pair, fed with fresh points of the mixture."""
    train = recipe.train
    randomness.seed_networks(train.seed, -1)
    variant, prior = recipe.build_variant(), recipe.build_prior()
    dim = mixture.means.shape[1]
    G = PointGenerator(prior.dim, dim, hidden=width).to(device)
    D = PointDiscriminator(dim, variant.d_outputs, units=max(1, width // 2)).to(device)
    check_players(G, D, variant, prior, (dim,), device=device)

    def reals(turn: int) -> Tensor:
        points = mixture.sample(train.batch, randomness.stream(train.seed, turn, "points"))
        return torch.from_numpy(points).to(device)

    return seat(recipe, G, D, reals, device)


def measure_points(
    name: str, recipe: Recipe, mixture: Mixture, width: int, device: torch.device, samples: int, report: Progress
) -> tuple[Row, NDArray[np.float32]]:
    """Play on a mixture and count modes: the row and the points it counts."""
    recipe = settle(recipe, device)
    points = gathered(play(recipe, seat_at(mixture, recipe, width, device), report), samples)
    labels = nearest_modes(points, mixture.means, mixture.std)
    seed, steps = recipe.train.seed, recipe.train.steps
    return row(mixture.name, name, seed, steps, labels, len(mixture.means)), points


def true_points(mixture: Mixture, samples: int, seed: int = 0) -> tuple[Row, NDArray[np.float32]]:
    """What a perfect generator would score."""
    points = mixture.sample(samples, randomness.stream(seed, 0, "truth"))
    labels = nearest_modes(points, mixture.means, mixture.std)
    return row(mixture.name, TRUTH, seed, 0, labels, len(mixture.means)), points


def points_protocol(mixture: Mixture, width: int, samples: int) -> str:
    """How the figures on a mixture are made."""
    modes = len(mixture.means)
    return (
        f"{mixture.name}: {modes} equally likely Gaussians of standard deviation {mixture.std:g}, fresh points every "
        f"turn; z normal of {Z_DIM}, {BATCH} points a turn unless set otherwise; G 4 x {width} with BatchNorm and "
        f"ReLU, D 3 x {max(1, width // 2)} maxout of 5, as PacGAN's (arXiv:1712.04086, there 400 and 200, and 400,000 "
        f"rounds). Measured on {samples:,} samples of G itself (no average unless average.halflife_kimg is set): "
        f"good = within 3 standard deviations of the nearest mode, hit = at least one good sample, "
        f"KL(good samples || uniform) in nats, of which chance alone gives about {kl_of_chance(modes, samples):.4f}."
    )
