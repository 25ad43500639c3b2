"""Predicted frames against what really followed, and how many sprites of a colour are to be seen.

Frames are uint8 [t, h, w, c], 0 to 255; PSNR has a peak of 255. Mathieu et al.'s program by dyelax takes a peak of 1 on
[-1, 1], 6.02 dB below this.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leafwing.measure.ms_ssim import compared
from leafwing.measure.sharpness import sharpness
from leafwing.worlds.maze import Frame

MOST_DB = 100.0
"""PSNR of equal frames, which has no bound."""


def psnr(drawn: Frame, true: Frame) -> NDArray[np.float64]:
    """10 log10(255^2 / mean squared error) of each frame, [t]."""
    error = np.square(drawn.astype(np.float64) - true).mean((1, 2, 3))
    found: NDArray[np.float64] = 10 * np.log10(255**2 / np.maximum(error, 255**2 * 10 ** (-MOST_DB / 10)))
    return found


def ssim(drawn: Frame, true: Frame) -> NDArray[np.float64]:
    """Structural similarity of each frame, [t]: Wang et al. 2004, windows of 11 pixels, sigma 1.5."""
    x, y = (as_tensor(some) for some in (drawn, true))
    luminance, structure = compared(x, y)
    found: NDArray[np.float64] = (luminance * structure).mean((1, 2, 3)).numpy()
    return found


def as_tensor(frames: Frame) -> Tensor:
    """[t, h, w, c] -> float64 [t, c, h, w]."""
    return torch.from_numpy(frames.astype(np.float64)).permute(0, 3, 1, 2)


def sharpness_difference(drawn: Frame, true: Frame) -> NDArray[np.float64]:
    """10 log10(255 / mean | (|dx| + |dy|) drawn - true |) of each frame. Source: Mathieu et al. 2015, Sec. 4."""
    x, y = (
        np.abs(np.diff(f, axis=1))[:, :, 1:] + np.abs(np.diff(f, axis=2))[:, 1:]
        for f in (drawn.astype(np.float64), true.astype(np.float64))
    )
    apart = np.abs(x - y).mean((1, 2, 3))
    found: NDArray[np.float64] = 10 * np.log10(255 / np.maximum(apart, 255 * 10 ** (-MOST_DB / 10)))
    return found


def sharp(frames: Frame) -> NDArray[np.float64]:
    """Variance of each frame's Laplacian, [t]."""
    found: NDArray[np.float64] = sharpness(as_tensor(frames)).numpy()
    return found


def best_of(samples: Sequence[Frame], true: Frame) -> float:
    """PSNR of the sample that is nearest to the truth over all its frames, mean over frames; best of k futures."""
    return max(float(psnr(sample[: len(true)], true[: len(sample)]).mean()) for sample in samples)


def connected(has: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Numbers [h, w] that are the same for pixels of one connected spot, corners included; -1 where there is none."""
    labels = np.where(has, np.arange(has.size).reshape(has.shape), -1)
    while True:  # each pixel takes the largest number around it, then that pixel's own number, until nothing changes
        spread = np.pad(labels, 1, constant_values=-1)
        height, width = labels.shape
        around = [spread[y : y + height, x : x + width] for y in range(3) for x in range(3)]
        grown = np.where(has, np.maximum.reduce(around), -1)
        grown = np.where(has, grown.ravel()[grown], -1)
        if np.array_equal(grown, labels):
            return labels
        labels = grown


def sprites(frame: Frame, colour: tuple[int, int, int], near: float = 40.0, least: int = 8) -> int:
    """How many connected spots of a colour a frame [h, w, 3] has.

    Args:
        frame: uint8.
        colour: red, green, blue.
        near: Euclidean distance up to which a pixel has the colour.
        least: pixels of the smallest spot.
    """
    has = np.linalg.norm(frame[..., :3].astype(np.float64) - colour, axis=2) <= near
    labels = connected(has)
    _, sizes = np.unique(labels[has], return_counts=True)
    return int((sizes >= least).sum())
