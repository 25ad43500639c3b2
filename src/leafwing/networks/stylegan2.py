"""StyleGAN2's generator, whose convolutions are modulated by styles, and its residual discriminator.

Source: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", arXiv:1912.04958: Sec. 2.2 (Eq. 1
to 3, modulation and demodulation), Sec. 4.1 and Fig. 7 (skip generator, residual discriminator), Appendix B; how a
condition enters both as in the program of Karras et al. 2020, arXiv:2006.06676. In evaluation mode the noise is always
the same.

The published networks, by these settings (z and w of 512, ``most = 512``):

==============  ==============  =============
picture         settings        G / D, M
==============  ==============  =============
FFHQ 1024       ``width = 32``  30.37 / 29.01
FFHQ 256        ``width = 64``  24.77 / 24.00
==============  ==============  =============

Shape legend: n batch, z latent length, k condition length, c channels of the picture, s its side, w style length,
i and o feature maps, h side, l layers that take a style.
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
from leafwing.networks.blocks import MinibatchSpread, Width, doublings, logits_of
from leafwing.networks.equalized import HE, EqualConv2d, EqualLinear, PixelNorm
from leafwing.networks.filters import Filter
from leafwing.networks.mapping import Mapping, Noise, Truncated
from leafwing.networks.resize import ladder

TAPS = (1, 3, 3, 1)
"""Of the filter wherever a side is doubled or halved."""


class Leaky(nn.Module):
    """``sqrt(2) * leaky ReLU`` of slope 0.2, which keeps the size of a signal."""

    def forward(self, x: Tensor) -> Tensor:
        """[n, ...] -> the same."""
        return F.leaky_relu(x, 0.2) * HE


class ModulatedConv2d(nn.Module):
    r"""A convolution whose weights are scaled by each picture's style, and then to unit length for each output map.

    $w'_{oik} = s_i w_{oik}$, $w''_{oik} = w'_{oik} / \sqrt{\sum_{i,k} w'^2_{oik} + 10^{-8}}$, Eq. 1 and 3. Computed by
    scaling maps before and after one convolution for all pictures, which is the same and shares its weights.

    Args:
        inputs: i.
        outputs: o.
        kernel: its side.
        style: length of w, from which s is made by a linear layer; s begins around 1.
        up: double the side: zeros between pixels, the convolution, a filter.
        demodulate: whether Eq. 3 is done; without it, weights are divided by the root of their number.

    Shape:
        ``[n, i, h, h], [n, w] -> [n, o, h, h]``, or ``2 h`` with up.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, style: int, up: bool = False, demodulate: bool = True
    ) -> None:
        super().__init__()
        self.ask = EqualLinear(style, inputs, bias_from=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.smooth = Filter(TAPS, padding=(1, 1)) if up else None
        self.demodulate = demodulate

    def forward(self, maps: Tensor, w: Tensor) -> Tensor:
        """The maps, convolved by each picture's own weights."""
        scale = self.ask(w)
        if not self.demodulate:
            scale = scale / math.sqrt(self.weight[0].numel())
        maps = maps * scale[:, :, None, None].to(maps.dtype)
        gain = 1.0
        if self.smooth is None:
            maps = F.conv2d(maps, self.weight, padding=self.weight.shape[-1] // 2)
        else:
            maps = self.smooth(F.conv_transpose2d(maps, self.weight.transpose(0, 1), stride=2))
            gain = 4.0  # of four pixels three began as zeros
        if not self.demodulate:
            return maps
        length = scale.square() @ self.weight.square().sum((2, 3)).T
        return maps * (gain * torch.rsqrt(length + 1e-8))[:, :, None, None].to(maps.dtype)


class StyledLayer(nn.Module):
    """A modulated convolution, noise, bias, leaky ReLU. [n, i, h, h], [n, w] -> [n, o, h, h], or ``2 h`` with up.

    Args:
        inputs: i.
        outputs: o.
        side: of its output.
        style: length of w.
        up: whether it doubles the side.
    """

    def __init__(self, inputs: int, outputs: int, side: int, style: int, up: bool = False) -> None:
        super().__init__()
        self.convolve = ModulatedConv2d(inputs, outputs, 3, style, up)
        self.noise = Noise(1, side)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.bend = Leaky()

    def forward(self, maps: Tensor, w: Tensor) -> Tensor:
        """The layer's maps."""
        bent: Tensor = self.bend(self.noise(self.convolve(maps, w)) + self.bias[:, None, None])
        return bent


class ToPicture(nn.Module):
    """A side's part of the picture: a modulated 1x1 convolution, not demodulated. [n, i, h, h] -> [n, c, h, h]."""

    def __init__(self, inputs: int, channels: int, style: int) -> None:
        super().__init__()
        self.convolve = ModulatedConv2d(inputs, channels, 1, style, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Tensor, w: Tensor) -> Tensor:
        """The part of the picture."""
        return torch.as_tensor(self.convolve(maps, w) + self.bias[:, None, None])


class Beside(nn.Module):
    """z, and beside it a learnt image of the condition, both of unit mean square. [n, z], [n, k] -> [n, z + w]."""

    def __init__(self, z_dim: int, condition_dim: int, style: int) -> None:
        super().__init__()
        self.embed, self.norm, self.out_dim = EqualLinear(condition_dim, style), PixelNorm(), z_dim + style

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        """Both as one vector."""
        return torch.cat([self.norm(z), self.norm(self.embed(condition))], dim=1)


@generators.register("stylegan2")
class StyleGAN2Generator(nn.Module):
    """A learnt constant, convolved by weights that styles modulate; the picture is the sum of what every side adds.

    Nothing bounds the pictures while G learns; in ``eval`` mode they are cut to [-1, 1].

    Args:
        z_dim: length of z; 512 in the paper.
        image_size: side s of the picture in pixels: 3 to 7, doubled any number of times.
        channels: c, 1 for grey, 3 for colour.
        condition_dim: length k of the condition, 0 for none.
        width: feature maps at full size; twice as many at each coarser size.
        most: feature maps at most; 512 in the paper.
        style: length of w; 512 in the paper.
        depth: layers from z to w; 8 in the paper.
        mapping_lr: what the learning rate of these is multiplied by; 0.01 in the paper.
        mixing: share of pictures that mix the styles of two z while G learns; 0.9 in the paper.
        fusion: how z and condition meet; if None, a learnt image of the condition beside z.

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
        super().__init__()
        start, times = doublings(image_size)
        widths = ladder(width, times, most)
        fusion = fusion or (Beside(z_dim, condition_dim, style) if condition_dim else None)
        self.mapping = Mapping(z_dim, condition_dim, style, depth, mapping_lr, mixing, fusion=fusion)
        self.constant = nn.Parameter(torch.randn(1, widths[0], start, start))
        self.layers = nn.ModuleList([StyledLayer(widths[0], widths[0], start, style)])
        for number, (w_in, w_out) in enumerate(pairwise(widths), start=1):
            self.layers.append(StyledLayer(w_in, w_out, start << number, style, up=True))
            self.layers.append(StyledLayer(w_out, w_out, start << number, style))
        self.to_picture = nn.ModuleList(ToPicture(w, channels, style) for w in widths)
        self.enlarge = Filter(TAPS, up=2)

    def forward(self, z: Tensor, condition: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """Pictures for z, and for a condition if the network was built for one; truncated towards the mean of w."""
        pictures = self.draw(self.styles(z, condition, truncation))
        return pictures if self.training else pictures.clamp(-1, 1)

    def styles(self, z: Tensor, condition: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """A style for every layer, [n, l, w], mixed in training mode."""
        styles: Tensor = self.mapping(z, condition, len(self.layers) + 1, truncation)
        return styles

    def draw(self, styles: Tensor) -> Tensor:
        """Pictures for styles [n, l, w]; what adds a side to the picture has the style of the layer that comes next."""
        maps = self.layers[0](self.constant, styles[:, 0])
        picture: Tensor = self.to_picture[0](maps, styles[:, 1])
        for side in range(1, len(self.to_picture)):
            first = 2 * side - 1
            maps = self.layers[first](maps, styles[:, first])
            maps = self.layers[first + 1](maps, styles[:, first + 1])
            picture = self.enlarge(picture) + self.to_picture[side](maps, styles[:, first + 2])
        return picture

    def truncated(self, psi: float) -> nn.Module:
        """The same generator with styles drawn towards their mean. See `leafwing.networks.mapping.Truncated`."""
        return Truncated(self, psi)


class Residual(nn.Module):
    """Two convolutions, the second to half the side, beside a 1x1 one of the halved maps; their sum over sqrt(2)."""

    def __init__(self, w_in: int, w_out: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            EqualConv2d(w_in, w_in, 3),
            Leaky(),
            Filter(TAPS, padding=(2, 2)),
            EqualConv2d(w_in, w_out, 3, stride=2, padding=0),
            Leaky(),
        )
        self.skip = nn.Sequential(Filter(TAPS, down=2), EqualConv2d(w_in, w_out, 1, bias=False))

    def forward(self, maps: Tensor) -> Tensor:
        """[n, w_in, h, h] -> [n, w_out, h / 2, h / 2]."""
        return torch.as_tensor((self.branch(maps) + self.skip(maps)) * math.sqrt(0.5))


@discriminators.register("stylegan2")
class StyleGAN2Discriminator(nn.Module):
    """Residual blocks that halve the side, a look at the variety of the batch, two dense layers.

    Args:
        image_size: side s of the picture in pixels: 3 to 7, doubled any number of times.
        channels: c, 1 for grey, 3 for colour.
        condition_dim: length k of the condition, 0 for none; met by the inner product with what a small network makes
            of it.
        outputs: numbers per picture: 1 logit, or 2 for a two-class classifier.
        width: feature maps at full size; twice as many at each coarser size.
        most: feature maps at most; 512 in the paper.
        depth: layers of the condition's network; 8 as in G's.
        group: pictures over which variety is measured; 4 in the paper.

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
        depth: Annotated[int, Field(ge=1, le=64)] = 8,
        group: Annotated[int, Field(ge=1)] = 4,
    ) -> None:
        super().__init__()
        start, times = doublings(image_size)
        widths = ladder(width, times, most)
        last, self.outputs = widths[0], outputs
        each = last if condition_dim else 1
        self.body = nn.Sequential(
            EqualConv2d(channels, widths[-1], 1),
            Leaky(),
            *(Residual(w_in, w_out) for w_out, w_in in reversed(list(pairwise(widths)))),
            MinibatchSpread(group),
            EqualConv2d(last + 1, last, 3),
            Leaky(),
            nn.Flatten(),
            EqualLinear(last * start * start, last),
            Leaky(),
            EqualLinear(last, outputs * each),
        )
        self.embed = condition_network(condition_dim, each, depth) if condition_dim else None

    def forward(self, pictures: Tensor, condition: Tensor | None = None) -> Tensor:
        """Logits for pictures, given the condition if the network was built for one."""
        if (condition is None) != (self.embed is None):
            raise BadNetwork("This discriminator was built " + ("for a" if self.embed else "without a") + " condition.")
        verdicts: Tensor = self.body(pictures)
        if self.embed is not None:
            features = verdicts.reshape(len(verdicts), self.outputs, -1)
            verdicts = (features * self.embed(condition)[:, None, :]).sum(2) / math.sqrt(features.shape[2])
        return logits_of(verdicts)


def condition_network(condition_dim: int, features: int, depth: int) -> nn.Sequential:
    """From a condition [n, k] to as many numbers as D has features: embedded, normalised, and mapped as z is in G."""
    layers: list[nn.Module] = [EqualLinear(condition_dim, features), PixelNorm()]
    for _ in range(depth):
        layers += [EqualLinear(features, features, multiplier=0.01), Leaky()]
    return nn.Sequential(*layers)
