"""``bench zoo`` (issue 5, item 7): every recipe made small, on worlds whose truth is known; a stopped bench goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from leafwing.bench import report, zoo, zoo_runs
from leafwing.bench.reduced import BATCH, NARROW, SOONER, is_fully_connected, lasting, of_pictures, reduced
from leafwing.bench.zoo import Faces, Point, Points, Row, Seen
from leafwing.bench.zoo_runs import Bench, Plan, equal_time
from leafwing.cli.main import run
from leafwing.core.errors import BadConfig, LeafwingError
from leafwing.recipe import load_recipe, shipped


@pytest.fixture
def few_faces(monkeypatch):
    monkeypatch.setattr(zoo, "DRAWN", 128)


@pytest.mark.parametrize("name", of_pictures())
def test_every_recipe_is_made_small_and_still_builds(name):
    """By scan: a recipe that comes has its place in the bench; nothing is wider than asked, rules stay the recipe's."""
    own, small = load_recipe(name, check=False), reduced(name, [], seed=3)
    assert small.train.batch == min(own.train.batch, BATCH)
    assert small.train.seed == 3
    for player in ("generator", "discriminator"):
        ours, theirs = (getattr(recipe, player).options for recipe in (small, own))
        for setting in NARROW:
            if isinstance(getattr(theirs, setting, None), int):
                assert getattr(ours, setting) <= getattr(theirs, setting)
    assert is_fully_connected(small) == (name == "gan-2014")
    told = {setting.split(".")[0] for setting in SOONER.get(name, [])}
    assert "variant" in told or small.variant == own.variant
    assert "optimizer" in told or small.optimizer == own.optimizer
    long = lasting(small, 5000)
    shown = [long.turns_of_d(step) * long.train.batch for step in (long.train.steps, long.train.steps - 1)]
    assert shown[0] >= 5000 > shown[1]


def test_films_and_replies_have_benches_of_their_own():
    assert set(shipped()) - set(of_pictures()) >= {"video-gan", "chat-gan"}
    with pytest.raises(BadConfig, match="about films"):
        reduced("video-gan", [], 0)


def test_what_cannot_be_narrow_stays_as_it_is(monkeypatch):
    from leafwing.bench import reduced as module

    monkeypatch.setitem(module.NARROW, "width", 0)
    assert reduced("dcgan", [], 0).generator.options.width == 64


def test_true_faces_are_near_and_noise_is_far(few_faces):
    """The measure itself: other true faces are nearest and keep all modes; of noise, no face is good."""
    world = Faces(64)
    true, noise = world.true(), world.see(torch.rand(64, 3, 32, 32) * 2 - 1, None)
    assert noise.distance > 3 * true.distance
    assert noise.modes < true.modes <= world.modes == 12
    assert noise.good < 0.5 < 0.9 < true.good
    some = world._drawn(0, 64)
    assert world.see(some, None).distance == pytest.approx(0, abs=1e-3)
    read = [zoo.factors.NAMES["hair_colour"][i] for i in zoo.factors.read(some).indices("hair_colour")]
    assert world.see(some, read).obeyed == 1
    assert world.see(some, read[1:] + read[:1]).obeyed < 0.5


def test_true_points_are_near_and_a_collapse_is_seen():
    world = Points(500)
    assert world.true().modes == world.modes == 25
    assert world.true().good > 0.97
    one = world.see(torch.zeros(500, 2), None)
    assert (one.modes, one.good) == (1, 1.0)
    assert one.distance > 3 * world.true().distance


def test_a_row_keeps_its_curve_and_is_the_same_again(few_faces):
    """Measured before the first round and LOOKS times; equal seeds, equal distances; clocks stand still meanwhile."""
    world = Faces(64)
    small = ["generator.width=4", "discriminator.width=4"]
    recipe = world.fitted(reduced("dcgan", [*small, "train.batch=8"], 0), 160)
    rows = [zoo.play("dcgan", recipe, world, torch.device("cpu"), lambda done, of: None)[0] for _ in range(2)]
    assert [p.distance for p in rows[0].points] == [p.distance for p in rows[1].points]
    assert len(rows[0].points) == zoo.LOOKS + 1
    assert rows[0].points[0].images == rows[0].points[0].seconds == 0
    assert rows[0].points[-1].images == 160
    assert np.all(np.diff([p.seconds for p in rows[0].points]) > 0)
    assert rows[0].end.distance == rows[0].points[-1].distance


def test_conditional_recipes_are_judged_by_what_they_were_asked_for(few_faces):
    world = Faces(64)
    recipe = world.fitted(reduced("cgan", ["generator.width=4", "discriminator.width=4"], 0), 64)
    assert recipe.data.condition == ("hair",)
    row, samples = zoo.play("cgan", recipe, world, torch.device("cpu"), lambda done, of: None)
    assert 0 <= row.end.obeyed <= 1
    assert samples.shape == (64, 3, 32, 32)


def a_row(name: str, seconds: float, distances: tuple[float, ...], seed: int = 0) -> Row:
    steps = len(distances) - 1
    points = tuple(Point(1000 * i, seconds * i / steps, d) for i, d in enumerate(distances))
    return Row(name, "world:faces", seed, 10, 20, 5, points, Seen(distances[-1], 11, 0.5), 12)


def test_equal_images_and_equal_time():
    """The quick one is done after 10 s; the slow one is read off its own curve there."""
    quick, slow = a_row("quick", 10, (100, 80, 50)), a_row("slow", 40, (100, 60, 20))
    assert equal_time([quick, slow]) == 10
    assert slow.after(10) == pytest.approx(80)
    assert quick.after(10) == 50
    assert quick.after(11) is None
    assert (quick.factor, slow.factor) == (2, 5)
    assert quick.images_per_s == 200


def test_the_table_has_means_spreads_and_the_truth():
    rows = [a_row("slow", 40, (100, 60, 20)), a_row("quick", 10, (100, 80, 50)), a_row("quick", 10, (100, 80, 40), 1)]
    bad = Row("broken", "world:faces", 0, 0, 0, 0, (), None, 12, "It cannot be.")
    bench = Bench([*rows, bad], {"world:faces": Seen(1.5, 12, 0.99)}, 1000)
    text = report.zoo_text(bench).splitlines()
    assert [line.split()[0] for line in text[2:6]] == ["the", "slow", "quick", "broken"], "the nearest first"
    assert "45.000 +- 7.071" in text[4]
    assert "It cannot be." in text[5]
    assert "| quick | 10 | 20 |" in report.zoo_markdown(bench)
    assert json.loads(json.dumps(bench.as_dict()))["rows"][0]["factor"] == 5


def test_a_stopped_bench_goes_on_and_says_what_cannot_be_played(few_faces, tmp_path, capsys, monkeypatch):
    """On the command line: rows, pictures, zoo.md and zoo.json; a second call plays only what is new or was changed."""
    played, real = [], zoo_runs.play

    def watched(name, *rest):
        played.append(name)
        if name == "dragan":
            raise LeafwingError("It blew up.")
        return real(name, *rest)

    monkeypatch.setattr(zoo_runs, "play", watched)
    line = ["bench", "zoo", "--images", "32", "--samples", "50", "--out", str(tmp_path / "z")]
    line += ["--set", "train.batch=16", "watch.log_every=1"]
    assert run([*line, "--recipe", "dcgan", "dragan"]) == 0
    assert "It blew up." in capsys.readouterr().out
    assert run([*line, "--recipe", "dcgan", "dragan", "gan-2014", "--json"]) == 0
    assert played == ["dcgan", "dragan", "gan-2014"]
    told = json.loads(capsys.readouterr().out)
    assert {row["on"] for row in told["rows"]} == {"world:faces", "grid-25"}
    names = {str(p.relative_to(tmp_path / "z")) for p in Path(tmp_path / "z").rglob("*") if p.is_file()}
    assert {"zoo.md", "zoo.json", "rows/dcgan-0.json", "rows/dcgan-0.png", "rows/gan-2014-0.png"} <= names
    (tmp_path / "z" / "rows" / "dcgan-0.json").write_text("half a ro")
    assert run([*line, "--recipe", "dcgan"]) == 0
    assert run([*line, "--recipe", "dcgan", "--seeds", "2"]) == 0
    assert played[3:] == ["dcgan", "dcgan"], "the damaged one, then the second seed"


def test_another_plan_is_another_row(tmp_path):
    recipe, plan = reduced("dcgan", [], 0), Plan(["dcgan"], 64, 1, 50, [], "cpu", tmp_path)
    one = zoo_runs.fingerprint(recipe, plan)
    assert one == zoo_runs.fingerprint(recipe, replace(plan, seeds=3))
    assert one != zoo_runs.fingerprint(recipe, replace(plan, images=65))
    assert one != zoo_runs.fingerprint(reduced("dcgan", ["variant.real_label=0.9"], 0), plan)
