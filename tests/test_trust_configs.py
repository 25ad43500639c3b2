"""REL-R14: what cannot be trained is said in one sentence that names the key, at once, and nothing is left behind."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest
import torch
from test_recipe import TINY
from test_run import SETTINGS, pictures  # noqa: F401

from leafwing.cli.main import run as command
from leafwing.core import disk
from leafwing.core.errors import StorageFailed
from leafwing.watch.checkpoint import Checkpoints

OPTIONS: list[tuple[list[str], str]] = [
    (["data.image_size=65"], "64"),
    (["data.image_size=63"], "64"),
    (["data.image_size=7"], "data.image_size = 7"),
    (["data.image_size=-64"], "data.image_size"),
    (["data.image_size=1e2"], "data.image_size"),
    (["data.image_size=999999999999999999999999"], "data.image_size"),
    (["data.image_size='64px'"], "data.image_size"),
    (["train.n_d_long_first=25"], "without train.n_d_long"),
    (["train.n_d_long=100"], "train.n_d_long = 100 does nothing"),
    (["train.n_d_long=1", "train.n_d_long_every=9"], "train.n_d_long = 1 cannot be"),
    (["data.channels=5"], "data.channels = 5"),
    (["data.channels=0"], "data.channels = 0"),
    (["data.fit=stretch"], "'crop' or 'pad'"),
    (["data.flip=perhaps"], "data.flip"),
    (["data.count=1"], "data.count"),
    (["data.max_bad_share=1.5"], "data.max_bad_share"),
    (["data.max_bad_share=nan"], "data.max_bad_share"),
    (["data.source=3"], "data.source"),
    (["data.colour=3"], "data.colour"),
    (["data.imagesize=64"], "'image_size'"),
    (["train.batch=0"], "train.batch = 0"),
    (["train.batch=1"], "BatchNorm needs at least 2"),
    (["train.batch=-8"], "train.batch = -8"),
    (["train.batch=2.5"], "train.batch = 2.5"),
    (["train.batch=99999999"], "train.batch = 99999999"),
    (["train.batch=true"], "train.batch"),
    (["train.batch=[8]"], "train.batch"),
    (["train.steps=0"], "train.steps = 0"),
    (["train.steps=1e400"], "train.steps"),
    (["train.steps=many"], "train.steps = 'many'"),
    (["train.n_d=0"], "train.n_d = 0"),
    (["train.n_g=-1"], "train.n_g = -1"),
    (["train.nd=2"], "'n_d'"),
    (["train.seed=-1"], "train.seed = -1"),
    (["train.seed=99999999999999999999999999999999"], "train.seed"),
    (["train.seed=" + "9" * 5000], "train.seed"),
    (["train.precision=fp16"], "'fp32' or 'bf16'"),
    (["train.channels_last=2"], "train.channels_last"),
    (["train.lr=1e-4"], "train.lr"),
    (["optimizer.generator.lr=0"], "optimizer.generator.lr = 0"),
    (["optimizer.generator.lr=-1e-4"], "optimizer.generator.lr"),
    (["optimizer.discriminator.lr=inf"], "optimizer.discriminator.lr"),
    (["optimizer.discriminator.lr=nan"], "optimizer.discriminator.lr"),
    (["optimizer.generator.betas=[0.5, 1.0]"], "optimizer.generator.betas"),
    (["optimizer.generator.betas=[-0.1, 0.9]"], "optimizer.generator.betas"),
    (["optimizer.generator.betas=[0.5]"], "optimizer.generator.betas"),
    (["optimizer.generator.betas=0.5"], "optimizer.generator.betas"),
    (["optimizer.generator.name=adamm"], "'adam'"),
    (["optimizer.generator.momentum=1.0"], "optimizer.generator.momentum"),
    (["optimizer.generator.beta=0.5"], "'betas'"),
    (["optimizer.generatr.lr=1"], "'generator'"),
    (["optimizer.lr=1"], "optimizer.lr"),
    (["optimizer=adam"], "optimizer is a section"),
    (["prior.dim=0"], "dim"),
    (["prior.dim=-5"], "dim"),
    (["prior.dim=100000000000"], "dim"),
    (["prior.name=gauss"], "'gauss'"),
    (["prior.name=3"], "prior.name = 3"),
    (["generator.widht=4"], "'width'"),
    (["generator.width=0"], "width"),
    (["generator.width=-4"], "width"),
    (["generator.width=4.5"], "generator.width = 4.5"),
    (["generator.width=1000000000"], "width"),
    (["generator.name=dcgn"], "'dcgan'"),
    (["generator.name=''"], "''"),
    (["generator.name=nowhere.py:Net"], "nowhere.py"),
    (["discriminator.width=nan"], "discriminator.width"),
    (["discriminator.name=[1]"], "discriminator.name"),
    (["variant.name=wgan-pg"], "wgan-pg"),
    (["variant.judge=vote"], "'classification', 'softmax' or 'regression'"),
    (["variant.real_label=2"], "variant.real_label"),
    (["variant.judge=softmax", "variant.real_label=0.9"], "variant.real_label"),
    (["variant.r1_gamma=-1"], "variant.r1_gamma"),
    (["variant.r1_every=0"], "variant.r1_every"),
    (["average.halflife_kimg=-1"], "average.halflife_kimg"),
    (["average.halflife_kimg=nan"], "average.halflife_kimg"),
    (["average.ramp=0"], "average.ramp"),
    (["watch.log_every=0"], "watch.log_every"),
    (["watch.samples=0"], "watch.samples"),
    (["watch.samples=1000000"], "watch.samples"),
    (["watch.checkpoint_every=0"], "watch.checkpoint_every"),
    (["watch.keep=0"], "watch.keep"),
    (["wach.keep=3"], "'watch'"),
    (["train.batch"], "section.key=value"),
    (["=8"], "section.key=value"),
    (["train.=8"], "train"),
    (["train.batch.size=8"], "train.batch"),
    (["a.b.c.d.e.f.g=8"], "'a'"),
    (["train=" + "[" * 10_000], "train"),
    (["generator.width=" + "[" * 10_000 + "]" * 10_000], "generator.width"),
    ([".".join(["train"] * 10_000) + "=1"], "train"),
]  # fmt: skip

FILES: dict[str, tuple[bytes, str]] = {
    "no TOML": (b"not toml at all", "not valid TOML"),
    "a binary": (bytes(range(256)), "not a recipe"),
    "UTF-16": ("[train]\nbatch = 8\n".encode("utf-16"), "not a recipe"),
    "a zip": (b"PK\x03\x04" + bytes(200), "not valid TOML"),
    "a NUL": (b"[train]\nbatch = 8\n\0", "not valid TOML"),
    "duplicate key": (b"[train]\nbatch = 3\nbatch = 4\n", "set twice"),
    "duplicate table": (b"[train]\nbatch = 3\n[train]\nsteps = 4\n", "declared twice"),
    "deep list": (b"a = " + b"[" * 10_000, "nested too deeply"),
    "deep table": (b"a = " + b"{a = " * 10_000, "nested too deeply"),
    "deep header": (b"[" + b"train." * 9_999 + b"a]\nx = 1\n", "nested too deeply"),
    "deep dotted key": (b"train." * 9_999 + b"a = 1\n", "nested too deeply"),
    "huge integer": (b"[train]\nsteps = " + b"9" * 10_000 + b"\n", "4300 digits"),
    "infinity": (b"[optimizer.generator]\nlr = inf\n", "optimizer.generator.lr"),
    "NaN": (b"[optimizer.generator]\nlr = nan\n", "optimizer.generator.lr"),
    "a date": (b"[train]\nsteps = 2020-01-01\n", "train.steps"),
    "an array of tables": (b"[[train]]\nsteps = 3\n", "train"),
    "a section that is a number": (b"train = 3\n", "train is a section"),
    "an unknown section": (b"[trian]\nsteps = 3\n", "'train'"),
    "an unknown key": (b"[train]\nstep = 3\n", "'steps'"),
    "YAML": (b"train:\n  batch: 8\n", "not valid TOML"),
    "YAML tag": (b"train: !!python/object:os.system {}\n", "not valid TOML"),
    "JSON": (b'{"train": {"batch": 8}}', "not valid TOML"),
    "a title that is a table": (b"[title]\nx = 1\n", "title"),
}

OWN = {
    "syntax": ("class Net(:\n", "SyntaxError"),
    "import": ("import nothing_like_this\n", "nothing_like_this"),
    "raises": ("raise RuntimeError('no\\nway')\n", "no"),
    "leaves": ("import sys\nsys.exit(7)\n", "could not be imported"),
    "other name": ("class Nett: pass\n", "'Nett'"),
    "no class": ("Net = 3\n", "Net"),
    "no module": ("class Net:\n    def __init__(self, z_dim=3): pass\n", "Net"),
    "constructor": (
        "from torch import nn\nclass Net(nn.Module):\n    def __init__(self):\n        1 / 0\n",
        "division",
    ),
    "needs": (
        "from torch import nn\nclass Net(nn.Module):\n    def __init__(self, depth: int):\n        pass\n",
        "depth",
    ),
    "empty": ("", "holds no 'Net'"),
}


def refuse(arguments: list[str], words: str, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, at most three lines, the words there, no traceback, no folder, three seconds."""
    start = time.process_time()
    code = command(["train", *arguments, "--out", str(out), "--device", "cpu"])
    took = time.process_time() - start
    said = capsys.readouterr().err.strip()
    assert code == 2, said
    assert 1 <= len(said.splitlines()) <= 3
    assert len(said) < 600, said
    assert words in said
    assert not any(word in said for word in ("Traceback", "defect of Leafwing", "pydantic"))
    assert not out.exists()
    assert took < 3


@pytest.mark.parametrize(("overrides", "words"), OPTIONS, ids=lambda value: str(value)[:40])
def test_rel_r14_an_impossible_setting(overrides, words, pictures, tmp_path, capsys):  # noqa: F811
    refuse([str(pictures), "--set", *overrides], words, tmp_path / "run", capsys)


@pytest.mark.parametrize("kind", FILES)
def test_rel_r14_an_impossible_recipe_file(kind, tmp_path, capsys):
    data, words = FILES[kind]
    (tmp_path / "my.toml").write_bytes(data)
    refuse(["--recipe", str(tmp_path / "my.toml")], words, tmp_path / "run", capsys)


@pytest.mark.parametrize("kind", OWN)
def test_rel_r14_an_impossible_network_of_ones_own(kind, pictures, tmp_path, capsys):  # noqa: F811
    code, words = OWN[kind]
    (tmp_path / "mine.py").write_text(code)
    refuse([str(pictures), "--set", f"generator.name={tmp_path / 'mine.py'}:Net"], words, tmp_path / "run", capsys)


def test_rel_r14_recipes_and_sources_that_are_not_there(pictures, tmp_path, capsys):  # noqa: F811
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.toml").mkdir()
    for arguments, words in (
        (["--recipe", "dcgna"], "'dcgan'"),
        (["--recipe", str(tmp_path)], "No recipe"),
        (["--recipe", str(tmp_path / "folder.toml")], "not a recipe"),
        (["--recipe", "no/where.toml"], "no/where.toml"),
        (["--recipe", ""], "recipe"),
        (["--recipe", "/dev/null/x.toml"], "x.toml"),
        (["--recipe", "a" * 5000 + ".toml"], "recipe"),
        (["--recipe", "x\0.toml"], "null byte"),
        ([str(tmp_path / "empty")], "empty"),
        ([str(tmp_path / "nothing")], "does not exist"),
        (["world:moon"], "moon"),
        ([str(pictures), "--steps", "0"], "train.steps = 0"),
        ([str(pictures), "--steps", "few"], "few"),
        ([str(pictures), "--batch", "0"], "train.batch = 0"),
        ([str(pictures), "--sed", "1"], "--sed"),
        ([str(pictures), "--set"], "--set"),
        ([str(pictures), str(pictures)], "my pictures"),
    ):
        refuse(arguments, words, tmp_path / "run", capsys)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("device", ["cuda", "cuda:7", "gpu", "meta", "", "-1"])
def test_rel_r14_a_device_that_is_not_there(device, pictures, tmp_path, capsys):  # noqa: F811
    code = command(["train", str(pictures), "--out", str(tmp_path / "run"), "--device", device, "--set", *SETTINGS])
    said = capsys.readouterr().err.strip()
    assert code == 2
    assert said.startswith(f"leafwing: --device {device}")
    assert "cpu" in said
    assert "\n" not in said
    assert not (tmp_path / "run").exists()


def test_rel_r14_a_checkpoint_of_another_recipe(pictures, tmp_path, capsys):  # noqa: F811
    arguments = [str(pictures), "--out", str(tmp_path / "run"), "--steps", "2", "--set", *SETTINGS]
    assert command(["train", *arguments]) == 0
    recipe = tmp_path / "run" / "run.toml"
    mine = recipe.read_text()
    for old, new, words in (
        ("width = 4", "width = 6", "does not fit the networks"),
        ('name = "adam"', 'name = "rmsprop"', "another optimiser"),
    ):
        recipe.write_text(mine.replace(old, new))
        capsys.readouterr()
        assert command(["resume", str(tmp_path / "run"), "--steps", "3"]) == 2
        said = capsys.readouterr().err.strip()
        assert words in said
        assert str(tmp_path / "run") in said
        assert len(said.splitlines()) == 1
        assert len(said) < 1000
    for other in ("gan-2014", "faces"):
        settings = [*TINY[other], "data.image_size=16", "train.batch=8"]
        from leafwing import api

        recipe.write_text(api.make_recipe(pictures, other, steps=3, settings=settings).to_toml())
        assert command(["resume", str(tmp_path / "run")]) == 2
        assert len([row for row in capsys.readouterr().err.splitlines() if row.startswith("leafwing: ")]) == 1


def test_rel_r14_a_run_folder_without_write_permission(pictures, tmp_path, capsys, monkeypatch):  # noqa: F811
    """Root may write anywhere, so the disk itself says no here."""

    def refuse_it(self, path):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(disk.Disk, "create", refuse_it)
    monkeypatch.setattr(Checkpoints, "finish", lambda *_: pytest.fail("never trained"))
    arguments = [str(pictures), "--out", str(tmp_path / "run"), "--steps", "2", "--set", *SETTINGS]
    assert command(["train", *arguments]) == StorageFailed.exit_code
    said = capsys.readouterr().err.strip()
    assert "Permission denied" in said
    assert "run.toml" in said
    assert "\n" not in said


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
def test_rel_r14_a_place_without_write_permission(pictures, tmp_path, capsys):  # noqa: F811
    tmp_path.chmod(0o500)
    arguments = [str(pictures), "--out", str(tmp_path / "run"), "--steps", "2", "--set", *SETTINGS]
    assert command(["train", *arguments]) in (1, 2)
    assert "Permission denied" in capsys.readouterr().err
