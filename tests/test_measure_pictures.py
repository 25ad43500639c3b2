"""Measures that look at pixels, and at the path through z."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from references import reference

from leafwing.core.errors import BadData
from leafwing.data.likeness import sharpness as of_doctor
from leafwing.measure import ms_ssim, path
from leafwing.measure.sharpness import sharpness


def smooth(n: int = 4, side: int = 64, seed: int = 0) -> torch.Tensor:
    """Soft random pictures, float64 [n, 3, side, side] in 0..255."""
    made = torch.from_numpy(np.random.default_rng(seed).uniform(0, 255, (n, 3, side // 8, side // 8)))
    return F.interpolate(made, (side, side), mode="bicubic").clamp(0, 255)


@pytest.mark.parametrize(("side", "count"), [(176, 5), (64, 3)])
def test_ms_ssim_agrees_with_torchmetrics_scale_by_scale(side, count):
    """Its own product counts windows that hang over the edge at the last scale; Wang et al. do not: they are cut."""
    ssim = reference("torchmetrics.functional.image").structural_similarity_index_measure
    x = smooth(3, side)
    y = (x + 20 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)).clamp(0, 255)
    ours, truth = ms_ssim.similarity(x, y), 1.0
    asked = {"reduction": "none", "data_range": 255.0}
    for scale, exponent in enumerate(ms_ssim.EXPONENTS[:count]):
        _, structure = ssim(x, y, return_contrast_sensitivity=True, **asked)
        _, everywhere = ssim(x, y, return_full_image=True, **asked)
        last = everywhere[..., 5:-5, 5:-5].mean((1, 2, 3))
        part = last if scale == count - 1 else structure
        truth = truth * part ** (exponent / sum(ms_ssim.EXPONENTS[:count]))
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    torch.testing.assert_close(ours, truth, rtol=1e-6, atol=0)


def test_ms_ssim_of_equal_pictures_is_one_and_falls_with_noise():
    x = smooth()
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
    alike = [ms_ssim.similarity(x, (x + much * noise).clamp(0, 255)).mean() for much in (0, 10, 40)]
    assert alike[0] == pytest.approx(1, abs=1e-12)
    assert alike[0] > alike[1] > alike[2]
    assert [ms_ssim.scales(s, s) for s in (11, 21, 22, 64, 176, 500)] == [1, 1, 2, 3, 5, 5]
    with pytest.raises(BadData, match="at least 11 pixels"):
        ms_ssim.similarity(x[..., :8, :8], x[..., :8, :8])


def test_ssim_of_one_window_by_hand():
    """11 x 11 pixels hold one window and one scale: Wang et al. 2004, Eq. 13, with Gaussian weights."""
    made = np.random.default_rng(0)
    x, y = made.uniform(0, 255, (2, 11, 11))
    bell = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    w = np.outer(bell, bell) / bell.sum() ** 2
    mx, my = (w * x).sum(), (w * y).sum()
    vx, vy, both = (w * (x - mx) ** 2).sum(), (w * (y - my) ** 2).sum(), (w * (x - mx) * (y - my)).sum()
    c1, c2 = 2.55**2, 7.65**2
    truth = (2 * mx * my + c1) * (2 * both + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    ours = ms_ssim.similarity(*(torch.from_numpy(z)[None, None] for z in (x, y)))
    assert float(ours) == pytest.approx(max(truth, 0), rel=1e-9)
    assert truth > 0


def test_sharpness_is_the_doctors_and_falls_with_blur():
    x = smooth(2)
    grey = x[:, :1].round()
    ours = sharpness(grey)
    assert [float(v) for v in ours] == pytest.approx([of_doctor(g[0].byte().numpy()) for g in grey], rel=1e-5)
    assert (sharpness(F.avg_pool2d(x, 3, 1)) < sharpness(x)).all()
    stripes = torch.tensor([0.0, 255.0]).repeat(8).expand(1, 1, 16, 16)
    assert sharpness(stripes).item() == pytest.approx((2 * 255) ** 2)  # each pixel ±255 from both its neighbours


def test_path_length_of_a_linear_generator_is_known():
    """G(z) = A z, features = the picture: |A (z1 - z0)|² on a straight line, whatever t."""
    made = torch.Generator().manual_seed(0)
    A = torch.randn(12, 5, generator=made, dtype=torch.float64)
    z0, z1 = (torch.randn(50, 5, generator=made, dtype=torch.float64) for _ in range(2))
    t = torch.rand(50, generator=made, dtype=torch.float64)

    each = path.steps(
        lambda z: (z @ A.T).reshape(-1, 3, 2, 2), lambda x: x.flatten(1) / 127.5, iter([(z0, z1, t)]), 1e-2, "linear"
    )
    truth = ((z1 - z0) @ A.T).square().sum(1)
    torch.testing.assert_close(each, truth, rtol=1e-3, atol=0)  # G's pictures are float32
    measured = path.length(each)
    kept = each[
        (each >= each.quantile(0.01, interpolation="lower")) & (each <= each.quantile(0.99, interpolation="higher"))
    ]
    assert measured.value == pytest.approx(float(kept.mean()))
    assert path.length(torch.arange(1001.0)).value == pytest.approx(500)


def test_the_spherical_path_keeps_to_the_sphere_and_moves_evenly():
    z0, z1 = torch.tensor([[3.0, 0, 0]]).double(), torch.tensor([[0, 3.0, 0]]).double()
    for t in (0.0, 0.25, 0.5, 1.0):
        z = path.between(z0, z1, torch.tensor([t]).double(), "spherical")[0]
        assert z.tolist() == pytest.approx([3 * math.cos(t * math.pi / 2), 3 * math.sin(t * math.pi / 2), 0], abs=1e-6)


def test_a_jumpy_generator_has_a_longer_path():
    z0, z1 = (torch.randn(40, 4, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    t = torch.rand(40, generator=torch.Generator().manual_seed(2))

    def length(frequency: float) -> float:
        G = lambda z: torch.sin(frequency * z).reshape(-1, 1, 2, 2)  # noqa: E731
        return path.length(path.steps(G, lambda x: x.flatten(1), iter([(z0, z1, t)]))).value

    assert length(8) > 5 * length(1)
    with pytest.raises(BadData, match="not finite"):
        path.length(torch.tensor([1.0, math.nan]))
