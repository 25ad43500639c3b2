"""SNGAN and SAGAN: spectral norm against SVD, blocks against direct definitions, sizes and outputs as published.

Requirements R93 and R96; issue 5, items 1, 3, 4, 5 and 6.
"""

from __future__ import annotations

import copy
import importlib.util
import math
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from conftest import batch, small_players
from torch import nn
from torch.nn import functional as F

from leafwing.core.errors import BadConfig
from leafwing.core.schedules import fall
from leafwing.freeze import frozen
from leafwing.game import Batch, judge, play_round
from leafwing.networks.attention import SelfAttention
from leafwing.networks.conditional_norm import ConditionalBatchNorm2d
from leafwing.networks.residual import Down, Up
from leafwing.networks.sngan import SNGANDiscriminator, SNGANGenerator
from leafwing.networks.spectral_norm import SpectralConv2d, SpectralLinear
from leafwing.optimizers import OptimizerSettings
from leafwing.prepare import prepare, read_store
from leafwing.recipe import load_recipe
from leafwing.training import one_round
from leafwing.variants.hinge import Hinge

LAYERS = {
    "linear": (lambda: SpectralLinear(7, 5), lambda: nn.Linear(7, 5), (3, 7)),
    "wide": (lambda: SpectralLinear(2, 9, bias=False), lambda: nn.Linear(2, 9, bias=False), (3, 2)),
    "convolution": (lambda: SpectralConv2d(3, 6, 3, padding=1), lambda: nn.Conv2d(3, 6, 3, padding=1), (2, 3, 5, 5)),
}
layers = pytest.mark.parametrize("kind", LAYERS)


def largest(weight: torch.Tensor) -> float:
    return float(torch.linalg.svdvals(weight.detach().flatten(1))[0])


# ------------------------------------------------------------------------------------------------ spectral norm


@layers
def test_the_largest_singular_value_is_one(kind):
    """R93: Miyato et al. 2018, Eq. 8, with the singular value of LAPACK."""
    layer, x = LAYERS[kind][0]().double(), torch.randn(LAYERS[kind][2], dtype=torch.float64)
    before = largest(layer.weight)
    for _ in range(500):
        layer(x)
    assert largest(layer.normalised()) == pytest.approx(1, abs=1e-9)
    torch.testing.assert_close(layer.normalised() * before, layer.weight)


@layers
def test_each_pass_in_training_is_one_power_iteration(kind):
    """Outputs, u and the weight's gradient as torch's own hook has them, over several passes; two before going back."""
    make, plain, shape = LAYERS[kind]
    ours, theirs = make().double(), plain().double()
    theirs.load_state_dict({name: value for name, value in ours.state_dict().items() if name != "u"})
    theirs = nn.utils.spectral_norm(theirs)
    theirs.weight_u.copy_(ours.u)
    for _ in range(3):
        x, y = torch.randn(2, *shape, dtype=torch.float64)
        for layer, weight in ((ours, "weight"), (theirs, "weight_orig")):
            (layer(x).square().sum() + layer(y).sum()).backward()
            layer.slope = layer.get_parameter(weight).grad.clone()
        torch.testing.assert_close(ours.u, theirs.weight_u)
        torch.testing.assert_close(ours(x), theirs(x))
        torch.testing.assert_close(ours.slope, theirs.slope)


@layers
def test_eval_moves_nothing(kind):
    layer, x = LAYERS[kind][0](), torch.randn(LAYERS[kind][2])
    u = layer.u.clone()
    layer.eval()
    assert torch.equal(layer(x), layer(x))
    assert torch.equal(layer.u, u)
    layer.train()(x)
    assert not torch.equal(layer.u, u)
    assert float(layer.u.norm()) == pytest.approx(1, abs=1e-6)


@layers
def test_a_frozen_network_is_bit_equal_afterwards_and_lets_gradients_pass(kind):
    """Issue 1: in the opponent's turn u may move, and is put back."""
    layer, x = LAYERS[kind][0](), torch.randn(LAYERS[kind][2], requires_grad=True)
    state = {name: value.clone() for name, value in layer.state_dict().items()}
    with frozen(layer):
        layer(x).sum().backward()
        assert not torch.equal(layer.u, state["u"])
    assert x.grad.any()
    assert all(torch.equal(value, state[name]) for name, value in layer.state_dict().items())


def test_a_skipped_step_moves_no_vector():
    """A broken batch of reals leaves weights, u and BatchNorm's statistics where they were, in both players."""
    players = small_players(Hinge())
    players.D = nn.Sequential(SpectralConv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), SpectralLinear(4 * 36, 1))
    players.opt_D = torch.optim.Adam(players.D.parameters(), lr=1e-2)
    play_round(Hinge(), players, [batch()], 0)
    state = {name: value.clone() for name, value in players.D.state_dict().items()}
    broken = Batch(torch.full((8, 3, 8, 8), float("nan")))
    log = play_round(Hinge(), players, [broken], 1)
    assert float(log["D/skipped"]) == 1
    assert all(torch.equal(value, state[name]) for name, value in players.D.state_dict().items())
    play_round(Hinge(), players, [batch()], 2)
    assert not torch.equal(players.D[0].u, state["0.u"])


def test_the_norm_is_found_in_full_precision():
    layer = SpectralLinear(64, 64)
    exact = copy.deepcopy(layer)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert copy.deepcopy(layer)(torch.randn(2, 64)).dtype == torch.bfloat16
        weight = layer.normalised()
    assert torch.equal(weight, exact.normalised())
    assert torch.equal(layer.u, exact.u)


def test_no_layer_of_d_is_steep_while_a_recipe_trains():
    """R93: after some rounds of `sngan` every layer's true largest singular value stands near 1, all layers counted."""
    game = training("sngan")
    for _ in range(30):
        one_round(game)
    D = game.players.D
    found = [m for m in D.modules() if isinstance(m, SpectralConv2d | SpectralLinear)]
    assert len(found) == sum(isinstance(m, nn.Conv2d | nn.Linear) for m in D.modules()) == 9
    values = [largest(layer.normalised()) for layer in found]
    assert all(0.99 < value < 1.1 for value in values), values


def test_dcgan_with_a_spectrally_normalised_d():
    """R93, the homework's strong baseline: every weight of D, of the same shape, and no BatchNorm."""
    plan = load_recipe("dcgan", ["variant.name=hinge", "discriminator.norm=spectral", "discriminator.width=4"])
    D, plain = plan.build_discriminator(), load_recipe("dcgan", ["discriminator.width=4"]).build_discriminator()
    layers = [m for m in D.modules() if isinstance(m, nn.Conv2d)]
    assert all(isinstance(layer, SpectralConv2d) for layer in layers)
    assert [m.weight.shape for m in layers] == [m.weight.shape for m in plain.modules() if isinstance(m, nn.Conv2d)]
    assert not any(isinstance(m, nn.BatchNorm2d) for m in D.modules())
    D(torch.randn(4, 3, 64, 64)).sum().backward()
    assert all(p.grad is not None for p in D.parameters())


# ------------------------------------------------------------------------------------------------ blocks


def test_up_is_its_direct_definition():
    """Miyato et al. 2018, Fig. 8: every convolution after the enlarging, also the one beside; float64."""
    block = Up(3, 5, nn.BatchNorm2d).double()
    x = torch.randn(4, 3, 6, 6, dtype=torch.float64)
    h = F.conv2d(twice(F.relu(norm(x, block.norm1))), block.conv1.weight, block.conv1.bias, padding=1)
    h = F.conv2d(F.relu(norm(h, block.norm2)), block.conv2.weight, block.conv2.bias, padding=1)
    want = h + F.conv2d(twice(x), block.beside.weight, block.beside.bias)
    torch.testing.assert_close(block(x), want)


def twice(x: torch.Tensor) -> torch.Tensor:
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def norm(x: torch.Tensor, layer: nn.BatchNorm2d) -> torch.Tensor:
    return F.batch_norm(x, None, None, layer.weight, layer.bias, training=True)


@pytest.mark.parametrize(("first", "halve", "w_out"), [(True, True, 5), (False, True, 3), (False, False, 5)])
def test_down_is_its_direct_definition(first, halve, w_out):
    """The authors pool before the convolution beside in the first block and after it in the others: here alike."""
    block = Down(3, w_out, nn.Conv2d, halve, first).double()
    x = torch.randn(4, 3, 6, 6, dtype=torch.float64)

    def half(y: torch.Tensor) -> torch.Tensor:
        return y.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).mean((3, 5)) if halve else y

    h = F.conv2d(x if first else F.relu(x), block.conv1.weight, block.conv1.bias, padding=1)
    h = half(F.conv2d(F.relu(h), block.conv2.weight, block.conv2.bias, padding=1))
    torch.testing.assert_close(block(x), h + half(F.conv2d(x, block.beside.weight, block.beside.bias)))


def test_a_block_that_changes_nothing_passes_by():
    assert isinstance(Down(4, 4, nn.Conv2d, halve=False).beside, nn.Identity)


def test_attention_is_a_weighted_mean_place_by_place():
    """Zhang et al. 2019, Sec. 3, written as loops: queries at each place, keys and values at the largest of 2x2."""
    layer = SelfAttention(16, nn.Conv2d).double()
    x = torch.randn(1, 16, 4, 4, dtype=torch.float64)
    assert torch.equal(layer(x), x), "gamma begins at 0"
    nn.init.constant_(layer.gamma, 0.7)
    q, k, v = (F.conv2d(x, conv.weight.detach())[0] for conv in (layer.query, layer.key, layer.value))
    assert (len(q), len(k), len(v)) == (2, 2, 8)
    k, v = (m.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).amax((2, 4)) for m in (k, v))
    found = torch.zeros(8, 4, 4, dtype=torch.float64)
    for row in range(4):
        for column in range(4):
            heights = torch.tensor([[float(q[:, row, column] @ k[:, i, j]) for j in range(2)] for i in range(2)])
            share = heights.double().exp() / heights.double().exp().sum()
            found[:, row, column] = (v * share).sum((1, 2))
    want = x + 0.7 * F.conv2d(found[None], layer.out.weight)
    torch.testing.assert_close(layer(x), want, rtol=1e-5, atol=1e-6)
    assert torch.autograd.gradcheck(layer, x.requires_grad_())


@pytest.mark.parametrize(("attend", "of_g", "of_d"), [(32, 32, 32), (40, 32, 32), (64, 64, 32), (9, 8, 8)])
def test_attention_stands_on_the_largest_map_that_is_not_too_large(attend, of_g, of_d):
    """SAGAN: on maps of 32x32 in both players; D has none of 64 to offer."""
    G = SNGANGenerator(6, 64, width=2, most=4, attend=attend)
    D = SNGANDiscriminator(64, width=2, most=4, attend=attend)
    seen = []
    for net in (G, D):
        (layer,) = (m for m in net.modules() if isinstance(m, SelfAttention))
        layer.register_forward_hook(lambda layer, inputs, out: seen.append(out.shape[2]))
    D(G(torch.randn(2, 6)))
    assert seen == [of_g, of_d]


# ------------------------------------------------------------------------------------------------ as published

ROOT = Path(__file__).parents[1]
SIZES = {
    32: ({"width": 256, "most": 256}, {"width": 128, "most": 128, "until": 8, "flat": 2}, 4_276_739, 1_053_825, 8),
    48: ({"most": 512}, {"until": 3}, 4_878_083, 10_141_441, 3),
    64: ({}, {"until": 2, "flat": 0}, 12_220_675, 10_141_441, 2),
    128: ({}, {}, 32_150_787, 29_017_857, 4),
}


@pytest.mark.parametrize("side", SIZES)
def test_sngan_has_the_published_sizes(side):
    """Counts of the authors' networks as ported by mimicry; the side of D's last maps by the paper's tables."""
    for_g, for_d, in_g, in_d, last = SIZES[side]
    G, D = SNGANGenerator(128, side, **for_g).eval(), SNGANDiscriminator(side, **for_d).eval()
    with torch.no_grad():
        pictures = G(torch.zeros(1, 128))
        assert D.body(pictures).shape[2:] == (last, last)
    assert pictures.shape == (1, 3, side, side)
    assert [sum(p.numel() for p in net.parameters()) for net in (G, D)] == [in_g, in_d]


def agree() -> ModuleType:
    """The script that makes the numbers below again from a checkout of the originals."""
    spec = importlib.util.spec_from_file_location("agree_spectral", ROOT / "benchmarks" / "agree_spectral.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SNGAN_32 = [-0.711955, -0.351283, -0.42591, -0.50775, -2.519179, -2.725975, -2.508431, -1.973617]
SAGAN_32 = [-0.011447, 0.534065, 0.233525, -0.043656, 16.26405, 19.925116, 17.189844, 15.76628]
"""Printed by `python benchmarks/agree_spectral.py --mimicry CHECKOUT`: pixels and scores of the port's networks."""


def test_ours_compute_what_the_originals_compute():
    """Issue 5, item 6: same weights, same inputs, third pass in training mode, SAGAN with labels; to 1e-4."""
    script = agree()
    assert script.some(*script.outputs(*script.sngan(32), 32)) == pytest.approx(SNGAN_32, abs=1e-4)
    with_labels = script.outputs(*script.sagan(), 32, about=(script.one_hot(),))
    assert script.some(*with_labels) == pytest.approx(SAGAN_32, abs=1e-4)


@pytest.mark.parametrize("size", [24, 40, 48, 56, 96])
@pytest.mark.parametrize("channels", [1, 4])
def test_any_side_that_doubling_makes(size, channels):
    """Issue 5, item 4."""
    G = SNGANGenerator(50, size, channels, width=2, most=4)
    D = SNGANDiscriminator(size, channels, width=2, most=4)
    assert D(G(torch.randn(2, 50))).shape == (2,)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["data.image_size=50"], ["gives 50 pixels", "set data.image_size to 32 or 64."]),
        (["discriminator.until=5"], ["discriminator.until = 5", "64 pixels", "data.image_size to 40 or 80"]),
        (["data.image_size=48"], ["discriminator.until", "data.image_size to 32 or 64", "discriminator.until to 6"]),
        (["discriminator.until=64"], ["discriminator.until = 64"]),
        (["generator.attend=7"], ["generator.attend = 7", "8 wide"]),
        (["discriminator.attend=1"], ["discriminator.attend = 1", "2 wide"]),
        (["generator.told=input"], ["hides the condition"]),
    ],
)
def test_what_cannot_be_is_one_sentence(settings, words):
    with pytest.raises(BadConfig) as caught:
        load_recipe("sngan", settings)
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize("recipe", ["sngan", "biggan"])
@pytest.mark.parametrize("side", [20, 48, 50])
@pytest.mark.parametrize("until", [None, 2, 5, 9])
def test_what_a_refusal_tells_to_set_can_be_built(recipe, side, until):
    """Each side that is named, and each other value, by itself."""
    wrong = [f"data.image_size={side}", *([f"discriminator.until={until}"] if until else [])]
    try:
        load_recipe(recipe, wrong)
    except BadConfig as error:
        told = str(error)
    else:
        return
    sides = " ".join(re.findall(r"image_size to (\d+(?: or \d+)?)", told) + re.findall(r"that can: ([\d, ]+)", told))
    ways = [f"data.image_size={found}" for found in re.findall(r"\d+", sides)]
    ways += [f"discriminator.until={found}" for found in re.findall(r"until to (\d+)", told)]
    assert ways, told
    for settings in [ways] if "set both" in told else [[way] for way in ways]:
        load_recipe(recipe, [*wrong, *settings])


# ------------------------------------------------------------------------------------------------ labels

SMALL = ["generator.width=4", "generator.most=8", "discriminator.width=4", "discriminator.most=8", "prior.dim=6",
         "data.image_size=16", "data.count=60", "train.batch=8", "train.n_d=1", "train.precision=fp32"]  # fmt: skip
FOR = {
    "sngan": ["discriminator.until=4", "discriminator.flat=1"],
    "sagan": ["generator.attend=8", "discriminator.attend=8"],
    "biggan": ["generator.attend=8", "discriminator.attend=8", "generator.shared=4", "train.microbatch=8"],
}


def training(recipe: str, *more: str):
    plan = load_recipe(recipe, [*SMALL, *FOR[recipe], "data.source=world:faces", *more])
    return prepare(plan, read_store(plan), torch.device("cpu"))


@pytest.mark.parametrize("recipe", FOR)
def test_several_labels_reach_both_players(recipe):
    """Issue 5, item 3: hair and eyes at once, each by itself, or neither; G by its norms, D by projection."""
    game = training(recipe, "data.condition=hair,eyes")
    one_round(game)
    G, D, words = game.players.G.eval(), game.players.D.eval(), game.vocabulary
    for layer in (m for m in (*G.modules(), *D.modules()) if isinstance(m, SelfAttention)):
        nn.init.constant_(layer.gamma, 0.5)
    assert any(isinstance(m, ConditionalBatchNorm2d) for m in G.modules())
    nothing = float("nan")
    rows = [[0, 0], [1, 0], [0, 1], [0, nothing], [nothing, nothing]]
    x = torch.from_numpy(words.encode(np.array(rows, np.float32)))
    with torch.no_grad():
        pictures = G(game.players.prior.sample(1, np.random.default_rng(0)).expand(5, -1), x)
        scores = judge(D, Batch(pictures[:1].expand(5, -1, -1, -1), x))
    for one in range(5):
        for other in range(one):
            assert (pictures[one] - pictures[other]).abs().max() > 1e-4
            assert (scores[one] - scores[other]).abs() > 1e-6


# ------------------------------------------------------------------------------------------------ recipes

PAPERS = {
    "sngan": {
        "variant.name": "hinge",
        "train.n_d": 5,
        "train.batch": 64,
        "prior.dim": 128,
        "optimizer.generator.lr": 2e-4,
        "optimizer.discriminator.lr": 2e-4,
        "optimizer.generator.betas": (0.0, 0.9),
    },
    "sagan": {
        "variant.name": "hinge",
        "train.n_d": 1,
        "train.batch": 256,
        "generator.spectral": True,
        "generator.attend": 32,
        "discriminator.attend": 32,
        "optimizer.generator.lr": 1e-4,
        "optimizer.discriminator.lr": 4e-4,
        "optimizer.generator.betas": (0.0, 0.9),
    },
    "biggan": {
        "variant.orthogonal": 1e-4,
        "train.n_d": 2,
        "train.batch": 2048,
        "prior.dim": 120,
        "generator.shared": 128,
        "optimizer.generator.lr": 5e-5,
        "optimizer.discriminator.lr": 2e-4,
        "optimizer.generator.betas": (0.0, 0.999),
        "optimizer.generator.eps": 1e-6,
        "optimizer.discriminator.eps": 1e-6,
    },
}


@pytest.mark.parametrize("name", PAPERS)
def test_recipes_carry_the_papers_numbers(name):
    recipe = load_recipe(name, check=False).as_dict()
    for path, value in PAPERS[name].items():
        found = recipe
        for key in path.split("."):
            found = found[key]
        assert found == value, path


@pytest.mark.parametrize("player", [SNGANGenerator, SNGANDiscriminator])
def test_first_weights_are_glorot_s_and_louder_in_the_branches(player):
    """As the authors': Glorot & Bengio 2010, Eq. 16, sqrt 2 times as large in the two convolutions of a block."""
    torch.manual_seed(0)
    net = player(image_size=32, width=24, most=48, **({"z_dim": 12} if player is SNGANGenerator else {}))
    kinds = {True: 0, False: 0}
    for name, layer in net.named_modules():
        if not isinstance(layer, nn.Conv2d | nn.Linear):
            continue
        branch = name.endswith(("conv1", "conv2"))
        kinds[branch] += 1
        fan = (layer.weight.shape[0] + layer.weight.shape[1]) * layer.weight[0, 0].numel()
        bound = math.sqrt(6 / fan) * (math.sqrt(2) if branch else 1)
        assert 0.9 * bound < float(layer.weight.detach().abs().max()) <= bound * 1.0001, name
        assert layer.bias is None or not layer.bias.detach().any()
    assert all(count >= 2 for count in kinds.values())


def test_a_learning_rate_falls_along_a_line():
    """As the authors' LinearShift: whole up to its first round, 0 from its last on; sgd's is then not recorded."""
    assert [fall(step, 4, 8) for step in (0, 4, 5, 6, 7, 8, 100)] == [1, 1, 0.75, 0.5, 0.25, 0, 0]
    rule, weight = OptimizerSettings(lr=0.1, fall_from=4, fall_to=8), nn.Parameter(torch.zeros(1))
    opt = rule.build([weight])
    rule.set_schedule(opt, 6)
    assert opt.param_groups[0]["lr"] == pytest.approx(0.05)
    assert all(rule.settled(step, 0) for step in (0, 3, 4, 9)), "a recording reads Adam's from a tensor"
    sgd = rule.model_copy(update={"name": "sgd"})
    assert [sgd.settled(step, 0) for step in (0, 3, 4, 9)] == [True, True, False, False]


def test_a_recorded_learning_rate_moves_in_place():
    """The same steps as with a number, by one and the same tensor."""
    rule = OptimizerSettings(lr=0.1, fall_from=1, fall_to=5)
    weights = [nn.Parameter(torch.tensor([1.0, -2.0])) for _ in range(2)]
    opts = [rule.build([weight], recorded) for weight, recorded in zip(weights, (True, False), strict=True)]
    rate = opts[0].param_groups[0]["lr"]
    for step in range(5):
        for weight, opt in zip(weights, opts, strict=True):
            rule.set_schedule(opt, step)
            weight.grad = weight.detach().sin()
            opt.step()
        assert torch.equal(*weights)
    assert opts[0].param_groups[0]["lr"] is rate
    assert float(rate) == pytest.approx(0.025)
