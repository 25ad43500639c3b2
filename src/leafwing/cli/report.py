"""``leafwing report`` and ``leafwing compare``: pages that tell of runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def report(run: Path, /, *, out: Path | None = None, data: str | None = None, device: str = "auto") -> None:
    """One self-contained HTML page on a run: samples, timeline, curves, the two players, neighbours, walk, settings.

    Example: leafwing report runs/mine --out mine.html

    Parameters
    ----------
    run
        The run folder.
    out
        An .html file; RUN/report.html if left out.
    data
        The training pictures, if they are no longer where the run found them.
    device
        auto, cpu or cuda.
    """
    from leafwing.cli.explore import check_out
    from leafwing.core.progress import say
    from leafwing.explore.of_run import look
    from leafwing.report.of_run import write_report

    check_out(out, ".html")
    opened = look(run, data, device)
    target = out if out is not None else run / "report.html"
    for sentence in write_report(opened, target):
        say(sentence)
    print(target)


def compare(
    runs: Annotated[list[Path], Parameter(consume_multiple=True, negative=())],
    /,
    *,
    data: str | None = None,
    out: Path | None = None,
    json_output: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> None:
    """Several runs side by side: what differs in their settings, numbers with what is beyond noise, curves, sheets.

    Runs of one recipe that differ in the seed alone become one column, with the spread over seeds.

    Example: leafwing compare runs/a runs/b --out comparison.html

    Parameters
    ----------
    runs
        Run folders, the first of them the one that others are set against.
    data
        Also measure each run against these pictures, as leafwing evaluate does.
    out
        An .html file with the table, curves and sheets.
    json_output
        Print JSON.
    """
    from leafwing.cli.explore import check_out, write, written
    from leafwing.explore.of_run import look
    from leafwing.report import compare as comparing

    check_out(out, ".html")
    opened = [look(run, data, device="cpu") for run in runs]
    found = comparing.compare(opened, comparing.measured if data is not None else None)
    if out is not None:
        write(out, comparing.compare_page(found))
    print(json.dumps(found.as_dict(), indent=2) if json_output else "\n".join([found.text(), *written(out)]))
