"""The bench's results as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import mean, stdev
from typing import Any

from leafwing.bench import coverage, data, sample, train
from leafwing.bench.probe import Ceiling


def ceiling_line(threads: int, ceiling: Ceiling) -> str:
    """What the machine can do with so many threads."""
    bf16 = f"{ceiling.bf16:,.0f} in bf16" if ceiling.bf16 is not None else "no bf16 here"
    return (
        f"ceiling, {threads} thread{'s' * (threads > 1)}: matrix product {ceiling.fp32:,.0f} GFLOP/s in fp32, "
        f"{bf16}; copy {ceiling.copy:,.1f} GB/s"
    )


def train_text(rows: Sequence[train.Row]) -> str:
    """A table of all rows, then where the time goes in each."""
    head = ("recipe", "precision", "batch", "threads", "rounds/s", "images/s", "plain", "ratio", "(CPU)", "of ceiling",
            "MB", "plain MB")  # fmt: skip
    body = [
        (r.recipe, r.precision, r.batch, r.threads, number(r.rounds_per_s, 3), number(r.images_per_s),
         number(r.plain_images_per_s), times(r.ratio), times(r.cpu_ratio), percent(r.ceiling_share),
         number(r.peak_mb, 0), number(r.plain_peak_mb, 0))
        for r in rows
    ]  # fmt: skip
    lines = [table(head, body), "", "where the time goes (an operation's own time):"]
    for r in rows:
        tops = ", ".join(f"{op.name} {op.share:.0%}" for op in r.top_operations)
        lines.append(f"  {r.recipe}, {r.precision}, batch {r.batch}, threads {r.threads}: {tops}")
        if r.host_waits is not None:
            lines.append(f"    the host waited for the GPU {r.host_waits} times in a round")
    return "\n".join(lines)


def sample_text(rows: Sequence[sample.Row]) -> str:
    """A table."""
    head = ("recipe", "batch", "threads", "images/s", "ms", "bare ms", "ratio", "(CPU)", "of ceiling")
    return table(
        head,
        [
            (r.recipe, r.batch, r.threads, number(r.images_per_s), number(r.latency_ms, 2), number(r.bare_ms, 2),
             times(r.latency_ratio), times(r.cpu_ratio), percent(r.ceiling_share))
            for r in rows
        ],
    )  # fmt: skip


def data_text(rows: Sequence[data.Row]) -> str:
    """A table."""
    head = ("what", "images", "seconds", "images/s", "per CPU second")
    return table(
        head,
        [
            (r.what, r.images, number(r.seconds, 3), number(r.images_per_s, 0), number(r.images_per_cpu_s, 0))
            for r in rows
        ],
    )


def coverage_text(rows: Sequence[coverage.Row], protocols: Sequence[str]) -> str:
    """A table a world, its protocol under it; over several seeds the mean and the standard deviation."""
    head = ("recipe", "rounds", "seeds", "modes hit", "good", "KL", "JS", "effective modes")
    parts = []
    for on, protocol in zip(dict.fromkeys(r.on for r in rows), protocols, strict=True):
        here = [r for r in rows if r.on == on]
        body = []
        for name in dict.fromkeys(r.recipe for r in here):
            of = [r for r in here if r.recipe == name]
            modes = f"{spread([r.coverage.hit for r in of], 1 if len(of) > 1 else 0)} of {of[0].coverage.modes:,}"
            body.append(
                (name, f"{of[0].rounds:,}" if of[0].rounds else "-", len(of), modes,
                 spread([r.coverage.good for r in of], 3), spread([r.coverage.kl for r in of], 3),
                 spread([r.coverage.js for r in of], 3), spread([r.effective_modes for r in of], 1))
            )  # fmt: skip
        parts += [on, table(head, body), *twins(here), protocol, ""]
    return "\n".join(parts).rstrip()


def twins(rows: Sequence[coverage.Row]) -> list[str]:
    """A line on near-duplicates, where they were looked for."""
    seen = [f"{r.recipe}, seed {r.seed}: {r.twins}" for r in rows if r.twins is not None]
    return [f"pairs of {rows[0].twins_of:,} samples nearer than any two of as many reals: {'; '.join(seen)}"] * bool(
        seen
    )


def spread(values: Sequence[float | None], digits: int) -> str:
    """The mean, and +- the standard deviation if there are several; a dash where one of them is missing."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return "-"
    return number(mean(known), digits) + (f" +- {number(stdev(known), digits)}" if len(known) > 1 else "")


def table(head: Sequence[str], body: Iterable[Sequence[Any]]) -> str:
    """Columns as wide as they need to be; the first to the left, the others to the right."""
    lines = [head, *([str(cell) for cell in row] for row in body)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if n == 0 else cell.rjust(w) for n, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def number(value: float | None, digits: int = 1) -> str:
    """With so many digits after the point; a dash for what was not measured."""
    return "-" if value is None else f"{value:,.{digits}f}"


def times(value: float | None) -> str:
    """A ratio."""
    return "-" if value is None else f"{value:.2f}x"


def percent(value: float | None) -> str:
    """A share."""
    return "-" if value is None else f"{value:.0%}"
