"""InfoGAN: D also reads z back from the picture, so that G cannot ignore it.

Source: Chen et al. 2016, arXiv:1606.03657, Eq. 5 and 6: the lower bound E[log Q(c|G(z, c))] + H(c) of the mutual
information of code and picture, raised by G and by Q, which shares D's body. Codes here are the first numbers of z.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing.core.errors import BadConfig
from leafwing.game import Batch, Terms, judge
from leafwing.variants import variants
from leafwing.variants.reader import Reader


@variants.register("infogan")
class InfoGAN(Reader):
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
        super().__init__(codes, r1_gamma)
        self.codes, self.kind, self.weight = codes, kind, weight

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
