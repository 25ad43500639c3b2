"""The report of the ambiguity in the data itself (issue 6, item 7; R20): states, visits, entropy of what follows."""

from __future__ import annotations

import json
import math
from collections import Counter

import numpy as np
import pytest

from leafwing.cli.main import run
from leafwing.core.errors import BadData
from leafwing.measure.visits import entropy, of_maze, of_rows, read_rows, visits
from leafwing.worlds.render import render_folder


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
    assert found.counted == found.as_dict()["counted"] == 120
    assert found.text().startswith("120 of 123 moments are in states visited at least 20 times; in 50% of these")
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


def test_a_rendered_maze_tells_the_same(tmp_path, capsys):
    """From the tables beside folders of frames and inside .npz files; episodes do not run into each other."""
    whole = of_maze(20)
    for name in ("folder", "films.npz"):
        source = render_folder("maze", tmp_path / name, 20 * 80)
        assert of_rows(read_rows(source)) == whole
        assert run(["data", "ambiguity", str(source), "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == whole.as_dict()


def test_tables_that_tell_no_states_get_a_sentence(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "labels.csv").write_text("file,hair\n0.png,red\n")
    np.savez(tmp_path / "some.npz", turns=np.array(["up:1"] * 30), heading=np.array(["up"] * 30))
    for name, said in {"empty": "holds no labels.csv", "faces": "no column 'x'", "some.npz": "no column 'x'"}.items():
        assert run(["data", "ambiguity", str(tmp_path / name)]) == 2
        assert said in capsys.readouterr().err


def test_a_text_is_no_pairs_and_nobody_is_told_to_unpickle_it(tmp_path, capsys):
    (tmp_path / "README.md").write_text("# A toolkit")
    assert run(["data", "ambiguity", str(tmp_path / "README.md")]) == 2
    said = capsys.readouterr().err
    assert "README.md cannot be read as an .npz file of numbers: save two arrays by np.savez." in said
    assert "pickle" not in said
