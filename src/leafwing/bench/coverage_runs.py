"""Which rows ``bench coverage`` makes, one after another, each with its picture if wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from leafwing.bench import coverage, drawn_faces
from leafwing.bench.coverage import POINTS, Row
from leafwing.bench.drawn_faces import open_faces
from leafwing.bench.picture_worlds import PictureWorld, save_sheet
from leafwing.bench.scatter import save_scatter
from leafwing.bench.stacked import open_stacked
from leafwing.core.errors import BadConfig, did_you_mean
from leafwing.core.progress import counting, say
from leafwing.prepare import choose_device
from leafwing.recipe import Recipe, load_recipe
from leafwing.worlds.mixtures import MIXTURES, Mixture

STACKED = "stacked-mnist"
FACES = drawn_faces.NAME
WORLDS = (*MIXTURES, STACKED, FACES)
STEPS = 5000
"""Rounds on a mixture unless asked otherwise."""


@dataclass(frozen=True)
class Plan:
    """What was asked for; None where the world's own protocol decides. See the command's help."""

    recipes: list[str]
    worlds: list[str]
    steps: int | None
    seeds: int
    samples: int | None
    width: int
    settings: list[str]
    device: str
    mnist: Path | None
    out: Path | None


def worlds_there(mnist: Path | None) -> list[str]:
    """The mixtures, and StackedMNIST where its digits are."""
    return [*MIXTURES, *[STACKED] * (mnist is not None)]


def run(plan: Plan) -> tuple[list[Row], list[str]]:
    """All rows, world by world with the truth first, and each world's protocol.

    Raises:
        BadConfig: an unknown world or recipe, told before anything is trained.
    """
    for name in plan.worlds:
        if name not in WORLDS:
            raise BadConfig(f"--on {name}: no world of known modes is called so.{did_you_mean(name, WORLDS)}")
    recipes = {name: load_recipe(name, check=False) for name in plan.recipes}
    for recipe in recipes.values():
        recipe.override(plan.settings)
    device = choose_device(plan.device)
    worlds = list(dict.fromkeys(plan.worlds))
    if STACKED in worlds and plan.mnist is None:
        raise BadConfig(f"--on {STACKED} needs --mnist FOLDER, the folder with MNIST's four idx files.")
    pictures: dict[str, PictureWorld] = {}
    if STACKED in worlds and plan.mnist:
        pictures[STACKED] = open_stacked(plan.mnist)
    if FACES in worlds:
        pictures[FACES] = open_faces(next(iter(recipes.values())), plan.settings)
    rows: list[Row] = []
    protocols = []
    for name in worlds:
        if name in pictures:
            count = plan.samples or pictures[name].samples
            rows += on_pictures(plan, recipes, pictures[name], count, device)
            protocols.append(pictures[name].protocol(count))
        else:
            rows += on_points(plan, recipes, MIXTURES[name], device)
            protocols.append(coverage.points_protocol(MIXTURES[name], plan.width, plan.samples or POINTS))
    return rows, protocols


def on_points(plan: Plan, recipes: dict[str, Recipe], mixture: Mixture, device: torch.device) -> Iterator[Row]:
    """The truth, then every recipe with every seed."""
    count = plan.samples or POINTS
    truth, points = coverage.true_points(mixture, count)
    if plan.out:
        save_scatter(points, mixture, plan.out / f"{mixture.name}-truth.png")
    yield truth
    for name, recipe in recipes.items():
        for seed in range(plan.seeds):
            say(f"{mixture.name}: {name}, seed {seed}")
            fitted = coverage.for_points(recipe, plan.steps or STEPS, seed, plan.settings)
            with counting("playing") as report:
                row, points = coverage.measure_points(name, fitted, mixture, plan.width, device, count, report)
            if plan.out:
                save_scatter(points, mixture, plan.out / f"{mixture.name}-{Path(name).stem}-{seed}.png")
            say(told(row))
            yield row


def told(row: Row) -> str:
    """A row in a line, said as soon as it is known: a bench that is stopped has not worked for nothing."""
    found = row.coverage
    kl = "none" if found.kl is None else f"{found.kl:.3f}"
    return f"{row.on}: {row.recipe}, seed {row.seed}: {found.hit} of {found.modes}, good {found.good:.3f}, KL {kl}"


def on_pictures(
    plan: Plan, recipes: dict[str, Recipe], world: PictureWorld, count: int, device: torch.device
) -> Iterator[Row]:
    """The data itself, then every recipe with every seed."""
    yield world.truth(count)
    for name, recipe in recipes.items():
        for seed in range(plan.seeds):
            say(f"{world.name}: {name}, seed {seed}")
            fitted = world.fitted(recipe, plan.steps, seed, plan.settings)
            with counting("playing") as report:
                row, sheet = world.measure(name, fitted, count, device, report)
            if plan.out:
                short = world.name.removeprefix("world:")
                save_sheet(sheet, plan.out / f"{short}-{Path(name).stem}-{seed}.png", world.name)
            say(told(row))
            yield row
