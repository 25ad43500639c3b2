"""One page that tells of a run, several runs side by side: self-contained, honest about gaps and noise."""

from __future__ import annotations

import json
import math
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from test_two_players import SMALL, mine  # noqa: F401

from leafwing import api
from leafwing.cli.main import run
from leafwing.report.difference import Value, differs, end_of, over_seeds, t95


class Page(HTMLParser):
    """What a browser would look at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.open, self.headings = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "line", "polyline", "circle", "rect", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def check_page(text: str) -> Page:
    """Well formed; asks nothing of the network; every picture is told in words; every link leads somewhere."""
    page = Page(text)
    assert not page.open
    names = [tag for tag, _ in page.tags]
    assert not {"script", "link", "iframe", "object", "embed"} & set(names)
    ids = {attrs.get("id") for _, attrs in page.tags}
    for tag, attrs in page.tags:
        assert not any(name.startswith("on") for name in attrs)
        if tag == "img":
            assert attrs["src"].startswith("data:image/png;base64,")
            assert len(attrs["alt"]) > 10
        if tag == "svg":
            assert len(attrs["aria-label"]) > 10
        if tag == "a":
            assert attrs["href"].removeprefix("#") in ids
    assert "url(" not in text
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    return page


def test_a_report_holds_everything_and_asks_nothing_of_the_network(mine, tmp_path, capsys):  # noqa: F811
    assert run(["report", str(mine), "--out", str(tmp_path / "r.html")]) == 0
    text = (tmp_path / "r.html").read_text()
    page = check_page(text)
    assert page.headings == ["Samples", "How it learned", "Curves", "Measures", "Every D against every G",
                             "Where D looks", "Is it a copy?", "From picture to picture", "Settings"]  # fmt: skip
    assert "frechet[pixels]" in text
    assert "Not here" not in text
    assert "of 2 generations" in text
    assert sum(tag == "img" for tag, _ in page.tags) >= 5
    assert sum(tag == "svg" for tag, _ in page.tags) >= 4
    assert "prefers-color-scheme:dark" in text
    assert "@media print" in text
    assert len(text) < 3_000_000


def test_a_report_of_a_run_with_parts_missing_says_so(mine, tmp_path, capsys):  # noqa: F811
    """Even a name that could be misread as HTML."""
    bare = tmp_path / "<b>bare & co"
    shutil.copytree(mine, bare)
    for part in ("samples", "checkpoints", "snapshots", "generator"):
        shutil.rmtree(bare / part)
    (bare / "metrics.jsonl").unlink()
    (bare / "environment.json").unlink()
    assert run(["report", str(bare), "--data", str(tmp_path / "gone")]) == 0
    text = (bare / "report.html").read_text()
    page = check_page(text)
    assert text.count("Not here") == 8
    assert "<b>bare" not in text
    assert "has no checkpoint yet" in text
    assert len(page.headings) == 9
    assert "has no generator yet" in capsys.readouterr().err


def test_welch_in_closed_form():
    """Two groups of three: t = 3.67 at 4 degrees of freedom is beyond 2.78; with a hundredfold spread it is not."""
    a, b = over_seeds([1.0, 2.0, 3.0]), over_seeds([4.0, 5.0, 6.0])
    assert (a.mean, a.error, a.freedom) == (2.0, pytest.approx(1 / math.sqrt(3)), 2)
    assert differs(a, b) is True
    assert differs(over_seeds([-98.0, 2.0, 102.0]), b) is False
    assert differs(Value(1.0), b) is None
    assert differs(Value(1.0, 0.1), Value(1.3, 0.1)) is True  # 3 over sqrt(2) = 2.12 > 1.96
    assert differs(Value(1.0, 0.1), Value(1.27, 0.1)) is False
    assert t95(4.9) == 2.78
    assert t95(30) == pytest.approx(2.042, abs=0.01)
    assert t95(math.inf) == 1.96


def test_equal_runs_are_marked_about_once_in_twenty():
    rng = np.random.default_rng(0)
    marks = [differs(*(over_seeds(rng.standard_normal(4).tolist()) for _ in range(2))) for _ in range(2000)]
    assert np.mean(marks) == pytest.approx(0.05, abs=0.02)


def test_the_end_of_a_curve_and_how_steady_it_is():
    """White noise: the error of the mean of the last fifth is s / sqrt(n); a row after another is not independent."""
    rng = np.random.default_rng(1)
    errors = [end_of(rng.standard_normal(500).tolist()).error for _ in range(300)]
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(1 / 10, rel=0.1)
    assert end_of([5.0] * 100) == Value(5.0, 0.0, 4)
    assert math.isnan(end_of([1.0, 2.0]).error)
    assert end_of([9.0] * 15 + [5.0] * 10) == Value(5.0, 0.0, 4), "25 rows: the last 10"
    assert str(Value(0.12345, 0.01)) == "0.1235 ± 0.01"


def test_runs_are_compared_and_seeds_of_one_recipe_taken_together(mine, tmp_path, capsys):  # noqa: F811
    for name, seed, more in [("second", 1, []), ("wide", 0, ["generator.width=12"])]:
        api.train(
            mine.with_name("pictures.npz"),
            "dcgan",
            out=tmp_path / name,
            steps=12,
            seed=seed,
            settings=[*SMALL, *more],
            device="cpu",
        )
    folders = [str(mine), str(tmp_path / "second"), str(tmp_path / "wide")]
    assert run(["compare", *folders, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [len(group["runs"]) for group in found["groups"]] == [2, 1]
    assert list(found["settings"]) == ["generator.width"]
    real = found["values"]["D right on real"]
    assert real[0]["error"] >= 0
    assert real[1]["error"] is None
    assert real[1]["differs"] is None
    assert run(["compare", *folders, "--out", str(tmp_path / "c.html")]) == 0
    said = capsys.readouterr().out
    assert "mine and 1 more" in said
    assert "One seed only of wide" in said
    page = check_page((tmp_path / "c.html").read_text())
    assert page.headings == ["What differs", "Numbers", "Sheets", "Curves"]
    assert run(["compare", str(mine)]) == 2
    assert "at least two runs" in capsys.readouterr().err
