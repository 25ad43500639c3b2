"""StyleGAN's generator, drawn by styles and noise from a constant, and its discriminator. Both grow as ProGAN's do.

Source: Karras et al. 2019, arXiv:1812.04948, Fig. 1 and Appendix C; gains and the order of layers as in the authors'
program. In evaluation mode the noise is always the same, where the program draws it anew unless told otherwise.

With z and w of 512 and ``width = 16, most = 512`` the generator is the paper's for 1024x1024: 26.2 M parameters.

Shape legend: n batch, z latent length, k condition length, c channels of the picture, s its side, w style length,
f feature maps, h side.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing.networks import discriminators, generators
from leafwing.networks.blocks import Width, doublings
from leafwing.networks.equalized import HE, EqualConv2d, EqualLinear
from leafwing.networks.filters import Filter
from leafwing.networks.growing import Growing, enlarged
from leafwing.networks.mapping import Mapping, Noise, Truncated
from leafwing.networks.progan import ProGANDiscriminator, Reduce, leaky
from leafwing.networks.resize import ladder

BLUR = (1, 2, 1)
"""Taps of the filter after enlarging and before reducing."""
TRUNCATED = 8
"""Of the coarsest layers, how many truncation concerns: those up to 32x32."""


class Styled(nn.Module):
    """After a convolution: noise, bias, leaky ReLU, and every map brought to the mean and deviation that w asks for.

    The last step is adaptive instance normalisation, Karras et al. 2019, Eq. 1; scales begin around 1.

    Args:
        width: feature maps f.
        side: h.
        style: length of w.
    """

    def __init__(self, width: int, side: int, style: int) -> None:
        super().__init__()
        self.noise = Noise(width, side)
        self.bias = nn.Parameter(torch.zeros(width))
        self.ask = EqualLinear(style, 2 * width)

    def forward(self, maps: Tensor, w: Tensor) -> Tensor:
        """[n, f, h, h], [n, w] -> [n, f, h, h]."""
        maps = F.leaky_relu(self.noise(maps) + self.bias[:, None, None], 0.2)
        maps = maps - maps.mean(dim=(2, 3), keepdim=True)
        deviation = (maps.square().mean(dim=(2, 3), keepdim=True) + 1e-8).sqrt()
        scale, shift = self.ask(w)[:, :, None, None].chunk(2, dim=1)
        return torch.addcmul(shift, maps, (scale + 1) / deviation)


class Side(nn.Module):
    """One side of the picture: two layers. The first has a convolution of its own input, but for the smallest side.

    Args:
        w_in: feature maps of the side before; None for the smallest side, which is given its maps.
        width: feature maps f.
        side: h.
        style: length of w.
    """

    def __init__(self, w_in: int | None, width: int, side: int, style: int) -> None:
        super().__init__()
        self.enlarge = w_in is not None
        up = [EqualConv2d(w_in, width, 3, gain=HE, bias=False), Filter(BLUR)] if w_in is not None else []
        self.up = nn.Sequential(*up)
        self.first = Styled(width, side, style)
        self.convolve = EqualConv2d(width, width, 3, gain=HE, bias=False)
        self.second = Styled(width, side, style)

    def forward(self, maps: Tensor, styles: Tensor) -> Tensor:
        """[n, f', h / 2, h / 2], [n, 2, w] -> [n, f, h, h]."""
        maps = self.first(self.up(enlarged(maps, int(self.enlarge))), styles[:, 0])
        found: Tensor = self.second(self.convolve(maps), styles[:, 1])
        return found


@generators.register("stylegan")
class StyleGANGenerator(Growing):
    """A learnt constant, drawn over by layers that take their style from w and their chance details from noise.

    Nothing bounds the pictures while G learns; in ``eval`` mode they are cut to [-1, 1].

    Args:
        z_dim: length of z; 512 in the paper.
        image_size: side s of the picture in pixels.
        channels: c, 1 for grey, 3 for colour.
        condition_dim: length k of the condition, 0 for none.
        width: feature maps at full size; twice as many at each coarser size.
        most: feature maps at most; 512 in the paper.
        style: length of w; 512 in the paper.
        depth: layers from z to w; 8 in the paper.
        mapping_lr: what the learning rate of these is multiplied by; 0.01 in the paper.
        mixing: share of pictures that mix the styles of two z while G learns; 0.9 in the paper.
        fusion: how z and condition meet; if None, a learnt image of the condition after z.

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
        style: Width = 128,
        depth: Annotated[int, Field(ge=1, le=64)] = 8,
        mapping_lr: Annotated[float, Field(gt=0)] = 0.01,
        mixing: Annotated[float, Field(ge=0, le=1)] = 0.9,
        fusion: nn.Module | None = None,
    ) -> None:
        start, times = doublings(image_size)
        super().__init__(times)
        widths = ladder(width, times, most)
        self.mapping = Mapping(z_dim, condition_dim, style, depth, mapping_lr, mixing, fusion=fusion)
        self.constant = nn.Parameter(torch.ones(1, widths[0], start, start))
        self.sides = nn.ModuleList([Side(None, widths[0], start, style)])
        for i, (w_in, w_out) in enumerate(pairwise(widths), start=1):
            self.sides.append(Side(w_in, w_out, start << i, style))
        self.to_picture = nn.ModuleList(EqualConv2d(w, channels, 1) for w in widths)

    def forward(self, z: Tensor, condition: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """Pictures for z, and for a condition if the network was built for one; truncated towards the mean of w."""
        finest, shows = self.stage()
        styles = self.mapping(z, condition, 2 * (finest + 1), truncation, TRUNCATED)
        maps = coarser = self.constant.expand(z.shape[0], -1, -1, -1)
        for number, side in enumerate(self.sides[: finest + 1]):
            coarser = maps
            maps = side(maps, styles[:, 2 * number : 2 * number + 2])
        pictures: Tensor = self.to_picture[finest](maps)
        if shows < 1:
            pictures = torch.lerp(enlarged(self.to_picture[finest - 1](coarser), 1), pictures, shows)
        pictures = enlarged(pictures, self.doublings - finest)
        return pictures if self.training else pictures.clamp(-1, 1)

    def truncated(self, psi: float) -> nn.Module:
        """The same generator with styles drawn towards their mean. See `leafwing.networks.mapping.Truncated`."""
        return Truncated(self, psi)


@discriminators.register("stylegan")
class StyleGANDiscriminator(ProGANDiscriminator):
    """ProGAN's, which smooths before it halves, and halves before leaky ReLU. Arguments and shapes as there."""

    def block(self, w_in: int, w_out: int) -> nn.Module:
        """From a side to half of it."""
        return nn.Sequential(
            EqualConv2d(w_in, w_in, 3, gain=HE),
            leaky(),
            Filter(BLUR),
            EqualConv2d(w_in, w_out, 3, gain=HE),
            Reduce(),
            leaky(),
        )
