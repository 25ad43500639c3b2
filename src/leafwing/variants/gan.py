"""The game of the lecture: D tells real (1) from generated (0); G raises D's score.

Source: Goodfellow et al. 2014, arXiv:1406.2661, Eq. 1 and Sec. 3; the regression form is LSGAN's loss (Mao et al.
2017, arXiv:1611.04076). The optional R1 penalty is Mescheder et al. 2018, arXiv:1801.04406, Eq. 9; taken every k-th
round with k-fold weight it is StyleGAN2's lazy regularisation (Karras et al. 2020, arXiv:1912.04958, Appendix B).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import softplus

from leafwing.core.vocabulary import Vocabulary
from leafwing.game import Batch, Terms, Variant, judge
from leafwing.losses import adversarial, penalties
from leafwing.variants import variants


@variants.register("gan")
class GAN(Variant):
    """D as a classifier or as a regressor, by one switch.

    Args:
        judge: ``"classification"`` (one logit, binary cross-entropy), ``"softmax"`` (two classes), or
            ``"regression"`` (output 1 for real, 0 for generated, squared error).
        g_objective: ``"fool"`` (G's fakes should be labelled real: the non-saturating loss), ``"minimax"`` (minus
            D's loss on fakes) or ``"score"`` (minus D's score, the lecture's own).
        real_label: what D is taught to say to reals; 0.9 is one-sided label smoothing. Not used by softmax.
        fake_label: what D is taught to say to fakes. Not used by softmax.
        r1_gamma: weight of the R1 penalty on D's slope at reals; 0 for none. Refuses a D with BatchNorm.
        r1_every: rounds between penalties, each then weighted so many times.
        mismatch: weight of a third kind of pictures for D: reals beside a label they do not have, to be called
            generated (Reed et al. 2016, arXiv:1605.05396, Alg. 1). 0 for none; wants data.condition.
    """

    def __init__(
        self,
        judge: Literal["classification", "softmax", "regression"] = "classification",
        g_objective: Literal["fool", "minimax", "score"] = "fool",
        real_label: float = 1.0,
        fake_label: float = 0.0,
        r1_gamma: Annotated[float, Field(ge=0)] = 0.0,
        r1_every: Annotated[int, Field(ge=1)] = 1,
        mismatch: Annotated[float, Field(ge=0)] = 0.0,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        if mismatch and (vocabulary is None or judge == "softmax"):
            raise ValueError("variant.mismatch is about labels and one output: set data.condition, and not softmax")
        if judge == "softmax" and (real_label, fake_label) != (1.0, 0.0):
            raise ValueError("variant.real_label and fake_label are for one output; softmax has classes instead")
        if judge == "classification" and not 0 <= fake_label < real_label <= 1:
            raise ValueError("variant.fake_label and variant.real_label should lie in 0..1, fake below real")
        self.judge, self.g_objective = judge, g_objective
        self.real_label, self.fake_label = real_label, fake_label
        self.r1, self.mismatch = penalties.R1(r1_gamma, r1_every), mismatch
        self.per_picture = r1_gamma > 0
        self.wants_wrong = mismatch > 0
        self.d_outputs = 2 if judge == "softmax" else 1
        self.boundary = (real_label + fake_label) / 2 if judge == "regression" else 0.0

    def score(self, verdicts: Tensor) -> Tensor:
        """One number a picture, higher = more real."""
        return adversarial.margin(verdicts) if self.judge == "softmax" else verdicts

    def d_loss(self, real: Tensor, fake: Tensor) -> Terms:
        """Tell real from generated."""
        if self.judge == "softmax":
            return {"adversarial": adversarial.softmax_d(real, fake)}
        loss = adversarial.squares_d if self.judge == "regression" else adversarial.logistic_d
        return {"adversarial": loss(real, fake, self.real_label, self.fake_label)}

    def g_loss(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        """Fool D."""
        if self.g_objective == "score":
            return {"adversarial": adversarial.score_g(self.score(fake))}
        if self.g_objective == "minimax":
            return {"adversarial": self._against_d(fake)}
        if self.judge == "softmax":
            return {"adversarial": adversarial.softmax_g(fake)}
        loss = adversarial.squares_g if self.judge == "regression" else adversarial.nonsaturating_g
        return {"adversarial": loss(fake, self.real_label)}

    def _against_d(self, fake: Tensor) -> Tensor:
        """Minus D's loss on fakes, whatever D's loss is."""
        if self.judge == "softmax":
            return -adversarial.two_class(fake, 1)
        if self.judge == "regression":
            return -(fake - self.fake_label).square().mean() / 2
        return adversarial.minimax_g(fake, self.fake_label)

    def d_terms(self, D: nn.Module, real: Batch, fake: Batch, step: int) -> tuple[Terms, Tensor, Tensor]:
        """As always, and with ``mismatch`` reals beside what they are not."""
        terms, on_real, on_fake = super().d_terms(D, real, fake, step)
        if real.wrong is not None and real.condition is not None:
            lies = judge(D, Batch(real.pictures, real.wrong))
            counts = (real.wrong != real.condition).any(1).float()  # nothing can be wrong where nothing is known
            terms["mismatched"] = self.mismatch * (counts * self._called_fake(lies)).mean()
        return terms, on_real, on_fake

    def _called_fake(self, verdicts: Tensor) -> Tensor:
        """What D pays for not calling each of these generated, [n]."""
        if self.judge == "regression":
            return (verdicts - self.fake_label).square() / 2
        return self.fake_label * softplus(-verdicts) + (1 - self.fake_label) * softplus(verdicts)

    def penalties(self, judge: Callable[[Tensor], Tensor], real: Batch, fake: Batch, step: int) -> Terms:
        """R1, every ``r1_every`` rounds."""
        return self.r1.terms(lambda pictures: self.score(judge(pictures)), real.pictures, step)

    def phase(self, step: int) -> int:
        """Rounds with the penalty, and rounds without."""
        return int(self.r1.due(step))
