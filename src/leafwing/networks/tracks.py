"""Where each colour of a film was, frame by frame, near each place: measured, as films of few colours allow.

A sprite of a game goes by 3, 3, 3, 2, 2 pixels in turn and moves its legs every four frames. A convolution has to find
that in single pixels. Told which step each sprite took each time, a small network foretells the next one better after
500 rounds than told their places as numbers after 8,000 (`benchmarks/mspacman_pace.py --learn`).

Shape legend: n batch, h frames of history, c channels, m colours, s side, p = s / side places a side.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

REACH = 16
"""Pixels around a place in which a colour is looked for."""
STEPS = range(-4, 5)
"""Pixels that an edge may have gone from a frame to the next; other steps are none of these."""
BEYOND = 10_000.0
"""More than any coordinate."""


def planes_of(history: Tensor, palette: Tensor) -> Tensor:
    """1 where a pixel of a frame has that colour, or one nearest to it, 0 elsewhere.

    Shape: ``[n, h * c, s, s], [m, c] -> [n, h, m, s, s]``.
    """
    frames = history.float().reshape(len(history), -1, palette.shape[1], *history.shape[2:])
    far = torch.stack([(frames - colour[:, None, None]).abs().sum(2) for colour in palette], 2)
    return torch.zeros_like(far).scatter_(2, far.argmin(2, keepdim=True), 1.0)


def edges_of(planes: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """How far last and first column and row of each colour near each place are from its middle; whether it is there.

    Shape: ``[n, h, m, s, s] -> [n, h, m, 4, p, p] in pixels, [n, h, m, p, p] of 0 and 1``.
    """
    found = list[Tensor]()
    for axis in (-1, -2):
        at = torch.arange(1.0, planes.shape[axis] + 1, device=planes.device)
        at = at if axis == -1 else at[:, None]
        middle = (torch.arange(planes.shape[axis] // side, device=planes.device) + 0.5) * side + 0.5
        middle = middle if axis == -1 else middle[:, None]
        found += [nearby(planes * at, side) - middle, BEYOND - nearby(planes * (BEYOND - at), side) - middle]
    return torch.stack(found, 3), nearby(planes, side)


def nearby(values: Tensor, side: int) -> Tensor:
    """The largest in the places within reach of each: [..., s, s] -> [..., p, p]."""
    cells = 2 * (REACH // side) + 1
    largest = F.max_pool2d(values.flatten(0, 2), side)
    largest = F.max_pool2d(largest, (1, cells), 1, (0, cells // 2))
    largest = F.max_pool2d(largest, (cells, 1), 1, (cells // 2, 0))
    return largest.reshape(*values.shape[:3], *largest.shape[1:])


def steps_of(edges: Tensor, there: Tensor) -> Tensor:
    """Which of `STEPS` each edge took from each frame to the next, if seen in both; whether seen; where last, coarsely.

    Shape: as from `edges_of` -> ``[n, m, (h - 1) * 4 * 9 + h + 4, p, p]``.
    """
    went = edges[:, 1:] - edges[:, :-1]
    both = (there[:, 1:] * there[:, :-1])[:, :, :, None]
    each = torch.stack([(went == step) * both for step in STEPS], 4).movedim(1, 2).flatten(2, 4)
    last = edges[:, -1] / REACH * there[:, -1, :, None]
    return torch.cat([each, there.transpose(1, 2), last], 2)


def lined_up(planes: Tensor, edges: Tensor, there: Tensor, side: int) -> Tensor:
    """Each frame's colours, moved to where they were when last seen: by their middle, each place for itself.

    Shape: ``[n, h, m, s, s]`` and as from `edges_of` -> ``[n, h, m, s, s]``.
    """
    middle = torch.stack([edges[:, :, :, 2] + edges[:, :, :, 3], edges[:, :, :, 0] + edges[:, :, :, 1]], 3) / 2
    seen, last = there[:, :, :, None] > 0, middle[:, -1]
    for frame in range(planes.shape[1]):
        last = torch.where(seen[:, frame], middle[:, frame], last)
    off = wide((middle - last[:, None]).round() * seen, side).long()
    height, width = planes.shape[-2:]
    rows = torch.arange(height, device=planes.device)[:, None] + off[:, :, :, 0]
    columns = torch.arange(width, device=planes.device) + off[:, :, :, 1]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    index = rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)
    moved = planes.flatten(-2).gather(-1, index.flatten(-2)).view_as(planes)
    return moved * inside * wide(there, side)


def wide(maps: Tensor, side: int) -> Tensor:
    """A number a place -> the same for all its pixels: [..., p, p] -> [..., s, s]."""
    return maps.repeat_interleave(side, -1).repeat_interleave(side, -2)
