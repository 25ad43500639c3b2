"""R3GAN's generator and discriminator: residual blocks of grouped convolutions, and no normalisation anywhere.

Source: Huang et al. 2024, "The GAN is dead; long live the GAN! A Modern GAN Baseline", arXiv:2501.05441. A block adds
a branch to what it was given: a 1x1 convolution to more maps, a grouped 3x3 one, a 1x1 one back, leaky ReLU between
them. The last of the three begins at 0, so that a fresh network is the sum of its straight lines (fix-up, Zhang et al.
2019, arXiv:1901.09321). G begins with learnt 4x4 maps, each scaled by a number made from z; D ends with the mirror.

The paper's networks, by these settings (G and D alike, z of 64):

=============  ========================================================  =============
picture        settings                                                  G / D, M
=============  ========================================================  =============
FFHQ 64        ``width = 768``                                           22.4 / 22.4
FFHQ 256       ``width = 768``                                           23.1 / 23.0
CIFAR-10 32    ``width = 768``                                           20.7 / 20.7
ImageNet 32    ``width = 1536, group = 32``, conditioned on 1,000 kinds  82.9 / 86.5
ImageNet 64    ``widths = [1536] * 5, group = 32``, likewise             103.6 / 107.2
=============  ========================================================  =============

Shape legend: n batch, z latent length, k condition length, c channels of the picture, s its side.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing.core.errors import BadNetwork
from leafwing.networks import discriminators, generators
from leafwing.networks.blocks import Width, WithCondition, doublings, logits_of

Widths = Annotated[tuple[Width, ...], Field(min_length=2)]
Count = Annotated[int, Field(ge=1, le=64)]
SLOPE = 0.2
GAIN = math.sqrt(2 / (1 + SLOPE**2))
"""Keeps the size of a signal through leaky ReLU; He et al. 2015, arXiv:1502.01852, Eq. 15."""
FULL_WIDTH_UP_TO = 32
"""Side in pixels above which the published networks halve their maps with every doubling."""


def ladder(image_size: int, width: int, widths: tuple[int, ...] | None, step: int = 1) -> list[int]:
    """Feature maps of every stage, from the smallest square to the whole picture.

    Those that follow from ``width`` are multiples of ``step``, so that they can be split into groups.

    Raises:
        ValueError: where the number of ``widths`` is not that of the stages.
    """
    start, times = doublings(image_size)
    if widths is None:
        wished = [max(1, width * FULL_WIDTH_UP_TO // max(FULL_WIDTH_UP_TO, start << i)) for i in range(times + 1)]
        return [maps if maps == width or maps <= step else maps - maps % step for maps in wished]
    if len(widths) != times + 1:
        sides = ", ".join(str(start << i) for i in range(times + 1))
        raise ValueError(f"widths has {len(widths)} numbers, but there are {times + 1} stages (of sides {sides})")
    return list(widths)


def scaled(layer: nn.Conv2d | nn.Linear, gain: float = 1.0) -> nn.Conv2d | nn.Linear:
    """The layer with weights N(0, gain^2 / inputs) and biases 0."""
    nn.init.normal_(layer.weight, 0.0, gain / math.sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class Residual(nn.Module):
    """``x + branch(x)``, the branch three convolutions wide in the middle. [n, w, h, h] -> [n, w, h, h].

    Args:
        width: feature maps w, in and out.
        expansion: how many times as many there are in the middle.
        group: maps of each group of the middle convolution.
        blocks: residual blocks of the whole network; the more, the smaller each branch begins: fix-up's
            ``blocks ** (-1 / (2 m - 2))`` for branches of m = 3 layers.
    """

    def __init__(self, width: int, expansion: int, group: int, blocks: int) -> None:
        super().__init__()
        wide = width * expansion
        groups = max(1, wide // group)
        if wide % groups:
            raise ValueError(f"{width} maps x expansion {expansion} = {wide} cannot be split into groups of {group}")
        gain = GAIN * blocks**-0.25
        self.branch = nn.Sequential(
            scaled(nn.Conv2d(width, wide, 1), gain),
            nn.LeakyReLU(SLOPE, inplace=True),
            scaled(nn.Conv2d(wide, wide, 3, padding=1, groups=groups), gain),
            nn.LeakyReLU(SLOPE, inplace=True),
            scaled(nn.Conv2d(wide, width, 1, bias=False), 0.0),
        )

    def forward(self, x: Tensor) -> Tensor:
        """x plus its branch."""
        y: Tensor = x + self.branch(x)
        return y


class Resample(nn.Module):
    """Double or halve the side by bilinear interpolation, [1 3 3 1] along each axis, zeros around the picture.

    As a convolution of every map by itself: forward and backward, several times as fast here as ``interpolate``.
    """

    kernel: Tensor

    def __init__(self, up: bool) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / (4 if up else 8)
        self.up = up
        self.register_buffer("kernel", torch.outer(taps, taps)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[n, w, h, h] -> [n, w, 2 h, 2 h] or [n, w, h / 2, h / 2]."""
        maps = x.shape[1]
        resample = F.conv_transpose2d if self.up else F.conv2d
        return resample(x, self.kernel.expand(maps, 1, 4, 4), stride=2, padding=1, groups=maps)


def transition(w_in: int, w_out: int, up: bool) -> list[nn.Module]:
    """From a stage to the next: the 1x1 convolution, where there is one, at the smaller of both sides."""
    mix = [scaled(nn.Conv2d(w_in, w_out, 1, bias=False))] if w_in != w_out else []
    return [*mix, Resample(up)] if up else [Resample(up), *mix]


def per_stage(blocks: int | tuple[int, ...], stages: int) -> list[int]:
    """Blocks of every stage, from one number for all or a number for each."""
    each = [blocks] * stages if isinstance(blocks, int) else list(blocks)
    if len(each) != stages:
        raise ValueError(f"blocks has {len(each)} numbers, but there are {stages} stages")
    return each


class Embedded(nn.Module):
    """How G sees a condition unless told otherwise: a linear image of it, as long as z, after z."""

    def __init__(self, z_dim: int, condition_dim: int) -> None:
        super().__init__()
        self.embed = scaled(nn.Linear(condition_dim, z_dim, bias=False))
        self.out_dim = 2 * z_dim

    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        """[n, z], [n, k] -> [n, 2 z]."""
        return torch.cat([z, self.embed(x)], dim=1)


class Basis(nn.Module):
    """Learnt small maps, each scaled by a number made from z. [n, z] -> [n, w, start, start]."""

    def __init__(self, z_dim: int, width: int, start: int) -> None:
        super().__init__()
        self.maps = nn.Parameter(torch.randn(width, start, start))
        self.scale = scaled(nn.Linear(z_dim, width, bias=False))

    def forward(self, z: Tensor) -> Tensor:
        """The maps, scaled."""
        scales: Tensor = self.scale(z)
        return self.maps * scales[:, :, None, None]


@generators.register("r3gan")
class R3GANGenerator(nn.Module):
    """Learnt small maps scaled by z, then stages of residual blocks, the side doubled from stage to stage.

    As published, nothing bounds the pictures while G learns; in ``eval`` mode they are cut to [-1, 1].

    Args:
        z_dim: length of z; 64 in the paper.
        image_size: side s of the picture in pixels.
        channels: c, 1 for grey, 3 for colour.
        condition_dim: length k of the condition, 0 for none.
        fusion: how z and condition meet; if None, a linear image of the condition after z, as published.
        width: feature maps of the stages up to 32 pixels; half as many at each finer one.
        widths: feature maps of every stage, the coarsest first, in place of ``width``.
        blocks: residual blocks a stage: one number, or one for each stage.
        expansion: how many times as many maps a block has in its middle.
        group: maps of each group of a grouped convolution (the number of groups is the cardinality).

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
        width: Width = 96,
        widths: Widths | None = None,
        blocks: Count | tuple[Count, ...] = 2,
        expansion: Count = 2,
        group: Width = 16,
        fusion: nn.Module | None = None,
    ) -> None:
        super().__init__()
        ways = ladder(image_size, width, widths, group // math.gcd(group, expansion))
        counts = per_stage(blocks, len(ways))
        see = WithCondition(z_dim, condition_dim, fusion or (Embedded(z_dim, condition_dim) if condition_dim else None))
        layers: list[nn.Module] = [Basis(see.out_dim, ways[0], doublings(image_size)[0])]
        layers += [Residual(ways[0], expansion, group, sum(counts)) for _ in range(counts[0])]
        for (w_in, w_out), count in zip(pairwise(ways), counts[1:], strict=True):
            layers += transition(w_in, w_out, up=True)
            layers += [Residual(w_out, expansion, group, sum(counts)) for _ in range(count)]
        self.body = nn.Sequential(*layers, scaled(nn.Conv2d(ways[-1], channels, 1, bias=False)))
        self.see = see

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Pictures for z, and for a condition if the network was built for one."""
        pictures: Tensor = self.body(self.see(z, condition))
        return pictures if self.training else pictures.clamp(-1, 1)


@discriminators.register("r3gan")
class R3GANDiscriminator(nn.Module):
    """G's mirror: stages of residual blocks, the side halved between them, then one number from each small map.

    Made of linear maps, biases and leaky ReLU alone, so that the gradient of its penalties needs no double backward
    (`leafwing.losses.analytic`).

    Args:
        image_size: side s of the picture in pixels.
        channels: c, 1 for grey, 3 for colour.
        condition_dim: length k of the condition, 0 for none; met by the inner product of as many numbers as the
            coarsest stage has maps, made from the picture and from the condition.
        outputs: numbers per picture: 1 logit, or 2 for a two-class classifier.
        width: feature maps of the stages up to 32 pixels; half as many at each finer one.
        widths: feature maps of every stage, the coarsest first as in G, in place of ``width``.
        blocks: residual blocks a stage: one number, or one for each stage, the coarsest first.
        expansion: how many times as many maps a block has in its middle.
        group: maps of each group of a grouped convolution.

    Shape:
        ``[n, c, s, s] (, [n, k]) -> [n]``, or ``[n, outputs]`` if outputs > 1.
    """

    def __init__(
        self,
        image_size: int = 64,
        channels: int = 3,
        condition_dim: int = 0,
        outputs: int = 1,
        width: Width = 96,
        widths: Widths | None = None,
        blocks: Count | tuple[Count, ...] = 2,
        expansion: Count = 2,
        group: Width = 16,
    ) -> None:
        super().__init__()
        ways = list(reversed(ladder(image_size, width, widths, group // math.gcd(group, expansion))))
        counts = list(reversed(per_stage(blocks, len(ways))))
        layers: list[nn.Module] = [scaled(nn.Conv2d(channels, ways[0], 1, bias=False))]
        layers += [Residual(ways[0], expansion, group, sum(counts)) for _ in range(counts[0])]
        for (w_in, w_out), count in zip(pairwise(ways), counts[1:], strict=True):
            layers += transition(w_in, w_out, up=False)
            layers += [Residual(w_out, expansion, group, sum(counts)) for _ in range(count)]
        last, self.outputs = ways[-1], outputs
        each = last if condition_dim else 1
        self.body = nn.Sequential(
            *layers,
            scaled(nn.Conv2d(last, last, doublings(image_size)[0], groups=last, bias=False)),
            nn.Flatten(),
            scaled(nn.Linear(last, outputs * each, bias=False)),
        )
        self.embed = scaled(nn.Linear(condition_dim, each, bias=False), each**-0.5) if condition_dim else None

    def forward(self, pictures: Tensor, condition: Tensor | None = None) -> Tensor:
        """Logits for pictures, given the condition if the network was built for one."""
        if (condition is None) != (self.embed is None):
            raise BadNetwork("This discriminator was built " + ("for a" if self.embed else "without a") + " condition.")
        verdicts: Tensor = self.body(pictures)
        if self.embed is not None:
            features = verdicts.reshape(len(verdicts), self.outputs, -1)
            verdicts = (features * self.embed(condition)[:, None, :]).sum(2)
        return logits_of(verdicts)
