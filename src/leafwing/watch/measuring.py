"""Measures while a run goes on: the averaged generator against the data, on a schedule, and the best snapshot kept.

A measurement may take only a share of the run's time, so the first one chooses how many pictures it can afford; all
later ones use as many, or their numbers could not be compared. The kernel distance decides which snapshot is best:
unlike a Fréchet distance it has no bias that depends on the number of pictures.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leafwing.core import pictures, randomness
from leafwing.core.errors import LeafwingError
from leafwing.core.progress import say
from leafwing.game import Terms, call
from leafwing.measure import kernel, manifold
from leafwing.measure.network import Network
from leafwing.training import Training, Watcher
from leafwing.watch.average import standing
from leafwing.watch.meter import JsonLines, read_rows

COUNTS = (128, 256, 512, 1024, 2048)
"""How many pictures a measurement may use; steps of two, so that machines of like speed choose alike."""
PILOT = 64
"""Pictures drawn and read once, to learn what one costs."""
CHUNK = 16

Save = Callable[[Training, nn.Module, dict[str, Any]], None]
"""Keeps the snapshot that was the best so far, with what was measured of it."""


class Measuring(Watcher):
    """Measures every so many rounds.

    Args:
        path: ``measures.jsonl``: step, images, seconds of training, n, and the measures by name.
        every: rounds between two measurements.
        share: of the time between them, what one may take.
        reals: the data, uint8 [n, h, w, c].
        network: reads features.
        save: keeps the best.
        step: where a resumed run stands; lines after it are dropped.
    """

    def __init__(
        self,
        path: Path,
        every: int,
        share: float,
        reals: NDArray[np.uint8],
        network: Network,
        save: Save,
        step: int = 0,
    ) -> None:
        self.every, self.share, self.reals, self.network, self.save = every, share, reals, network, save
        self.path, self._lines = path, JsonLines(path, step)
        self._n, self._best = 0, math.inf
        self._of_reals: Tensor | None = None
        self._seconds, self._since = 0.0, 0.0

    @property
    def name(self) -> str:
        """The measure that decides."""
        return f"kernel[{self.network.name}]"

    def start(self, training: Training) -> None:
        """Take up what earlier sittings wrote, and start the clock."""
        rows = [row for row in read_rows(self.path) if self.name in row] if self.path.is_file() else []
        if rows:
            self._n, self._seconds = int(rows[-1]["n"]), float(rows[-1]["seconds"])
            self._best = min(row[self.name] for row in rows)
        self._since = time.perf_counter()

    def after_round(self, training: Training, log: Terms) -> None:
        """Measure when it is time; what goes wrong with it costs the measurement, not the run."""
        if training.step % self.every and training.step != training.goal:
            return
        self._seconds += time.perf_counter() - self._since
        try:
            self._measure(training)
        except (LeafwingError, OSError) as problem:
            say(f"step {training.step}: nothing was measured: {problem}")
        self._since = time.perf_counter()

    def _measure(self, training: Training) -> None:
        G = standing(training)
        self._n = self._n or self._afford(training, G)
        n = min(self._n, len(self.reals))
        if self._of_reals is None or len(self._of_reals) != n:
            self._of_reals = self._features_of_reals(training.players.seed, n)
        ours = self._features_of_fakes(training, G, self._n)
        found = measured(self._of_reals, ours, self.network.name)
        row = {"step": training.step, "images": training.images, "seconds": round(self._seconds, 3), "n": self._n}
        self._lines(row | found, training)
        if found[self.name] < self._best:
            self._best = found[self.name]
            self.save(training, G, row | found)

    def _afford(self, training: Training, G: nn.Module) -> int:
        """How many pictures fit into the share of the time that an interval took so far."""
        self._features_of_fakes(training, G, CHUNK)  # the first call of a network is slower
        begun = time.perf_counter()
        self._features_of_fakes(training, G, PILOT)
        each = 2 * (time.perf_counter() - begun) / PILOT  # and as much again for the algebra
        return affordable(self.share * self._seconds, each)

    @torch.no_grad()
    def _features_of_fakes(self, training: Training, G: nn.Module, n: int) -> Tensor:
        prior, seed, rows = training.players.prior, training.players.seed, []
        device = next(G.parameters()).device
        for number, start in enumerate(range(0, n, CHUNK)):
            z = prior.sample(CHUNK, randomness.stream(seed, 0, "measure", number))[: n - start]
            asked = training.asked(start, start + len(z))
            made = pictures.to_uint8(call(G, z.to(device), asked).float().cpu())
            rows.append(self._read(made))
        return torch.cat(rows)

    @torch.no_grad()
    def _features_of_reals(self, seed: int, n: int) -> Tensor:
        which = np.sort(randomness.stream(seed, 0, "measured reals").permutation(len(self.reals))[:n])
        return torch.cat([self._read(self.reals[which[i : i + CHUNK]]) for i in range(0, n, CHUNK)])

    def _read(self, batch: NDArray[np.uint8]) -> Tensor:
        return self.network(torch.from_numpy(np.array(batch)).permute(0, 3, 1, 2)).cpu()


def affordable(seconds: float, each: float) -> int:
    """The most of :data:`COUNTS` that fit into the seconds at so many seconds each, or the least of them."""
    return max((n for n in COUNTS if n * each <= seconds), default=COUNTS[0])


def measured(reals: Tensor, fakes: Tensor, name: str) -> dict[str, float]:
    """Kernel distance, precision and recall of features [n, d], [m, d], by the names that reports use."""
    near = manifold.measure(reals, fakes)
    return {
        f"kernel[{name}]": kernel.mmd2(reals, fakes),
        f"precision[{name}]": near.precision.value,
        f"recall[{name}]": near.recall.value,
    }
