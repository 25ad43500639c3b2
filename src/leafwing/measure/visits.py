"""Which states data visits often, and how open what follows is there: the report behind "left *and* right" (R20).

The lecture's argument, counted: at the same corner the player went left so many times and right so many times. In bits:
0 where always the same follows, 1 for a fair coin, log2(3) for three equal ways.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from leafwing.core.errors import BadData
from leafwing.worlds import maze
from leafwing.worlds.maze import Maze

OPEN = 0.1
"""Bits above which a state counts as open."""


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
        bits: mean entropy over all moments in such states.
        open_share: share of these moments whose state is open.
        least: visits below which nothing is said of a state.
    """

    states: list[Visited]
    moments: int
    bits: float
    open_share: float
    least: int

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return vars(self) | {"states": [vars(state) for state in self.states]}

    def text(self, rows: int = 12) -> str:
        """A sentence and the most open states."""
        lines = [
            f"{self.moments:,} moments; in {self.open_share:.0%} of them the state left the next heading open, "
            f"{self.bits:.2f} bits on average."
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
    pairs = []
    for number in range(episodes):
        episode = Maze(seed).episode(number)
        for now, after in pairwise(episode):
            ways = "/".join(maze.HEADINGS[way] for way in sorted(maze.turns(now)))
            state = f"at {now.hero[0] / 2:g},{now.hero[1] / 2:g} to the {maze.HEADINGS[now.heading]}: {ways}"
            pairs.append(
                (
                    state.replace("to the up", "upwards").replace("to the down", "downwards"),
                    maze.HEADINGS[after.heading],
                )
            )
    return visits(pairs)
