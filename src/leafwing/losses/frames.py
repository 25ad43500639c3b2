"""How far drawn frames are from those that followed. Pure functions, each a scalar to MINIMISE.

Shape legend: n frames, c channels, h height, w width, k answers to each question, q = n / k questions.
"""

from __future__ import annotations

import math

from torch import Tensor

from leafwing.core.types import Scalar

TINY = 1e-12
"""Keeps the square root's slope finite where two frames are equal."""


def lp(fake: Tensor, real: Tensor, p: float) -> Scalar:
    r"""$E|\tilde x - x|^p$ over all numbers. Source: Mathieu et al. 2015, arXiv:1511.05440, Sec. 2.1; there a sum."""
    apart = (fake - real).abs()
    return (apart if p == 1 else apart**p).mean()


def gradient_difference(fake: Tensor, real: Tensor, alpha: float) -> Scalar:
    r"""$E\,\big||\partial\tilde x| - |\partial x|\big|^\alpha$ across and down: edges as steep as the true ones.

    Source: Mathieu et al. 2015, Sec. 3.3 (gradient difference loss); there a sum.

    Shape: fake, real: [n, c, h, w] -> []
    """
    across, down = ((abs(fake.diff(dim=d).abs() - real.diff(dim=d).abs())) ** alpha for d in (3, 2))
    return (across.mean() + down.mean()) / 2


def best_of_many(fake: Tensor, real: Tensor, many: int) -> Scalar:
    r"""$E\min_j \|\tilde x_j - x\|_2 / \sqrt d$ over k answers to the same question: one of them has to be near.

    Source of the idea: Bhattacharyya et al. 2018, arXiv:1806.07772; here with the distance of whole frames.

    Args:
        fake: answers, k in a row to each question.
        real: what followed, as often.
        many: k.

    Shape: [n, c, h, w], [n, c, h, w] -> []
    """
    return distances(fake, real).view(-1, many).amin(1).mean()


def energy_score(fake: Tensor, real: Tensor, many: int) -> Scalar:
    r"""$E\|\tilde x_j - x\|_2/\sqrt d - \tfrac12 E\|\tilde x_i - \tilde x_j\|_2/\sqrt d$: near the truth, far apart.

    Smallest, over all distributions of answers, for the true one alone: with the half, going apart is worth as much as
    it costs where the future is open, and worth nothing where it is not. The mean over i and j leaves out i = j.

    Source: Gneiting & Raftery 2007, "Strictly proper scoring rules, prediction, and estimation", the energy score.

    Args:
        fake: answers, k in a row to each question, k at least 2.
        real: what followed, as often.
        many: k.

    Shape: [n, c, h, w], [n, c, h, w] -> []
    """
    answers = fake.flatten(1).view(-1, many, fake[0].numel())
    apart = fake.new_zeros(())
    for shift in range(1, many):
        apart = apart + distances(answers, answers.roll(shift, 1), start=2).mean() / (many - 1)
    return distances(fake, real).mean() - apart / 2


def log_score(likelihood: Tensor, many: int) -> Scalar:
    r"""$-E\log\frac1k\sum_j p(x|z_j)$ over k answers to the same question: best of many, softly, and in likelihood.

    The answer that is nearest already learns most. Smallest, with many answers, where they are distributed as the
    futures are; with few, rare futures come somewhat too often.

    Source: Burda et al. 2016, arXiv:1509.00519, Sec. 3, with the prior in place of a recognition network; for several
    futures Bhattacharyya et al. 2018, arXiv:1806.07772.

    Args:
        likelihood: $\log p(x|z_j)$, k in a row to each question.
        many: k.

    Shape: [n] -> []
    """
    return math.log(many) - likelihood.view(-1, many).logsumexp(1).mean()


def distances(some: Tensor, others: Tensor, start: int = 1) -> Tensor:
    """Euclidean distance over the axes from ``start`` on, over the root of how many numbers there are."""
    return ((some - others).flatten(start).square().mean(-1) + TINY).sqrt()
