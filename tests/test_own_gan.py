"""A GAN of one's own in one file (R31; issue 5, item 10): the tutorial's very blocks, its three doors, and the checks.

The same checks are asked here of every registered variant.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import leafwing
from leafwing.acceptance import accept, raise_if_broken
from leafwing.cli.main import run
from leafwing.core.errors import BadConfig, BadNetwork
from leafwing.core.registry import Registry
from leafwing.recipe import load_recipe
from leafwing.variants import variants

PAGE = Path(__file__).parents[1] / "docs" / "your_own_gan.md"
OURS = sorted(set(variants.names()) - {"wgan-div", "supervised", "likelihood"})
"""`supervised` and `likelihood` are baselines without a game: their D judges nothing."""


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def tutorial(tmp_path, monkeypatch):
    """A folder with the page's file, where the page's reader stands."""
    first, *_ = blocks("python")
    name = first.splitlines()[0].removeprefix("# ")
    (tmp_path / name).write_text(first, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    variants._parts.pop("wgan-div", None)
    for module in [name for name in sys.modules if "wgan_div" in name]:
        del sys.modules[module]


@pytest.mark.parametrize("name", OURS)
def test_every_variant_of_ours_keeps_the_promises(name):
    """Signs, extremes, shapes, turns, resume; by name, the moment a variant exists."""
    assert {check.promise: check.problem for check in accept(name) if check.problem} == {}


def test_the_tutorial_in_python(tutorial):
    """Each block after the first as it stands, in order, by one reader."""
    reader: dict[str, object] = {}
    for block in blocks("python")[1:]:
        exec(compile(block, str(PAGE), "exec"), reader)


def test_the_tutorial_on_the_command_line(tutorial, capsys):
    """Each line as it stands, but with fewer rounds, on few small pictures."""
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    assert {line.split()[1] for line in lines} == {"zoo", "train"}
    for line in lines:
        words = re.sub(r"--steps \d+", "--steps 2", line).split()[1:]
        if words[0] == "train":
            words += ["data.image_size=16", "data.count=32", "train.batch=8", "generator.width=4", "watch.samples=1"]
        assert run(words) == 0, capsys.readouterr().err
    assert "no " not in [line[:3] for line in capsys.readouterr().out.splitlines()]
    assert run(["resume", "runs/div", "--steps", "3"]) == 0
    log = (tutorial / "runs" / "div" / "run.toml").read_text(encoding="utf-8")
    assert str(tutorial / "wgan_div.py") in log


INSTALLED = """
from leafwing.recipe import load_recipe
print(type(load_recipe("faces", ["variant.name=wgan-div"]).build_variant()).__name__)
from leafwing.cli.main import run
print(run(["train", "--recipe", "faces", "--dry-run", "--set", "variant.name=wgan-dif"]))
"""


def install(folder: Path, entry: str) -> dict[str, str]:
    """A package as pip leaves it, with the page's entry point."""
    about = folder / "wgan_div-0.1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: wgan-div\nVersion: 0.1\n", encoding="utf-8")
    (about / "entry_points.txt").write_text(entry, encoding="utf-8")
    return os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


def test_the_tutorial_as_a_package(tutorial):
    """By entry point the name is there without an import, on the command line too; a miss knows it."""
    (toml,) = blocks("toml")
    group, entry = re.findall(r'^\[project\.entry-points\."(.*)"\]\n(.*)$', toml, flags=re.MULTILINE)[0]
    told = install(tutorial, f"[{group}]\n{entry.replace(chr(34), '')}\n")
    done = subprocess.run([sys.executable, "-c", INSTALLED], env=told, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["WGANdiv", "2"], done.stderr
    assert "Did you mean 'wgan-div'" in done.stderr


def test_a_broken_package_is_left_out_with_a_sentence(tmp_path):
    told = install(tmp_path, "[leafwing.variants]\nodd = no_such_module:Odd\n")
    code = "from leafwing.variants import variants; print('gan' in variants.names())"
    done = subprocess.run([sys.executable, "-c", code], env=told, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True"
    assert "'odd' of wgan-div is left out: ModuleNotFoundError" in done.stderr
    assert "Traceback" not in done.stderr


def test_one_file_by_two_doors_is_one_part_and_two_files_are_not(tutorial):
    """Imported by name and then by path, the decorator meets itself; another class of that name is refused."""
    import wgan_div

    assert load_recipe("faces", ["variant.name=wgan_div.py:WGANdiv"]).build_variant().k == 2
    assert load_recipe("faces", ["variant.name=wgan-div"]).build_variant().k == wgan_div.WGANdiv().k
    (tutorial / "other.py").write_text((tutorial / "wgan_div.py").read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(BadConfig, match="two variants are called 'wgan-div'"):
        load_recipe("faces", ["variant.name=other.py:WGANdiv"])
    registry: Registry[object] = Registry("thing", "leafwing.variants")
    registry.register("x")(dict)
    with pytest.raises(ValueError, match="two things are called 'x'"):
        registry.register("x")(list)


WRONG = {
    "swapped": ("wasserstein_d(real, fake)", "wasserstein_d(fake, real)", "D's loss does not fall"),
    "G's sign": ("adversarial.score_g(fake)", "-adversarial.score_g(fake)", "G's loss does not fall as fakes"),
    "no logits": ("adversarial.score_g(fake)", "-fake.sigmoid().log().mean()", "not finite at scores of +-100"),
    "not a number": (".pow(self.p).mean()", ".pow(self.p)", "'divergence' should be one finite number"),
    "no source": ("Source: Wu", "By Wu", "begins with Source:"),
    "no terms": ("return {\"adversarial\": adversarial.score_g(fake)}", "return {}", "a loss has no terms"),
    "keeps time": ("points = ", "self.k += 1; points = ", "differ: what is random has to follow from the step"),
}  # fmt: skip


@pytest.mark.parametrize("fault", WRONG)
def test_each_fault_is_found_and_named(fault, tutorial, capsys):
    """A check that cannot fail is none: the tutorial's file with one wrong line."""
    good, bad, words = WRONG[fault]
    text = (tutorial / "wgan_div.py").read_text(encoding="utf-8")
    assert good in text
    name = f"bad_{abs(hash(fault))}_wgan_div.py"
    (tutorial / name).write_text(text.replace(good, bad, 1), encoding="utf-8")
    with pytest.raises(BadConfig, match=re.escape(words)):
        raise_if_broken(f"{name}:WGANdiv")


def test_zoo_check_says_yes_and_no(tutorial, capsys):
    text = (tutorial / "wgan_div.py").read_text(encoding="utf-8")
    (tutorial / "bad_wgan_div.py").write_text(text.replace("Source: Wu", "By Wu"), encoding="utf-8")
    assert run(["zoo", "check", "bad_wgan_div.py:WGANdiv"]) == 2
    told = capsys.readouterr()
    assert [line[:4] for line in told.out.splitlines()] == ["no  ", *["yes "] * 5]
    assert "does not keep 1 of 6 promises" in told.err
    assert run(["zoo", "check", "nothing"]) == 2
    assert run(["zoo", "check", "bad_wgan_div.py:WGAN"]) == 2
    assert "Did you mean 'WGANdiv'" in capsys.readouterr().err


def test_a_class_that_is_no_variant_is_said(tutorial):
    (tutorial / "other.py").write_text("class NotAVariant:\n    pass\n", encoding="utf-8")
    with pytest.raises(BadConfig, match="'.*other.py:NotAVariant' cannot be: it is no leafwing.game.Variant"):
        load_recipe("dcgan", ["variant.name=other.py:NotAVariant"])


class Lazy(nn.Module):
    """A D, or from z a G, whose sizes torch finds out itself; ``idle`` is never used."""

    def __init__(self, outputs: int = 1, idle: bool = False) -> None:
        super().__init__()
        self.outputs = outputs
        self.body = nn.Sequential(
            nn.Flatten(), nn.LazyLinear(8), nn.LazyBatchNorm1d(), nn.ReLU(), nn.LazyLinear(outputs)
        )
        if idle:
            self.idle = nn.LazyLinear(3)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        out = self.body(x)
        return out.squeeze(1) if self.outputs == 1 else out.tanh().unflatten(1, (3, 16, 16))


LITTLE = ["data.image_size=16", "data.count=16", "train.batch=4", "generator.width=4", "discriminator.width=4",
          "watch.samples=1"]  # fmt: skip


@pytest.mark.parametrize(("who", "outputs"), [("generator", 3 * 16 * 16), ("discriminator", 1)])
def test_layers_that_learn_their_size_play_resume_and_load(who, outputs, tmp_path):
    """Their first weights come from the seed as others do; running means start where they should."""
    nets = [Lazy(outputs) for _ in range(2)]
    for number, net in enumerate(nets):
        torch.manual_seed(number)
        leafwing.train("world:faces", "dcgan", out=tmp_path / str(number), steps=1, settings=LITTLE, **{who: net})
        assert int(net.body[2].num_batches_tracked) > 0
        assert net.training
    assert torch.equal(nets[0].body[1].weight, nets[1].body[1].weight)
    again = Lazy(outputs)
    leafwing.resume(tmp_path / "0", steps=2, **{who: again})
    assert not torch.equal(again.body[1].weight, nets[0].body[1].weight)
    if who == "generator":
        assert leafwing.load(tmp_path / "0", generator=Lazy(outputs)) is not None


def test_a_layer_that_never_learns_its_size_is_one_sentence(tmp_path):
    with pytest.raises(
        BadNetwork, match=r"discriminator does not use idle, a layer that learns its size .*: remove it"
    ):
        leafwing.train("world:faces", "dcgan", out=tmp_path / "run", settings=LITTLE, discriminator=Lazy(idle=True))
    with pytest.raises(BadNetwork, match="discriminator fails on an input of shape"):
        leafwing.train(
            "world:faces", "dcgan", out=tmp_path / "two", settings=LITTLE,
            discriminator=nn.Sequential(nn.LazyConv2d(2, 40), nn.Flatten(), nn.LazyLinear(1)),
        )  # fmt: skip
