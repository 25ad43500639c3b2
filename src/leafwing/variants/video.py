"""The game of next frames: D sees the past and a frame; G, beside fooling it, answers a question several times over.

Source: Mathieu et al. 2015, arXiv:1511.05440, Sec. 3.2 and 3.3, for the sum of adversarial, L_p and gradient difference
losses. Differs: one scale; G's adversarial term does send its gradient through D; z, and remedies for its being
ignored, of which every term compares the answers to ``many`` z with each other. D compares what followed with what
was said to the same past, so that this past, equal on both sides, tells it nothing: the relativistic pairing of
Jolicoeur-Martineau 2018, arXiv:1807.00734, under R1 and R2 (Mescheder et al. 2018, Eq. 9 and 10; Huang et al. 2024).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Protocol, runtime_checkable

from pydantic import Field
from torch import Tensor, nn

from leafwing.core.errors import BadConfig
from leafwing.game import Batch, Terms, Variant, judge
from leafwing.latents import Prior
from leafwing.losses import adversarial, frames, penalties
from leafwing.variants import variants

Weight = Annotated[float, Field(ge=0)]


@runtime_checkable
class Answering(Protocol):
    """A G that knows how likely it makes what followed."""

    def answers(self, z: Tensor, history: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        """Several answers to each question, and the logarithm of the true one's likelihood under each."""
        ...


@variants.register("video")
class Video(Variant):
    """The relativistic game about what comes next.

    Args:
        many: answers to each question in a batch, each from a z of its own.
        adversarial_weight: of fooling D; 1 in the cited program, whose term has no effect, 0.05 in its constants.
        energy_weight: of the energy score, which is smallest where the answers are distributed as the futures are.
        likelihood_weight: of the log score, in nats a frame: what followed is to be likely under one of the answers;
            for a G whose pixels are picked.
        best_weight: of the distance of the best of the answers.
        reading_weight: of z being read back from the answer by D, of both players (half the squared error).
        lp_weight: of the L_p loss of every answer.
        p: of the L_p loss.
        gdl_weight: of the gradient difference loss of every answer.
        gdl_alpha: its power.
        gamma: weight of the penalties on the slope of D's score, R1 at reals and R2 at fakes; 0 for none.
        penalty_every: they are taken every so many rounds, and weigh so many times as much.
        prior: of z; from the recipe.
    """

    g_sees_reals = True
    boundary = None

    def __init__(
        self,
        many: Annotated[int, Field(ge=1, le=64)] = 2,
        adversarial_weight: Weight = 1.0,
        energy_weight: Weight = 1.0,
        likelihood_weight: Weight = 0.0,
        best_weight: Weight = 0.0,
        reading_weight: Weight = 0.0,
        lp_weight: Weight = 0.0,
        p: Annotated[float, Field(ge=1, le=4)] = 1.0,
        gdl_weight: Weight = 0.0,
        gdl_alpha: Annotated[float, Field(ge=1, le=4)] = 1.0,
        gamma: Weight = 0.5,
        penalty_every: Annotated[int, Field(ge=1)] = 1,
        prior: Prior | None = None,
    ) -> None:
        if energy_weight and many < 2:
            raise ValueError("variant.energy_weight compares answers: set variant.many to at least 2")
        self.many, self.adversarial_weight = many, adversarial_weight
        self.energy_weight, self.likelihood_weight, self.best_weight = energy_weight, likelihood_weight, best_weight
        self.reading_weight, self.d_outputs = reading_weight, 1 + (prior.dim if prior and reading_weight else 0)
        self.p, self.lp_weight, self.gdl_weight, self.gdl_alpha = p, lp_weight, gdl_weight, gdl_alpha
        self.r1 = penalties.R1(gamma, penalty_every)
        self.per_picture = gamma > 0

    def score(self, verdicts: Tensor) -> Tensor:
        """D's first output, the others being what it reads of z."""
        return verdicts[:, 0] if verdicts.ndim == 2 else verdicts

    def d_loss(self, real: Tensor, fake: Tensor) -> Terms:
        """Put what followed above what was said to the same past."""
        return {"adversarial": adversarial.relativistic_d(self.score(real), self.score(fake))}

    def g_loss(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        """Put what was said above what followed."""
        assert real is not None, "g_sees_reals"
        return {"adversarial": self.adversarial_weight * adversarial.relativistic_g(self.score(fake), self.score(real))}

    def fakes(self, G: nn.Module, z: Tensor, real: Batch) -> Batch:
        """The answers; with the likelihood of what followed, if that is wanted."""
        if not self.likelihood_weight:
            return super().fakes(G, z, real)
        if not isinstance(G, Answering):
            raise BadConfig("variant.likelihood_weight needs a generator whose pixels are picked: generator.name=unet.")
        each = slice(None, None, min(self.many, len(z)))
        assert real.condition is not None, "films have a past"
        drawn, likelihood = G.answers(z, real.condition[each], real.pictures[each])
        return Batch(drawn, real.condition, z=z, likelihood=likelihood)

    def d_terms(self, D: nn.Module, real: Batch, fake: Batch, step: int) -> tuple[Terms, Tensor, Tensor]:
        """Tell what followed from what was said, and read z."""
        terms, on_real, on_fake = super().d_terms(D, real, fake, step)
        return terms | self.reading(on_fake, fake.z), on_real, on_fake

    def g_terms(self, D: nn.Module, real: Batch, fake: Batch) -> Terms:
        """Fool D, and answer as variously as the future is open."""
        drawn, followed, terms = fake.pictures, real.pictures, dict[str, Tensor]()
        if self.adversarial_weight or self.reading_weight:
            verdicts = judge(D, fake)
            terms |= self.g_loss(verdicts, judge(D, real)) | self.reading(verdicts, fake.z)
        if self.energy_weight:
            terms["energy"] = self.energy_weight * frames.energy_score(drawn, followed, self.many)
        if fake.likelihood is not None:
            terms["likelihood"] = self.likelihood_weight * frames.log_score(fake.likelihood, self.many)
        if self.best_weight:
            terms["best"] = self.best_weight * frames.best_of_many(drawn, followed, self.many)
        if self.lp_weight:
            terms["lp"] = self.lp_weight * frames.lp(drawn, followed, self.p)
        if self.gdl_weight:
            terms["gradient_difference"] = self.gdl_weight * frames.gradient_difference(drawn, followed, self.gdl_alpha)
        return terms

    def reading(self, verdicts: Tensor, z: Tensor | None) -> Terms:
        """How badly D reads z back from the answers, if that is wanted. Source: Chen et al. 2016, arXiv:1606.03657."""
        if not self.reading_weight or z is None:
            return {}
        return {"reading": self.reading_weight * (verdicts[:, 1:] - z).square().sum(1).mean() / 2}

    def penalties(self, judge: Callable[[Tensor], Tensor], real: Batch, fake: Batch, step: int) -> Terms:
        """R1 and R2, every ``penalty_every`` rounds."""
        at_real, at_fake = (
            self.r1.terms(lambda some: self.score(judge(some)), batch.pictures, step) for batch in (real, fake)
        )
        return at_real | ({"r2": at_fake["r1"]} if at_fake else {})

    def phase(self, step: int) -> int:
        """Rounds with the penalty, and rounds without."""
        return int(self.r1.due(step))
