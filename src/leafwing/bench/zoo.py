"""``bench zoo``: every recipe, made small, on a world whose truth is known; how much nearer to it each comes.

Convolutional recipes play on ``world:faces`` at 32x32, seen through the factor network; fully connected ones lend their
rules to the fully connected pair of ``bench coverage``, on 25 Gaussians. All are shown equally many real pictures, and
measured at equal steps on the way, so that they can also be compared after equal time.

Shape legend: n samples, d features.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from leafwing.bench.coverage import for_points, seat_at
from leafwing.bench.reduced import lasting
from leafwing.core import randomness
from leafwing.data import open_data
from leafwing.explore.sample import draw
from leafwing.game import Terms
from leafwing.measure import factors, frechet, sliced, statistics
from leafwing.measure.accuracy import accuracy
from leafwing.measure.coverage import NO_MODE, nearest_modes
from leafwing.measure.faces_world import histogram, truth
from leafwing.prepare import prepare, read_store, settle
from leafwing.recipe import Recipe
from leafwing.training import Training, Watcher, fit
from leafwing.watch.average import Average, standing
from leafwing.watch.soundness import Soundness
from leafwing.worlds.mixtures import MIXTURES, Mixture

Progress = Callable[[int, int], None]
FACES, SIDE, DRAWN = "world:faces", 32, 5000
"""The world of the convolutional recipes, its side in pixels, and how many faces are drawn to train on."""
WIDTH = 128
"""Units of the fully connected G's hidden layers; half as many maxout units in its D."""
LONGER = 8
"""Points cost next to nothing, so that D is shown so many times as many."""
LOOKS = 8
"""Measurements on the way, beside the one before the first round."""
KEPT = 0.25
"""A hair colour is kept if it comes at least so often, as a share of how often it should."""
TRUTH = "the truth"


@dataclass(frozen=True)
class Seen:
    """What samples are like.

    Attributes:
        distance: to the world: Fréchet on the factor network's features, or sliced Wasserstein in the plane.
        modes: kept.
        good: share of samples that are a face (or within 3 standard deviations of a mode).
        obeyed: share whose hair is what was asked for; None where nothing is asked.
    """

    distance: float
    modes: int
    good: float
    obeyed: float | None = None


@dataclass(frozen=True)
class Point:
    """A measurement on the way: after so many real pictures and seconds of training."""

    images: int
    seconds: float
    distance: float


@dataclass(frozen=True)
class Row:
    """A recipe played once.

    Attributes:
        recipe: its name.
        on: the world.
        seed: of everything.
        generator: parameters of G.
        discriminator: parameters of D.
        rounds: played.
        points: from before the first round to the end.
        end: what the last samples are like.
        modes: how many there are.
        problem: why it was not played to the end, or empty.
    """

    recipe: str
    on: str
    seed: int
    generator: int
    discriminator: int
    rounds: int
    points: tuple[Point, ...]
    end: Seen | None
    modes: int
    problem: str = ""

    @property
    def factor(self) -> float | None:
        """How many times nearer the end is than the start."""
        if len(self.points) < 2:
            return None
        return self.points[0].distance / max(self.points[-1].distance, 1e-12)

    @property
    def images_per_s(self) -> float | None:
        """Real pictures shown to D a second."""
        last = self.points[-1] if self.points else None
        return last.images / last.seconds if last and last.seconds > 0 else None

    def after(self, seconds: float) -> float | None:
        """The distance after so many seconds, between measurements on a straight line; None if it ended before."""
        if not self.points or seconds > self.points[-1].seconds:
            return None
        return float(np.interp(seconds, [p.seconds for p in self.points], [p.distance for p in self.points]))


class World(Protocol):
    """Where recipes are tried."""

    name: str
    modes: int
    samples: int

    def fitted(self, recipe: Recipe, images: int) -> Recipe:
        """The recipe as it is played here, so long that D is shown so many pictures."""
        ...

    def seat(self, recipe: Recipe, device: torch.device) -> Training:
        """The players at the table."""
        ...

    def see(self, samples: Tensor, asked: list[str] | None) -> Seen:
        """What samples [n, ...] are like; ``asked`` is the hair that each was asked for."""
        ...

    def true(self) -> Seen:
        """What as many samples of the world itself are like."""
        ...


class Faces:
    """``world:faces`` at 32x32."""

    name, modes = FACES, len(factors.NAMES["hair_colour"])

    def __init__(self, samples: int) -> None:
        self.samples = samples
        self.reals = statistics.of(factors.read(self._drawn(0, samples)).features.double())

    @staticmethod
    def _drawn(start: int, count: int) -> Tensor:
        store = open_data(FACES, image_size=SIDE, channels=3, fit="crop", count=DRAWN, max_bad_share=0.1)
        some = np.array(store.pictures[np.arange(start, start + count) % DRAWN])
        return torch.from_numpy(some).permute(0, 3, 1, 2).float() / 127.5 - 1

    def fitted(self, recipe: Recipe, images: int) -> Recipe:
        """The recipe on these faces; asked for the hair alone, if for anything."""
        facts = {"source": FACES, "image_size": SIDE, "channels": 3, "count": DRAWN, "flip": False}
        asked = ("hair",) if recipe.data.condition else ()
        recipe = replace(recipe, data=recipe.data.model_copy(update=facts | {"condition": asked}))
        return lasting(recipe, images)

    def seat(self, recipe: Recipe, device: torch.device) -> Training:
        """The recipe's own networks."""
        return prepare(recipe, read_store(recipe), device)

    def see(self, samples: Tensor, asked: list[str] | None) -> Seen:
        """Through the factor network."""
        reading = factors.read(samples)
        shares = histogram(reading, "hair_colour") / len(reading)
        kept = int((shares >= KEPT * truth("hair_colour")).sum())
        good = 1 - float(reading.is_broken().float().mean())
        obeyed = None
        if asked is not None:
            names = torch.tensor([factors.NAMES["hair_colour"].index(name) for name in asked])
            obeyed = accuracy(reading.chances["hair_colour"], names).value
        return Seen(frechet.between(statistics.of(reading.features.double()), self.reals), kept, good, obeyed)

    def true(self) -> Seen:
        """Other faces of the same world."""
        return self.see(self._drawn(self.samples, self.samples), None)


class Points:
    """25 Gaussians in the plane."""

    def __init__(self, samples: int, mixture: Mixture = MIXTURES["grid-25"]) -> None:
        self.mixture, self.samples = mixture, samples
        self.name, self.modes = mixture.name, len(mixture.means)
        self.reals = self._drawn("reals")

    def _drawn(self, purpose: str) -> Tensor:
        return torch.from_numpy(self.mixture.sample(self.samples, randomness.stream(0, 0, f"zoo {purpose}")))

    def fitted(self, recipe: Recipe, images: int) -> Recipe:
        """By the protocol of `leafwing.bench.coverage`, and :data:`LONGER`."""
        recipe = for_points(recipe, 1, recipe.train.seed, [])
        return lasting(recipe, LONGER * images)

    def seat(self, recipe: Recipe, device: torch.device) -> Training:
        """The fully connected pair."""
        return seat_at(self.mixture, recipe, WIDTH, device)

    def see(self, samples: Tensor, asked: list[str] | None) -> Seen:
        """Modes by the nearest mean."""
        labels = nearest_modes(samples.numpy(), self.mixture.means, self.mixture.std)
        good = labels[labels != NO_MODE]
        rng = randomness.stream(0, 0, "zoo directions")
        far = sliced.distance(samples.double(), self.reals.double(), rng, resamples=0).value
        return Seen(far, len(np.unique(good)), len(good) / len(labels))

    def true(self) -> Seen:
        """Other points of the same mixture."""
        return self.see(self._drawn("truth"), None)


class Curve(Watcher):
    """Measures before the first round and :data:`LOOKS` times on the way, off the clock.

    Seconds are the processor's on a CPU, so that what else runs on the machine counts for little; the wall clock's on
    a GPU.
    """

    def __init__(self, world: World, images: int, report: Progress) -> None:
        self.world, self.images, self.report = world, images, report
        self.points: list[Point] = []
        self.end: Seen | None = None
        self.samples = torch.empty(0)
        self._seconds = 0.0

    def start(self, training: Training) -> None:
        """The start."""
        on_cpu = next(training.players.G.parameters()).device.type == "cpu"
        self._clock = time.process_time if on_cpu else time.perf_counter
        self._look(training)

    def after_round(self, training: Training, log: Terms) -> None:
        """Measure when it is time."""
        self.report(training.images, self.images)
        if training.images >= self.images * len(self.points) / LOOKS or training.step == training.goal:
            self._seconds += self._clock() - self._since
            self._look(training)

    def _look(self, training: Training) -> None:
        G = standing(training)
        self.samples = drawn(G, training, self.world.samples)
        self.end = self.world.see(self.samples, hair_asked(training, self.world.samples))
        self.points.append(Point(training.images, round(self._seconds, 3), self.end.distance))
        self._since = self._clock()


def drawn(G: nn.Module, training: Training, count: int) -> Tensor:
    """Samples of G [n, ...] on the CPU, for what is said of the run's first reals where it is asked for something."""
    some = draw(G, training.players.prior, count, training.players.seed, condition=training.asked(0, count), chunk=100)
    return torch.cat([samples.float().cpu() for _, samples in some])


def hair_asked(training: Training, count: int) -> list[str] | None:
    """The hair that each sample was asked for; None where none was."""
    asked = training.asked(0, count)
    if asked is None or training.vocabulary is None or "hair" not in training.vocabulary.names:
        return None
    attribute, block = training.vocabulary.blocks[training.vocabulary.place("hair")]
    return [attribute.classes[code] for code in asked[:, block].argmax(1).tolist()]


def play(name: str, recipe: Recipe, world: World, device: torch.device, report: Progress) -> tuple[Row, Tensor]:
    """Play a recipe that was fitted to the world: the row, and the samples at the end."""
    recipe = settle(recipe, device)
    training = world.seat(recipe, device)
    average = recipe.average
    images = recipe.turns_of_d(recipe.train.steps) * recipe.train.batch
    curve = Curve(world, images, report)
    fit(
        training,
        [
            Average(average.halflife_kimg * 1000, average.ramp, average.burn_in_kimg * 1000),
            Soundness(recipe.watch.log_every),
            curve,
        ],
    )
    G, D = (sum(p.numel() for p in net.parameters()) for net in (training.players.G, training.players.D))
    seed = recipe.train.seed
    row = Row(name, world.name, seed, G, D, training.step, tuple(curve.points), curve.end, world.modes)
    return row, curve.samples
