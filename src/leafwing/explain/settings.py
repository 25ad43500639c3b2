"""The settings of a recipe: value, default, what each is, and where the part it belongs to comes from."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pydantic import BaseModel

from leafwing.explain.words import plain
from leafwing.networks import GIVEN
from leafwing.recipe import FILE, REGISTRIES, TABLES, USER, Part, Recipe


@dataclass(frozen=True)
class Setting:
    """One setting: its value in the recipe, its default (None if it must be given), what it is."""

    name: str
    value: Any
    default: Any
    text: str


@dataclass(frozen=True)
class Section:
    """Settings that belong together, and where the part they belong to comes from."""

    name: str
    part: str
    about: str
    source: str
    settings: tuple[Setting, ...]
    published: str = ""
    """Of a generator's file: the published pairs and the settings that make them, a line and a table."""


def sections_of(recipe: Recipe) -> tuple[Section, ...]:
    """All settings: of the parts, of the tables, of each player's optimiser."""
    sections = [section_of_part(key, getattr(recipe, key)) for key in REGISTRIES]
    for key in TABLES:
        table: BaseModel = getattr(recipe, key)
        if key == "optimizer":
            sections += [section_of_table(f"optimizer.{who}", getattr(table, who)) for who in type(table).model_fields]
        else:
            sections.append(section_of_table(key, table))
    return tuple(sections)


def section_of_part(kind: str, part: Part) -> Section:
    """A part's settings, each with the line about it from the class's docstring."""
    if part.name.startswith(USER):
        return Section(kind, part.name, "", "", ())
    made = REGISTRIES[kind].get(part.name)
    lines = arguments(inspect.getdoc(made) or "")
    schema = REGISTRIES[kind].settings(part.name, GIVEN)
    settings = tuple(
        Setting(name, getattr(part.options, name), default_of(schema, name), lines.get(name, ""))
        for name in schema.model_fields
    )
    module = inspect.getmodule(made)
    written = "" if FILE in part.name or module is None else inspect.getdoc(module) or ""
    about = plain((inspect.getdoc(made) or "").split("\n\n")[0])
    published = published_of(written) if kind == "generator" else ""
    return Section(kind, part.name, about, source_of(written), settings, published)


def section_of_table(name: str, table: BaseModel) -> Section:
    """The settings of a table, each with its own docstring."""
    fields = type(table).model_fields
    settings = tuple(
        Setting(key, getattr(table, key), default_of(type(table), key), plain(field.description or ""))
        for key, field in fields.items()
    )
    return Section(name, "", plain((inspect.getdoc(type(table)) or "").split("\n\n")[0]), "", settings)


def default_of(schema: type[BaseModel], name: str) -> Any:
    """A setting's default; None where there is none."""
    field = schema.model_fields[name]
    return None if field.is_required() else field.get_default(call_default_factory=True)


def arguments(docstring: str) -> dict[str, str]:
    """The Args of a Google docstring: name -> what it is."""
    found = re.search(r"^Args:\n((?:[ ]+.*\n?|\n)+)", docstring, flags=re.MULTILINE)
    if not found:
        return {}
    entries = re.split(r"^ {4}(?=\S)", found[1], flags=re.MULTILINE)
    pairs = (entry.partition(":") for entry in entries if ":" in entry)
    return {name.strip(): plain(text.strip()) for name, _, text in pairs}


def source_of(docstring: str) -> str:
    """The paragraph of a module's docstring that begins with ``Source:``."""
    paragraphs = (plain(paragraph) for paragraph in docstring.split("\n\n"))
    return next((text.removeprefix("Source: ") for text in paragraphs if text.startswith("Source:")), "")


def published_of(docstring: str) -> str:
    """The table of a module's docstring, under the line that introduces it; empty if there is none."""
    paragraphs = docstring.split("\n\n")
    tables = (f"{before}\n\n{table}" for before, table in pairwise(paragraphs) if table.startswith("===="))
    return next(tables, "")
