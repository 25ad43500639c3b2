"""Is one number different from another, beyond noise? Means with their uncertainty, and Welch's test.

Shape legend: n values, m runs of one recipe.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

T95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13)
"""Student's t: what |t| exceeds with chance 5 %, for 1 to 15 degrees of freedom; 1.96 to 2.13 beyond."""
BATCHES = 5
"""Stretches that the end of a curve is cut into: their means are nearly independent, its rows are not."""


@dataclass(frozen=True)
class Value:
    """A number and how sure it is.

    Attributes:
        mean: the number.
        error: its standard error; ``nan`` if nothing is known of it.
        freedom: degrees of freedom behind the error; infinite for one that is known.
    """

    mean: float
    error: float = math.nan
    freedom: float = math.inf

    def __str__(self) -> str:
        known = math.isfinite(self.error)
        return f"{self.mean:.4g}" + (f" ± {self.error:.2g}" if known else "")


def t95(freedom: float) -> float:
    """Student's t for 95 %, rounded up to a table's whole degrees of freedom."""
    if freedom < 1:
        return math.inf
    if freedom <= len(T95):
        return T95[int(freedom) - 1]
    return 1.96 + 2.6 / freedom  # 2.13 at 15, 1.96 at infinity; within 0.01 between


def over_seeds(values: Sequence[float]) -> Value:
    """The mean of m runs and its standard error."""
    mean = sum(values) / len(values)
    if len(values) < 2:
        return Value(mean)
    spread = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))
    return Value(mean, spread / math.sqrt(len(values)), len(values) - 1)


def end_of(values: Sequence[float]) -> Value:
    """The mean of a curve's last fifth (at least 10 rows), its error from the means of :data:`BATCHES` parts of it.

    Batch means: Schmeiser 1982, "Batch size effects in the analysis of simulation output". This tells how steady one
    run is, not how another seed would end.
    """
    last = list(values[-max(2 * BATCHES, len(values) // 5) :])
    if len(values) < 4 * BATCHES:  # all of it, or nearly: the beginning is no part of the end
        last = last[-BATCHES:]
        return Value(sum(last) / len(last))
    size = len(last) // BATCHES
    return over_seeds([sum(last[i * size : (i + 1) * size]) / size for i in range(BATCHES)])


def differs(a: Value, b: Value) -> bool | None:
    """Whether two numbers differ beyond noise at 95 %; None where that cannot be known.

    Source: Welch 1947, with Satterthwaite's degrees of freedom.
    """
    if not (math.isfinite(a.error) and math.isfinite(b.error)):
        return None
    va, vb = a.error**2, b.error**2
    if va + vb == 0:
        return a.mean != b.mean
    freedom = (va + vb) ** 2 / (va**2 / a.freedom + vb**2 / b.freedom) if va / a.freedom + vb / b.freedom else math.inf
    return abs(a.mean - b.mean) > t95(freedom) * math.sqrt(va + vb)
