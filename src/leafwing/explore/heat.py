"""Numbers as colours: a table as a heat map, a map laid over a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

LOW, MIDDLE, HIGH = (33, 102, 172), (247, 247, 247), (178, 24, 43)
"""Blue over white to red: told apart by eyes that do not tell red from green."""


def colour(share: float) -> tuple[int, int, int]:
    """0 blue, a half white, 1 red."""
    share = min(max(share, 0.0), 1.0)
    start, end, t = (LOW, MIDDLE, 2 * share) if share < 0.5 else (MIDDLE, HIGH, 2 * share - 1)
    red, green, blue = (round(a + (b - a) * t) for a, b in zip(start, end, strict=True))
    return red, green, blue


def ink(share: float) -> tuple[int, int, int]:
    """Black or white, whichever can be read on that colour."""
    red, green, blue = colour(share)
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 130 else (255, 255, 255)


def table(
    values: Sequence[Sequence[float]],
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    row_title: str,
    column_title: str,
) -> Image.Image:
    """A heat map of shares 0 to 1 with the numbers written in the cells, on white paper."""
    font, small = ImageFont.load_default(15), ImageFont.load_default(13)
    ruler = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    cell_w = max(56, *(int(ruler.textlength(name, small)) + 14 for name in columns))
    cell_h, left = 36, max(int(ruler.textlength(name, small)) for name in [*rows, row_title]) + 28
    top, width = 72, left + cell_w * len(columns) + 16
    width = max(width, int(ruler.textlength(title, font)) + 28, left + int(ruler.textlength(column_title, small)) + 16)
    paper = Image.new("RGB", (width, top + cell_h * len(rows) + 14), "white")
    draw = ImageDraw.Draw(paper)
    draw.text((14, 10), title, (0, 0, 0), font)
    draw.text((left, 34), column_title, (90, 90, 90), small)
    draw.text((14, top - 19), row_title, (90, 90, 90), small)
    for j, name in enumerate(columns):
        draw.text((left + (j + 0.5) * cell_w, top - 11), name, (0, 0, 0), small, anchor="mm")
    for i, name in enumerate(rows):
        y = top + i * cell_h
        draw.text((left - 8, y + cell_h / 2), name, (0, 0, 0), small, anchor="rm")
        for j, value in enumerate(values[i]):
            x = left + j * cell_w
            draw.rectangle((x, y, x + cell_w - 2, y + cell_h - 2), colour(value))
            draw.text((x + cell_w / 2, y + cell_h / 2), f"{value:.2f}", ink(value), small, anchor="mm")
    return paper


def blurred(maps: Tensor) -> Tensor:
    """Maps [n, h, w] without their speckles, each divided by its largest value: means over 1/16 of the side, twice."""
    size = max(1, maps.shape[-1] // 16) // 2 * 2 + 1
    soft = maps[:, None]
    for _ in range(2):
        soft = F.avg_pool2d(soft, size, stride=1, padding=size // 2, count_include_pad=False)
    soft = soft[:, 0]
    return soft / soft.amax((1, 2), keepdim=True).clamp_min(torch.finfo(soft.dtype).tiny)


def glow(maps: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Maps [n, h, w] of 0 to 1 as colours [n, h, w, 3]: black over red and yellow to white."""
    levels = np.clip(maps, 0, 1)[..., None] * np.array([3.0, 3.0, 3.0]) - np.array([0.0, 1.0, 2.0])
    coloured: NDArray[np.uint8] = (np.clip(levels, 0, 1) * 255 + 0.5).astype(np.uint8)
    return coloured
