"""DCGAN generator and discriminator, by default exactly the networks of the lecture's homework 6.

Source: Radford et al. 2016, arXiv:1511.06434, Sec. 3; layer by layer the TAs' sample code of 2021 (R91): 5x5 kernels,
stride 2, a linear layer before the first 4x4 map. Differs: D returns logits, without a sigmoid; sides other than
64 start from a square of 3 to 7 pixels.

Shape legend: n batch, z latent length, k condition length, c channels of the picture, s its side.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from leafwing.fusion import Way
from leafwing.networks import discriminators, generators
from leafwing.networks.blocks import (
    Asks,
    Join,
    Projection,
    SmallMapDiscriminator,
    Width,
    WithCondition,
    doublings,
    refuse_unseen,
)
from leafwing.networks.conditional_norm import Chain, batch_norm
from leafwing.networks.spectral_norm import SpectralConv2d, SpectralLinear


def initialise(net: nn.Module) -> None:
    """Convolutions N(0, 0.02), BatchNorm weights N(1, 0.02) and biases 0; Radford et al. 2016, Sec. 4."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
        elif isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d) and layer.affine:
            nn.init.normal_(layer.weight, 1.0, 0.02)
            nn.init.zeros_(layer.bias)


@generators.register("dcgan")
class DCGANGenerator(nn.Module):
    """z to a small square by a linear layer, then double the side until the picture is whole.

    Args:
        z_dim: length of z.
        image_size: side s of the picture in pixels.
        channels: c, 1 for grey, 3 for colour.
        condition_dim: length k of the condition, 0 for none.
        fusion: a module by which z and condition meet, instead of ``meet``. See `leafwing.fusion`.
        width: feature maps of the last hidden layer; twice as many at each coarser one.
        kernel: side of the kernels; 5 as in the homework, 4 as in PyTorch's example.
        meet: how z and condition meet: ``"concatenate"``, ``"add"`` (equal lengths), ``"embed"`` or ``"embed-add"`` (a
            learnt image of the condition joined to z, or added), ``"none"``.
        told: ``"norms"`` tells the condition to every BatchNorm2d as well, see `leafwing.networks.conditional_norm`.

    Shape:
        ``[n, z] (, [n, k]) -> [n, c, s, s]`` in [-1, 1].
    """

    def __init__(
        self,
        z_dim: int,
        image_size: int = 64,
        channels: int = 3,
        condition_dim: int = 0,
        width: Width = 64,
        kernel: Literal[4, 5] = 5,
        meet: Way = "concatenate",
        told: Literal["input", "norms"] = "input",
        fusion: nn.Module | None = None,
    ) -> None:
        super().__init__()
        refuse_unseen(meet, told)
        self.see = WithCondition(z_dim, condition_dim, fusion, meet)
        norm = partial(batch_norm, condition_dim=condition_dim if told == "norms" else 0)
        start, times = doublings(image_size)
        widths = [width << i for i in reversed(range(times))]  # s = 64: 512, 256, 128, 64
        first = widths[0] * start * start
        self.stem = nn.Sequential(
            nn.Linear(self.see.out_dim, first, bias=False), nn.BatchNorm1d(first), nn.ReLU(inplace=True)
        )
        layers: list[nn.Module] = [nn.Unflatten(1, (widths[0], start, start))]
        for w_in, w_out in pairwise(widths):
            layers += [up(w_in, w_out, kernel, bias=False), norm(w_out), nn.ReLU(inplace=True)]
        self.body = Chain(*layers, up(widths[-1], channels, kernel, bias=True), nn.Tanh())
        initialise(self)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Pictures for z, and for a condition if the network was built for one."""
        pictures: Tensor = self.body(self.stem(self.see(z, condition)), condition)
        return pictures


def up(w_in: int, w_out: int, kernel: int, bias: bool) -> nn.ConvTranspose2d:
    """A transposed convolution that doubles the side."""
    pad, extra = (2, 1) if kernel == 5 else (1, 0)
    return nn.ConvTranspose2d(w_in, w_out, kernel, 2, pad, output_padding=extra, bias=bias)


@discriminators.register("dcgan")
class DCGANDiscriminator(SmallMapDiscriminator):
    """Halve the side until a small square is left, then one convolution over all of it gives the logit.

    Args:
        image_size: side s of the picture in pixels.
        channels: c, 1 for grey, 3 for colour.
        condition_dim: length k of the condition, 0 for none.
        outputs: numbers per picture: 1 logit, or 2 for a two-class classifier.
        width: feature maps of the first layer; twice as many at each coarser one.
        kernel: side of the kernels; 5 as in the homework of 2021, 4 as in that of 2022.
        norm: ``"batch"`` as in the paper; for gradient penalties ``"layer"`` (over all of a picture, a gain a map; as
            in WGAN-GP's program), ``"instance"``, or ``"none"``; ``"spectral"`` normalises the weights instead.
        asks: how a condition is met: ``"projection"`` (Miyato & Koyama 2018) or ``"concatenate"`` (Reed et al. 2016).

    Shape:
        ``[n, c, s, s] (, [n, k]) -> [n]``, or ``[n, outputs]`` if outputs > 1.
    """

    def __init__(
        self,
        image_size: int = 64,
        channels: int = 3,
        condition_dim: int = 0,
        outputs: int = 1,
        width: Width = 64,
        kernel: Literal[4, 5] = 5,
        norm: Literal["batch", "layer", "instance", "spectral", "none"] = "batch",
        asks: Asks = "projection",
    ) -> None:
        super().__init__()
        start, times = doublings(image_size)
        widths = [width << i for i in range(times)]  # s = 64: 64, 128, 256, 512
        pad = 2 if kernel == 5 else 1
        conv, linear = (SpectralConv2d, SpectralLinear) if norm == "spectral" else (nn.Conv2d, nn.Linear)
        layers: list[nn.Module] = [conv(channels, width, kernel, 2, pad), nn.LeakyReLU(0.2, inplace=True)]
        for w_in, w_out in pairwise(widths):
            layers += [conv(w_in, w_out, kernel, 2, pad), *normalise(norm, w_out)]
            layers += [nn.LeakyReLU(0.2, inplace=True)]
        self.body = nn.Sequential(*layers)
        self.head = conv(widths[-1], outputs, start)
        self.ask = Projection(widths[-1], condition_dim, linear) if condition_dim and asks == "projection" else None
        self.join = Join(widths[-1], condition_dim) if condition_dim and asks == "concatenate" else None
        initialise(self)


def normalise(kind: str, width: int) -> list[nn.Module]:
    """The layer after a convolution that normalises its maps, or none."""
    if kind in ("none", "spectral"):
        return []
    if kind == "layer":
        return [nn.GroupNorm(1, width)]
    return [nn.BatchNorm2d(width) if kind == "batch" else nn.InstanceNorm2d(width, affine=True)]
