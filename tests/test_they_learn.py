"""Every recipe of pictures learns where the truth is known (issue 5, item 7): some three hours of one core.

The same runs as ``leafwing bench zoo --recipe NAME --images N``, seed 0. Each has to come nearer to the world by a
factor and keep so many modes: what was measured (docs/zoo.md), less a margin for other machines' rounding.
"""

from __future__ import annotations

import pytest
import torch

from leafwing.bench.reduced import is_fully_connected, of_pictures, reduced
from leafwing.bench.zoo import Faces, Points, World, play

SAMPLES = 1000
MORE = 256_000
"""Pictures for those that are slow in pictures, not in time."""
LEARNED: dict[str, tuple[int, float, int]] = {
    "acgan": (64_000, 3.2, 11),
    "alpha-gan": (MORE, 2.7, 9),
    "biggan": (64_000, 1.8, 10),
    "cgan": (64_000, 3.9, 11),
    "dcgan": (64_000, 2.2, 10),
    "dragan": (MORE, 3.5, 10),
    "faces": (64_000, 3.3, 11),
    "gan-2014": (64_000, 5.0, 12),
    "infogan": (64_000, 3.3, 11),
    "lsgan": (64_000, 2.3, 10),
    "progan": (MORE, 2.4, 10),
    "r3gan": (MORE, 2.3, 9),
    "sagan": (64_000, 1.8, 9),
    "sngan": (64_000, 1.8, 10),
    "softmax-gan": (64_000, 2.1, 10),
    "stylegan": (64_000, 2.0, 10),
    "stylegan2": (MORE, 2.4, 10),
    "transgan": (64_000, 1.9, 9),
    "wgan": (MORE, 1.9, 9),
    "wgan-gp": (MORE, 3.3, 10),
}
"""Recipe: real pictures shown to D, times nearer at the end, modes kept; of 12 hair colours, or of 25 points."""
SAME_RULES = {"r3gan-ffhq64": "r3gan"}
"""Recipes that differ from another in size alone."""


def test_no_recipe_is_forgotten():
    """By scan: who is shipped is in the table, or differs from one that is in size alone."""
    assert set(of_pictures()) == set(LEARNED) | set(SAME_RULES)
    assert set(SAME_RULES.values()) <= set(LEARNED)


@pytest.fixture(scope="module")
def worlds() -> dict[bool, World]:
    return {True: Points(SAMPLES), False: Faces(SAMPLES)}


@pytest.mark.proof
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", LEARNED)
def test_it_learns(name: str, worlds: dict[bool, World]):
    images, factor, modes = LEARNED[name]
    recipe = reduced(name, [], seed=0)
    world = worlds[is_fully_connected(recipe)]
    row, _ = play(name, world.fitted(recipe, images), world, torch.device("cpu"), lambda done, of: None)
    assert row.factor is not None
    assert row.factor >= factor
    assert row.end is not None
    assert row.end.modes >= modes
