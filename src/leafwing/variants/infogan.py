"""InfoGAN: D also reads codes of z back from the picture, so that G cannot ignore them.

Source: Chen et al. 2016, arXiv:1606.03657, Eq. 5 and 6: the lower bound E[log Q(c|G(z, c))] + H(c) of the mutual
information of codes and picture, raised by G and by Q, which shares D's body; codes are independent, so that log Q(c|x)
is the sum over them. As in the authors' program D descends the loss of Q, too, and what is told of a continuous code is
the mean of a Gaussian of unit variance. Codes lie at the beginning of z.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing.core.errors import BadConfig
from leafwing.game import Batch, Terms, judge
from leafwing.latents import Binary, Codes, Prior
from leafwing.variants import variants
from leafwing.variants.reader import Reader


@variants.register("infogan")
class InfoGAN(Reader):
    """The non-saturating game, and a reader of codes.

    Args:
        codes: how many of z's first numbers D reads back; it gives one output for each, after its logit. Not used where
            the prior says.
        kind: ``"continuous"`` (a Gaussian of unit variance around what D reads; half the squared error), ``"binary"``
            (codes are 0 or 1; cross-entropy), or ``"prior"``: the codes of the prior `codes`, its classes by
            cross-entropy, its numbers as continuous ones.
        weight: of the reading, in both players' losses; 1 in the paper for discrete codes, and in the authors' program
            for all.
        r1_gamma: weight of the R1 penalty on the slope of D's logit at reals; 0 for none, as in the paper.
        r1_every: rounds between penalties, each then weighted so many times.
        prior: of z; from the recipe.
    """

    def __init__(
        self,
        codes: Annotated[int, Field(ge=1)] = 1,
        kind: Literal["binary", "continuous", "prior"] = "continuous",
        weight: Annotated[float, Field(ge=0)] = 1.0,
        r1_gamma: Annotated[float, Field(ge=0)] = 0.0,
        r1_every: Annotated[int, Field(ge=1)] = 1,
        prior: Prior | None = None,
    ) -> None:
        self.classes: list[slice] = []
        if kind == "prior":
            if not isinstance(prior, Codes):
                raise ValueError("kind = 'prior' wants a prior that has codes: set prior.name to codes")
            codes, self.classes = prior.read, prior.blocks
        if kind == "binary" and prior is not None and not isinstance(prior, Binary):
            raise ValueError("kind = 'binary' wants codes of 0 and 1: set prior.name to binary")
        super().__init__(codes, r1_gamma, r1_every)
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
        r"""Minus the log-likelihood of the codes, a sum over codes and a mean over pictures.

        Computes $-E\log Q(c|G(z))$, without the Gaussian's constant.

        Args:
            verdicts: [n, 1 + codes].
            z: [n, z_dim].

        Raises:
            BadConfig: z is shorter than the codes.

        Source: Chen et al. 2016, arXiv:1606.03657, Eq. 5.
        """
        if z is None or z.shape[1] < self.codes:
            raise BadConfig(
                f"variant.codes = {self.codes} cannot be: z has {0 if z is None else z.shape[1]} numbers to read back."
            )
        read, codes = verdicts[:, 1:], z[:, : self.codes].to(verdicts.dtype)
        if self.kind == "binary":
            misread = F.binary_cross_entropy_with_logits(read, codes, reduction="none").sum(1)
        else:
            first = self.classes[-1].stop if self.classes else 0
            misread = (read[:, first:] - codes[:, first:]).square().sum(1) / 2
            for block in self.classes:
                misread = misread - (codes[:, block] * F.log_softmax(read[:, block], dim=1)).sum(1)
        return self.weight * misread.mean()
