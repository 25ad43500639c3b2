"""BigGAN's generator and discriminator: SAGAN's blocks, wide, and a condition that every block is told anew.

G cuts z into as many pieces as it has blocks and one more. The first piece makes the first square; each other one is
joined to the embedding of the condition, which all blocks share, and tells a block's BatchNorms their scale and shift.
Every weight but the embedding is spectrally normalised; all begin orthogonal.

Source: Brock et al. 2019, arXiv:1809.11096, Sec. 3 and Appendix B; layer by layer the first author's program
(ajbrock/BigGAN-PyTorch, MIT).

The program's networks, with 1,000 classes and z of 120:

=========  =========================  ==========================
picture    settings of G              settings of D
=========  =========================  ==========================
32         width = 256, most = 256    width = 256, most = 256,
                                      until = 8, flat = 2
64         width = 128, most = 1024   width = 64, most = 1024
128        width = 96, most = 1536    width = 96, most = 1536
=========  =========================  ==========================

At 128 these are 70,433,988 and 87,982,370 parameters, as the authors count.

Shape legend: n batch, z latent length, k condition length, c channels of the picture, s its side.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from leafwing.networks import discriminators, generators
from leafwing.networks.attention import SelfAttention
from leafwing.networks.blocks import Width, WithCondition, doublings
from leafwing.networks.conditional_norm import Chain, ConditionalBatchNorm2d
from leafwing.networks.residual import Up
from leafwing.networks.sngan import SNGANDiscriminator, place_of
from leafwing.networks.spectral_norm import SpectralConv2d, SpectralLinear


def initialise(net: nn.Module) -> None:
    """Orthogonal weights, as in Saxe et al. 2014, arXiv:1312.6120."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.orthogonal_(layer.weight)


@generators.register("biggan")
class BigGANGenerator(nn.Module):
    """A square from the first piece of z, then blocks that double the side, each told its own piece and the condition.

    Without a condition there is one class, whose embedding is learnt all the same.

    Args:
        z_dim: length of z; 120 for 128 pixels. Of any length: pieces differ by one at most, the first are the longest.
        image_size: side s of the picture in pixels: a side of 3 to 7, doubled.
        channels: c, 1 for grey, 3 for colour.
        condition_dim: length k of the condition, 0 for none. Several labels are the sum of their embeddings.
        fusion: a module by which z and condition meet before z is cut, beside what the blocks are told.
        width: feature maps at full size; twice as many at each coarser one.
        most: feature maps at most; 16 times as many as the ``ch`` of the paper.
        shared: length of the condition's embedding.
        attend: self-attention stands on the largest map of at most this side; nowhere if unset.

    Shape:
        ``[n, z] (, [n, k]) -> [n, c, s, s]`` in [-1, 1].
    """

    def __init__(
        self,
        z_dim: int,
        image_size: int = 128,
        channels: int = 3,
        condition_dim: int = 0,
        width: Width = 96,
        most: Width = 1536,
        shared: Annotated[int, Field(ge=1, le=8192)] = 128,
        attend: int | None = 64,
        fusion: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.see = WithCondition(z_dim, condition_dim, fusion, "none")
        start, times = doublings(image_size)
        place = place_of(attend, [start << i for i in range(1, times + 1)], "generator")
        self.pieces = [len(piece) for piece in torch.arange(self.see.out_dim).tensor_split(times + 1)]
        self.shared = nn.Parameter(torch.empty(max(1, condition_dim), shared))
        widths = [min(width << i, most) for i in reversed(range(times + 1))]  # s = 128: 1536, 1536, 768, ..., 96
        self.first = SpectralLinear(self.pieces[0], widths[0] * start * start)
        self.start = (widths[0], start, start)
        self.blocks = nn.ModuleList()
        for number, (w_in, w_out) in enumerate(pairwise(widths)):
            told = shared + self.pieces[number + 1]
            norm = partial(ConditionalBatchNorm2d, condition_dim=told, linear=SpectralLinear, bias=False)
            attention = [SelfAttention(w_out, SpectralConv2d)] if number == place else []
            self.blocks.append(Chain(Up(w_in, w_out, norm, SpectralConv2d), *attention))
        last = widths[-1]
        self.to_picture = nn.Sequential(
            nn.BatchNorm2d(last), nn.ReLU(inplace=True), SpectralConv2d(last, channels, 3, padding=1), nn.Tanh()
        )
        initialise(self)
        nn.init.orthogonal_(self.shared)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Pictures for z, and for a condition if the network was built for one."""
        first, *others = self.see(z, condition).split(self.pieces, dim=1)
        about = self.shared.expand(len(z), -1) if condition is None else condition @ self.shared
        x = self.first(first).unflatten(1, self.start)
        for block, piece in zip(self.blocks, others, strict=True):
            x = block(x, torch.cat([about, piece], dim=1))
        pictures: Tensor = self.to_picture(x)
        return pictures


@discriminators.register("biggan")
class BigGANDiscriminator(SNGANDiscriminator):
    """SNGAN's discriminator with wide blocks, attention and orthogonal weights.

    Args:
        image_size: side s of the picture in pixels: ``until`` doubled once or more.
        channels: c, 1 for grey, 3 for colour.
        condition_dim: length k of the condition, 0 for none; met by projection, its embedding normalised too.
        outputs: numbers per picture: 1 logit, or 2 for a two-class classifier.
        width: feature maps of the first block, the ``ch`` of the paper; twice as many in each later one.
        most: feature maps at most.
        until: side of the last maps; 3 to 7 if not set.
        flat: blocks that do not halve, after all that do.
        attend: self-attention stands on the largest map of at most this side; nowhere if unset.

    Shape:
        ``[n, c, s, s] (, [n, k]) -> [n]``, or ``[n, outputs]`` if outputs > 1.
    """

    def __init__(
        self,
        image_size: int = 128,
        channels: int = 3,
        condition_dim: int = 0,
        outputs: int = 1,
        width: Width = 96,
        most: Width = 1536,
        until: Annotated[int, Field(ge=2)] | None = None,
        flat: Annotated[int, Field(ge=0, le=16)] = 1,
        attend: int | None = 64,
    ) -> None:
        super().__init__(
            image_size, channels, condition_dim, outputs, width, most, until, flat, wide=True, attend=attend
        )
        initialise(self)
