"""Fair clocks: loops play in turn, so that whatever else the machine does hits all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple, TypeAlias, TypeVar

import torch

Play: TypeAlias = Callable[[int], object]
"""Plays the round of that step number."""
N = TypeVar("N", bound=str)


class Seconds(NamedTuple):
    """Of one round or call: on the wall clock, and of this process on all its cores."""

    wall: float
    cpu: float


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was asked; a CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def quotient(above: float, below: float) -> float | None:
    """Of two times; None where a coarse clock saw none pass."""
    return round(above / below, 3) if below > 0 else None


@contextmanager
def using(threads: int) -> Iterator[None]:
    """So many threads for torch, then as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def timed(action: Callable[[], object], device: torch.device, times: int = 1) -> Seconds:
    """Mean seconds of an action over ``times`` calls in a row, the device's work included."""
    synchronise(device)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(times):
        action()
    synchronise(device)
    return Seconds((time.perf_counter() - wall) / times, (time.process_time() - cpu) / times)


def medians(seconds: Sequence[Seconds]) -> Seconds:
    """The median of each clock."""
    return Seconds(statistics.median(s.wall for s in seconds), statistics.median(s.cpu for s in seconds))


def in_a_row(device: torch.device) -> int:
    """Rounds to a measurement: ten on a GPU, so that launches run ahead of the device as they do in a training."""
    return 10 if device.type == "cuda" else 1


def in_turn(loops: Mapping[N, Play], step: int, repeats: int, device: torch.device) -> dict[N, Seconds]:
    """Median seconds of this step's round in each loop; every second time they play in the opposite order.

    A measurement is :func:`in_a_row` rounds.
    """
    taken: dict[N, list[Seconds]] = {name: [] for name in loops}
    for number in range(repeats):
        for name in list(loops) if number % 2 == 0 else reversed(list(loops)):
            taken[name].append(timed(partial(loops[name], step), device, in_a_row(device)))
    return {name: medians(times) for name, times in taken.items()}
