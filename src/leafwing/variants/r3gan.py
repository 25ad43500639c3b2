"""R3GAN's game: every real against the fake beside it, and D's slope held down at both.

Source: Huang et al. 2024, arXiv:2501.05441: the relativistic pairing loss with the zero-centred penalties R1 and R2 in
every round, gamma growing smaller over the burn-in. Differs: G's turn meets the reals of D's last turn, theirs draws
more.
"""

from __future__ import annotations

from typing import Annotated, Literal
from weakref import WeakKeyDictionary

from pydantic import Field
from torch import Tensor, nn

from leafwing.core.schedules import burn_in
from leafwing.game import Batch, Terms, Variant, asking
from leafwing.losses import adversarial, analytic, penalties
from leafwing.variants import variants

Weight = Annotated[float, Field(gt=0)]


@variants.register("r3gan")
class R3GAN(Variant):
    """RpGAN + gamma/2 (R1 + R2).

    Args:
        gamma: weight of both penalties; 0.05 for CIFAR-10, 2 for FFHQ 64, 150 for FFHQ 256 in the paper.
        gamma_to: what gamma is after the burn-in; a tenth of it in the paper. None for no change.
        burn_in_kimg: thousand real images over which ``gamma_to`` is reached, along half a cosine; 20,000 in the paper.
        gradient: how D's gradient is computed. ``"analytic"``: without double backward where D allows it (linear maps,
            biases and leaky ReLU, no batch statistics), by itself the usual way elsewhere; ``"autograd"``: always the
            usual way. Equal but for rounding.
    """

    g_sees_reals = True
    per_picture = True
    boundary = None

    def __init__(
        self,
        gamma: Weight = 2.0,
        gamma_to: Weight | None = None,
        burn_in_kimg: Annotated[float, Field(ge=0)] = 0.0,
        gradient: Literal["analytic", "autograd"] = "analytic",
    ) -> None:
        self.first, self.last, self.over = gamma, gamma_to or gamma, burn_in_kimg * 1000
        self.gradient = gradient
        self._suits: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()
        self.set_schedule(0)

    def set_schedule(self, images: int) -> None:
        """Gamma after so many images."""
        self.gamma = burn_in(self.first, self.last, images, self.over)
        self.settled = images >= self.over

    def phase(self, step: int) -> int | None:
        """A round like the next once gamma stands still."""
        return 0 if self.settled else None

    def d_loss(self, real: Tensor, fake: Tensor) -> Terms:
        """Put each real above its fake."""
        return {"adversarial": adversarial.relativistic_d(real, fake)}

    def g_loss(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        """Put each fake above its real."""
        assert real is not None, "g_sees_reals"
        return {"adversarial": adversarial.relativistic_g(fake, real)}

    def d_terms(self, D: nn.Module, real: Batch, fake: Batch, step: int) -> tuple[Terms, Tensor, Tensor]:
        """All of D's terms, without double backward where D allows it."""
        if self.gradient == "analytic":
            if D not in self._suits:
                few = [b.rows(slice(3))._replace(pictures=b.pictures[:3].float()) for b in (real, fake)]
                self._suits[D] = analytic.agrees(
                    D, lambda net: self.by_formula(net, *few)[0], lambda net: self.by_autograd(net, *few)[0]
                )
            if self._suits[D]:
                return self.by_formula(D, real, fake)
        return self.by_autograd(D, real, fake)

    def by_formula(self, D: nn.Module, real: Batch, fake: Batch) -> tuple[Terms, Tensor, Tensor]:
        """See `leafwing.losses.analytic`."""
        sides = (analytic.Side(asking(D, b.condition), b.pictures, self.gamma) for b in (real, fake))
        learn = [p for p in D.parameters() if p.requires_grad]
        return analytic.terms(learn, adversarial.relativistic_d, *sides)

    def by_autograd(self, D: nn.Module, real: Batch, fake: Batch) -> tuple[Terms, Tensor, Tensor]:
        """Scores and slopes in one pass each, then a graph of their graphs."""
        (on_real, at_real), (on_fake, at_fake) = (
            penalties.score_and_slope(asking(D, b.condition), b.pictures) for b in (real, fake)
        )
        found = self.d_loss(on_real, on_fake)
        for name, slope in (("r1", at_real), ("r2", at_fake)):
            found[name] = self.gamma / 2 * slope.square().sum(dim=1).mean()
        return found, on_real, on_fake
