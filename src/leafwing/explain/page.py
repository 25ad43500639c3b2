"""A recipe as a page of Markdown: idea, formulas beside the lines that compute them, source, settings, pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from leafwing.explain import NOBODY, Explained, expectations, explain, value_of
from leafwing.explain.formulas import Formula
from leafwing.explain.settings import Section
from leafwing.recipe import Recipe, load_recipe
from leafwing.zoo import shipped

GAME = ("variant", "prior", "augment", "train", "growth", "optimizer.generator", "optimizer.discriminator")
"""Sections whose settings make the game; of tables only what differs from the default is shown."""
SOURCES = {"pictures": "FOLDER", "films": "FILMS", "replies": "mine.jsonl"}
"""What one's own data is called, by what G makes."""
HEAD = "<!-- made by `leafwing zoo pages`: change the docstrings, the recipe or its first lines instead -->"


def pages(folder: Path, names: Sequence[str] = ()) -> list[Path]:
    """Write a page for each recipe, and one that lists them; pictures beside them are shown where they are.

    Args:
        folder: where to; ``NAME.png`` (samples), ``NAME.svg`` (a curve) and ``NAME.txt`` (what they show) are looked
            for in its ``images/``.
        names: recipes; all that are shipped if empty.

    Raises:
        BadConfig: an unknown recipe.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in names or list(shipped()):
        recipe = load_recipe(name)
        path = folder / f"{name}.md"
        path.write_text(page(name, recipe, pictures_of(name, folder)), encoding="utf-8")
        written.append(path)
    if not names:
        written.append(folder / "README.md")
        written[-1].write_text(contents(), encoding="utf-8")
    return written


def contents() -> str:
    """The list of all recipes."""
    rows = [f"| [{name}]({name}.md) | {load_recipe(name, check=False).title} |" for name in shipped()]
    about = "A page a recipe, read from the code: `leafwing zoo show NAME` prints the same and every setting."
    return "\n".join([HEAD, "# Recipes", "", about, "", "| recipe | |", "| --- | --- |", *rows, ""])


def pictures_of(name: str, folder: Path) -> list[str]:
    """Markdown of the pictures that are there."""
    kinds = (("png", "samples"), ("svg", "curve"))
    there = [(kind, what) for kind, what in kinds if (folder / "images" / f"{name}.{kind}").is_file()]
    said = folder / "images" / f"{name}.txt"
    caption = [f"\n*{said.read_text(encoding='utf-8').strip()}*"] if there and said.is_file() else []
    return [f"![{what} of {name}](images/{name}.{kind})" for kind, what in there] + caption


def page(name: str, recipe: Recipe, pictures: Sequence[str] = ()) -> str:
    """The page of one recipe."""
    told = explain(name, recipe)
    lines = [HEAD, f"# {name}: {told.title}", "", expectations(name), ""]
    lines += [*pictures, ""] if pictures else []
    lines += [f"    leafwing train {SOURCES[recipe.data.kind]} --recipe {name}", ""]
    lines += ["## Idea", "", told.idea, ""]
    for who, terms, formulas in (("D", told.d_terms, told.d_formulas), ("G", told.g_terms, told.g_formulas)):
        lines += [
            f"## What {who} minimises",
            "",
            " + ".join(f"`{t}`" for t in terms) or ("It depends on the settings." if formulas else NOBODY),
            "",
        ]
        for formula in formulas:
            lines += block(formula)
    lines += ["## Networks", ""]
    for section in told.sections:
        if section.name in ("generator", "discriminator"):
            lines += network(section)
    lines += ["## Settings", "", *settings(told), "", f"All of them: `leafwing zoo show {name}`."]
    return "\n".join(lines) + "\n"


def block(formula: Formula) -> list[str]:
    """A formula and the lines that compute it."""
    code = ["```python", formula.code, "```", ""] if formula.code else []
    return [f"### {formula.name}", "", formula.marked, "", *code]


def network(section: Section) -> list[str]:
    """What a network is and where it comes from."""
    source = f" Source: {section.source}" if section.source else ""
    who = "G" if section.name == "generator" else "D"
    values = ", ".join(f"`{s.name} = {value_of(s)}`" for s in section.settings)
    lines = [
        f"**{who}: `{section.part}`.** {section.about}{source}",
        "",
        f"{values}." if values else "No settings.",
        "",
    ]
    introduced, _, table = section.published.partition("\n\n")
    return lines + ([introduced, "", "```text", table, "```", ""] if table else [])


def settings(told: Explained) -> list[str]:
    """A table: all settings of the parts of the game, and what the recipe changes in the tables."""
    rows = ["| setting | value | |", "| --- | --- | --- |"]
    for section in told.sections:
        for setting in section.settings if section.name in GAME else ():
            if section.part or setting.value != setting.default:
                text = re.sub(r"\s+", " ", setting.text).replace("|", "\\|")
                rows.append(f"| `{section.name}.{setting.name}` | {value_of(setting)} | {text} |")
    return rows
