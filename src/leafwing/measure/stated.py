"""Networks of the user's own: an ONNX file, or a PyTorch class with weights; a JSON beside it states the preprocessing.

    {"side": 224, "resizer": "clean", "order": "RGB", "scale": 255,
     "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}

The network sees (x / scale - mean) / std for x in 0..255. An output [n, d, h, w] is averaged over its places.

Shape legend: n pictures, d features, h height, w width.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from leafwing.core.config import Settings, validate
from leafwing.core.errors import BadConfig, BadData, LeafwingError
from leafwing.core.registry import Registry
from leafwing.measure.network import Network, read_tensors, sha256_of
from leafwing.measure.resizers import Resizer

EXAMPLE = '{"side": 224, "resizer": "clean", "order": "RGB", "scale": 255, "mean": [0, 0, 0], "std": [1, 1, 1]}'
Three = tuple[float, float, float]
CLASSES: Registry[nn.Module] = Registry("feature network", "leafwing.measure")


class Card(Settings):
    """What the JSON says."""

    side: Annotated[int, Field(ge=1, le=4096)]
    resizer: Resizer = "clean"
    order: Literal["RGB", "BGR"] = "RGB"
    scale: Annotated[float, Field(gt=0)] = 255.0
    mean: Three = (0.0, 0.0, 0.0)
    std: Three = (1.0, 1.0, 1.0)

    def prepare(self, x: Tensor) -> Tensor:
        """[n, 3, side, side] in 0..255 to what the network wants."""
        mean, std = (x.new_tensor(part)[:, None, None] for part in (self.mean, self.std))
        return ((x if self.order == "RGB" else x.flip(1)) / self.scale - mean) / std

    def words(self) -> str:
        """For the protocol."""
        return f"{self.order}, (x / {self.scale:g} - {self.mean}) / {self.std}"


def read_card(path: Path) -> Card:
    """The card beside a file of weights: the same name, ending in .json.

    Raises:
        BadConfig: it is missing, or cannot be.
    """
    beside = path.with_suffix(".json")
    try:
        said: Any = json.loads(beside.read_text(encoding="utf-8"))
    except OSError:
        raise BadConfig(f"{path} needs {beside.name} beside it, which states its preprocessing: {EXAMPLE}.") from None
    except ValueError as error:
        raise BadConfig(f"{beside} is not JSON ({error}); it should look like {EXAMPLE}.") from None
    if not isinstance(said, dict):
        raise BadConfig(f"{beside} should look like {EXAMPLE}.")
    return cast("Card", validate(Card, said, str(beside)))


def load_onnx(path: Path, device: torch.device | str = "cpu") -> Network:
    """The first output of an ONNX graph. Runs on the CPU, by onnxruntime.

    Raises:
        BadConfig: onnxruntime is not installed, or the card is missing.
        BadData: the file is no such graph.
    """
    card = read_card(path)
    try:
        runtime: Any = import_module("onnxruntime")
    except ImportError:
        raise BadConfig(f"{path} is an ONNX file, which onnxruntime computes: pip install onnxruntime.") from None
    digest = sha256_of(path)
    try:
        session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own classes share no base
        raise BadData(f"{path} is no ONNX graph: {' '.join(str(error).split())[:120]}.") from None
    entrance = session.get_inputs()[0].name

    def compute(x: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {entrance: card.prepare(x).numpy()})[0])

    return _network(path, card, compute, digest, torch.device("cpu"))


def load_class(name: str, path: Path, device: torch.device | str = "cpu") -> Network:
    """A class in a Python file, ``FILE.py:Class``, built without arguments, with weights from a safetensors file.

    Raises:
        BadConfig: no such class, or no card beside the weights.
        BadData: the weights do not fit.
    """
    card = read_card(path)
    try:
        net = CLASSES.get(name)()
        net.load_state_dict(read_tensors(path))
    except LeafwingError:
        raise
    except Exception as error:
        raise BadData(f"{path} does not fit {name}: {' '.join(str(error).split())[:160]}.") from None
    net = net.eval().requires_grad_(False).to(device)
    return _network(path, card, lambda x: net(card.prepare(x)), sha256_of(path), torch.device(device))


def _network(path: Path, card: Card, compute: Callable[[Tensor], Tensor], digest: str, device: torch.device) -> Network:
    """Try it on one black picture, so that what does not fit is said before the work begins."""

    def flat(x: Tensor) -> Tensor:
        y = compute(x)
        return y.mean((2, 3)) if y.ndim == 4 else y.flatten(1)

    try:
        dim = int(flat(torch.zeros(1, 3, card.side, card.side, device=device)).shape[1])
    except Exception as error:
        why = " ".join(str(error).split())[:160]
        raise BadData(f"{path} cannot read pictures [n, 3, {card.side}, {card.side}]: {why}.") from None
    return Network(
        name=path.stem,
        dim=dim,
        side=card.side,
        resizer=card.resizer,
        compute=flat,
        weights=digest,
        preprocessing=card.words(),
        device=device,
    )
