"""A shipped recipe made small: narrow networks and short runs, so that all of them can be played one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count

import torch
from torch import nn

from leafwing.core.errors import BadConfig, LeafwingError
from leafwing.networks.blocks import doublings
from leafwing.recipe import Recipe, load_recipe, shipped

NARROW = {"width": 16, "most": 64, "hidden": 256, "units": 128, "blocks": 1, "dim": 64, "attend": 32}
"""Settings of networks by which they are narrowed, where they have them and are wider; attention, by its maps' side."""
BATCH = 32
"""Pictures a turn at most."""


def rates(generator: float, discriminator: float | None = None) -> list[str]:
    """Settings of both learning rates; one for both if only one is given."""
    return [f"optimizer.generator.lr={generator}", f"optimizer.discriminator.lr={discriminator or generator}"]


SOONER = {
    "biggan": [*rates(4e-4, 8e-4), "train.n_d=1"],
    "r3gan": [
        *rates(1e-3),
        *("generator.width=32", "discriminator.width=32"),  # its width is that of every stage, not of the finest
        *("variant.gamma=0.2", "variant.gamma_to=0.05"),  # towards the paper's for 32x32; the recipe's is for 64x64
    ],
    "sngan": [*rates(4e-4), "train.n_d=2"],
    "wgan": rates(1e-3),
    "wgan-gp": rates(5e-4),
}
"""What a few thousand rounds of narrow networks need where the paper's learning rates (and turns of D, and weights) are
for hundreds of thousands of wide ones. Measured against the recipe's own: docs/zoo.md."""


def of_pictures() -> list[str]:
    """The shipped recipes whose G draws single pictures, not what follows in a film, nor replies."""
    return [name for name in shipped() if load_recipe(name, check=False).data.kind == "pictures"]


def convolutional() -> list[str]:
    """Those of :func:`of_pictures` that can play on pictures of one's own: all that are not fully connected."""
    return [name for name in of_pictures() if not is_fully_connected(reduced(name, [], seed=0))]


def reduced(name: str, settings: Sequence[str], seed: int) -> Recipe:
    """A recipe by name or file: narrowed, to learn sooner, then with ``settings``.

    Raises:
        BadConfig: no such recipe, or a setting that cannot be.
    """
    recipe = shortened(load_recipe(name, check=False), seed)
    if recipe.data.kind != "pictures":
        raise BadConfig(f"{name} is about {recipe.data.kind}: this compares recipes that draw single pictures.")
    recipe = narrowed(recipe, NARROW, settings).override([*SOONER.get(name, []), *settings])
    recipe.check()
    return recipe


def narrowed(recipe: Recipe, most: Mapping[str, int], settings: Sequence[str] = ()) -> Recipe:
    """Networks whose settings are at most these; one that cannot be so narrow, with ``settings``, stays as it is."""
    for player in ("generator", "discriminator"):
        for setting, limit in most.items():
            value = getattr(getattr(recipe, player).options, setting, None)
            if not isinstance(value, int) or value <= limit:
                continue
            try:
                narrower = recipe.override([f"{player}.{setting}={limit}"])
                narrower.override(settings).check()
            except LeafwingError:
                continue
            recipe = narrower
    return recipe


def shortened(recipe: Recipe, seed: int) -> Recipe:
    """Small batches, fp32, nothing measured on the way; without WGAN's rounds of 100 turns, all it would play."""
    train = {"batch": min(recipe.train.batch, BATCH), "microbatch": None, "precision": "fp32"}
    train |= {"n_d_long": None, "n_d_long_first": 0, "n_d_long_every": 0}
    return replace(
        recipe,
        train=recipe.train.model_copy(update=train | {"seed": seed}),
        watch=recipe.watch.model_copy(update={"measure_every": 0, "snapshots": False}),
    )


def lasting(recipe: Recipe, images: int) -> Recipe:
    """The recipe with the fewest rounds in which D is shown so many real pictures; grown after half of them."""
    steps = next(step for step in count(1) if recipe.turns_of_d(step) * recipe.train.batch >= images)
    recipe = recipe.override([f"train.steps={steps}"])
    if not recipe.growth.grows:
        return recipe
    return replace(recipe, growth=recipe.growth.shortened(images // 2, doublings(recipe.data.image_size)[1]))


def is_fully_connected(recipe: Recipe) -> bool:
    """Whether both networks know nothing of where pixels lie: made of linear layers and BatchNorm1d alone."""
    asked = recipe.stand_in() if recipe.data.condition else None
    with torch.device("meta"):
        nets = recipe.build_networks(asked)
    layers = [layer for net in nets for layer in net.modules() if list(layer.parameters(recurse=False))]
    return all(isinstance(layer, nn.Linear | nn.BatchNorm1d) for layer in layers)
