"""Did a conditional generator draw what was asked for? A classifier that never saw G is the judge.

Source: the GAN-test of Shmelkov et al. 2018, arXiv:1807.09499, Sec. 3.1: a classifier trained on real pictures is tried
on samples. Its accuracy on real pictures is the mark to read it against.

Shape legend: n pictures, k classes.
"""

from __future__ import annotations

from torch import Tensor

from leafwing.core.errors import BadData
from leafwing.measure.bootstrap import Measured, mean


def accuracy(logits: Tensor, asked: Tensor) -> Measured:
    """Share of samples whose likeliest class is the one asked for.

    Args:
        logits: the classifier's, [n, k].
        asked: classes, whole numbers [n].

    Raises:
        BadData: unequal n, or no samples.
    """
    if logits.ndim != 2 or asked.shape != logits.shape[:1] or not len(asked):
        raise BadData(f"Accuracy needs logits [n, k] and classes [n]; got {list(logits.shape)}, {list(asked.shape)}.")
    return mean(logits.argmax(1).to(asked.device) == asked)
