"""Losses and penalties against closed forms, at distinct logits, and where naive formulas break."""

from __future__ import annotations

import math

import pytest
import torch

from leafwing.losses import adversarial as a
from leafwing.losses.penalties import zero_centred
from leafwing.variants.gan import GAN

REAL, FAKE = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def mean(values) -> float:
    values = list(values)
    return sum(values) / len(values)


def test_logistic_is_binary_cross_entropy_with_real_1_and_generated_0():
    """R52, R53."""
    expected = mean(-math.log(sigmoid(x)) for x in REAL.tolist()) + mean(
        -math.log(1 - sigmoid(x)) for x in FAKE.tolist()
    )
    assert float(a.logistic_d(REAL, FAKE)) == pytest.approx(expected, rel=1e-6)
    smooth = mean(-0.9 * math.log(sigmoid(x)) - 0.1 * math.log(1 - sigmoid(x)) for x in REAL.tolist())
    assert float(a.cross_entropy(REAL, 0.9)) == pytest.approx(smooth, rel=1e-6)


def test_generator_losses():
    assert float(a.nonsaturating_g(FAKE)) == pytest.approx(mean(-math.log(sigmoid(x)) for x in FAKE.tolist()), rel=1e-6)
    assert float(a.minimax_g(FAKE)) == pytest.approx(mean(math.log(1 - sigmoid(x)) for x in FAKE.tolist()), rel=1e-6)
    assert float(a.score_g(FAKE)) == pytest.approx(-mean(FAKE.tolist()))


def test_regression_outputs_1_for_real_and_0_for_generated():
    """R54: LSGAN's loss."""
    expected = (mean((x - 1) ** 2 for x in REAL.tolist()) + mean(x**2 for x in FAKE.tolist())) / 2
    assert float(a.squares_d(REAL, FAKE)) == pytest.approx(expected)
    assert float(a.squares_g(FAKE)) == pytest.approx(mean((x - 1) ** 2 for x in FAKE.tolist()) / 2)


def test_two_class_softmax_is_the_logistic_loss_of_the_margin():
    """R53: a classifier into real and generated is the one-logit classifier of the difference of its outputs."""
    real, fake = torch.randn(5, 2), torch.randn(5, 2)
    assert torch.allclose(a.softmax_d(real, fake), a.logistic_d(a.margin(real), a.margin(fake)))
    assert torch.allclose(a.softmax_g(fake), a.nonsaturating_g(a.margin(fake)))


def test_hinge():
    assert float(a.hinge_d(REAL, FAKE)) == pytest.approx(mean([0.0, 2.0]) + mean([1.5, 0.0]))


def two(x):
    """Verdicts of two classes whose margin is x."""
    return torch.stack([-x / 2, x / 2], 1)


@pytest.mark.parametrize("loss", [lambda x: a.logistic_d(-x, x), a.nonsaturating_g, lambda x: a.hinge_d(-x, x),
                                  lambda x: a.softmax_d(two(-x), two(x)), lambda x: a.softmax_g(two(x)),
                                  lambda x: a.squares_d(-x, x), a.squares_g])  # fmt: skip
def test_a_badly_losing_player_still_has_a_slope(loss):
    """At logits of +-100 log(sigmoid + eps) would have none."""
    x = torch.tensor([-100.0, 100.0], requires_grad=True)
    loss(x).backward()
    assert x.grad.isfinite().all()
    assert float(x.grad.abs().max()) >= 0.49


@pytest.mark.parametrize("judge", ["classification", "softmax", "regression"])
@pytest.mark.parametrize("objective", ["fool", "minimax", "score"])
def test_signs_of_the_game(judge, objective):
    """D gains by raising reals and lowering fakes, G by raising fakes; catches swapped arguments."""
    variant = GAN(judge=judge, g_objective=objective)
    shape = (4, 2) if judge == "softmax" else (4,)
    real, fake = (torch.full(shape, 0.4, requires_grad=True) for _ in range(2))
    down = torch.autograd.grad(variant.d_loss(real, fake)["adversarial"], [real, fake])
    raised = [variant.score(x.detach() - 0.1 * slope).mean() - variant.score(x.detach()).mean() for x, slope in
              zip((real, fake), down, strict=True)]  # fmt: skip
    assert raised[0] > 0 > raised[1]
    (slope,) = torch.autograd.grad(variant.g_loss(fake)["adversarial"], fake)
    assert (variant.score(fake.detach() - 0.1 * slope) > variant.score(fake.detach())).all()


def test_r1_of_a_linear_and_of_a_quadratic_critic():
    """Mescheder et al. 2018, Eq. 9: half the mean squared slope; |w|^2 / 2, and 2 |x|^2 for D = |x|^2."""
    x, w = torch.randn(6, 3, 4, 4), torch.randn(3, 4, 4)
    linear = zero_centred(lambda pictures: (pictures * w).flatten(1).sum(1), x)
    assert torch.allclose(linear, w.square().sum() / 2)
    quadratic = zero_centred(lambda pictures: pictures.square().flatten(1).sum(1), x)
    assert torch.allclose(quadratic, 2 * x.square().flatten(1).sum(1).mean())


def test_r1_can_itself_be_descended():
    """The penalty's own gradient, checked numerically in float64."""
    w = torch.randn(5, dtype=torch.float64, requires_grad=True)
    x = torch.randn(3, 5, dtype=torch.float64)

    def penalty(w):
        return zero_centred(lambda p: torch.tanh(p @ w), x)

    assert torch.autograd.gradcheck(penalty, w)


def test_lazy_r1_weighs_the_rare_penalty_more():
    variant = GAN(r1_gamma=2.0, r1_every=4)
    from leafwing.game import Batch

    real = Batch(torch.randn(4, 3))
    terms = [variant.penalties(lambda p: p.sum(1), real, real, step) for step in range(8)]
    assert [bool(t) for t in terms] == [True, False, False, False] * 2
    assert float(terms[0]["r1"]) == pytest.approx(2.0 * 4 * 3 / 2)
