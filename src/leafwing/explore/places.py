"""A frame larger than what G learned from: each place of it that is open decides for itself.

On patches, z says how one patch goes on. One z for a whole frame of many patches would say the same of all of them, and
something that comes back once in a hundred patches would come back everywhere at once. So G answers by several z;
pixels about which they differ, and that lie close together, are one place, and each place takes an answer of its own,
drawn from the more usual ones there: several z are dealt equally often, also those that are seldom right (as BigGAN
draws z again that are rare, Brock et al. 2019, arXiv:1809.11096, Sec. 3.1; here it is answers).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing.explore.sample import generate
from leafwing.measure.video import connected

USUAL = 0.5
"""Share of the answers to draw from: those nearest to the others, and as near as these."""
CLOSE = 2
"""Pixels around one that is open which belong to its place."""
OTHER = 0.02
"""Pixels that differ by more in any channel, of [-1, 1], are not the same."""


def frames(G: nn.Module, z: Tensor, past: Tensor, choices: Sequence[np.random.Generator]) -> Tensor:
    """A frame for each past, put together from the answers to all z of its row.

    Args:
        G: (several z, one past) -> as many frames, whose pixels are picked.
        z: several for each past.
        past: what is given.
        choices: where to draw each frame's choices from.

    Shape: ``[n, tries, z], [n, h * c, s, s] -> [n, c, s, s]``.
    """
    each = zip(z, past[:, None], choices, strict=True)
    return torch.stack([put_together(generate(G, some, given), choice) for some, given, choice in each])


def put_together(answers: Tensor, choice: np.random.Generator) -> Tensor:
    """One frame of several, [k, c, h, w] -> [c, h, w]: place by place one of the more usual answers."""
    frame = answers[0].clone()
    for place in places(answers):
        here = answers[:, :, place].flatten(1)
        usual = more_usual(torch.cdist(here, here, compute_mode="donot_use_mm_for_euclid_dist").square().sum(1))
        frame[:, place] = answers[int(choice.choice(usual))][:, place]
    return frame


def places(answers: Tensor) -> list[Tensor]:
    """Where the answers differ, as masks [h, w], one for each place."""
    differ = (answers.amax(0) - answers.amin(0)).amax(0) > OTHER
    wide = F.max_pool2d(differ[None].float(), 2 * CLOSE + 1, stride=1, padding=CLOSE)[0] > 0
    labels = connected(wide.cpu().numpy())
    return [torch.from_numpy(labels == label).to(answers.device) for label in np.unique(labels[labels >= 0])]


def more_usual(cost: Tensor) -> list[int]:
    """Which answers cost the least, half of them; more, if several cost equally much."""
    limit = cost.sort().values[max(0, int(USUAL * len(cost)) - 1)]
    return (cost <= limit + OTHER**2).nonzero()[:, 0].tolist()
