"""WGAN: D is a critic without a boundary; its score estimates how far apart the two distributions are.

Source: Arjovsky et al. 2017, arXiv:1701.07875, Alg. 1. The estimate holds for a critic of bounded slope; here every
weight is kept within a small cube. The authors' program clips before each of D's steps, the paper after it; both is
done here, so that D is in the cube whenever anyone asks it. Wants many turns of D a round (``train.n_d``), more of
them at first (``train.n_d_long``), and an optimiser without momentum (RMSprop).
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from leafwing.game import Batch, Terms, Variant
from leafwing.losses import adversarial
from leafwing.variants import variants


class Critic(Variant):
    """Both players' losses of every Wasserstein GAN; how the slope is held is left to others."""

    boundary = None

    def d_loss(self, real: Tensor, fake: Tensor) -> Terms:
        """Minus the estimated distance."""
        return {"adversarial": adversarial.wasserstein_d(real, fake)}

    def g_loss(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        """Raise D's score."""
        return {"adversarial": adversarial.score_g(fake)}


@variants.register("wgan")
class WGAN(Critic):
    """The critic's weights are clipped.

    Args:
        clip: every parameter of D stays in [-clip, clip], those of its normalisations too; 0.01 in the paper.
    """

    def __init__(self, clip: Annotated[float, Field(gt=0)] = 0.01) -> None:
        self.clip = clip

    def d_terms(self, D: nn.Module, real: Batch, fake: Batch, step: int) -> tuple[Terms, Tensor, Tensor]:
        """Clip, then ask."""
        self.after_d_step(D)
        return super().d_terms(D, real, fake, step)

    @torch.no_grad()
    def after_d_step(self, D: nn.Module) -> None:
        """Put every parameter back into the cube."""
        for p in D.parameters():
            p.clamp_(-self.clip, self.clip)
