"""ProGAN's growing generator and discriminator.

Source: Karras et al. 2018, arXiv:1710.10196, Table 2: two 3x3 convolutions a side, pixels repeated on the way up and
averaged on the way down, an equalised learning rate in every layer, pixel norm after every convolution of G, the
minibatch deviation at the end of D. Gains as in the authors' program. In the order of Table 2, D averages after leaky
ReLU; the program's fused layers do so before it.

With z of 512 and ``width = 16, most = 512`` these are the paper's networks for 1024x1024: 23.1 M parameters each.

Shape legend: n batch, z latent length, k condition length, c channels of the picture, s its side, w feature maps.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from leafwing.fusion import Way
from leafwing.networks import discriminators, generators
from leafwing.networks.blocks import Asks, Join, MinibatchSpread, Projection, Width, WithCondition, doublings, logits_of
from leafwing.networks.equalized import HE, EqualConv2d, EqualLinear, PixelNorm
from leafwing.networks.growing import Growing, enlarged, reduced
from leafwing.networks.resize import ladder


def leaky() -> nn.LeakyReLU:
    """The kink between all layers."""
    return nn.LeakyReLU(0.2, inplace=True)


def convolved(w_in: int, w_out: int) -> list[nn.Module]:
    """A 3x3 convolution of G, leaky ReLU, pixel norm."""
    return [EqualConv2d(w_in, w_out, 3, gain=HE), leaky(), PixelNorm()]


@generators.register("progan")
class ProGANGenerator(Growing):
    """z on a sphere, a small square of features from it, then sides that are faded in one after another.

    Nothing bounds the pictures while G learns; in ``eval`` mode they are cut to [-1, 1].

    Args:
        z_dim: length of z; 512 in the paper.
        image_size: side s of the picture in pixels.
        channels: c, 1 for grey, 3 for colour.
        condition_dim: length k of the condition, 0 for none.
        width: feature maps at full size; twice as many at each coarser size.
        most: feature maps at most; 512 in the paper.
        meet: how z and condition meet: ``"concatenate"`` as in the authors' program, ``"add"`` (equal lengths),
            ``"embed"`` or ``"embed-add"`` (a learnt image of the condition joined to z, or added).
        fusion: a module by which z and condition meet, instead of ``meet``. See `leafwing.fusion`.

    Shape:
        ``[n, z] (, [n, k]) -> [n, c, s, s]``.
    """

    unbounded = True
    """Pictures may leave [-1, 1] while G learns."""

    def __init__(
        self,
        z_dim: int,
        image_size: int = 64,
        channels: int = 3,
        condition_dim: int = 0,
        width: Width = 16,
        most: Width = 128,
        meet: Way = "concatenate",
        fusion: nn.Module | None = None,
    ) -> None:
        start, times = doublings(image_size)
        super().__init__(times)
        widths = ladder(width, times, most)
        first = widths[0]
        self.see = WithCondition(z_dim, condition_dim, fusion, meet)
        self.begin = nn.Sequential(
            PixelNorm(),
            EqualLinear(self.see.out_dim, first * start * start, gain=HE / 4),
            nn.Unflatten(1, (first, start, start)),
            leaky(),
            PixelNorm(),
            *convolved(first, first),
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(*convolved(w_in, w_out), *convolved(w_out, w_out)) for w_in, w_out in pairwise(widths)
        )
        self.to_picture = nn.ModuleList(EqualConv2d(w, channels, 1) for w in widths)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Pictures for z, and for a condition if the network was built for one."""
        finest, shows = self.stage()
        maps = coarser = self.begin(self.see(z, condition))
        for block in self.blocks[:finest]:
            coarser = maps
            maps = block(enlarged(maps, 1))
        pictures: Tensor = self.to_picture[finest](maps)
        if shows < 1:
            pictures = torch.lerp(enlarged(self.to_picture[finest - 1](coarser), 1), pictures, shows)
        pictures = enlarged(pictures, self.doublings - finest)
        return pictures if self.training else pictures.clamp(-1, 1)


class Reduce(nn.Module):
    """Halve the side by the mean of four pixels. [n, w, h, h] -> [n, w, h / 2, h / 2]."""

    def forward(self, maps: Tensor) -> Tensor:
        """The means."""
        return reduced(maps, 1)


@discriminators.register("progan")
class ProGANDiscriminator(Growing):
    """G's mirror, and before the verdict a look at the variety of the batch.

    Args:
        image_size: side s of the picture in pixels.
        channels: c, 1 for grey, 3 for colour.
        condition_dim: length k of the condition, 0 for none.
        outputs: numbers per picture: 1 logit, or 2 for a two-class classifier.
        width: feature maps at full size; twice as many at each coarser size.
        most: feature maps at most; 512 in the paper.
        asks: how a condition is met: ``"projection"`` (Miyato & Koyama 2018) or ``"concatenate"`` (Reed et al. 2016).
        group: pictures over which variety is measured.

    Shape:
        ``[n, c, s, s] (, [n, k]) -> [n]``, or ``[n, outputs]`` if outputs > 1.
    """

    def __init__(
        self,
        image_size: int = 64,
        channels: int = 3,
        condition_dim: int = 0,
        outputs: int = 1,
        width: Width = 16,
        most: Width = 128,
        asks: Asks = "projection",
        group: Annotated[int, Field(ge=1)] = 4,
    ) -> None:
        start, times = doublings(image_size)
        super().__init__(times)
        widths = ladder(width, times, most)
        last = widths[0]
        self.from_picture = nn.ModuleList(nn.Sequential(EqualConv2d(channels, w, 1, gain=HE), leaky()) for w in widths)
        self.blocks = nn.ModuleList(self.block(w_in, w_out) for w_out, w_in in pairwise(widths))
        self.join = Join(last, condition_dim) if condition_dim and asks == "concatenate" else None
        self.end = nn.Sequential(
            MinibatchSpread(group),
            EqualConv2d(last + 1, last, 3, gain=HE),
            leaky(),
            nn.Flatten(),
            EqualLinear(last * start * start, last, gain=HE),
            leaky(),
        )
        self.verdict = EqualLinear(last, outputs)
        self.ask = Projection(last, condition_dim) if condition_dim and asks == "projection" else None

    def block(self, w_in: int, w_out: int) -> nn.Module:
        """From a side to half of it."""
        return nn.Sequential(
            EqualConv2d(w_in, w_in, 3, gain=HE), leaky(), EqualConv2d(w_in, w_out, 3, gain=HE), leaky(), Reduce()
        )

    def forward(self, pictures: Tensor, condition: Tensor | None = None) -> Tensor:
        """Logits for pictures, given the condition if the network was built for one."""
        finest, shows = self.stage()
        pictures = reduced(pictures, self.doublings - finest)
        maps = self.from_picture[finest](pictures)
        for side in range(finest, 0, -1):
            maps = self.blocks[side - 1](maps)
            if side == finest and shows < 1:
                maps = torch.lerp(self.from_picture[side - 1](reduced(pictures, 1)), maps, shows)
        if self.join is not None:
            maps = self.join(maps, condition)
        features = self.end(maps)
        verdicts: Tensor = self.verdict(features)
        if self.ask is not None:
            verdicts = verdicts + self.ask(features, condition)[:, None]
        return logits_of(verdicts)
