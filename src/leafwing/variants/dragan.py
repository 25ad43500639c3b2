"""DRAGAN: the classifying game, with D's slope drawn towards 1 around the real pictures.

Where D is steep at reals, G is thrown about and modes are lost; the penalty keeps D smooth there.

Source: Kodali et al. 2017, arXiv:1705.07215, Sec. 2.3: lambda E(|grad D(x + noise)| - k)^2 with lambda 10 and k 1,
beside the losses of 2014. Noise as in the authors' program, see `leafwing.losses.penalties.around`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import Field
from torch import Tensor

from leafwing.game import Batch, Terms, Variant
from leafwing.losses import adversarial, penalties
from leafwing.variants import variants


@variants.register("dragan")
class DRAGAN(Variant):
    """Cross-entropy of one logit, and a one-centred penalty on the logit's slope around reals.

    Args:
        gp_lambda: weight of the penalty; 10 in the paper.
        spread: noise in deviations of the pictures' numbers; 0.5 in the authors' program.
    """

    per_picture = True

    def __init__(
        self, gp_lambda: Annotated[float, Field(gt=0)] = 10.0, spread: Annotated[float, Field(gt=0)] = 0.5
    ) -> None:
        self.gp_lambda, self.spread = gp_lambda, spread

    def d_loss(self, real: Tensor, fake: Tensor) -> Terms:
        """Tell real from generated."""
        return {"adversarial": adversarial.logistic_d(real, fake)}

    def g_loss(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        """Fool D."""
        return {"adversarial": adversarial.nonsaturating_g(fake)}

    def penalties(self, judge: Callable[[Tensor], Tensor], real: Batch, fake: Batch, step: int) -> Terms:
        """The penalty around each real."""
        points = penalties.around(real.pictures, self.spread)
        return {"gradient_penalty": self.gp_lambda * penalties.one_centred(judge, points)}
