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
        synchronise(device)  # one wait that is not the round's
    with silence():
        events = profiled.key_averages()
    waits = sum(event.count for event in events if event.key in WAITS) - 1 if on_gpu else None
    if on_gpu:  # kernels, which are there even where a CUDA graph launches them; not the spans that hold them
        kernels = [e for e in events if e.device_type.name == "CUDA" and not getattr(e, "is_user_annotation", False)]
        spent = [(e.key, float(e.self_device_time_total), e.count) for e in kernels]
    else:
        spent = [(e.key, float(e.self_cpu_time_total), e.count) for e in events]
    whole = sum(time for _, time, _ in spent) or 1.0
    ranked = sorted(spent, key=lambda item: -item[1])[:most]
    return [Operation(short(name), round(time / whole, 4), calls) for name, time, calls in ranked], waits


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
