"""R23: "one right answer" or "several", on both kinds of data; steps, ties and small numbers are told honestly."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from leafwing.cli.main import run
from leafwing.core.errors import BadData
from leafwing.measure.ambiguity import ambiguity, broadest, main_direction, nearest, split, told_by
from leafwing.measure.bootstrap import wilson


def pairs(kind: str, n: int = 400, seed: int = 0):
    """Inputs [n, 2] and outputs of that kind."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (n, 2))
    f = np.stack([np.sin(3 * x[:, 0]), x[:, 1] ** 2], 1)
    side = rng.choice([-1.0, 1.0], (n, 1))
    noise = rng.standard_normal((n, 2))
    rare = np.where(rng.random((n, 1)) < 0.2, 1.0, -1.0)
    angle = rng.integers(0, 8, n) * math.pi / 4
    return x, {
        "function": f,
        "function and noise": f + 0.2 * noise,
        "heavy-tailed noise": f + 0.1 * rng.standard_t(2, (n, 2)),
        "noise alone": noise,
        "a step": np.sign(x[:, :1]),
        "classes with an edge": (x[:, 0] > 0).astype(np.int64),
        "two branches": f + side + 0.1 * noise,
        "one branch in five": f + rare + 0.1 * noise,
        "eight modes": np.stack([np.cos(angle), np.sin(angle)], 1) + 0.02 * noise,
        "a coin's class": rng.integers(0, 2, n),
    }[kind]


ONE = ["function", "function and noise", "heavy-tailed noise", "noise alone", "a step", "classes with an edge"]
SEVERAL = ["two branches", "one branch in five", "eight modes", "a coin's class"]


@pytest.mark.parametrize("kind", ONE)
def test_one_right_answer(kind):
    found = ambiguity(*pairs(kind))
    assert found.verdict == "one"
    assert found.sentence().startswith("One right answer")
    assert "400 pairs" in found.sentence()
    assert found.as_dict()["verdict"] == "one"


@pytest.mark.parametrize("kind", SEVERAL)
def test_several_right_answers(kind):
    found = ambiguity(*pairs(kind))
    assert found.verdict == "several"
    assert "use a generator" in found.sentence()


def test_the_share_left_open_is_the_noises_share_of_the_variance():
    """y = x + e, x uniform on (-1, 1): with many pairs, var e / (var x + var e) of the variance is left open."""
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, 4000)
    y = x + 0.5 * rng.standard_normal(4000)
    assert ambiguity(x, y).open == pytest.approx(0.25 / (1 / 3 + 0.25), abs=0.07)


def test_repeated_inputs_are_a_neighbourhood_whatever_their_order():
    """Four inputs, again and again; sorted by output, a careless choice among ties would see one branch only."""
    x = np.repeat(np.arange(4), 60)
    y = np.sort(np.tile([-3.0, 3.0], 120).reshape(4, 60), axis=1).ravel() + x
    found = ambiguity(x, y)
    assert (found.verdict, found.repeated) == ("several", 1.0)
    same = ambiguity(x, x**2 + 0.01 * np.random.default_rng(0).standard_normal(240))
    assert same.verdict == "one"


def test_the_lectures_corner():
    """R20: a picture of a corner; the rest of the pictures has one future. Ambiguous at some inputs is ambiguous."""
    rng = np.random.default_rng(0)
    x = rng.random((600, 8, 8)) * 0.1
    corner = np.arange(600) % 3 == 0
    x[corner, :4] += 1
    x[~corner, 4:] += rng.random((400, 1, 1))
    left = np.zeros((600, 8, 8))
    turn = np.where(corner, rng.integers(0, 2, 600), 2)
    for n, where in enumerate(turn):
        left[n, :, (0, 7, 3)[where]] = 1
    found = ambiguity(x, left)
    assert found.verdict == "several"
    assert found.several == pytest.approx(1 / 3, abs=0.08)


def test_few_pairs_and_what_is_no_pair_are_refused():
    x, y = pairs("two branches", 59)
    with pytest.raises(BadData, match="59 pairs are too few"):
        ambiguity(x, y)
    x, y = pairs("two branches", 100)
    with pytest.raises(BadData, match="100 inputs but 99 outputs"):
        ambiguity(x, y[1:])
    with pytest.raises(BadData, match="equal"):
        ambiguity(x, np.ones(100))
    with pytest.raises(BadData, match="NaN"):
        ambiguity(x, np.full(100, np.nan))
    with pytest.raises(BadData, match="give numbers"):
        ambiguity(x, np.array(["left"] * 100))
    assert ambiguity(*pairs("function and noise", 60)).verdict in ("one", "unclear")


def test_the_pieces_in_closed_form():
    """Two points a side: all variance between; the normal cut at its middle 2 / pi; Wilson's published interval."""
    assert split(np.array([[0.0], [0.0], [1.0], [1.0]])).explained == pytest.approx(1)
    many = np.random.default_rng(0).standard_normal((20_000, 1))
    assert split(many).explained == pytest.approx(2 / math.pi, abs=0.01)
    assert split(np.random.default_rng(0).random((20_000, 1))).explained == pytest.approx(0.75, abs=0.01)
    wide, tall = np.random.default_rng(1).standard_normal((2, 30, 50))
    for rows in (wide, tall[:, :9]):
        moved = rows - rows.mean(0)
        along = moved @ np.linalg.svd(moved)[2][0]
        found = main_direction(moved)
        assert abs(found @ along) == pytest.approx(along @ along)
    assert 0.75 < broadest(20) < 1
    assert wilson(0.1, 10) == pytest.approx((0.0179, 0.4042), abs=2e-4)
    x = np.array([[0.0], [0.1], [5.0], [5.1]])
    assert told_by(x, np.array([False, False, True, True])) == 1
    assert told_by(x, np.array([False, True, False, True])) == 0
    found = nearest(np.array([[0.0], [9.0], [1.0], [-2.0]]), 0, 3, np.random.default_rng(0))
    assert found.tolist() == [0, 2, 3]


def test_the_command_reads_pairs(tmp_path, capsys):
    x, y = pairs("two branches", 200)
    np.savez(tmp_path / "pairs.npz", frames=x, outputs=y)
    np.savez(tmp_path / "objects.npz", inputs=np.array([{}] * 100), outputs=x[:100])
    (tmp_path / "text.npz").write_text("no numbers")
    np.save(tmp_path / "one.npy", x)
    assert run(["data", "ambiguity", str(tmp_path / "pairs.npz"), "--inputs", "frames", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "several"
    for name, said in [("pairs.npz", "frames"), ("objects.npz", "numbers"), ("text.npz", "numbers"),
                       ("one.npy", "single array"), ("none.npz", "does not exist")]:  # fmt: skip
        assert run(["data", "ambiguity", str(tmp_path / name)]) == 2
        assert said in capsys.readouterr().err


def test_of_very_many_numbers_a_part_is_taken(monkeypatch):
    monkeypatch.setattr("leafwing.measure.ambiguity.NUMBERS", 10)
    assert ambiguity(*pairs("two branches", 1500)).n == 1000
