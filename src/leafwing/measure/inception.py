"""``inception``: the Inception-v3 of December 2015, whose 2,048 pooled features make a Fréchet distance an FID.

Source: Szegedy et al. 2015, arXiv:1512.00567, Fig. 5-7 and Table 1; as a measure Heusel et al. 2017, arXiv:1706.08500.
It differs from today's Inception-v3 in three places, kept here: average pooling does not count the padding, the last
block pools by maximum, and there are 1,008 outputs. Names of the weights are those of the published file
``pt_inception-2015-12-05-6726825d.pth``, a conversion of TensorFlow's graph.

Preprocessing is the graph's: RGB, (x - 128) / 128, 299 × 299. Shape legend: n pictures, c channels, h height, w width.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 299
DIM = 2048
CLASSES = 1008


class Conv(nn.Module):
    """Convolution, BatchNorm, ReLU."""

    def __init__(self, inner: int, outer: int, kernel: int | tuple[int, int], **options: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inner, outer, kernel, bias=False, **options)
        self.bn = nn.BatchNorm2d(outer, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """[n, inner, h, w] -> [n, outer, h', w']."""
        normed: Tensor = self.bn(self.conv(x))
        return normed.relu_()


def wide(inner: int, outer: int) -> Conv:
    """1 × 7: along the width."""
    return Conv(inner, outer, (1, 7), padding=(0, 3))


def tall(inner: int, outer: int) -> Conv:
    """7 × 1: along the height."""
    return Conv(inner, outer, (7, 1), padding=(3, 0))


def mean_around(x: Tensor) -> Tensor:
    """The mean of the 3 × 3 neighbours that are inside the picture."""
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class BlockA(nn.Module):
    """35 × 35: 1 × 1, 5 × 5, twice 3 × 3, and pooling, side by side."""

    def __init__(self, inner: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = Conv(inner, 64, 1)
        self.branch5x5_1 = Conv(inner, 48, 1)
        self.branch5x5_2 = Conv(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = Conv(inner, 64, 1)
        self.branch3x3dbl_2 = Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Conv(96, 96, 3, padding=1)
        self.branch_pool = Conv(inner, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[n, inner, h, w] -> [n, 224 + pooled, h, w]."""
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, three, self.branch_pool(mean_around(x))], 1)


class BlockB(nn.Module):
    """35 × 35 to 17 × 17."""

    def __init__(self, inner: int) -> None:
        super().__init__()
        self.branch3x3 = Conv(inner, 384, 3, stride=2)
        self.branch3x3dbl_1 = Conv(inner, 64, 1)
        self.branch3x3dbl_2 = Conv(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = Conv(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """[n, inner, h, w] -> [n, 480 + inner, h / 2, w / 2]."""
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, F.max_pool2d(x, 3, 2)], 1)


class BlockC(nn.Module):
    """17 × 17: 7 × 7 as 1 × 7 and 7 × 1, once and twice."""

    def __init__(self, inner: int, middle: int) -> None:
        super().__init__()
        self.branch1x1 = Conv(inner, 192, 1)
        self.branch7x7_1 = Conv(inner, middle, 1)
        self.branch7x7_2 = wide(middle, middle)
        self.branch7x7_3 = tall(middle, 192)
        self.branch7x7dbl_1 = Conv(inner, middle, 1)
        self.branch7x7dbl_2 = tall(middle, middle)
        self.branch7x7dbl_3 = wide(middle, middle)
        self.branch7x7dbl_4 = tall(middle, middle)
        self.branch7x7dbl_5 = wide(middle, 192)
        self.branch_pool = Conv(inner, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[n, inner, h, w] -> [n, 768, h, w]."""
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), seven, double, self.branch_pool(mean_around(x))], 1)


class BlockD(nn.Module):
    """17 × 17 to 8 × 8."""

    def __init__(self, inner: int) -> None:
        super().__init__()
        self.branch3x3_1 = Conv(inner, 192, 1)
        self.branch3x3_2 = Conv(192, 320, 3, stride=2)
        self.branch7x7x3_1 = Conv(inner, 192, 1)
        self.branch7x7x3_2 = wide(192, 192)
        self.branch7x7x3_3 = tall(192, 192)
        self.branch7x7x3_4 = Conv(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """[n, inner, h, w] -> [n, 512 + inner, h / 2, w / 2]."""
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([three, seven, F.max_pool2d(x, 3, 2)], 1)


class BlockE(nn.Module):
    """8 × 8: 3 × 3 as 1 × 3 beside 3 × 1. The graph's last block pools by maximum, the one before by mean."""

    def __init__(self, inner: int, by_maximum: bool) -> None:
        super().__init__()
        self.by_maximum = by_maximum
        self.branch1x1 = Conv(inner, 320, 1)
        self.branch3x3_1 = Conv(inner, 384, 1)
        self.branch3x3_2a = Conv(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = Conv(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = Conv(inner, 448, 1)
        self.branch3x3dbl_2 = Conv(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = Conv(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = Conv(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = Conv(inner, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[n, inner, h, w] -> [n, 2048, h, w]."""
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = F.max_pool2d(x, 3, stride=1, padding=1) if self.by_maximum else mean_around(x)
        parts = [self.branch1x1(x), self.branch3x3_2a(three), self.branch3x3_2b(three)]
        parts += [self.branch3x3dbl_3a(double), self.branch3x3dbl_3b(double), self.branch_pool(pooled)]
        return torch.cat(parts, 1)


class Inception(nn.Module):
    """Pictures [n, 3, 299, 299] in -1..1 -> pool3 features [n, 2048]; ``fc`` makes 1,008 logits of them."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = Conv(32, 32, 3)
        self.Conv2d_2b_3x3 = Conv(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = Conv(64, 80, 1)
        self.Conv2d_4a_3x3 = Conv(80, 192, 3)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = BlockA(192, 32), BlockA(256, 64), BlockA(288, 64)
        self.Mixed_6a = BlockB(288)
        self.Mixed_6b, self.Mixed_6c = BlockC(768, 128), BlockC(768, 160)
        self.Mixed_6d, self.Mixed_6e = BlockC(768, 160), BlockC(768, 192)
        self.Mixed_7a = BlockD(768)
        self.Mixed_7b, self.Mixed_7c = BlockE(1280, by_maximum=False), BlockE(2048, by_maximum=True)
        self.fc = nn.Linear(DIM, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """[n, 3, 299, 299] -> [n, 2048]."""
        x = F.max_pool2d(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))), 3, 2)
        x = F.max_pool2d(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)), 3, 2)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return x.mean((2, 3))

    def logits(self, features: Tensor) -> Tensor:
        """[n, 2048] -> [n, 1008], without the bias, as the inception score was first computed."""
        return F.linear(features, self.fc.weight)


def prepared(x: Tensor) -> Tensor:
    """RGB in 0..255 to what the graph wants."""
    return (x - 128) / 128
