"""Leafwing: train a network to be a generator by the adversarial game, see it, measure it, ship it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leafwing._version import __version__

if TYPE_CHECKING:
    from leafwing.api import chat, check_data, evaluate, interpolate, load, make_recipe, resume, sample, status, train

__all__ = [
    "__version__",
    "chat",
    "check_data",
    "evaluate",
    "interpolate",
    "load",
    "make_recipe",
    "resume",
    "sample",
    "status",
    "train",
]


def __getattr__(name: str) -> Any:  # the API is loaded on first use: `leafwing --help` must not import torch
    if name in __all__:
        from leafwing import api

        return getattr(api, name)
    raise AttributeError(f"module 'leafwing' has no attribute {name!r}")
