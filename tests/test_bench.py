"""The bench's measuring and its commands: fair, honest about memory, in a form that others can read."""

from __future__ import annotations

import json
import shutil
import sys
from functools import partial

import numpy as np
import pytest
import torch

from leafwing.bench import clock, data, loops, memory, operations, probe, train
from leafwing.cli.main import run
from leafwing.core import randomness
from leafwing.recipe import load_recipe
from leafwing.variants.gan import GAN

CPU = torch.device("cpu")
TINY = """
[variant]
name = "gan"
r1_gamma = 1.0
r1_every = 4
[prior]
name = "normal"
dim = 5
[generator]
name = "resize"
width = 4
[discriminator]
name = "resize"
width = 4
[data]
image_size = 16
[train]
batch = 8
precision = "fp32"
"""
ROW = ["recipe", "precision", "batch", "threads", "images_per_s", "plain_images_per_s", "ratio", "peak_mb",
       "ceiling_share"]  # fmt: skip


@pytest.fixture
def tiny(tmp_path):
    """A recipe that plays a round in milliseconds."""
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return str(path)


@pytest.fixture
def quick(monkeypatch):
    """No child processes and no seconds of probing."""
    monkeypatch.setattr(memory, "measure", lambda *_: memory.Peak(peak=200.0, idle=100.0))
    monkeypatch.setattr(probe, "measure", lambda device: probe.Ceiling(fp32=50.0, bf16=None, copy=10.0))


# ---- kinds of rounds, clocks, memory ----


@pytest.mark.parametrize("name", ["ours", "plain"])
def test_both_loops_begin_with_the_recipes_weights(name, tiny, monkeypatch):
    """Else a ratio would compare different networks."""
    seen = []

    class Noting(torch.optim.Adam):
        def __init__(self, parameters, **options):
            parameters = list(parameters)
            seen.extend(p.detach().clone() for p in parameters)
            super().__init__(parameters, **options)

    monkeypatch.setattr(torch.optim, "Adam", Noting)
    recipe = load_recipe(tiny)
    loops.build(name, recipe, CPU)
    randomness.seed_networks(recipe.train.seed, -1)
    expected = [p for net in recipe.build_networks() for p in net.parameters()]
    assert len(seen) == len(expected)
    assert all(torch.equal(a, b) for a, b in zip(seen, expected, strict=True))


def test_a_lazy_penalty_is_timed_and_weighted_by_itself():
    assert loops.kinds(GAN(r1_gamma=1.0, r1_every=8)) == {0: 1 / 8, 1: 7 / 8}
    assert loops.kinds(GAN()) == {0: 1.0}
    shares, taken = {0: 0.25, 1: 0.75}, {0: clock.Seconds(8.0, 4.0), 1: clock.Seconds(4.0, 2.0)}
    assert train.weighted(shares, taken) == clock.Seconds(5.0, 2.5)


def test_loops_play_in_turn_and_in_both_orders():
    played: list[str] = []
    result = clock.in_turn({name: lambda _, name=name: played.append(name) for name in "ab"}, 0, 3, CPU)
    assert played == ["a", "b", "b", "a", "a", "b"]
    assert result["a"].wall >= 0


def test_memory_is_the_childs_own(tiny):
    """Linux hands ru_maxrss down to children: one measured so could never be below its parent's."""
    held = np.ones(100_000_000)  # 800 MB
    found = memory.measure("ours", load_recipe(tiny), CPU, 1, [0])
    assert found is not None
    assert 20 < found.idle < found.peak < held.nbytes / memory.MB
    assert memory.peak() > held.nbytes / memory.MB


def test_memory_that_cannot_be_measured_is_said(tiny, capsys, monkeypatch):
    """The other figures are still worth having."""
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    assert memory.measure("ours", load_recipe(tiny), CPU, 1, [0]) is None
    assert "not measured" in capsys.readouterr().err


def test_the_profiler_names_operations_and_keeps_quiet(tiny, capfd):
    play = loops.build("ours", load_recipe(tiny), CPU)
    top, waits = operations.top_operations(play, 1, CPU, most=3)
    assert len(top) == 3
    assert all(0 < op.share < 1 and op.calls > 0 for op in top)
    assert top == sorted(top, key=lambda op: -op.share)
    assert waits is None
    assert capfd.readouterr() == ("", "")


def test_the_ceiling_is_measured():
    found = probe.measure(CPU, seconds=0.01, side=64)
    assert found.fp32 > 0
    assert found.copy > 0
    assert found.flops("fp32") == found.fp32 * 1e9


# ---- the commands ----


def test_train_as_json(tiny, capsys, monkeypatch):
    """The keys that others read, with a child process for each loop's memory."""
    monkeypatch.setattr(probe, "measure", partial(probe.measure, seconds=0.1, side=256))
    line = ["bench", "train", "--recipe", tiny, "--against", "plain", "--batch", "4", "--rounds", "1", "--json"]
    assert run(line) == 0
    said = capsys.readouterr()
    report = json.loads(said.out)
    (row,) = report["rows"]
    assert list(row)[: len(ROW)] == ROW
    assert (row["recipe"], row["precision"], row["batch"], row["threads"]) == (tiny, "fp32", 4, 1)
    assert row["ratio"] == pytest.approx(row["images_per_s"] / row["plain_images_per_s"], rel=0.01)
    assert row["rounds_per_s"] == pytest.approx(row["images_per_s"] / 4, rel=0.01)
    assert 0 < row["ceiling_share"] < 2
    assert row["idle_mb"] < row["peak_mb"]
    assert row["plain_peak_mb"] > 20
    assert row["gflop_per_image"] > 0
    assert row["top_operations"]
    assert report["ceilings"][0]["fp32"] > 0
    assert report["machine"]["torch"] == torch.__version__
    assert all(line.startswith("leafwing: ") for line in said.err.splitlines())


def test_train_plays_every_combination_once(tiny, quick, capsys):
    line = ["bench", "train", "--recipe", tiny, "--batch", "4", "8", "--threads", "1", "2", "--precision", "fp32",
            "auto", "--rounds", "1", "--set", "train.n_d=2", "--json"]  # fmt: skip
    before = torch.get_num_threads()
    assert run(line) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {(row["batch"], row["threads"]) for row in rows} == {(4, 1), (4, 2), (8, 1), (8, 2)}
    assert all(row["ratio"] is None and row["plain_images_per_s"] is None for row in rows)
    assert torch.get_num_threads() == before


def test_train_as_text(tiny, quick, capsys):
    assert run(["bench", "train", "--recipe", tiny, "--against", "plain", "--rounds", "1"]) == 0
    out = capsys.readouterr().out
    assert "GFLOP/s" in out
    assert "of ceiling" in out
    assert "where the time goes" in out


def test_sample_as_json(tiny, quick, capsys):
    assert run(["bench", "sample", "--recipe", tiny, "--seconds", "0.1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["batch"] for row in rows] == [1, 64]
    assert all(row["images_per_s"] > 0 and row["latency_ratio"] > 0 for row in rows)


def test_data_as_json(capsys):
    assert run(["bench", "data", "--count", "12", "--image-size", "32", "--seconds", "0.1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["what"].split(",")[0] for row in rows] == ["build", "build", "rebuild", "rebuild", "feed"]
    assert [row["images"] for row in rows[:4]] == [12, 12, 12, 13]
    assert rows[0]["images_per_cpu_s"] > 0


def test_pictures_are_made_in_every_format(tmp_path):
    paths = data.write_pictures(tmp_path, 6, 32)
    assert {path.suffix for path in paths} == {".png", ".jpg", ".webp"}
    assert len({path.read_bytes() for path in paths}) == 6


BAD = {
    "train --recipe dcgam": "'dcgan'",
    "train --batch 0": "train.batch = 0",
    "train --recipe dcgan --batch 1": "BatchNorm",
    "train --threads 0": "--threads 0",
    "train --rounds 0": "--rounds 0",
    "train --seconds 0": "--seconds 0",
    "train --precision fp8": "fp8",
    "train --against fast": "fast",
    "train --set generator.wdth=3": "width",
    "sample --threads -1": "--threads -1",
    "sample --recipe nothing.toml": "nothing.toml",
    "data --count 1": "--count 1",
    "data --workers 0": "--workers 0",
    "data --image-size 2": "--image-size 2",
}
if not torch.cuda.is_available():
    BAD |= {"train --device cuda": "--device cuda", "sample --device cuda": "--device cuda"}


@pytest.mark.parametrize("line", BAD)
def test_bad_input_gets_one_sentence(line, capsys):
    assert run(["bench", *line.split()]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (sentence,) = said.err.splitlines()
    assert BAD[line] in sentence
    assert "Traceback" not in sentence
