"""Measures while a run goes on: on a schedule, within a budget, the best snapshot kept, the game undisturbed."""

from __future__ import annotations

import json

import pytest
import torch

import leafwing
from leafwing.cli.main import run as cli
from leafwing.core.errors import BadConfig, BadData
from leafwing.generator import WEIGHTS
from leafwing.watch import measuring
from leafwing.watch.measuring import COUNTS, affordable, measured

SMALL = [
    "data.image_size=16", "data.count=150", "generator.width=4", "discriminator.width=4", "prior.dim=8",
    "train.batch=8", "watch.alarms=false", "watch.samples=4", "train.precision=fp32",
]  # fmt: skip


def play(out, steps=6, every=3):
    leafwing.train(
        "world:faces", recipe="dcgan", out=out, steps=steps, settings=[*SMALL, f"watch.measure_every={every}"]
    )
    return out


def rows(run):
    return [json.loads(line) for line in (run / "measures.jsonl").read_text().splitlines()]


def test_a_run_is_measured_on_schedule_and_keeps_a_generator_that_draws(tmp_path):
    run = play(tmp_path / "run", steps=7)
    seen = rows(run)
    assert [row["step"] for row in seen] == [3, 6, 7]  # and at the end
    assert {row["n"] for row in seen} == {COUNTS[0]}  # seconds of training pay for no more
    for row in seen:
        assert row["images"] == 8 * row["step"]
        assert all(0 <= value <= 1 for key, value in row.items() if key.startswith(("precision[", "recall[")))
    card = json.loads((run / "best" / "generator.json").read_text())
    name = next(key for key in seen[0] if key.startswith("kernel["))
    best = min(seen, key=lambda row: row[name])
    assert (card["step"], card["measured"][name]) == (best["step"], best[name])
    assert leafwing.sample(run / "best", 2, 0, tmp_path / "sheet.png").is_file()


def test_measures_are_drawn_against_pictures_and_time(tmp_path):
    run = play(tmp_path / "run")
    assert cli(["explore", "curves", str(run), "--out", str(tmp_path / "curves.svg")]) == 0
    drawn = (tmp_path / "curves.svg").read_text()
    for words in ("Distance to the data", "Precision and recall", "real pictures shown", "minutes of training"):
        assert words in drawn


def test_measuring_does_not_touch_the_game(tmp_path):
    with_it, without = play(tmp_path / "a"), play(tmp_path / "b", every=0)
    assert (with_it / "generator" / WEIGHTS).stat().st_size == (without / "generator" / WEIGHTS).stat().st_size
    a, b = (leafwing.load(run).network.state_dict() for run in (with_it, without))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not (without / "measures.jsonl").exists()


def test_a_resumed_run_measures_like_one_that_never_stopped(tmp_path):
    whole, parts = play(tmp_path / "a", steps=9), play(tmp_path / "b", steps=3)
    leafwing.resume(parts, steps=9)
    timeless = [[{k: v for k, v in row.items() if k != "seconds"} for row in rows(run)] for run in (whole, parts)]
    assert timeless[0] == timeless[1]
    cards = [json.loads((run / "best" / "generator.json").read_text())["step"] for run in (whole, parts)]
    assert cards[0] == cards[1]


def test_the_best_is_kept_not_the_last(tmp_path, monkeypatch):
    values = iter([3.0, 1.0, 2.0, 1.5])

    def told(reals, fakes, name):
        return {f"kernel[{name}]": next(values)}

    monkeypatch.setattr(measuring, "measured", told)
    run = play(tmp_path / "run", steps=6, every=3)
    leafwing.resume(run, steps=12)  # what earlier sittings found is not forgotten
    assert json.loads((run / "best" / "generator.json").read_text())["step"] == 6


def test_what_cannot_be_measured_costs_a_sentence(tmp_path, monkeypatch, capsys):
    def refuse(reals, fakes, name):
        raise BadData("these features are no numbers.")

    monkeypatch.setattr(measuring, "measured", refuse)
    run = play(tmp_path / "run")
    assert "step 3: nothing was measured: these features are no numbers." in capsys.readouterr().err
    assert (run / "generator" / WEIGHTS).is_file()


def test_a_budget_buys_pictures():
    assert affordable(10.0, 0.02) == 256
    assert affordable(0.0, 1.0) == COUNTS[0]
    assert affordable(1e9, 0.01) == COUNTS[-1]


def test_measures_of_equal_and_of_far_features():
    x = torch.randn(200, 8, generator=torch.Generator().manual_seed(0))
    near, far = measured(x[:100], x[100:], "n"), measured(x[:100], x[100:] + 9, "n")
    assert abs(near["kernel[n]"]) < 0.1 * far["kernel[n]"]
    assert (far["precision[n]"], far["recall[n]"]) == (0, 0)
    assert near["precision[n]"] > 0.5


def test_unknown_features_are_named(tmp_path):
    with pytest.raises(BadConfig, match="pixels"):
        leafwing.train(
            "world:faces", recipe="dcgan", out=tmp_path / "run", steps=1,
            settings=[*SMALL, "watch.measure_every=1", "watch.features=pixle"],
        )  # fmt: skip
