"""Reference implementations, where they are installed."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from types import ModuleType
from unittest import mock

import pytest


def reference(name: str) -> ModuleType:
    """A reference implementation's module; some import torchvision without needing it for their algebra."""
    if importlib.util.find_spec(name.split(".")[0]) is None:
        pytest.skip(f"{name} is not installed")
    if not importlib.util.find_spec("torchvision"):
        for needy in ("torch_fidelity", "cleanfid.fid"):  # the first also for torchmetrics, which looks for it
            if needy not in sys.modules and importlib.util.find_spec(needy.split(".")[0]):
                import_with_stubs(needy)
    return importlib.import_module(name)


def import_with_stubs(name: str) -> None:
    """Import what wants torchvision at the top of its files, and leave no trace of torchvision."""
    parts = ("", ".transforms", ".transforms.functional", ".datasets")
    stubs = {f"torchvision{part}": mock.MagicMock() for part in parts}
    sys.modules.update(stubs)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module(name)
    finally:
        for stub in stubs:
            del sys.modules[stub]
