"""``leafwing compare``: several runs side by side, runs of one recipe taken together as seeds of it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from leafwing.core.errors import BadConfig
from leafwing.evaluation import evaluate
from leafwing.explore.curves import column, side_by_side
from leafwing.explore.of_run import Look
from leafwing.report import page
from leafwing.report.difference import Value, differs, end_of, over_seeds
from leafwing.watch.samples import read_sheet, sheets

NAMES = {
    "D/real_accuracy": "D right on real",
    "D/fake_accuracy": "D right on generated",
    "D/adversarial": "D's loss",
    "G/adversarial": "G's loss",
    "sheet/spread": "spread (1 as the data)",
    "sheet/nearest": "distance to the data (1 as within)",
    "images_per_s": "images/s",
}
"""Metrics of the log that are compared, by what they are called in the table."""
NOT_THE_RECIPE = ("title", "train.seed", "watch", "train.steps")
"""Settings in which runs of one recipe may differ."""

Measures = Mapping[str, Value]
"""What an evaluation found of one run."""


@dataclass
class Group:
    """Runs of one recipe.

    Attributes:
        name: the run's, or the first one's with the number of seeds.
        runs: opened.
        values: what is compared, by name.
    """

    name: str
    runs: list[Look]
    values: dict[str, Value] = field(default_factory=dict)


@dataclass
class Comparison:
    """The table.

    Attributes:
        groups: the columns, the first of them the one that others are set against.
        settings: setting -> its value in each group, where they differ.
        rows: names of the values, in order.
    """

    groups: list[Group]
    settings: dict[str, list[str]]
    rows: list[str]

    def marked(self, name: str) -> list[bool | None]:
        """For each group whether its value differs from the first group's beyond noise; None where unknown."""
        first = self.groups[0].values.get(name)
        found: list[bool | None] = [None]
        for group in self.groups[1:]:
            value = group.values.get(name)
            found.append(differs(first, value) if first and value else None)
        return found

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""

        def plain(value: Value | None) -> Any:
            if value is None:
                return None
            return {"mean": value.mean, "error": value.error if math.isfinite(value.error) else None}

        return {
            "groups": [{"name": g.name, "runs": [str(run.folder) for run in g.runs]} for g in self.groups],
            "settings": self.settings,
            "values": {
                name: [plain(g.values.get(name)) | {"differs": mark} if name in g.values else None
                       for g, mark in zip(self.groups, self.marked(name), strict=True)]
                for name in self.rows
            },
        }  # fmt: skip

    def cells(self) -> list[list[str]]:
        """The table as text; ``*`` where a value differs from the first column's beyond noise."""
        table = []
        for name in self.rows:
            values = [g.values.get(name) for g in self.groups]
            marks = self.marked(name)
            shown = [("-" if v is None else str(v)) + (" *" if m else "") for v, m in zip(values, marks, strict=True)]
            table.append([name, *shown])
        return table

    def text(self) -> str:
        """For a terminal."""
        head = ["", *(group.name for group in self.groups)]
        differ = [[name, *values] for name, values in self.settings.items()]
        lines = [head, *differ, *self.cells()]
        widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
        first, *others = widths
        rows = [
            line[0].ljust(first) + "".join(f"  {cell:>{w}}" for cell, w in zip(line[1:], others, strict=True))
            for line in lines
        ]
        return "\n".join([*rows, "", self.note()])

    def note(self) -> str:
        """What the marks mean, and what they cannot."""
        single = [group.name for group in self.groups if len(group.runs) == 1]
        said = (
            "*: differs from the first column beyond noise (Welch's test, 95 %; one equal number in 20 is marked too)."
        )
        if single:
            said += (
                f" One seed only of {', '.join(single)}: ± there is how steady that run is, not how another seed would "
                "end; train more seeds (--seed 1, 2, ...) to tell recipes apart."
            )
        return said


def compare(runs: Sequence[Look], measure: Callable[[Look], Measures] | None = None) -> Comparison:
    """Set runs side by side.

    Args:
        runs: at least two, opened.
        measure: a run -> further values, such as an evaluation; its spread is used where a group has one run.

    Raises:
        BadConfig: fewer than two runs.
    """
    if len(runs) < 2:
        raise BadConfig("Give at least two runs to compare, e.g. leafwing compare runs/a runs/b.")
    groups = grouped(runs)
    for group in groups:
        group.values = values_of(group, measure)
    settings = [flat(group.runs[0].recipe.as_dict()) for group in groups]
    keys = sorted({key for table in settings for key in table})
    differ = {key: [plain(table.get(key, "-")) for table in settings] for key in keys if key != "title"}
    differ = {key: values for key, values in differ.items() if len(set(values)) > 1 and not varies(key)}
    names = [name for group in groups for name in group.values]
    return Comparison(groups, differ, list(dict.fromkeys(names)))


def plain(value: Any) -> str:
    """A setting as a person would write it."""
    return ", ".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)


def grouped(runs: Sequence[Look]) -> list[Group]:
    """Runs of equal settings but for the seed, together."""
    found: dict[str, Group] = {}
    for run in runs:
        settings = {k: v for k, v in flat(run.recipe.as_dict()).items() if not varies(k)}
        key = json.dumps([settings, played(run)], sort_keys=True, default=str)
        found.setdefault(key, Group(run.folder.resolve().name, [])).runs.append(run)
    for group in found.values():
        if len(group.runs) > 1:
            group.name += f" and {len(group.runs) - 1} more"
    return list(found.values())


def varies(key: str) -> bool:
    """Whether runs of one recipe may differ in this setting."""
    return any(key == name or key.startswith(name + ".") for name in NOT_THE_RECIPE)


def played(run: Look) -> int:
    """Rounds played, by the log."""
    return int(run.rows[-1]["step"]) if run.rows else 0


def measured(run: Look) -> Measures:
    """What ``leafwing evaluate`` says of a run, each measure with its spread as its error."""
    found = evaluate(str(run.folder), run.data, device=str(run.device))
    return {
        name: Value(line.samples.value, math.nan if line.samples.spread is None else line.samples.spread)
        for name, line in found.measures.items()
    }


def values_of(group: Group, measure: Callable[[Look], Measures] | None) -> dict[str, Value]:
    """What is compared, over the group's runs."""
    values = {"rounds played": Value(float(played(group.runs[0])))}
    for name, shown in NAMES.items():
        curves = [column(run.rows, name)[1] for run in group.runs]
        ends = [end_of(curve) for curve in curves if curve]
        if ends:
            values[shown] = ends[0] if len(ends) == 1 else over_seeds([end.mean for end in ends])
    if measure is not None:
        measured = [measure(run) for run in group.runs]
        for name in measured[0]:
            single = [found[name] for found in measured if name in found]
            values[name] = single[0] if len(single) == 1 else over_seeds([value.mean for value in single])
    return values


def flat(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested settings by dotted keys."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found


def compare_page(found: Comparison) -> str:
    """The comparison as a page: settings, numbers, sheets, curves."""
    names = [group.name for group in found.groups]
    runs = [(run.folder.resolve().name, run.rows) for group in found.groups for run in group.runs]
    sections = [
        page.Section("numbers", "Numbers", page.table(["", *names], marked_cells(found), found.note())),
        page.Section("sheets", "Sheets", sheets_of(found)),
        page.Section("curves", "Curves", page.charts(side_by_side(runs)) or page.missing("no run has a log yet.")),
    ]
    if found.settings:
        rows = [[key, *values] for key, values in found.settings.items()]
        sections.insert(0, page.Section("settings", "What differs", page.table(["setting", *names], rows)))
    return page.page("Runs compared", ", ".join(name for name, _ in runs), "", sections, "leafwing compare")


def marked_cells(found: Comparison) -> list[list[str]]:
    """The numbers, bold where they differ."""
    table = []
    for row in found.cells():
        cells = [f'<td class="differs">{page.text(c.removesuffix(" *"))}</td>' if c.endswith(" *") else c for c in row]
        table.append([row[0], *cells[1:]])
    return table


def sheets_of(found: Comparison) -> str:
    """The newest sheet of each run, side by side."""
    shown = []
    for group in found.groups:
        for run in group.runs:
            name, there = run.folder.resolve().name, sheets(run.folder / "samples")
            if there:
                step, path = there[-1]
                shown.append(page.figure(read_sheet(path), f"Pictures of {name}.", f"{name}, after {step:,} rounds"))
            else:
                shown.append(page.missing(f"{name} has no sheets."))
    return f'<div class="beside">{"".join(shown)}</div>'
