"""R3GAN: the published sizes, the loss and its sides, the schedules, and that it learns."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from leafwing.networks import discriminators, generators
from leafwing.networks.r3gan import Resample, Residual

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
