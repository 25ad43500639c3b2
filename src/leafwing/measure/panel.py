"""The measures by name, on the features and pictures of two sets: samples and data.

Each is a function of a :class:`Panel` and answers with its value for the samples and, where it can be asked of one set
alone, with the data's own value, which is the mark to read it against.

Shape legend: n pictures, h height, w width, c channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leafwing.core import randomness
from leafwing.core.errors import BadConfig, did_you_mean
from leafwing.core.vocabulary import Codes, Vocabulary
from leafwing.measure import (
    accuracy,
    bootstrap,
    diversity,
    frechet,
    inception_score,
    kernel,
    manifold,
    ms_ssim,
    parzen,
    path,
    sliced,
)
from leafwing.measure.bootstrap import Measured
from leafwing.measure.network import Network
from leafwing.measure.rows import blocks
from leafwing.measure.sharpness import sharpness
from leafwing.measure.table import Table

Some: TypeAlias = Callable[[int], NDArray[np.uint8]]
"""So many of a set's pictures, or all there are: uint8 [n, h, w, c]."""

LOOKED_AT = 1000
"""Pictures for the measures that compare pixels."""


@dataclass(frozen=True)
class Told:
    """What was asked of each sample and is known of each picture.

    Attributes:
        vocabulary: the attributes.
        samples: codes [n, a].
        data: codes [m, a].
    """

    vocabulary: Vocabulary
    samples: Codes
    data: Codes


@dataclass
class Panel:
    """Two sets, ready to be measured.

    Attributes:
        network: whose features the tables hold.
        samples: features of the pictures to judge.
        data: features of the pictures to judge by.
        some_samples: their pictures.
        some_data: likewise.
        seed: resamples, subsets, pairs and directions follow from it.
        nearest: k of precision, recall, density and coverage.
        resamples: for the spread.
        device: where the algebra is computed, in float64.
        steps: the squared lengths of the path through z, for a generator; None for pictures alone.
        told: for a conditional generator against labelled data.
        progress: called with (done, total) of the measure that is being computed.
    """

    network: Network
    samples: Table
    data: Table
    some_samples: Some
    some_data: Some
    seed: int = 0
    nearest: int = manifold.NEAREST
    resamples: int = bootstrap.RESAMPLES
    device: torch.device | str = "cpu"
    steps: Callable[[], Tensor] | None = None
    told: Told | None = None
    progress: Callable[[int, int], None] = lambda *_: None

    def rng(self, purpose: str) -> np.random.Generator:
        """A fresh stream for one measure, so that the order of measures changes nothing."""
        return randomness.stream(self.seed, 0, f"measure/{purpose}")

    @cached_property
    def manifold(self) -> manifold.Manifold:
        """Precision, recall, density and coverage, computed once."""
        return manifold.measure(
            self.data.rows,
            self.samples.rows,
            self.nearest,
            device=self.device,
            progress=self.progress,
        )

    @cached_property
    def pictures(self) -> tuple[Tensor, Tensor]:
        """Some of each: uint8 [n, c, h, w]."""
        samples, data = (
            torch.from_numpy(np.array(some(LOOKED_AT))).permute(0, 3, 1, 2)
            for some in (self.some_samples, self.some_data)
        )
        return samples, data


Answer: TypeAlias = tuple[Measured, Measured | None]


def _frechet(p: Panel) -> Answer:
    moments = (p.samples.moments, p.data.moments)
    found = frechet.distance(p.samples.rows, p.data.rows, p.rng("frechet"), p.resamples, p.device, moments, p.progress)
    return found, None


def _frechet_inf(p: Panel) -> Answer:
    return frechet.extrapolated(p.samples.rows, p.data.rows, p.rng("frechet_inf"), device=p.device), None


def _kernel(p: Panel) -> Answer:
    return kernel.distance(p.samples.rows, p.data.rows, p.rng("kernel"), device=p.device), None


def _sliced(p: Panel) -> Answer:
    found = sliced.distance(p.samples.rows, p.data.rows, p.rng("sliced"), resamples=p.resamples, device=p.device)
    return found, None


def _diversity(p: Panel) -> Answer:
    own, theirs = (diversity.mean_distance(table.rows, p.rng("diversity"), p.device) for table in (p.samples, p.data))
    return own, theirs


def _ms_ssim(p: Panel) -> Answer:
    found = []
    for pictures in p.pictures:
        first, second = diversity.pairs(len(pictures), p.rng("ms_ssim"))
        alike = [
            ms_ssim.similarity(pictures[first[i : i + 32]], pictures[second[i : i + 32]])
            for i in range(0, len(first), 32)
        ]
        found.append(bootstrap.mean(torch.cat(alike), f"{len(first):,} pairs"))
    return found[0], found[1]


def _sharpness(p: Panel) -> Answer:
    own, theirs = (
        bootstrap.mean(
            torch.cat([sharpness(part) for part in torch.split(pictures, 64)]), f"{len(pictures):,} pictures"
        )
        for pictures in p.pictures
    )
    return own, theirs


def _score(p: Panel) -> Answer:
    head = p.network.head
    assert head is not None  # see `chosen`
    found = []
    for table in (p.samples, p.data):
        logits = torch.cat([head(x.float().to(p.network.device)).cpu() for _, x in blocks(table.rows)])
        found.append(inception_score.score(logits, rng=p.rng("score")))
    return found[0], found[1]


def _parzen(p: Panel) -> Answer:
    samples, data = p.some_samples(parzen.SAMPLES), p.some_data(parzen.SAMPLES + parzen.HELD)
    return parzen.measure(samples, data, p.rng("parzen"), p.device), None


def _path(p: Panel) -> Answer:
    assert p.steps is not None  # see `chosen`
    return path.length(p.steps()), None


def _accuracy(p: Panel) -> dict[str, Answer]:
    assert p.told is not None  # see `chosen`
    samples, data = (torch.from_numpy(np.array(table.rows)) for table in (p.samples, p.data))
    order = torch.from_numpy(p.rng("accuracy").permutation(len(data)))
    found: dict[str, Answer] = {}
    for place, attribute in enumerate(p.told.vocabulary.attributes):
        if attribute.classes:
            asked, known = (torch.from_numpy(codes[:, place].copy()) for codes in (p.told.samples, p.told.data))
            k = len(attribute.classes)
            found[attribute.name] = accuracy.recognised(data[order], known[order], samples, asked, k)
    return found


@dataclass(frozen=True)
class Measure:
    """One measure: how it is computed, what its name is on FID's Inception, and how to read it.

    Attributes:
        compute: the function; it may answer by attribute.
        better: ``lower``, ``higher``, or ``as the data``.
        on_inception: its name with FID's own network; its name here and the network's in brackets otherwise.
        of_pixels: whether it looks at pixels and not at features.
        usual: whether it is measured unless asked otherwise.
    """

    compute: Callable[[Panel], Answer | dict[str, Answer]]
    better: str
    on_inception: str = ""
    of_pixels: bool = False
    usual: bool = True


MEASURES: dict[str, Measure] = {
    "frechet": Measure(_frechet, "lower", "fid"),
    "frechet_inf": Measure(_frechet_inf, "lower", "fid_inf"),
    "kernel": Measure(_kernel, "lower", "kid"),
    "precision": Measure(lambda p: (p.manifold.precision, None), "higher"),
    "recall": Measure(lambda p: (p.manifold.recall, None), "higher"),
    "density": Measure(lambda p: (p.manifold.density, None), "higher"),
    "coverage": Measure(lambda p: (p.manifold.coverage, None), "higher"),
    "sliced": Measure(_sliced, "lower"),
    "diversity": Measure(_diversity, "as the data"),
    "ms_ssim": Measure(_ms_ssim, "as the data", of_pixels=True),
    "sharpness": Measure(_sharpness, "as the data", of_pixels=True),
    "score": Measure(_score, "higher", "inception_score", usual=False),
    "parzen": Measure(_parzen, "higher", of_pixels=True, usual=False),
    "path": Measure(_path, "lower", usual=False),
    "accuracy": Measure(_accuracy, "as the data", usual=False),
}
ALIASES = {measure.on_inception: name for name, measure in MEASURES.items() if measure.on_inception}


def label(name: str, network: Network) -> str:
    """What a measure is called: ``fid`` on FID's own network and resizer, else ``frechet[NETWORK]``."""
    measure = MEASURES[name]
    if measure.of_pixels:
        return name
    if network.standard and measure.on_inception:
        return measure.on_inception if network.resizer == "legacy" else f"{measure.on_inception}[{network.resizer}]"
    return f"{name}[{network.name}]"


def chosen(
    asked: Iterable[str] | None, network: Network, generated: bool = False, conditional: bool = False
) -> list[str]:
    """The measures that were asked for, in the table's order; the usual ones if none were.

    Args:
        asked: names, those on Inception among them.
        network: whose features are measured.
        generated: whether there is a generator to ask, and not pictures alone.
        conditional: whether it can be asked for what the data's pictures are labelled with.

    Raises:
        BadConfig: an unknown one, FID asked of another network than Inception, or one that cannot be measured here.
    """
    if asked is None:
        more = {"score": network.standard, "accuracy": conditional}
        return [name for name, measure in MEASURES.items() if measure.usual or more.get(name)]
    wanted = {_known(name, network) for name in asked}
    if not wanted:
        raise BadConfig(f"--metrics needs at least one measure. There is: {', '.join(MEASURES)}.")
    if "score" in wanted and network.head is None:
        raise BadConfig(
            f"An inception score needs a network that names what it sees, and {network.name} names nothing: give "
            "--features inception=FILE, or leave score out of --metrics."
        )
    if "path" in wanted and not generated:
        raise BadConfig("A path length needs a run or a generator, not pictures: leave path out of --metrics.")
    if "accuracy" in wanted and not conditional:
        raise BadConfig(
            "An accuracy needs a generator that was trained with classes, and data with labels of them: leave accuracy "
            "out of --metrics."
        )
    return [name for name in MEASURES if name in wanted]


def _known(name: str, network: Network) -> str:
    if name in ALIASES and not network.standard:
        raise BadConfig(
            f"{name} is the name on Inception's standard weights alone: with {network.name} ask for {ALIASES[name]}, "
            "or give --features inception=FILE."
        )
    known = ALIASES.get(name, name)
    if known not in MEASURES:
        raise BadConfig(f"No measure is called {name!r}.{did_you_mean(name, MEASURES)}")
    return known
