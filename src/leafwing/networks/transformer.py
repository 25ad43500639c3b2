"""A generator and a discriminator of self-attention alone: pictures as a grid of tokens.

G begins with a small learnt grid and doubles its side once by pixel shuffle, which turns four times as many numbers of
a token into four tokens; at last each token becomes its own patch of pixels. z enters by every LayerNorm.

Source: TransGAN, Jiang et al. 2021, arXiv:2102.07074, for the grids; ViTGAN, Lee et al. 2021, arXiv:2107.04589, for the
learnt start, the LayerNorms whose scale and shift z sets, and D's overlapping patches. Differs from both: no relative
positions, no grid attention, no L2 attention or improved spectral norm (R1 holds D's slope), no Fourier features.

Shape legend: n batch, z latent length, k condition length, c channels, s side, t tokens, d numbers a token, h heads.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from leafwing.fusion import Way
from leafwing.networks import discriminators, generators
from leafwing.networks.blocks import Projection, WithCondition, doublings, logits_of

Dim = Annotated[int, Field(ge=4, le=4096, multiple_of=4)]
Count = Annotated[int, Field(ge=1, le=64)]
STD = 0.02


def initialise(net: nn.Module) -> None:
    """Linear maps and patches as Glorot and Bengio 2010 have them, biases 0; so narrow ones begin loud enough."""
    for layer in net.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class Attention(nn.Module):
    """Every token looks at every token: softmax(q k / sqrt(d / h)) v, in h heads. Vaswani et al. 2017.

    Args:
        width: d.
        heads: h, a divisor of d.
        twice: whether it can be differentiated twice, as penalties on D's slope want; the quick kernels cannot.
    """

    def __init__(self, width: int, heads: int, twice: bool) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is no multiple of heads = {heads}")
        self.heads, self.twice = heads, twice
        self.ask, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[n, t, d] -> [n, t, d]."""
        q, k, v = self.ask(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # each [n, h, t, d / h]
        with sdpa_kernel(SDPBackend.MATH) if self.twice else nullcontext():
            seen = F.scaled_dot_product_attention(q, k, v)
        mixed: Tensor = self.out(seen.transpose(1, 2).flatten(2))
        return mixed


class Norm(nn.Module):
    """LayerNorm whose scale and shift are made from w: (1 + A w) * normalised + B w. Lee et al. 2021."""

    def __init__(self, width: int, style: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.scale, self.shift = nn.Linear(style, width), nn.Linear(style, width)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """[n, t, d], [n, w] -> [n, t, d]."""
        return torch.addcmul(self.shift(w)[:, None], self.norm(x), 1 + self.scale(w)[:, None])


class Plain(nn.LayerNorm):
    """LayerNorm that is handed no w."""

    def forward(self, x: Tensor, w: Tensor | None = None) -> Tensor:
        """[n, t, d] -> [n, t, d]."""
        return super().forward(x)


class Block(nn.Module):
    """Attention, then two linear maps for each token by itself; both added to what came, behind a norm."""

    def __init__(self, width: int, heads: int, style: int = 0) -> None:
        super().__init__()
        self.first, self.second = (Norm(width, style) if style else Plain(width) for _ in range(2))
        self.attention = Attention(width, heads, twice=not style)
        self.each = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, w: Tensor | None = None) -> Tensor:
        """[n, t, d] -> [n, t, d]."""
        x = x + self.attention(self.first(x, w))
        y: Tensor = x + self.each(self.second(x, w))
        return y


class Places(nn.Module):
    """Adds to each token what says where it is, learnt."""

    def __init__(self, tokens: int, width: int, std: float = STD) -> None:
        super().__init__()
        self.places = nn.Parameter(std * torch.randn(tokens, width))

    def forward(self, x: Tensor) -> Tensor:
        """[n, t, d] -> [n, t, d]."""
        return x + self.places


class Blocks(nn.ModuleList):
    """Blocks one after another, all handed the same w."""

    def forward(self, x: Tensor, w: Tensor | None = None) -> Tensor:
        """[n, t, d] -> [n, t, d]."""
        for block in self:
            x = block(x, w)
        return x


def shuffled(x: Tensor, side: int, times: int) -> Tensor:
    """Tokens [n, side * side, d] of a grid as pixels of one ``times`` as large: [n, d / times^2, ...]."""
    grid = x.transpose(1, 2).reshape(len(x), -1, side, side)
    return F.pixel_shuffle(grid, times)


@generators.register("transformer")
class TransformerGenerator(nn.Module):
    """A small grid of tokens, attention told by z, the grid doubled, attention again, and each token a patch of pixels.

    Sides: 3 to 7 doubled, as for `dcgan`. The first grid is 6 to 14 tokens wide, the second twice that.

    Args:
        z_dim: length of z.
        image_size: side s of the picture in pixels.
        channels: c, 1 for grey, 3 for colour.
        condition_dim: length k of the condition, 0 for none.
        fusion: a module by which z and condition meet, instead of ``meet``. See `leafwing.fusion`.
        dim: numbers a token of the second grid; four times as many in the first.
        depth: blocks in each grid.
        heads: of every attention in the first grid; a quarter as many, at least 1, in the second.
        meet: how z and condition meet: ``"concatenate"``, ``"add"`` (equal lengths), ``"embed"`` or ``"embed-add"``.

    Shape:
        ``[n, z] (, [n, k]) -> [n, c, s, s]`` in [-1, 1].
    """

    def __init__(
        self,
        z_dim: int,
        image_size: int = 32,
        channels: int = 3,
        condition_dim: int = 0,
        dim: Dim = 64,
        depth: Count = 2,
        heads: Count = 4,
        meet: Way = "concatenate",
        fusion: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.see = WithCondition(z_dim, condition_dim, fusion, meet)
        start, times = doublings(image_size)
        self.sides = [2 * start << i for i in range(min(2, times))]
        self.patch = image_size // self.sides[-1]
        widths = [dim << 2 * i for i in reversed(range(len(self.sides)))]
        style = widths[0]
        self.style = nn.Sequential(nn.Linear(self.see.out_dim, style), nn.GELU())
        self.places = nn.ModuleList(
            Places(side**2, w, std) for side, w, std in zip(self.sides, widths, (1.0, STD), strict=False)
        )
        self.grids = nn.ModuleList(
            [Blocks(Block(w, max(1, heads >> 2 * i), style) for _ in range(depth)) for i, w in enumerate(widths)]
        )
        self.norm = Norm(dim, style)
        self.paint = nn.Linear(dim, channels * self.patch**2)
        initialise(self)
        nn.init.xavier_uniform_(self.paint.weight, gain=0.3)  # tanh begins where it is steep

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Pictures for z, and for a condition if the network was built for one."""
        w = self.style(self.see(z, condition))
        x = w.new_zeros(len(w), 1, 1)  # nothing but places to begin with
        for side, place, blocks in zip(self.sides, self.places, self.grids, strict=True):
            if side > self.sides[0]:
                x = shuffled(x, side // 2, 2).flatten(2).transpose(1, 2)
            x = blocks(place(x), w)
        return shuffled(self.paint(self.norm(x, w)), self.sides[-1], self.patch).tanh()


@discriminators.register("transformer")
class TransformerDiscriminator(nn.Module):
    """Overlapping patches to tokens, attention, and the verdict from a token of its own.

    Args:
        image_size: side s of the picture in pixels.
        channels: c, 1 for grey, 3 for colour.
        condition_dim: length k of the condition, 0 for none; met by projection.
        outputs: numbers per picture: 1 logit, or 2 for a two-class classifier.
        dim: numbers a token.
        depth: blocks, one after another.
        heads: of every attention.

    Shape:
        ``[n, c, s, s] (, [n, k]) -> [n]``, or ``[n, outputs]`` if outputs > 1.
    """

    def __init__(
        self,
        image_size: int = 32,
        channels: int = 3,
        condition_dim: int = 0,
        outputs: int = 1,
        dim: Dim = 128,
        depth: Count = 3,
        heads: Count = 4,
    ) -> None:
        super().__init__()
        side = 2 * doublings(image_size)[0]
        patch = image_size // side
        self.cut = nn.Conv2d(channels, dim, patch + 2 * (patch // 2), patch, patch // 2)
        self.judge = nn.Parameter(STD * torch.randn(1, 1, dim))
        self.places = Places(side**2 + 1, dim)
        self.blocks = Blocks(Block(dim, heads) for _ in range(depth))
        self.norm = Plain(dim)
        self.head = nn.Linear(dim, outputs)
        self.ask = Projection(dim, condition_dim) if condition_dim else None
        initialise(self)

    def forward(self, pictures: Tensor, condition: Tensor | None = None) -> Tensor:
        """Logits for pictures, given the condition if the network was built for one."""
        x = self.cut(pictures).flatten(2).transpose(1, 2)
        x = torch.cat([self.judge.expand(len(x), -1, -1).to(x.dtype), x], dim=1)
        features = self.norm(self.blocks(self.places(x))[:, 0])
        verdicts: Tensor = self.head(features)
        if self.ask is not None:
            verdicts = verdicts + self.ask(features, condition)[:, None]
        return logits_of(verdicts)
