"""Adversarial losses. Pure functions of D's output: no networks, no state, no ``backward``.

Everywhere: higher output means "looks more real", and every function returns a scalar to MINIMISE.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from leafwing.core.types import Logits, Scalar, Verdicts


def logistic_d(real: Logits, fake: Logits, real_label: float = 1.0, fake_label: float = 0.0) -> Scalar:
    r"""Binary cross-entropy: D says 1 to reals and 0 to fakes.

    Computes $-\log\sigma(D(x)) - \log(1-\sigma(D(G(z))))$ for the labels 1 and 0, each averaged over its batch.
    Softened labels (0.9 for real) are the one-sided smoothing of Salimans et al. 2016, Sec. 3.4.

    Source: Goodfellow et al. 2014, arXiv:1406.2661, Eq. 1.
    """
    return cross_entropy(real, real_label) + cross_entropy(fake, fake_label)


def cross_entropy(logits: Logits, label: float) -> Scalar:
    """``-t log s(a) - (1 - t) log(1 - s(a))`` for one label t; by softplus, so that +-100 keeps its slope."""
    return (label * F.softplus(-logits) + (1 - label) * F.softplus(logits)).mean()


def nonsaturating_g(fake: Logits, real_label: float = 1.0) -> Scalar:
    r"""$-\log\sigma(D(G(z)))$: G wants its fakes labelled real. Source: Goodfellow et al. 2014, Sec. 3."""
    return cross_entropy(fake, real_label)


def minimax_g(fake: Logits, fake_label: float = 0.0) -> Scalar:
    r"""$\log(1-\sigma(D(G(z))))$: G works against D's own loss. Source: Goodfellow et al. 2014, Eq. 1.

    Its slope vanishes where D is sure, which is why the non-saturating form is the default.
    """
    return -cross_entropy(fake, fake_label)


def softmax_d(real: Verdicts, fake: Verdicts) -> Scalar:
    """Two-class classification: class 0 is "real", class 1 is "generated"; cross-entropy of both batches.

    Shape: real, fake: [n, 2] -> []
    """
    return two_class(real, 0) + two_class(fake, 1)


def softmax_g(fake: Verdicts) -> Scalar:
    """G wants its fakes put into class 0, "real". Shape: [n, 2] -> []."""
    return two_class(fake, 0)


def two_class(verdicts: Verdicts, label: int) -> Scalar:
    """Cross-entropy against one class for the whole batch."""
    classes = verdicts.new_full((len(verdicts),), label).long()
    return F.cross_entropy(verdicts, classes)


def squares_d(real: Logits, fake: Logits, real_label: float = 1.0, fake_label: float = 0.0) -> Scalar:
    r"""Regression: output 1 for reals and 0 for fakes, $\frac12 E(D(x)-b)^2 + \frac12 E(D(G(z))-a)^2$.

    Source: Mao et al. 2017, arXiv:1611.04076, Eq. 2 with b = 1, a = 0.
    """
    return ((real - real_label).square().mean() + (fake - fake_label).square().mean()) / 2


def squares_g(fake: Logits, real_label: float = 1.0) -> Scalar:
    r"""$\frac12 E(D(G(z))-c)^2$ with c = 1. Source: Mao et al. 2017, Eq. 2."""
    return (fake - real_label).square().mean() / 2


def score_g(fake: Logits) -> Scalar:
    """Minus D's score: descending it is climbing D. The lecture's own loss for G; also WGAN's."""
    return -fake.mean()


def wasserstein_d(real: Logits, fake: Logits) -> Scalar:
    r"""The critic puts reals high and fakes low, without end: $E D(G(z)) - E D(x)$; its slope has to be held elsewhere.

    Minus this is the critic's estimate of the distance between the two distributions, up to its slope.

    Source: Arjovsky et al. 2017, arXiv:1701.07875, Eq. 2 and Alg. 1, with the sign of something to minimise.
    """
    return fake.mean() - real.mean()


def hinge_d(real: Logits, fake: Logits) -> Scalar:
    """Push reals above 1 and fakes below -1, then let go. Source: Miyato et al. 2018, arXiv:1802.05957, Eq. 16."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def relativistic_d(real: Logits, fake: Logits) -> Scalar:
    r"""Each real should look more real than the fake beside it: $-\log\sigma(D(x_i) - D(G(z_i)))$, averaged over pairs.

    Source: Jolicoeur-Martineau 2018, arXiv:1807.00734 (RpGAN); as in Huang et al. 2024, arXiv:2501.05441, Sec. 2.
    """
    return F.softplus(fake - real).mean()


def relativistic_g(fake: Logits, real: Logits) -> Scalar:
    r"""Each fake should look more real than the real beside it: $-\log\sigma(D(G(z_i)) - D(x_i))$, averaged over pairs.

    The same loss with the parts exchanged, which is its non-saturating form. Source: as `relativistic_d`.
    """
    return F.softplus(real - fake).mean()


def margin(verdicts: Tensor) -> Tensor:
    """[n, 2] class outputs as one score [n]: the log odds of class 0, "real"."""
    return verdicts[:, 0] - verdicts[:, 1]
