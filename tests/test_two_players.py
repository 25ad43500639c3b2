"""R42, R43, R45, R95: every D against every G, where D looks, curves, gradients layer by layer."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
from PIL import Image
from test_recipe import TINY
from torch import nn

from leafwing import api
from leafwing.cli.main import run
from leafwing.core import tensors
from leafwing.core.pictures import read_png_metadata
from leafwing.explore import charts, curves, gaze, heat, of_run
from leafwing.explore.appearance import Appearance
from leafwing.explore.appearance import Moment as Moments
from leafwing.explore.moments import Moment, moments, some_moments
from leafwing.explore.players import Duels, above, duels
from leafwing.game import Batch
from leafwing.latents import Normal
from leafwing.training import fit
from leafwing.variants.gan import GAN
from leafwing.watch.samples import LECTURE_STEPS, is_sheet_step
from leafwing.watch.snapshots import Snapshots, is_snapshot_step

SMALL = [*TINY["dcgan"], "data.image_size=16", "data.count=64", "train.batch=8", "prior.dim=6", "train.precision=fp32",
         "watch.log_every=2", "watch.samples=4", "watch.snapshots=true", "watch.alarms=false"]  # fmt: skip


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """A run of 12 rounds with snapshots after 0, 10 and 12."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs") / "mine"
    coarse = np.random.default_rng(0).integers(0, 256, (64, 4, 4, 3), dtype=np.uint8)
    np.savez(folder.with_name("pictures.npz"), coarse.repeat(4, axis=1).repeat(4, axis=2))
    cache = os.environ.get("LEAFWING_TEST_CACHE") or str(tmp_path_factory.getbasetemp() / "cache")
    with pytest.MonkeyPatch.context() as patch:  # conftest's own comes after fixtures of a module
        patch.setenv("LEAFWING_CACHE", cache)
        api.train(folder.with_name("pictures.npz"), "dcgan", out=folder, steps=12, settings=SMALL, device="cpu")
    return folder


def test_snapshots_are_kept_on_the_lectures_rounds(mine):
    assert all(is_snapshot_step(step) and is_sheet_step(step) for step in (0, *LECTURE_STEPS))
    assert [s for s in range(300) if is_snapshot_step(s)] == [0, 10, 20, 50, 100, 200]
    assert [m.step for m in moments(mine)] == [0, 10, 12]
    last = moments(mine)[-1].folder
    assert last.parent.name == "snapshots"
    for name in ("generator", "discriminator"):
        kept = tensors.from_bytes((last / f"{name}.safetensors").read_bytes(), name)
        played = tensors.from_bytes((mine / f"checkpoints/step-00000012/{name}.safetensors").read_bytes(), name)
        assert kept.keys() == played.keys()
        assert all(torch.equal(kept[key], played[key]) for key in kept)
    assert [m.step for m in some_moments(mine, 2)] == [0, 12]


def test_when_faces_appear(mine, tmp_path, capsys):
    """R43, R44: the first moment at which most pictures show a face; without a detector other data are refused."""
    assert run(["explore", "appearance", str(mine)]) == 2
    assert "--cascade" in capsys.readouterr().err
    faces = tmp_path / "faces"
    api.train("world:faces", "dcgan", out=faces, steps=10, settings=[*SMALL, "data.image_size=32"], device="cpu")
    capsys.readouterr()
    assert run(["explore", "appearance", str(faces), "--count", "16", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [m["step"] for m in found["moments"]] == [0, 10]
    assert found["moments"][0]["whole"] == 0, "the first G draws noise"
    assert found["first"] == {"found": None, "whole": None}
    shares = [Moments(step, share, None, 1.0) for step, share in ((0, 0.0), (10, 0.5), (20, 0.7), (50, 0.4))]
    seen = Appearance(shares, 10)
    assert seen.first("found") == 20
    assert seen.sentences()[-1] == "The detector finds a face in most pictures first after 20 rounds."


def test_a_resumed_run_drops_the_snapshots_it_plays_again(tmp_path):
    from conftest import small_training

    fit(small_training(goal=21), [Snapshots(tmp_path)])
    assert sorted(p.name[-2:] for p in tmp_path.iterdir()) == ["00", "10", "20", "21"]
    again = small_training(goal=12)
    again.step = 11
    fit(again, [Snapshots(tmp_path)])
    assert sorted(p.name[-2:] for p in tmp_path.iterdir()) == ["00", "10", "12"]


def test_above_is_the_chance_by_brute_force():
    torch.manual_seed(0)
    fake, real = torch.randint(0, 5, (40,)).float(), torch.randint(1, 6, (30,)).float()
    pairs = (fake[:, None] > real).double() + 0.5 * (fake[:, None] == real).double()
    assert above(fake, real) == pytest.approx(pairs.mean().item(), abs=1e-12)


class Brightness(nn.Module):
    """D: its weight times the mean pixel. G: a flat picture of its weight's brightness."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, x):
        flat = self.weight.expand(len(x), 1, 4, 4) if x.ndim == 2 else None
        return flat if flat is not None else self.weight * x.mean((1, 2, 3))


class Actors:
    """Moments 0, 1, 2: G ever brighter; D likes bright, then dark, then bright pictures."""

    def generator(self, moment):
        return Brightness([-0.5, 0.0, 0.5][moment.step])

    def discriminator(self, moment):
        return Brightness([1.0, -1.0, 1.0][moment.step])


def test_the_table_of_duels_in_closed_form(tmp_path):
    """Reals are flat and of brightness 0: each cell is 0, a half or 1."""
    stages = [Moment(step, tmp_path) for step in range(3)]
    found = duels(Actors(), stages, GAN(), Normal(2), Batch(torch.zeros(10, 1, 4, 4)), batch=4)
    assert found.fooled == [[0, 0.5, 1], [1, 0.5, 0], [0, 0.5, 1]]
    assert found.passed == [[0, 0, 1], [1, 0, 0], [0, 0, 1]]
    assert found.real_right == [0, 0, 0]
    # D0: G1 fools it better than G0; D1: G2 does not. D1 on G1 is no better than D0; D2 on G2 is worse than D1.
    assert found.fools_better == (1, 2)
    assert found.catches_better == (0, 2)
    assert "1 of 2" in found.sentences()[0]
    assert "two" in Duels([5], [[0.5]], [[0.5]], [0.5], 10).sentences()[0]


def test_saliency_of_a_linear_judge_is_its_weights():
    """R43: D looks at the upper left quarter alone; it is left in the mode it was in."""

    class Linear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(2, 8, 8))
            with torch.no_grad():
                self.weight[0, :4, :4], self.weight[1, :4, :4] = 3.0, 4.0

        def forward(self, x):
            return (x * self.weight).sum((1, 2, 3))

    D = Linear().train()
    found = gaze.saliency(D, GAN(), Batch(torch.randn(3, 2, 8, 8)))
    torch.testing.assert_close(found[:, :4, :4], torch.ones(3, 4, 4))  # |(3, 4)| = 5, over its 99th percentile 5
    assert found[:, 4:].abs().max() == 0
    assert D.training
    assert D.weight.grad is None


@pytest.mark.parametrize("frozen", [False, True])
def test_gradient_norms_layer_by_layer_in_closed_form(frozen):
    """R95: loss = mean of w2 relu(w1 x); gradient w2/n at layer 1 (where open), 1/n at layer 2."""
    D = nn.Sequential(nn.Linear(1, 1, bias=False), nn.ReLU(inplace=True), nn.Linear(1, 1, bias=False))
    with torch.no_grad():
        D[0].weight.fill_(2.0)
        D[2].weight.fill_(-5.0)
    D.requires_grad_(not frozen)
    x = torch.tensor([[1.0], [3.0], [-1.0], [2.0]])
    found = gaze.layer_norms(D, lambda D: D(x).mean())
    assert [name for name, _ in found] == ["0", "2"]
    assert found[0][1] == pytest.approx(5 / 4 * 3**0.5)
    assert found[1][1] == pytest.approx(1 / 4 * 4**0.5)
    assert not D[0]._forward_hooks
    assert all(p.grad is None for p in D.parameters())


def test_charts_are_sound_and_leave_out_what_is_no_number():
    nan = float("nan")
    lines = [charts.Line("a <b>", range(5), [0.1, nan, 0.3, 0.2, 0.5]), charts.Line("none", [], [])]
    drawn = ET.fromstring(charts.chart(lines, "T & co", y_range=(0, 1)))
    points = drawn.findall("{*}polyline")
    assert len(points) == 1
    assert len(points[0].attrib["points"].split()) == 4
    assert "a <b> from 0.1 to 0.5" in drawn.attrib["aria-label"]
    assert charts.chart([charts.Line("x", [1], [nan])], "empty") == ""
    assert "--s1" in charts.chart(lines[::-1], "each keeps its colour").split("polyline")[1]
    many = charts.sound(charts.Line("long", range(10_000), range(10_000)))
    assert len(many) <= charts.MOST
    assert sum(y for _, y in many) / len(many) == pytest.approx(4999.5, rel=0.01)
    assert [name for _, name in charts.Axis(1e-6, 1e2, log=True).ticks()] == ["1e-6", "1e-4", "0.01", "1", "100"]
    assert [name for _, name in charts.Axis(0, 20_000).ticks()] == ["0", "5,000", "10k", "15k", "20k"]
    assert [name for _, name in charts.Axis(0.08, 0.6, log=True).ticks()] == ["0.1", "0.2", "0.5"]
    file = ET.fromstring(charts.alone([charts.chart(lines, "one"), charts.chart(lines, "two")]))
    assert len(file.findall("{*}svg")) == 2


def test_heat_is_blue_below_a_half_and_red_above():
    assert heat.colour(0.0)[2] > heat.colour(0.0)[0]
    assert heat.colour(1.0)[0] > heat.colour(1.0)[2]
    assert heat.colour(0.5) == heat.MIDDLE
    wide = heat.table([[0.1, 0.9]], ["5"], ["5", "10"], "title", "D", "G")
    assert wide.width > 150
    assert heat.glow(np.array([[[0.0, 1.0]]], dtype=np.float32)).tolist() == [[[[0, 0, 0], [255, 255, 255]]]]


def test_the_command_looks_into_a_run(mine, tmp_path, capsys):
    """R42, R43, R45, R82, R95 on the command line."""
    assert run(["explore", "players", str(mine), "--count", "32", "--out", str(tmp_path / "t.png"), "--json"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert table["steps"] == [0, 10, 12]
    assert all(0 <= value <= 1 for row in table["fooled"] for value in row)
    assert json.loads(read_png_metadata(tmp_path / "t.png")["leafwing:found"]) == table
    assert run(["explore", "neighbours", str(mine), "--count", "9", "--out", str(tmp_path / "n.png"), "--json"]) == 0
    near = json.loads(capsys.readouterr().out)
    assert near["copies"] == 0
    assert near["training_pictures"] == 64
    assert len(near["closeness"]) == 9
    assert run(["explore", "gaze", str(mine), "--out", str(tmp_path / "g.png"), "--count", "2"]) == 0
    assert run(["explore", "slopes", str(mine), "--out", str(tmp_path / "s.svg")]) == 0
    assert run(["explore", "curves", str(mine), "--out", str(tmp_path / "c.svg")]) == 0
    assert "on generated" in (tmp_path / "c.svg").read_text()
    for name in ("s.svg", "c.svg"):
        ET.parse(tmp_path / name)
    capsys.readouterr()
    assert run(["explore", "players", str(mine)]) == 0
    assert "of 2 generations" in capsys.readouterr().out


@pytest.mark.parametrize("recipe", ["cgan", "acgan"])
def test_conditional_players_are_told_what_was_asked_for(recipe, tmp_path):
    """Both players, or G alone where D has to find out by itself."""
    rng = np.random.default_rng(0)
    for name in ("dark", "light"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for n in range(12):
            shade = rng.integers(0, 100, (16, 16, 3)) + 150 * (name == "light")
            Image.fromarray(shade.astype(np.uint8)).save(tmp_path / "data" / name / f"{n}.png")
    settings = [*SMALL, "generator.width=4", "discriminator.width=4", "data.condition=folder", "watch.samples=4"]
    settings = [s for s in settings if s != "data.count=64"]
    api.train(tmp_path / "data", recipe, out=tmp_path / "run", steps=2, settings=settings, device="cpu")
    opened = of_run.look(tmp_path / "run", device="cpu")
    assert opened.reals(8).condition is not None
    found = of_run.set_against(opened, 16)
    assert found.steps == [0, 2]
    assert all(0 <= value <= 1 for row in found.fooled for value in row)
    assert of_run.gaze_sheet(opened, 2).width > 50
    assert len(of_run.slopes(opened, 8)) == 2
    assert len(of_run.find_neighbours(opened, 4)[1]) == 4
    by_pixels, by_network = (of_run.find_neighbours(opened, 4, 1, name)[0] for name in (None, "pixels"))
    assert by_network.usual == pytest.approx(by_pixels.usual / 2), "the same 16 x 16 in 0..1 instead of -1..1"
    assert run(["report", str(tmp_path / "run")]) == 0


def test_curves_show_every_term_of_g_and_nothing_of_a_d_that_is_none():
    """Of likelihood alone (`chat-mle`, `video-supervised`) D's numbers are those of nobody."""
    row = {"step": 20, "D/adversarial": 1.39, "D/grad_norm": 0.0, "D/real_accuracy": 0.0, "G/likelihood": 31.6}
    rows = [row | {"G/grad_norm": 6.0}, row | {"step": 40, "G/likelihood": 20.5, "G/grad_norm": 5.0}]
    text = "".join(curves.charts(rows))
    assert "likelihood from 31.6 to 20.5" in text
    assert "How often D is right" not in text
    assert ": D from" not in text
    assert "path length" not in "".join(curves.charts([one | {"G/path_length": 3.0} for one in rows])), "no term"
    below = "".join(curves.charts([row | {"G/codes": 1.5}, rows[1] | {"G/codes": -0.5}]))
    assert "codes from 1.5 to -0.5" in below, "a term may be below 0"
    judged = "".join(curves.charts([one | {"D/grad_norm": 0.7} for one in rows]))
    assert "How often D is right" in judged


def test_curves_of_a_run_that_answers_questions(tmp_path):
    """It draws no pictures, but its players learn like any other; what needs pictures still says so."""
    chat = ["data.count=60", "generator.width=8", "discriminator.width=8", "train.batch=4", "watch.log_every=1"]
    api.train(None, "chat-gan", out=tmp_path / "run", steps=2, settings=chat, device="cpu")
    assert run(["explore", "curves", str(tmp_path / "run"), "--out", str(tmp_path / "c.svg")]) == 0
    assert "likelihood from" in (tmp_path / "c.svg").read_text()
    assert run(["report", str(tmp_path / "run")]) == 2
