"""SNGAN's residual generator and discriminator; with attention and spectral norm in G as well, SAGAN's.

Source: Miyato et al. 2018, arXiv:1802.05957, Appendix B; conditional form Miyato & Koyama 2018, arXiv:1802.05637;
SAGAN: Zhang et al. 2019, arXiv:1805.08318. Layer by layer the authors' programs (pfnet-research/sngan_projection, MIT;
brain-research/self-attention-gan, Apache).

The published networks, by these settings:

=========  =======================  =============================================  ======================
picture    settings of G            settings of D                                  parameters of G, of D
=========  =======================  =============================================  ======================
32         width = 256, most = 256  width = 128, most = 128, until = 8, flat = 2    4,276,739 / 1,053,825
48         most = 512               until = 3                                       4,878,083 / 10,141,441
64         the defaults             until = 2, flat = 0                            12,220,675 / 10,141,441
128        the defaults             the defaults                                   32,150,787 / 29,017,857
=========  =======================  =============================================  ======================

Shape legend: n batch, z latent length, k condition length, c channels of the picture, s its side.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing.fusion import Way
from leafwing.networks import discriminators, generators
from leafwing.networks.attention import SelfAttention
from leafwing.networks.blocks import Projection, Width, WithCondition, doublings, logits_of, refuse_unseen, sides
from leafwing.networks.conditional_norm import Chain, batch_norm
from leafwing.networks.residual import Down, Up
from leafwing.networks.spectral_norm import SpectralConv2d, SpectralLinear


def initialise(net: nn.Module) -> None:
    """Weights as Glorot & Bengio 2010, sqrt 2 times as large in the residual branches; biases 0, as the authors do."""
    for name, layer in net.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear) and not name.startswith("see") and "norm" not in name:
            gain = math.sqrt(2) if name.endswith(("conv1", "conv2")) else 1.0
            nn.init.xavier_uniform_(layer.weight, gain)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def place_of(attend: int | None, sides: list[int], section: str) -> int | None:
    """After which block attention stands: the first with the largest map of at most that side; None for nowhere.

    Raises:
        ValueError: all maps are larger.
    """
    if attend is None:
        return None
    fitting = [side for side in sides if side <= attend]
    if not fitting:
        raise ValueError(f"{section}.attend = {attend} cannot be: the smallest map after a block is {min(sides)} wide")
    return sides.index(max(fitting))


@generators.register("sngan")
class SNGANGenerator(nn.Module):
    """z to a small square by a linear layer, then residual blocks that double the side, BatchNorm in each.

    Args:
        z_dim: length of z; 128 in the papers.
        image_size: side s of the picture in pixels: a side of 3 to 7, doubled.
        channels: c, 1 for grey, 3 for colour.
        condition_dim: length k of the condition, 0 for none.
        fusion: a module by which z and condition meet, instead of ``meet``. See `leafwing.fusion`.
        width: feature maps at full size; twice as many at each coarser one.
        most: feature maps at most.
        meet: how z and condition meet before the first layer: ``"none"`` as published, where the norms tell it;
            ``"concatenate"``, ``"add"``, ``"embed"`` or ``"embed-add"``.
        told: ``"norms"`` tells the condition to every block's BatchNorm, as published; ``"input"`` to none.
        spectral: whether G's weights are normalised as well, as in SAGAN.
        attend: self-attention stands on the largest map of at most this side; 32 in SAGAN, nowhere if unset.

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
        most: Width = 1024,
        meet: Way = "none",
        told: Literal["input", "norms"] = "norms",
        spectral: bool = False,
        attend: int | None = None,
        fusion: nn.Module | None = None,
    ) -> None:
        super().__init__()
        refuse_unseen(meet, told)
        self.see = WithCondition(z_dim, condition_dim, fusion, meet)
        norm = partial(batch_norm, condition_dim=condition_dim if told == "norms" else 0)
        conv, linear = (SpectralConv2d, SpectralLinear) if spectral else (nn.Conv2d, nn.Linear)
        start, times = doublings(image_size)
        place = place_of(attend, [start << i for i in range(1, times + 1)], "generator")
        widths = [min(width << i, most) for i in reversed(range(times + 1))]  # s = 64: 1024, 512, 256, 128, 64
        layers: list[nn.Module] = [linear(self.see.out_dim, widths[0] * start * start)]
        layers += [nn.Unflatten(1, (widths[0], start, start))]
        for number, (w_in, w_out) in enumerate(pairwise(widths)):
            layers += [Up(w_in, w_out, norm, conv), *([SelfAttention(w_out, conv)] if number == place else [])]
        last = widths[-1]
        self.body = Chain(*layers, nn.BatchNorm2d(last), nn.ReLU(inplace=True), conv(last, channels, 3, padding=1))
        initialise(self)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Pictures for z, and for a condition if the network was built for one."""
        pictures: Tensor = self.body(self.see(z, condition), condition)
        return pictures.tanh()


@discriminators.register("sngan")
class SNGANDiscriminator(nn.Module):
    """Residual blocks that halve the side, then features summed over all places; every weight spectrally normalised.

    Args:
        image_size: side s of the picture in pixels: ``until`` doubled once or more.
        channels: c, 1 for grey, 3 for colour.
        condition_dim: length k of the condition, 0 for none; met by projection, its embedding normalised too.
        outputs: numbers per picture: 1 logit, or 2 for a two-class classifier.
        width: feature maps of the first block; twice as many in each later one.
        most: feature maps at most.
        until: side of the last maps; 3 to 7 if not set.
        flat: blocks that do not halve, after all that do.
        wide: whether a block has as many maps in its middle as it gives (SAGAN, BigGAN), or as it gets (SNGAN).
        attend: self-attention stands on the largest map of at most this side; 32 in SAGAN, nowhere if unset.

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
        most: Width = 1024,
        until: Annotated[int, Field(ge=2)] | None = None,
        flat: Annotated[int, Field(ge=0, le=16)] = 1,
        wide: bool = False,
        attend: int | None = None,
    ) -> None:
        super().__init__()
        times = halvings(image_size, until)
        place = place_of(attend, [image_size >> min(i, times) for i in range(1, times + flat + 1)], "discriminator")
        widths = [min(width << i, most) for i in range(times + flat)]
        layers: list[nn.Module] = []
        for number, (w_in, w_out) in enumerate(pairwise([channels, *widths])):
            layers += [Down(w_in, w_out, SpectralConv2d, number < times, number == 0, w_out if wide else None)]
            layers += [SelfAttention(w_out, SpectralConv2d)] if number == place else []
        self.body = nn.Sequential(*layers)
        self.head = SpectralLinear(widths[-1], outputs)
        self.ask = Projection(widths[-1], condition_dim, SpectralLinear) if condition_dim else None
        initialise(self)

    def forward(self, pictures: Tensor, condition: Tensor | None = None) -> Tensor:
        """Logits for pictures, given the condition if the network was built for one."""
        features = F.relu(self.body(pictures)).sum((2, 3))
        verdicts: Tensor = self.head(features)
        if self.ask is not None:
            verdicts = verdicts + self.ask(features, condition)[:, None]
        return logits_of(verdicts)


def halvings(image_size: int, until: int | None) -> int:
    """How often the side is halved until it is ``until``, or 3 to 7 if that is None.

    Raises:
        ValueError: it never is.
    """
    if until is None:
        return doublings(image_size)[1]
    times = next((i for i in range(1, 10) if until << i == image_size), None)
    if times is None:
        near = sorted((side for side in sides() if until in halved(side)), key=lambda side: abs(side - image_size))[:2]
        ways = [f"data.image_size to {' or '.join(map(str, sorted(near)))}"] if near else []
        ways += [f"discriminator.until to {doublings(image_size)[0]}"] if image_size in sides() else []
        raise ValueError(
            f"discriminator.until = {until} cannot be: no doubling of it gives {image_size} pixels; "
            f"set {', or '.join(ways) or 'both otherwise, e.g. data.image_size to 64 and discriminator.until to 4'}"
        )
    return times


def halved(side: int) -> list[int]:
    """What a side can be halved to, once or more: ``48`` -> ``[24, 12, 6, 3]``."""
    return [side >> i for i in range(1, 10) if side % (1 << i) == 0]
