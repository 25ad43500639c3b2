"""Recipes: typed, frozen, TOML and back; every impossible value is one sentence."""

from __future__ import annotations

import tomllib

import pydantic
import pytest

from leafwing.api import make_recipe
from leafwing.core.config import apply_overrides, read_value
from leafwing.core.errors import BadConfig
from leafwing.explain import expectations
from leafwing.recipe import Recipe, load_recipe, shipped

TINY = {
    "faces": (light := ["generator.width=4", "generator.most=8", "discriminator.width=4", "discriminator.most=8"]),
    "cgan": light,
    "acgan": light,
    "infogan": [*light, "prior.classes=[3]", "prior.numbers=1"],
    "dcgan": (narrow := ["generator.width=4", "discriminator.width=4"]),
    "lsgan": narrow,
    "softmax-gan": narrow,
    "dragan": narrow,
    "wgan": [
        "generator.width=4",
        "discriminator.width=4",
        "train.n_d=2",
        "train.n_d_long=3",
        "train.n_d_long_first=2",
        "train.n_d_long_every=4",
    ],
    "wgan-gp": ["generator.width=4", "discriminator.width=4", "train.n_d=2"],
    "r3gan": (small := ["generator.width=4", "discriminator.width=4", "generator.blocks=1", "discriminator.blocks=1"]),
    "r3gan-ffhq64": small,
    "alpha-gan": [*narrow, "discriminator.units=8"],
    "sngan": [*light, "train.n_d=2"],
    "sagan": light,
    "biggan": [*light, "generator.shared=4", "train.batch=8", "train.microbatch=8"],
    "progan": (growing := [*light, "growth.stable_kimg=0.02", "growth.fade_kimg=0.02"]),
    "stylegan": [*growing, "generator.style=8", "generator.depth=2"],
    "video-gan": ["generator.width=4", "discriminator.width=4"],
    "video-gan-maze": ["generator.width=4", "discriminator.width=4"],
    "video-supervised": ["generator.width=4"],
    "stylegan2": [*light, "generator.style=8", "generator.depth=2"],
    "transgan": ["generator.dim=8", "generator.depth=1", "discriminator.dim=8", "discriminator.depth=1"],
    "chat-gan": (short := ["generator.width=8", "data.words=50"]) + ["discriminator.width=8"],
    "chat-mle": short,
    "gan-2014": ["generator.hidden=16", "discriminator.units=8"],
}


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_recipe_is_complete_typed_and_reads_back(name):
    recipe = load_recipe(name)
    assert Recipe.from_dict(tomllib.loads(recipe.to_toml())) == recipe
    assert recipe.title
    first = shipped()[name].read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# "), "the first line says what to expect"
    assert "Use it " in expectations(name), "and another when to use it"
    with pytest.raises(pydantic.ValidationError):
        recipe.train.steps = 3


def test_overrides_are_dotted_and_typed():
    recipe = load_recipe("dcgan", ["train.batch=8", "data.flip=true", "optimizer.generator.betas=[0.0, 0.9]"])
    assert (recipe.train.batch, recipe.data.flip) == (8, True)
    assert recipe.optimizer.generator.betas == (0.0, 0.9)
    assert recipe.optimizer.discriminator.betas == (0.5, 0.999), "its neighbour keeps its own"
    assert read_value("some text") == "some text"
    assert apply_overrides({"a": {"name": "x", "w": 1}}, ["a.name=y"]) == {"a": {"name": "y"}}


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.batch=0", ["train.batch = 0", "greater than or equal to 1"]),
        ("train.steps=-1", ["train.steps = -1"]),
        ("generator.chanels=32", ["generator.chanels", "data.channels"]),
        ("generator.widht=32", ["generator.widht", "'width'"]),
        ("trian.batch=8", ["'trian'", "'train'"]),
        ("train.bach=8", ["train.bach", "'batch'"]),
        ("generator.name=dcgn", ["'dcgn'", "'dcgan'"]),
        ("variant.judge=vote", ["variant.judge", "'classification', 'softmax' or 'regression'"]),
        ("train.precision=fp16", ["'fp32' or 'bf16'"]),
        ("optimizer.generator.lr=0", ["optimizer.generator.lr = 0", "greater than 0"]),
        ("optimizer.generator.lr=nan", ["optimizer.generator.lr"]),
        ("optimizer.generator.lr=fast", ["optimizer.generator.lr = 'fast'", "number"]),
        ("optimizer.generator.learnrate=1", ["learnrate"]),
        ("data.image_size=65", ["65", "64"]),
        ("data.image_size=100000", ["data.image_size"]),
        ("data.channels=5", ["data.channels = 5"]),
        ("prior.dim=0", ["dim must be at least 1"]),
        ("prior.name=gauss", ["'gauss'"]),
        ("train=3", ["train is a section"]),
        ("train.batch", ["--set", "section.key=value"]),
        ("=3", ["section.key=value"]),
        ("train.batch=1", ["BatchNorm needs at least 2"]),
        ("train.seed=-1", ["train.seed"]),
        ("average.ramp=0", ["average.ramp"]),
        ("watch.samples=0", ["watch.samples"]),
        ("generator.kernel=3", ["generator.kernel"]),
        ("variant.real_label=abc", ["variant.real_label"]),
        ("generator.name=nowhere.py:Net", ["nowhere.py", "not a file"]),
        ("generator=dcgan", ["generator is a section"]),
        ("train.steps=1.5", ["train.steps = 1.5"]),
        ("data.count=1", ["data.count"]),
    ],
)
def test_what_cannot_be_is_one_sentence(override, words):
    with pytest.raises(BadConfig) as caught:
        load_recipe("dcgan", [override])
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert len(sentence) < 400
    assert all(word in sentence for word in words), sentence


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not toml at all", ["not valid TOML", "line 1"]),
        ("[train]\nbatch = 3\nbatch = 4\n", ["set twice", "line 3"]),
        ("[train]\nbatch = 3\n[train]\nsteps = 4\n", ["declared twice", "line 3"]),
        ("[train]\nbatch = 0\n", ["train.batch = 0"]),
        ("\x00\x01", ["not valid TOML"]),
        ("a = " + "[" * 5000, ["nested too deeply"]),
    ],
)
def test_recipe_files_that_cannot_be_read_name_the_file_and_the_line(tmp_path, text, words):
    path = tmp_path / "my recipe 食谱.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadConfig) as caught:
        load_recipe(str(path))
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize("name", ["alpha-gan", "dcgan", "progan", "r3gan", "stylegan", "stylegan2"])
def test_pictures_without_z_or_labels_are_refused(name):
    with pytest.raises(BadConfig, match="prior.name = 'none' cannot be: without z, labels or frames"):
        load_recipe(name, ["prior.name=none"])


def test_a_recipe_is_found_however_its_name_is_written_but_a_file_is_that_file(tmp_path, monkeypatch):
    assert load_recipe("WGAN-GP") == load_recipe("wgan-gp")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "WGAN-GP").write_text("[train]\nbatch = 7\n", encoding="utf-8")
    assert load_recipe("WGAN-GP").train.batch == load_recipe("./WGAN-GP").train.batch == 7


def test_a_shipped_count_is_for_drawing_a_world_and_leaves_no_file_of_yours_out(tmp_path):
    """The first 10,000 of a folder would be its first classes; what is asked for, or in a file of yours, stays."""
    assert make_recipe("world:faces", "cgan").data.count == 10_000
    assert make_recipe(tmp_path, "cgan").data.count is None
    assert make_recipe(tmp_path, "cgan", settings=["data.count=7"]).data.count == 7
    (tmp_path / "mine.toml").write_text("[data]\ncount = 5\n", encoding="utf-8")
    assert make_recipe(tmp_path, tmp_path / "mine.toml").data.count == 5


def test_unknown_recipes_and_binary_files(tmp_path):
    with pytest.raises(BadConfig, match="Did you mean 'dcgan'"):
        load_recipe("dcgna")
    with pytest.raises(BadConfig, match="There is no recipe file"):
        load_recipe("nothing.toml")
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe\x80")
    with pytest.raises(BadConfig, match="not a text file"):
        load_recipe(str(tmp_path / "x.toml"))


def test_a_network_of_ones_own_by_file(tmp_path):
    """R39, R31: a class in a file is a part like any other, its arguments are settings."""
    path = tmp_path / "mine.py"
    path.write_text(
        "from torch import nn\n"
        "class Tiny(nn.Module):\n"
        "    def __init__(self, z_dim: int, image_size: int = 64, channels: int = 3, hidden: int = 8):\n"
        "        super().__init__()\n"
        "        d = channels * image_size ** 2\n"
        "        self.body = nn.Sequential(nn.Linear(z_dim, hidden), nn.Linear(hidden, d), nn.Tanh(),\n"
        "                                  nn.Unflatten(1, (channels, image_size, image_size)))\n"
        "    def forward(self, z, condition=None):\n"
        "        return self.body(z)\n"
    )
    recipe = load_recipe("dcgan", [f"generator.name={path}:Tiny", "generator.hidden=5"])
    assert recipe.build_generator().body[0].out_features == 5
    with pytest.raises(BadConfig, match="hiden.*'hidden'"):
        load_recipe("dcgan", [f"generator.name={path}:Tiny", "generator.hiden=5"])
    with pytest.raises(BadConfig, match="Did you mean 'Tiny'"):
        load_recipe("dcgan", [f"generator.name={path}:Tny"])
    (tmp_path / "broken.py").write_text("import nothing_like_this")
    with pytest.raises(BadConfig, match="could not be imported"):
        load_recipe("dcgan", [f"generator.name={tmp_path / 'broken.py'}:Tiny"])
