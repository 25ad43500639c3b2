"""Leafwing: train a network to be a generator by the adversarial game, see it, measure it, ship it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from leafwing._version import __version__

if "OMP_WAIT_POLICY" not in os.environ:
    # torch's threads wait for each other by spinning, for long by default, which starves them where cores are busy
    # (benchmarks/busy.py). Read when torch is loaded; nothing is computed otherwise.
    os.environ.setdefault("GOMP_SPINCOUNT", "30000")

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
