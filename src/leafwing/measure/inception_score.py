"""Inception score: are the pictures clear to a classifier, and of many kinds?

    IS = exp( E_x KL( p(y|x) || p(y) ) )

Source: Salimans et al. 2016, arXiv:1606.03498, Sec. 4. Only with Inception's own 1,008 outputs is it called so. It
never sees the data, and a generator that shows one clear picture of each class has the best score there is.

Shape legend: n pictures, k classes.
"""

from __future__ import annotations

import numpy as np
import torch

from leafwing.core.errors import BadData
from leafwing.measure.bootstrap import Measured
from leafwing.measure.rows import Rows, block, pick

SPLITS = 10
"""Parts of the pictures whose scores are averaged, as in the paper."""


def score(
    logits: Rows, splits: int = SPLITS, rng: np.random.Generator | None = None, device: torch.device | str = "cpu"
) -> Measured:
    """The mean score of the parts and their standard deviation.

    Args:
        logits: the classifier's outputs before softmax, [n, k].
        splits: parts; the score of fewer pictures is smaller, so equal n and splits are needed to compare.
        rng: shuffles first; None takes the pictures in order.
        device: where to compute, in float64.

    Raises:
        BadData: fewer pictures than two a part.
    """
    n = len(logits)
    if n < 2 * splits:
        raise BadData(f"An inception score in {splits} parts needs at least {2 * splits} pictures, and there are {n}.")
    order = np.arange(n) if rng is None else rng.permutation(n)
    scores = []
    for part in range(splits):
        chosen = order[part * n // splits : (part + 1) * n // splits]
        rows = pick(logits, chosen, device) if rng is not None else block(logits, chosen[0], chosen[-1] + 1, device)
        log_p = rows.log_softmax(1)
        p = log_p.exp()
        divergence = (p * (log_p - p.mean(0).log())).sum(1)
        scores.append(float(divergence.mean().exp()))
    return Measured(float(np.mean(scores)), float(np.std(scores)), f"over {splits} parts")
