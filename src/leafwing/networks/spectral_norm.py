"""Spectral normalisation: layers whose weight is divided by its largest singular value, so that none can be steep.

The weight W is read as a matrix [out, everything else]. Its largest singular value is s = u'Wv, with u and v found by
power iteration: one step a forward pass in training, from the u of the pass before, as W moves but little between them.
Gradients go through s with u and v held. Source: Miyato et al. 2018, arXiv:1802.05957, Eq. 8 and Alg. 1.

In ``eval`` mode a pass takes the same step and forgets it, as in the authors' program: the same input gives the same
output. While the network is held still (`leafwing.freeze`) u may move and is put back; a skipped step puts it back too.
Being a buffer, u is saved, so that a resumed run is the unbroken one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SpectralNorm(nn.Module):
    """What both layers share: the vector u [out], of length 1, and the weight divided by s."""

    weight: Tensor
    u: Tensor

    def begin(self) -> None:
        """Draw the first u; once, after the weight is there."""
        self.register_buffer("u", F.normalize(torch.randn(len(self.weight)), dim=0))

    def normalised(self) -> Tensor:
        """W / s, in full precision even where the passes around it are not."""
        with torch.autocast(self.weight.device.type, enabled=False):
            matrix = self.weight.flatten(1)
            with torch.no_grad():
                v = F.normalize(self.u @ matrix, dim=0)
                u = F.normalize(matrix @ v, dim=0)
                if self.training:
                    self.u.copy_(u)
            return self.weight / torch.dot(u, matrix @ v)


class SpectralConv2d(SpectralNorm, nn.Conv2d):
    """A convolution with a normalised weight; arguments and shapes of ``nn.Conv2d``."""

    def __init__(
        self, w_in: int, w_out: int, kernel: int, stride: int = 1, padding: int = 0, bias: bool = True
    ) -> None:
        nn.Conv2d.__init__(self, w_in, w_out, kernel, stride, padding, bias=bias)
        self.begin()

    def forward(self, x: Tensor) -> Tensor:
        """[n, w_in, h, w] -> [n, w_out, h, w]."""
        return F.conv2d(x, self.normalised(), self.bias, self.stride, self.padding)


class SpectralLinear(SpectralNorm, nn.Linear):
    """A linear layer with a normalised weight; arguments and shapes of ``nn.Linear``."""

    def __init__(self, w_in: int, w_out: int, bias: bool = True) -> None:
        nn.Linear.__init__(self, w_in, w_out, bias)
        self.begin()

    def forward(self, x: Tensor) -> Tensor:
        """[n, w_in] -> [n, w_out]."""
        return F.linear(x, self.normalised(), self.bias)


Conv = Callable[..., nn.Conv2d]
"""``nn.Conv2d`` or :class:`SpectralConv2d`: (w_in, w_out, kernel, padding=..., bias=...)."""
Linear = Callable[..., nn.Linear]
"""``nn.Linear`` or :class:`SpectralLinear`: (w_in, w_out, bias=...)."""
