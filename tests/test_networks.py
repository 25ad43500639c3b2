"""Every registered network by name, and the homework's networks against an independent copy (R91)."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib.resources import files

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from leafwing.core import randomness
from leafwing.core.errors import BadConfig, BadNetwork
from leafwing.fusion import Add
from leafwing.game import call
from leafwing.latents import Uniform
from leafwing.networks import GIVEN, discriminators, generators
from leafwing.networks.gan_2014 import Maxout
from leafwing.networks.resize import EnlargeConvolve, MinibatchSpread
from leafwing.recipe import Recipe, load_recipe

BY_NORMS = {"sngan", "biggan"}
"""Generators whose norms are told the condition, so that z alone meets the first layer."""
SMALL = {"width": 4, "dim": 8, "hidden": 16, "units": 8, "most": 16}


def for_pictures(registry) -> list[str]:
    """Those that draw or judge pictures by themselves; the others, for films and replies, have tests of their own."""
    others = {"history", "lexicon"}
    return [name for name in registry.names() if not others & {*inspect.signature(registry.get(name)).parameters}]


def build(registry, name: str, **facts):
    schema = registry.settings(name, GIVEN)
    options = {key: SMALL[key] for key in schema.model_fields if key in SMALL}
    return registry.build(name, options, **facts)


def every_phase(net: nn.Module) -> Iterator[None]:
    """A network that grows in each of its phases, at last whole; any other as it is."""
    for half in range(2 * getattr(net, "doublings", 0) + 1):
        if hasattr(net, "grown"):
            net.grown = half / 2
        yield


@pytest.mark.parametrize("name", for_pictures(generators))
@pytest.mark.parametrize(("z_dim", "size", "channels", "k"), [(100, 64, 3, 0), (50, 16, 1, 0), (7, 24, 4, 3)])
def test_every_generator(name, z_dim, size, channels, k):
    """R1, R34, R35: G(z) and G(z, x), any length of z, the asked shape in [-1, 1]; every weight gets a gradient."""
    G = build(generators, name, z_dim=z_dim, image_size=size, channels=channels, condition_dim=k)
    for p in G.parameters():
        if not p.any():  # a layer that begins at 0 lets no gradient through to those before it
            nn.init.normal_(p, 0.0, 0.1)
    z, x = torch.randn(4, z_dim), torch.randn(4, k) if k else None
    for _ in every_phase(G):
        pictures = G(z) if x is None else G(z, x)
        assert pictures.shape == (4, channels, size, size)
        assert pictures.abs().max() <= 1 or G.unbounded
        code = call(G.encode, pictures, x) if hasattr(G, "encode") else z
        assert code.shape == z.shape
        ((pictures * torch.randn_like(pictures)).sum() + (code * torch.randn_like(code)).sum()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in G.parameters())
    with pytest.raises(BadNetwork):
        G(z, torch.randn(4, 2)) if x is None else G(z)
    if x is not None:
        assert not torch.equal(G(z, x), G(z, -x)), "the condition matters"
    G.eval()
    assert (G(z) if x is None else G(z, x)).abs().max() <= 1


@pytest.mark.parametrize("name", for_pictures(generators))
def test_a_fusion_of_ones_own_in_every_generator(name):
    """R3-R5: how z meets the condition is a plug-in; nothing of the package is edited."""

    class Times(nn.Module):
        out_dim = 6

        def forward(self, z, x):
            return z * x

    facts = {"z_dim": 6, "image_size": 16, "channels": 1, "condition_dim": 6}
    usual = {"stylegan2": 6 + 128}.get(name, 6 if name in BY_NORMS else 12)  # there the condition becomes as long as w
    for fusion, width in ((Times(), 6), (Add(6, 6), 6), (None, usual)):
        G = build(generators, name, **facts, fusion=fusion)
        first = next(layer for layer in G.modules() if isinstance(layer, nn.Linear))
        met = sum(G.pieces) if name == "biggan" else first.in_features  # which cuts what comes of the meeting
        assert met == width
        assert G(torch.randn(4, 6), torch.randn(4, 6)).shape == (4, 1, 16, 16)


@pytest.mark.parametrize("name", for_pictures(discriminators))
@pytest.mark.parametrize(("size", "channels", "k", "outputs"), [(64, 3, 0, 1), (16, 1, 0, 2), (24, 4, 3, 1)])
def test_every_discriminator(name, size, channels, k, outputs):
    """R38: a scalar a picture (two numbers for a two-class judge); every weight gets a gradient."""
    D = build(discriminators, name, z_dim=7, image_size=size, channels=channels, condition_dim=k, outputs=outputs)
    pictures, x = torch.randn(4, channels, size, size), torch.randn(4, k) if k else None
    for _ in every_phase(D):
        verdicts = D(pictures) if x is None else D(pictures, x)
        assert verdicts.shape == ((4,) if outputs == 1 else (4, outputs))
        on_code = D.judge_code(torch.randn(4, 7)) if hasattr(D, "judge_code") else torch.zeros(4)
        assert on_code.shape == (4,)
        ((verdicts * torch.randn_like(verdicts)).sum() + on_code.square().sum()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in D.parameters())


def test_dcgan_is_the_homework_layer_by_layer():
    """R91: shapes and parameter counts of the TAs' 2021 sample code, written down here once more."""

    def up(i: int, o: int) -> list[nn.Module]:
        return [nn.ConvTranspose2d(i, o, 5, 2, padding=2, output_padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU()]

    def down(i: int, o: int) -> list[nn.Module]:
        return [nn.Conv2d(i, o, 5, 2, 2), nn.BatchNorm2d(o), nn.LeakyReLU(0.2)]

    G = nn.Sequential(
        nn.Linear(100, 64 * 8 * 4 * 4, bias=False), nn.BatchNorm1d(64 * 8 * 4 * 4), nn.ReLU(),
        nn.Unflatten(1, (512, 4, 4)), *up(512, 256), *up(256, 128), *up(128, 64),
        nn.ConvTranspose2d(64, 3, 5, 2, padding=2, output_padding=1), nn.Tanh(),
    )  # fmt: skip
    D = nn.Sequential(
        nn.Conv2d(3, 64, 5, 2, 2), nn.LeakyReLU(0.2), *down(64, 128), *down(128, 256), *down(256, 512),
        nn.Conv2d(512, 1, 4), nn.Flatten(0),
    )  # fmt: skip
    ours = Recipe.from_dict({}).build_networks()
    x = torch.randn(3, 100)
    for mine, theirs in zip(ours, (G, D), strict=True):
        shapes = [[tuple(p.shape) for p in net.parameters()] for net in (mine, theirs)]
        assert shapes[0] == shapes[1]
        for p, q in zip(mine.parameters(), theirs.parameters(), strict=True):
            q.data.copy_(p.data)
        assert torch.allclose(mine(x), theirs(x), atol=1e-6)
        x = theirs(x).detach()
    assert [sum(p.numel() for p in net.parameters()) for net in ours] == [5_142_083, 4_316_545]
    assert float(ours[0].body[1].weight.detach().std()) == pytest.approx(0.02, rel=0.02)


def test_gan_2014_has_the_published_sizes():
    """R86: 100 -> 1200 -> 1200 -> 784 and maxout 240x5 twice, weights uniform in +-0.05 and +-0.005."""
    G = generators.build("gan-2014", {}, z_dim=100, image_size=28, channels=1)
    D = discriminators.build("gan-2014", {}, image_size=28, channels=1)
    linear = [layer for layer in G.modules() if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(100, 1200), (1200, 1200), (1200, 784)]
    assert all(float(layer.weight.detach().abs().max()) == pytest.approx(0.05, rel=0.01) for layer in linear)
    linear = [layer for layer in D.modules() if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(784, 1200), (240, 1200), (240, 1)]
    assert [layer.p for layer in D.modules() if isinstance(layer, nn.Dropout)] == [0.2, 0.5, 0.5]


def test_gan_2014_is_trained_by_the_released_configuration():
    """B5, mnist.yaml: lr 0.1 / 1.000004^t, momentum 0.5 to 0.7 in 250 epochs of 500; D descends half our loss."""
    recipe = load_recipe("gan-2014")
    parameter = [nn.Parameter(torch.zeros(1))]
    for player, lr in (("generator", 0.1), ("discriminator", 0.05)):
        settings = getattr(recipe.optimizer, player)
        optimizer = settings.build(parameter)
        for step, momentum in ((0, 0.5), (62_500, 0.6), (125_000, 0.7), (10**6, 0.7)):
            settings.set_schedule(optimizer, step)
            found = optimizer.param_groups[0]
            assert found["momentum"] == pytest.approx(momentum)
            assert found["lr"] == pytest.approx(lr * 1.000004**-step)
        settings.set_schedule(optimizer, 10**8)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(lr * 1e-5)
    assert (recipe.prior.options.low, recipe.prior.options.high) == pytest.approx((-(3**0.5), 3**0.5))
    assert recipe.train.batch == 100


@pytest.mark.parametrize("side", [4, 5, 7])
def test_enlarge_convolve_is_repeating_then_convolving(side):
    layer = EnlargeConvolve(3, 5).double()
    x = torch.randn(2, 3, side, side, dtype=torch.float64)
    slow = F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), layer.weight, padding=1)
    assert torch.allclose(layer(x), slow, atol=1e-12)
    assert torch.autograd.gradcheck(layer, x[:1, :, :3, :3].clone().requires_grad_())


def test_minibatch_spread_measures_variety():
    """Karras et al. 2018, Sec. 3: zero for equal pictures, the mean deviation over a group otherwise."""
    spread = MinibatchSpread(4)
    same = torch.randn(1, 3, 2, 2).expand(8, 3, 2, 2)
    assert float(spread(same)[:, 3].max()) <= 1.01e-4
    x = torch.randn(8, 3, 2, 2)
    out = spread(x)
    group = x[[0, 2, 4, 6]]
    assert torch.allclose(out[0, 3], group.std(dim=0, correction=0).mean().expand(2, 2), atol=1e-5)
    assert torch.equal(out[:, :3], x)
    assert spread(x[:3]).shape == (3, 4, 2, 2), "a batch that is no multiple of the group is one group"


def test_sides_that_cannot_be_made_are_refused_with_the_nearest():
    recipe = Recipe.from_dict({"data": {"image_size": 65}})
    with pytest.raises(BadConfig, match="65 cannot be made.*56, 64, 80"):
        recipe.check()


def test_maxout_is_the_largest_of_its_linear_maps():
    """Goodfellow et al. 2013, Eq. 1, one by one in float64."""
    layer = Maxout(5, 3, pieces=4, reach=1.0).double()
    x = torch.randn(6, 5, dtype=torch.float64)
    weights, biases = layer.linear.weight.detach().view(3, 4, 5), layer.linear.bias.detach().view(3, 4)
    by_hand = [
        [max(float(row @ w + b) for w, b in zip(weights[u], biases[u], strict=True)) for u in range(3)] for row in x
    ]
    assert torch.allclose(layer(x), torch.tensor(by_hand, dtype=torch.float64))


def test_first_weights_are_those_of_the_papers():
    """Radford et al. 2016, Sec. 4: N(0, 0.02), BatchNorm N(1, 0.02) in the homework; StyleGAN's constant is 1."""
    G = generators.build("dcgan", {"width": 32}, z_dim=20, image_size=64, channels=3)
    norms = torch.cat([m.weight for m in G.modules() if isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d)]).detach()
    kernels = torch.cat([m.weight.flatten() for m in G.modules() if isinstance(m, nn.ConvTranspose2d)]).detach()
    assert float(norms.mean()) == pytest.approx(1, abs=0.003)
    assert float(norms.std()) == pytest.approx(0.02, rel=0.05)
    assert float(kernels.mean()) == pytest.approx(0, abs=1e-3)
    assert float(kernels.std()) == pytest.approx(0.02, rel=0.02)
    assert all(not m.bias.detach().any() for m in G.modules() if isinstance(m, nn.BatchNorm2d))
    style = generators.build("stylegan", {"width": 4, "most": 8}, z_dim=6, image_size=16, channels=3)
    assert torch.equal(style.constant, torch.ones_like(style.constant))


def test_the_dcgan_of_2016_is_the_homeworks_twice_as_wide():
    """Radford et al. 2016, Sec. 3 and 4, by the settings that the recipe names: 100 uniform z to 1,024 maps of 4x4."""
    said = (files("leafwing.zoo") / "dcgan.toml").read_text().split("--set ")[1].split(".\n")[0]
    paper = load_recipe("dcgan", [word for word in said.split() if word != "#"])
    G, D = paper.build_networks()
    assert paper.build_prior() == Uniform(100, -1.0, 1.0)
    assert paper.train.batch == 128
    rules = paper.optimizer.generator, paper.optimizer.discriminator
    assert {(rule.lr, rule.weight_decay) for rule in rules} == {(2e-4, 1e-5)}
    assert paper.optimizer.generator.betas[0] == 0.5
    assert [m.in_channels for m in G.modules() if isinstance(m, nn.ConvTranspose2d)] == [1024, 512, 256, 128]
    assert [m.in_channels for m in D.modules() if isinstance(m, nn.Conv2d)] == [3, 128, 256, 512, 1024]


def test_small_sides_are_not_recommended_where_no_picture_may_be_so_small():
    with pytest.raises(BadConfig, match="9 cannot be made.*nearest that can: 8, 10, 12"):
        load_recipe("dcgan", ["data.image_size=9"])


@pytest.mark.parametrize("recipe", ["r3gan", "r3gan-ffhq64", "dcgan", "transgan"])
def test_every_side_that_doubling_makes_is_made(recipe):
    """Named in the refusals of all others; a recipe that cannot make one would send people from side to side."""
    sides = sorted({start << times for start in (3, 4, 5, 6, 7) for times in range(1, 6)} - {6})
    assert sides[0] == 8
    assert sides[-1] == 224
    for side in sides:
        shaped = load_recipe(recipe, [f"data.image_size={side}"])
        with torch.device("meta"):
            shaped.build_networks()


@pytest.mark.parametrize("name", for_pictures(discriminators))
def test_a_conditional_discriminator_without_its_condition_says_so(name):
    D = build(discriminators, name, z_dim=7, image_size=16, channels=1, condition_dim=3, outputs=1)
    with pytest.raises(BadNetwork, match="condition"):
        D(torch.zeros(2, 1, 16, 16))


def test_equal_seeds_give_equal_networks():
    """R47: seeded initialisation."""
    recipe = Recipe.from_dict({"generator": {"width": 4}, "discriminator": {"width": 4}})
    states = []
    for seed in (1, 1, 2):
        randomness.seed_networks(seed, -1)
        states.append(torch.cat([p.flatten() for net in recipe.build_networks() for p in net.parameters()]))
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])
