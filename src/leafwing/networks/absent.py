"""No discriminator: for recipes in which G has its answers told, and nobody judges them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from leafwing.core.lexicon import Lexicon
from leafwing.networks import discriminators


@discriminators.register("none")
class Absent(nn.Module):
    """Says the same of every picture: a number that it learns, as the game needs a player in this seat.

    Args:
        outputs: numbers a picture.
        history: frames given, not looked at.
        lexicon: words known, not looked at either.

    Shape:
        ``[n, ...] -> [n]``, or ``[n, outputs]`` if outputs > 1.
    """

    absent = True

    def __init__(self, outputs: int = 1, history: int = 0, lexicon: Lexicon | None = None) -> None:
        super().__init__()
        self.verdict = nn.Parameter(torch.zeros(outputs))

    def forward(self, pictures: Tensor, condition: Tensor | None = None) -> Tensor:
        """The same for each."""
        verdicts = self.verdict.expand(len(pictures), -1)
        return verdicts[:, 0] if verdicts.shape[1] == 1 else verdicts
