"""Curves of a run from its ``metrics.jsonl``: D's accuracies (R45), its scores, losses, gradients, variety."""

from __future__ import annotations

from collections.abc import Sequence

from leafwing.explore.charts import Line, chart
from leafwing.watch.meter import Row

GROUPS: list[tuple[str, dict[str, str], dict[str, object]]] = [
    (
        "How often D is right",
        {"D/real_accuracy": "on real", "D/fake_accuracy": "on generated"},
        {"y_range": (0.0, 1.0)},
    ),
    ("D's mean score", {"D/real_score": "real", "D/fake_score": "generated"}, {}),
    ("What each player minimises", {"D/adversarial": "D", "G/adversarial": "G"}, {}),
    ("Length of the gradient", {"D/grad_norm": "D", "G/grad_norm": "G"}, {"log_y": True}),
    ("Generated pictures beside real ones", {"sheet/spread": "spread (1 as varied as data)"}, {}),
    ("Speed", {"images_per_s": "images/s"}, {}),
]
"""Title, metric -> name in the legend, further arguments of :func:`leafwing.explore.charts.chart`."""


def column(rows: Sequence[Row], name: str) -> tuple[list[float], list[float]]:
    """Rounds and values of one metric, where it was logged."""
    found = [(float(row["step"]), float(row[name])) for row in rows if isinstance(row.get(name), int | float)]
    return [step for step, _ in found], [value for _, value in found]


def charts(rows: Sequence[Row]) -> list[str]:
    """An ``<svg>`` for each group that the run has numbers for."""
    drawn = []
    for title, names, options in GROUPS:
        lines = [Line(shown, *column(rows, name)) for name, shown in names.items()]
        drawn.append(chart(lines, title, **options))  # type: ignore[arg-type]
    return [svg for svg in drawn if svg]


def side_by_side(runs: Sequence[tuple[str, Sequence[Row]]]) -> list[str]:
    """An ``<svg>`` for each metric that any run has, a line for each run."""
    drawn = []
    for title, names, options in GROUPS:
        for name, shown in names.items():
            lines = [Line(run, *column(rows, name)) for run, rows in runs]
            whole = title if len(names) == 1 else f"{title}: {shown}"
            drawn.append(chart(lines, whole, **options))  # type: ignore[arg-type]
    return [svg for svg in drawn if svg]
