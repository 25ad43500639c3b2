"""``bench train``: rounds of each recipe against the machine's ceiling and, if asked, against the textbook loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from leafwing.bench import memory
from leafwing.bench.clock import Play, Seconds, in_a_row, in_turn, quotient, timed, using
from leafwing.bench.flops import Work
from leafwing.bench.loops import Name, build, kinds
from leafwing.bench.operations import Operation, top_operations
from leafwing.bench.probe import Ceiling
from leafwing.prepare import settle
from leafwing.recipe import Recipe, load_recipe

FEWEST, MOST = 3, 30
"""Timed rounds of each kind and loop when the number is left to the time there is."""


@dataclass(frozen=True)
class Case:
    """One row to measure; ``recipe`` has its batch and a settled precision in it."""

    name: str
    recipe: Recipe
    threads: int


@dataclass(frozen=True)
class Row:
    """What one case gave. Speeds are medians; MB are 10^6 bytes; shares are of 1; None where it was not measured."""

    recipe: str
    precision: str
    batch: int
    threads: int
    images_per_s: float
    plain_images_per_s: float | None
    ratio: float | None
    """Our images per second over the plain loop's, on the wall clock."""
    peak_mb: float | None
    ceiling_share: float | None
    """FLOPs of our rounds per second, over the machine's matrix product in the same precision."""
    rounds_per_s: float
    rounds_timed: int
    """Of each kind and loop."""
    cpu_ratio: float | None
    """As ``ratio``, on the processor's clock, which other programs disturb less."""
    plain_peak_mb: float | None
    idle_mb: float | None
    """Of ``peak_mb``, what the program takes before the loop is built."""
    gflop_per_image: float
    plain_gflop_per_image: float | None
    traffic_share: float
    """Bytes our operators read and write per second, over the machine's copy; caches can lift it over 1."""
    top_operations: list[Operation]
    host_waits: int | None
    """Times in a round that the host waited for the GPU."""


def cases(
    recipes: Sequence[str],
    batches: Sequence[int],
    threads: Sequence[int],
    precisions: Sequence[str],
    settings: Sequence[str],
    device: torch.device,
) -> list[Case]:
    """Every combination; an empty list of batches or precisions stands for the recipe's own."""
    wanted = []
    for name in recipes:
        for precision in [f"train.precision={p}" for p in precisions] or [""]:
            for batch in [f"train.batch={b}" for b in batches] or [""]:
                overrides = [*settings, *filter(None, (precision, batch))]
                recipe = settle(load_recipe(name, overrides), device)
                wanted += [Case(name, recipe, count) for count in threads]
    return list({(c.name, c.threads, c.recipe.to_toml()): c for c in wanted}.values())  # auto may be fp32 as well


def measure(
    case: Case, device: torch.device, ceiling: Ceiling, *, against: bool, rounds: int | None, seconds: float
) -> Row:
    """Time, count, weigh and profile one case.

    Args:
        case: what to play.
        device: where.
        ceiling: what the machine can do with these threads.
        against: play the plain loop as well, in turn with ours.
        rounds: timed rounds of each kind and loop; None for as many as fit into ``seconds``.
        seconds: for timing, about.
    """
    recipe = case.recipe
    names: tuple[Name, ...] = ("ours", "plain") if against else ("ours",)
    shares = kinds(recipe.build_variant())
    peaks = {name: memory.measure(name, recipe, device, case.threads, shares) for name in names}
    with using(case.threads):
        loops = {name: build(name, recipe, device) for name in names}
        work = {name: weighted_work(play, shares) for name, play in loops.items()}
        once = warm_up(loops, shares, device)
        rounds = rounds or max(FEWEST, min(MOST, int(seconds / once)))
        taken = {step: in_turn(loops, step, rounds, device) for step in shares}
        usual = max(shares, key=lambda step: shares[step])
        operations, waits = top_operations(loops["ours"], usual, device)
    mean = {name: weighted(shares, {step: taken[step][name] for step in shares}) for name in names}
    return make_row(case, rounds, mean, work, peaks, ceiling, operations, waits)


def weighted_work(play: Play, shares: Mapping[int, float]) -> tuple[float, float]:
    """FLOPs and bytes of an average round, counted while each kind is played once."""
    flops, moved = 0.0, 0.0
    for step, share in shares.items():
        with Work() as work:
            play(step)
        flops, moved = flops + share * work.flops, moved + share * work.bytes
    return flops, moved


def warm_up(loops: Mapping[Name, Play], steps: Iterable[int], device: torch.device) -> float:
    """Seconds of one measurement of every kind of round in every loop, played once uncounted."""
    row = in_a_row(device)
    return sum(timed(partial(play, step), device, row).wall * row for play in loops.values() for step in steps)


def weighted(shares: Mapping[int, float], taken: Mapping[int, Seconds]) -> Seconds:
    """Seconds of an average round, from those of each kind."""
    return Seconds(*(sum(share * taken[step][clock] for step, share in shares.items()) for clock in (0, 1)))


def make_row(
    case: Case,
    rounds: int,
    mean: Mapping[Name, Seconds],
    work: Mapping[Name, tuple[float, float]],
    peaks: Mapping[Name, memory.Peak | None],
    ceiling: Ceiling,
    operations: list[Operation],
    waits: int | None,
) -> Row:
    """All figures of a case, rounded to what they are good for."""
    train = case.recipe.train
    images, own, top = train.batch * train.n_d, mean["ours"], ceiling.flops(train.precision)
    base, flops = mean.get("plain"), {name: count / images / 1e9 for name, (count, _) in work.items()}
    ours, theirs = peaks["ours"], peaks.get("plain")
    return Row(
        recipe=case.name,
        precision=train.precision,
        batch=train.batch,
        threads=case.threads,
        images_per_s=round(images / own.wall, 2),
        plain_images_per_s=round(images / base.wall, 2) if base else None,
        ratio=round(base.wall / own.wall, 3) if base else None,
        peak_mb=round(ours.peak, 1) if ours else None,
        ceiling_share=round(work["ours"][0] / own.wall / top, 4) if top else None,
        rounds_per_s=round(1 / own.wall, 4),
        rounds_timed=rounds,
        cpu_ratio=quotient(base.cpu, own.cpu) if base else None,
        plain_peak_mb=round(theirs.peak, 1) if theirs else None,
        idle_mb=round(ours.idle, 1) if ours else None,
        gflop_per_image=round(flops["ours"], 4),
        plain_gflop_per_image=round(flops["plain"], 4) if base else None,
        traffic_share=round(work["ours"][1] / own.wall / (ceiling.copy * 1e9), 4),
        top_operations=operations,
        host_waits=waits,
    )
