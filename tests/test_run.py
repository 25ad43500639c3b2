"""Whole runs on tiny networks: what is written, and that a stop leaves no trace in the result."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import small_training
from PIL import Image
from test_recipe import TINY
from torch import nn

import leafwing
from leafwing import api, run
from leafwing.core.errors import BadConfig, BadNetwork, BadRun
from leafwing.core.pictures import read_png_metadata
from leafwing.explore.sample import latent_from_text
from leafwing.recipe import priors
from leafwing.training import fit
from leafwing.watch.meter import read_rows
from leafwing.watch.samples import LECTURE_STEPS, is_sheet_step
from leafwing.watch.soundness import Diverged, Soundness


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    """A folder of 40 small pictures: a bright disc on a dark ground; and labels of them, some missing."""
    folder = tmp_path_factory.mktemp("data") / "my pictures 图"
    folder.mkdir()
    y, x = np.mgrid[:16, :16]
    for number in range(40):
        cx, cy = 4 + number % 8, 4 + number // 8
        disc = ((x - cx) ** 2 + (y - cy) ** 2 < 12)[:, :, None] * np.array([200, 30 + 5 * number, 90])
        Image.fromarray((30 + disc.clip(0, 225)).astype(np.uint8)).save(folder / f"{number}.png")
    labels = [f"{n}.png,{('red', 'blue', '')[n % 3]},{('wide', 'shut')[n // 20]}" for n in range(40)]
    (folder / "labels.csv").write_text("\n".join(["file,hair,eyes", *labels]))
    return folder


SETTINGS = [
    *TINY["dcgan"], "data.image_size=16", "train.batch=8", "watch.log_every=2", "watch.samples=4",
    "watch.checkpoint_every=5", "data.flip=true", "prior.dim=6", "train.precision=fp32",
]  # fmt: skip


def play(pictures: Path, out: Path, steps: int = 12, settings=(), **options):
    return api.train(pictures, "dcgan", out=out, steps=steps, settings=[*SETTINGS, *settings], device="cpu", **options)


def fingerprint(folder: Path) -> str:
    """sha256 over all tensors and the state of the newest checkpoint, times left out."""
    newest = sorted(p for p in (folder / "checkpoints").iterdir() if p.name.removeprefix("step-").isdigit())[-1]
    state = json.loads((newest / "state.json").read_text())
    del state["watchers"]
    names = sorted(p.name for p in newest.glob("*.safetensors"))
    parts = [(newest / name).read_bytes() for name in names] + [json.dumps(state, sort_keys=True).encode()]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (4, "RGBA")])
def test_pictures_of_one_to_four_channels(channels, mode, pictures, tmp_path):
    """Issue 5, item 4: learnt, through ADA as well, and drawn as files of that kind; three are everywhere else."""
    play(pictures, tmp_path / "run", 2, [f"data.channels={channels}", "augment.name=ada"])
    drawn = api.sample(tmp_path / "run", 2, 1, tmp_path / "drawn")
    for path in sorted(drawn.glob("*.png")):
        with Image.open(path) as image:
            assert (image.mode, image.size) == (mode, (16, 16))
    assert len(list(drawn.glob("*.png"))) == 2


@pytest.mark.parametrize("prior", sorted(set(priors.names()) - {"none"}))
@pytest.mark.parametrize("length", [50, 100])
def test_every_prior_and_length_of_z(prior, length, pictures, tmp_path):
    """Issue 5, item 4; R34, R37: learnt from, sampled from, and its z in the picture's metadata."""
    play(pictures, tmp_path / "run", 1, [f"prior.name={prior}", f"prior.dim={length}"])
    G = leafwing.load(tmp_path / "run")
    assert G.prior.dim == length
    drawn = api.sample(tmp_path / "run", 1, 1, tmp_path / "drawn")
    (path,) = drawn.glob("*.png")
    z = latent_from_text(read_png_metadata(path)["leafwing:z"])
    assert z.shape == (length,)
    assert G.prior.log_prob(z[None]).isfinite().all()


def test_the_run_folder_tells_everything(pictures, tmp_path):
    """R44, R45, R71, R72: the resolved recipe, the environment, the log, the sheets, the averaged generator."""
    outcome = play(pictures, tmp_path / "run")
    folder = tmp_path / "run"
    assert outcome == run.Outcome(folder, 12)
    assert run.read_recipe(folder).train.batch == 8
    assert json.loads((folder / "environment.json").read_text())["torch"] == torch.__version__
    rows = read_rows(folder / "metrics.jsonl")
    assert [row["step"] for row in rows] == [2, 4, 6, 8, 10, 12]
    wanted = {"D/adversarial", "G/adversarial", "D/real_score", "D/fake_score", "D/real_accuracy", "D/fake_accuracy"}
    wanted |= {"D/grad_norm", "G/grad_norm", "images_per_s", "memory_mb", "images", "seconds"}
    assert wanted <= rows[0].keys()
    assert all(0 <= row["D/real_accuracy"] <= 1 for row in rows)
    assert rows[-1]["images"] == 12 * 8
    sheets = sorted(p.name for p in (folder / "samples").iterdir())
    assert sheets[:3] == ["step-00000000.png", "step-00000010.png", "step-00000012.png"]
    assert {"timeline.png", "timeline.gif", "timeline.mp4"} <= set(sheets)
    with Image.open(folder / "samples" / "timeline.gif") as film:
        assert film.n_frames == 3
    assert sorted(p.name for p in (folder / "checkpoints").iterdir()) == ["step-00000010", "step-00000012"]
    assert not [p for p in folder.rglob("*") if p.suffix in (".pt", ".pth", ".pkl", ".pickle")]


def test_the_sheets_follow_the_lecture():
    """R72: 100, 1,000, 2,000, 5,000, 10,000, 20,000, 50,000, step 0, and a grid that no goal changes."""
    assert all(is_sheet_step(step) for step in (0, *LECTURE_STEPS))
    assert [s for s in range(201) if is_sheet_step(s)] == [0, 10, 20, 30, 50, 70, 100, 200]


CHILD = """
import sys, torch
torch.set_num_threads(1)
from leafwing.cli.main import main
main(sys.argv[1:])
"""


def child(*arguments: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **pipes)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_rel_r5_signals_save_and_the_resumed_run_is_the_same(number, code, pictures, tmp_path):
    """Ctrl-C and SIGTERM finish the round, save, exit 130 / 143; kill -9 loses at most one interval."""
    options = ["--steps", "150", "--set", *SETTINGS, "watch.checkpoint_every=20"]
    process = child("train", pictures, "--out", tmp_path / "run", *options)
    log = tmp_path / "run" / "metrics.jsonl"
    deadline = time.monotonic() + 90
    while not (log.exists() and len(log.read_text().splitlines()) >= 12) and time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Traceback" not in err
    if number != signal.SIGKILL:
        assert "leafwing resume" in out
        newest = sorted((tmp_path / "run/checkpoints").glob("step-*"))[-1]
        stopped = json.loads((newest / "state.json").read_text())
        assert 24 <= stopped["step"] < 150
    api.resume(tmp_path / "run", device="cpu")
    play(pictures, tmp_path / "whole", 150, ["watch.checkpoint_every=1000"])
    assert fingerprint(tmp_path / "run") == fingerprint(tmp_path / "whole")


def test_rel_r3_a_damaged_checkpoint_is_named_and_skipped(pictures, tmp_path, capsys):
    play(pictures, tmp_path / "run")
    whole = fingerprint(tmp_path / "run")
    victim = tmp_path / "run/checkpoints/step-00000012/generator.safetensors"
    data = bytearray(victim.read_bytes())
    data[-5] ^= 1
    victim.write_bytes(data)
    api.resume(tmp_path / "run", device="cpu")
    assert "step-00000012" in capsys.readouterr().err
    assert fingerprint(tmp_path / "run") == whole


def test_other_data_is_refused_until_accepted(pictures, tmp_path):
    """RELIABILITY P23."""
    import shutil

    data = tmp_path / "data"
    shutil.copytree(pictures, data)
    play(data, tmp_path / "run", 2)
    (data / "0.png").unlink()
    with pytest.raises(BadRun, match="40 pictures then, 39 now.*--accept-new-data"):
        api.resume(tmp_path / "run", steps=3, device="cpu")
    assert api.resume(tmp_path / "run", steps=3, device="cpu", accept_new_data=True).step == 3


def test_an_edited_recipe_is_obeyed_at_resume(pictures, tmp_path):
    for name in ("as it was", "edited"):
        play(pictures, tmp_path / name, 3)
    recipe = tmp_path / "edited" / "run.toml"
    recipe.write_text(recipe.read_text().replace("lr = 0.0001", "lr = 0.01"))
    for name in ("as it was", "edited"):
        api.resume(tmp_path / name, steps=5, device="cpu")
    assert fingerprint(tmp_path / "edited") != fingerprint(tmp_path / "as it was")
    recipe.write_text(recipe.read_text().replace('name = "adam"', 'name = "sgd"'))
    with pytest.raises(BadRun, match="another optimiser"):
        api.resume(tmp_path / "edited", steps=6, device="cpu")


def test_folders_that_are_taken(pictures, tmp_path):
    play(pictures, tmp_path / "run", 2)
    with pytest.raises(BadRun, match="leafwing resume"):
        play(pictures, tmp_path / "run", 2)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("precious")
    with pytest.raises(BadRun, match="not an empty folder"):
        play(pictures, tmp_path / "other", 2)
    from leafwing.core.lock import RunLock

    with RunLock(tmp_path / "run"), pytest.raises(BadRun, match="run"):
        api.resume(tmp_path / "run", steps=3, device="cpu")


def test_nothing_is_left_by_a_run_that_cannot_start(pictures, tmp_path):
    for settings in (["train.batch=0"], ["generator.chanels=3"], ["data.image_size=65"]):
        with pytest.raises(BadConfig):
            play(pictures, tmp_path / "run", 2, settings)
    assert not (tmp_path / "run").exists()


def test_sampling_and_provenance(pictures, tmp_path):
    """R6, R81, R85: same seed, same bytes; single files carry z and where they come from; the folder stands alone."""
    import shutil

    play(pictures, tmp_path / "run", 3)
    shutil.copytree(tmp_path / "run" / "generator", tmp_path / "alone")
    a, b = (api.sample(tmp_path / "alone", 5, 1, tmp_path / name, device="cpu") for name in "ab")
    names = sorted(p.name for p in a.iterdir())
    assert len(names) == 5
    assert all((a / n).read_bytes() == (b / n).read_bytes() for n in names)
    facts = read_png_metadata(a / names[3])
    assert "generator" in facts["Software"]
    assert facts["leafwing:seed"] == "1"
    G = api.load(tmp_path / "run", device="cpu")
    z = latent_from_text(facts["leafwing:z"])
    redrawn = ((G(z[None])[0].permute(1, 2, 0) + 1) * 127.5).round().numpy()
    assert np.abs(redrawn - np.asarray(Image.open(a / names[3]), dtype=np.float32)).max() <= 1
    sheet = api.sample(tmp_path / "run", 9, 2, tmp_path / "sheet.png", truncation=0.5, device="cpu")
    assert read_png_metadata(sheet)["leafwing:truncation"] == "0.5"
    other = api.sample(tmp_path / "run", 5, 2, tmp_path / "c", device="cpu")
    assert (other / names[0]).read_bytes() != (a / names[0]).read_bytes()


@pytest.mark.parametrize("ending", ["png", "gif", "mp4"])
def test_interpolation_ends_in_the_pictures_of_its_seeds(ending, pictures, tmp_path):
    """R83."""
    play(pictures, tmp_path / "run", 2)
    path = api.interpolate(tmp_path / "run", [1, 2], tmp_path / f"walk.{ending}", frames=3, device="cpu")
    assert path.stat().st_size > 100
    if ending == "png":
        drawn = [api.sample(tmp_path / "run", 1, seed, tmp_path / f"{seed}", device="cpu") for seed in (1, 2)]
        ends = [np.asarray(Image.open(folder / "000000.png")) for folder in drawn]
        strip = np.asarray(Image.open(path)).astype(int)
        assert np.abs(strip[2:18, 2:18] - ends[0]).max() <= 1
        assert np.abs(strip[2:18, -18:-2] - ends[1]).max() <= 1


class OwnG(nn.Module):
    def __init__(self, out: int = 3 * 256, bound: bool = True) -> None:
        super().__init__()
        self.body, self.bound = nn.Linear(6, out), bound

    def forward(self, z, condition=None):
        x = self.body(z).unflatten(1, (3, 16, -1))
        return torch.tanh(x) if self.bound else 9 * x


class OwnD(nn.Module):
    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        self.body = nn.Linear(3 * 256, outputs)

    def forward(self, pictures, condition=None):
        return self.body(pictures.flatten(1))


def test_modules_of_ones_own(pictures, tmp_path):
    """R39: any network with the right input and output plays, resumes and draws; [n, 1] is a score too."""
    own = {"generator": OwnG(), "discriminator": OwnD()}
    assert play(pictures, tmp_path / "run", 3, **own).step == 3
    fresh = {"generator": OwnG(), "discriminator": OwnD()}
    assert api.resume(tmp_path / "run", steps=5, device="cpu", **fresh).step == 5
    assert leafwing.load(tmp_path / "run", generator=OwnG())(torch.randn(2, 6)).shape == (2, 3, 16, 16)
    with pytest.raises(BadConfig, match="given in Python .user:OwnG."):
        leafwing.load(tmp_path / "run")


class Constant(OwnG):
    def forward(self, z, condition=None):
        return super().forward(z * 0)


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"generator": OwnG(3 * 16 * 8)}, r"\[4, 3, 16, 8\]"),
        ({"generator": OwnG(bound=False)}, "tanh"),
        ({"generator": Constant()}, "is z used"),
        ({"generator": nn.Flatten()}, "no parameters"),
        ({"generator": nn.Linear(7, 3)}, "fails on an input"),
        ({"discriminator": OwnD(3)}, r"\[4, 3\]"),
        ({"discriminator": nn.Linear(2, 1)}, "discriminator fails"),
    ],
)
def test_the_contract_checker_explains(own, words, pictures, tmp_path):
    with pytest.raises(BadNetwork, match=words):
        play(pictures, tmp_path / "run", 2, **own)
    assert not (tmp_path / "run").exists()


def test_divergence_is_said_and_not_saved():
    training = small_training(lr=1e30, goal=40)
    with pytest.raises(Diverged, match="no longer a number"):
        fit(training, [Soundness(1)])


def test_rel_r4_a_disk_that_refuses_the_log_or_a_sheet_costs_no_training(pictures, tmp_path, monkeypatch, capsys):
    """Said once, training unhurt."""
    import errno

    from leafwing.core import pictures as drawing
    from leafwing.core.errors import StorageFailed

    real_open = Path.open

    def full(path, *arguments, **options):
        if path.name == "metrics.jsonl":
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_open(path, *arguments, **options)

    def refuse(*_):
        raise StorageFailed("sheet.png cannot be written: No space left on device.")

    play(pictures, tmp_path / "whole", 4)
    monkeypatch.setattr(Path, "open", full)
    monkeypatch.setattr(drawing, "save_png", refuse)
    assert play(pictures, tmp_path / "run", 4).step == 4
    said = capsys.readouterr().err
    assert said.count("metrics.jsonl cannot be written (No space left on device)") == 1
    assert "Training goes on without this sheet" in said
    monkeypatch.undo()
    assert fingerprint(tmp_path / "run") == fingerprint(tmp_path / "whole")


def test_a_broken_sheet_costs_the_film_and_not_the_run(pictures, tmp_path, capsys):
    play(pictures, tmp_path / "run", 12)
    (tmp_path / "run/samples/step-00000010.png").write_bytes(b"")
    assert api.resume(tmp_path / "run", steps=15, device="cpu").step == 15
    assert (tmp_path / "run/checkpoints/step-00000015").is_dir()
    assert "time-lapse could not be made" in capsys.readouterr().err


def test_rel_r4_a_disk_too_full_for_the_exported_generator_costs_no_training(pictures, tmp_path, monkeypatch, capsys):
    import errno

    real = os.replace

    def full(old, new):
        if str(new).endswith("model.safetensors") and "generator" in str(new) and not full.over:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(old, new)

    full.over = False
    monkeypatch.setattr(os, "replace", full)
    original = run.fit

    def fit_with_room_at_the_end(training, watchers, stop):
        def watched_stop():
            full.over = training.step >= 8
            return stop()

        return original(training, watchers, watched_stop)

    monkeypatch.setattr(run, "fit", fit_with_room_at_the_end)
    assert play(pictures, tmp_path / "run", 12).step == 12
    assert "No space left on device" in capsys.readouterr().err
    assert (tmp_path / "run/generator/model.safetensors").is_file()
    assert not list((tmp_path / "run/generator").glob(".*"))


def test_a_recipe_object_takes_the_same_wishes_as_a_name(pictures, tmp_path):
    plan = api.make_recipe(None, "dcgan", settings=SETTINGS)
    outcome = api.train(pictures, plan, out=tmp_path / "run", steps=3, seed=7, device="cpu")
    kept = run.read_recipe(tmp_path / "run")
    assert (outcome.step, kept.train.seed, kept.data.source) == (3, 7, str(pictures.resolve()))


def test_given_networks_do_not_need_the_recipes_own_to_fit(pictures, tmp_path):
    """A side that dcgan cannot make is no matter when both players are one's own."""

    class Flat(OwnG):
        def forward(self, z, condition=None):
            return torch.tanh(self.body(z)).view(-1, 3, 50, 50)

    own = {"generator": Flat(3 * 2500), "discriminator": nn.Sequential(nn.Flatten(), nn.Linear(3 * 2500, 1))}
    assert play(pictures, tmp_path / "run", 2, ["data.image_size=50"], **own).step == 2
    again = Flat(3 * 2500)
    assert api.sample(tmp_path / "run", 2, 1, tmp_path / "s.png", generator=again, device="cpu").exists()


def test_three_pictures_are_enough(pictures, tmp_path):
    for number in range(3):
        Image.open(pictures / f"{number}.png").save(tmp_path / f"{number}.png")
    assert play(tmp_path, tmp_path / "run", 2).step == 2


def test_tensorboard_events_when_it_is_installed(tmp_path, monkeypatch):
    """Every number of a row becomes a scalar at its step; without the package there is no sink."""
    import types

    from leafwing.watch.meter import tensorboard

    written = []

    class SummaryWriter:
        def __init__(self, folder):
            self.folder = folder

        def add_scalar(self, name, value, step):
            written.append((name, value, step))

        def flush(self):
            pass

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert tensorboard(tmp_path) is None
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=SummaryWriter))
    training = small_training()
    training.step = 7
    tensorboard(tmp_path)({"step": 7, "G/adversarial": 0.5}, training)
    assert written == [("G/adversarial", 0.5, 7)]
