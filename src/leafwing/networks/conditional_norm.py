"""BatchNorm whose scale and shift are told by the condition, and a chain of layers that hands the condition to it.

Source: de Vries et al. 2017, "Modulating early visual processing by language", arXiv:1707.00683, Sec. 3.1; in a GAN's
generator Miyato & Koyama 2018, arXiv:1802.05637. As in BigGAN (Brock et al. 2019, arXiv:1809.11096) the scale is 1 plus
what the condition adds, so that a block of 0s ("any") leaves plain BatchNorm.

Shape legend: n batch, w feature maps, k condition length.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from leafwing.core.errors import BadNetwork


class Told(nn.Module):
    """A layer called as ``layer(x, condition)``; the condition is None in a network that has none."""


def tell(layer: nn.Module, x: Tensor, condition: Tensor | None) -> Tensor:
    """x through one layer, which gets the condition if it is of those that are told."""
    out: Tensor = layer(x, condition) if isinstance(layer, Told) else layer(x)
    return out


class ConditionalBatchNorm2d(Told):
    """``(1 + A x) * normalised + (b + B x)`` for each feature map, with the condition x.

    Args:
        width: feature maps w.
        condition_dim: length k of the condition.
        spread: of the initial A; B begins at 0. Above 0, so that the condition matters from the start.
        linear: the kind of layer that A and B are.
        bias: whether there is b.
    """

    def __init__(
        self,
        width: int,
        condition_dim: int,
        spread: float = 0.1,
        linear: Callable[..., nn.Linear] = nn.Linear,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width, affine=False)
        self.scale = linear(condition_dim, width, bias=False)
        self.shift = linear(condition_dim, width, bias=bias)
        nn.init.normal_(self.scale.weight, 0.0, spread)
        nn.init.zeros_(self.shift.weight)
        if bias:
            nn.init.zeros_(self.shift.bias)

    def forward(self, features: Tensor, condition: Tensor | None) -> Tensor:
        """[n, w, h, h], [n, k] -> [n, w, h, h]."""
        if condition is None:
            raise BadNetwork("This network was built for a condition: call it as net(z, condition).")
        scale, shift = 1 + self.scale(condition), self.shift(condition)
        return torch.addcmul(shift[:, :, None, None], self.norm(features), scale[:, :, None, None])


class Chain(nn.Sequential):
    """Layers one after another; those that are told the condition get it."""

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """x through all layers."""
        for layer in self:
            x = tell(layer, x, condition)
        return x


def batch_norm(width: int, condition_dim: int) -> nn.Module:
    """BatchNorm, told by the condition where there is one."""
    return ConditionalBatchNorm2d(width, condition_dim) if condition_dim else nn.BatchNorm2d(width)
