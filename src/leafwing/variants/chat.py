"""The game of words: R3GAN's, and beside it G finds likely what people said.

The game teaches G to say nothing wrong, likelihood to leave nothing out: each is slow at the other's part, and both
have the same goal, where G's chances are those of the people. Measured in docs/chat.md.

Source: the relativistic pairing game with R1 and R2 as in `r3gan` (Huang et al. 2024, arXiv:2501.05441); likelihood
before or beside an adversary for words is common since SeqGAN (Yu et al. 2017, arXiv:1609.05473).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from leafwing.core.errors import BadNetwork
from leafwing.game import Batch, Terms
from leafwing.losses import words
from leafwing.variants import variants
from leafwing.variants.r3gan import R3GAN, Weight


@variants.register("chat")
class ChatGAN(R3GAN):
    """RpGAN + gamma/2 (R1 + R2), and the likelihood of the real replies in G's loss.

    Args:
        gamma: weight of both penalties on D's slope.
        likelihood: weight of the negative log-likelihood of a real reply, in nats; 0 for the game alone.
    """

    def __init__(self, gamma: Weight = 0.01, likelihood: Annotated[float, Field(ge=0)] = 1.0) -> None:
        super().__init__(gamma, gradient="autograd")
        self.likelihood = likelihood

    def fakes(self, G: nn.Module, z: Tensor, real: Batch) -> Batch:
        """Replies, and the logarithm of the chance that G gives each word of the real ones.

        Raises:
            BadNetwork: G says no such thing.
        """
        made = super().fakes(G, z, real)
        if not self.likelihood:
            return made
        if not hasattr(G, "told"):
            raise BadNetwork("The variant chat wants a generator that says how likely a reply is: use replies.")
        return made._replace(rebuilt=G.told(real.pictures, real.condition))  # type: ignore[operator]

    def g_terms(self, D: nn.Module, real: Batch, fake: Batch) -> Terms:
        """Fool D, and expect what was said."""
        terms = super().g_terms(D, real, fake)
        if fake.rebuilt is not None and self.likelihood:
            terms["likelihood"] = self.likelihood * words.negative_log_likelihood(fake.rebuilt, real.pictures)
        return terms
