"""What a recipe is, in words: its formulas, its settings with defaults and sources, what to expect.

Nothing here is written twice: formulas are docstrings of losses (`formulas`), settings are those of the parts
(`settings`), expectations and idea are the first lines of the recipe's file.
"""

from __future__ import annotations

import inspect
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from leafwing.explain.formulas import Formula, formulas_of
from leafwing.explain.settings import Section, Setting, sections_of
from leafwing.explain.words import folded, plain, written
from leafwing.recipe import REGISTRIES, Recipe
from leafwing.zoo import shipped

NOBODY = "Nobody judges: G has its answers told, and no D is trained."
"""What is said of a D that is none."""


@dataclass(frozen=True)
class Explained:
    """All that is known of a recipe before it is played."""

    name: str
    title: str
    expect: str
    idea: str
    d_terms: tuple[str, ...]
    d_formulas: tuple[Formula, ...]
    g_terms: tuple[str, ...]
    g_formulas: tuple[Formula, ...]
    sections: tuple[Section, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def explain(name: str, recipe: Recipe) -> Explained:
    """Everything about a recipe; ``name`` is a shipped one's, or a file."""
    return Explained(
        name, recipe.title, expectations(name), idea_of(name, recipe), *formulas_of(recipe), sections_of(recipe)
    )


IDEA = "Idea: "
"""What the line begins with from which on a recipe's first comment tells its idea, where the rules' file cannot."""


def expectations(name: str) -> str:
    """The comment that a recipe's file begins with, up to its idea."""
    return first_comment(name).partition(IDEA)[0].rstrip()


def idea_of(name: str, recipe: Recipe) -> str:
    """What a recipe is about: its own idea if several share its rules, then those rules' docstring, as written."""
    module = inspect.getmodule(REGISTRIES["variant"].get(recipe.variant.name))
    own = first_comment(name).partition(IDEA)[2]
    return "\n\n".join(part for part in (own, (inspect.getdoc(module) or "").strip()) if part)


def first_comment(name: str) -> str:
    """The comment that a recipe's file begins with, as one line."""
    path = shipped().get(name, Path(name))
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return " ".join(line.lstrip("# ").rstrip() for line in takewhile(lambda line: line.startswith("#"), lines))


def as_text(told: Explained) -> str:
    """For a terminal."""
    lines = [f"{told.name}: {told.title}", "", *folded(told.expect, "  "), ""]
    lines += ["Idea", *folded(plain(told.idea), "  "), ""]
    for who, terms, formulas in (("D", told.d_terms, told.d_formulas), ("G", told.g_terms, told.g_formulas)):
        what = " + ".join(terms) or "a choice of these, depending on the settings"
        lines.append(f"{who} minimises {what}" if formulas else NOBODY)
        for formula in formulas:
            lines += [f"  {formula.name}", *folded(formula.text, "    ")]
        lines.append("")
    lines.append("Settings: value here (default, where it is another). Change: --set section.key=value")
    for section in told.sections:
        part = f" {section.part}" if section.part else ""
        lines += [
            "",
            *folded(f"[{section.name}]{part}: {section.about}" if section.about else f"[{section.name}]{part}"),
        ]
        lines += folded(f"Source: {section.source}", "  ") if section.source else []
        for setting in section.settings:
            lines += folded(f"{setting.name} = {value_of(setting)}  {setting.text}", "  ", "      ")
        lines += ["", *(f"  {line}".rstrip() for line in section.published.splitlines())] if section.published else []
    return "\n".join(lines)


def value_of(setting: Setting) -> str:
    """A value and, where it differs, its default."""
    other = setting.default is not None and setting.value != setting.default
    return written(setting.value) + (f" (default {written(setting.default)})" if other else "")
