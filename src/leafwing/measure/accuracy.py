"""Did a conditional generator draw what was asked for? A classifier that never saw G is the judge.

Source: the GAN-test of Shmelkov et al. 2018, arXiv:1807.09499, Sec. 3.1: a classifier trained on real pictures is tried
on samples. Its accuracy on real pictures that it was not trained on is the mark to read it against. The
classifier of `leafwing evaluate` is linear on the features of the network that measures: Fisher's discriminant (Hastie
et al. 2009, The Elements of Statistical Learning, Sec. 4.3), which has a closed form.

Shape legend: n pictures, k classes, d features.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
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


def discriminant(features: Tensor, classes: Tensor, k: int, ridge: float = 1e-3) -> Callable[[Tensor], Tensor]:
    """Fisher's linear discriminant: a Gaussian a class, all with one covariance.

    Args:
        features: of real pictures, [n, d].
        classes: theirs, whole numbers below k, [n].
        k: classes; one without pictures is never chosen.
        ridge: added to the covariance's diagonal, as a share of its mean.

    Returns:
        features [m, d] -> logits [m, k], in float64: each class's log share and density, less what all have in common.
    """
    x, member = features.double(), torch.nn.functional.one_hot(classes.long(), k).double()
    sizes = member.sum(0)
    means = member.T @ x / sizes.clamp(min=1)[:, None]
    apart = x - means[classes.long()]
    pooled = apart.T @ apart / len(x)
    scale = pooled.diagonal().mean().clamp(min=torch.finfo(torch.float64).tiny)
    directions = torch.linalg.solve(pooled + ridge * scale * torch.eye(x.shape[1], dtype=x.dtype), means.T)
    offsets = (sizes / len(x)).log() - (means.T * directions).sum(0) / 2
    return lambda new: new.double() @ directions + offsets


def recognised(data: Tensor, of_data: Tensor, samples: Tensor, asked: Tensor, k: int) -> tuple[Measured, Measured]:
    """Whether samples are what was asked for, and real pictures what their labels say, by one classifier.

    Every second real picture teaches the classifier; the others are the mark.

    Args:
        data: features of real pictures [n, d], in an order that owes nothing to their classes.
        of_data: their classes [n]; NaN where not known.
        samples: features [m, d].
        asked: the classes asked for [m]; NaN where none was.
        k: classes.

    Returns:
        The accuracy on the samples, and on the real pictures held out.

    Raises:
        BadData: fewer than two classes are left to learn, or nothing to try them on.
    """
    known, told = of_data.isfinite(), asked.isfinite()
    data, of_data, samples, asked = data[known], of_data[known], samples[told], asked[told]
    if len(set(of_data[::2].tolist())) < 2 or not len(of_data[1::2]) or not len(asked):
        raise BadData(
            f"An accuracy needs labels of two classes; {len(of_data)} pictures and {len(asked)} samples have one."
        )
    classify = discriminant(data[::2], of_data[::2], k)
    return accuracy(classify(samples), asked), accuracy(classify(data[1::2]), of_data[1::2])
