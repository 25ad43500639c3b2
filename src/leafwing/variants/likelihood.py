"""Maximum likelihood: G learns to find likely what people said. No game, in the game's clothes, for comparison.

G is told the right words so far and has to guess the next one, for all places of a reply at once.

Source: teacher forcing, Williams & Zipser 1989, "A learning algorithm for continually running fully recurrent neural
networks"; the usual way to train a network of words.
"""

from __future__ import annotations

from torch import Tensor, nn

from leafwing.core.errors import BadNetwork
from leafwing.game import Batch, Terms, Variant
from leafwing.losses import adversarial, words
from leafwing.variants import variants


@variants.register("likelihood")
class Likelihood(Variant):
    """G minimises the negative log-likelihood of the real replies. Nobody asks D: seat the network ``none``."""

    def fakes(self, G: nn.Module, z: Tensor, real: Batch) -> Batch:
        """Not replies, but the logarithm of the chance that G gives each word after the right ones.

        Raises:
            BadNetwork: G says no such thing.
        """
        if not hasattr(G, "told"):
            raise BadNetwork("The variant likelihood wants a generator that says how likely a reply is: use replies.")
        chances: Tensor = G.told(real.pictures, real.condition)  # type: ignore[operator]
        return Batch(chances, real.condition, z=z)

    def d_loss(self, real: Tensor, fake: Tensor) -> Terms:
        """Of no use to G."""
        return {"adversarial": adversarial.logistic_d(real, fake)}

    def g_terms(self, D: nn.Module, real: Batch, fake: Batch) -> Terms:
        """How unlikely the real replies were."""
        return {"likelihood": words.negative_log_likelihood(fake.pictures, real.pictures)}
