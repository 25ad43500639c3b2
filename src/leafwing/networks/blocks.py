"""What three or more networks share: meeting the condition, and growing from a small square."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from leafwing.core.errors import BadNetwork
from leafwing.fusion import Way, fuse

Width = Annotated[int, Field(ge=1, le=8192)]
"""Feature maps, as a setting."""
LEAST = 8
"""Side of the smallest pictures, in pixels."""


def doublings(image_size: int) -> tuple[int, int]:
    """``(start, times)`` with ``start * 2**times == image_size`` and start in 3..7, as near to 4 as can be.

    Raises:
        ValueError: where no such start exists, with the nearest sides that have one.
    """
    fits = [(start, times) for start in (4, 5, 6, 7, 3) for times in range(1, 9) if start << times == image_size]
    if not fits:
        near = sorted(sides(), key=lambda side: abs(side - image_size))[:3]
        raise ValueError(
            f"data.image_size = {image_size} cannot be made by doubling a side of 3 to 7; "
            f"the nearest that can: {', '.join(map(str, sorted(near)))}"
        )
    return fits[0]


def sides() -> list[int]:
    """All sides of pictures that doubling can make, the smallest first."""
    return sorted({start << times for start in (3, 4, 5, 6, 7) for times in range(1, 9) if start << times >= LEAST})


class WithCondition(nn.Module):
    """What G sees: z alone, or z met with the condition, by a named way or by a fusion of one's own."""

    def __init__(
        self, z_dim: int, condition_dim: int = 0, fusion: nn.Module | None = None, way: Way = "concatenate"
    ) -> None:
        super().__init__()
        self.fusion = (fusion or fuse(way, z_dim, condition_dim)) if condition_dim else None
        self.out_dim: int = z_dim if self.fusion is None else self.fusion.out_dim  # type: ignore[assignment]

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """[n, z_dim] (and [n, condition_dim]) -> [n, out_dim]."""
        if (condition is None) != (self.fusion is None):
            raise BadNetwork(
                "This network was built without a condition but was given one."
                if self.fusion is None
                else "This network was built for a condition: call it as net(z, condition)."
            )
        fused: Tensor = z if self.fusion is None else self.fusion(z, condition)
        return fused


def refuse_unseen(way: Way, told: str) -> None:
    """A condition has to enter somewhere.

    Raises:
        ValueError: it would enter nowhere.
    """
    if way == "none" and told == "input":
        raise ValueError('generator.meet = "none" hides the condition: set generator.told = "norms"')


class Join(nn.Module):
    """How else D asks for a condition: it is laid over the last small map, as maps of one value, and mixed in.

    The mixing needs a kink: joined right before a last linear layer, the condition could only add a number of its own,
    whatever the picture. Source: Reed et al. 2016, arXiv:1605.05396, Sec. 4.1; without its BatchNorm.
    """

    def __init__(self, features: int, condition_dim: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(nn.Conv2d(features + condition_dim, features, 1), nn.LeakyReLU(0.2, inplace=True))

    def forward(self, features: Tensor, condition: Tensor | None) -> Tensor:
        """features [n, f, h, h], condition [n, k] -> [n, f, h, h]."""
        if condition is None:
            raise BadNetwork("This discriminator was built for a condition: call it as D(pictures, condition).")
        maps = condition[:, :, None, None].to(features.dtype).expand(-1, -1, *features.shape[2:])
        mixed: Tensor = self.mix(torch.cat([features, maps], dim=1))
        return mixed


Asks = Literal["projection", "concatenate"]
"""How a D takes a condition, by the name in a recipe."""


class Projection(nn.Module):
    """How D asks for a condition: its output gains the inner product of its features with the condition's.

    Source: Miyato & Koyama 2018, arXiv:1802.05637, Eq. 3, with the features pooled by their sum.

    Args:
        features: their number f.
        condition_dim: length k of the condition.
        linear: the kind of layer that embeds the condition.
    """

    def __init__(self, features: int, condition_dim: int, linear: Callable[..., nn.Linear] = nn.Linear) -> None:
        super().__init__()
        self.embed = linear(condition_dim, features, bias=False)

    def forward(self, features: Tensor, condition: Tensor | None) -> Tensor:
        """features [n, f, ...], condition [n, k] -> [n]."""
        if condition is None:
            raise BadNetwork("This discriminator was built for a condition: call it as D(pictures, condition).")
        pooled = features.flatten(2).sum(2) if features.ndim > 2 else features
        return torch.einsum("nf,nf->n", pooled, self.embed(condition))


class SmallMapDiscriminator(nn.Module):
    """What DCGAN's D and its lighter kin do with a picture; subclasses make the parts.

    The body's last small map is joined with the condition (``join``), if that is how it is met; the head turns it into
    logits, to which the map's product with the condition (``ask``) is added, if that is how.
    """

    body: nn.Module
    head: nn.Module
    ask: Projection | None
    join: Join | None

    def forward(self, pictures: Tensor, condition: Tensor | None = None) -> Tensor:
        """Logits for pictures, given the condition if the network was built for one."""
        features = self.body(pictures)
        if self.join is not None:
            features = self.join(features, condition)
        verdicts: Tensor = self.head(features).flatten(1)  # [n, outputs]
        if self.ask is not None:
            verdicts = verdicts + self.ask(features, condition)[:, None]
        return logits_of(verdicts)


def logits_of(verdicts: Tensor) -> Tensor:
    """A lone output without its axis: ``[n, 1] -> [n]``; ``[n, k]`` as they are."""
    return verdicts.squeeze(1) if verdicts.shape[1] == 1 else verdicts


class MinibatchSpread(nn.Module):
    """Adds maps: how much the features vary over a small group of the batch. Karras et al. 2018, Sec. 3.

    Groups are taken with a stride through the batch; a batch that is no multiple of the group is one group.

    Args:
        group: pictures of a group.
        maps: m, each about its share of the features; 1 in ProGAN and the StyleGANs.

    Shape:
        ``[n, f, h, w] -> [n, f + m, h, w]``, f a multiple of m.
    """

    def __init__(self, group: int = 4, maps: int = 1) -> None:
        super().__init__()
        self.group, self.maps = group, maps

    def forward(self, features: Tensor) -> Tensor:
        """The features, and after them the maps, each of one value a picture."""
        n, f, h, w = features.shape
        group = self.group if n % self.group == 0 else n
        wide = features.to(torch.promote_types(features.dtype, torch.float32))
        grouped = wide.reshape(group, n // group, self.maps, f // self.maps, h, w)
        variance = (grouped - grouped.mean(0)).square().mean(0)  # torch's var(dim=0) is several times slower
        spread = (variance + 1e-8).sqrt().mean(dim=(2, 3, 4))
        planes = spread.repeat(group, 1)[:, :, None, None].expand(n, self.maps, h, w)
        return torch.cat([features, planes.to(features.dtype)], dim=1)
