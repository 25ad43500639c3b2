"""Issue 3, item 11: ``--dry-run`` says what a recipe needs, and a run that is too large is told what would fit."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_recipe import TINY
from torch import Tensor, nn

from leafwing import api
from leafwing.cli.main import run
from leafwing.core import machine
from leafwing.core.errors import BadConfig, BadData
from leafwing.estimate import Ledger, Memory, estimate, fullest, is_out_of_memory, out_of_memory
from leafwing.networks.growing import Growing
from leafwing.recipe import Recipe, shipped

SMALL = ["data.image_size=16", "train.batch=8"]


def tiny(name: str = "dcgan", *more: str) -> Recipe:
    return api.make_recipe(None, name, settings=[*TINY[name], *SMALL, *more])


def done_with(net: nn.Module) -> list[int]:
    """Sizes of the weights that a network which grew no longer uses: the colours of coarser sides."""
    colours = getattr(net, "to_picture", getattr(net, "from_picture", None)) if isinstance(net, Growing) else None
    return [p.numel() for layer in list(colours)[:-1] for p in layer.parameters()] if colours else []


@pytest.mark.parametrize("name", sorted(TINY))
def test_what_is_estimated_is_what_is_built(name):
    """Parameters, layers and bytes between rounds are exact."""
    recipe = tiny(name)
    found = estimate(recipe, "cpu", seconds=0)
    G, D = recipe.build_networks(recipe.stand_in())
    for who, net in (("generator", G), ("discriminator", D)):
        assert found.parameters[who] == sum(p.numel() for p in net.parameters())
        assert sum(row.parameters for row in found.layers[who]) == found.parameters[who] - sum(done_with(net))
    side = 16**2 if name == "transgan" else 16  # its last layer knows tokens, one a pixel
    assert (recipe.data.words + 1 if recipe.data.reply_words else side) in found.layers["generator"][-1].shape
    size = {who: 4 * count for who, count in found.parameters.items()}
    buffers = [b.numel() * b.element_size() for net in (G, G, D) for b in net.buffers()]
    assert found.memory.networks == 2 * size["generator"] + size["discriminator"] + sum(buffers)
    name = recipe.optimizer.generator.name
    slots = 1 if name in ("sgd", "rmsprop") else 2
    learning = [p.numel() for net in (G, D) for p in net.parameters()]
    idle = [*done_with(G), *done_with(D)]
    steps = 0 if name == "sgd" else 4 * (len(learning) - len(idle))
    assert found.memory.optimizers == 4 * slots * (sum(learning) - sum(idle)) + steps
    assert found.round_seconds > 0


def test_every_shipped_recipe_is_tried_here():
    assert set(TINY) == set(shipped())


def test_the_ledger_counts_what_lives_at_once():
    with Ledger() as ledger:
        a = torch.zeros(1000)
        b = a.view(10, 100)  # shares
        b.add_(1)  # in place
        c = a + 1
        del a, b
        d = c * 2
        del c, d
        torch.zeros(1)
    assert max(ledger.sums) == 8000
    assert ledger.sums[-1] <= 4


def test_the_fullest_moment_depends_on_the_batch():
    """An optimiser's step is the fullest moment of a small batch, the end of the forward pass that of a large one."""
    sums = {batch: [0, 1000, 10 * batch + 100, 5 * batch, 400] for batch in (8, 16)}
    moments = fullest(sums[8], sums[16], 8)
    assert max(a + b * 8 for a, b in moments) == 1000
    assert max(a + b * 200 for a, b in moments) == 2100
    assert len(moments) == 2
    assert fullest([0, 80], [0, 7, 160], 8) == [(0, 10)], "other operations with another batch: only the peaks compare"


def test_a_batch_that_fits_needs_no_more_than_is_free():
    memory = Memory(networks=10**8, optimizers=10**8, moments=[(0, 2_000_000), (10**8, 1_000)], free=4 * 10**9)
    batch = memory.fits()
    assert batch is not None
    assert memory.needed(batch) <= 0.9 * memory.free < memory.needed(batch + 8)
    assert Memory(10**9, 10**9, [(0, 1)], 10**9).fits() == 0
    assert Memory(1, 1, [(0, 1)], None).fits() is None


def test_dry_run_prints_a_recipe_and_what_it_needs(tmp_path, monkeypatch, capsys):
    """The rest are comments, so that the output is a recipe; no data is read, nothing is written."""
    monkeypatch.chdir(tmp_path)
    line = ["train", "not/there", "--dry-run", "--recipe", "dcgan", "--batch", "4", "--set", *TINY["dcgan"], SMALL[0]]
    monkeypatch.setattr(api, "estimate", partial(api.estimate, seconds=0))
    assert run(line) == 0
    out = capsys.readouterr().out
    again = Recipe.from_dict(tomllib.loads(out))
    assert again.train.batch == 4
    for words in ("ConvTranspose2d", "16", "parameters", "memory: about", "free on", "for 1,000 rounds", "all 50,000"):
        assert words in out
    assert run([*line, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["recipe"] == json.loads(json.dumps(again.as_dict()))
    assert found["seconds_per_1000_rounds"] > 0
    assert found["memory_needed"] > found["memory"]["networks"]
    assert "labels" not in out
    assert list(tmp_path.iterdir()) == []
    line = ["train", "not/there", "--dry-run", "--recipe", "cgan", "--batch", "4", "--set", *TINY["cgan"], SMALL[0]]
    assert run(line) == 0
    assert "# labels: not read here; hair, eyes should be known of the pictures" in capsys.readouterr().out


@pytest.mark.parametrize("recipe", ["cgan", "acgan"])
def test_dry_run_refuses_data_without_the_labels_that_a_run_would_ask_for(recipe, tmp_path, monkeypatch, capsys):
    """In the same words as the run, before a round is tried; with them it goes on, and nothing is decoded."""
    for number in range(4):
        Image.fromarray(np.full((16, 16, 3), number, np.uint8)).save(tmp_path / f"{number}.png")
    monkeypatch.setattr(api, "estimate", partial(api.estimate, seconds=0))
    monkeypatch.setattr("leafwing.data.tasks.DecodeInto.__init__", lambda *_: pytest.fail("a picture was decoded"))
    line = ["train", str(tmp_path), "--dry-run", "--recipe", recipe, "--batch", "4", "--set", *TINY[recipe], SMALL[0]]
    for more in ([], ["--json"]):
        assert run([*line, *more]) == 2
        shown = capsys.readouterr()
        assert "has no labels, but data.condition asks for hair, eyes: put" in shown.err
        assert shown.out == ""
    rows = ["file,hair,eyes", *(f"{n}.png,{'ab'[n % 2]},{'ab'[n // 2]}" for n in range(4))]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    assert run(line) == 0
    assert "# labels: hair, eyes can be read" in capsys.readouterr().out
    assert run([*line, "data.condition=hare"]) == 2
    assert "no label called 'hare'. Did you mean 'hair'?" in capsys.readouterr().err


def test_dry_run_refuses_players_that_the_labels_do_not_fit_as_the_run_does(tmp_path, capsys):
    """12 hair colours, to be added to a z of another length."""
    settings = [*TINY["cgan"], SMALL[0], "data.condition=hair", "data.count=64", "generator.meet=add"]
    line = ["train", "world:faces", "--recipe", "cgan", "--out", str(tmp_path / "run"), "--set", *settings]
    said = []
    for command in (line, [*line, "--dry-run"]):
        assert run(command) == 2
        said.append(capsys.readouterr().err.strip().splitlines()[-1])
    assert said[0] == said[1]
    assert "Adding needs x and z of equal length" in said[0]


def test_dry_run_lets_players_pass_that_the_labels_fit():
    recipe = api.make_recipe(
        "world:faces", "cgan", settings=["generator.meet=add", "data.condition=hair", "prior.dim=12"]
    )
    assert api.try_labels(recipe)


def test_dry_run_asks_worlds_and_folders_for_their_labels(tmp_path):
    assert not api.try_labels(api.make_recipe(tmp_path / "later", "cgan"))
    assert api.try_labels(api.make_recipe("world:faces", "cgan"))
    with pytest.raises(BadData, match=r"'world:faces' has no label called 'hare'\. Did you mean 'hair'"):
        api.try_labels(api.make_recipe("world:faces", "cgan", settings=["data.condition=hare"]))
    with pytest.raises(BadData, match="holds no pictures, nothing: give one with"):
        api.try_labels(api.make_recipe(tmp_path, "cgan"))


CHILD = """
import json, resource, sys
import torch
torch.set_num_threads(1)
from leafwing.cli.main import run
from leafwing.core import machine
from test_estimate import tiny
tiny().build_networks()
grown = int(sys.argv[1]) * 10**6
pages = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (pages + grown, resource.RLIM_INFINITY))
sys.exit(run(sys.argv[2:]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs RLIMIT_AS")
def test_a_batch_beyond_memory_is_one_sentence_that_names_one_that_fits(tmp_path):
    """No traceback, exit code 2 (a setting of the user's), and what is advised is played."""

    def train(batch: int, *command: str) -> subprocess.CompletedProcess[str]:
        line = ["train", "--out", str(tmp_path / "run"), "--steps", "2", "--batch", str(batch), "--device", "cpu"]
        line += ["--set", *TINY["dcgan"], SMALL[0], "data.count=64", "watch.samples=4", "watch.alarms=false"]
        return subprocess.run(
            [sys.executable, "-c", CHILD, "300", *(command or line)],
            capture_output=True, text=True, check=False, cwd=Path(__file__).parent,
        )  # fmt: skip

    failed = train(60_000)
    assert failed.returncode == 2, failed.stderr
    said = [row for row in failed.stderr.splitlines() if row.startswith("leafwing: ")]
    assert len(said) == 1
    assert said[0].startswith("leafwing: Memory ran out at train.batch = 60000, which needs about ")
    assert "Traceback" not in failed.stderr
    advised = int(said[0].split("--set train.batch=")[1].split(",")[0])
    assert 50 < advised <= 30_000
    recipe = tmp_path / "run" / "run.toml"
    recipe.write_text(recipe.read_text().replace("batch = 60000", f"batch = {advised}"))
    done = train(0, "resume", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
            True,
        ),
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (KeyError("memory"), False),
    ],
)
def test_what_counts_as_memory_running_out(error, is_memory):
    assert is_out_of_memory(error) is is_memory


def test_without_an_estimate_half_is_advised(monkeypatch):
    """Networks given in Python cannot be built again; a batch of 1 cannot be halved."""
    given = Recipe.from_dict(tiny().as_dict() | {"generator": {"name": "user:Own"}})
    told = out_of_memory(MemoryError(), given, "cpu")
    assert isinstance(told, BadConfig)
    assert "train.batch = 8: 4 would fit" in str(told)
    pieces = out_of_memory(MemoryError(), given.override(["train.microbatch=4"]), "cpu")
    assert "--set train.microbatch=2" in str(pieces)
    assert "no batch would fit" in str(out_of_memory(MemoryError(), given.override(["train.batch=1"]), "cpu"))


def test_other_errors_of_a_run_pass_untouched(tmp_path):
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(3 * 256))

        def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
            if len(z) == 8:  # not in the contract's trial
                raise KeyError("mine")
            return torch.tanh(z.sum(1, keepdim=True) + self.weight).unflatten(1, (3, 16, 16))

    with pytest.raises(KeyError, match="mine"):
        api.train("world:faces", tiny("dcgan", "data.count=16"), out=tmp_path / "run", device="cpu", generator=Own())


def test_free_memory_is_the_least_of_its_bounds(tmp_path):
    assert 0 < (machine.free_memory(torch.device("cpu")) or 0) < 10**16
    for name, text in {"max": "1000", "current": "700", "stat": "anon 5\ninactive_file 200"}.items():
        (tmp_path / f"memory.{name}").write_text(text)
    assert machine.cgroup_left(tmp_path) == 500
    (tmp_path / "memory.max").write_text("max")
    assert machine.cgroup_left(tmp_path) is None
    assert machine.cgroup_left(tmp_path / "nowhere") is None
