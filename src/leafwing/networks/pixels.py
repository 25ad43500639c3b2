"""Where each pixel of a next frame comes from: the given frames, the last one moved, and named colours.

Shape legend: n batch, h frames of history, c channels, s side(s), k places a pixel can come from, m colours.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor
from torch.nn import functional as F

from leafwing.core.errors import BadNetwork

SAME = 0.02
"""Pixels that differ by less in every channel, of [-1, 1], are the same."""
UNLIKELY = 1e-20
"""Chance of what cannot be picked."""


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


def painted(found: list[Tensor], palette: Tensor, shares: Tensor) -> Tensor:
    """Each pixel a mixture of those it can come from and of the colours; with shares of 0 and 1, one of them.

    Shape: ``k of [n, c, s, s], palette [m, c] and shares [a * n, k + m, s, s] -> [a * n, c, s, s]``: a in a row each.
    """
    taken, drawn = torch.split(shares, [len(found), len(palette)], 1)
    colours = torch.einsum("nmyx,mc->ncyx", drawn, palette)
    if not found:
        return colours
    frame = of_each(colours, len(found[0]))
    for share, pixels in zip(of_each(taken, len(found[0])).unbind(2), found, strict=True):
        frame = torch.addcmul(frame, share[:, :, None], pixels[:, None])
    return frame.flatten(0, 1)


def log_likelihood(found: list[Tensor], palette: Tensor, shares: Tensor, truth: Tensor) -> Tensor:
    """Of the true frame, if each pixel is picked by its shares: the sum over its pixels, in nats.

    What cannot be picked at all is taken for very unlikely, not for impossible.

    Shape: as in `painted`, and ``truth [n, c, s, s] -> [a * n]``.
    """
    with torch.no_grad():
        same = [(pixels - truth).abs().amax(1) < SAME for pixels in found]
        same += [(colour[:, None, None] - truth).abs().amax(1) < SAME for colour in palette]
        right = torch.stack(same, 1).to(shares.dtype)
    chance = (of_each(shares, len(truth)) * right[:, None]).sum(2)
    return (chance + UNLIKELY).log().sum((2, 3)).flatten()


def of_each(rows: Tensor, questions: int) -> Tensor:
    """The answers to each question by themselves: [a * n, ...] -> [n, a, ...]."""
    return rows.view(questions, -1, *rows.shape[1:])


def one_each(votes: Tensor) -> Tensor:
    """1 where there are most votes, at one place of several that have as many, 0 elsewhere; of the same shape."""
    return torch.zeros_like(votes).scatter_(1, votes.argmax(1, keepdim=True), 1.0)
