"""ProGAN (issue 5, R79): growth of G, D and the reals, its optimisers, its networks and rules beside their sources."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from test_recipe import TINY
from test_run import fingerprint
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing import api
from leafwing.core.errors import BadConfig
from leafwing.core.randomness import stream
from leafwing.loading import load_generator
from leafwing.networks import discriminators, generators
from leafwing.networks.growing import Growth, GrowthSettings
from leafwing.prepare import prepare, read_store
from leafwing.recipe import Recipe, load_recipe
from leafwing.training import one_round
from leafwing.variants.progan import ProGAN
from leafwing.watch.average import Average

SMALL = ["data.image_size=16", "data.count=40", "train.batch=8", "prior.dim=6", "train.precision=fp32",
         "watch.samples=4", "watch.checkpoint_every=1", "watch.keep=20", "watch.alarms=false"]  # fmt: skip
PAIRS = ["progan", "stylegan"]
PHASES = [0.0, 0.25, 1.0, 1.5, 2.0]
"""Doublings in use by 16x16 players: the smallest side, a fade, a side, a fade, all."""


def small(name: str, *more: str) -> Recipe:
    return load_recipe(name, ["data.source=world:faces", *TINY[name], *SMALL, *more])


def training(recipe: Recipe):
    return prepare(recipe, read_store(recipe), torch.device("cpu"))


def players(name: str, size: int = 16, width: int = 4) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    options = {"width": width, "most": 8}
    G = generators.build(name, options, z_dim=6, image_size=size)
    return G, discriminators.build(name, options, image_size=size)


def draw(G: nn.Module, z: Tensor) -> Tensor:
    """Pictures in training mode, whose noise and mixing are those of a seed."""
    torch.manual_seed(1)
    return G(z)


def weights(net: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in net.named_parameters()}


# ------------------------------------------------------------------------------------------------ the schedule


@pytest.mark.parametrize(("stable", "fade", "first"), [(600, 600, 0), (600, 600, 1), (0.5, 1.25, 0), (3, 0, 0)])
def test_growth_is_the_schedule_of_the_authors_program(stable, fade, first):
    """Written down once more as the program has it: a level of detail that falls from log2(1024 / 4) to 0."""

    def detail(kimg: float) -> float:
        length = stable + fade
        phase = math.floor(kimg / length)
        lod = 8.0 - first - phase
        if fade:
            lod -= max(kimg - phase * length - stable, 0.0) / fade
        return max(lod, 0.0)

    settings = GrowthSettings(stable_kimg=stable, fade_kimg=fade, first=first)
    for images in [0, 1, 16, 499, 500, 501, 1749, 1750, 600_000, 600_016, 899_984, 1_200_000, 5_555_552, 10**8]:
        assert settings.grown(images, 8) == pytest.approx(8 - detail(images / 1000), abs=1e-9)
    assert GrowthSettings().grown(0, 8) == 8, "whole from the start unless asked"


def test_reals_are_as_coarse_as_fakes():
    """Means of squares, repeated; in a fade, the finer picture and the coarser one by its share."""
    G, D = players("progan")
    growth = Growth(GrowthSettings(stable_kimg=1, fade_kimg=1), (G, D), ())
    reals = torch.randn(2, 3, 16, 16, dtype=torch.float64)

    def coarse(side: int) -> Tensor:
        size = 16 // side
        means = reals.reshape(2, 3, side, size, side, size).mean(dim=(3, 5))
        return means.repeat_interleave(size, 2).repeat_interleave(size, 3)

    for images, wanted in [
        (0, coarse(4)),
        (1000, coarse(4)),
        (1250, 0.75 * coarse(4) + 0.25 * coarse(8)),
        (2000, coarse(8)),
        (3900, 0.1 * coarse(8) + 0.9 * reals),
        (4000, reals),
        (9000, reals),
    ]:
        growth.set_schedule(images)
        assert torch.allclose(growth.seen(reals), wanted, atol=1e-12)
        assert G.grown == D.grown == growth.at


# ------------------------------------------------------------------------------------------------ the networks


@pytest.mark.parametrize("name", PAIRS)
def test_a_grown_part_is_the_network_of_smaller_pictures(name):
    """Half-grown players are those for 8x8 with the same weights, their pictures repeated; D reads means of squares."""
    G, D = players(name)
    small_G, small_D = players(name, 8, width=8)
    for big, little in ((G, small_G), (D, small_D)):
        have = big.state_dict() | {"_extra_state": torch.tensor(1.0)}
        little.load_state_dict({key: value for key, value in have.items() if key in little.state_dict()})
        big.grown = 1.0
    z, pictures = torch.randn(4, 6), torch.randn(4, 3, 8, 8)
    whole = draw(G, z)
    assert whole.shape == (4, 3, 16, 16)
    assert torch.equal(whole, draw(small_G, z).repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert torch.allclose(D(pictures.repeat_interleave(2, 2).repeat_interleave(2, 3)), small_D(pictures), atol=1e-6)


@pytest.mark.parametrize("name", PAIRS)
def test_a_fade_goes_from_one_side_to_the_next_without_a_jump(name):
    """G's picture is a straight line between both, D's verdict is continuous at both ends."""
    G, D = (net.eval() for net in players(name))
    z, pictures = torch.randn(4, 6), torch.randn(4, 3, 16, 16)
    found = {}
    for grown in (1.0, 1 + 1e-7, 1.4, 2 - 1e-7, 2.0):
        G.grown = D.grown = grown
        found[grown] = (G.train(name == "progan")(z), D(pictures))
    for near, at in ((1 + 1e-7, 1.0), (2 - 1e-7, 2.0)):
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found[near], found[at], strict=True))
    assert not torch.allclose(found[1.4][1], found[2.0][1], atol=1e-5)
    if name == "progan":  # not cut to [-1, 1]
        assert torch.allclose(found[1.4][0], 0.6 * found[1.0][0] + 0.4 * found[2.0][0], atol=1e-5)


@pytest.mark.parametrize("name", PAIRS)
def test_layers_that_are_not_in_use_are_left_alone(name):
    """Over all phases every weight learns; in each phase, only those of sides in use."""
    G, D = players(name)
    for p in G.parameters():
        if not p.any():  # strengths of noise begin at 0
            nn.init.normal_(p, 0.0, 0.1)
    learnt: dict[int, set[str]] = {}
    for grown in PHASES:
        G.grown = D.grown = grown
        for net in (G, D):
            net.zero_grad(set_to_none=True)
        D(draw(G, torch.randn(4, 6))).sum().backward()
        moved = {
            f"{who}.{n}" for who, net in (("G", G), ("D", D)) for n, p in net.named_parameters() if p.grad is not None
        }
        learnt[int(4 * grown)] = moved
        finer = {
            name for name in moved if any(f"{part}.{math.ceil(grown) + 1}" in name for part in ("to_picture", "sides"))
        }
        assert not finer
    every = {f"{who}.{n}" for who, net in (("G", G), ("D", D)) for n, _ in net.named_parameters()}
    assert set.union(*learnt.values()) == every
    assert "D.from_picture.2.0.weight" in learnt[6] - learnt[4]
    assert "G.to_picture.1.weight" in learnt[6]
    assert "G.to_picture.1.weight" not in learnt[8], "the coarser colours are done with"


@pytest.mark.parametrize(
    ("name", "size"), [("progan", (23_086_795, 23_087_249)), ("stylegan", (26_219_627, 23_087_249))]
)
def test_published_sizes(name, size):
    """Karras et al. 2018, Table 2: 23.1 M both; 2019, Sec. 2: 26.2 M."""
    options = {"width": 16, "most": 512}
    with torch.device("meta"):
        G = generators.build(name, options | ({"style": 512} if name == "stylegan" else {}), z_dim=512, image_size=1024)
        D = discriminators.build(name, options, image_size=1024)
    assert tuple(sum(p.numel() for p in net.parameters()) for net in (G, D)) == size
    widths = [layer.in_channels for layer in G.to_picture]
    assert widths == [512, 512, 512, 512, 256, 128, 64, 32, 16]


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize(("size", "start", "doublings"), [(8, 4, 1), (48, 6, 3), (96, 6, 4), (128, 4, 5), (160, 5, 5)])
def test_sides_that_can_be_made(name, size, start, doublings):
    """Any side that is a square of 3 to 7 doubled: 48 grows 6, 12, 24, 48. For others the nearest are named."""
    G, D = players(name, size)
    assert G.doublings == D.doublings == doublings
    assert size == start << doublings
    G.grown = D.grown = 0.5
    pictures = G(torch.randn(2, 6))
    assert pictures.shape == (2, 3, size, size)
    assert D(pictures).shape == (2,)
    with pytest.raises(BadConfig, match="image_size = 50 cannot be made by doubling"):
        load_recipe(name, ["data.image_size=50"])


def fill(net: nn.Module) -> nn.Module:
    """As in benchmarks/agree_growing.py."""
    with torch.no_grad():
        for name, p in [*net.named_parameters(), *net.named_buffers()]:
            if not name.endswith("taps"):
                drawn = torch.from_numpy(stream(0, 0, name).standard_normal(tuple(p.shape))).float()
                p.copy_(0.1 * drawn if p.ndim == 1 or name.startswith("to_picture") else drawn)
    return net.eval()


def inputs(*shape: int) -> Tensor:
    return torch.from_numpy(stream(0, 0, "inputs").standard_normal(shape)).float()


@pytest.mark.parametrize(
    ("grown", "pictures", "verdicts"),
    [
        (2.0, [-0.00168, -0.07194, 0.03809, -0.05463, 0.00462], [0.44165, 0.27294, 0.5858, 0.18295]),
        (1.7, [-0.02351, -0.03583, 0.11464, 0.00416, -0.00855], [0.44189, 0.28201, 0.43457, 0.18191]),
    ],
)
def test_progan_agrees_with_a_public_port(grown, pictures, verdicts):
    """Numbers of facebookresearch/pytorch_GAN_zoo with these weights: benchmarks/agree_growing.py."""
    options = {"width": 8, "most": 16}
    G = fill(generators.build("progan", options, z_dim=10, image_size=16)).train()
    D = fill(discriminators.build("progan", options, image_size=16))
    G.grown = D.grown = grown
    made = G(inputs(4, 10)).flatten().detach()
    assert made[:: len(made) // 5][:5].tolist() == pytest.approx(pictures, abs=1e-4)
    assert D(inputs(4, 3, 16, 16)).tolist() == pytest.approx(verdicts, abs=1e-4)


# ------------------------------------------------------------------------------------------------ the game


def test_the_rules_in_closed_form():
    """WGAN-GP and the drift: Karras et al. 2018, Appendix A.1."""
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.5])
    terms = ProGAN().d_loss(real, fake)
    assert float(terms["adversarial"]) == -2.0
    assert float(terms["drift"]) == pytest.approx(0.001 * 2.5)
    assert ProGAN(drift=0.0).d_loss(real, fake)["drift"] == 0
    assert ProGAN().gp_lambda == 10.0


def test_optimisers_forget_at_both_ends_of_each_fade_and_nothing_else_does():
    """As the authors' program resets them; rounds of 8 pictures, phases of 20 + 20."""
    play = training(small("progan"))
    optimizers = (play.players.opt_G, play.players.opt_D)
    steps = []
    for _ in range(12):
        one_round(play)
        steps.append({int(slot["step"]) for opt in optimizers for slot in opt.state.values()})
    newest = [max(kinds) for kinds in steps]
    # images before each round:  0 8 16 | 24 32 | 40 48 56 | 64 72 | 80 ...
    assert newest == [1, 2, 3, 1, 2, 1, 2, 3, 1, 2, 1, 2]


@pytest.mark.parametrize("name", PAIRS)
def test_what_is_not_in_use_does_not_move(name):
    """In the first phase finer layers of G, D and the average are bit-equal to what they began as."""
    play = training(small(name, "growth.first=0", "average.halflife_kimg=0.01"))
    before = [weights(net) for net in (play.players.G, play.players.D, play.average)]
    watch = Average(10.0, 1.0)
    watch.start(play)
    for _ in range(2):
        watch.after_round(play, one_round(play))
    assert play.players.G.grown == play.players.D.grown == play.average.grown == 0
    for net, old in zip((play.players.G, play.players.D, play.average), before, strict=True):
        still = {n for n, p in net.named_parameters() if torch.equal(p, old[n])}
        finer = {n for n in old if any(f"{part}.{i}" in n for part in ("to_picture", "from_picture") for i in (1, 2))}
        finer |= {
            n
            for n in old
            if any(f"{part}.{i}." in n for part, first in (("blocks", 0), ("sides", 1)) for i in range(first, 3))
        }
        assert finer <= still
        assert old.keys() - still, "the others learn"


@pytest.mark.parametrize("name", PAIRS)
def test_resume_in_the_middle_of_a_fade_and_across_a_new_optimiser(name, tmp_path):
    """REL-R7: stopped before a fade, in it, and before and after it ends, with other random state: the unbroken run."""
    recipe = small(name, "growth.first=0", "train.steps=11")
    api.train(recipe=recipe, out=tmp_path / "whole", device="cpu")
    api.train(recipe=recipe.override(["train.steps=3"]), out=tmp_path / "parts", device="cpu")
    for goal in (4, 5, 6, 9, 11):
        torch.manual_seed(goal)
        api.resume(tmp_path / "parts", steps=goal, device="cpu")
    assert fingerprint(tmp_path / "parts") == fingerprint(tmp_path / "whole")


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("steps", [4, 9])
def test_a_generator_saved_in_any_phase_draws_what_the_run_drew(name, steps, tmp_path):
    """Checkpoints, sheets, measures and the saved generator are the same thing in every phase; so is a seed."""
    recipe = small(name, "growth.first=0", f"train.steps={steps}", "watch.measure_every=3")
    api.train(recipe=recipe, out=tmp_path / "run", device="cpu")
    G = load_generator(tmp_path / "run", "cpu")
    images = 8 * (steps - 1)  # before the last round
    assert G.network.grown == pytest.approx(recipe.growth.grown(images, 2))
    one, again = (api.sample(tmp_path / "run", 3, 5, tmp_path / f"{i}.png", device="cpu") for i in range(2))
    assert one.read_bytes() == again.read_bytes()
    side = 4 * 2 ** math.ceil(G.network.grown)
    pictures = G(torch.randn(2, 6))
    coarse = F.avg_pool2d(pictures, 16 // side)
    assert torch.allclose(F.interpolate(coarse, scale_factor=16 // side), pictures, atol=1e-6)
    copied = copy.deepcopy(G.network)
    assert copied.grown == G.network.grown


def test_networks_that_cannot_grow_are_said():
    with pytest.raises(BadConfig, match="DCGANGenerator does not grow.*progan, stylegan"):
        load_recipe("dcgan", ["growth.fade_kimg=1"])
    with pytest.raises(BadConfig, match="growth.first = 9 cannot be"):
        load_recipe("progan", ["growth.first=9"])
    with pytest.raises(BadConfig, match="growth.fade_kimg"):
        load_recipe("progan", ["growth.fade_kimg=-1"])


def test_batch_norm_is_refused():
    with pytest.raises(Exception, match="BatchNorm"):
        load_recipe(
            "progan", ["discriminator.name=dcgan", "generator.name=dcgan", "growth.stable_kimg=0", "growth.fade_kimg=0"]
        )


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("asks", ["projection", "concatenate"])
def test_asked_for_something_in_every_phase(name, asks, tmp_path):
    """Item 3: the same recipe with labels; what is asked for matters to both players while they grow."""
    recipe = small(name, "growth.first=0", "data.condition=hair", f"discriminator.asks={asks}", "train.steps=5")
    api.train(recipe=recipe, out=tmp_path / "run", device="cpu")
    api.sample(tmp_path / "run", 2, 0, tmp_path / "sheet.png", given=["hair=*"], device="cpu")
    play = training(recipe)
    G, D, x = play.players.G, play.players.D, play.conditions(0)[:4]
    for grown in PHASES:
        G.grown = D.grown = grown
        z = torch.randn(4, 6)
        pictures = G.eval()(z, x)
        assert not torch.equal(pictures, G(z, x.flip(0)))
        assert not torch.equal(D(pictures, x), D(pictures, x.flip(0)))
