"""Do generated pictures differ from each other, and from the training pictures? Always asked beside real ones.

Pictures are compared as 8x8 thumbnails, by Euclidean distance: coarse enough to cost next to nothing and to see a shift
of a pixel or some noise as the same picture, fine enough to tell real pictures apart. No number here means anything by
itself; each is divided by, or set beside, what the same number of real pictures give.

Shape legend: n pictures, d numbers of a thumbnail, m reference pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SIDE = 8
TWIN = 0.25
"""Two pictures are twins when nearer than this share of the usual distance from a real picture to its nearest other."""
REFERENCE, NUMBERS = 4096, 64 * 2**20
"""Training pictures that generated ones are compared with, at most, and at most so many numbers (but 512 pictures): a
fraction of a second, once, before the first round."""


@dataclass(frozen=True)
class Variety:
    """What was found.

    Attributes:
        spread: mean distance of two generated pictures over that of two real ones; 1 is as varied as the data.
        twins: share of generated pictures that have a twin among the others, less that share of real ones; -1..1.
        nearest: median distance to the nearest training picture, over that distance between training pictures.
        copies: share of generated pictures that have a twin in the training set, estimated from the part of it that
            was read; 0..1.
    """

    spread: float
    twins: float
    nearest: float
    copies: float


class Reference:
    """What real pictures are like: their thumbnails and their distances from each other.

    Args:
        pictures: real ones [m, c, h, w], or vectors [m, d]; m at least 2, each from another place in the data.
        count: how many generated pictures will be compared with them.
        share: the part of the training set that they are, in (0, 1].
    """

    def __init__(self, pictures: Tensor, count: int, share: float = 1.0) -> None:
        self.thumbnails, self.share = thumbnails(pictures), share
        crowds = [self.thumbnails[start : start + count] for start in range(0, 16 * count, count)]
        crowds = [crowd for crowd in crowds if len(crowd) == count]
        crowds = crowds or [self.thumbnails]
        among = torch.cat([nearest_other(crowd) for crowd in crowds])
        self.spread = torch.stack([F.pdist(crowd).mean() for crowd in crowds]).mean()
        self.twin = TWIN * among.median()
        self.twins = (among <= self.twin).float().mean()
        apart = nearest_other(self.thumbnails)
        self.nearest = apart.median()
        self.copies = (apart <= TWIN * self.nearest).float().mean()

    def compare(self, pictures: Tensor) -> Variety:
        """Generated pictures [n, c, h, w] beside the real ones; mirrored training pictures count as copies too."""
        these = thumbnails(pictures)
        mirrored = thumbnails(pictures.flip(-1)) if pictures.ndim == 4 else these
        to_real = torch.minimum(*(torch.cdist(some, self.thumbnails).amin(1) for some in (these, mirrored)))
        tiny = torch.finfo(torch.float32).tiny
        found = (
            F.pdist(these).mean() / self.spread.clamp_min(tiny),
            (nearest_other(these) <= self.twin).float().mean() - self.twins,
            to_real.median() / self.nearest.clamp_min(tiny),
            (((to_real <= TWIN * self.nearest).float().mean() - self.copies) / self.share).clamp(0, 1),
        )
        return Variety(*torch.stack(found).tolist())  # read from the device once


def reference(reals: Callable[[int], Tensor], pictures: int, count: int, ranks: int = 1) -> Reference | None:
    """A reference from the first batches of a run, or None where there are too few pictures to compare.

    Args:
        reals: turn -> real pictures [n, c, h, w]; a function of the turn alone, so that nothing is used up.
        pictures: how many there are in all; what comes after so many would come a second time.
        count: how many generated pictures will be compared.
        ranks: among how many the pictures are shared out; this one sees its share of them.
    """
    first = reals(0)
    wanted = min(pictures // ranks, REFERENCE, max(512, NUMBERS // first[0].numel()))
    if wanted < 2:
        return None
    turns = -(-wanted // len(first))
    real = torch.cat([thumbnails(reals(turn)) for turn in range(turns)])[:wanted]
    return Reference(real, count, wanted / pictures)


def thumbnails(pictures: Tensor) -> Tensor:
    """[n, c, h, w] -> [n, c * 8 * 8] by averaging; vectors [n, d] stay as they are. float32."""
    if pictures.ndim != 4:
        return pictures.float().flatten(1)
    small = F.adaptive_avg_pool2d(pictures.float(), min(SIDE, *pictures.shape[2:]))
    return small.contiguous().flatten(1)  # channels_last or not, the same numbers in the same order


def nearest_other(these: Tensor) -> Tensor:
    """[n, d] -> the distance of each to its nearest other one: [n]. In pieces, so that memory stays small."""
    parts = []
    for start in range(0, len(these), 512):
        apart = torch.cdist(these[start : start + 512], these)
        apart.diagonal(start).fill_(float("inf"))
        parts.append(apart.amin(1))
    return torch.cat(parts)
