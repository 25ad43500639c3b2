"""``bench zoo --data``: the small recipes on pictures of one's own, seen through a feature network.

Nobody knows the truth here, but other real pictures stand for it: all that is measured of samples is measured of them.

Shape legend: n pictures, h height, w width, c channels, d features.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from leafwing.bench.reduced import lasting
from leafwing.bench.zoo import KEPT, Seen
from leafwing.core import randomness
from leafwing.core.errors import BadData
from leafwing.core.pictures import Pixels, to_uint8
from leafwing.core.progress import counting
from leafwing.data import open_data
from leafwing.data.drawn import is_world
from leafwing.measure import clusters, features, frechet, manifold, statistics
from leafwing.prepare import prepare, read_store
from leafwing.recipe import Recipe
from leafwing.training import Training

SIDE = 64
"""Side in pixels unless asked otherwise."""
CLUSTERS, CLUSTERED = 20, 5000
"""Clusters of real pictures, and of how many pictures at most they are made."""
NEAREST = 3
"""Which neighbour sets the radius of precision, as in Kynkäänniemi et al. 2019."""
BATCH = 64
"""Pictures that the feature network sees at once."""


@dataclass(frozen=True)
class Own:
    """Data of one's own.

    Attributes:
        source: a folder, .zip, .tar, .npz or idx file, or a world.
        image_size: side in pixels.
        features: NAME or NAME=FILE; None for what `leafwing evaluate` would take.
    """

    source: str
    image_size: int = SIDE
    features: str | None = None


class Pictures:
    """Pictures of one's own: some to compare with, others that stand for the truth, and clusters of all but those.

    The real pictures' features are computed once, on the device.

    Raises:
        BadConfig: no such features, or a side that cannot be.
        BadData: no pictures, or fewer than twice the samples.
    """

    modes = CLUSTERS

    def __init__(self, own: Own, samples: int, device: torch.device) -> None:
        self.own, self.samples = own, samples
        self.network = features.load(own.features or features.default_for(own.source), device)
        self.algebra = device if device.type == "cuda" else torch.device("cpu")
        with counting("reading pictures") as report:
            self.store = open_data(own.source, image_size=own.image_size, progress=report)
        self.name = own.source if is_world(own.source) else Path(own.source).name
        if len(self.store) < 2 * samples:
            raise BadData(
                f"{samples:,} samples are held against two times as many real pictures, and {self.name} has "
                f"{len(self.store):,}: give --samples {len(self.store) // 2}."
            )
        order = randomness.stream(0, 0, "zoo pictures").permutation(len(self.store))
        order = order[: samples + max(samples, CLUSTERED)]
        with counting("features of real pictures") as report:
            seen = self._features(lambda part: self.store.pictures[order[part]], len(order), report)
        self.reals, self.others = seen[:samples], seen[samples : 2 * samples]
        self.moments = statistics.of(self.reals.double())
        known = torch.cat([self.reals, seen[2 * samples :]])
        self.clusters = clusters.find(known, CLUSTERS, randomness.stream(0, 0, "zoo clusters"))

    def _features(
        self, some: Callable[[slice], Pixels], count: int, report: Callable[[int, int], None] = lambda *_: None
    ) -> Tensor:
        """Of pictures uint8 [n, h, w, c], asked for part by part: float32 [count, d] where the algebra is done."""
        parts = []
        with torch.inference_mode():
            for start in range(0, count, BATCH):
                stop = min(start + BATCH, count)
                pixels = torch.from_numpy(np.ascontiguousarray(some(slice(start, stop))))
                parts.append(self.network(pixels.permute(0, 3, 1, 2)).to(self.algebra))
                report(stop, count)
        return torch.cat(parts)

    @property
    def identity(self) -> str:
        """Equal where pictures and features are, whatever the files are called."""
        return json.dumps([self.store.fingerprint, self.own.image_size, self.network.protocol(), CLUSTERS])

    def about(self) -> dict[str, Any]:
        """What has to be told beside the figures, JSON-able."""
        return {
            "source": self.own.source,
            "pictures": len(self.store),
            "image_size": self.own.image_size,
            "features": self.network.protocol(),
            "clusters": CLUSTERS,
            "nearest": NEAREST,
        }

    def fitted(self, recipe: Recipe, images: int) -> Recipe:
        """The recipe on these pictures, asked for the labels that it names."""
        facts = {"source": self.own.source, "image_size": self.own.image_size, "channels": 3, "fit": "crop"}
        recipe = replace(recipe, data=recipe.data.model_copy(update=facts | {"count": None, "flip": False}))
        recipe = lasting(recipe, images)
        recipe.check()
        return recipe

    def seat(self, recipe: Recipe, device: torch.device) -> Training:
        """The recipe's own networks."""
        return prepare(recipe, read_store(recipe), device)

    def see(self, samples: Tensor, asked: list[str] | None) -> Seen:
        """Through the feature network; nobody reads here whether what was asked for was drawn."""
        pixels = to_uint8(samples)
        return self._judged(self._features(lambda part: pixels[part], len(pixels)))

    def true(self) -> Seen:
        """Other real pictures."""
        return self._judged(self.others)

    def _judged(self, seen: Tensor) -> Seen:
        distance = frechet.between(statistics.of(seen.double()), self.moments)
        good = manifold.measure(self.reals, seen, NEAREST, device=self.algebra).precision.value
        return Seen(distance, self.clusters.kept(seen, KEPT), good)
