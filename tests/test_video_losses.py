"""Losses of next frames in closed form and against second implementations (issue 6, item 4; R16, R21)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from leafwing.core.errors import BadConfig
from leafwing.game import Batch, judge
from leafwing.latents import Binary
from leafwing.losses import frames
from leafwing.networks.absent import Absent
from leafwing.networks.unet import FrameJudge
from leafwing.recipe import load_recipe
from leafwing.variants.supervised import Supervised
from leafwing.variants.video import Video


def pair(n: int = 6, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    drawn = torch.from_numpy(np.random.default_rng(seed).standard_normal((2, n, 3, 5, 4)))
    return drawn[0].requires_grad_(), drawn[1]


def test_lp_and_gradient_difference_by_hand():
    """B2: |.|^p, and the difference of the steepness across and down, to the power alpha; here as means."""
    fake, real = pair()
    assert float(frames.lp(fake, real, 2.0).detach()) == pytest.approx(float((fake - real).square().mean().detach()))
    assert float(frames.lp(fake, real, 1.0).detach()) == pytest.approx(float((fake - real).abs().mean().detach()))
    a, b = fake.detach().numpy(), real.numpy()
    for alpha in (1.0, 2.0):
        across = np.abs(np.abs(a[..., 1:] - a[..., :-1]) - np.abs(b[..., 1:] - b[..., :-1])) ** alpha
        down = np.abs(np.abs(a[..., 1:, :] - a[..., :-1, :]) - np.abs(b[..., 1:, :] - b[..., :-1, :])) ** alpha
        found = frames.gradient_difference(fake, real, alpha)
        assert float(found.detach()) == pytest.approx((across.mean() + down.mean()) / 2)
    assert float(frames.gradient_difference(fake + 3, fake, 2.0).detach()) == pytest.approx(0), "edges, not levels"
    assert torch.autograd.gradcheck(lambda x: frames.gradient_difference(x, real[:1], 2.0), fake[:1])


@pytest.mark.parametrize("many", [2, 3])
def test_energy_and_best_of_many_against_a_loop(many):
    fake, real = pair()
    real = real[::many].repeat_interleave(many, 0)
    a, b = fake.detach().numpy().reshape(6, -1), real.numpy().reshape(6, -1)
    near, apart, best = [], [], []
    for start in range(0, 6, many):
        group = range(start, start + many)
        root = np.sqrt(a.shape[1])
        distances = [np.linalg.norm(a[i] - b[i]) / root for i in group]
        near.append(np.mean(distances))
        best.append(min(distances))
        apart.append(np.mean([np.linalg.norm(a[i] - a[j]) / root for i in group for j in group if i != j]))
    assert float(frames.energy_score(fake, real, many).detach()) == pytest.approx(np.mean(near) - np.mean(apart) / 2)
    assert float(frames.best_of_many(fake, real, many).detach()) == pytest.approx(np.mean(best))
    assert torch.autograd.gradcheck(lambda x: frames.energy_score(x, real[:many], many), fake[:many])
    equal = torch.zeros(2, 3, 4, 4, requires_grad=True)
    frames.energy_score(equal, equal.detach(), 2).backward()
    assert equal.grad.isfinite().all()


def test_the_log_score_is_that_of_the_mixture_and_wants_the_true_odds():
    """Against a loop in plain numbers; with every z asked, no other odds than the true ones score better."""
    likelihood = torch.randn(6, dtype=torch.float64, requires_grad=True)
    told = likelihood.detach().numpy()
    by_hand = -np.mean([np.log(np.exp(told[i : i + 3]).mean()) for i in (0, 3)])
    assert float(frames.log_score(likelihood, 3).detach()) == pytest.approx(by_hand)
    assert torch.autograd.gradcheck(lambda x: frames.log_score(x, 3), likelihood)

    def score(lefts: int) -> float:
        """Of 8 answers so many go left for sure, nearly; truth goes left with odds 5/8."""
        sure = torch.tensor([1e-9, 1 - 1e-9]).log()
        goes = torch.tensor([1] * lefts + [0] * (8 - lefts))
        return float(5 / 8 * frames.log_score(sure[goes], 8) + 3 / 8 * frames.log_score(sure[1 - goes], 8))

    assert min(range(9), key=score) == 5


def test_z_is_read_back_by_d_and_both_learn_from_it():
    """Reconstruction of z: half the squared error of D's further outputs; D's score is its first."""
    z, past = torch.rand(4, 3), torch.randn(4, 6, 8, 8)
    real, fake = Batch(torch.randn(4, 3, 8, 8), past), Batch(torch.randn(4, 3, 8, 8, requires_grad=True), past, z=z)
    D, game = (
        FrameJudge(3, 2, outputs=4, width=4, levels=1, fold=2),
        Video(reading_weight=2, prior=Binary(3), penalty_every=2),
    )
    assert game.d_outputs == 4
    terms = game.g_terms(D, real, fake)
    verdicts = judge(D, fake)
    assert float(terms["reading"].detach()) == pytest.approx(
        float((verdicts[:, 1:] - z).square().sum(1).mean().detach()), rel=1e-4
    )
    (slope,) = torch.autograd.grad(terms["reading"], fake.pictures, retain_graph=True)
    assert (slope != 0).any()
    of_d, on_real, _ = game.d_terms(D, real, fake.detached(), 1)
    assert set(of_d) == {"adversarial", "reading"}
    assert torch.equal(game.score(on_real), on_real[:, 0])


def test_r21_the_energy_score_wants_the_true_odds_and_no_average():
    """Two futures, one of them twice as likely: the right mixture beats the average, each future alone, even odds."""
    left, right = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    rng = np.random.default_rng(0)

    def score(odds: float | None) -> float:
        n = 60_000
        truth = torch.from_numpy((rng.random(n) < 2 / 3).astype(np.float32)).view(-1, 1, 1, 1)
        real = (truth * left + (1 - truth) * right).repeat_interleave(2, 0)
        if odds is None:
            return float(frames.energy_score(torch.full_like(real, 1 / 3), real, 2))
        said = torch.from_numpy((rng.random(2 * n) < odds).astype(np.float32)).view(-1, 1, 1, 1)
        return float(frames.energy_score(said * left + (1 - said) * right, real, 2))

    true = score(2 / 3)
    assert true == pytest.approx(4 / 9 - 2 / 9, abs=0.01)
    for wrong in (None, 0.0, 1.0, 0.4, 0.9):
        assert score(wrong) > true + 0.01


def test_the_adversarial_gradient_reaches_every_number_of_g():
    """B2's first defect: the term must go back through D. And the other remedies are terms of their own."""
    fake, real = (x.float() for x in pair(4))
    past = torch.randn(4, 6, 8, 8)
    fake = torch.randn(4, 3, 8, 8, requires_grad=True)
    real = Batch(torch.randn(2, 3, 8, 8).repeat_interleave(2, 0), past)
    D = FrameJudge(3, 2, width=4, levels=1, fold=2)
    terms = Video(energy_weight=0).g_terms(D, real, Batch(fake, past))
    assert set(terms) == {"adversarial"}
    (slope,) = torch.autograd.grad(terms["adversarial"], fake)
    assert (slope != 0).float().mean() > 0.99
    every = Video(best_weight=1, lp_weight=1, gdl_weight=1).g_terms(D, real, Batch(fake, past))
    assert set(every) == {"adversarial", "energy", "best", "lp", "gradient_difference"}
    with pytest.raises(BadConfig, match="at least 2"):
        load_recipe("video-gan", ["variant.many=1"])


def test_d_is_told_by_the_frame_alone_what_the_past_cannot_tell():
    """Whatever D says of a past, it says of both sides: the relativistic loss does not move."""
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.5])
    of_the_past = torch.tensor([40.0, -7.0])
    game = Video()
    assert torch.allclose(
        game.d_loss(real, fake)["adversarial"], game.d_loss(real + of_the_past, fake + of_the_past)["adversarial"]
    )
    assert float(game.d_loss(real, fake)["adversarial"]) < float(game.d_loss(fake, real)["adversarial"])
    assert float(game.g_loss(real, fake)["adversarial"]) < float(game.g_loss(fake, real)["adversarial"])


def test_penalties_are_lazy_and_on_both_sides():
    D, past = FrameJudge(3, 2, width=4, levels=1, fold=2), torch.randn(2, 6, 8, 8)
    real, fake = (Batch(torch.randn(2, 3, 8, 8), past) for _ in range(2))
    game = Video(gamma=0.5, penalty_every=3)
    terms = [game.d_terms(D, real, fake, step)[0] for step in range(4)]
    assert ["r1" in t for t in terms] == ["r2" in t for t in terms] == [True, False, False, True]
    x = fake.pictures.clone().requires_grad_()
    (slope,) = torch.autograd.grad(judge(D, Batch(x, past)).sum(), x)
    by_hand = 3 * 0.5 * slope.flatten(1).square().sum(1).mean() / 2
    assert float(terms[0]["r2"].detach()) == pytest.approx(float(by_hand), rel=1e-4)


def test_the_supervised_g_listens_to_nobody():
    fake, real = pair(4)
    D = Absent()
    terms = Supervised(p=1.0, lp_weight=2, gdl_weight=0).g_terms(D, Batch(real), Batch(fake))
    assert {name: float(t.detach()) for name, t in terms.items()} == {
        "lp": pytest.approx(2 * float((fake - real).abs().mean().detach()))
    }
    assert D(real, None).shape == (4,)
    assert Absent(3)(real).shape == (4, 3)
