"""Residual blocks of SNGAN, SAGAN and BigGAN.

Source: Miyato et al. 2018, arXiv:1802.05957, Appendix B, Fig. 8 and Tables 4 and 5. A 1x1 convolution goes with the
enlarging and the shrinking of a map in either order; here it is always done on the smaller map, which is the same.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing.networks.conditional_norm import Told, tell
from leafwing.networks.spectral_norm import Conv


class Up(Told):
    """G's block: the side doubled by repeating pixels, between two normalised convolutions.

    Args:
        w_in: feature maps that come.
        w_out: feature maps that go.
        norm: width -> a normalisation layer, with or without a condition.
        conv: the kind of convolution.
    """

    def __init__(self, w_in: int, w_out: int, norm: Callable[[int], nn.Module], conv: Conv = nn.Conv2d) -> None:
        super().__init__()
        self.norm1, self.conv1 = norm(w_in), conv(w_in, w_out, 3, padding=1)
        self.norm2, self.conv2 = norm(w_out), conv(w_out, w_out, 3, padding=1)
        self.beside = conv(w_in, w_out, 1)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """[n, w_in, h, h] (, [n, k]) -> [n, w_out, 2h, 2h]."""
        h = F.relu(tell(self.norm1, x, condition))
        h = self.conv1(F.interpolate(h, scale_factor=2.0, mode="nearest"))
        h = self.conv2(F.relu(tell(self.norm2, h, condition)))
        return torch.add(h, F.interpolate(self.beside(x), scale_factor=2.0, mode="nearest"))


class Down(nn.Module):
    """D's block: two convolutions after a ReLU each, then the side halved by the mean of 2x2.

    Args:
        w_in: feature maps that come.
        w_out: feature maps that go.
        conv: the kind of convolution.
        halve: whether the side is halved.
        first: the first block sees pixels, which no ReLU may cut.
        middle: feature maps between the convolutions; ``w_in`` in SNGAN (but in the first block), ``w_out`` in BigGAN.
    """

    def __init__(
        self, w_in: int, w_out: int, conv: Conv, halve: bool = True, first: bool = False, middle: int | None = None
    ) -> None:
        super().__init__()
        middle = middle or (w_out if first else w_in)
        self.conv1, self.conv2 = conv(w_in, middle, 3, padding=1), conv(middle, w_out, 3, padding=1)
        self.beside = conv(w_in, w_out, 1) if halve or w_in != w_out else nn.Identity()
        self.halve, self.first = halve, first

    def forward(self, x: Tensor) -> Tensor:
        """[n, w_in, h, h] -> [n, w_out, h / 2, h / 2], or of side h."""
        h = self.conv2(F.relu(self.conv1(x if self.first else F.relu(x))))
        if self.halve:
            h, x = F.avg_pool2d(h, 2), F.avg_pool2d(x, 2)
        return torch.add(h, self.beside(x))
