"""InfoGAN: D also reads z back from the picture, so that G cannot ignore it.

Source: Chen et al. 2016, arXiv:1606.03657, Eq. 5 and 6: the lower bound E[log Q(c|G(z, c))] + H(c) of the mutual
information of code and picture, raised by G and by Q, which shares D's body. Codes here are the first numbers of z.
The R1 penalty, as in `gan`, is Mescheder et al. 2018, arXiv:1801.04406, Eq. 9.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing.core.errors import BadConfig
from leafwing.game import Batch, Terms, Variant, judge
from leafwing.losses import adversarial, penalties
from leafwing.variants import variants


@variants.register("infogan")
class InfoGAN(Variant):
    """The non-saturating game, and a reader of z.

    Args:
        codes: how many of z's first numbers D reads back; it gives one output for each, after its logit.
        kind: ``"binary"`` (codes are 0 or 1; cross-entropy) or ``"continuous"`` (a Gaussian of unit variance around
            what D reads; half the squared error).
        weight: of the reading, in both players' losses; 1 in the paper for discrete codes.
        r1_gamma: weight of the R1 penalty on the slope of D's logit at reals; 0 for none.
    """

    def __init__(
        self,
        codes: Annotated[int, Field(ge=1)] = 1,
        kind: Literal["binary", "continuous"] = "continuous",
        weight: Annotated[float, Field(ge=0)] = 1.0,
        r1_gamma: Annotated[float, Field(ge=0)] = 0.0,
    ) -> None:
        self.codes, self.kind, self.weight, self.r1 = codes, kind, weight, penalties.R1(r1_gamma)
        self.d_outputs = 1 + codes

    def score(self, verdicts: Tensor) -> Tensor:
        """The logit, [n, 1 + codes] -> [n]."""
        return verdicts[:, 0]

    def d_loss(self, real: Tensor, fake: Tensor) -> Terms:
        """Tell real from generated."""
        return {"adversarial": adversarial.logistic_d(self.score(real), self.score(fake))}

    def g_loss(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        """Fool D."""
        return {"adversarial": adversarial.nonsaturating_g(self.score(fake))}

    def penalties(self, judge: Callable[[Tensor], Tensor], real: Batch, fake: Batch, step: int) -> Terms:
        """R1."""
        return self.r1.terms(lambda pictures: self.score(judge(pictures)), real.pictures, step)

    def d_terms(self, D: nn.Module, real: Batch, fake: Batch, step: int) -> tuple[Terms, Tensor, Tensor]:
        """Tell real from generated, and read z."""
        terms, on_real, on_fake = super().d_terms(D, real, fake, step)
        return terms | {"reading": self.reading(on_fake, fake.z)}, on_real, on_fake

    def g_terms(self, D: nn.Module, real: Batch, fake: Batch) -> Terms:
        """Fool D, and be readable."""
        verdicts = judge(D, fake)
        return self.g_loss(verdicts) | {"reading": self.reading(verdicts, fake.z)}

    def reading(self, verdicts: Tensor, z: Tensor | None) -> Tensor:
        """-E[log Q(c | picture)], a mean over pictures and codes, without the Gaussian's constant.

        Args:
            verdicts: [n, 1 + codes].
            z: [n, z_dim].

        Raises:
            BadConfig: z is shorter than the codes.
        """
        if z is None or z.shape[1] < self.codes:
            raise BadConfig(
                f"variant.codes = {self.codes} cannot be: z has {0 if z is None else z.shape[1]} numbers to read back."
            )
        read, codes = verdicts[:, 1:], z[:, : self.codes].to(verdicts.dtype)
        if self.kind == "binary":
            return self.weight * F.binary_cross_entropy_with_logits(read, codes)
        return self.weight * F.mse_loss(read, codes) / 2
