"""Where the time of a round goes, by torch's profiler."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch.profiler import ProfilerActivity, profile

from leafwing.bench.clock import Play, synchronise

WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")


@dataclass(frozen=True)
class Operation:
    """An operation's own time, without what it calls, as a share of the whole round's."""

    name: str
    share: float
    calls: int


def top_operations(play: Play, step: int, device: torch.device, most: int = 5) -> tuple[list[Operation], int | None]:
    """The operations with most time of their own in this round, and how often it made the host wait for the device.

    The number of waits is None on a CPU, where there is nobody to wait for.
    """
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with silence(), profile(activities=activities) as profiled:
        play(step)
        waits_of_ours = 1 if on_gpu else 0
        synchronise(device)
    with silence():
        events = profiled.key_averages()
    time_of = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    spent = {event.key: (float(getattr(event, time_of)), event.count) for event in events}
    whole = sum(time for time, _ in spent.values()) or 1.0
    ranked = sorted(spent.items(), key=lambda item: -item[1][0])[:most]
    waits = sum(spent[name][1] for name in WAITS if name in spent) - waits_of_ours if on_gpu else None
    return [Operation(short(name), round(time / whole, 4), calls) for name, (time, calls) in ranked], waits


def short(name: str) -> str:
    """``aten::convolution_backward`` as ``convolution_backward``; a GPU kernel's name without its template."""
    return name.removeprefix("aten::").split("<")[0].removeprefix("void ")[:60]


@contextmanager
def silence() -> Iterator[None]:
    """Nothing reaches stdout or stderr, not even from C++: the profiler likes to chat."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(number) for number in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)
