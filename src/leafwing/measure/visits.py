"""Which states data visits often, and how open what follows is there: the report behind "left *and* right" (R20).

The lecture's argument, counted: at the same corner the player went left so many times and right so many times. In bits:
0 where always the same follows, 1 for a fair coin, log2(3) for three equal ways.
"""

from __future__ import annotations

import csv
import math
import zipfile
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from leafwing.core.errors import BadData
from leafwing.worlds.maze import Maze

OPEN = 0.1
"""Bits above which a state counts as open."""
TABLE = "labels.csv"
"""What `leafwing data render maze` writes beside the frames."""
COLUMNS = ("x", "y", "heading", "turns")
"""What a state of the maze is told by: half cells, where he looks, ``right:0.667 up:0.333``."""


@dataclass(frozen=True)
class Visited:
    """A state.

    Attributes:
        state: in words.
        visits: how often the data was there.
        went: how often each outcome followed, the most frequent first.
        bits: entropy of what followed, from these counts.
    """

    state: str
    visits: int
    went: dict[str, int]
    bits: float


@dataclass(frozen=True)
class Visits:
    """What was found.

    Attributes:
        states: visited at least ``least`` times, the most open first, then the most visited.
        moments: in all.
        counted: of these, moments in such states; the next two are of them alone.
        bits: mean entropy.
        open_share: share of them whose state is open.
        least: visits below which nothing is said of a state.
    """

    states: list[Visited]
    moments: int
    counted: int
    bits: float
    open_share: float
    least: int

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return vars(self) | {"states": [vars(state) for state in self.states]}

    def text(self, rows: int = 12) -> str:
        """A sentence and the most open states."""
        lines = [
            f"{self.counted:,} of {self.moments:,} moments are in states visited at least {self.least} times; "
            f"in {self.open_share:.0%} of these the state left the next heading open, {self.bits:.2f} bits on average."
        ]
        for one in self.states[:rows]:
            went = ", ".join(f"{name} {count}" for name, count in one.went.items())
            lines.append(f"{one.state:32} {one.visits:6} visits {one.bits:6.2f} bits   {went}")
        return "\n".join(lines)


def visits(pairs: Iterable[tuple[Hashable, Hashable]], least: int = 20) -> Visits:
    """Count (state, what followed).

    Raises:
        BadData: no state was visited ``least`` times.
    """
    followed: dict[Hashable, Counter[str]] = defaultdict(Counter)
    for state, outcome in pairs:
        followed[state][str(outcome)] += 1
    often = {state: went for state, went in followed.items() if went.total() >= least}
    if not often:
        raise BadData(f"No state was visited {least} times: give more data, or coarser states.")
    rows = [Visited(str(s), w.total(), dict(w.most_common()), entropy(w)) for s, w in often.items()]
    rows.sort(key=lambda row: (-round(row.bits, 1), -row.visits))
    moments = sum(row.visits for row in rows)
    return Visits(
        rows,
        sum(went.total() for went in followed.values()),
        moments,
        sum(row.bits * row.visits for row in rows) / moments,
        sum(row.visits for row in rows if row.bits > OPEN) / moments,
        least,
    )


def entropy(went: Counter[str]) -> float:
    """In bits: -sum p log2 p of the counts."""
    total = went.total()
    return -sum(n / total * math.log2(n / total) for n in went.values()) + 0.0


def of_maze(episodes: int = 250, seed: int = 0) -> Visits:
    """Of the random player of `world:maze`: where he is, where he looks, which ways are open; where he heads next."""
    return of_rows((number, state.as_row()) for number in range(episodes) for state in Maze(seed).episode(number))


def of_rows(rows: Iterable[tuple[Hashable, Mapping[str, Any]]]) -> Visits:
    """The same of rows of the maze's table (:data:`COLUMNS`), in the order of time, each with its episode."""
    following = pairwise(rows)
    return visits((in_words(now), after["heading"]) for (film, now), (same, after) in following if film == same)


def in_words(row: Mapping[str, Any]) -> str:
    """A state: ``at 2,4 to the left: left/up``."""
    heading = {"up": "upwards", "down": "downwards"}.get(row["heading"], f"to the {row['heading']}")
    ways = "/".join(way.split(":")[0] for way in row["turns"].split())
    return f"at {float(row['x']) / 2:g},{float(row['y']) / 2:g} {heading}: {ways}"


def holds_states(path: Path) -> bool:
    """Whether there is a table of states: a folder's ``labels.csv``, or an .npz file with an array ``turns``."""
    if path.is_dir():
        return True
    try:
        with zipfile.ZipFile(path) as file:
            return "turns.npy" in file.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def read_rows(path: Path) -> list[tuple[str, dict[str, str]]]:
    """The table that `leafwing data render maze` wrote, in a folder or an .npz file.

    Raises:
        BadData: there is none, or it lacks a column.
    """
    source = path / TABLE if path.is_dir() else path
    columns: dict[str, list[str]] = {}
    try:
        if path.is_dir():
            with source.open(newline="", encoding="utf-8") as table:
                reader = csv.DictReader(table)
                rows = list(reader)
                columns = {name: [str(row[name]) for row in rows] for name in reader.fieldnames or ()}
            columns["episode"] = [file.rpartition("/")[0] for file in columns.get("file", [])]
        else:
            with np.load(path, allow_pickle=False) as arrays:
                columns = {name: [str(v) for v in arrays[name]] for name in arrays.files if arrays[name].ndim == 1}
    except FileNotFoundError:
        raise BadData(f"{path} holds no {TABLE}: give what `leafwing data render maze` wrote, or pairs.") from None
    except (OSError, ValueError, UnicodeDecodeError, csv.Error) as error:
        reason = "" if "pickle" in str(error) else f" ({' '.join(str(error).split())[:100]})"
        raise BadData(f"{source} cannot be read{reason}: render it again.") from error
    lacking = [name for name in (*COLUMNS, "episode") if len(columns.get(name, [])) != len(columns.get("turns", [" "]))]
    if lacking:
        raise BadData(f"{source} has no column {lacking[0]!r}: give what `leafwing data render maze` wrote, or pairs.")
    found = [{name: columns[name][n] for name in COLUMNS} for n in range(len(columns["turns"]))]
    return list(zip(columns["episode"], found, strict=True))
