"""Frames that G is sure of: where pixels are picked, G knows how likely its own frame is, and another z may be tried.

Between two decisions z has a border, and near it G answers with a bit of both; there its own frame is unlikely. BigGAN
draws z again where it is large (Brock et al. 2019, arXiv:1809.11096, Sec. 3.1); here it is where G hesitates, if it is
sure of half of its answers. Where it is sure of few, what comes is hard to foresee, and those few are the dullest, such
as that nothing moves.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from leafwing.explore.sample import generate

TRIES = 8
"""z for one frame at most."""
MOST = 0.5
"""Share of the tries that have to be sure; where fewer are, the first is taken, as it comes."""
SURE = -1.0 / 1600
"""Nats a pixel: an answer is sure if its own likelihood is above this; e^-1 = 37 % for all of 40x40 together."""


@runtime_checkable
class Sure(Protocol):
    """A G that knows how likely its own frame is."""

    @property
    def is_picking(self) -> bool:
        """Whether it does, as it was built."""
        ...

    def said(self, z: Tensor, history: Tensor) -> tuple[Tensor, Tensor]:
        """The frames that it gives, and the logarithm of their likelihood."""
        ...


def frames(G: nn.Module, z: Tensor, past: Tensor) -> Tensor:
    """A frame for each past, by the first z of its row that G is sure of; by the first of all if G is sure of few.

    Args:
        G: (z, past) -> frame.
        z: to be tried in turn.
        past: what is given.

    Shape: ``[n, tries, z], [n, h * c, s, s] -> [n, c, s, s]``.
    """
    if z.shape[1] == 1 or not isinstance(G, Sure) or not G.is_picking:
        return generate(G, z[:, 0], past)
    with torch.inference_mode():
        drawn, certain = G.said(z[:, 0], past)
        enough = SURE * drawn[0, 0].numel()
        for row in (certain < enough).nonzero()[:, 0].tolist():
            again, certain = G.said(z[row, 1:], past[row].expand(z.shape[1] - 1, *past.shape[1:]))
            sure = (certain >= enough).nonzero()[:, 0]
            if len(sure) >= MOST * z.shape[1]:
                drawn[row] = again[sure[0]]
    return drawn
