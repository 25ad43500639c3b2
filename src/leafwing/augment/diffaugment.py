"""DiffAugment: a fixed handful of changes, in the game from its first round.

Source: Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training", arXiv:2006.10738, Sec. 3.2 and
4; strengths as stated there: moves of an eighth of the side, boxes of half of it, random brightness, contrast and
saturation.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import BeforeValidator, Field
from torch import Tensor

from leafwing.augment import Augment, augments, chance, holes, moved, refuse_vectors, split_alpha, uniform
from leafwing.core.config import one_or_more

Change = Literal["colour", "translation", "cutout"]


@augments.register("diffaugment")
class DiffAugment(Augment):
    """Colour, translation and cutout, in this order.

    Args:
        policy: which of ``colour``, ``translation``, ``cutout``; the paper takes all three for few pictures.
        p: probability of each change for each picture; 1 in the paper.
        shift: moves by up to this share of the side, grey coming in.
        hole: side of the grey box as a share of the picture's.
    """

    def __init__(
        self,
        policy: Annotated[tuple[Change, ...], BeforeValidator(one_or_more), Field(min_length=1)] = (
            "colour",
            "translation",
            "cutout",
        ),
        p: Annotated[float, Field(ge=0, le=1)] = 1.0,
        shift: Annotated[float, Field(ge=0, le=0.5)] = 0.125,
        hole: Annotated[float, Field(ge=0, le=1)] = 0.5,
    ) -> None:
        super().__init__()
        self.policy, self.p, self.shift, self.hole = policy, p, shift, hole

    def forward(self, pictures: Tensor) -> Tensor:
        """[n, c, h, w] -> [n, c, h, w]."""
        refuse_vectors(pictures)
        if "colour" in self.policy:
            pictures = torch.where(chance(self.p, pictures), tinted(pictures), pictures)
        if "translation" in self.policy:
            some = chance(self.p, pictures)
            down, right = (whole_steps(pictures, side, self.shift) for side in pictures.shape[2:])
            pictures = torch.where(some, moved(pictures, down, right, reflect=False), pictures)
        if "cutout" in self.policy:
            pictures = torch.where(chance(self.p, pictures) & holes(pictures, self.hole), 0.0, pictures)
        return pictures


def whole_steps(like: Tensor, side: int, share: float) -> Tensor:
    """Even draws from {-k, ..., k} with k = ``share`` of the side, [n]."""
    most = int(share * side + 0.5)
    return torch.randint(-most, most + 1, (len(like),), device=like.device)


def tinted(pictures: Tensor) -> Tensor:
    """Brightness +U[-0.5, 0.5], saturation times U[0, 2], contrast times U[0.5, 1.5]; alpha stays."""
    colours, alpha = split_alpha(pictures)
    colours = colours + uniform(colours, -0.5, 0.5)
    grey = colours.mean(1, keepdim=True)
    colours = grey + (colours - grey) * uniform(colours, 0.0, 2.0)
    mean = colours.mean((1, 2, 3), keepdim=True)
    colours = mean + (colours - mean) * uniform(colours, 0.5, 1.5)
    return torch.cat([colours, alpha], 1)
