"""Recipes as TOML files, whose first lines say what to expect; and the names of the GANs of the literature."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def shipped() -> dict[str, Path]:
    """The recipes that come with the package, by name."""
    folder = Path(str(files("leafwing.zoo")))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}
