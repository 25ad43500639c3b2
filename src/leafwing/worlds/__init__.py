"""Worlds: data drawn by program, so that the truth behind every picture is known."""

from __future__ import annotations

from importlib import import_module
from typing import Any

PICTURES = {
    "faces": "leafwing.worlds.faces:Faces",
    "corner": "leafwing.worlds.corner:Corner",
    "maze": "leafwing.worlds.maze:Maze",
}
"""The worlds of pictures: name -> ``module:Class``, imported when asked for. The class is called with the seed."""
FILMS = ("maze",)
"""Those whose pictures are the frames of films."""
REPLIES = "replies"
"""The world of questions and replies, which has no pictures."""


def build(name: str, seed: int) -> Any:
    """The world of that name, seeded.

    Raises:
        KeyError: there is none.
    """
    module, _, attribute = PICTURES[name].partition(":")
    return getattr(import_module(module), attribute)(seed)
