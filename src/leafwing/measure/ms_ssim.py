"""Multi-scale structural similarity: how alike two pictures are to the eye, 1 when equal.

Source: Wang, Simoncelli, Bovik 2003, "Multi-scale structural similarity for image quality assessment", Eq. 7, with its
Gaussian window (11 pixels, sigma 1.5), K1 = 0.01, K2 = 0.03 and five exponents. As diversity of a generator, the mean
over random pairs: Odena et al. 2017, arXiv:1610.09585, Sec. 4.2. The lower, the more diverse.

A picture too small for five scales has fewer: as many as still hold a whole window, their exponents scaled to sum to 1.

Shape legend: n pictures, c channels, h height, w width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from leafwing.core.errors import BadData

WINDOW, SIGMA = 11, 1.5
EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def scales(height: int, width: int) -> int:
    """How many halvings plus one leave a side of at least 11 pixels, at most 5.

    Raises:
        BadData: the picture itself is smaller.
    """
    count, side = 0, min(height, width)
    while side >= WINDOW and count < len(EXPONENTS):
        count, side = count + 1, side // 2
    if not count:
        raise BadData(f"MS-SSIM needs pictures of at least {WINDOW} pixels a side; got {height}×{width}.")
    return count


def similarity(x: Tensor, y: Tensor) -> Tensor:
    """MS-SSIM of each pair of pictures.

    Args:
        x: [n, c, h, w], 0 to 255.
        y: likewise.

    Returns:
        [n], float64, 0 to 1: each of its factors is kept at 0 or above.
    """
    x, y = x.double(), y.double()
    count = scales(*x.shape[2:])
    exponents = torch.tensor(EXPONENTS[:count], dtype=torch.float64, device=x.device)
    exponents = exponents / exponents.sum()
    parts = []
    for scale in range(count):
        luminance, structure = compared(x, y)
        # the coarsest scale alone counts the luminance: Eq. 7
        parts.append((luminance * structure if scale == count - 1 else structure).mean((1, 2, 3)))
        x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
    return (torch.stack(parts).clamp(min=0) ** exponents[:, None]).prod(0)


def compared(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance, and contrast with structure, of every whole window: Wang et al. 2004, Eq. 6 and 9 with alpha = 1."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_x, mean_y = _smooth(x), _smooth(y)
    var_x, var_y = _smooth(x * x) - mean_x**2, _smooth(y * y) - mean_y**2
    both = _smooth(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return luminance, (2 * both + c2) / (var_x + var_y + c2)


def _smooth(x: Tensor) -> Tensor:
    """A Gaussian mean over each window that lies wholly inside."""
    channels = x.shape[1]
    steps = torch.arange(WINDOW, dtype=x.dtype, device=x.device) - WINDOW // 2
    bell = (-(steps**2) / (2 * SIGMA**2)).exp()
    kernel = (bell / bell.sum()).expand(channels, 1, -1)
    return F.conv2d(F.conv2d(x, kernel[:, :, :, None], groups=channels), kernel[:, :, None, :], groups=channels)
