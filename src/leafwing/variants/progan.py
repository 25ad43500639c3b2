"""ProGAN's game: WGAN-GP, with scores of reals kept from drifting away from 0.

Source: Karras et al. 2018, arXiv:1710.10196, Appendix A.1. One turn of D a round. Growing is not among
the rules, see `leafwing.networks.growing`; while pictures are coarse, slopes are still taken by the pixels of the whole
one, as in the authors' program.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from leafwing.game import Terms
from leafwing.losses import penalties
from leafwing.variants import variants
from leafwing.variants.wgan_gp import WGANGP


@variants.register("progan")
class ProGAN(WGANGP):
    """The critic's game with a one-centred gradient penalty, and a small penalty on the scores of reals.

    Args:
        gp_lambda: weight of the gradient penalty; 10 in the paper.
        drift: weight of the squared scores of reals; 0.001 in the paper.
    """

    def __init__(
        self, gp_lambda: Annotated[float, Field(gt=0)] = 10.0, drift: Annotated[float, Field(ge=0)] = 0.001
    ) -> None:
        super().__init__(gp_lambda)
        self.drift = drift

    def d_loss(self, real: Tensor, fake: Tensor) -> Terms:
        """Minus the estimated distance, and the drift."""
        return super().d_loss(real, fake) | {"drift": self.drift * penalties.drift(real)}
