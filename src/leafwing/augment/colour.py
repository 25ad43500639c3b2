"""Colours as points in space: a change of colour is a matrix, changes one after another are its products.

Source: Karras et al. 2020, arXiv:2006.06676, Appendix B, "Color transformations".
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from leafwing.augment import split_alpha

GREY = 1 / math.sqrt(3)
"""Each coordinate of the axis of greys, of length 1."""


def neutral(numbers: Tensor) -> Tensor:
    """Identity matrices [n, 4, 4], one for each of n numbers."""
    return torch.eye(4, dtype=numbers.dtype, device=numbers.device).repeat(len(numbers), 1, 1)


def brighter(by: Tensor) -> Tensor:
    """All channels moved ``by`` [n]."""
    matrix = neutral(by)
    matrix[:, :3, 3] = by[:, None]
    return matrix


def stronger(times: Tensor) -> Tensor:
    """All channels multiplied by ``times`` [n]: contrast about mid-grey."""
    matrix = neutral(times)
    matrix[:, :3, :3] *= times[:, None, None]
    return matrix


def along_grey(times: Tensor, across: Tensor) -> Tensor:
    """The part along the axis of greys times one number, the part across it times another."""
    matrix = neutral(times)
    axis = torch.full((3, 3), 1 / 3, dtype=times.dtype, device=times.device)
    eye = torch.eye(3, dtype=times.dtype, device=times.device)
    matrix[:, :3, :3] = times[:, None, None] * axis + across[:, None, None] * (eye - axis)
    return matrix


def luma_flipped(flipped: Tensor) -> Tensor:
    """Light and dark exchanged, hues kept, where ``flipped`` [n] is 1."""
    return along_grey(1 - 2 * flipped, torch.ones_like(flipped))


def saturated(times: Tensor) -> Tensor:
    """Distance from grey times ``times`` [n]."""
    return along_grey(torch.ones_like(times), times)


def hue_turned(angle: Tensor) -> Tensor:
    """Colours turned about the axis of greys by ``angle`` [n] in radians; Rodrigues' formula."""
    matrix = neutral(angle)
    axis = torch.full((3, 3), 1 / 3, dtype=angle.dtype, device=angle.device)
    eye = torch.eye(3, dtype=angle.dtype, device=angle.device)
    cross = GREY * (eye.roll(1, 0) - eye.roll(1, 1))  # the vector product with the axis
    cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    matrix[:, :3, :3] = cos * eye + sin * cross + (1 - cos) * axis
    return matrix


def painted(pictures: Tensor, matrix: Tensor) -> Tensor:
    """Every pixel's colour through its picture's matrix [n, 4, 4]; grey pictures stay grey, alpha stays."""
    colours, alpha = split_alpha(pictures)
    points = colours.expand(-1, 3, -1, -1)
    points = torch.einsum("nij,njhw->nihw", matrix[:, :3, :3], points) + matrix[:, :3, 3, None, None]
    if colours.shape[1] == 1:
        points = points.mean(1, keepdim=True)
    return torch.cat([points, alpha], 1)
