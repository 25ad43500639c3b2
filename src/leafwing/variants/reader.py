"""What games share in which D reads something back from the picture, beside telling real from generated.

D's first output is its logit; the others are what it reads. Reals and fakes are told apart by the classifying game of
2014 in its non-saturating form; R1 as in `gan` (Mescheder et al. 2018, arXiv:1801.04406, Eq. 9).
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from leafwing.game import Batch, Terms, Variant
from leafwing.losses import adversarial, penalties


class Reader(Variant):
    """The non-saturating game for a D that reads, too. What is read, and its loss, is for the variant to say.

    Args:
        reads: numbers that D reads back, its outputs after the logit.
        r1_gamma: weight of the R1 penalty on the slope of D's logit at reals; 0 for none.
        r1_every: rounds between penalties, each then weighted so many times.
    """

    def __init__(self, reads: int, r1_gamma: float = 0.0, r1_every: int = 1) -> None:
        self.d_outputs = 1 + reads
        self.r1 = penalties.R1(r1_gamma, r1_every)
        self.per_picture = r1_gamma > 0

    def score(self, verdicts: Tensor) -> Tensor:
        """The logit, [n, 1 + reads] -> [n]."""
        return verdicts[:, 0]

    def d_loss(self, real: Tensor, fake: Tensor) -> Terms:
        """Tell real from generated."""
        return {"adversarial": adversarial.logistic_d(self.score(real), self.score(fake))}

    def g_loss(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        """Fool D."""
        return {"adversarial": adversarial.nonsaturating_g(self.score(fake))}

    def penalties(self, judge: Callable[[Tensor], Tensor], real: Batch, fake: Batch, step: int) -> Terms:
        """R1 of the logit."""
        return self.r1.terms(lambda pictures: self.score(judge(pictures)), real.pictures, step)

    def phase(self, step: int) -> int:
        """Rounds with the penalty, and rounds without."""
        return int(self.r1.due(step))
