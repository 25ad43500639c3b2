"""When do you need a generator at all? When the same input has several right answers (R23).

A diagnostic on pairs (input, output): how much of the outputs' spread do nearest inputs leave open, and do the outputs
of nearest inputs fall into separate groups? A plain network trained on the squared error answers with the mean of the
groups, which is none of them; a generator answers with one.

Shape legend: n pairs, p numbers of an input, q numbers of an output, k nearest inputs, m places looked at.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from leafwing.core import randomness
from leafwing.core.errors import BadData
from leafwing.measure.bootstrap import wilson

Floats: TypeAlias = NDArray[np.float64]
Verdict: TypeAlias = Literal["one", "several", "unclear"]

LEAST = 60
"""Pairs below which nothing can be said."""
K = 20
"""Inputs in a neighbourhood."""
PLACES = 400
"""Neighbourhoods looked at, at most."""
NUMBERS = 50_000_000
"""Numbers of the inputs looked at, at most (but 1,000 pairs): of more, a random part of the pairs is taken."""
SMALLEST = 0.15
"""A group holds at least this share of a neighbourhood; fewer are outliers."""
LEVEL = 0.01
"""Chance that a neighbourhood of one broad group is taken for two."""
FEW, MANY, LITTLE = 0.03, 0.3, 0.1
"""Share of inputs with several answers: above FEW for sure is "several", below MANY for sure is "one"; and so is no
sure sign of groups where nearest inputs leave less than LITTLE of the variance open."""
TOLD = 0.45
"""Groups of which so much is told by the input belong to a step or an edge, not to ambiguity (0 chance, 1 all)."""


@dataclass(frozen=True)
class Ambiguity:
    """What was found.

    Attributes:
        verdict: ``"one"`` right answer, ``"several"``, or ``"unclear"``.
        open: share of the outputs' variance that the nearest input leaves open, 0 a function to 1 no relation.
        several: share of places whose nearest inputs have outputs in two or more groups.
        several_low: lower end of its 95 % interval.
        several_high: upper end.
        told: how well the input tells the groups apart, 0 by chance to 1; high at steps of a function.
        groups_apart: distance between the groups over their own spread, median over places with groups; 0 for none.
        repeated: share of pairs whose input occurs again exactly.
        n: pairs.
        k: inputs in a neighbourhood.
    """

    verdict: Verdict
    open: float
    several: float
    several_low: float
    several_high: float
    told: float
    groups_apart: float
    repeated: float
    n: int
    k: int

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self) | {"sentence": self.sentence()}

    def sentence(self) -> str:
        """The verdict with its numbers."""
        share = f"{self.several:.0%} of inputs (95 % interval {self.several_low:.0%} to {self.several_high:.0%})"
        left = f"the nearest input leaves {self.open:.0%} of the outputs' variance open"
        seen = f"{self.n:,} pairs, {self.k} nearest inputs"
        if self.verdict == "several":
            return f"Several right answers at {share}, and {left}: use a generator ({seen})."
        if self.verdict == "one" and self.open > 0.5:
            return (
                f"One right answer with much noise, or inputs that say little: groups at {share}, but {left}; "
                f"a plain network predicts the mean, a generator the spread ({seen})."
            )
        if self.verdict == "one":
            steps = " (the input tells which, as at a step)" if self.several_low > FEW else ""
            return f"One right answer: groups at {share}{steps}, {left}: a plain network will do ({seen})."
        return f"Unclear: groups at {share}, {left}: look at the data or give more pairs ({seen})."


def ambiguity(inputs: NDArray[Any], outputs: NDArray[Any], seed: int = 0) -> Ambiguity:
    """One right answer or several?

    Args:
        inputs: [n, ...]; pictures, vectors, numbers. Columns are scaled to equal spread.
        outputs: [n, ...]; whole numbers in one column are read as classes.
        seed: which places are looked at, and how equal distances are ordered.

    Returns:
        The verdict and its numbers; the interval counts places that share pairs as one (n / k of them).

    Raises:
        BadData: fewer than 60 pairs, different lengths, values that are not numbers, or all outputs equal.
    """
    inputs, outputs = some_pairs(np.asarray(inputs), np.asarray(outputs), seed)
    x, y = flat(inputs, "inputs"), flat(outputs, "outputs")
    n = len(x)
    y = as_classes(outputs) if is_classes(outputs) else y
    x, y = scaled(x), y - y.mean(0)
    spread = float(2 * y.var(0).sum())  # of two outputs drawn at random: E|y - y'|^2
    if spread == 0:
        raise BadData("All outputs are equal: there is nothing to predict.")
    rng, k = randomness.stream(seed, 0, "ambiguity"), min(K, n // 5)
    places = rng.permutation(n)[:PLACES]
    near = [nearest(x, place, k, rng) for place in places]
    left_open = float(np.mean([np.square(y[around[0]] - y[around[1]]).sum() for around in near]))
    bound = broadest(k)
    splits = [split(y[around]) for around in near]
    grouped = [(around, s) for around, s in zip(near, splits, strict=True) if s.explained > bound]
    several = len(grouped) / len(places)
    low, high = wilson(several, max(1.0, min(len(places), n / k)))
    told = float(np.mean([told_by(x[around], s.side) for around, s in grouped])) if grouped else 0.0
    _, occurs = np.unique(x, axis=0, return_counts=True)
    return Ambiguity(
        verdict(low, high, told, left_open / spread),
        min(left_open / spread, 1.0),
        several,
        low,
        high,
        told,
        float(np.median([s.apart for _, s in grouped])) if grouped else 0.0,
        float(occurs[occurs > 1].sum() / n),
        n,
        k,
    )


def verdict(low: float, high: float, told: float, left_open: float) -> Verdict:
    """From the share of places with groups (its interval), how the input tells these apart, and what it leaves open."""
    if low > FEW and told < TOLD:  # told: a function that jumps, whose answer is known on either side
        return "several"
    return "one" if low > FEW or high < MANY or left_open < LITTLE else "unclear"


def read_pairs(path: Path, inputs: str = "inputs", outputs: str = "outputs") -> tuple[NDArray[Any], NDArray[Any]]:
    """Two arrays of an .npz file, one row a pair.

    Raises:
        BadData: no such file, no .npz, no arrays of these names, or arrays of objects.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise ValueError("it holds a single array")
        with loaded as file:
            lacking = [name for name in (inputs, outputs) if name not in file.files]
            if lacking:
                there = ", ".join(file.files) or "nothing"
                raise BadData(
                    f"{path} holds no array {lacking[0]!r}, but {there}: name them by --inputs and --outputs."
                )
            return file[inputs], file[outputs]
    except FileNotFoundError:
        raise BadData(f"{path} does not exist: give an .npz file with two arrays, inputs and outputs.") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        # numpy advises to unpickle, which is unsafe
        reason = "" if "pickle" in str(error) else f" ({' '.join(str(error).split())[:150]})"
        raise BadData(
            f"{path} cannot be read as an .npz file of numbers{reason}: save two arrays by np.savez."
        ) from None


def some_pairs(inputs: NDArray[Any], outputs: NDArray[Any], seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The pairs, or a random part where there are very many numbers."""
    for values, what in ((inputs, "inputs"), (outputs, "outputs")):
        numbers = np.issubdtype(values.dtype, np.number) or values.dtype == bool
        if values.ndim < 1 or values.size == 0 or not numbers:
            raise BadData(f"The {what} are {values.dtype} of shape {list(values.shape)}: give numbers, one row a pair.")
    n = len(inputs)
    if n != len(outputs):
        raise BadData(f"There are {n} inputs but {len(outputs)} outputs: each input needs its own.")
    if n < LEAST:
        raise BadData(f"{n} pairs are too few to tell one right answer from several: give at least {LEAST}.")
    most = max(1000, NUMBERS * n // inputs.size)
    if n <= most:
        return inputs, outputs
    which = np.sort(randomness.stream(seed, 0, "ambiguity/pairs").permutation(n)[:most])
    return inputs[which], outputs[which]


def flat(values: NDArray[Any], what: str) -> Floats:
    """[n, ...] -> [n, d] of finite numbers."""
    table = np.asarray(values)
    rows = table.reshape(len(table), -1).astype(np.float64)
    if not np.isfinite(rows).all():
        raise BadData(f"Some of the {what} are not numbers (NaN or infinite): leave these pairs out.")
    return rows


def is_classes(outputs: NDArray[Any]) -> bool:
    """Whether outputs are names of a few classes rather than amounts: one column of whole numbers, at most 100."""
    table = np.asarray(outputs)
    one = table.size == len(table) and (np.issubdtype(table.dtype, np.integer) or table.dtype == bool)
    return one and len(np.unique(table)) <= min(100, len(table) // 10)


def as_classes(outputs: NDArray[Any]) -> Floats:
    """Classes [n] as one-hot rows [n, classes]."""
    _, which = np.unique(np.asarray(outputs).reshape(-1), return_inverse=True)
    return np.eye(int(which.max()) + 1)[which]


def scaled(x: Floats) -> Floats:
    """Columns of spread 1; those that never change say nothing and go."""
    spread = x.std(0)
    kept = spread > 1e-12 * (1 + np.abs(x).max(0))
    return (x[:, kept] - x[:, kept].mean(0)) / spread[kept] if kept.any() else np.zeros((len(x), 1))


def nearest(x: Floats, place: int, k: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The place itself and its k - 1 nearest inputs, nearest first; of equal distances, a random choice."""
    apart = np.square(x - x[place]).sum(1)
    apart[place] = -1.0
    candidates = np.flatnonzero(apart <= np.partition(apart, k - 1)[k - 1])
    order = np.lexsort((rng.random(len(candidates)), apart[candidates]))
    return candidates[order[:k]]


@dataclass(frozen=True)
class Split:
    """A neighbourhood's outputs in two groups.

    Attributes:
        explained: share of the variance, along its main direction, that lies between the groups.
        side: which group each belongs to [k].
        apart: distance between the groups' means over their mean standard deviation.
    """

    explained: float
    side: NDArray[np.bool_]
    apart: float


def split(y: Floats) -> Split:
    """The best cut of outputs [k, q] along their main direction into two groups, neither of them a few outliers."""
    moved = y - y.mean(0)
    along = main_direction(moved)
    order = np.argsort(along, kind="stable")
    sorted_, total = along[order], float(np.square(along).sum())
    if total <= 1e-24:
        return Split(0.0, np.zeros(len(y), dtype=bool), 0.0)
    least = max(2, math.ceil(SMALLEST * len(y)))
    sizes = np.arange(least, len(y) - least + 1)
    sums = np.cumsum(sorted_)[sizes - 1]
    between = sums**2 / sizes + sums**2 / (len(y) - sizes)  # the mean is 0
    best = int(np.argmax(between))
    side = np.zeros(len(y), dtype=bool)
    side[order[sizes[best] :]] = True
    inside = math.sqrt(max(total - between[best], 0.0) / len(y))
    gap = float(along[side].mean() - along[~side].mean())
    return Split(float(between[best] / total), side, min(gap / max(inside, 1e-12), 1e6))


def main_direction(moved: Floats) -> Floats:
    """Positions [k] of centred rows [k, q] along their direction of largest variance; by the smaller of k and q."""
    k, q = moved.shape
    if q == 1:
        return moved[:, 0]
    values, vectors = np.linalg.eigh(moved.T @ moved if q <= k else moved @ moved.T)
    along: Floats = moved @ vectors[:, -1] if q <= k else vectors[:, -1] * math.sqrt(max(values[-1], 0.0))
    return along


def broadest(k: int, trials: int = 2000) -> float:
    """What :func:`split` explains of k draws from one broad group, exceeded with chance :data:`LEVEL`.

    The uniform distribution is the broadest with a single mode (the same choice as in Hartigan and Hartigan 1985, "The
    dip test of unimodality"): a bell explains less.
    """
    draws = randomness.stream(0, 0, "broadest").random((trials, k, 1))
    return float(np.quantile([split(some).explained for some in draws], 1 - LEVEL))


def told_by(x: Floats, side: NDArray[np.bool_]) -> float:
    """How well the nearest other input tells the group: 0 no better than the larger group's share, 1 always."""
    apart = np.square(x[:, None] - x).sum(2)
    np.fill_diagonal(apart, np.inf)
    ties = apart == apart.min(1, keepdims=True)  # equal inputs: each counts by its share
    right = float(((side[:, None] == side) & ties).sum(1).astype(float) @ (1 / ties.sum(1))) / len(x)
    chance = float(max(side.mean(), 1 - side.mean()))
    return max(0.0, (right - chance) / (1 - chance))
