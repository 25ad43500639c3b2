"""From z to styles w: StyleGAN's mapping network, its style mixing, and its truncation towards the mean of w.

Source: Karras et al. 2019, arXiv:1812.04948: Sec. 2 (mapping), Sec. 3.1 (style mixing), Appendix B (truncation in w),
Appendix C (learning rate); the running mean of w as in the authors' program.

Shape legend: n batch, z latent length, k condition length, w style length, l layers that take a style.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from leafwing.core.errors import BadConfig
from leafwing.fusion import fuse
from leafwing.networks.blocks import WithCondition
from leafwing.networks.equalized import HE, EqualLinear, PixelNorm


class Mapping(nn.Module):
    """z, and what is asked for, to a style for every layer.

    While it learns, some pictures take their finer styles from another picture's z: that of their neighbour in the
    batch, so that any prior will do, and for the same condition. It also keeps a running mean of w, towards which
    styles can be truncated afterwards.

    Args:
        z_dim: length of z.
        condition_dim: length k of the condition, 0 for none.
        style: length of w.
        depth: layers; 8 in the paper.
        multiplier: of their learning rate; 0.01 in the paper.
        mixing: share of pictures that mix two styles; 0.9 in the paper.
        decay: of the running mean of w, a batch; 0.995 in the authors' program.
        fusion: how z and condition meet; if None, a learnt image of the condition after z.

    Shape:
        ``[n, z] (, [n, k]) -> [n, l, w]``.
    """

    mean: Tensor

    def __init__(
        self,
        z_dim: int,
        condition_dim: int,
        style: int,
        depth: int = 8,
        multiplier: float = 0.01,
        mixing: float = 0.9,
        decay: float = 0.995,
        fusion: nn.Module | None = None,
    ) -> None:
        super().__init__()
        way = fusion or (fuse("embed", z_dim, condition_dim) if condition_dim else None)
        see = WithCondition(z_dim, condition_dim, way)
        layers: list[nn.Module] = [PixelNorm()]
        for number in range(depth):
            inputs = see.out_dim if number == 0 else style
            layers += [EqualLinear(inputs, style, gain=HE, multiplier=multiplier), nn.LeakyReLU(0.2, inplace=True)]
        self.body, self.see = nn.Sequential(*layers), see
        self.mixing, self.decay = mixing, decay
        self.register_buffer("mean", torch.zeros(style))

    def forward(
        self, z: Tensor, condition: Tensor | None, layers: int, truncation: float = 1.0, truncated: int | None = None
    ) -> Tensor:
        """Styles of the coarsest ``layers`` layers, mixed in training mode.

        Args:
            z: [n, z].
            condition: [n, k], if the network was built for one.
            layers: l, those in use.
            truncation: psi; 1 leaves w as it is, 0 makes every w the mean.
            truncated: how many of the coarsest layers are truncated; None for all.
        """
        w: Tensor = self.body(self.see(z, condition))
        if self.training:
            with torch.no_grad():
                self.mean.lerp_(w.detach().mean(dim=0).to(self.mean.dtype), 1 - self.decay)
        styles = w[:, None].expand(-1, layers, -1)
        if self.training and self.mixing > 0 and len(z) > 1 and layers > 1:
            other = w.roll(1, dims=0) if condition is None else self.body(self.see(z.roll(1, dims=0), condition))
            styles = torch.where(self.kept(len(z), layers, z.device)[..., None], styles, other[:, None])
        if truncation != 1:
            psi = torch.ones(layers, 1, device=w.device, dtype=w.dtype)
            psi[:truncated] = truncation
            styles = torch.lerp(self.mean.to(w.dtype).expand_as(styles), styles, psi.expand_as(styles))
        return styles

    def kept(self, n: int, layers: int, device: torch.device) -> Tensor:
        """Which layers of which picture keep their own style, drawn anew: [n, l], the coarsest always.

        From torch's own generator, which is set anew before every round: a pure function of seed and step.
        """
        first_other = torch.randint(1, layers, (n, 1), device=device)
        mixes = torch.rand(n, 1, device=device) < self.mixing
        return (torch.arange(layers, device=device) < first_other) | ~mixes


class Noise(nn.Module):
    """Adds to every pixel its own noise, as strong as each feature map has learnt: from 0 on.

    Drawn anew in training mode, from torch's own generator, which is set anew before every round: a pure function of
    seed and step. In evaluation mode it is always the same, one map for all pictures, so that a z has one picture.

    Args:
        width: feature maps f.
        side: h.

    Shape:
        ``[n, f, h, h]`` -> the same.
    """

    fixed: Tensor

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(width))
        self.register_buffer("fixed", torch.randn(1, 1, side, side))

    def forward(self, maps: Tensor) -> Tensor:
        """The maps with noise."""
        n, _, h, w = maps.shape
        drawn = torch.randn(n, 1, h, w, device=maps.device) if self.training else self.fixed
        return maps + (drawn * self.strength[:, None, None]).to(maps.dtype)


class Truncated(nn.Module):
    """A generator whose styles are drawn towards their mean, in evaluation mode: less variety, better pictures.

    Args:
        G: called as ``G(z, condition, truncation=psi)``.
        psi: 1 for as it is, 0 for one picture whatever z; below 0 for the opposite of each.

    Raises:
        BadConfig: psi is not a number between -2 and 2.
    """

    def __init__(self, G: nn.Module, psi: float) -> None:
        super().__init__()
        if not (math.isfinite(psi) and abs(psi) <= 2):
            raise BadConfig(f"The truncation must be from -2 to 2 here, 0.7 for a start; got {psi}.")
        self.G, self.psi = G, float(psi)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Pictures for z, and for a condition if the network was built for one."""
        pictures: Tensor = self.G(z, condition, truncation=self.psi)
        return pictures
