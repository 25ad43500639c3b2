"""Promises of the house: who may import whom, what is public, a command line that is quick and never rude."""

from __future__ import annotations

import ast
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import jaxtyping
import pytest
import torch

import leafwing
from leafwing.cli.main import run
from leafwing.core.pictures import read_png_metadata
from leafwing.losses import adversarial

ROOT = Path(leafwing.__file__).parent
LEVELS = [
    {"core", "_version"},
    {"worlds"},
    {"latents", "fusion", "losses", "augment", "data", "optimizers", "freeze", "zoo"},
    {"measure"},
    {"game"},
    {"variants", "networks"},
    {"training", "generator", "contract", "graphs"},
    {"watch"},
    {"recipe"},
    {"prepare", "explain"},
    {"loading", "estimate"},
    {"run"},
    {"explore", "exchange"},
    {"evaluation"},
    {"report", "homework"},
    {"api"},
    {"demos", "bench"},
    {"acceptance"},
    {"cli"},
    {"__main__", "__init__"},
]


def room(path: Path) -> str:
    part = path.relative_to(ROOT).parts[0]
    return part.removesuffix(".py")


def imports(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{a.name}" for a in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith("leafwing."))


def test_rel_r5_a_signal_that_a_library_swallowed_is_still_a_stop(monkeypatch, capsys):
    """NumPy, interrupted while it is imported, cannot be imported again: that is no defect of ours."""
    import leafwing.cli.main as cli

    def broken(*args, **options):
        raise ImportError("cannot load module more than once per process")

    monkeypatch.setattr(cli, "app", broken)
    assert run(["train"]) == 1
    monkeypatch.setattr(cli, "CAUGHT", [2])
    assert run(["train"]) == 130
    assert "Stopped." in capsys.readouterr().err


def test_imports_point_left():
    """DESIGN.md: left never imports right; rules (variants) and players (networks) do not know each other."""
    level = {name: number for number, names in enumerate(LEVELS) for name in names}
    wrong = []
    for path in ROOT.rglob("*.py"):
        here = room(path)
        for there in imports(path):
            there = there if there in level else "__init__"
            allowed = there == here or level[there] < level[here] or (path.name == "__init__.py" and here == "__init__")
            if not allowed:
                wrong.append(f"{path.relative_to(ROOT)} imports {there}")
    assert not wrong


def test_every_public_name_exists_and_is_documented():
    for name in leafwing.__all__:
        thing = getattr(leafwing, name)
        assert isinstance(thing, str) or inspect.getdoc(thing), name
    with pytest.raises(AttributeError):
        leafwing.nothing_like_this  # noqa: B018
    assert (ROOT / "py.typed").exists()


@pytest.mark.parametrize("first", ["import leafwing.api", "import leafwing.training", "leafwing.train"])
def test_public_functions_stay_functions_whatever_was_imported_before(first):
    """A submodule of the same name would take the function's place."""
    names = [name for name in leafwing.__all__ if name != "__version__"]
    code = f"import leafwing; {first}; print([callable(getattr(leafwing, n)) for n in {names} * 2])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "False" not in out
    assert "True" in out


@pytest.mark.parametrize(
    ("set_by_user", "spins"),
    [({}, "30000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "passive"}, "None")],
)
def test_threads_spin_little_unless_told_otherwise(set_by_user, spins):
    """Read by libgomp when torch is loaded, so that it has to be there before."""
    code = "import leafwing, os, sys; assert 'torch' not in sys.modules; print(os.environ.get('GOMP_SPINCOUNT'))"
    told = {name: value for name, value in os.environ.items() if name not in {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}}
    done = subprocess.run(
        [sys.executable, "-c", code], env=told | set_by_user, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == spins


def test_help_does_not_import_torch():
    code = "import sys; from leafwing.cli.main import run; run(['--help']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


COMMANDS = ["train", "resume", "status", "sample", "interpolate", "evaluate", "data check", "data build", "data render",
            "data ambiguity", "data play", "predict", "chat", "demo maze", "zoo list", "zoo search", "zoo show",
            "zoo like", "zoo check", "zoo gallery",
            "demo", "demo hack", "bench train", "bench sample", "bench data",
            "bench coverage", "bench zoo", "explore neighbours", "explore rebuild",
            "explore players", "explore gaze", "explore slopes",
            "explore curves", "report", "compare", "homework export", "homework check",
            "homework thresholds", "faces"]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps_with_an_example(command, capsys):
    assert run([*command.split(), "--help"]) == 0
    assert f"leafwing {command}" in " ".join(capsys.readouterr().out.split())


BAD = {
    "train --batch 0": "train.batch = 0",
    "train --steps -1": "train.steps = -1",
    "train --set generator.chanels=32": "data.channels",
    "train --steps many": "--steps",
    "train --bogus 3": "--bogus",
    "train {tmp}/missing": "does not exist",
    "train {tmp}/empty": "empty",
    "train {tmp}/texts": "texts",
    "train {tmp}/notes.txt": "notes.txt",
    "train {tmp}/bomb": "bomb",
    "train {tmp}/dot": "dot",
    "train --recipe {tmp}/notes.txt": "not valid TOML",
    "train --recipe dcgam": "'dcgan'",
    "train --device toaster": "--device toaster",
    "train world:facs": "faces",
    "frobnicate": "frobnicate",
    "resume {tmp}/missing": "does not exist",
    "resume {tmp}/empty": "not a run folder",
    "status {tmp}/missing": "does not exist",
    "sample {tmp}/missing --out x.png": "no run or generator",
    "sample {tmp}/empty --out x.png": "not a run or generator",
    "sample {tmp}/empty": "--out",
    "interpolate {tmp}/empty --seeds 1,b --out x.png": "--seeds",
    "interpolate {tmp}/empty --seeds 1 --out x.png": "two seeds",
    "interpolate {tmp}/empty --seeds 1,2 --out x.jpeg": ".png, .gif or .mp4",
    "evaluate {tmp}/missing --data world:faces": "does not exist",
    "evaluate {tmp}/empty": "--data",
    "evaluate world:faces --data world:faces --features vgg": "'vgg'",
    "evaluate world:faces --data world:faces --features squeezenet": "squeezenet=FILE",
    "evaluate world:faces --data world:faces --features {tmp}/missing.safetensors": "do not exist",
    "evaluate world:faces --data world:faces --features pixels --metrics fid": "Inception",
    "evaluate world:faces --data world:faces --features pixels --metrics frechat": "'frechet'",
    "data check {tmp}/missing": "does not exist",
    "data render mars --out {tmp}/m": "faces",
    "data render faces --count 0 --out {tmp}/m": "--count 0",
    "data render faces --count 1 --image-size 4 --out {tmp}/m": "16",
    "data render faces --count 1 --out {tmp}/texts": "not empty",
    "zoo show nothing": "nothing",
    "zoo show wgann": "'wgan'",
    "zoo show watergan --toml": "zoo like",
    "zoo like nothing": "nothing",
    "zoo search": "at least one word",
    "zoo search quantum chess": "quantum chess",
    "zoo list --year 2019": "2014 to 2018",
    "zoo list --letter Sg": "one letter",
    "explore players {tmp}/missing": "does not exist",
    "explore neighbours {tmp}/empty": "not a run folder",
    "explore curves {tmp}/empty --out x.jpg": ".svg",
    "report {tmp}/empty": "not a run folder",
    "compare {tmp}/empty": "not a run folder",
    "homework export {tmp}/missing --out x.tgz": "no run or generator",
    "homework check {tmp}/missing": "does not exist",
    "homework check {tmp}/notes.txt": "gzipped tar",
    "faces {tmp}/missing": "does not exist",
    "faces world:faces --count 1": "--count 1",
    "faces world:faces --count 4 --middle m.png": "--middle",
    "faces world:faces --count 4 --broken m.gif": ".png",
    "faces world:faces --count 4 --cascade {tmp}/notes.txt": "notes.txt",
}


@pytest.fixture
def mess(tmp_path):
    """What a newcomer might point at."""
    from PIL import Image

    for name in ("empty", "texts", "bomb", "dot"):
        (tmp_path / name).mkdir()
    (tmp_path / "texts" / "a.md").write_text("not a picture")
    (tmp_path / "notes.txt").write_text("not a recipe either")
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb" / "huge.png")
    Image.new("RGB", (1, 1)).save(tmp_path / "dot" / "dot.png")
    return tmp_path


@pytest.mark.parametrize("line", BAD)
def test_bad_input_gets_one_sentence_and_exit_code_2(line, mess, monkeypatch, capsys):
    monkeypatch.chdir(mess)
    before = sorted(str(p) for p in mess.rglob("*"))
    assert run([part.format(tmp=mess) for part in line.split()]) == 2
    said = [row for row in capsys.readouterr().err.splitlines() if row.startswith("leafwing: ")]
    assert len(said) == 1
    assert BAD[line].format(tmp=mess) in said[0]
    assert "Traceback" not in said[0]
    assert sorted(str(p) for p in mess.rglob("*")) == before, "nothing is left behind"


def test_render_writes_pictures_and_their_factors(tmp_path, capsys):
    import csv

    assert run(["data", "render", "faces", "--count", "5", "--out", str(tmp_path / "faces"), "--image-size", "32"]) == 0
    rows = list(csv.DictReader((tmp_path / "faces" / "labels.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["file"] for row in rows] == [f"{n:06}.png" for n in range(5)]
    assert {"hair_colour", "left_eye", "right_eye", "turn", "mouth"} <= rows[0].keys()
    assert len(list((tmp_path / "faces").glob("*.png"))) == 5


def test_a_whole_life_on_the_command_line(tmp_path, monkeypatch, capsys):
    """Train, look, resume, sample, interpolate: the README's commands on a small world."""
    monkeypatch.chdir(tmp_path)
    small = ["generator.width=4", "discriminator.width=4", "data.image_size=16", "data.count=64", "watch.samples=4"]
    assert run(["train", "world:faces", "--out", "mine", "--steps", "3", "--batch", "8", "--set", *small]) == 0
    assert run(["resume", "mine", "--steps", "5"]) == 0
    assert run(["train", "--out", "mine", "--resume", "--steps", "6"]) == 0
    capsys.readouterr()
    assert run(["status", "mine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["step"] == 6
    assert run(["sample", "mine", "--count", "9", "--seed", "1", "--out", "sheet.png"]) == 0
    assert read_png_metadata("sheet.png")["leafwing:count"] == "9"
    assert run(["interpolate", "mine", "--seeds", "1,2,3", "--out", "walk.gif", "--frames", "2"]) == 0
    assert run(["data", "check", "world:faces", "--count", "20", "--json"]) == 0
    assert run(["train", "--dry-run", "--recipe", "faces"]) == 0
    assert "parameters" in capsys.readouterr().out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine", "sheet.png", "walk.gif"]


def test_the_hacked_game():
    """R61: with D unfrozen in G's step the score explodes while the pictures stay noise; the guard raises."""
    import copy

    from leafwing.core import randomness
    from leafwing.demos import hack

    randomness.seed_networks(0, 0)
    players, reals = hack.small_game()
    fair = hack.honest(copy.deepcopy(players), reals, 40)
    cheat = hack.hacked(copy.deepcopy(players), reals, 40)
    assert cheat.score_after > 100 * abs(fair.score_after)
    assert cheat.distance_after > 0.8 * cheat.distance_before, "no nearer to real pictures"
    assert "hacked" in hack.guarded(players)


def test_shapes_of_every_loss_are_checked_while_tests_run(request):
    """The annotations hold at each call; machinery without any is left out, where checking takes most of the time."""
    hooked = request.config.getini("addopts")[0].partition("=")[2].split(",")
    for file in (ROOT / "losses").glob("*.py"):
        if "leafwing.core.types" in file.read_text("utf-8"):
            assert f"leafwing.losses.{file.stem}" in hooked, "add it to addopts in pyproject.toml"
    with pytest.raises(jaxtyping.TypeCheckError):
        adversarial.wasserstein_d(torch.zeros(2, 2, 2), torch.zeros(2))
