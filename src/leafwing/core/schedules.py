"""What changes while a run goes on, as pure functions of rounds or images: nothing to save, resume is exact."""

from __future__ import annotations

import math


def burn_in(first: float, last: float, images: float, over: float) -> float:
    """From ``first`` to ``last`` along half a cosine, while the first ``over`` images are shown; then ``last``.

    Source: the burn-in of Huang et al. 2024, arXiv:2501.05441, for learning rates, Adam's beta2, gamma and the
    half-life of averages alike.
    """
    if images >= over:
        return last
    return first + (last - first) * (1 - math.cos(math.pi * images / over)) / 2


def fall(step: int, first: int, last: int) -> float:
    """The share that is left of what falls along a line: 1 up to round ``first``, 0 from round ``last`` on."""
    return min(1.0, max(0.0, (last - step) / max(1, last - first)))


def long_rounds(step: int, first: int, every: int) -> int:
    """How many rounds before ``step`` were long: the first ``first``, and those whose number ``every`` divides.

    Args:
        step: rounds played.
        first: long rounds at the start.
        every: 0 for none after those.

    Source: the rounds of 100 critic steps in the program of Arjovsky et al. 2017, with 25 and 500.
    """
    early = min(step, first)
    return early + (-(-step // every) - -(-early // every) if every else 0)
