"""Feature networks by name and by file: ``pixels``, ``faces``, ``squeezenet=FILE``, ``inception=FILE``, ``my.onnx``, ….

What is known by name stands in ``NAMES``; a file tells by its content which network its weights are for.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from leafwing.core.errors import BadConfig, BadData, did_you_mean
from leafwing.data import cache_root
from leafwing.measure import fid_weights, pixels, pretrained, squeezenet, stated
from leafwing.measure.network import Network, read_tensors

FACTORS = "leafwing.measure.factors"
SQUEEZENET_FILE = "squeezenet1_1.safetensors"
NAMES = ("pixels", "faces", "squeezenet", "inception", "dinov2", "clip")


def load(
    wanted: str,
    device: torch.device | str = "cpu",
    *,
    resizer: str | None = None,
    download: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Network:
    """The network that a text names.

    Args:
        wanted: a name; ``NAME=FILE``; a .safetensors, .pth or .onnx file; or ``FILE.py:Class=WEIGHTS``.
        device: where it computes.
        resizer: another one than the network's own: ``clean``, ``legacy`` or ``area``.
        download: whether Inception's weights may be fetched.
        progress: called with (done, total) bytes of a download.

    Raises:
        BadConfig: no such name, or a library is missing.
        BadData: a file is missing or holds something else.
    """
    name, given, file = wanted.partition("=")
    path = Path(file).expanduser() if given else None
    if ".py:" in name:
        if path is None:
            raise BadConfig(f"--features {wanted} needs weights: give {name}=FILE.safetensors.")
        return stated.load_class(name, path, device).with_resizer(resizer)
    if not given and name not in NAMES:
        if not _is_file_name(name):
            raise BadConfig(f"No features are called {name!r}.{did_you_mean(name, NAMES)} Or give a file.")
        return _by_file(Path(name).expanduser(), device).with_resizer(resizer)
    return _by_name(name, path, device, download, progress).with_resizer(resizer)


def default_for(source: str) -> str:
    """What is there without any file: ``faces`` for the drawn faces it was trained on, else ``pixels``."""
    return "faces" if source == "world:faces" and find_spec(FACTORS) else "pixels"


def how_to_get_fid() -> str:
    """A sentence for reports whose network is not Inception."""
    return (
        "This is not FID, which needs Inception's standard weights: --features inception=FILE, or --features inception "
        "--download once (95.6 MB); see docs/measures.md."
    )


def _by_name(
    name: str,
    path: Path | None,
    device: torch.device | str,
    download: bool,
    progress: Callable[[int, int], None] | None,
) -> Network:
    if name == "pixels":
        return pixels.load(device)
    if name == "faces":
        return faces(device)
    if name == "squeezenet":
        return squeezenet.load(path or _kept_squeezenet(), device)
    if name == "inception":
        return _inception(path, device, download, progress)
    if name in ("dinov2", "clip"):
        if path is None:
            path = cache_root() / "features" / name
        return pretrained.load(name, path, device)
    raise BadConfig(f"No features are called {name!r}.{did_you_mean(name, NAMES)}")


def _by_file(path: Path, device: torch.device | str) -> Network:
    """Weights by their names, so that a file need not be called anything special."""
    if not path.is_file():
        raise BadData(f"The weights {path} do not exist.")
    if path.suffix == ".onnx":
        return stated.load_onnx(path, device)
    if path.suffix != ".safetensors":
        return fid_weights.load(path, device)
    names = read_tensors(path).keys()
    if squeezenet.MARK in names:
        return squeezenet.load(path, device)
    if fid_weights.MARK in names:
        return fid_weights.load(path, device)
    raise BadData(
        f"{path} holds weights of a network that is not known here: give its class too, FILE.py:Class={path.name}."
    )


def _is_file_name(text: str) -> bool:
    return Path(text).suffix in (".safetensors", ".onnx", ".pth", ".pt") or "/" in text or Path(text).is_file()


def _kept_squeezenet() -> Path:
    path = cache_root() / "features" / SQUEEZENET_FILE
    if not path.is_file():
        raise BadData(
            f"SqueezeNet's weights are not here: give --features squeezenet=FILE (SqueezeNet 1.1, safetensors with "
            f"torchvision's names), or put the file at {path}."
        )
    return path


def _inception(
    path: Path | None, device: torch.device | str, download: bool, progress: Callable[[int, int], None] | None
) -> Network:
    if path is None and download:
        path = fid_weights.download(progress)
    if path is None:
        path = fid_weights.kept()
        if not path.is_file():
            raise BadData(
                f"Inception's weights are not here: give --features inception=FILE ({fid_weights.FILE}, sha256 "
                f"{fid_weights.SHA256[:12]}…), put it at {path}, or say --download."
            )
    return fid_weights.load(path, device)


def faces(device: torch.device | str = "cpu") -> Network:
    """The shipped network that reads the factors of ``world:faces``; its numbers before the last layer.

    Raises:
        BadConfig: this version ships none.
    """
    if not find_spec(FACTORS):
        raise BadConfig("--features faces is not there in this version: use pixels, or a file.")
    factors = import_module(FACTORS)
    net = factors.load(str(device))

    def compute(x: Tensor) -> Tensor:
        features: Tensor = net.features(x / 127.5 - 1)
        return features

    return Network(
        name="faces",
        dim=int(factors.FEATURES),
        side=int(factors.SIDE),
        resizer="clean",
        compute=compute,
        weights=factors.digest() if hasattr(factors, "digest") else "",
        preprocessing="RGB, x / 127.5 - 1",
        device=torch.device(device),
    )
