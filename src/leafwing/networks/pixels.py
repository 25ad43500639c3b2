"""Where each pixel of a next frame comes from: the given frames, the last one moved, and named colours.

Shape legend: n batch, h frames of history, c channels, s side(s), k places a pixel can come from, m colours.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor
from torch.nn import functional as F

from leafwing.core.errors import BadNetwork


def palette_of(colours: tuple[str, ...], channels: int) -> Tensor:
    """``#rrggbb`` -> numbers in [-1, 1], [m, c]: greys (ITU-R BT.601, as in pictures) for 1 channel, opaque for 4."""
    wrong = next((colour for colour in colours if not re.fullmatch("#[0-9a-fA-F]{6}", colour)), None)
    if wrong is not None:
        raise BadNetwork(f'generator.colours: {wrong!r} is no colour; write red, green and blue as in "#fadc3c".')
    levels = torch.tensor([list(bytes.fromhex(colour[1:])) for colour in colours]).float()
    if channels == 1:
        levels = (levels @ torch.tensor([[0.299], [0.587], [0.114]])).round()
    elif channels == 4:
        levels = F.pad(levels, (0, 1), value=255)
    return levels / 127.5 - 1


def places(history: Tensor, channels: int, moves: tuple[int, ...]) -> list[Tensor]:
    """Where a pixel can come from: any of the given frames as it is, then the last one moved up, down, left, right.

    Shape: ``[n, h * c, s, s] -> h + 4 * len(moves) of [n, c, s, s]``.
    """
    found = list(torch.split(history, channels, 1))
    last, (height, width) = found[-1], history.shape[2:]
    for far in moves:
        wide = F.pad(last, (far, far, far, far), mode="replicate")
        for dy, dx in ((-far, 0), (far, 0), (0, -far), (0, far)):
            found.append(wide[:, :, far + dy : far + dy + height, far + dx : far + dx + width])
    return found


def mixed(found: list[Tensor], ways: Tensor) -> Tensor:
    """Each pixel a mixture of those it can come from.

    Source: Finn, Goodfellow & Levine 2016, arXiv:1605.07157, Sec. 3 (dynamic neural advection), with few moves.

    Shape: ``k of [n, c, s, s] and ways [n, k, s, s] -> [n, c, s, s]``.
    """
    frame: Tensor = (torch.stack(found, 1) * ways.softmax(1)[:, :, None]).sum(1)
    return frame


def picked(found: list[Tensor], palette: Tensor, votes: Tensor, training: bool) -> Tensor:
    """Each pixel the one of those it can come from, or the colour, that has most votes; in training their mixture.

    Shape: ``k of [n, c, s, s], palette [m, c] and votes [n, k + m, s, s] -> [n, c, s, s]``.
    """
    shares = votes.softmax(1) if training else one_each(votes)
    frame = torch.einsum("nmyx,mc->ncyx", shares[:, len(found) :], palette)
    for share, pixels in zip(shares.chunk(shares.shape[1], 1), found, strict=False):
        frame = torch.addcmul(frame, share, pixels)
    return frame


def one_each(votes: Tensor) -> Tensor:
    """1 where there are most votes, at one place of several that have as many, 0 elsewhere; of the same shape."""
    return torch.zeros_like(votes).scatter_(1, votes.argmax(1, keepdim=True), 1.0)
