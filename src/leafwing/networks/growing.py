"""Growing players: training begins with small pictures, and finer layers are faded in one doubling after another.

Pictures keep their whole size all along: a player that is still small draws and judges them as coarse squares. So
samples, measures, checkpoints and saved generators are the same thing in every phase. How far the players have grown is
one number, the doublings of their smallest side: 2 when two are whole, 2.3 while the third is faded in, at 0.3. It
follows from the real pictures shown so far, and is saved with the weights.

Source: Karras et al. 2018, arXiv:1710.10196, Sec. 2; what happens to the reals and the optimisers as in the authors'
program.

Shape legend: n batch, c channels, h side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing.core.config import Settings
from leafwing.core.errors import BadConfig


class GrowthSettings(Settings):
    """When the players grow. Only for networks that can (``progan``, ``stylegan``); 0 and 0: whole from the start."""

    stable_kimg: Annotated[float, Field(ge=0)] = 0.0
    """Thousand real images shown at each side before the next one is faded in; 600 in ProGAN."""
    fade_kimg: Annotated[float, Field(ge=0)] = 0.0
    """Thousand real images over which a side is faded in; 600 in ProGAN."""
    first: Annotated[int, Field(ge=0)] = 0
    """Doublings of the smallest side that are whole from the start: 0 in ProGAN (4x4), 1 in StyleGAN (8x8)."""

    @property
    def grows(self) -> bool:
        """Whether there is any growing to do."""
        return self.stable_kimg + self.fade_kimg > 0

    def grown(self, images: int, doublings: int) -> float:
        """Doublings in use when so many real images were shown, of the ``doublings`` there are."""
        if not self.grows:
            return float(doublings)
        phases, rest = divmod(images / 1000, self.stable_kimg + self.fade_kimg)
        fading = max(0.0, rest - self.stable_kimg) / self.fade_kimg if self.fade_kimg else 0.0
        return min(float(doublings), self.first + phases + fading)

    def shortened(self, images: int, doublings: int) -> GrowthSettings:
        """The same, but all ``doublings`` are whole after so many images at most."""
        needed = 1000 * (self.stable_kimg + self.fade_kimg) * (doublings - self.first)
        share = min(1.0, images / needed) if needed > 0 else 1.0
        return self.model_copy(update={name: share * getattr(self, name) for name in ("stable_kimg", "fade_kimg")})


class Growing(nn.Module):
    """A network that may be in use in part.

    Args:
        doublings: of its smallest side, until its whole picture is there.

    Attributes:
        grown: doublings in use, 0..doublings; all of them unless a growth is set.
    """

    def __init__(self, doublings: int) -> None:
        super().__init__()
        self.doublings, self.grown = doublings, float(doublings)

    def get_extra_state(self) -> Tensor:
        """What is saved beside the weights."""
        return torch.tensor(self.grown, dtype=torch.float64, device="cpu")

    def set_extra_state(self, state: Tensor) -> None:
        """What was saved."""
        self.grown = float(state)

    def stage(self) -> tuple[int, float]:
        """The finest side in use, as its number of doublings, and how much of it shows: 1 when it is whole."""
        finest = math.ceil(self.grown)
        return finest, 1.0 - (finest - self.grown)


def reduced(pictures: Tensor, times: int) -> Tensor:
    """The side halved t times, each pixel the mean of those it stands for: [n, c, h, h] -> [n, c, h / 2^t, h / 2^t]."""
    return F.avg_pool2d(pictures, 2**times) if times else pictures


def enlarged(pictures: Tensor, times: int) -> Tensor:
    """The side doubled t times, each pixel repeated: [n, c, h, h] -> [n, c, h 2^t, h 2^t]."""
    return F.interpolate(pictures, scale_factor=2**times, mode="nearest") if times else pictures


@dataclass
class Growth:
    """What grows together: the players, the averaged G, and what they see of real pictures.

    Attributes:
        settings: when.
        nets: all of them.
        optimizers: they forget their moments at the beginning and at the end of each fade.
    """

    settings: GrowthSettings
    nets: Sequence[nn.Module]
    optimizers: Sequence[torch.optim.Optimizer]

    def __post_init__(self) -> None:
        check_growth(self.settings, self.nets)
        self.doublings = min((net.doublings for net in self.nets if isinstance(net, Growing)), default=0)
        self.at = float(self.doublings)

    def set_schedule(self, images: int, before: int | None = None) -> None:
        """Grow to where the players are after so many real images.

        Args:
            images: shown before this round.
            before: shown before the last round; None if there was none.
        """
        if not self.settings.grows:
            return
        self.at = self.settings.grown(images, self.doublings)
        for net in self.nets:
            net.grown = self.at  # type: ignore[assignment]
        then = self.at if before is None else self.settings.grown(before, self.doublings)
        if (math.floor(then), math.ceil(then)) != (math.floor(self.at), math.ceil(self.at)):
            for optimizer in self.optimizers:
                optimizer.state.clear()

    def settled(self, images: int) -> bool:
        """Whether all has grown."""
        return self.settings.grown(images, self.doublings) == self.doublings

    def seen(self, reals: Tensor) -> Tensor:
        """Real pictures as coarse as G's, the finest side in use faded in alike. [n, c, h, h] -> the same shape."""
        if self.at == self.doublings:
            return reals
        finest = math.ceil(self.at)
        small = reduced(reals, self.doublings - finest)
        if finest > self.at:
            small = torch.lerp(small, enlarged(reduced(small, 1), 1), finest - self.at)
        return enlarged(small, self.doublings - finest)


def check_growth(settings: GrowthSettings, nets: Sequence[nn.Module]) -> None:
    """Growing needs networks that can.

    Raises:
        BadConfig: one cannot, or has less to grow than is to be there at first.
    """
    if not settings.grows:
        return
    for net in nets:
        if not isinstance(net, Growing):
            raise BadConfig(
                f"growth.stable_kimg and growth.fade_kimg cannot be: {type(net).__name__} does not grow. Use networks "
                "that do (progan, stylegan), or set both to 0."
            )
        if settings.first > net.doublings:
            raise BadConfig(
                f"growth.first = {settings.first} cannot be: the pictures are only {net.doublings} doublings of the "
                "smallest side."
            )
