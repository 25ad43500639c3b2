"""The gallery from 2014 to today (R90; issue 5, item 8): one command, one sheet, one page; stopped, it goes on."""

from __future__ import annotations

import re
import signal

import pytest
from PIL import Image

from leafwing import api
from leafwing.bench import gallery
from leafwing.bench.reduced import of_pictures
from leafwing.cli.main import run
from leafwing.core.errors import BadConfig
from leafwing.recipe import load_recipe
from leafwing.run import Outcome

SMALL = ["--image-size", "16", "--images", "16", "--set", "train.batch=8", "data.count=32", "watch.samples=1"]
SMALL += ["average.halflife_kimg=0"]


def test_every_recipe_of_a_paper_hangs_in_the_order_of_years():
    """By scan; of the usual ones, each has a year that stands in its title, and no year is in the future."""
    order = gallery.dated(gallery.usual())
    assert order == sorted(order)
    assert order[0][0] == 2014
    assert {"gan-2014", "dcgan", "wgan-gp", "r3gan"} <= {name for _, name in order}
    assert set(of_pictures()) - {name for _, name in order} <= {"faces"}
    assert gallery.year_of(load_recipe("cgan")) == 2014
    with pytest.raises(BadConfig, match="faces cannot hang in the gallery"):
        gallery.dated(["faces"])


def test_all_are_played_alike(tmp_path):
    """Same data, same side, same pictures shown: WGAN with its many turns of D plays fewer rounds."""
    plan = gallery.Plan([], "world:faces", 32, 1000, [], "cpu", tmp_path)
    for name in gallery.usual():
        recipe = gallery.planned(plan, name)
        shown = [recipe.turns_of_d(step) * recipe.train.batch for step in (recipe.train.steps, recipe.train.steps - 1)]
        assert shown[0] >= 1000 > shown[1], name
        assert (recipe.data.source, recipe.data.image_size, recipe.data.channels) == ("world:faces", 32, 3)


def test_one_command_makes_the_sheet_and_the_page(tmp_path, capsys, monkeypatch):
    """Self-contained; a second call trains nothing; other settings in the same folder are refused."""
    line = ["zoo", "gallery", "--out", str(tmp_path / "g"), "--recipe", "cgan", "dcgan", "gan-2014", *SMALL]
    assert run(line) == 0
    assert [words.split()[:2] for words in capsys.readouterr().out.splitlines()[:3]] == [
        ["2014", "cgan"],
        ["2014", "gan-2014"],
        ["2016", "dcgan"],
    ]
    html = (tmp_path / "g" / "gallery.html").read_text(encoding="utf-8")
    assert html.count("data:image/png;base64,") == 3
    assert not re.search(r"(src|href)=\"(?!data:|#)", html), "nothing is loaded"
    assert html.index("2014  gan-2014") < html.index("2016  dcgan")
    assert "leafwing zoo gallery --data world:faces --image-size 16 --images 16 --recipe cgan dcgan gan-2014" in html
    with Image.open(tmp_path / "g" / "gallery.png") as sheet:
        assert sheet.width > 10 * 64
    monkeypatch.setattr(api, "train", None)
    monkeypatch.setattr(api, "resume", None)
    assert run(line) == 0
    assert (tmp_path / "g" / "gallery.html").read_text(encoding="utf-8") == html
    assert run([*line, "train.seed=5"]) == 2
    assert "holds a run with other settings" in capsys.readouterr().err


def test_a_stopped_gallery_goes_on(tmp_path, capsys, monkeypatch):
    """The signal's exit code; then the run that was begun is resumed, and what was done stays."""
    real = api.train

    def stopping(recipe, out, device):
        if "gan-2014" in str(out):
            return real(recipe=recipe, out=out, device=device)
        begun = real(recipe=recipe.override(["train.steps=1"]), out=out, device=device)
        (out / "run.toml").write_text(recipe.to_toml(), encoding="utf-8")
        return Outcome(out, begun.step, signal.SIGINT)

    monkeypatch.setattr(api, "train", stopping)
    line = ["zoo", "gallery", "--out", str(tmp_path / "g"), "--recipe", "dcgan", "gan-2014", *SMALL]
    assert run(line) == 130
    assert "the same command goes on" in capsys.readouterr().out
    assert not (tmp_path / "g" / "gallery.html").exists()
    assert run(line) == 0
    assert (tmp_path / "g" / "gallery.html").exists()
    assert api.status(tmp_path / "g" / "runs" / "dcgan")["step"] == 2


def test_what_cannot_be_played_is_said_in_its_place(tmp_path, capsys):
    """A conditional recipe on pictures without labels: a sentence on the page, the others are there."""
    from PIL import Image as Pictures

    (tmp_path / "plain").mkdir()
    for number in range(8):
        Pictures.new("RGB", (16, 16), (number * 20, 0, 0)).save(tmp_path / "plain" / f"{number}.png")
    line = ["zoo", "gallery", "--out", str(tmp_path / "g"), "--data", str(tmp_path / "plain")]
    assert run([*line, "--recipe", "cgan", "gan-2014", *[s for s in SMALL if "count" not in s]]) == 0
    html = (tmp_path / "g" / "gallery.html").read_text(encoding="utf-8")
    assert "Not here:" in html
    assert html.count("data:image/png;base64,") == 1
