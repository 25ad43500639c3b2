"""What this machine can do at all, measured in the same run: one matrix product and one copy."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from leafwing.bench.clock import timed
from leafwing.prepare import computes_bf16


@dataclass(frozen=True)
class Ceiling:
    """The best of several tries; on a shared machine even that is a lower bound.

    Attributes:
        fp32: GFLOP/s of a product of two square fp32 matrices (2 FLOPs a multiply-add).
        bf16: the same in bf16; None where the machine has no instructions for it.
        copy: GB/s of a copy of a large tensor, read and written bytes both counted.
    """

    fp32: float
    bf16: float | None
    copy: float

    def flops(self, precision: str) -> float | None:
        """The ceiling for a run in this precision, in FLOP/s."""
        rate = self.bf16 if precision == "bf16" else self.fp32
        return None if rate is None else rate * 1e9


def measure(device: torch.device, seconds: float = 1.0, side: int | None = None) -> Ceiling:
    """Probe the device for about so many seconds, with the threads torch has now.

    The product is of ``side`` x ``side`` matrices (2048 on a CPU, 8192 on a GPU if not said). A convolution kernel
    can beat the library's matrix product (oneDNN's does on AMD by a third), so a share may exceed 1.
    """
    side = side or (8192 if device.type == "cuda" else 2048)
    fp32 = product(device, torch.float32, side, seconds * 0.4)
    bf16 = product(device, torch.bfloat16, side, seconds * 0.4) if computes_bf16(device) else None
    return Ceiling(fp32, bf16, copying(device, side * side * 8, seconds * 0.2))


def product(device: torch.device, dtype: torch.dtype, side: int, seconds: float) -> float:
    """GFLOP/s of the best product."""
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(a)
    return 2 * side**3 / best(lambda: torch.mm(a, b, out=out), device, seconds) / 1e9


def copying(device: torch.device, numbers: int, seconds: float) -> float:
    """GB/s of the best copy of so many fp32 numbers."""
    source = torch.ones(numbers, device=device)
    target = torch.empty_like(source)
    return 2 * 4 * numbers / best(lambda: target.copy_(source), device, seconds) / 1e9


def best(action: Callable[[], object], device: torch.device, seconds: float) -> float:
    """The shortest of at least four calls within about that time; the first, which warms up, does not count."""
    taken: list[float] = []
    timed(action, device)
    end = time.perf_counter() + seconds
    while len(taken) < 3 or time.perf_counter() < end:
        taken.append(timed(action, device).wall)
    return min(taken)
