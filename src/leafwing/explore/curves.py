"""Curves of a run from its ``metrics.jsonl``: D's accuracies (R45), its scores, losses, gradients, variety."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

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


NO_TERMS = {"G/adversarial", "G/grad_norm", "G/skipped", "G/path_length"}
"""Of G's numbers: drawn in a group of its own, or logged and no part of its loss."""
AGAINST = [("images", 1.0, "real pictures shown"), ("seconds", 60.0, "minutes of training")]
"""What measures are drawn against: metric, unit, name."""


def column(rows: Sequence[Row], name: str, against: str = "step", unit: float = 1.0) -> tuple[list[float], list[float]]:
    """Rounds (or another count, in a unit) and values of one metric, where it was logged."""
    found = [(row[against] / unit, float(row[name])) for row in rows if isinstance(row.get(name), int | float)]
    return [place for place, _ in found], [value for _, value in found]


def charts(rows: Sequence[Row]) -> list[str]:
    """An ``<svg>`` for each group that the run has numbers for; of a D that is none, or never moves, nothing."""
    absent = not any(row.get("D/grad_norm", 1) for row in rows)
    drawn = []
    for title, every, options in [*GROUPS[:3], more_terms(rows), *GROUPS[3:]]:
        names = {name: shown for name, shown in every.items() if not (absent and name.startswith("D/"))}
        lines = [Line(shown, *column(rows, name)) for name, shown in names.items()]
        drawn.append(chart(lines, title, **options))  # type: ignore[arg-type]
    return [svg for svg in drawn if svg]


def more_terms(rows: Sequence[Row]) -> tuple[str, dict[str, str], dict[str, object]]:
    """The group of what G minimises beside fooling D: likelihood, energy, whatever its rules have."""
    names = dict.fromkeys(name for row in rows for name in row if name.startswith("G/") and name not in NO_TERMS)
    positive = all(row[name] > 0 for row in rows for name in names if isinstance(row.get(name), int | float))
    return "Further terms of G", {name: name[2:].replace("_", " ") for name in names}, {"log_y": positive}


def measured(rows: Sequence[Row]) -> list[str]:
    """An ``<svg>`` for the distance and one for precision and recall, each against pictures shown and against time.

    Args:
        rows: of ``measures.jsonl`` (`leafwing.watch.measuring`).
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    groups = [
        ("Distance to the data (0 is best)", [name for name in names if name.startswith("kernel[")], None),
        ("Precision and recall", [name for name in names if name.startswith(("precision[", "recall["))], (0.0, 1.0)),
    ]
    drawn = []
    for (title, shown, y_range), (against, unit, x_title) in product(groups, AGAINST):
        lines = [Line(name, *column(rows, name, against, unit)) for name in shown]
        drawn.append(chart(lines, title, x_title=x_title, y_range=y_range))
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
