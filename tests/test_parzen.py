"""The Parzen window of 2014 (issue 5, item 1) against densities in closed form, and as a measure of a run."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from leafwing.cli.main import run
from leafwing.core.errors import BadData
from leafwing.measure import parzen


def normal(x: Tensor, mean: Tensor, sigma: float) -> Tensor:
    return torch.distributions.Normal(mean, sigma).log_prob(x).sum(-1)


def test_the_likelihood_is_the_mean_of_the_windows_densities():
    torch.manual_seed(0)
    samples, data = torch.rand(300, 7).double(), torch.rand(270, 7).double()  # more than a block of each
    found = parzen.likelihood(samples, data, [0.2, 0.9])
    assert found.shape == (270, 2)
    for column, sigma in zip(found.T, (0.2, 0.9), strict=True):
        expected = torch.logsumexp(normal(data[:, None], samples[None], sigma), dim=1) - math.log(300)
        torch.testing.assert_close(column, expected, rtol=1e-9, atol=1e-9)
    (one,) = parzen.likelihood(samples[:1], samples[:1], [0.5]).flatten().tolist()
    assert one == pytest.approx(-7 * math.log(0.5 * math.sqrt(2 * math.pi)), rel=1e-12)


def test_far_pictures_stay_finite():
    found = parzen.likelihood(torch.zeros(3, 12288), torch.ones(2, 12288), parzen.SIGMAS)
    assert found.isfinite().all()
    assert float(found[0, 0]) == pytest.approx(-12288 / 0.02 - 12288 * math.log(0.1 * math.sqrt(2 * math.pi)), rel=1e-6)


def pictures(rng: np.random.Generator, n: int, spread: float) -> np.ndarray:
    return np.clip(127.5 + 255 * spread * rng.standard_normal((n, 2, 2, 1)), 0, 255).astype(np.uint8)


def test_sigma_is_chosen_on_pictures_that_are_not_measured():
    """Data spread by 0.1667 around one grey picture: that is the likeliest of the ten; the mean is a Gaussian's."""
    rng = np.random.default_rng(0)
    grey, sigma = np.full((5, 2, 2, 1), 127, np.uint8), parzen.SIGMAS[2]
    data = pictures(rng, 4000, sigma)
    found = parzen.measure(grey, data, np.random.default_rng(1))
    assert "3,000 pictures, 5 samples; sigma 0.167 chosen on 1,000 others" in found.note
    entropy = -4 * (math.log(sigma * math.sqrt(2 * math.pi)) + 0.5)  # minus that of a Gaussian of that width
    assert found.value == pytest.approx(entropy, abs=0.1)
    assert found.spread == pytest.approx(math.sqrt(4 / 2 / 3000), rel=0.2), "chi^2 of 4 degrees, halved"
    other = parzen.measure(np.full((5, 2, 2, 1), 20, np.uint8), data, np.random.default_rng(1))
    assert other.value < found.value - 1


def test_sizes_and_too_few_are_one_sentence():
    some = np.zeros((8, 2, 2, 1), np.uint8)
    with pytest.raises(BadData, match="got 2x2x1 and 2x2x3"):
        parzen.measure(some, np.zeros((8, 2, 2, 3), np.uint8), np.random.default_rng(0))
    with pytest.raises(BadData, match="at least 4 pictures"):
        parzen.measure(some, some[:3], np.random.default_rng(0))


def test_it_can_be_asked_for(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name, mean in (("near", 120), ("far", 230), ("data", 120)):
        (tmp_path / name).mkdir()
        for i in range(12):
            grey = np.clip(rng.normal(mean, 20, (16, 16)), 0, 255).astype(np.uint8)
            Image.fromarray(grey).save(tmp_path / name / f"{i}.png")
    values = {}
    for name in ("near", "far"):
        asked = ["--metrics", "parzen", "--features", "pixels", "--channels", "1", "--json"]
        assert run(["evaluate", str(tmp_path / name), "--data", str(tmp_path / "data"), *asked]) == 0
        (values[name],) = json.loads(capsys.readouterr().out)["measures"].values()
    assert values["near"]["better"] == "higher"
    assert values["near"]["value"] > values["far"]["value"] + 100
    assert "sigma" in values["near"]["note"]
