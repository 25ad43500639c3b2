"""Supervised learning of the next frame, in the game's clothes: G is told what followed, and D only looks on.

Source: Mathieu et al. 2015, arXiv:1511.05440, Sec. 2.1 and 3.3: the L_p and the gradient difference loss, here as means
and at one scale. It is the lecture's network that pleases every future at once, for comparison.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from leafwing.game import Batch, Terms, Variant
from leafwing.losses import adversarial, frames
from leafwing.variants import variants


@variants.register("supervised")
class Supervised(Variant):
    """As near as possible to what followed. D learns to tell the answers apart, but nobody asks it.

    Args:
        p: 2 for squared errors, 1 for absolute ones; the cited program's setting is 2.
        lp_weight: of the L_p loss.
        gdl_weight: of the gradient difference loss; 0 for none.
        gdl_alpha: its power.
    """

    def __init__(
        self,
        p: Annotated[float, Field(ge=1, le=4)] = 2.0,
        lp_weight: Annotated[float, Field(ge=0)] = 1.0,
        gdl_weight: Annotated[float, Field(ge=0)] = 1.0,
        gdl_alpha: Annotated[float, Field(ge=1, le=4)] = 2.0,
    ) -> None:
        self.p, self.lp_weight, self.gdl_weight, self.gdl_alpha = p, lp_weight, gdl_weight, gdl_alpha

    def d_loss(self, real: Tensor, fake: Tensor) -> Terms:
        """Tell what followed from what was said; recipes without an onlooker seat the network `none`."""
        return {"adversarial": adversarial.logistic_d(real, fake)}

    def g_terms(self, D: nn.Module, real: Batch, fake: Batch) -> Terms:
        """Be near, with edges as steep."""
        terms = {"lp": self.lp_weight * frames.lp(fake.pictures, real.pictures, self.p)}
        if self.gdl_weight:
            near = frames.gradient_difference(fake.pictures, real.pictures, self.gdl_alpha)
            terms["gradient_difference"] = self.gdl_weight * near
        return terms
