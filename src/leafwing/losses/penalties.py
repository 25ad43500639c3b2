"""Penalties: functions of D and its inputs, to be added to D's loss."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from leafwing.core.types import Samples, Scalar


def score_and_slope(judge: Callable[[Tensor], Tensor], pictures: Samples) -> tuple[Tensor, Tensor]:
    """D's scores [n] and dD/dx of each sample, flattened to [n, d]; both differentiable, to be penalised themselves.

    D must not mix the samples of a batch (no BatchNorm), else the slope is not per sample.
    """
    pictures = pictures.detach().requires_grad_()
    with torch.enable_grad():
        scores = judge(pictures)
        (slope,) = torch.autograd.grad(scores.sum(), pictures, create_graph=True)
    return scores, slope.flatten(1)


def input_gradient(judge: Callable[[Tensor], Tensor], pictures: Samples) -> Tensor:
    """The slope alone, see `score_and_slope`."""
    return score_and_slope(judge, pictures)[1]


def zero_centred(judge: Callable[[Tensor], Tensor], pictures: Samples) -> Scalar:
    r"""Half the mean squared slope of D: R1 on reals, R2 on fakes; multiply by gamma.

    Computes $\frac12 E\|\nabla_x D(x)\|_2^2$.

    Source: Mescheder et al. 2018, arXiv:1801.04406, Eq. 9 and 10.
    """
    return input_gradient(judge, pictures).square().sum(dim=1).mean() / 2
