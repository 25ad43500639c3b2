"""The hinge game, of SNGAN, SAGAN and BigGAN; there for a D whose layers have a spectral norm of 1.

Source: Miyato et al. 2018, arXiv:1802.05957, Eq. 16 and 17. The norm is the network's business;
these losses go with any D. The optional regularisation of G is BigGAN's (Brock et al. 2019, arXiv:1809.11096, Eq. 3).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from leafwing.game import Batch, Terms, Variant
from leafwing.losses import adversarial, penalties
from leafwing.variants import variants


@variants.register("hinge")
class Hinge(Variant):
    """D wants reals above 1 and fakes below -1; G raises D's score.

    Args:
        orthogonal: weight of the orthogonal regularisation of G's convolutions and linear layers, embeddings left out;
            1e-4 in BigGAN, 0 for none.
    """

    def __init__(self, orthogonal: Annotated[float, Field(ge=0)] = 0.0) -> None:
        self.orthogonal = orthogonal

    def d_loss(self, real: Tensor, fake: Tensor) -> Terms:
        """The hinge."""
        return {"adversarial": adversarial.hinge_d(real, fake)}

    def g_loss(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        """Raise D's score."""
        return {"adversarial": adversarial.score_g(fake)}

    def g_penalties(self, G: nn.Module, fake: Batch, step: int) -> Terms:
        """Filters at right angles, if asked for."""
        if not self.orthogonal:
            return {}
        layers = [layer for layer in G.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
        return {"orthogonal": self.orthogonal * penalties.orthogonal(layer.weight for layer in layers)}
