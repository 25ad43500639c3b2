"""``zoo gallery``: the recipes in the order of their years, on the same data for equally many pictures, on one page.

Each is a run folder of its own, so that a gallery that was stopped goes on where it was.
"""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image

from leafwing import api
from leafwing._version import __version__
from leafwing.bench.reduced import lasting, of_pictures, reduced
from leafwing.core.errors import BadConfig, BadRun, LeafwingError
from leafwing.core.pictures import captioned, save_png, sheet, to_uint8
from leafwing.core.progress import say
from leafwing.core.published import replace_file
from leafwing.explore.asked import Asking
from leafwing.recipe import Recipe, load_recipe
from leafwing.report import page
from leafwing.run import is_run, read_recipe

IMAGES, COLUMNS, ROWS, SEED = 20_000, 10, 2, 1
"""Real pictures shown to D unless asked otherwise; pictures of each recipe on the page, and the seed of their z."""
SHEET, PAGE = "gallery.png", "gallery.html"


@dataclass(frozen=True)
class Plan:
    """What was asked for. See the command's help."""

    recipes: list[str]
    data: str
    image_size: int
    images: int
    settings: list[str]
    device: str
    out: Path


@dataclass(frozen=True)
class Exhibit:
    """A recipe's part of the gallery.

    Attributes:
        name: of the recipe.
        title: the recipe's.
        year: of its paper.
        sheet: of its pictures; None where there is a problem.
        images: real pictures shown to D.
        seconds: of training.
        problem: why there are no pictures, or empty.
    """

    name: str
    title: str
    year: int
    sheet: Image.Image | None = None
    images: int = 0
    seconds: float = 0.0
    problem: str = ""

    @property
    def caption(self) -> str:
        """Year and name."""
        return f"{self.year}  {self.name}"


class Stopped(Exception):
    """A signal asked to stop; what was played is saved."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number)
        self.number = number


def year_of(recipe: Recipe) -> int | None:
    """The year of the paper: the first one in the recipe's title; None for a recipe without."""
    found = re.search(r"\b20[12]\d\b", recipe.title)
    return int(found[0]) if found else None


def dated(names: Sequence[str]) -> list[tuple[int, str]]:
    """Recipes with a year, the oldest first.

    Raises:
        BadConfig: an unknown recipe, or one asked for that has no year.
    """
    found = [(year_of(load_recipe(name, check=False)), name) for name in names]
    for year, name in found:
        if year is None:
            raise BadConfig(f"{name} cannot hang in the gallery: its title names no year, as (Goodfellow 2014) does.")
    return sorted((year, name) for year, name in found if year is not None)


def usual() -> list[str]:
    """Every shipped recipe of a paper."""
    return [name for name in of_pictures() if year_of(load_recipe(name, check=False)) is not None]


def make(plan: Plan) -> list[Exhibit]:
    """Train what is not trained yet, draw, and write the sheet and the page.

    Raises:
        Stopped: a signal came while a recipe was trained.
        BadRun: the folder holds another gallery.
    """
    order = dated(plan.recipes)
    recipes = {name: planned(plan, name) for _, name in order}
    found = []
    for number, (year, name) in enumerate(order, 1):
        say(f"{number}/{len(order)}: {year} {name}")
        found.append(hang(plan, name, year, recipes[name]))
    plan.out.mkdir(parents=True, exist_ok=True)
    about = {"Software": f"Leafwing {__version__}: pictures made by generators"}
    save_png(together(found), plan.out / SHEET, about)
    replace_file(plan.out / PAGE, page_of(plan, found).encode())
    return found


def planned(plan: Plan, name: str) -> Recipe:
    """The recipe, narrowed, on the gallery's data and as long as its budget."""
    recipe = reduced(name, [], seed=0)
    facts = {"source": plan.data, "image_size": plan.image_size, "channels": 3, "flip": False}
    facts |= {"count": 5000} if plan.data.startswith("world:") else {"count": None}
    if recipe.data.condition and plan.data == "world:faces":
        facts |= {"condition": ("hair",)}
    recipe = replace(recipe, data=recipe.data.model_copy(update=facts)).override(plan.settings)
    return lasting(recipe, plan.images)


def hang(plan: Plan, name: str, year: int, recipe: Recipe) -> Exhibit:
    """Train one recipe to its end and draw from it; what cannot be is said in its place."""
    folder = plan.out / "runs" / Path(name).stem
    try:
        recipe.check()
        train(folder, recipe, plan.device)
        G = api.load(folder, device=plan.device)
        drawn = torch.cat([some.pictures.float().cpu() for some in Asking(G).draw(COLUMNS * ROWS, SEED)])
    except BadRun:
        raise
    except LeafwingError as problem:
        return Exhibit(name, recipe.title, year, problem=str(problem))
    last = api.status(folder)["last"]
    shown = sheet(to_uint8(drawn), columns=COLUMNS, scale=max(1, 64 // plan.image_size))
    return Exhibit(name, recipe.title, year, shown, int(last.get("images", 0)), float(last.get("seconds", 0.0)))


def train(folder: Path, recipe: Recipe, device: str) -> None:
    """Begin, go on, or find it done."""
    if not is_run(folder):
        outcome = api.train(recipe=recipe, out=folder, device=device)
    elif read_recipe(folder) != recipe:
        raise BadRun(f"{folder} holds a run with other settings: give the same ones again, or choose another --out.")
    elif api.status(folder)["step"] >= recipe.train.steps:
        return
    else:
        outcome = api.resume(folder, device=device)
    if outcome.stopped_by is not None:
        raise Stopped(outcome.stopped_by)


def together(found: Sequence[Exhibit]) -> Image.Image:
    """One sheet: each recipe's pictures under its year and name."""
    blank = Image.new("RGB", (8, 8), "white")
    images = [(f"{one.caption}{' : not here' * bool(one.problem)}", one.sheet or blank) for one in found]
    return captioned(images, columns=1)


def page_of(plan: Plan, found: Sequence[Exhibit]) -> str:
    """The page, which holds all it shows."""
    years = [one.year for one in found]
    lead = (
        f"{len(found)} recipes on {plan.data} at {plan.image_size} by {plan.image_size}, narrow networks, each until D "
        f"was shown {plan.images:,} real pictures. So short a run says who learns soon, not who draws best in the end."
    )
    sections = [page.Section(Path(one.name).stem, one.caption, body_of(one)) for one in found]
    again = ["leafwing", "zoo", "gallery", "--data", plan.data, "--image-size", str(plan.image_size)]
    again += ["--images", str(plan.images), "--recipe", *plan.recipes]
    again += ["--set", *plan.settings] if plan.settings else []
    foot = f"Leafwing {__version__}. The pictures were made by generators. Again: {shlex.join(again)}"
    return page.page(f"GANs, {min(years)} to {max(years)}", lead, "", sections, foot)


def body_of(one: Exhibit) -> str:
    """A recipe's pictures, or why there are none."""
    if one.sheet is None:
        return page.paragraph(f"{one.title}.") + page.missing(one.problem)
    alt = f"Rows of {COLUMNS} pictures by {one.name}."
    minutes = f"{one.images:,} real pictures, {one.seconds / 60:.1f} minutes of training, none of the samples chosen."
    return page.paragraph(f"{one.title}.") + page.figure(one.sheet, alt, minutes)


def lines(plan: Plan, found: Sequence[Exhibit]) -> Iterator[str]:
    """For people, a line each, then where the pictures are."""
    for one in found:
        yield f"{one.year}  {one.name:14} " + (one.problem or f"{one.seconds / 60:6.1f} min")
    yield f"{plan.out / SHEET}, {plan.out / PAGE}"
