"""``leafwing zoo``: the recipes that are ready to train, and the 501 names of the literature."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

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

    from leafwing.zoo import names, shipped

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
    for one in known:
        if one.id in NOTES:
            print(f"{one.name}: {NOTES[one.id]}\n")
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


def advice(start: Start) -> list[str]:
    """A start in sentences."""
    lines = []
    if start.recipe is None:
        lines.append("Nothing here is near.")
    else:
        lines += [f"Start: {start.command}", f"Shared: {'; '.join(start.ideas)}."]
    if start.gaps:
        lines.append(f"It is about {'; '.join(start.gaps)}: no recipe here does that, G makes pictures from z.")
    if start.absent:
        lines.append(f"Not here yet: {'; '.join(start.absent)}.")
    if start.recipe is None and not (start.gaps or start.absent):
        lines.append("Its title names no idea that a recipe here shares. For any pictures: leafwing train FOLDER")
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
