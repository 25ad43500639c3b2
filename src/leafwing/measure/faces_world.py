"""Pictures against the truth of `world:faces`: how often each factor comes, which combinations, how many are broken.

The truth is known exactly, since the world is drawn by program. The factor network reads a little wrong, and n pictures
never hit the truth exactly, so beside each distance stands what n true faces, read by the same network, would get.

Shape legend: n pictures, k names of a factor.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leafwing.core.errors import BadData
from leafwing.measure import factors
from leafwing.measure.bootstrap import wilson
from leafwing.measure.factors import NAMES, NUMBERS, Reading
from leafwing.worlds import faces

BINS = 10
"""Factors that are numbers are counted in so many equal parts of their range."""

TRIES = 4000
"""Draws from the truth and from the pictures at hand, for spreads."""

Shares = NDArray[np.float64]
"""[k], sums to 1."""


@dataclass(frozen=True)
class Fit:
    """One factor against the truth.

    Attributes:
        distance: total variation, half the sum of absolute differences of the shares: 0 the same, 1 nothing in common.
        spread: its standard deviation over resamples of the pictures (bootstrap).
        true_mean: what as many true faces would get, read by the same network.
        true_high: 999 in 1,000 such sets of true faces stay below it.
        kl: sum of p log(p / q) of the pictures' shares p against the truth q, in nats.
        shares: of the pictures, by name; of numbers by part of the range, from its low end.
    """

    distance: float
    spread: float
    true_mean: float
    true_high: float
    kl: float
    shares: dict[str, float]

    @property
    def differs(self) -> bool:
        """Whether the pictures are farther from the truth than true faces would be, beyond chance."""
        return self.distance > self.true_high


@dataclass(frozen=True)
class Share:
    """A share of the pictures, 0 to 1, with its 95 % interval and what true faces get when read by the same network."""

    value: float
    low: float
    high: float
    of_true: float


@dataclass(frozen=True)
class AgainstTruth:
    """Everything that the truth says of n pictures.

    Attributes:
        count: pictures.
        factors: each factor's distance.
        pairs_seen: combinations of hair colour and eye colour (of the left eye, where the eyes are open) that came.
        pairs: how many there are: 132.
        pairs_expected: how many of them as many true faces would show.
        broken: share of broken faces.
        odd_eyes: share of faces with two eye colours, of those with open eyes.
    """

    count: int
    factors: dict[str, Fit]
    pairs_seen: int
    pairs: int
    pairs_expected: float
    broken: Share
    odd_eyes: Share

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        found = asdict(self)
        for name, fit in self.factors.items():
            found["factors"][name]["differs"] = fit.differs
        return found

    def text(self) -> str:
        """A table for people."""
        lines = [
            f"{self.count:,} pictures against the truth of world:faces",
            f"{'factor':<18}{'distance':>9}{'spread':>8}{'true faces':>12}{'KL':>8}  ",
        ]
        for name, fit in sorted(self.factors.items(), key=lambda item: item[1].true_mean - item[1].distance):
            verdict = "differs" if fit.differs else "as true faces"
            true = f"{fit.true_mean:.3f}<{fit.true_high:.3f}"
            lines.append(f"{name:<18}{fit.distance:>9.3f}{fit.spread:>8.3f}{true:>12}{fit.kl:>8.3f}  {verdict}")
        lines.append(
            f"hair x eye colours: {self.pairs_seen} of {self.pairs} (as many true faces show {self.pairs_expected:.1f})"
        )
        for title, share in (("broken faces", self.broken), ("two eye colours", self.odd_eyes)):
            lines.append(
                f"{title}: {share.value:.1%} [{share.low:.1%}, {share.high:.1%}] (true faces: {share.of_true:.1%})"
            )
        lines.append(
            "distance: total variation, 0 the same, 1 nothing in common; true faces: the mean of as many of them and "
            "what 999 in 1,000 such sets stay below."
        )
        return "\n".join(lines)


def against_truth(reading: Reading, seed: int = 0) -> AgainstTruth:
    """Pictures against the world they should come from.

    Args:
        reading: of at least 2 pictures, from :func:`leafwing.measure.factors.read`.
        seed: for the resamples.

    Raises:
        BadData: fewer than 2 pictures.
    """
    if len(reading) < 2:
        raise BadData(f"Against the truth needs at least 2 pictures; got {len(reading)}.")
    rng = np.random.default_rng(seed)
    card = factors.card()
    found = {name: _fit(reading, name, card["read_shares"][name], rng) for name in (*NAMES, *NUMBERS)}
    seen = reading.open_eyes()
    hair, eye = reading.indices("hair_colour")[seen].numpy(), reading.indices("left_eye")[seen].numpy()
    pairs = len(NAMES["hair_colour"]) * len(NAMES["left_eye"])
    expected = pairs * (1 - (1 - 1 / pairs) ** len(hair))  # hair and eyes are independent and each has equal shares
    odd = odd_eyes(reading)[seen.numpy()]
    return AgainstTruth(
        len(reading), found, len(np.unique(hair * len(NAMES["left_eye"]) + eye)), pairs, expected,
        _share(reading.is_broken().numpy(), card["broken"]["true_faces_called_broken"]),
        _share(odd, card["odd_eyes_read"]),
    )  # fmt: skip


def truth(factor: str) -> Shares:
    """The true share of each name of a factor, as the world draws it.

    Raises:
        KeyError: no such factor, or one that is a number.
    """
    if factor == "eyes":
        return np.array([1 - faces.CLOSED_EYES, faces.CLOSED_EYES])
    if factor == "glasses":
        return np.array([1 - faces.GLASSES, faces.GLASSES])
    return np.array(list(faces.shares(factor).values()))


def histogram(reading: Reading, factor: str) -> NDArray[np.int64]:
    """How many of the pictures have each name of a factor, or lie in each part of a number's range: [k]."""
    if factor in NAMES:
        seen = reading.open_eyes() if factor in ("left_eye", "right_eye") else slice(None)
        return np.bincount(reading.indices(factor)[seen].numpy(), minlength=len(NAMES[factor]))
    low, high = NUMBERS[factor]
    part = ((reading.numbers[factor].double().numpy() - low) / (high - low) * BINS).astype(int)
    return np.bincount(part.clip(0, BINS - 1), minlength=BINS)


def odd_eyes(reading: Reading) -> NDArray[np.bool_]:
    """Whether the two eyes differ in colour (heterochromia: a defect, or on purpose?): bool [n]; closed ones do not."""
    differ = reading.indices("left_eye") != reading.indices("right_eye")
    return (differ & reading.open_eyes()).numpy()


def total_variation(p: Shares, q: Shares) -> Shares:
    """Half the sum of absolute differences along the last axis: [..., k], [k] -> [...]."""
    apart: Shares = np.abs(p - q).sum(-1) / 2
    return apart


def places(factor: str) -> list[str]:
    """What the places of a factor's histogram are called."""
    if factor in NAMES:
        return list(NAMES[factor])
    edges = np.linspace(*NUMBERS[factor], BINS + 1)
    return [f"{a:g}..{b:g}" for a, b in pairwise(edges)]


def _fit(reading: Reading, factor: str, read: list[float], rng: np.random.Generator) -> Fit:
    """One factor. ``read`` are the shares that the network reads from very many true faces.

    For names the distance is to the truth itself; for numbers to what is read from true faces, since the network draws
    numbers that it is unsure of towards the middle.
    """
    counts, names = histogram(reading, factor), places(factor)
    n, typical = int(counts.sum()), np.array(read) / np.sum(read)
    goal = truth(factor) if factor in NAMES else typical
    if n == 0:  # no open eyes at all
        return Fit(1.0, 0.0, 0.0, 0.0, math.inf, dict.fromkeys(names, 0.0))
    p = counts / n
    from_true = total_variation(rng.multinomial(n, typical, TRIES) / n, goal)
    again = total_variation(rng.multinomial(n, p, TRIES) / n, goal)
    some = (p > 0) & (goal > 0)
    return Fit(
        float(total_variation(p, goal)),
        float(again.std(ddof=1)),
        float(from_true.mean()),
        float(np.quantile(from_true, 0.999)),
        float(np.sum(p[some] * np.log(p[some] / goal[some]))),
        {name: round(float(value), 5) for name, value in zip(names, p, strict=True)},
    )


def _share(hits: NDArray[np.bool_], of_true: float) -> Share:
    low, high = wilson(float(hits.mean()), len(hits)) if len(hits) else (0.0, 1.0)
    return Share(float(hits.mean()) if len(hits) else 0.0, low, high, of_true)
