"""What every feature network tells of itself, so that its numbers can be compared and made again.

Shape legend: n pictures, c channels, h height, w width, d features, k classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from leafwing.core import tensors
from leafwing.core.errors import BadConfig, BadData, BadRun
from leafwing.measure.resizers import RESIZERS, Resizer, resize


@dataclass(frozen=True)
class Network:
    """Pictures to features.

    Attributes:
        name: stands in the name of each measure: ``frechet[squeezenet]``.
        dim: d.
        side: the side it wants, in pixels; None where it takes pictures of any size.
        resizer: how pictures come to that side.
        compute: [n, 3, side, side] in 0..255, float32 -> features [n, d].
        head: features [n, d] -> logits [n, k]; None for a network that names nothing.
        weights: sha256 of the weights, 64 hex digits; empty for a network without any.
        preprocessing: what happens to the numbers 0..255, in words.
        standard: whether these are FID's Inception weights, so that the measure may be called FID.
        device: where it computes.
    """

    name: str
    dim: int
    side: int | None
    resizer: Resizer
    compute: Callable[[Tensor], Tensor] = field(repr=False)
    head: Callable[[Tensor], Tensor] | None = field(default=None, repr=False)
    weights: str = ""
    preprocessing: str = "0..255"
    standard: bool = False
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def __call__(self, pictures: Tensor) -> Tensor:
        """Pictures [n, c, h, w] in 0..255, uint8 or float, c = 1 to 4 -> float32 [n, d]."""
        return self.compute(self.fitted(pictures)).float()

    def fitted(self, pictures: Tensor) -> Tensor:
        """Float32 [n, 3, side, side] in 0..255 on the network's device; grey becomes three equal channels."""
        x = pictures.to(self.device).float()
        x = x[:, :1].expand(-1, 3, -1, -1) if x.shape[1] < 3 else x[:, :3]
        return x if self.side is None else resize(x, self.side, self.resizer)

    def with_resizer(self, how: str | None) -> Network:
        """The same network behind another resizer; None leaves it.

        Raises:
            BadConfig: no resizer is called so.
        """
        if how is None:
            return self
        if how not in RESIZERS:
            raise BadConfig(f"--resizer {how} is not known: choose one of {', '.join(RESIZERS)}.")
        return replace(self, resizer=how)  # type: ignore[arg-type]

    def protocol(self) -> dict[str, Any]:
        """What has to be told beside a number."""
        return {
            "network": self.name,
            "features": self.dim,
            "weights_sha256": self.weights or None,
            "side": self.side,
            "resizer": self.resizer if self.side else None,
            "preprocessing": self.preprocessing,
        }


def sha256_of(path: Path) -> str:
    """The file's sha256, 64 hex digits, read a piece at a time.

    Raises:
        BadData: the file cannot be read.
    """
    total = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(2**20):
                total.update(piece)
    except OSError as error:
        raise BadData(f"The weights {path} cannot be read: {error.strerror or error}.") from None
    return total.hexdigest()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        BadData: it is missing, or is none.
    """
    try:
        return tensors.from_bytes(path.read_bytes(), str(path))
    except OSError as error:
        raise BadData(f"The weights {path} cannot be read: {error.strerror or error}.") from None
    except BadRun as error:
        raise BadData(str(error)) from None
