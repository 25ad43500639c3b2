"""Sharpness: the variance of the Laplacian of the grey picture. Blur lowers it, noise raises it above the data's.

Source: Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy". To be read beside the data's own.

Shape legend: n pictures, h height, w width, c channels.
"""

from __future__ import annotations

import torch
from torch import Tensor

GREY = (0.299, 0.587, 0.114)
"""Red, green, blue in grey, ITU-R BT.601."""


def sharpness(pictures: Tensor) -> Tensor:
    """Of each picture [n, c, h, w] in 0..255, h and w at least 3: float64 [n], in grey levels squared."""
    x = pictures.double()
    if x.shape[1] >= 3:
        grey = sum(weight * x[:, i] for i, weight in enumerate(GREY))
        assert isinstance(grey, Tensor)
    else:
        grey = x[:, 0]
    inner = grey[:, 1:-1, 1:-1]
    edges = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:] - 4 * inner
    return torch.var(edges.flatten(1), dim=1, correction=0)
