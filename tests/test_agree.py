"""DCGAN and R3GAN beside the originals (issue 5, item 6): the same weights and inputs, the numbers that they gave."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

DCGAN = {
    5: [0.902679, 0.426094, 0.363812, 0.98265, 0.599095, 0.722273, 0.52227, 0.368761],
    4: [0.057869, 0.122714, -0.023404, 0.097412, 0.636322, 0.354653, 0.562606, 0.593779],
}
"""Printed by `python benchmarks/agree_dcgan.py --homework CHECKOUT --pytorch CHECKOUT`: pixels and chances."""

R3GAN = {
    (32, 0): [0.242743, 0.553254, 0.160253, 0.792327, -0.101741, -0.080888, -0.164119, -0.155339, 0.662163, 0.004085,
              0.005381, 2.658099],
    (64, 0): [-0.158638, -0.162993, -0.270252, -0.811233, 0.060397, 0.066588, 0.107155, 0.08105, 0.676459, 0.001304,
              0.001496, 2.550502],
    (32, 10): [0.505027, 0.302901, 0.440489, 0.111094, -0.238838, 0.409834, 0.315053, -0.299851, 0.739109, 0.012194,
               0.016902, 2.76805],
}  # fmt: skip
"""Printed by `python benchmarks/agree_r3gan.py CHECKOUT`: pixels, scores, D's three terms, the norm of its gradient."""


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A script of the benchmarks, whose weights and inputs are formulas."""
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parents[1] / "benchmarks"), *sys.path])
    return import_module(name)


@pytest.mark.parametrize("kernel", [5, 4], ids=["homework", "pytorch"])
def test_dcgan_gives_the_numbers_of_the_homework_and_of_pytorchs_example(kernel, monkeypatch):
    """The homework's in training mode, third pass; the example's G in evaluation mode: its first norm differs."""
    agree = script("agree_dcgan", monkeypatch)
    G, D = agree.ours(kernel)
    G.train(kernel == 5)
    pictures, scores = agree.outputs(G, D, agree.wave(4, agree.Z))
    assert agree.some(pictures, scores.sigmoid()) == pytest.approx(DCGAN[kernel], abs=1e-4)


@pytest.mark.parametrize(("side", "kinds", "gradient"), [*((*case, "analytic") for case in R3GAN), (32, 0, "autograd")])
def test_r3gan_gives_the_numbers_of_the_authors_program(side, kinds, gradient, monkeypatch):
    """Networks, the relativistic loss, R1 and R2, and the gradient that D learns from, computed in either way."""
    agree = script("agree_r3gan", monkeypatch)
    found = agree.of_ours(*agree.ours(side, kinds), side, kinds, gradient)
    assert agree.some(found) == pytest.approx(R3GAN[side, kinds], abs=1e-5, rel=1e-5)
