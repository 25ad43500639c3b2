"""Penalties: functions of D and its inputs, to be added to D's loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from leafwing.core.types import Samples, Scalar

Judge = Callable[[Tensor], Tensor]
"""Samples [n, ...] -> D's scores [n]."""


def score_and_slope(judge: Judge, pictures: Samples) -> tuple[Tensor, Tensor]:
    """D's scores [n] and dD/dx of each sample, flattened to [n, d]; both differentiable, to be penalised themselves.

    D must not mix the samples of a batch (no BatchNorm), else the slope is not per sample.
    """
    pictures = pictures.detach().requires_grad_()
    with torch.enable_grad():
        scores = judge(pictures)
        (slope,) = torch.autograd.grad(scores.sum(), pictures, create_graph=True)
    return scores, slope.flatten(1)


def input_gradient(judge: Judge, pictures: Samples) -> Tensor:
    """The slope alone, see `score_and_slope`."""
    return score_and_slope(judge, pictures)[1]


def zero_centred(judge: Judge, pictures: Samples) -> Scalar:
    r"""Half the mean squared slope of D: R1 on reals, R2 on fakes; multiply by gamma.

    Computes $\frac12 E\|\nabla_x D(x)\|_2^2$.

    Source: Mescheder et al. 2018, arXiv:1801.04406, Eq. 9 and 10.
    """
    return input_gradient(judge, pictures).square().sum(dim=1).mean() / 2


def one_centred(judge: Judge, pictures: Samples) -> Scalar:
    r"""How far D's slope is from 1, squared; multiply by lambda.

    Computes $E(\|\nabla_x D(x)\|_2 - 1)^2$. At a slope of exactly 0 its own gradient is taken as 0.

    Source: Gulrajani et al. 2017, arXiv:1704.00028, Eq. 3, the last term.
    """
    steepness: Tensor = torch.linalg.vector_norm(input_gradient(judge, pictures), dim=1)
    return (steepness - 1).square().mean()


def drift(real: Tensor) -> Scalar:
    r"""The mean squared score of reals, for a critic whose scores have no zero of their own; multiply by epsilon.

    Computes $E\,D(x)^2$.

    Source: Karras et al. 2018, arXiv:1710.10196, Appendix A.1, with a weight of 0.001.
    """
    return real.square().mean()


def between(real: Samples, fake: Samples) -> Samples:
    r"""A point on the line from each real to the fake beside it, evenly drawn: $\epsilon x + (1-\epsilon)\tilde x$.

    Drawn from torch's own generator, which is set anew before every round: a pure function of seed and step.

    Source: Gulrajani et al. 2017, Alg. 1, lines 4 to 6: one $\epsilon \sim U[0, 1]$ a pair.
    """
    share = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device, dtype=real.dtype)
    return share * real + (1 - share) * fake


def around(real: Samples, spread: float) -> Samples:
    r"""Reals with noise, somewhere on the way: $x + \alpha\,c\,s\,u$ with $\alpha, u \sim U[0, 1]$.

    Drawn as in `between`; $\alpha$ one a picture, u one a number; s is the deviation over all numbers of the batch.

    Args:
        real: [n, ...].
        spread: c, 0.5 in the authors' program.

    Source: Kodali et al. 2017, arXiv:1705.07215, Sec. 2.3, with the noise of the authors' program.
    """
    noise = spread * real.std() * torch.rand_like(real)
    return real + torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device, dtype=real.dtype) * noise


def path_lengths(pictures: Samples, styles: Tensor, directions: Samples) -> Tensor:
    r"""How far a step in w moves a picture, in directions drawn at random: $\|J_w^T y\|_2$, one a picture.

    With a style for each of l layers it is the root of the mean over these. Can be differentiated, to be penalised.

    Args:
        pictures: G(w), [n, c, h, w], with the graph to the styles.
        styles: w, [n, l, w].
        directions: y, [n, c, h, w]; normal, over the root of the picture's pixels.

    Source: Karras et al. 2020, arXiv:1912.04958, Sec. 3.2.
    """
    (slope,) = torch.autograd.grad((pictures * directions).sum(), styles, create_graph=True)
    return slope.square().sum(dim=2).mean(dim=1).sqrt()


def path_length(lengths: Tensor, usual: Tensor) -> Scalar:
    r"""How unlike the usual one the lengths are: $E(\|J_w^T y\|_2 - a)^2$, with a their running mean.

    Source: Karras et al. 2020, arXiv:1912.04958, Eq. 4.
    """
    return (lengths - usual).square().mean()


class R1:
    """The penalty on D's slope at reals as variants offer it: taken every k-th round, k times as heavy.

    Source: Mescheder et al. 2018, Eq. 9; every k-th round: Karras et al. 2020, arXiv:1912.04958, Appendix B.

    Args:
        gamma: its weight; 0 for none.
        every: k.
    """

    def __init__(self, gamma: float, every: int = 1) -> None:
        self.gamma, self.every = gamma, every

    def due(self, step: int) -> bool:
        """Whether this round has it."""
        return self.gamma > 0 and step % self.every == 0

    def terms(self, judge: Judge, real: Samples, step: int) -> dict[str, Scalar]:
        """``{"r1": ...}``, or nothing where it is not due."""
        return {"r1": self.gamma * self.every * zero_centred(judge, real)} if self.due(step) else {}


def orthogonal(weights: Iterable[Tensor]) -> Scalar:
    r"""How far the filters of each weight are from standing at right angles, whatever their lengths; for G.

    Computes $\sum_W \sum_{i \ne j} (w_i \cdot w_j)^2$, the filters $w_i$ being the rows of W [out, everything else].

    Source: Brock et al. 2019, arXiv:1809.11096, Eq. 3. Their later PyTorch program takes half of it.
    """
    return torch.stack([off_diagonal(weight.flatten(1)) for weight in weights]).sum()


def off_diagonal(matrix: Tensor) -> Scalar:
    """The sum of the squared inner products of different rows of a matrix [a, b].

    All of them are those of the columns as well; the smaller product is made, and the squared diagonal taken away.
    """
    products = matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix
    return products.square().sum() - matrix.square().sum(1).square().sum()
