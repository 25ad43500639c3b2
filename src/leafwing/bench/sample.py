"""``bench sample``: pictures a second from a generator, and what the sampler adds to a bare call of the network."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from leafwing.bench.clock import Play, in_turn, quotient, using
from leafwing.bench.flops import Work
from leafwing.bench.probe import Ceiling
from leafwing.core import randomness
from leafwing.explore.sample import draw
from leafwing.latents import Prior
from leafwing.recipe import Recipe

FEWEST, MOST = 5, 200


@dataclass(frozen=True)
class Row:
    """What one request of ``batch`` pictures cost. Speeds are medians; None where it was not measured."""

    recipe: str
    batch: int
    threads: int
    images_per_s: float
    latency_ms: float
    """Of the whole request through the sampler: drawing z, the network in its chunks."""
    bare_ms: float
    """Of the network called once with that many z, in evaluation mode and without gradients."""
    latency_ratio: float
    """``latency_ms / bare_ms``."""
    cpu_ratio: float | None
    """The same on the processor's clock, which other programs disturb less."""
    chunk: int | None
    """Pictures the sampler was told to compute at once; None where that was left to it."""
    ceiling_share: float | None


def measure(
    name: str, recipe: Recipe, threads: int, device: torch.device, ceiling: Ceiling, seconds: float
) -> list[Row]:
    """The recipe's rows, with so many threads."""
    with using(threads):
        return rows_of(name, recipe, threads, device, ceiling, seconds)


def rows_of(
    name: str, recipe: Recipe, threads: int, device: torch.device, ceiling: Ceiling, seconds: float
) -> list[Row]:
    """One row for a single picture and one for 64, on the recipe's freshly drawn generator, in fp32.

    A single picture is asked for with ``chunk=1``; 64 with the sampler's own chunk.
    """
    randomness.seed_networks(0, -1)
    G, prior = recipe.build_generator().to(device).eval().requires_grad_(False), recipe.build_prior()
    with Work() as work, torch.inference_mode():
        G(draw_z(prior, 1, device))
    rows = []
    for batch, chunk in ((1, 1), (64, None)):
        z = draw_z(prior, batch, device)
        calls = {"sampler": sampler(G, prior, batch, chunk, device), "bare": bare(G, z)}
        begun = time.perf_counter()
        in_turn(calls, 0, 2, device)  # warms up
        once = (time.perf_counter() - begun) / 2
        taken = in_turn(calls, 0, max(FEWEST, min(MOST, int(seconds / 2 / once))), device)
        own, least = taken["sampler"].wall, taken["bare"].wall
        rows.append(
            Row(
                recipe=name,
                batch=batch,
                threads=threads,
                images_per_s=round(batch / own, 1),
                latency_ms=round(own * 1000, 3),
                bare_ms=round(least * 1000, 3),
                latency_ratio=round(own / least, 3),
                cpu_ratio=quotient(taken["sampler"].cpu, taken["bare"].cpu),
                chunk=chunk,
                ceiling_share=round(work.flops * batch / own / (ceiling.fp32 * 1e9), 4),
            )
        )
    return rows


def draw_z(prior: Prior, count: int, device: torch.device) -> torch.Tensor:
    """z [count, z_dim] on the device."""
    return prior.sample(count, randomness.stream(0, 0, "bench")).to(device)


def sampler(G: nn.Module, prior: Prior, batch: int, chunk: int | None, device: torch.device) -> Play:
    """Asks the sampler for so many pictures."""
    ask = partial(draw, G, prior, batch, 0, device=device)
    ask = ask if chunk is None else partial(ask, chunk=chunk)
    return lambda _: deque(ask(), maxlen=0)


def bare(G: nn.Module, z: torch.Tensor) -> Play:
    """Calls the network alone."""

    def call(_: int) -> object:
        with torch.inference_mode():
            return G(z)

    return call
