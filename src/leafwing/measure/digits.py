"""Reads digits, so that StackedMNIST's modes can be counted: a small convolutional classifier, and its file.

The literature's classifier is Keras' MNIST example (PacGAN, arXiv:1712.04086, Sec. 4.2: 99 % and more); this one is our
own, trained on the user's MNIST by `leafwing.bench.digits`. Another classifier gives slightly other figures, so its
accuracy belongs to the protocol.

Shape legend: n pictures, s their side.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from leafwing.core.errors import BadData
from leafwing.core.tensors import from_bytes
from leafwing.data.mnist import SIDE


class DigitReader(nn.Module):
    """Digits [n, 1, 28, 28] in [-1, 1] -> logits [n, 10]. 39 thousand parameters, 3.9 million products a digit."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *layer(1, 16, 5), nn.MaxPool2d(2), *layer(16, 32, 3), *layer(32, 32, 3), nn.MaxPool2d(2),
            *layer(32, 64, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64 * 9, 10),
        )  # fmt: skip

    def forward(self, digits: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.body(digits)
        return logits


def layer(w_in: int, w_out: int, kernel: int) -> list[nn.Module]:
    """A convolution that keeps the side, BatchNorm, ReLU."""
    convolution = nn.Conv2d(w_in, w_out, kernel, padding=kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(w_out), nn.ReLU(inplace=True)]


def load_reader(path: Path) -> DigitReader:
    """The classifier in a safetensors file.

    Raises:
        BadData: it is of another network.
        BadRun: it is damaged.
    """
    reader = DigitReader()
    try:
        reader.load_state_dict(from_bytes(path.read_bytes(), str(path)))
    except RuntimeError as error:
        raise BadData(f"{path} holds no digit classifier of this version: delete it, it is made again.") from error
    return reader.eval()


@torch.inference_mode()
def read(reader: nn.Module, digits: Tensor, chunk: int = 1000) -> NDArray[np.int64]:
    """What each picture shows, 0..9: [n, 1, 28, 28] -> [n]."""
    parts = [reader(part).argmax(1).cpu() for part in torch.split(digits, chunk)]
    return torch.cat(parts).numpy()


def read_stacked(reader: nn.Module, pictures: Tensor) -> NDArray[np.int64]:
    """The number 0..999 that each picture shows: red hundreds, green tens, blue ones. [n, 3, s, s] -> [n].

    A larger picture is cut to its middle 28 pixels, where the data's digits stand.
    """
    edge = (pictures.shape[-1] - SIDE) // 2
    middle = pictures[..., edge : edge + SIDE, edge : edge + SIDE]
    figures = read(reader, middle.reshape(-1, 1, SIDE, SIDE)).reshape(-1, 3)
    modes: NDArray[np.int64] = figures @ np.array([100, 10, 1])
    return modes
