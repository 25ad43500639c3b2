"""The bench: work counted rightly, the textbook loop the same algorithm as ours, figures in a form others can read."""

from __future__ import annotations

import copy
import json
import shutil
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from leafwing.bench import clock, data, loops, memory, operations, plain, probe, train
from leafwing.bench.flops import Work
from leafwing.cli.main import run
from leafwing.core import randomness
from leafwing.game import Batch, Players, Variant, play_round
from leafwing.latents import Normal
from leafwing.losses.penalties import zero_centred
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


# ---- work ----


def counted(action) -> dict[str, int]:
    with Work() as work:
        action()
    return work.by_operator


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("transposed", [False, True])
def test_flops_of_a_convolution_and_of_its_gradients(groups, transposed):
    """By hand: a weight meets each place once; each gradient costs one forward pass, grouped or not."""
    x = torch.randn(2, 8, 10, 10, requires_grad=True)
    weight = nn.Parameter(torch.randn(8, 16 // groups, 4, 4) if transposed else torch.randn(16, 8 // groups, 4, 4))
    convolve = F.conv_transpose2d if transposed else F.conv2d
    places = 2 * (10 * 10 if transposed else 5 * 5)  # of the input, or of the output
    forward = 2 * places * (8 * 16 // groups) * 4 * 4
    out = []
    assert counted(lambda: out.append(convolve(x, weight, None, 2, 1, groups=groups))) == {"convolution": forward}
    assert counted(lambda: out[0].sum().backward()) == {"convolution_backward": 2 * forward}
    fixed = weight.detach()
    one = convolve(x, fixed, None, 2, 1, groups=groups).sum()
    assert counted(lambda: torch.autograd.grad(one, x)) == {"convolution_backward": forward}, "a frozen layer: half"


def test_flops_of_products_and_what_is_not_counted():
    layer, x = nn.Linear(5, 7), torch.randn(3, 5)
    assert counted(lambda: layer(x)) == {"addmm": 2 * 3 * 5 * 7}
    with torch.inference_mode():
        assert counted(lambda: layer(x)) == {"addmm": 2 * 3 * 5 * 7}
    assert counted(lambda: torch.randn(4, 3, 5) @ torch.randn(4, 5, 2)) == {"bmm": 2 * 4 * 3 * 5 * 2}
    assert counted(lambda: F.relu(x) + 1) == {}


def test_bytes_of_operators_but_not_of_views():
    x = torch.zeros(4, 6)
    with Work() as work:
        x.T.reshape(2, 12)  # a transposed matrix must be copied: once read, once written
    assert work.bytes == 2 * 4 * 6 * 4
    with Work() as work:
        x.view(2, 12)
    assert work.bytes == 0


def test_work_is_counted_through_a_double_backward():
    """torch's own counter fails here; R1 needs it."""
    D, x = (
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.LeakyReLU(), nn.Flatten(), nn.Linear(4 * 36, 1)),
        torch.randn(2, 1, 8, 8),
    )
    ours = counted(lambda: F.softplus(D(x)).mean().backward())
    x.requires_grad_()
    penalised = counted(lambda: plain.squared_slope(D(x), x).backward())
    assert sum(penalised.values()) > sum(ours.values()) > 0


# ---- the textbook loop ----


def players(variant: Variant, optimizer=torch.optim.Adam) -> Players:
    """Networks without dropout and batch statistics: what both loops compute must agree."""
    torch.manual_seed(5)
    G = nn.Sequential(nn.Linear(6, 48), nn.Tanh(), nn.Unflatten(1, (3, 4, 4)))
    D = nn.Sequential(nn.Conv2d(3, 8, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(32, variant.d_outputs))
    D = nn.Sequential(*D, *([nn.Flatten(0)] if variant.d_outputs == 1 else []))
    opts = (optimizer(net.parameters(), lr=1e-3) for net in (G, D))
    return Players(G, D, *opts, Normal(6), seed=3)


class Pairing(Variant):
    """A relativistic loss with R1 and R2 of one weight, as R3GAN's."""

    g_sees_reals = True
    gamma = 3.0

    def d_loss(self, real, fake):
        return {"adversarial": F.softplus(fake - real).mean()}

    def g_loss(self, fake, real=None):
        return {"adversarial": F.softplus(real - fake).mean()}

    def penalties(self, judge, real, fake, step):
        slopes = [zero_centred(judge, batch.pictures) for batch in (real, fake)]
        return {"r1": self.gamma * slopes[0], "r2": self.gamma * slopes[1]}


def drawing(step: int, *turns: str):
    """z as our round draws it in these turns, one after the other."""
    wanted = iter(turns)
    return lambda count: Normal(6).sample(count, randomness.stream(3, step, f"z/{next(wanted)}"))


REALS = torch.linspace(-1, 1, 8 * 48).reshape(8, 3, 4, 4)


def test_the_first_losses_are_ours():
    """From the same weights, z and reals, the tutorial's loop begins with our D's loss and takes our step."""
    mine, theirs = players(GAN()), players(GAN())
    log = play_round(GAN(), replace(mine, share_fakes=True), [Batch(REALS)], 0)
    loss_D, loss_G, *_ = plain.dcgan_round(theirs.G, theirs.D, theirs.opt_G, theirs.opt_D, REALS, drawing(0, "D0"))
    assert loss_D == pytest.approx(float(log["D/adversarial"]), rel=1e-6)
    assert loss_G == pytest.approx(float(log["G/adversarial"]), rel=1e-6)
    ours, plains = [*mine.G.parameters(), *mine.D.parameters()], [*theirs.G.parameters(), *theirs.D.parameters()]
    for a, b in zip(ours, plains, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("share", [False, True], ids=["fresh fakes", "shared fakes"])
@pytest.mark.parametrize(
    "variant",
    [
        GAN(),
        GAN(judge="softmax"),
        GAN(judge="regression", g_objective="score"),
        GAN(r1_gamma=5.0, r1_every=2),
        Pairing(),
    ],
    ids=["classes", "softmax", "regression", "lazy R1", "pairs, R1, R2"],
)
def test_rounds_of_any_variant_are_ours(variant, share):
    """Four rounds from the same weights, z and reals end with the same two networks."""
    mine, theirs = replace(players(variant), share_fakes=share), players(variant)
    before = copy.deepcopy(theirs.D)
    for step in range(4):
        log = play_round(variant, mine, [Batch(REALS)], step)
        loss_D, loss_G, *_ = plain.penalised_round(
            variant,
            theirs.G,
            theirs.D,
            theirs.opt_G,
            theirs.opt_D,
            [REALS],
            drawing(step, "D0", "G0"),
            step,
            share_fakes=share,
        )
        assert ("D/r1" in log) == (plain.gammas(variant, step)[0] > 0)
        terms = (log.get(f"D/{name}", 0.0) for name in ("adversarial", "r1", "r2"))
        assert loss_D == pytest.approx(float(sum(terms)), rel=1e-5)
        assert loss_G == pytest.approx(float(log["G/adversarial"]), rel=1e-5)
    ours, plains = [*mine.G.parameters(), *mine.D.parameters()], [*theirs.G.parameters(), *theirs.D.parameters()]
    for a, b in zip(ours, plains, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    assert any(not torch.equal(a, b) for a, b in zip(before.parameters(), theirs.D.parameters(), strict=True))


@pytest.mark.parametrize("variant", [GAN(), GAN(r1_gamma=1.0)], ids=["dcgan", "penalised"])
def test_the_textbook_freezes_nothing_and_reads_five_numbers(variant, monkeypatch):
    read, item = [], torch.Tensor.item
    monkeypatch.setattr(torch.Tensor, "item", lambda x: read.append(item(x)) or read[-1])
    table = players(variant, torch.optim.SGD)  # Adam reads its own step number
    nets = table.G, table.D, table.opt_G, table.opt_D
    if plain.is_dcgan(variant):
        told = plain.dcgan_round(*nets, REALS, drawing(0, "D0"))
    else:
        told = plain.penalised_round(variant, *nets, [REALS], drawing(0, "D0", "G0"), 0)
    assert sorted(read) == sorted(told)
    assert len(told) == 5
    assert all(p.grad is not None for p in table.D.parameters()), "G's turn left gradients in D"


def test_each_shipped_recipe_gets_its_textbook():
    simple = {name for name in ("dcgan", "gan-2014", "faces") if plain.is_dcgan(load_recipe(name).build_variant())}
    assert simple == {"dcgan", "gan-2014"}


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


# ---- kinds of rounds, clocks, memory ----


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
    assert memory.peak(CPU) > held.nbytes / memory.MB


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
