"""WGAN-GP: the critic's slope is drawn towards 1, at points between reals and fakes, instead of clipping its weights.

Source: Gulrajani et al. 2017, arXiv:1704.00028, Alg. 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import Field
from torch import Tensor

from leafwing.game import Batch, Terms
from leafwing.losses import penalties
from leafwing.variants import variants
from leafwing.variants.wgan import Critic


@variants.register("wgan-gp")
class WGANGP(Critic):
    """The critic's game with a one-centred gradient penalty.

    Args:
        gp_lambda: weight of the penalty; 10 in the paper.
    """

    per_picture = True

    def __init__(self, gp_lambda: Annotated[float, Field(gt=0)] = 10.0) -> None:
        self.gp_lambda = gp_lambda

    def penalties(self, judge: Callable[[Tensor], Tensor], real: Batch, fake: Batch, step: int) -> Terms:
        """The penalty between each real and its fake."""
        points = penalties.between(real.pictures, fake.pictures)
        return {"gradient_penalty": self.gp_lambda * penalties.one_centred(judge, points)}
