"""Layers of ProGAN and StyleGAN: an equalised learning rate, and vectors of equal length.

Adam moves every weight about as far a step, whatever its size, so a layer whose weights are large learns slowly. Here
all weights begin as N(0, 1), and what He's initialisation would divide them by is a constant of the layer: all of them
are as large, and learn as fast.

Source: Karras et al. 2018, arXiv:1710.10196, Sec. 4.1 (equalised learning rate) and 4.2 (pixel norm); the multiplier of
the learning rate: Karras et al. 2019, arXiv:1812.04948, Appendix C.

Shape legend: n batch, i inputs, o outputs, h side.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HE = math.sqrt(2)
"""The gain of He's initialisation for ReLU, which ProGAN and StyleGAN keep for leaky ReLU."""


class EqualLinear(nn.Linear):
    """``x (c W)^T + m b`` with ``c = gain * m / sqrt(i)``, the entries of W drawn from N(0, 1 / m^2).

    Args:
        inputs: i.
        outputs: o.
        bias: whether there is a b.
        gain: how much the layer makes of a signal: its output begins with ``gain`` times its input's deviation.
        multiplier: m, of the learning rate: W and b move m times as far a step; 0.01 in StyleGAN's mapping network.
        bias_from: what ``m b`` is at first.

    Shape:
        ``[n, i] -> [n, o]``.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        bias: bool = True,
        gain: float = 1.0,
        multiplier: float = 1.0,
        bias_from: float = 0.0,
    ) -> None:
        super().__init__(inputs, outputs, bias)
        self.scale, self.multiplier = gain * multiplier / math.sqrt(inputs), multiplier
        nn.init.normal_(self.weight, 0.0, 1 / multiplier)
        if self.bias is not None:
            nn.init.constant_(self.bias, bias_from / multiplier)

    def forward(self, x: Tensor) -> Tensor:
        """The product with the scaled weights."""
        bias = self.bias if self.bias is None or self.multiplier == 1 else self.bias * self.multiplier
        return F.linear(x, self.weight * self.scale, bias)


class EqualConv2d(nn.Conv2d):
    """A convolution by ``c W`` with ``c = gain / sqrt(i * kernel^2)``, the entries of W drawn from N(0, 1).

    Args:
        inputs: i.
        outputs: o.
        kernel: its side.
        stride: step in pixels.
        padding: zeros around the maps; by default as many as keep their side.
        bias: whether each output map has a number added.
        gain: how much the layer makes of a signal.

    Shape:
        ``[n, i, h, h] -> [n, o, h, h]``.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        padding: int | None = None,
        bias: bool = True,
        gain: float = 1.0,
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, kernel // 2 if padding is None else padding, bias=bias)
        self.scale = gain / math.sqrt(self.weight[0].numel())
        nn.init.normal_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The convolution with the scaled weights."""
        return F.conv2d(x, self.weight * self.scale, self.bias, self.stride, self.padding)


class PixelNorm(nn.Module):
    """Each pixel's vector of features (or a whole z) brought to a mean square of 1. ``[n, f, ...]`` -> the same."""

    def forward(self, x: Tensor) -> Tensor:
        """x divided by the root of its mean square over dimension 1; Karras et al. 2018, Sec. 4.2."""
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)
