"""Pictures to the size a network wants. The filter changes a Fréchet distance by whole units, so it has a name.

- ``clean``: bicubic with antialiasing, values kept within 0..255: Parmar et al. 2022, arXiv:2104.11222, Sec. 3; as
  Pillow's on floats.
- ``legacy``: bilinear as TensorFlow 1 had it, without antialiasing and with the grid's corner, not the pixels' centres,
  aligned: what the first FIDs were computed with.
- ``area``: the mean over what falls into each new pixel.

Shape legend: n pictures, c channels, h height, w width, s side.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

Resizer: TypeAlias = Literal["clean", "legacy", "area"]
RESIZERS: tuple[str, ...] = get_args(Resizer)


def resize(pictures: Tensor, side: int, how: Resizer) -> Tensor:
    """Pictures [n, c, h, w] in 0..255, float, to [n, c, side, side]."""
    if how == "legacy":
        return legacy_bilinear(pictures, side)
    if pictures.shape[2:] == (side, side):
        return pictures
    if how == "area":
        return F.interpolate(pictures, (side, side), mode="area")
    wide = F.interpolate(pictures, (side, side), mode="bicubic", antialias=True, align_corners=False)
    return wide.clamp(0, 255)


def legacy_bilinear(pictures: Tensor, side: int) -> Tensor:
    """TensorFlow 1's ``resize_bilinear``: output pixel i looks at input position i · h / side, kept inside."""
    rows, columns = (_taps(length, side, pictures) for length in pictures.shape[2:])
    (top, bottom, down), (left, right, across) = rows, columns
    down = down[:, None]

    def mixed(y: Tensor) -> Tensor:
        line = pictures[:, :, y]
        return line[..., left] + (line[..., right] - line[..., left]) * across

    upper = mixed(top)
    return upper + (mixed(bottom) - upper) * down


def _taps(length: int, side: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For each output position the two input positions and the share of the second."""
    place = torch.arange(side, device=like.device, dtype=torch.float32) * (length / side)
    first = place.floor().long().clamp(max=length - 1)
    return first, (first + 1).clamp(max=length - 1), (place - first).to(like.dtype)
