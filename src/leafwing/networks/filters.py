"""Separable filters of pictures: enlarge, smooth, reduce, in plain torch, to be differentiated as often as wanted.

Shape legend: n batch, f feature maps, h height, w width, t taps.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def upfirdn(maps: Tensor, taps: Tensor, up: int = 1, down: int = 1, padding: tuple[int, int] = (0, 0)) -> Tensor:
    """Along both axes: put zeros between the values, pad, convolve with the taps, keep every ``down``-th value.

    Args:
        maps: [n, f, h, w].
        taps: [t]; a convolution, so an asymmetric filter is turned around.
        up: so many values for each, all but the first of them 0.
        down: of so many values the first is kept.
        padding: zeros before and after; negative ones cut.

    Returns:
        [n, f, h', w'] with ``h' = ceil((h * up + sum(padding) - t + 1) / down)``.
    """
    f, t = int(maps.shape[1]), len(taps)  # a plain number even while an exporter looks on
    kernel = torch.outer(taps, taps).to(maps.dtype).expand(f, 1, t, t)  # one pass by t x t: half as long as two by t
    before, after = padding
    if up == 1:
        if before != after or before < 0:
            maps, before = F.pad(maps, (before, after, before, after)), 0
        return F.conv2d(maps, kernel.flip(2, 3), stride=down, padding=before, groups=f)
    whole = F.conv_transpose2d(maps, kernel, stride=up, groups=f)  # as if padded by t - 1, less the last zeros
    before, after = before - t + 1, after - t + up
    return F.pad(whole, (before, after, before, after))[:, :, ::down, ::down]


class Filter(nn.Module):
    """Enlarge, smooth or reduce every map by one set of taps.

    Args:
        taps: as whole numbers; they are divided by their sum.
        up: enlarge the side so many times, keeping the mean.
        down: reduce the side so many times.
        padding: zeros before and after; by default the sides become exactly ``up / down`` of what they were, and the
            picture stays where it was for an odd number of taps, or for an even one if the side changes.

    Shape:
        ``[n, f, h, w] -> [n, f, h * up / down, w * up / down]`` by default.
    """

    taps: Tensor

    def __init__(
        self, taps: Sequence[float], up: int = 1, down: int = 1, padding: tuple[int, int] | None = None
    ) -> None:
        super().__init__()
        weights = torch.tensor(taps, dtype=torch.float32)
        self.register_buffer("taps", weights / weights.sum() * up, persistent=False)
        spare = len(weights) - max(up, down)
        self.up, self.down = up, down
        self.padding = padding or ((spare + 1) // 2 + up - 1, spare // 2)

    def forward(self, maps: Tensor) -> Tensor:
        """The filtered maps."""
        return upfirdn(maps, self.taps, self.up, self.down, self.padding)
