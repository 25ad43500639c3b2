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
    stubs = ["torchvision", *(f"torchvision.{part}" for part in ("transforms", "transforms.functional", "datasets"))]
    for needy in ("torch_fidelity", "cleanfid.fid"):  # torchmetrics, too, looks for torch-fidelity
        if not importlib.util.find_spec("torchvision") and importlib.util.find_spec(needy.split(".")[0]):
            with mock.patch.dict(sys.modules, {stub: mock.MagicMock() for stub in stubs}), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                loaded = importlib.import_module(needy)
            sys.modules.setdefault(needy, loaded)
    return importlib.import_module(name)
