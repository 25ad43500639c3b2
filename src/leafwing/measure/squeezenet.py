"""``squeezenet``: SqueezeNet 1.1 trained on ImageNet, a network of 0.7 million weights, read from a file of the user's.

Source: Iandola et al. 2016, arXiv:1602.07360; version 1.1 of the authors' release. The names of the weights are
torchvision's (``features.0.weight``, …). Features are the means over the last layer's 14 × 14 places.

Preprocessing is that of Caffe, from which the weights come: BGR, 0..255, minus (104, 117, 123).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from leafwing.core.errors import BadData
from leafwing.measure.network import Network, read_tensors, sha256_of

SIDE = 227
DIM = 512
MEAN_BGR = (104.0, 117.0, 123.0)
MARK = "features.3.squeeze1x1.weight"
"""A weight that only SqueezeNet has."""


class Fire(nn.Module):
    """Squeeze to few channels, then expand by 1 × 1 and 3 × 3 side by side: Iandola et al., Fig. 1."""

    def __init__(self, inner: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze1x1 = nn.Conv2d(inner, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """[n, inner, h, w] -> [n, 2 expand, h, w]."""
        x = self.squeeze1x1(x).relu()
        return torch.cat([self.expand1x1(x), self.expand3x3(x)], 1).relu()


class SqueezeNet(nn.Module):
    """Pictures [n, 3, 227, 227] in BGR, mean taken off -> [n, 512]."""

    def __init__(self) -> None:
        super().__init__()

        def pool() -> nn.Module:
            return nn.MaxPool2d(3, 2, ceil_mode=True)

        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool(),
            Fire(64, 16, 64), Fire(128, 16, 64), pool(),
            Fire(128, 32, 128), Fire(256, 32, 128), pool(),
            Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """[n, 3, h, w] -> [n, 512]."""
        pooled: Tensor = self.features(x).mean((2, 3))
        return pooled


def prepared(x: Tensor) -> Tensor:
    """RGB in 0..255 to what the weights were trained on: [n, 3, h, w] -> likewise."""
    return x.flip(1) - x.new_tensor(MEAN_BGR)[:, None, None]


def load(path: Path, device: torch.device | str = "cpu") -> Network:
    """The network with the weights in a safetensors file.

    Raises:
        BadData: the file cannot be read, or holds other weights.
    """
    state = {name: value for name, value in read_tensors(path).items() if name.startswith("features.")}
    net = SqueezeNet()
    try:
        net.load_state_dict(state)
    except RuntimeError:
        raise BadData(
            f"{path} does not hold SqueezeNet 1.1: it should have torchvision's names, features.0.weight …"
        ) from None
    net = net.eval().requires_grad_(False).to(device)
    return Network(
        name="squeezenet",
        dim=DIM,
        side=SIDE,
        resizer="clean",
        compute=lambda x: net(prepared(x)),
        weights=sha256_of(path),
        preprocessing="BGR, 0..255, minus (104, 117, 123)",
        device=torch.device(device),
    )
