"""Features as rows: an array that may lie on disk, read a block at a time in float64.

Every measure here takes its features as ``Rows``: a tensor, an array or a memory-mapped file [n, d]. Blocks are
computed with in float64, on the CPU or a CUDA device, so memory grows with the block and not with n.

Shape legend: n pictures, d features.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leafwing.core.errors import BadData

Rows: TypeAlias = Tensor | NDArray[Any]
"""Features [n, d] of any float type, in memory or memory-mapped."""

BLOCK = 2048
"""Rows computed with at once."""


def block(rows: Rows, start: int, stop: int, device: torch.device | str = "cpu") -> Tensor:
    """Rows ``start`` to ``stop - 1`` as float64 [stop - start, d] on the device."""
    part = rows[start:stop]
    tensor = part if isinstance(part, Tensor) else torch.from_numpy(np.array(part))
    return tensor.to(device=device, dtype=torch.float64)


def blocks(rows: Rows, device: torch.device | str = "cpu", size: int = BLOCK) -> Iterator[tuple[int, Tensor]]:
    """All rows in order, as (first index, float64 [<= size, d])."""
    for start in range(0, len(rows), size):
        yield start, block(rows, start, start + size, device)


def pick(rows: Rows, indices: NDArray[np.int64], device: torch.device | str = "cpu") -> Tensor:
    """The rows at ``indices`` as float64 [len(indices), d]."""
    part = rows[torch.from_numpy(indices)] if isinstance(rows, Tensor) else torch.from_numpy(np.array(rows[indices]))
    return part.to(device=device, dtype=torch.float64)


def check_pair(a: Rows, b: Rows, least: int, what: str) -> None:
    """Refuse features that cannot be compared.

    Args:
        a: features [n, d].
        b: features [m, d].
        least: how many rows each side needs.
        what: the measure, for the message.

    Raises:
        BadData: not two tables of equal width, or one with too few rows.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise BadData(f"{what} compares two tables [n, d] of equal d; got {list(a.shape)} and {list(b.shape)}.")
    fewer = min(len(a), len(b))
    if fewer < least:
        raise BadData(f"{what} needs at least {least} pictures on each side, and there are {fewer}.")
