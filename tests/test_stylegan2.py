"""StyleGAN2 (issue 5, items 2, 4, 5, 6): against direct definitions in float64, the authors' program's own numbers and
published sizes; path lengths of maps whose Jacobian is known; what the game remembers survives a stop.
"""

from __future__ import annotations

import copy
import math
import sys
from pathlib import Path

import pytest
import torch
from conftest import small_players, small_reals
from test_recipe import TINY
from test_run import pictures  # noqa: F401
from test_trust_resume import play, small
from torch import nn
from torch.nn import functional as F

from leafwing import api
from leafwing.core.errors import BadConfig, BadNetwork
from leafwing.game import Batch, Players, play_round
from leafwing.latents import Normal
from leafwing.losses import penalties
from leafwing.networks.stylegan2 import ModulatedConv2d, StyledLayer, StyleGAN2Discriminator, StyleGAN2Generator
from leafwing.recipe import load_recipe
from leafwing.training import Training, one_round
from leafwing.variants.gan import GAN
from leafwing.variants.stylegan2 import StyleGAN2
from leafwing.watch.meter import read_rows

SMALL = {"width": 4, "most": 8}
STYLED = SMALL | {"style": 8, "depth": 2}


def number(x: torch.Tensor) -> float:
    return float(x.detach())


# ---- networks ----


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("kernel", [1, 3])
def test_modulated_convolution_is_the_papers_definition(kernel, demodulate):
    """Eq. 1 and 3 written out: every picture has weights of its own. Values and gradients, in float64."""
    torch.manual_seed(0)
    layer = ModulatedConv2d(5, 4, kernel, 6, demodulate=demodulate).double()
    x = torch.randn(3, 5, 7, 7, dtype=torch.float64, requires_grad=True)
    w = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    direct = []
    for one, style in zip(x, layer.ask(w), strict=True):
        weight = layer.weight * style[None, :, None, None]
        if demodulate:
            weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        else:
            weight = weight / math.sqrt(5 * kernel**2)
        direct.append(F.conv2d(one[None], weight, padding=kernel // 2))
    found, expected = layer(x, w), torch.cat(direct)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    y = torch.randn_like(found)
    both = (torch.autograd.grad((out * y).sum(), [x, w, layer.weight]) for out in (found, expected))
    for ours, theirs in zip(*both, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_modulated_doubling_is_zeros_between_pixels_then_weights_then_the_filter():
    torch.manual_seed(0)
    layer = ModulatedConv2d(2, 3, 3, 4, up=True).double()
    x, w = torch.randn(1, 2, 5, 5, dtype=torch.float64), torch.randn(1, 4, dtype=torch.float64)
    spread = torch.zeros(1, 2, 10, 10, dtype=torch.float64)
    spread[:, :, ::2, ::2] = x
    weight = layer.weight * layer.ask(w)[0, None, :, None, None]
    weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
    maps = F.conv2d(F.pad(spread, (2, 2, 2, 2)), weight.flip(2, 3))  # a convolution, not a correlation
    taps = torch.tensor([1.0, 3, 3, 1], dtype=torch.float64) / 8 * 2
    blur = torch.outer(taps, taps).expand(3, 1, 4, 4)
    expected = F.conv2d(F.pad(maps[..., :-1, :-1], (1, 1, 1, 1)), blur, groups=3)  # nothing comes after the last pixel
    torch.testing.assert_close(layer(x, w), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("side", "width", "G_size", "D_size"),
    [(1024, 32, 30_370_060, 29_012_513), (256, 64, 24_767_458, 24_001_089)],
)
def test_published_sizes(side, width, G_size, D_size):
    """30.37 / 29.01 M at FFHQ 1024 (config F), 24.77 / 24.00 M at FFHQ 256."""
    with torch.device("meta"):
        G = StyleGAN2Generator(512, side, 3, width=width, most=512, style=512)
        D = StyleGAN2Discriminator(side, 3, width=width, most=512)
    assert sum(p.numel() for p in G.parameters()) == pytest.approx(G_size, abs=50)
    assert sum(p.numel() for p in D.parameters()) == D_size


def program():
    """The script that compares with the authors' program: its weights and inputs are deterministic."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
    import agree_stylegan2

    return agree_stylegan2


THEIRS = {
    0: {
        "pictures": [-0.12811, 0.03383, -0.35104, 0.11141, 0.2814],
        "lengths": [0.16603, 0.08398, 0.10274, 0.13936, 0.08065],
        "verdicts": [-0.2044, -0.17086, -0.22728, -0.1617, -0.17453],
    },
    5: {
        "pictures": [-0.12893, 0.08394, -0.31502, 0.11529, -0.01837],
        "lengths": [0.12139, 0.16557, 0.10151, 0.37019, 0.08652],
        "verdicts": [-0.26108, -0.65353, -0.2987, -0.21861, -0.37024],
    },
}
"""What the authors' program gave with the same weights and inputs: `python benchmarks/agree_stylegan2.py`."""


@pytest.mark.parametrize("kinds", [0, 5])
def test_the_numbers_of_the_authors_program(kinds):
    """Item 6: within 1e-4; rounded to 5 places there. The script itself finds differences below 1e-6."""
    script = program()
    G, D = script.ours(kinds)
    G.eval()
    c = script.asked(8) if kinds else None
    styles = G.styles(script.inputs(8, script.Z), c)
    drawn = G.draw(styles)
    shape = tuple(drawn.shape)
    y = torch.from_numpy(script.stream(0, 0, "directions").standard_normal(shape)).float() / script.SIDE
    reals = script.inputs(8, 3, script.SIDE, script.SIDE)
    found = {
        "pictures": drawn,
        "lengths": penalties.path_lengths(drawn, styles, y),
        "verdicts": D(reals) if c is None else D(reals, c),
    }
    for name, expected in THEIRS[kinds].items():
        flat = found[name].detach().flatten()
        some = flat[:: max(1, flat.numel() // 5)][:5]
        torch.testing.assert_close(some, torch.tensor(expected), atol=2e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize("side", [8, 16, 24, 32, 48])
@pytest.mark.parametrize(("channels", "z_dim", "kinds"), [(1, 50, 0), (3, 100, 3), (4, 1, 7)])
def test_any_side_channels_z_and_condition(side, channels, z_dim, kinds):
    facts = {"image_size": side, "channels": channels, "condition_dim": kinds}
    G, D = StyleGAN2Generator(z_dim, **facts, **STYLED), StyleGAN2Discriminator(**facts, **SMALL, depth=2)
    z, c = torch.randn(4, z_dim), torch.eye(kinds)[:1].expand(4, -1) if kinds else None
    told = (c,) if kinds else ()
    drawn = G(z, *told)
    assert drawn.shape == (4, channels, side, side)
    assert D(drawn, *told).shape == (4,)
    assert G.eval()(10 * z, *told).abs().max() <= 1
    if kinds:
        with torch.no_grad():
            other = torch.eye(kinds)[1:2].expand(4, -1)
            assert not torch.equal(G(z, c), G(z, other))
            assert not torch.equal(D(drawn, c), D(drawn, other))
            assert D(drawn, torch.zeros_like(c)).isfinite().all(), "nothing asked"
        with pytest.raises(BadNetwork, match="condition"):
            G(z)
        with pytest.raises(BadNetwork, match="condition"):
            D(drawn)


def test_sides_that_cannot_be_doubled_to_are_said():
    with pytest.raises(BadConfig, match=r"image_size = 100 cannot be made by doubling.*96"):
        load_recipe("stylegan2", ["data.image_size=100"])


def test_demodulation_keeps_the_size_of_maps_whatever_the_style():
    """What AdaIN did by statistics of the picture is done by the weights: unit deviation in, unit deviation out."""
    torch.manual_seed(0)
    layer = ModulatedConv2d(32, 64, 3, 8)
    maps = torch.randn(8, 32, 24, 24)
    for size in (0.1, 1.0, 30.0):
        found = layer(maps, size * torch.randn(8, 8))[..., 1:-1, 1:-1].detach()
        assert float(found.std()) == pytest.approx(1, abs=0.06)


def test_noise_is_fixed_in_evaluation_and_moves_only_details_it_learnt():
    layer = StyledLayer(4, 4, 8, 6)
    maps, w = torch.randn(2, 4, 8, 8), torch.randn(2, 6)
    assert torch.equal(layer(maps, w), layer(maps, w)), "strength begins at 0"
    nn.init.constant_(layer.noise.strength, 0.5)
    assert not torch.equal(layer(maps, w), layer(maps, w))
    layer.eval()
    assert torch.equal(layer(maps, w), layer(maps, w))
    assert layer.noise.strength.shape == (1,), "one for all maps, as in the paper"


def test_truncation_draws_every_picture_towards_the_mean_style():
    torch.manual_seed(0)
    G = StyleGAN2Generator(6, 16, **STYLED)
    for _ in range(300):
        G.styles(torch.randn(32, 6))
    G.eval()
    z = torch.randn(64, 6)
    full, some, none = (G(z, truncation=psi).detach() for psi in (1.0, 0.5, 0.0))
    assert torch.equal(full, G(z))
    torch.testing.assert_close(none, none[:1].expand_as(none))
    spread = [float(p.std(0).mean()) for p in (full, some, none)]
    assert spread[0] > 1.3 * spread[1] > 0
    w = G.styles(z).mean((0, 1))
    assert number((G.mapping.mean - w).norm() / w.norm()) < 0.5
    torch.testing.assert_close(G.truncated(0.5)(z), some)


# ---- the path length penalty ----


class Linear(nn.Module):
    """A G whose Jacobian is known: the picture is A w."""

    def __init__(self, A: torch.Tensor) -> None:
        super().__init__()
        self.A = nn.Parameter(A)

    def styles(self, z, condition=None):
        return z[:, None].expand(-1, 3, -1)

    def draw(self, styles):
        return (styles.mean(1) @ self.A.T).view(len(styles), 1, 4, 4)


def test_path_lengths_of_a_linear_generator_in_closed_form():
    """J^T y = A^T y, spread over l = 3 layers: each layer's slope is a third of it; the root of their mean square."""
    A, y = torch.randn(16, 5), torch.randn(6, 1, 4, 4)
    z = torch.randn(6, 5, requires_grad=True)
    G = Linear(A)
    styles = G.styles(z)
    found = penalties.path_lengths(G.draw(styles), styles, y)
    torch.testing.assert_close(found, (y.flatten(1) @ A / 3).norm(dim=1), rtol=1e-5, atol=1e-6)
    usual = torch.tensor(0.7)
    assert number(penalties.path_length(found, usual)) == pytest.approx(number(((found - 0.7) ** 2).mean()))


def test_its_gradient_against_differences():
    y, z = torch.randn(2, 1, 4, 4, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64)

    def penalty(A):
        styles = (z.tanh() * 1.0).requires_grad_()[:, None].expand(-1, 2, -1) * 1.0
        drawn = torch.tanh(styles.mean(1) @ A.T).view(2, 1, 4, 4)
        return penalties.path_length(penalties.path_lengths(drawn, styles, y), torch.tensor(0.3, dtype=torch.float64))

    assert torch.autograd.gradcheck(penalty, torch.randn(16, 3, dtype=torch.float64, requires_grad=True))


def test_an_orthogonal_map_of_the_usual_length_pays_nothing():
    """Where every step in w moves the picture equally far in any direction, lengths are equal (Appendix C)."""
    A = torch.linalg.qr(torch.randn(16, 16, dtype=torch.float64))[0].float()
    z, y = torch.randn(500, 16, requires_grad=True), F.normalize(torch.randn(500, 16), dim=1).view(-1, 1, 4, 4)
    G = Linear(3 * A)
    styles = G.styles(z)
    lengths = penalties.path_lengths(G.draw(styles), styles, y)
    torch.testing.assert_close(lengths, torch.ones(500), rtol=1e-4, atol=1e-4)
    assert number(penalties.path_length(lengths, torch.tensor(1.0))) < 1e-8


def test_penalties_are_lazy_and_weighted_by_the_rounds_they_skip():
    rules = StyleGAN2(r1_gamma=3.0, r1_every=4, path_every=2, path_share=1.0)
    G, z = Linear(torch.randn(16, 5)), torch.randn(8, 5, requires_grad=True)
    fake = Batch(G.draw(G.styles(z)), z=z)
    assert rules.g_penalties(G, fake, 1) == {}
    torch.manual_seed(3)
    found = rules.g_penalties(G, fake, 2)
    torch.manual_seed(3)
    styles = G.styles(z)
    lengths = penalties.path_lengths(G.draw(styles), styles, torch.randn(8, 1, 4, 4) / 4)
    assert number(found["path"]) == pytest.approx(2 * 2 * number(lengths.square().mean()), rel=1e-5)
    assert number(found["path_length"]) == pytest.approx(number(lengths.mean()), rel=1e-5)
    assert [rules.phase(step) for step in range(5)] == [3, 0, 2, 0, 3]
    D, reals = nn.Sequential(nn.Flatten(), nn.Linear(16, 1, bias=False), nn.Flatten(0)), Batch(torch.randn(8, 1, 4, 4))
    r1 = rules.d_terms(D, reals, fake, 4)[0]["r1"]
    assert float(r1.detach()) == pytest.approx(3 * 4 / 2 * float(D[1].weight.square().sum().detach()), rel=1e-5)
    assert "r1" not in rules.d_terms(D, reals, fake, 5)[0]


def test_the_usual_length_follows_and_not_a_refused_step():
    rules = StyleGAN2(path_decay=0.25)
    for _ in range(2):
        rules.heed({"G/path_length": torch.tensor(8.0), "G/skipped": torch.tensor(0.0)})
    assert float(rules.memory.mean) == pytest.approx(2 + 0.25 * 6)
    rules.heed({"G/path_length": torch.tensor(float("nan")), "G/skipped": torch.tensor(1.0)})
    rules.heed({"G/adversarial": torch.tensor(1.0)})
    assert float(rules.memory.mean) == pytest.approx(3.5)
    assert StyleGAN2(path_weight=0.0).memory is None


def test_a_number_without_a_graph_is_logged_and_moves_nothing():
    class Noting(GAN):
        def g_penalties(self, G, fake, step):
            return {"note": torch.tensor(float(step))}

    logs, ends = [], []
    for rules in (GAN(), Noting()):
        players = small_players()
        logs.append(play_round(rules, players, [Batch(small_reals(0))], 7))
        ends.append([p.detach() for p in players.G.parameters()])
    assert float(logs[1]["G/note"]) == 7
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))


def test_path_penalties_of_micro_batches_are_those_of_the_whole():
    """The running mean is that of before the round, so the term is a mean over pictures."""
    G, z = Linear(torch.randn(16, 5)), torch.randn(8, 5, requires_grad=True)
    y = torch.randn(8, 1, 4, 4)
    halves = [penalties.path_length(*lengths_of(G, z[some], y[some])) for some in (slice(0, 4), slice(4, 8))]
    assert number(sum(halves) / 2) == pytest.approx(number(penalties.path_length(*lengths_of(G, z, y))), rel=1e-5)


def lengths_of(G, z, y):
    styles = G.styles(z)
    return penalties.path_lengths(G.draw(styles), styles, y), torch.tensor(0.4)


def test_a_generator_without_styles_is_refused_in_a_sentence():
    with pytest.raises(BadNetwork, match=r"generator.name=stylegan2"):
        StyleGAN2().g_penalties(nn.Linear(2, 2), Batch(torch.zeros(2, 3), z=torch.zeros(2, 2)), 0)


def test_rel_r7_the_usual_length_survives_a_stop(pictures, tmp_path):  # noqa: F811
    """Stopped between two path penalties; a mean that was lost would make another run."""
    plan = small("stylegan2", pictures, **{"variant.path_every": 4, "variant.path_decay": 0.5})
    whole = play(plan, tmp_path / "whole")
    assert play(plan, tmp_path / "parts", 2, 5) == whole
    names = {p.name for p in (tmp_path / "parts" / "checkpoints").rglob("*.safetensors")}
    assert "variant.safetensors" in names


def test_it_plays_when_asked_for_something_and_with_ada(tmp_path):
    """Hair asked for, a share of it hidden; every kind of penalty; D looking through an augmentation."""
    settings = [
        "data.source=world:faces", "data.image_size=16", "data.count=64", "data.condition=hair", "prior.dim=5",
        "data.condition_drop=0.2", "train.batch=8", "variant.r1_every=2", "variant.path_every=3", "watch.samples=4",
        "augment.name=ada", "augment.p=0.3", "discriminator.depth=2", *TINY["stylegan2"],
    ]  # fmt: skip
    recipe = load_recipe("stylegan2", [*settings, "train.steps=7", "watch.log_every=1"])
    api.train(recipe=recipe, out=tmp_path / "run", device="cpu")
    rows = read_rows(tmp_path / "run" / "metrics.jsonl")
    assert {"D/r1", "G/path", "G/path_length", "augment/p", "G/adversarial"} <= {name for row in rows for name in row}
    assert api.load(tmp_path / "run").ask("hair=blue").shape[0] == 1


def test_steps_in_w_become_even():
    """The penalty alone, descended: lengths become more alike, and the usual length knows them."""
    torch.manual_seed(1)
    G, D = StyleGAN2Generator(8, 16, 3, **STYLED), StyleGAN2Discriminator(16, 3, **SMALL)
    G.mapping.mixing = 0.0

    class Alone(StyleGAN2):
        def g_loss(self, fake, real=None):
            return {"adversarial": 0 * fake.sum()}

    rules = Alone(r1_gamma=0.0, path_every=1, path_decay=0.1, path_share=1.0)
    opts = (torch.optim.Adam(net.parameters(), lr=1e-2, betas=(0.0, 0.99)) for net in (G, D))
    players = Players(G, D, *opts, Normal(8), seed=0)
    training = Training(rules, players, lambda turn: torch.randn(16, 3, 16, 16), copy.deepcopy(G), 100)

    def lengths() -> torch.Tensor:
        torch.manual_seed(5)
        styles = G.styles(torch.randn(64, 8)).repeat(4, 1, 1)
        drawn = G.draw(styles)
        return penalties.path_lengths(drawn, styles, torch.randn_like(drawn) / 16).detach()

    before = lengths()
    for _ in range(40):
        one_round(training)
    after = lengths()
    assert float(after.std() / after.mean()) < 0.85 * float(before.std() / before.mean())
    assert float(rules.memory.mean) == pytest.approx(float(after.mean()), rel=0.15)


@pytest.mark.filterwarnings("ignore")
def test_a_generator_can_be_exported(tmp_path):
    """In evaluation there is no chance in it: as ONNX it draws the same, for any number of pictures."""
    runtime = pytest.importorskip("onnxruntime")
    G = StyleGAN2Generator(6, 16, **STYLED).eval().requires_grad_(False)
    path = tmp_path / "G.onnx"
    names = {"input_names": ["z"], "output_names": ["pictures"], "dynamic_axes": {"z": {0: "n"}, "pictures": {0: "n"}}}
    torch.onnx.export(G, (torch.randn(3, 6),), path, dynamo=False, **names)
    session = runtime.InferenceSession(path)
    for n in (1, 5):
        z = torch.randn(n, 6)
        (found,) = session.run(None, {"z": z.numpy()})
        assert torch.allclose(torch.from_numpy(found), G(z), atol=1e-4)
