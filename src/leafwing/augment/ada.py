r"""ADA: changes whose probability p follows how far D has learnt the training pictures by heart.

D that knows its pictures calls reals real more and more often, $r_t = E[\mathrm{sign}\,D(x)] \to 1$; then p grows, and
falls again where $r_t$ is below its target. Each change is a mixture of "nothing" and a draw, and can be undone in
distribution as long as p stays below 1, so that G does not learn it: what G draws unchanged is what was shown.

Source: Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", arXiv:2006.06676: Sec. 3 and
Appendix B, with all probabilities equal to p, the target 0.6, p changed every 4 rounds, and by 1 in 500,000 pictures.
Differs: flips, quarter turns and whole-pixel moves are exact, each by itself; the band filters are left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import BeforeValidator, Field
from torch import Tensor

from leafwing.augment import Augment, augments, chance, colour, geometry, holes, moved, refuse_vectors, uniform
from leafwing.core.config import one_or_more

Change = Literal["blit", "geometry", "colour", "noise", "cutout"]
LN2 = math.log(2)


@augments.register("ada")
class ADA(Augment):
    """Pixel blits, geometry and colours, each change of each picture with probability p.

    Args:
        policy: which groups: ``blit`` (mirror, quarter turns, whole-pixel moves), ``geometry`` (scale, turn, stretch,
            part-pixel moves), ``colour`` (brightness, contrast, luma flip, hue, saturation), ``noise``, ``cutout``; the
            paper's choice is the first three.
        p: at the start.
        adapt: whether p follows D; false holds it.
        target: of r_t, the mean sign of D's scores of reals.
        every: rounds between changes of p.
        kimg: thousand real pictures in which p can go from 0 to 1.
        most: p never goes above this.
    """

    p: Tensor
    verdicts: Tensor

    def __init__(
        self,
        policy: Annotated[tuple[Change, ...], BeforeValidator(one_or_more), Field(min_length=1)] = (
            "blit",
            "geometry",
            "colour",
        ),
        p: Annotated[float, Field(ge=0, le=1)] = 0.0,
        adapt: bool = True,
        target: Annotated[float, Field(ge=-1, le=1)] = 0.6,
        every: Annotated[int, Field(ge=1)] = 4,
        kimg: Annotated[float, Field(gt=0)] = 500.0,
        most: Annotated[float, Field(ge=0, le=1)] = 1.0,
    ) -> None:
        super().__init__()
        self.policy, self.adapt, self.target, self.every = policy, adapt, target, every
        self.speed, self.most = 1 / (1000 * kimg), most
        self.register_buffer("p", torch.tensor(min(p, most), dtype=torch.float64))
        self.register_buffer("verdicts", torch.zeros(2, dtype=torch.float64))  # sums since p changed: r_t, pictures

    @torch.no_grad()
    def heed(self, log: Mapping[str, Tensor], step: int, images: int) -> dict[str, Tensor]:
        """Move p towards where r_t is the target; r_t is the mean over the rounds since the last move."""
        r_t = 2 * log["D/real_accuracy"].double() - 1
        if self.adapt:
            self.verdicts += torch.stack([r_t * images, torch.full_like(r_t, images)])
            if step % self.every == 0:
                found, shown = self.verdicts[0] / self.verdicts[1], self.verdicts[1]
                self.p.add_(torch.sign(found - self.target) * shown * self.speed).clamp_(0, self.most)
                self.verdicts.zero_()
        return {"augment/p": self.p.float().clone(), "augment/r_t": r_t.float()}

    def forward(self, pictures: Tensor) -> Tensor:
        """[n, c, h, w] -> [n, c, h, w]; bit for bit the same at p = 0."""
        refuse_vectors(pictures)
        for change in ("blit", "geometry", "colour", "noise", "cutout"):
            if change in self.policy:
                pictures = getattr(self, change)(pictures)
        return pictures

    def blit(self, pictures: Tensor) -> Tensor:
        """Mirror, quarter turns (half turns alone where sides differ), moves by whole pixels: no pixel is blended."""
        h, w = pictures.shape[2:]
        pictures = torch.where(self.some(pictures) & half(pictures), pictures.flip(3), pictures)
        some = self.some(pictures)
        if h == w:
            pictures = torch.where(some & half(pictures), pictures.rot90(1, (2, 3)), pictures)
        pictures = torch.where(some & half(pictures), pictures.flip(2, 3), pictures)
        some = self.some(pictures)
        down, right = (torch.round(uniform(pictures, -0.125, 0.125) * side).flatten() for side in (h, w))
        return torch.where(some, moved(pictures, down, right, reflect=True), pictures)

    def geometry(self, pictures: Tensor) -> Tensor:
        """Scale, turn, stretch, turn, move; together one map of the plane, its parts drawn each with probability p."""
        h, w = pictures.shape[2:]
        scale, stretch = (self.number(pictures, "log-normal", 0.2 * LN2) for _ in range(2))
        turn = 1 - torch.sqrt(1 - self.p)  # two turns, so that p is the chance of either
        before, after = (self.number(pictures, "angle", math.pi, turn) for _ in range(2))
        some = self.some(pictures).flatten()
        x, y = (torch.where(some, 0.125 * side * normal(pictures), 0.0) for side in (w, h))
        back = geometry.scaling(1 / scale, 1 / scale) @ geometry.turning(-before)  # the inverses, first step leftmost
        back = back @ geometry.scaling(1 / stretch, stretch) @ geometry.turning(-after) @ geometry.moving(-x, -y)
        touched = (scale != 1) | (stretch != 1) | (before != 0) | (after != 0) | (x != 0) | (y != 0)
        return torch.where(touched.view(-1, 1, 1, 1), geometry.transformed(pictures, back), pictures)

    def colour(self, pictures: Tensor) -> Tensor:
        """Brightness, contrast, luma flip, hue, saturation; together one matrix. Grey pictures have the first three."""
        grey = pictures.shape[1] < 3
        brightness = self.number(pictures, "normal", 0.2)
        contrast = self.number(pictures, "log-normal", 0.5 * LN2)
        flipped = (self.some(pictures) & half(pictures)).flatten().to(pictures.dtype)
        matrix = colour.luma_flipped(flipped) @ colour.stronger(contrast) @ colour.brighter(brightness)
        touched = (brightness != 0) | (contrast != 1) | (flipped != 0)
        if not grey:
            hue, saturation = self.number(pictures, "angle", math.pi), self.number(pictures, "log-normal", LN2)
            matrix = colour.saturated(saturation) @ colour.hue_turned(hue) @ matrix
            touched = touched | (hue != 0) | (saturation != 1)
        return torch.where(touched.view(-1, 1, 1, 1), colour.painted(pictures, matrix), pictures)

    def noise(self, pictures: Tensor) -> Tensor:
        """Normal noise; its deviation is half-normal, of 0.1."""
        deviation = 0.1 * normal(pictures).abs().view(-1, 1, 1, 1)
        return torch.where(self.some(pictures), pictures + deviation * torch.randn_like(pictures), pictures)

    def cutout(self, pictures: Tensor) -> Tensor:
        """A grey box of half the side."""
        return torch.where(self.some(pictures) & holes(pictures, 0.5), 0.0, pictures)

    def some(self, pictures: Tensor) -> Tensor:
        """Which pictures are changed, [n, 1, 1, 1]."""
        return chance(self.p, pictures)

    def number(
        self, pictures: Tensor, kind: Literal["normal", "log-normal", "angle"], spread: float, p: Tensor | None = None
    ) -> Tensor:
        """A number for each picture, [n]: drawn with probability p, else the one that changes nothing."""
        some = chance(self.p if p is None else p, pictures).flatten()
        if kind == "angle":
            return torch.where(some, uniform(pictures, -spread, spread).flatten(), 0.0)
        drawn = spread * normal(pictures)
        return torch.where(some, drawn.exp(), 1.0) if kind == "log-normal" else torch.where(some, drawn, 0.0)


def normal(like: Tensor) -> Tensor:
    """N(0, 1) for each picture, [n]."""
    return torch.randn(len(like), device=like.device, dtype=like.dtype)


def half(like: Tensor) -> Tensor:
    """A fair coin for each picture, [n, 1, 1, 1]."""
    return chance(0.5, like)
