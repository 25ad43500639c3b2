"""The bench's results as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import mean, stdev
from typing import Any

from leafwing.bench import coverage, data, sample, train
from leafwing.bench.probe import Ceiling
from leafwing.bench.reduced import BATCH, SOONER
from leafwing.bench.zoo import KEPT, SIDE, Row
from leafwing.bench.zoo_pictures import CLUSTERED
from leafwing.bench.zoo_runs import Bench, equal_time
from leafwing.measure.frechet import too_few
from leafwing.worlds.mixtures import MIXTURES


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
        parts += [on, table(head, body), *twins(here), *of_faces(here), protocol, ""]
    return "\n".join(parts).rstrip()


def twins(rows: Sequence[coverage.Row]) -> list[str]:
    """A line on near-duplicates, where they were looked for."""
    seen = [f"{r.recipe}, seed {r.seed}: {r.twins}" for r in rows if r.twins is not None]
    return [f"pairs of {rows[0].twins_of:,} samples nearer than any two of as many reals: {'; '.join(seen)}"] * bool(
        seen
    )


def of_faces(rows: Sequence[coverage.Row]) -> Iterator[str]:
    """A line a row: broken faces, and each factor's distance from the truth, the farthest first."""
    for r in rows:
        if r.faces is not None:
            fits = sorted(r.faces.factors.items(), key=lambda item: item[1].true_high - item[1].distance)
            told = ", ".join(f"{name} {fit.distance:.2f} ({fit.true_high:.2f})" for name, fit in fits)
            broken = f"{percent(r.faces.broken.value)} broken (true faces: {percent(r.faces.broken.of_true)})"
            yield f"{r.recipe}, seed {r.seed}: {broken}; {told}"


ZOO_HEAD = ("recipe", "G", "D", "images/s", "start", "end", "nearer", "at equal time", "modes", "good", "obeyed")
"""Columns of the zoo's tables."""


def zoo_tables(bench: Bench) -> Iterator[tuple[str, list[tuple[Any, ...]], str]]:
    """For each world its name, the body of its table, the nearest to the truth first, and how it was made."""
    for on in dict.fromkeys(r.on for r in bench.rows):
        here = [r for r in bench.rows if r.on == on]
        seconds, true = equal_time(here), bench.truths[on]
        by_recipe = [[r for r in here if r.recipe == name] for name in dict.fromkeys(r.recipe for r in here)]
        by_recipe.sort(key=lambda of: min((r.end.distance for r in of if r.end), default=float("inf")))
        body: list[tuple[Any, ...]] = [
            ("the truth", "-", "-", "-", "-", number(true.distance, 3), "-", "-", f"{true.modes} of {here[0].modes}",
             percent(true.good), "-")
        ]  # fmt: skip
        body += [zoo_line(of, seconds) for of in by_recipe]
        yield on, body, zoo_protocol(bench, here, seconds)


def zoo_line(of: Sequence[Row], seconds: float | None) -> tuple[Any, ...]:
    """A recipe over its seeds: means, and +- the standard deviation."""
    ends = [r.end for r in of if r.end is not None]
    if len(ends) < len(of):
        return (of[0].recipe, *"-" * 9, f"not played: {next(r.problem for r in of if r.end is None)}")
    modes = f"{spread([end.modes for end in ends], 1 if len(of) > 1 else 0)} of {of[0].modes}"
    return (
        of[0].recipe, f"{of[0].generator:,}", f"{of[0].discriminator:,}", spread([r.images_per_s for r in of], 0),
        spread([r.points[0].distance for r in of], 3), spread([end.distance for end in ends], 3),
        spread([r.factor for r in of], 1), spread([r.after(seconds) if seconds else None for r in of], 3), modes,
        spread([100 * end.good for end in ends], 0) + "%",
        "-" if ends[0].obeyed is None else spread([100 * (end.obeyed or 0) for end in ends], 0) + "%",
    )  # fmt: skip


def zoo_protocol(bench: Bench, here: Sequence[Row], seconds: float | None) -> str:
    """How a world's figures are made."""
    images = max((r.points[-1].images for r in here if r.points), default=0)
    batch = 100 if here[0].on in MIXTURES else BATCH
    own = [f"{name} with {' '.join(SOONER[name])}" for name in dict.fromkeys(r.recipe for r in here) if name in SOONER]
    told = "".join(f"{one}, " for one in own)
    common = (
        f"D is shown {images:,} real pictures or a few more, {len({r.seed for r in here})} seed(s); networks narrowed, "
        f"batches of {batch} at most, fp32, {told}other settings the recipe's own, so this says who "
        f"learns soon, not who learns best. G, D: parameters. {bench.samples:,} samples of the averaged G. At equal "
        f"time: after {number(seconds, 0)} s of training, when the first was done (on a CPU, seconds of its cores)."
    )
    if bench.data is not None:
        return f"{own_protocol(here[0].on, bench.data, bench.samples)} {common}"
    if here[0].on.startswith("world:"):
        return (
            f"{here[0].on} at {SIDE}x{SIDE}. Distance: Fréchet on the factor network's 128 features, against as many "
            f"faces. Modes: hair colours drawn at least {KEPT:.0%} as often as they should be. Good: not broken by the "
            f"factor network. Obeyed: hair as asked for, read by it. {common}"
        )
    return (
        f"{here[0].on}: the recipe's rules and optimiser on the fully connected pair of `bench coverage`. Distance: "
        f"sliced Wasserstein. Modes: with a sample within 3 standard deviations. Good: such samples. {common}"
    )


def own_protocol(name: str, data: dict[str, Any], samples: int) -> str:
    """How the figures on pictures of one's own are made."""
    side, network = data["image_size"], data["features"]
    few = too_few(samples, network["features"])
    return (
        f"{name} at {side}x{side}, {data['pictures']:,} pictures. Distance: Fréchet on the {network['features']:,} "
        f"features of {network['network']}, against as many real pictures{f' ({few[:-1]})' * bool(few)}. "
        f"Modes: of {data['clusters']} clusters of at most {CLUSTERED:,} real pictures by these features, those that "
        f"come at least {KEPT:.0%} as often as there. Good: precision, the share of samples no farther from a real "
        f"picture than its neighbour number {data['nearest']}. The truth: as many other real pictures. Obeyed: not "
        "read here."
    )


def zoo_text(bench: Bench) -> str:
    """A table a world, its protocol under it."""
    return "\n\n".join(f"{on}\n{table(ZOO_HEAD, body)}\n{how}" for on, body, how in zoo_tables(bench))


def zoo_markdown(bench: Bench) -> str:
    """The same for a page."""
    parts = ["# The zoo, each recipe made small"]
    for on, body, how in zoo_tables(bench):
        lines = [ZOO_HEAD, tuple("-" * 3 for _ in ZOO_HEAD), *body]
        parts += [f"## {on}", "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines), how]
    return "\n\n".join(parts) + "\n"


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
