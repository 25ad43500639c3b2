"""Docstrings and values as a terminal can show them."""

from __future__ import annotations

import re
import textwrap
from typing import Any

from leafwing.core.config import shown

WIDTH = 110
"""Characters of a line."""
SIGNS = {
    r"\log": "log ", r"\sigma": "σ", r"\frac12": "½ ", r"\tfrac12": "½ ", r"\nabla": "∇", r"\|": "‖", r"\hat": "",
    r"\lambda": "λ", r"\gamma": "γ", r"\max": "max", r"\min": "min", r"\sum": "Σ", r"\cdot": "·", r"\mathbb": "",
    r"\epsilon": "ε", r"\alpha": "α", r"\beta": "β", r"\sim": "~", r"\left": "", r"\right": "", r"\sqrt": "√",
    r"\tilde ": "~", r"\,": " ", r"\partial": "∂", r"\big": "", r"\ne": "≠",
}  # fmt: skip
"""LaTeX of the docstrings as a terminal can show it."""


def plain(text: str) -> str:
    """LaTeX and code marks of a docstring as text; a paragraph a line, argument lists left out."""
    for macro, sign in SIGNS.items():
        text = text.replace(macro, sign)
    text = re.sub(r"\\frac\{(.*?)\}\{(.*?)\}|\\frac(\w)(\w)", r"\1\3/\2\4", text)
    text = re.sub(r"\n(Args|Returns|Shape|Raises):.*", "", text, flags=re.DOTALL)
    text = re.sub(r"``|[$]", "", text)
    return "\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n") if paragraph.strip())


def written(value: Any) -> str:
    """A value as in TOML, about."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(written(one) for one in value)}]"
    return "none" if value is None else shown(value).replace("'", '"')


def folded(text: str, first: str = "", rest: str | None = None) -> list[str]:
    """Lines of at most `WIDTH` characters."""
    indent = first if rest is None else rest
    folds = (textwrap.wrap(line, WIDTH, initial_indent=first, subsequent_indent=indent) for line in text.splitlines())
    return [line for fold in folds for line in fold]
