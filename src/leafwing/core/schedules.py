"""What changes while a run goes on, as pure functions of the real images shown: nothing to save, resume is exact."""

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
