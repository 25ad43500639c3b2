"""The averaged generator: a half-life counted in images, and BatchNorm statistics that are its own."""

from __future__ import annotations

import copy

import pytest
import torch
from conftest import small_training
from torch import nn

from leafwing.core import randomness
from leafwing.training import fit
from leafwing.watch.average import Average, move, standing


def test_half_life_is_counted_in_images_and_ramps_up():
    """After a step of G, the average keeps 2 ** -(images / half-life) of what it was; early on the ramp shortens it."""
    training = small_training(goal=0)
    weight = next(training.players.G.parameters())
    watch = Average(halflife_images=100.0, ramp=0.5)
    watch.start(training)
    expected = next(training.average.parameters()).detach().clone()
    for step in range(1, 60):
        with torch.no_grad():
            weight += 1.0
        training.step, training.images = step, 8 * step
        watch.after_round(training, {})
        keep = 0.5 ** (8 / min(100.0, 0.5 * training.images))
        expected = keep * expected + (1 - keep) * weight.detach()
    torch.testing.assert_close(next(training.average.parameters()), expected)


def test_no_half_life_is_a_copy():
    training = small_training(goal=3)
    fit(training, [Average(0.0, 0.05)])
    assert all(
        torch.equal(a, b) for a, b in zip(training.average.parameters(), training.players.G.parameters(), strict=True)
    )


def gap(G: nn.Module, z: torch.Tensor) -> float:
    """How far pictures in evaluation mode are from those normalised by a large batch's own statistics."""
    with torch.no_grad():
        truth = copy.deepcopy(G).train()(z)
        return float((G.eval()(z) - truth).square().mean())


def test_standing_statistics_are_those_of_the_average_itself():
    """The mean of two generators' statistics is not the mean generator's: measured anew, samples are truer."""
    training = small_training(goal=0)
    torch.manual_seed(5)
    other = copy.deepcopy(training.players.G)
    for net, sign in ((training.average, 1.0), (other, -0.6)):
        with torch.no_grad():
            net.body[0].weight.normal_().mul_(sign * 2)
        for _ in range(30):
            net.train()(training.players.prior.sample(64, randomness.stream(1, 0, "x")))
    with torch.no_grad():
        move(training.average, other, 0.5)
    z = training.players.prior.sample(2000, randomness.stream(9, 0, "check"))
    before = copy.deepcopy(training.average.state_dict())
    mended = standing(training)
    assert gap(mended, z) < 0.1 * gap(copy.deepcopy(training.average), z)
    after = training.average.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before), "what is saved stays as it was"
    again = standing(training).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in mended.state_dict().items()), "a pure function"
    assert not mended.training


@pytest.mark.parametrize("norm", [nn.Identity(), nn.BatchNorm2d(4, track_running_stats=False)])
def test_networks_without_statistics_need_none(norm):
    training = small_training(goal=0)
    training.average.body[2] = norm
    before = copy.deepcopy(training.average.state_dict())
    assert all(torch.equal(before[name], value) for name, value in standing(training).state_dict().items())
