"""A light generator and discriminator for pictures, tuned to learn fast and without checkerboards.

G enlarges by repeating pixels and then convolves, which spreads no uneven overlap over the picture. D halves the side
by 4x4 convolutions of stride 2, has no normalisation (so that R1 is per picture) and ends with a minibatch standard
deviation, by which it sees a lack of variety.

Source: of no one paper. Enlarging: Odena et al. 2016, "Deconvolution and checkerboard artifacts"; D's halving: DCGAN,
Radford et al. 2016, arXiv:1511.06434; its end: ProGAN, Karras et al. 2018, arXiv:1710.10196, Sec. 3.

Shape legend: n batch, z latent length, k condition length, c channels of the picture, s its side.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing.fusion import Way
from leafwing.networks import discriminators, generators
from leafwing.networks.blocks import (
    Asks,
    Join,
    MinibatchSpread,
    Projection,
    SmallMapDiscriminator,
    Width,
    WithCondition,
    doublings,
    refuse_unseen,
)
from leafwing.networks.conditional_norm import Chain, batch_norm


def ladder(width: int, times: int, most: int) -> list[int]:
    """Feature maps from the coarsest square to the finest: twice as many at each coarser one, at most ``most``."""
    return [min(width << i, most) for i in reversed(range(times + 1))]


class EnlargeConvolve(nn.Module):
    """Repeat each pixel 2x2, then convolve 3x3: computed in one step, at 4 products a pixel instead of 9.

    Repeating and convolving is a transposed convolution of stride 2 whose 4x4 kernel is the 3x3 one summed over a
    2x2 box; the sums are taken here, so the result is the same but for rounding.
    """

    taps: Tensor

    def __init__(self, w_in: int, w_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(w_out, w_in, 3, 3))
        nn.init.kaiming_normal_(self.weight, a=0.2)
        # Row k: where the k-th of three taps falls when each pixel stands twice; turned around, as a transposed
        # convolution turns its kernel. Both axes at once: a 9 x 16 matrix from 3x3 kernels to 4x4 ones.
        taps = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0]])
        self.register_buffer("taps", torch.kron(taps, taps), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[n, w_in, h, w] -> [n, w_out, 2h, 2w]."""
        kernels = (self.weight.flatten(2) @ self.taps).reshape(*self.weight.shape[:2], 4, 4)
        return F.conv_transpose2d(x, kernels.transpose(0, 1), stride=2, padding=1)


@generators.register("resize")
class ResizeGenerator(nn.Module):
    """z to a small square by a linear layer, then repeat-and-convolve until the picture is whole.

    Args:
        z_dim: length of z.
        image_size: side s of the picture in pixels.
        channels: c, 1 for grey, 3 for colour.
        condition_dim: length k of the condition, 0 for none.
        fusion: a module by which z and condition meet, instead of ``meet``. See `leafwing.fusion`.
        width: feature maps at full size; twice as many at each coarser size.
        most: feature maps at most.
        meet: how z and condition meet: ``"concatenate"``, ``"add"`` (equal lengths), ``"embed"`` or ``"embed-add"`` (a
            learnt image of the condition joined to z, or added), ``"none"``.
        told: ``"norms"`` tells the condition to every BatchNorm as well, see `leafwing.networks.conditional_norm`.

    Shape:
        ``[n, z] (, [n, k]) -> [n, c, s, s]`` in [-1, 1].
    """

    def __init__(
        self,
        z_dim: int,
        image_size: int = 64,
        channels: int = 3,
        condition_dim: int = 0,
        width: Width = 16,
        most: Width = 256,
        meet: Way = "concatenate",
        told: Literal["input", "norms"] = "input",
        fusion: nn.Module | None = None,
    ) -> None:
        super().__init__()
        refuse_unseen(meet, told)
        self.see = WithCondition(z_dim, condition_dim, fusion, meet)
        norm = partial(batch_norm, condition_dim=condition_dim if told == "norms" else 0)
        start, times = doublings(image_size)
        widths = ladder(width, times, most)
        first = widths[0]
        layers: list[nn.Module] = [
            nn.Linear(self.see.out_dim, first * start * start, bias=False),
            nn.Unflatten(1, (first, start, start)),
            norm(first),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        for w_in, w_out in pairwise(widths):
            layers += [EnlargeConvolve(w_in, w_out), norm(w_out), nn.LeakyReLU(0.2, inplace=True)]
        self.body = Chain(*layers, nn.Conv2d(widths[-1], channels, 3, padding=1), nn.Tanh())

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Pictures for z, and for a condition if the network was built for one."""
        pictures: Tensor = self.body(self.see(z, condition), condition)
        return pictures


@discriminators.register("resize")
class ResizeDiscriminator(SmallMapDiscriminator):
    """Halve the side until a small square is left, look at the batch's variety, then give the logit.

    Args:
        image_size: side s of the picture in pixels.
        channels: c, 1 for grey, 3 for colour.
        condition_dim: length k of the condition, 0 for none.
        outputs: numbers per picture: 1 logit, or 2 for a two-class classifier.
        width: feature maps at half size; twice as many at each coarser size.
        most: feature maps at most.
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
        width: Width = 24,
        most: Width = 256,
        asks: Asks = "projection",
    ) -> None:
        super().__init__()
        start, times = doublings(image_size)
        widths = list(reversed(ladder(width, times - 1, most)))
        layers: list[nn.Module] = []
        for w_in, w_out in pairwise([channels, *widths]):
            layers += [nn.Conv2d(w_in, w_out, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        self.body = nn.Sequential(*layers)
        last = widths[-1]
        self.head = nn.Sequential(
            MinibatchSpread(),
            nn.Conv2d(last + 1, last, 3, padding=1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(last, outputs, start),
        )
        self.ask = Projection(last, condition_dim) if condition_dim and asks == "projection" else None
        self.join = Join(last, condition_dim) if condition_dim and asks == "concatenate" else None
