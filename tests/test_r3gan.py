"""R3GAN: the published sizes, the loss and its sides, the schedules, and that it learns."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from conftest import small_reals
from torch import nn
from torch.nn import functional as F

from leafwing import latents
from leafwing.core.schedules import burn_in
from leafwing.game import Batch, Players, play_round
from leafwing.losses import adversarial
from leafwing.networks import discriminators, generators
from leafwing.networks.r3gan import Resample, Residual
from leafwing.optimizers import OptimizerSettings
from leafwing.recipe import load_recipe
from leafwing.training import Training
from leafwing.variants.r3gan import R3GAN
from leafwing.watch.average import Average

PUBLISHED = {  # image size, condition length, settings -> parameters of G and D, counted on the authors' networks
    "FFHQ-64": (64, 0, {"width": 768}, 22_429_824, 22_381_440),
    "FFHQ-256": (256, 0, {"width": 768}, 23_057_952, 23_009_568),
    "CIFAR-10": (32, 0, {"width": 768}, 20_732_160, 20_683_776),
    "CIFAR-10, classes": (32, 10, {"width": 768}, 20_781_952, 21_280_512),
    "ImageNet-32": (32, 1000, {"width": 1536, "group": 32}, 82_914_304, 86_548_992),
    "ImageNet-64": (64, 1000, {"widths": (1536,) * 5, "group": 32}, 103_570_432, 107_205_120),
}


def both(image_size: int, k: int = 0, **settings) -> tuple[nn.Module, nn.Module]:
    facts = {"z_dim": 64, "image_size": image_size, "channels": 3, "condition_dim": k, "outputs": 1}
    return generators.build("r3gan", settings, **facts), discriminators.build("r3gan", settings, **facts)


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_as_many_as_published(name):
    size, k, settings, *counts = PUBLISHED[name]
    with torch.device("meta"):
        nets = both(size, k, **settings)
    assert [sum(p.numel() for p in net.parameters()) for net in nets] == counts


@pytest.mark.parametrize("side", [2, 3, 8])
def test_resampling_is_bilinear_with_zeros_around(side):
    x = torch.randn(2, 3, side, side)
    around = F.pad(x, (1, 1, 1, 1))
    twice = F.interpolate(around, scale_factor=2, mode="bilinear", align_corners=False)[..., 2:-2, 2:-2]
    assert torch.allclose(Resample(up=True)(x), twice, atol=1e-6)
    around = F.pad(twice, (2, 2, 2, 2))
    half = F.interpolate(around, scale_factor=0.5, mode="bilinear", antialias=True)[..., 1:-1, 1:-1]
    assert torch.allclose(Resample(up=False)(twice), half, atol=1e-6)


def test_a_fresh_network_is_its_straight_lines():
    """Fix-up: every branch ends in zeros, so a fresh block hands on what it was given; the rest keeps its size."""
    block = Residual(32, expansion=2, group=16, blocks=10)
    x = torch.randn(2, 32, 4, 4)
    assert torch.equal(block(x), x)
    first, middle = block.branch[0].weight, block.branch[2].weight
    gain = math.sqrt(2 / 1.04) * 10**-0.25
    assert float(first.detach().std()) == pytest.approx(gain / math.sqrt(32), rel=0.1)
    assert float(middle.detach().std()) == pytest.approx(gain / math.sqrt(16 * 9), rel=0.1)
    G, D = both(32, width=64)
    pictures = G(torch.randn(64, 64))
    assert 0.3 < float(pictures.detach().std()) < 2
    assert 0.1 < float(D(pictures).detach().std()) < 3


def test_no_picture_depends_on_another():
    """No normalisation and no batch statistics: a batch is its pictures one by one."""
    G, D = both(16, width=16)
    for p in (*G.parameters(), *D.parameters()):
        nn.init.normal_(p, 0.0, 0.2)
    z = torch.randn(3, 64)
    assert torch.allclose(G(z), torch.cat([G(one[None]) for one in z]), atol=1e-4, rtol=1e-4)
    x = torch.randn(3, 3, 16, 16)
    assert torch.allclose(D(x), torch.cat([D(one[None]) for one in x]), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"widths": (8, 8)}, "widths has 2 numbers, but there are 3 stages"),
        ({"blocks": (1, 2)}, "blocks has 2 numbers, but there are 3 stages"),
        ({"width": 25, "group": 16}, "cannot be split into groups of 16"),
    ],
)
def test_settings_that_do_not_fit_are_one_sentence(settings, words):
    with pytest.raises(ValueError, match=words):
        both(16, **settings)


def test_pairs_are_compared_and_each_side_wants_to_win():
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])
    by_hand = sum(math.log(1 + math.exp(-gap)) for gap in (1.5, 2.0)) / 2
    assert float(adversarial.relativistic_d(real, fake)) == pytest.approx(by_hand)
    by_hand = sum(math.log(1 + math.exp(gap)) for gap in (1.5, 2.0)) / 2
    assert float(adversarial.relativistic_g(fake, real)) == pytest.approx(by_hand)
    far = torch.tensor([-100.0, -100.0], requires_grad=True)
    adversarial.relativistic_g(far, -far.detach()).backward()
    assert float(far.grad.sum()) == pytest.approx(-1), "a badly losing G still has a slope"


@pytest.mark.parametrize("gradient", ["analytic", "autograd"])
def test_a_linear_d_shows_the_weights_of_all_terms(gradient):
    """D(x) = <w, x>: both penalties are gamma/2 |w|^2, whatever the pictures."""
    D = nn.Sequential(nn.Flatten(), nn.Linear(12, 1, bias=False), nn.Flatten(0))
    w = D[1].weight
    real, fake = torch.randn(2, 5, 3, 2, 2)
    variant = R3GAN(gamma=3.0, gradient=gradient)
    terms, on_real, on_fake = variant.d_terms(D, Batch(real), Batch(fake), 0)
    assert torch.allclose(on_real, D(real))
    assert torch.allclose(on_fake, D(fake))
    assert terms.keys() == {"adversarial", "r1", "r2"}
    for name in ("r1", "r2"):
        assert float(terms[name].detach()) == pytest.approx(1.5 * float(w.detach().square().sum()), rel=1e-5)
    (found,) = torch.autograd.grad(sum(terms.values()), w)
    (expected,) = torch.autograd.grad(adversarial.relativistic_d(D(real), D(fake)) + 3 * w.square().sum(), w)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-6)


def game(gradient: str, lr: float = 2e-3) -> tuple[R3GAN, Players]:
    torch.manual_seed(0)
    facts = {"z_dim": 6, "image_size": 8, "channels": 3, "condition_dim": 0, "outputs": 1}
    settings = {"width": 16, "group": 8, "blocks": 1}
    G, D = (kind.build("r3gan", settings, **facts) for kind in (generators, discriminators))
    opts = (torch.optim.Adam(net.parameters(), lr=lr, betas=(0.0, 0.9), eps=1e-3) for net in (G, D))
    return R3GAN(gamma=0.5, gradient=gradient), Players(G, D, *opts, latents.Normal(6), seed=3)


def test_both_ways_and_micro_batches_play_the_same_rounds():
    ends = []
    for gradient, microbatch in (("autograd", None), ("analytic", None), ("analytic", 3), ("autograd", 2)):
        variant, players = game(gradient)
        players.microbatch = microbatch
        logs = [play_round(variant, players, [Batch(small_reals(step))], step) for step in range(3)]
        ends.append((logs, [p.detach() for net in (players.G, players.D) for p in net.parameters()]))
    (logs, nets), *others = ends
    for their_logs, their_nets in others:
        for mine, theirs in zip(logs, their_logs, strict=True):
            assert mine.keys() == theirs.keys()
            assert all(float(mine[key]) == pytest.approx(float(theirs[key]), rel=1e-3, abs=1e-5) for key in mine)
        assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(nets, their_nets, strict=True))


def test_it_learns_small_pictures():
    """D finds the reals, G follows: the mean picture comes near, all numbers stay finite."""
    variant, players = game("analytic")
    z = players.prior.sample(64, np.random.default_rng(0))
    target = small_reals(999, 256).mean(0)

    def distance() -> float:
        with torch.no_grad():
            return float((players.G(z).mean(0) - target).square().mean())

    before = distance()
    gaps = []
    for step in range(90):
        log = play_round(variant, players, [Batch(small_reals(step, 16))], step)
        assert all(bool(value.isfinite()) for value in log.values())
        gaps.append(float(log["D/real_score"] - log["D/fake_score"]))
    assert max(gaps[:40]) > 0.1, "D tells them apart"
    assert distance() < 0.5 * before, "G follows"


def test_burn_in_is_half_a_cosine_then_constant():
    assert burn_in(2.0, 0.2, 0, 100) == 2.0
    assert burn_in(2.0, 0.2, 50, 100) == pytest.approx(1.1)
    assert burn_in(2.0, 0.2, 25, 100) == pytest.approx(2.0 - 1.8 * (1 - math.sqrt(0.5)) / 2)
    assert burn_in(2.0, 0.2, 100, 100) == burn_in(2.0, 0.2, 1e9, 100) == 0.2
    assert burn_in(2.0, 0.2, 0, 0) == 0.2


def test_the_published_schedules():
    """Learning rate, beta2 and gamma at the start, in the middle of the 20 million images, and after them."""
    recipe = load_recipe("r3gan-ffhq64", check=False)
    variant, settings = recipe.build_variant(), recipe.optimizer.generator
    assert settings == recipe.optimizer.discriminator
    optimizer = settings.build([nn.Parameter(torch.zeros(1))])
    for images, lr, beta2, gamma in (
        (0, 2e-4, 0.9, 2.0),
        (10_000_000, 1.25e-4, 0.945, 1.1),
        (30_000_000, 5e-5, 0.99, 0.2),
    ):
        settings.set_schedule(optimizer, images // 256, images)
        variant.set_schedule(images)
        group = optimizer.param_groups[0]
        assert (group["lr"], group["betas"][0], group["betas"][1]) == pytest.approx((lr, 0.0, beta2))
        assert variant.gamma == pytest.approx(gamma)
    assert variant.phase(0) == 0
    plain = OptimizerSettings()
    optimizer = plain.build([nn.Parameter(torch.zeros(1))])
    plain.set_schedule(optimizer, 5, 10**9)
    assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["betas"]) == (plain.lr, plain.betas)


def test_the_average_forgets_slower_as_the_burn_in_goes_on():
    G, D = nn.Linear(1, 1, bias=False), nn.Linear(1, 1)
    players = Players(G, D, *(torch.optim.SGD(net.parameters(), 0.1) for net in (G, D)), latents.Normal(1))
    training = Training(R3GAN(), players, small_reals, copy.deepcopy(G), 10)
    watch = Average(1000.0, ramp=1.0, burn_in_images=4000)
    watch.start(training)
    nn.init.ones_(G.weight)
    nn.init.zeros_(training.average.weight)
    training.images = 100
    watch.after_round(training, {})
    assert float(training.average.weight.detach()) == 1.0, "at the start the average is G"
    nn.init.zeros_(G.weight)
    watch._images = 2000
    training.images = 2500
    watch.after_round(training, {})
    assert float(training.average.weight.detach()) == pytest.approx(0.5), "half-way: 500 images, which were just shown"
