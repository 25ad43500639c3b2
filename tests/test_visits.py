"""The report of the ambiguity in the data itself (issue 6, item 7; R20): states, visits, entropy of what follows."""

from __future__ import annotations

import json
import math
from collections import Counter

import pytest

from leafwing.cli.main import run
from leafwing.core.errors import BadData
from leafwing.measure.visits import entropy, of_maze, visits


def test_entropy_in_closed_form():
    assert entropy(Counter(left=5)) == 0
    assert entropy(Counter(left=4, right=4)) == pytest.approx(1)
    assert entropy(Counter(a=1, b=1, c=1)) == pytest.approx(math.log2(3))
    assert entropy(Counter(a=2, b=1, c=1)) == pytest.approx(1.5)


def test_states_are_counted_and_rare_ones_left_out():
    pairs = [("corner", "left")] * 30 + [("corner", "right")] * 30 + [("lane", "on")] * 60 + [("rare", "on")] * 3
    found = visits(pairs)
    assert [(s.state, s.visits) for s in found.states] == [("corner", 60), ("lane", 60)]
    assert found.states[0].went == {"left": 30, "right": 30}
    assert (found.moments, found.bits, found.open_share) == (123, 0.5, 0.5)
    with pytest.raises(BadData, match="20 times"):
        visits([("a", "b")])


def test_the_mazes_junctions_are_as_open_as_its_odds_say():
    """A fair T is 1 bit, the side of a T 0.918, a cross 1.5, everything else 0."""
    found = of_maze(250)
    for state in found.states:
        ways = state.state.split(": ")[1].split("/")
        wide = {1: (0, 0), 2: (0.918, 1), 3: (1.5, 1.5)}[len(ways)]
        slack = 0 if len(ways) == 1 else 2.5 / math.sqrt(state.visits)
        assert wide[0] - slack <= state.bits <= wide[1] + 0.08, state
    assert 0.05 < found.open_share < 0.3


def test_the_command_reports_the_maze(capsys):
    assert run(["data", "ambiguity", "world:maze", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["states"][0]["bits"] > 1.1
    assert run(["data", "ambiguity", "world:maze"]) == 0
    assert "left the next heading open" in capsys.readouterr().out
    assert run(["data", "ambiguity", "world:faces"]) == 2
    assert "world:maze" in capsys.readouterr().err
