"""The hinge game, of SNGAN and BigGAN; there for a D whose layers have a spectral norm of 1.

Source: Miyato et al. 2018, arXiv:1802.05957, Eq. 16 and 17. The norm is the network's business;
these losses go with any D.
"""

from __future__ import annotations

from torch import Tensor

from leafwing.game import Terms, Variant
from leafwing.losses import adversarial
from leafwing.variants import variants


@variants.register("hinge")
class Hinge(Variant):
    """D wants reals above 1 and fakes below -1; G raises D's score."""

    def d_loss(self, real: Tensor, fake: Tensor) -> Terms:
        """The hinge."""
        return {"adversarial": adversarial.hinge_d(real, fake)}

    def g_loss(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        """Raise D's score."""
        return {"adversarial": adversarial.score_g(fake)}
