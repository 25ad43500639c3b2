"""The loops that are compared: our round as `leafwing train` plays it, and the textbook's."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import torch

from leafwing.bench.clock import Play
from leafwing.bench.plain import plain
from leafwing.core import randomness
from leafwing.data import Store
from leafwing.data.feed import Feed, to_pictures
from leafwing.estimate import any_labels, noise_for
from leafwing.game import Variant
from leafwing.losses.penalties import R1
from leafwing.prepare import prepare
from leafwing.recipe import Recipe
from leafwing.training import one_round

Name: TypeAlias = Literal["ours", "plain"]
CYCLE = 10_000
"""Rounds looked at for kinds of rounds, at most."""


def build(name: Name, recipe: Recipe, device: torch.device) -> Play:
    """The loop of that name on random pictures and freshly drawn networks; ``recipe.train.precision`` is settled."""
    recipe = replace(recipe.whole(), train=recipe.train.model_copy(update={"n_d_long": None}))  # the usual rounds alone
    if name == "ours":
        return ours(recipe, device)
    randomness.seed_networks(recipe.train.seed, -1)  # as prepare does: both loops begin with the same weights
    feed = Feed(noise(recipe).pictures, recipe.train.batch, recipe.train.seed)
    reals = [to_pictures(torch.from_numpy(feed.pictures[feed.indices(turn)])) for turn in range(recipe.train.n_d)]
    return plain(recipe, device, reals)


def ours(recipe: Recipe, device: torch.device) -> Play:
    """A function that plays the round of a step: pictures fed from a store, all turns; no watchers."""
    training = prepare(recipe, noise(recipe), device)

    def play(step: int) -> object:
        training.step = step
        return one_round(training)

    return play


def noise(recipe: Recipe) -> Store:
    """A store of random pictures, enough for two batches: their content does not matter to speed."""
    data, count = recipe.data, 2 * recipe.train.batch
    if data.history or data.reply_words:
        return noise_for(recipe, count)
    store = Store(Path(), {"n": count, "size": data.image_size, "channels": data.channels}, reused=True)
    shape = (count, data.image_size, data.image_size, data.channels)
    store.pictures = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    store.labels = any_labels(recipe, count)
    return store


def kinds(variant: Variant) -> dict[int, float]:
    """One step of each kind of round, and the share of rounds that are of this kind.

    A lazy term (``r1_every`` = 8) makes an eighth of the rounds dearer; a median over all would never see them. So
    each kind is timed by itself and weighted. A variant names its periods in attributes that end in ``_every``, or has
    a lazy `R1`.
    """
    named = {n for name, n in vars(variant).items() if name.endswith("_every") and isinstance(n, int)}
    periods = sorted(named | {part.every for part in vars(variant).values() if isinstance(part, R1) and part.gamma})
    cycle = min(math.lcm(*periods), CYCLE)
    first: dict[tuple[bool, ...], int] = {}
    often: Counter[int] = Counter()
    for step in range(cycle):
        often[first.setdefault(tuple(step % n == 0 for n in periods), step)] += 1
    return {step: count / cycle for step, count in often.items()}
