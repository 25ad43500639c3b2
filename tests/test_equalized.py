"""Layers that ProGAN and the StyleGANs share, each against a direct definition in float64 (issue 5, item 5)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from leafwing.networks.blocks import MinibatchSpread
from leafwing.networks.equalized import HE, EqualConv2d, EqualLinear, PixelNorm
from leafwing.networks.filters import Filter, upfirdn


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def test_equalised_linear_is_its_formula_and_starts_with_the_asked_deviation():
    """Karras et al. 2018, Sec. 4.1: stored weights N(0, 1), divided at run time; 2019, App. C: the multiplier."""
    layer = EqualLinear(400, 300, gain=HE, multiplier=0.01, bias_from=1.0).double()
    x = normal(50, 400)
    direct = x @ (layer.weight * (math.sqrt(2) / math.sqrt(400) * 0.01)).T + layer.bias * 0.01
    assert torch.allclose(layer(x), direct, atol=1e-12)
    assert float(layer.weight.detach().std()) == pytest.approx(100, rel=0.02), "N(0, 1 / m^2)"
    assert float((layer(x) - 1).detach().std()) == pytest.approx(math.sqrt(2), rel=0.03), "gain x the input's"
    assert EqualLinear(3, 2, bias=False).bias is None


def test_equalised_learning_rate_is_equal():
    """The point of it: after one step of Adam, outputs move by the multiplier, whatever the number of inputs."""
    moved = []
    for inputs, multiplier in ((16, 1.0), (4096, 1.0), (4096, 0.01)):
        layer = EqualLinear(inputs, 1, bias=False, multiplier=multiplier)
        x = torch.ones(1, inputs)
        before, opt = layer(x), torch.optim.Adam(layer.parameters(), lr=1e-3)
        before.sum().backward()
        opt.step()
        moved.append(float((before - layer(x)).detach()) / math.sqrt(inputs))
    assert moved == pytest.approx([1e-3, 1e-3, 1e-5], rel=1e-2)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, None), (1, 1, None), (3, 2, 0), (4, 1, 0)])
def test_equalised_convolution_is_its_formula(kernel, stride, padding):
    layer = EqualConv2d(8, 6, kernel, stride, padding, gain=HE).double()
    torch.nn.init.normal_(layer.bias)
    x = normal(2, 8, 9, 9)
    direct = F.conv2d(x, layer.weight * math.sqrt(2 / (8 * kernel**2)), layer.bias, stride, layer.padding)
    assert torch.allclose(layer(x), direct, atol=1e-12)
    assert layer(x).shape[-1] == (9 if padding is None else (9 - kernel) // stride + 1)


def test_pixel_norm_gives_each_pixel_a_mean_square_of_one():
    """Karras et al. 2018, Sec. 4.2: over the features, for each pixel by itself."""
    x = normal(2, 5, 3, 3)
    out = PixelNorm()(x)
    assert torch.allclose(out[1, :, 2, 0], x[1, :, 2, 0] / (x[1, :, 2, 0].square().mean() + 1e-8).sqrt(), atol=1e-12)
    assert torch.allclose(out.square().mean(1), torch.ones(2, 3, 3, dtype=torch.float64), atol=1e-6)
    z = normal(4, 7)
    assert torch.allclose(PixelNorm()(z).square().sum(1), torch.full((4,), 7.0, dtype=torch.float64), atol=1e-6)


def test_minibatch_spread_of_several_maps():
    """Each further map is about its own share of the features, over the group taken with a stride."""
    x = normal(8, 6, 2, 2)
    out = MinibatchSpread(group=4, maps=3)(x)
    assert out.shape == (8, 9, 2, 2)
    for picture in range(8):
        group = x[picture % 2 :: 2]
        for part in range(3):
            some = group[:, 2 * part : 2 * part + 2]
            direct = ((some - some.mean(0)) ** 2).mean(0).add(1e-8).sqrt().mean()
            assert torch.allclose(out[picture, 6 + part], direct, atol=1e-12)
    assert torch.autograd.gradgradcheck(MinibatchSpread(2, 2), normal(2, 2, 1, 2).requires_grad_())


@pytest.mark.parametrize("taps", [[1.0, 2.0, 1.0], [1.0, 3.0, 3.0, 1.0], [4.0, 2.0, -1.0], [1.0]])
@pytest.mark.parametrize(("up", "down"), [(1, 1), (2, 1), (1, 2), (2, 3)])
@pytest.mark.parametrize("padding", [(2, 1), (0, 3), (-1, 2)])
def test_up_fir_down_is_its_definition(taps, up, down, padding):
    """Zeros between the values, padding, convolution by NumPy, every down-th value kept; rows, then columns."""
    x = normal(2, 3, 5, 6)

    def direct(row: np.ndarray) -> np.ndarray:
        spread = np.zeros(len(row) * up)
        spread[::up] = row
        spread = np.pad(spread, [max(p, 0) for p in padding])
        spread = spread[max(-padding[0], 0) : len(spread) - max(-padding[1], 0)]
        return np.convolve(spread, taps, mode="valid")[::down]

    wanted = np.apply_along_axis(direct, 3, np.apply_along_axis(direct, 2, x.numpy()))
    found = upfirdn(x, torch.tensor(taps), up, down, padding)
    assert found.shape == wanted.shape
    assert np.allclose(found.numpy(), wanted, atol=1e-12)


@pytest.mark.parametrize(("up", "down"), [(1, 1), (2, 1), (1, 2)])
def test_filters_keep_the_mean_and_may_be_differentiated_twice(up, down):
    """Penalties on D's slope go through its filters: first and second derivatives against finite differences."""
    taps = [1.0, 2.0, 1.0] if up == down else [1.0, 3.0, 3.0, 1.0]
    layer = Filter(taps, up=up, down=down)
    flat = layer(torch.ones(1, 1, 8, 8))
    assert flat.shape == (1, 1, 8 * up // down, 8 * up // down)
    assert torch.allclose(flat[..., 2:-2, 2:-2], torch.ones(()))
    assert torch.allclose(layer(torch.eye(8)[None, None]), layer(torch.eye(8)[None, None]).mT), "no shift to one side"
    mirrored = layer(torch.arange(64.0).reshape(1, 1, 8, 8).flip(-1)).flip(-1)
    assert torch.allclose(layer(torch.arange(64.0).reshape(1, 1, 8, 8)), mirrored, atol=1e-5), "the picture stays put"
    x = normal(1, 2, 4, 4).requires_grad_()
    assert torch.autograd.gradcheck(layer, x)
    assert torch.autograd.gradgradcheck(layer, x)
