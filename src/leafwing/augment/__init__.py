"""What D looks through: random changes of reals and fakes alike, so that few pictures cannot be learnt by heart.

D never sees a picture as it is, G's gradient passes through the change, and so do slopes that are penalised: whatever
D is asked, it is asked through `leafwing.game.Looking`. Random numbers come from torch's own generator, which is set
anew before every round: pure functions of seed, rank and step, in the order of the turns.

Shape legend: n batch, c channels (1 grey, 3 colour, 2 and 4 with alpha), h and w sides; pictures lie in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from leafwing.core.errors import BadNetwork
from leafwing.core.registry import Registry


class Augment(nn.Module):
    """Pictures [n, c, h, w] -> pictures of the same shape, each changed by itself, anew at every call.

    Changes can be differentiated as often as anyone likes. What is kept from round to round is a buffer, and saved.
    """

    def heed(self, log: Mapping[str, Tensor], step: int, images: int) -> dict[str, Tensor]:
        """After a round: follow how D judged. Returns what to log; nothing by default.

        Args:
            log: the round's, the same on every rank.
            step: rounds played, this one included.
            images: real pictures shown in this round.
        """
        return {}


augments: Registry[Augment | None] = Registry("augment", "leafwing.augment")


@augments.register("none")
def no_augment() -> None:
    """D sees pictures as they are."""


def refuse_vectors(pictures: Tensor) -> None:
    """Only pictures can be augmented.

    Raises:
        BadNetwork: these are none.
    """
    if pictures.ndim != 4 or not 1 <= pictures.shape[1] <= 4:
        raise BadNetwork(
            f"Samples of shape {list(pictures.shape[1:])} are no pictures of 1 to 4 channels, and only "
            "pictures can be augmented: use --set augment.name=none."
        )


def split_alpha(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Colours [n, 1 or 3, h, w] and alpha [n, 0 or 1, h, w]."""
    colours = 1 if pictures.shape[1] < 3 else 3
    return pictures[:, :colours], pictures[:, colours:]


def chance(p: Tensor | float, like: Tensor) -> Tensor:
    """For each picture whether it is changed, [n, 1, 1, 1], with probability p."""
    return torch.rand(len(like), 1, 1, 1, device=like.device) < p


def uniform(like: Tensor, low: float, high: float) -> Tensor:
    """A number for each picture, [n, 1, 1, 1]."""
    return low + (high - low) * torch.rand(len(like), 1, 1, 1, device=like.device, dtype=like.dtype)


def shifts(offset: Tensor, side: int, reflect: bool) -> Tensor:
    """Matrices [n, side, side] that move rows down by ``offset`` [n] whole pixels; 0s come in, or the mirrored rows.

    A product with them moves a picture exactly, and is differentiated like any product.
    """
    here = torch.arange(side, device=offset.device)
    source = here[None, :] - offset.long()[:, None]
    if reflect:  # about the middle of the first and last row
        period = max(2 * (side - 1), 1)
        source = source.remainder(period)
        source = torch.minimum(source, period - source)
    return (source[:, :, None] == here).float()


def moved(pictures: Tensor, down: Tensor, right: Tensor, reflect: bool) -> Tensor:
    """Each picture moved by whole pixels: ``down`` and ``right`` are [n]."""
    h, w = pictures.shape[2:]
    rows, columns = shifts(down, h, reflect).to(pictures), shifts(right, w, reflect).to(pictures)
    return rows[:, None] @ pictures @ columns[:, None].transpose(2, 3)


def holes(like: Tensor, share: float) -> Tensor:
    """Where a box of ``share`` of both sides lies, [n, 1, h, w], its middle anywhere in the picture."""
    h, w = like.shape[2:]
    inside = []
    for side in (h, w):
        size = round(share * side)
        middle = torch.floor(torch.rand(len(like), 1, device=like.device) * (side + (1 - size % 2)))
        place = torch.arange(side, device=like.device)[None, :]
        start = middle - size // 2
        inside.append((place >= start) & (place < start + size))
    return inside[0][:, None, :, None] & inside[1][:, None, None, :]
