"""Which rows ``bench zoo`` makes, kept in a folder so that a bench that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from leafwing._version import __version__
from leafwing.bench.reduced import is_fully_connected, reduced
from leafwing.bench.scatter import save_scatter
from leafwing.bench.zoo import DRAWN, Faces, Point, Points, Row, Seen, World, play
from leafwing.bench.zoo_pictures import Own, Pictures
from leafwing.core.errors import LeafwingError
from leafwing.core.pictures import save_png, sheet, to_uint8
from leafwing.core.progress import counting, say
from leafwing.core.published import replace_file
from leafwing.prepare import choose_device
from leafwing.recipe import Recipe

IMAGES, SAMPLES = 64_000, 1000
"""Real pictures shown to D, and samples measured, unless asked otherwise."""


@dataclass(frozen=True)
class Plan:
    """What was asked for. See the command's help."""

    recipes: list[str]
    images: int
    seeds: int
    samples: int
    settings: list[str]
    device: str
    out: Path
    own: Own | None = None


@dataclass(frozen=True)
class Bench:
    """All rows, and what the world itself scores in each.

    Attributes:
        rows: of all recipes and seeds.
        truths: of each world by its name.
        samples: measured each time.
        data: what is told of pictures of one's own (:meth:`Pictures.about`); None for the usual worlds.
    """

    rows: list[Row]
    truths: dict[str, Seen]
    samples: int
    data: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, with what follows from the rows."""
        rows = [asdict(row) | {"factor": row.factor, "images_per_s": row.images_per_s} for row in self.rows]
        return {
            "rows": rows,
            "truths": {name: asdict(seen) for name, seen in self.truths.items()},
            "samples": self.samples,
            **({"drawn": DRAWN} if self.data is None else {"data": self.data}),
        }


def run(plan: Plan) -> Bench:
    """Every recipe with every seed, those whose row is in the folder already left out.

    Raises:
        BadConfig: an unknown recipe or setting, or no such features, told before anything is trained.
        BadData: data of one's own that cannot be read, or is too little.
    """
    device = choose_device(plan.device)
    recipes = {(name, seed): reduced(name, plan.settings, seed) for name, seed in wanted(plan)}
    (plan.out / "rows").mkdir(parents=True, exist_ok=True)
    if plan.own:
        pictures = Pictures(plan.own, plan.samples, device)
        rows = list(play_all(plan, recipes, lambda recipe: pictures, device))
        return Bench(rows, {pictures.name: pictures.true()}, plan.samples, pictures.about())
    worlds: dict[str, World] = {}
    rows = list(play_all(plan, recipes, lambda recipe: usual_world(recipe, plan.samples, worlds), device))
    return Bench(rows, {world.name: world.true() for world in worlds.values()}, plan.samples)


def usual_world(recipe: Recipe, samples: int, worlds: dict[str, World]) -> World:
    """The points or the faces, made when first asked for."""
    kind: type[Points | Faces] = Points if is_fully_connected(recipe) else Faces
    if kind.__name__ not in worlds:
        worlds[kind.__name__] = kind(samples)
    return worlds[kind.__name__]


def wanted(plan: Plan) -> Iterator[tuple[str, int]]:
    """Recipes and seeds, all seeds of a recipe together."""
    return ((name, seed) for name in dict.fromkeys(plan.recipes) for seed in range(plan.seeds))


def play_all(
    plan: Plan,
    recipes: dict[tuple[str, int], Recipe],
    world_of: Callable[[Recipe], World],
    device: torch.device,
) -> Iterator[Row]:
    """The rows, each said and saved as soon as it is known."""
    for number, ((name, seed), recipe) in enumerate(recipes.items(), 1):
        world = world_of(recipe)
        fitted = fitted_to(world, name, recipe, plan.images)
        if isinstance(fitted, Row):
            say(told(fitted))
            yield fitted
            continue
        path = plan.out / "rows" / f"{Path(name).stem}-{seed}.json"
        print_of = fingerprint(fitted, plan, world.identity if isinstance(world, Pictures) else "")
        row = kept(path, print_of)
        if row is None:
            say(f"{number}/{len(recipes)}: {name} on {world.name}, seed {seed}")
            row = play_one(name, fitted, world, device, path)
            text = json.dumps({"fingerprint": print_of, "row": asdict(row)}, indent=2)
            replace_file(path, text.encode())
        say(told(row))
        yield row


def fitted_to(world: World, name: str, recipe: Recipe, images: int) -> Recipe | Row:
    """The recipe as it is played there; one that cannot be, on pictures of one's own, is a row that says why."""
    if not isinstance(world, Pictures):
        return world.fitted(recipe, images)
    if is_fully_connected(recipe):
        why = f"{name} is fully connected and plays on points in the plane: leave --data out."
        return unplayed(world, name, recipe, why)
    try:
        return world.fitted(recipe, images)
    except LeafwingError as problem:
        return unplayed(world, name, recipe, str(problem))


def unplayed(world: World, name: str, recipe: Recipe, why: str) -> Row:
    """The row of a recipe that was not played."""
    return Row(name, world.name, recipe.train.seed, 0, 0, 0, (), None, world.modes, why)


def play_one(name: str, recipe: Recipe, world: World, device: torch.device, path: Path) -> Row:
    """One row and its picture; a recipe that cannot be played is a row that says why."""
    try:
        with counting("playing") as report:
            row, samples = play(name, recipe, world, device, report)
    except LeafwingError as problem:
        return unplayed(world, name, recipe, str(problem))
    picture = path.with_suffix(".png")
    if isinstance(world, Points):
        save_scatter(samples.numpy(), world.mixture, picture)
    else:
        about = {"Software": f"Leafwing {__version__}: pictures made by a generator", "leafwing:recipe": name}
        save_png(sheet(to_uint8(samples[:64]), columns=16), picture, about)
    return row


def fingerprint(recipe: Recipe, plan: Plan, world: str = "") -> str:
    """Equal for rows that are the same play, measured the same way; ``world`` is what else its measures depend on."""
    text = f"{recipe.to_toml()}\n{plan.images} {plan.samples} {plan.device} {__version__}{world}"
    return hashlib.sha256(text.encode()).hexdigest()


def kept(path: Path, print_of: str) -> Row | None:
    """The row in the folder, if it is of this very play."""
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        if saved["fingerprint"] != print_of:
            return None
        facts = saved["row"]
        facts["points"] = tuple(Point(**point) for point in facts["points"])
        facts["end"] = None if facts["end"] is None else Seen(**facts["end"])
        return Row(**facts)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # none, or damaged: it is played again


def told(row: Row) -> str:
    """A row in a line."""
    where = f"{row.recipe}, seed {row.seed}"
    if row.end is None or row.factor is None:
        return f"{where}: not played: {row.problem}"
    first, last = row.points[0].distance, row.points[-1].distance
    return (
        f"{where}: distance {first:.3g} -> {last:.3g} ({row.factor:.1f} times nearer), "
        f"{row.end.modes} of {row.modes} modes"
    )


def equal_time(rows: Sequence[Row]) -> float | None:
    """The seconds after which all can be compared: those of the one that was done first; None if none was."""
    ends = [row.points[-1].seconds for row in rows if row.points]
    return min(ends) if ends else None
