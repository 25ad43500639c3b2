"""Pictures turned, scaled and moved by any amount, without the blur that plain interpolation would teach G.

A picture is doubled by an orthogonal filter, sampled there between pixels, and halved by the same filter, which gives
back exactly what it doubled. Outside the picture is its mirror image.
Source: Karras et al. 2020, arXiv:2006.06676, Appendix B, "Geometric transformations"; the filter is the symlet of 12
numbers (Daubechies 1992, "Ten Lectures on Wavelets", Table 8.4). Differs: where the filter's middle lies is computed.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import torch
from torch import Tensor

SYM6 = (
    0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466,
    0.787641141030194, 0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578,
    0.0017677118642428036, -0.007800708325034148,
)  # fmt: skip
TAPS = len(SYM6)
MIDDLE = sum(place * tap for place, tap in enumerate(SYM6)) / math.sqrt(2)
"""Where in the filter its pixel lies: pixel i of the picture is at ``2 i + MIDDLE`` of the doubled one."""


def mirrored(place: Tensor, side: int) -> Tensor:
    """Places anywhere -> places in [0, side - 1], mirrored about the middles of the outermost pixels."""
    period = 2.0 * max(side - 1, 1)
    place = place.remainder(period)
    return torch.minimum(place, period - place).clamp(0, side - 1)


@cache
def doubling(side: int) -> Tensor:
    """The matrix [2 side + 10, side] that doubles a column of pixels and knows its mirror image beyond both ends."""
    matrix = torch.zeros(2 * side + TAPS - 2, side, dtype=torch.float64)
    for pixel in range(-TAPS, side + TAPS):
        home = int(mirrored(torch.tensor(float(pixel)), side))
        for tap, weight in enumerate(SYM6):
            if 0 <= 2 * pixel + tap < len(matrix):
                matrix[2 * pixel + tap, home] += math.sqrt(2) * weight
    return matrix


@cache
def halving(side: int) -> Tensor:
    """The matrix [side, 2 side + 10] that halves it again."""
    matrix = torch.zeros(side, 2 * side + TAPS - 2, dtype=torch.float64)
    for pixel in range(side):
        matrix[pixel, 2 * pixel : 2 * pixel + TAPS] = torch.tensor(SYM6, dtype=torch.float64) / math.sqrt(2)
    return matrix


@cache
def resampling(side: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Both, where pictures are: copied there once, as nothing may be while a CUDA graph is recorded."""
    return doubling(side).to(device, dtype), halving(side).to(device, dtype)


def transformed(pictures: Tensor, back: Tensor) -> Tensor:
    """Each picture through its own map of the plane.

    Args:
        pictures: [n, c, h, w].
        back: [n, 3, 3], from a place in the new picture to the place it is taken from; places (x, y, 1) in pixels from
            the picture's middle, y downwards.
    """
    h, w = pictures.shape[2:]
    (up_h, down_h), (up_w, down_w) = (resampling(side, pictures.dtype, pictures.device) for side in (h, w))
    y, x = (
        (torch.arange(len(up), device=up.device).to(up.dtype) - MIDDLE) / 2 - (up.shape[1] - 1) / 2
        for up in (up_h, up_w)
    )
    places = torch.stack([x[None, :].expand(len(y), -1), y[:, None].expand(-1, len(x))]).flatten(1)
    places = back[:, :2, :2] @ places + back[:, :2, 2:]
    grid = []
    for axis, side in ((0, w), (1, h)):  # to [-1, 1] over the doubled picture
        place, last = places[:, axis] + (side - 1) / 2, 2 * side + TAPS - 3
        known = (2 * place + MIDDLE >= 0) & (2 * place + MIDDLE <= last)  # the doubled picture has a rim of its own
        grid.append(2 * (2 * torch.where(known, place, mirrored(place, side)) + MIDDLE) / last - 1)
    field = torch.stack(grid, -1).view(len(pictures), len(y), len(x), 2)
    doubled = up_h @ pictures @ up_w.T
    sampled: Tensor = Sampled.apply(doubled, field)  # type: ignore[no-untyped-call]
    return down_h @ sampled @ down_w.T


class Sampled(torch.autograd.Function):
    """Bilinear sampling at given places. Linear in the picture, so its backward has a backward, which torch's lacks."""

    @staticmethod
    def forward(ctx: Any, pictures: Tensor, field: Tensor) -> Tensor:
        """[n, c, h, w], [n, h', w', 2] -> [n, c, h', w']."""
        ctx.save_for_backward(field)
        ctx.shape = pictures.shape
        return torch.nn.functional.grid_sample(pictures, field, align_corners=True)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        """The transposed map, applied to the gradient."""
        (field,) = ctx.saved_tensors
        return Spread.apply(gradient, field, ctx.shape), None  # type: ignore[no-untyped-call]


class Spread(torch.autograd.Function):
    """The transpose of `Sampled`."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, field: Tensor, shape: torch.Size) -> Tensor:
        """[n, c, h', w'] -> [n, c, h, w]."""
        ctx.save_for_backward(field)
        blank = gradient.new_zeros(shape)
        spread, _ = torch.ops.aten.grid_sampler_2d_backward(gradient, blank, field, 0, 0, True, [True, False])
        return spread  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        """Sampling itself."""
        (field,) = ctx.saved_tensors
        return Sampled.apply(gradient, field), None, None  # type: ignore[no-untyped-call]


def matrix(rows: list[list[Tensor]]) -> Tensor:
    """[n, 3, 3] from the numbers [n] of its first two rows."""
    one, zero = torch.ones_like(rows[0][0]), torch.zeros_like(rows[0][0])
    return torch.stack([torch.stack(row, -1) for row in [*rows, [zero, zero, one]]], -2)


def scaling(x: Tensor, y: Tensor) -> Tensor:
    """Sides times x and y."""
    zero = torch.zeros_like(x)
    return matrix([[x, zero, zero], [zero, y, zero]])


def turning(angle: Tensor) -> Tensor:
    """About the middle, by radians."""
    cos, sin, zero = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle)
    return matrix([[cos, -sin, zero], [sin, cos, zero]])


def moving(x: Tensor, y: Tensor) -> Tensor:
    """By x pixels to the right and y down."""
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    return matrix([[one, zero, x], [zero, one, y]])
