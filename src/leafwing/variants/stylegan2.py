"""StyleGAN2's game: the non-saturating loss, R1 for D and evenly long steps in w for G, both taken now and then.

Source: Karras et al. 2020, arXiv:1912.04958: Sec. 3.2 (path length regularisation, Eq. 4), Appendix B (lazy
regularisation, decay 0.01); R1 is Mescheder et al. 2018, arXiv:1801.04406, Eq. 9; weights as in the authors' program.
Differs: a term that is due is added to that round's loss, where the program gives it a step of its own; the running
mean a is that of before the round, so that micro-batches and ranks know one and the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from leafwing.core.errors import BadNetwork
from leafwing.game import Batch, Terms, Variant
from leafwing.losses import adversarial, penalties
from leafwing.variants import variants

Every = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]


class RunningMean(nn.Module):
    """A number that follows others."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))


@variants.register("stylegan2")
class StyleGAN2(Variant):
    """Lazy R1 and path length regularisation around the non-saturating game.

    Args:
        r1_gamma: weight of the R1 penalty on D's slope at reals. 10 for FFHQ 1024 in the paper; the authors' later
            program takes 0.0002 times the picture's pixels over the batch.
        r1_every: rounds between R1 penalties, each then weighted so many times; 16 in the paper.
        path_weight: of the path length penalty; 2 in the authors' program, 0 for none.
        path_every: rounds between path length penalties, each then weighted so many times; 8 in the paper.
        path_decay: how fast the usual length follows; 0.01 in the paper.
        path_share: share of the batch whose path lengths are taken; a half in the authors' program.
    """

    def __init__(
        self,
        r1_gamma: Weight = 10.0,
        r1_every: Every = 16,
        path_weight: Weight = 2.0,
        path_every: Every = 8,
        path_decay: Annotated[float, Field(gt=0, le=1)] = 0.01,
        path_share: Annotated[float, Field(gt=0, le=1)] = 0.5,
    ) -> None:
        self.r1 = penalties.R1(r1_gamma, r1_every)
        self.per_picture = r1_gamma > 0
        self.path_weight, self.path_every = path_weight, path_every
        self.path_decay, self.path_share = path_decay, path_share
        self.memory = self.usual = RunningMean() if path_weight else None

    def d_loss(self, real: Tensor, fake: Tensor) -> Terms:
        """Tell real from generated."""
        return {"adversarial": adversarial.logistic_d(real, fake)}

    def g_loss(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        """Fool D."""
        return {"adversarial": adversarial.nonsaturating_g(fake)}

    def penalties(self, judge: Callable[[Tensor], Tensor], real: Batch, fake: Batch, step: int) -> Terms:
        """R1, every ``r1_every`` rounds."""
        return self.r1.terms(judge, real.pictures, step)

    def g_penalties(self, G: nn.Module, fake: Batch, step: int) -> Terms:
        """Path lengths, every ``path_every`` rounds, of the first pictures of the batch, drawn anew."""
        if self.usual is None or step % self.path_every:
            return {}
        style, draw = getattr(G, "styles", None), getattr(G, "draw", None)
        if style is None or draw is None or fake.z is None:
            raise BadNetwork(
                "variant.path_weight is about a generator with styles: use --set generator.name=stylegan2, or 0."
            )
        few = fake.rows(slice(math.ceil(self.path_share * len(fake.z))))
        styles: Tensor = style(few.z, few.condition)
        pictures: Tensor = draw(styles).float()
        directions = torch.randn_like(pictures) / math.sqrt(pictures[0, 0].numel())
        lengths = penalties.path_lengths(pictures, styles, directions)
        penalty = penalties.path_length(lengths, self.usual.mean)
        return {"path": self.path_weight * self.path_every * penalty, "path_length": lengths.mean().detach()}

    @torch.no_grad()
    def heed(self, log: Terms) -> None:
        """The usual path length follows, unless G's step was refused."""
        if self.usual is not None and "G/path_length" in log:
            moved = torch.lerp(self.usual.mean, log["G/path_length"].float(), self.path_decay)
            self.usual.mean.copy_(torch.where(log["G/skipped"] > 0, self.usual.mean, moved))

    def phase(self, step: int) -> int:
        """Rounds with one penalty, the other, both, or none."""
        return int(self.r1.due(step)) + 2 * int(self.usual is not None and step % self.path_every == 0)
