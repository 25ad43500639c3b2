"""``leafwing zoo``: the recipes that are ready to train, and the 501 names of the literature."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from leafwing.cli.train import Overrides

if TYPE_CHECKING:
    from leafwing.zoo.families import Start
    from leafwing.zoo.names import Name

app = App(name="zoo", help="The recipes that are ready to train, and an index of 501 GANs.", help_format="plaintext")
Json = Annotated[bool, Parameter(name="--json", negative=())]


@app.command(name="list")
def list_(*, year: int | None = None, letter: str | None = None, json_output: Json = False) -> None:
    """List the shipped recipes; or, of the index, the GANs of a year or of a first letter.

    Example: leafwing zoo list --year 2017 --letter S

    Parameters
    ----------
    year
        2014 to 2018.
    letter
        The first letter or digit of the name.
    json_output
        Print JSON.
    """
    from leafwing.core.config import read_toml
    from leafwing.zoo import names, shipped

    if year is not None or letter is not None:
        return tell(names.listed(year, letter), json_output)
    titles = {name: str(read_toml(path)["title"]) for name, path in shipped().items()}
    if json_output:
        recipes = [{"name": name, "title": title} for name, title in titles.items()]
        print(json.dumps({"recipes": recipes, "count": len(names.index()), "years": names.years()}, indent=2))
        return None
    for name, title in titles.items():
        print(f"{name:12} {title}")
    counts = ", ".join(f"{count} of {year}" for year, count in names.years().items())
    print(f"\nThe index names {len(names.index())} GANs: {counts}.")
    print("See: leafwing zoo list --year 2017, zoo list --letter S, zoo search WORDS, zoo show NAME, zoo like NAME")
    return None


@app.command
def search(*words: str, json_output: Json = False) -> None:
    """Find GANs of the index whose name, title or arXiv number holds every word.

    Example: leafwing zoo search wasserstein image

    Parameters
    ----------
    words
        Words or parts of words.
    json_output
        Print JSON.
    """
    from leafwing.zoo import names

    tell(names.search(words), json_output)


@app.command
def show(name: str, /, *, toml: Annotated[bool, Parameter(negative=())] = False, json_output: Json = False) -> None:
    """Print a recipe's formulas, settings and expectations; or what the index knows of a GAN.

    Where several GANs share a name, all are shown: choose one by its arXiv number.

    Example: leafwing zoo show sgan

    Parameters
    ----------
    name
        A shipped recipe, a TOML file, a name of the index, or an arXiv number.
    toml
        Print the recipe as a TOML file with all its settings, to be changed and trained.
    json_output
        Print JSON.
    """
    import os

    from leafwing.core.errors import BadConfig
    from leafwing.zoo import names, shipped

    if toml and json_output:
        raise BadConfig("zoo show prints a recipe as TOML or as JSON: give --toml or --json, not both.")
    known = names.find(name)
    recipe = names.recipe_called(name)
    is_file = name.endswith(".toml") or os.path.isfile(name)
    if recipe is None and not is_file and not known:
        raise names.unknown(name)
    if toml and recipe is None and not is_file:
        raise names.no_recipe(name)
    if recipe is None and not is_file:
        return tell(known, json_output, asked=name)
    return show_recipe(recipe if recipe in shipped() else name, name, known, toml, json_output)


def show_recipe(name: str, asked: str, known: list[Name], toml: bool, json_output: bool) -> None:
    """A recipe's page, after the papers that share its name, if it is not the only one."""
    from leafwing.explain import as_text, explain
    from leafwing.recipe import load_recipe
    from leafwing.zoo.names import NOTES

    recipe = load_recipe(name)
    if toml:
        return print(recipe.to_toml())
    told = explain(name, recipe)
    if json_output:
        return print(json.dumps(told.as_dict() | {"papers": [one.as_dict() for one in known]}, indent=2))
    if len(known) > 1:
        tell(known, False, asked=asked)
        print(f"The recipe {name} is the one that is marked:\n")
    elif known:
        print(f"{line(known[0])}\n")
        if known[0].id in NOTES:
            print(f"{known[0].name}: {NOTES[known[0].id]}\n")
    return print(as_text(told))


@app.command
def like(name: str, /, *, json_output: Json = False) -> None:
    """Print the nearest recipe to start from for a GAN of the index, and what will be missing.

    Judged by the words of its name and title alone.

    Example: leafwing zoo like rnn-wgan

    Parameters
    ----------
    name
        A name of the index, or an arXiv number.
    json_output
        Print JSON.
    """
    from leafwing.zoo import names
    from leafwing.zoo.families import like

    known = names.find(name)
    if not known and names.recipe_called(name) is None:
        raise names.unknown(name)
    found = [(one, like(one)) for one in known]
    if json_output:
        return print(json.dumps([one.as_dict() | {"start": start.as_dict()} for one, start in found], indent=2))
    if not known:
        return print(f"{name} is a recipe here: leafwing train --recipe {names.recipe_called(name)}")
    for one, start in found:
        print(line(one))
        print("\n".join(f"    {said}" for said in advice(start)))
    return None


@app.command
def pages(*names: str, out: Path) -> None:
    """Write a page of Markdown for each recipe: idea, formulas beside their lines, source, settings, pictures.

    Example: leafwing zoo pages --out docs/zoo

    Parameters
    ----------
    names
        Recipes; all of them if left out.
    out
        A folder; NAME.png (samples) and NAME.svg (a curve) in its images/ are shown on the page.
    """
    from leafwing.explain.page import pages as write

    for path in write(out, names):
        print(path)


@app.command
def check(variant: str, /, *, recipe: str | None = None, settings: Overrides = None, json_output: Json = False) -> None:
    """Ask of a GAN of your own what this project's tests ask of each of its own: signs, turns, shapes, resume.

    Some seconds, on a few drawn faces at 16x16.

    Example: leafwing zoo check my_gan.py:MyGAN

    Parameters
    ----------
    variant
        FILE.py:Class, or a registered name.
    recipe
        Whose networks it plays with; the recipe of that variant, or DCGAN's without BatchNorm in D, if left out.
    settings
        Any setting of the recipe, as section.key=value; several may follow.
    json_output
        Print JSON.
    """
    from leafwing.acceptance import accept
    from leafwing.core.errors import BadConfig

    found = []
    for one in accept(variant, recipe, settings or []):
        found.append(one)
        if not json_output:
            print(f"no   {one.promise}: {one.problem}" if one.problem else f"yes  {one.promise}", flush=True)
    if json_output:
        print(json.dumps([asdict(one) for one in found], indent=2))
    broken = sum(bool(one.problem) for one in found)
    if broken:
        raise BadConfig(f"{variant} does not keep {broken} of {len(found)} promises, see above.")


@app.command
def gallery(
    *,
    recipe: Annotated[list[str] | None, Parameter(consume_multiple=True, negative=())] = None,
    data: str = "world:faces",
    image_size: int = 32,
    images: int | None = None,
    out: Path = Path("gallery"),
    settings: Overrides = None,
    device: str = "auto",
) -> int:
    """From 2014 to today on one page: every recipe, made small, on the same data for equally many pictures.

    Stopped, it goes on where it was by the same command.

    Example: leafwing zoo gallery --recipe gan-2014 dcgan wgan-gp r3gan --images 20000

    Parameters
    ----------
    recipe
        Shipped recipes or TOML files whose title names a year; every shipped one of a paper if left out.
    data
        What all learn from.
    image_size
        Side in pixels.
    images
        Real pictures shown to each D; 20,000 if left out.
    out
        The folder of the page, the sheet and the runs.
    settings
        Any setting, for all of the recipes, as section.key=value; several may follow.
    device
        auto, cpu or cuda.
    """
    from leafwing.bench import gallery as bench
    from leafwing.core.errors import BadConfig

    if images is not None and images < 1:
        raise BadConfig(f"--images {images} cannot be: give at least 1.")
    source = data if data.startswith("world:") else str(Path(data).expanduser().resolve())
    budget = images or bench.IMAGES
    plan = bench.Plan(recipe or bench.usual(), source, image_size, budget, settings or [], device, out)
    try:
        found = bench.make(plan)
    except bench.Stopped as stopped:
        print(f"stopped and saved; the same command goes on: leafwing zoo gallery --out {out}")
        return 128 + stopped.number
    print("\n".join(bench.lines(plan, found)))
    return 0


def advice(start: Start) -> list[str]:
    """A start in sentences; first of all what no recipe here does."""
    lines = [f"It is about {'; '.join(start.gaps)}: no recipe here does that."] if start.gaps else []
    if start.general:
        lines.append(f"A general start, for any pictures; its title names no idea of a recipe here: {start.command}")
    else:
        lines += [f"Start: {start.command}", f"Shared: {'; '.join(start.ideas)}."]
    if start.absent:
        lines.append(f"Not here yet: {'; '.join(start.absent)}.")
    return lines


def tell(found: list[Name], json_output: bool, asked: str | None = None) -> None:
    """Names of the index: a line each; and if one name was asked for, which one or what more there is."""
    from leafwing.zoo.names import NOTES

    if json_output:
        facts: list[dict[str, Any]] = [one.as_dict() for one in found]
        return print(json.dumps({"count": len(facts), "names": facts}, indent=2))
    if asked is not None and len(found) > 1:
        print(f"{len(found)} GANs answer to {asked!r}. Which one?")
    for one in found:
        print(line(one))
    if asked is None:
        return print(f"{len(found)} in all.")
    for one in found:
        if one.id in NOTES:
            print(f"{one.name}: {NOTES[one.id]}")
    if len(found) > 1:
        return print(f"Ask for one by its number: leafwing zoo show {found[0].id}")
    print(found[0].link)
    more = f"show {found[0].recipe}" if found[0].recipe else f"like {found[0].id}"
    return print(f"{'Its recipe' if found[0].recipe else 'No recipe here; the nearest'}: leafwing zoo {more}")


def line(one: Name) -> str:
    """One GAN: month, arXiv number, name, title, the link if there is no number, and the recipe if it is here."""
    link = "" if one.arxiv else f"  {one.link}"
    ours = f"  [recipe {one.recipe}]" if one.recipe else ""
    return f"{one.year}-{one.month:02}  {one.arxiv or '-':10}  {one.name:18} {one.title}{link}{ours}"
