"""StyleGAN (issue 5, R77): mapping, styles, noise, mixing, truncation, each against its definition; its promises."""

from __future__ import annotations

import copy

import pytest
import torch
from test_growing import SMALL, fill, inputs, training
from test_recipe import TINY
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing import api
from leafwing.core import randomness
from leafwing.core.errors import BadConfig
from leafwing.core.pictures import read_png_metadata
from leafwing.explore.sample import draw
from leafwing.freeze import frozen
from leafwing.latents import Normal, Uniform
from leafwing.networks import discriminators, generators
from leafwing.networks.mapping import Mapping, Noise
from leafwing.networks.stylegan import Styled, StyleGANGenerator
from leafwing.recipe import load_recipe
from leafwing.training import one_round


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def small(**more) -> StyleGANGenerator:
    G = StyleGANGenerator(z_dim=6, image_size=16, width=4, most=8, style=5, depth=2, **more)
    for noise in (m for m in G.modules() if isinstance(m, Noise)):
        nn.init.normal_(noise.strength)
    return G


# ------------------------------------------------------------------------------------------------ the parts


def test_the_mapping_is_pixel_norm_and_scaled_layers():
    """Karras et al. 2019, Sec. 2 and Appendix C; the condition's learnt image after z, before the norm."""
    net = Mapping(z_dim=6, condition_dim=3, style=5, depth=2).double().eval()
    z, x = torch.randn(4, 6, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    both = torch.cat([z, x @ net.see.fusion.image.weight.T], dim=1)
    h = both / (both.square().mean(1, keepdim=True) + 1e-8).sqrt()
    for layer in (net.body[1], net.body[3]):
        h = F.leaky_relu(0.01 * (2 / h.shape[1]) ** 0.5 * h @ layer.weight.T + 0.01 * layer.bias, 0.2)
    found = net(z, x, layers=4)
    assert found.shape == (4, 4, 5)
    assert torch.allclose(found, h[:, None].expand(-1, 4, -1), atol=1e-12)
    assert float(net.body[1].weight.detach().std()) == pytest.approx(100, rel=0.2)


def test_a_layer_draws_with_the_mean_and_the_deviation_that_w_asks_for():
    """Eq. 1 of Karras et al. 2019: noise, bias, leaky ReLU, then adaptive instance norm."""
    layer = Styled(width=3, side=4, style=5).double().eval()
    nn.init.normal_(layer.noise.strength)
    nn.init.normal_(layer.bias)
    maps, w = torch.randn(2, 3, 4, 4, dtype=torch.float64), torch.randn(2, 5, dtype=torch.float64)
    h = maps + layer.noise.fixed * layer.noise.strength.reshape(3, 1, 1) + layer.bias.reshape(3, 1, 1)
    h = torch.where(h > 0, h, 0.2 * h)
    y = w @ (layer.ask.weight / 5**0.5).T
    h = (h - h.mean((2, 3), keepdim=True)) / (h.var((2, 3), keepdim=True, correction=0) + 1e-8).sqrt()
    wanted = h * (1 + y[:, :3, None, None]) + y[:, 3:, None, None]
    assert torch.allclose(layer(maps, w), wanted, atol=1e-10)


def test_noise_begins_at_nothing_and_stands_still_in_evaluation():
    noise = Noise(3, 4)
    maps = torch.randn(2, 3, 4, 4)
    assert torch.equal(noise(maps), maps)
    nn.init.constant_(noise.strength, 2.0)
    added = noise(maps) - maps
    assert torch.allclose(added[:, 0], added[:, 1], atol=1e-6), "one noise for all maps of a picture"
    assert not torch.allclose(added[0], added[1]), "its own for each picture"
    assert not torch.equal(noise(maps), noise(maps))
    noise.eval()
    assert torch.allclose(noise(maps), maps + 2 * noise.fixed, atol=1e-6)


def test_style_mixing():
    """Sec. 3.1: a share of pictures take the styles behind a random layer from another z, the first never."""
    net = Mapping(z_dim=6, condition_dim=0, style=5, mixing=0.9)
    z = torch.randn(4000, 6)
    own = net.eval()(z, None, layers=6)
    mixed = net.train()(z, None, layers=6)
    others = own.roll(1, dims=0)
    is_own, is_other = (mixed == own).all(2), (mixed == others).all(2)
    assert bool((is_own | is_other).all())
    kept = is_own.sum(1)
    assert torch.equal(is_own, torch.arange(6) < kept[:, None]), "the coarser ones"
    assert float((kept < 6).float().mean()) == pytest.approx(0.9, abs=0.02)
    counts = torch.bincount(kept[kept < 6], minlength=6)
    assert counts[0] == 0
    assert (counts[1:] / counts.sum() - 1 / 5).abs().max() < 0.03, "evenly from 1 to the last"
    never = Mapping(z_dim=6, condition_dim=0, style=5, mixing=0.0)
    assert torch.equal(never(z, None, 6), never.eval()(z, None, 6))


def test_mixed_styles_are_asked_for_the_same_thing():
    net = Mapping(z_dim=6, condition_dim=3, style=5, mixing=1.0)
    z, x = torch.randn(8, 6), torch.eye(3)[torch.arange(8) % 3]
    mixed = net(z, x, layers=2)
    net.eval()
    assert torch.allclose(mixed[:, 0], net(z, x, 2)[:, 0], atol=1e-6)
    assert torch.allclose(mixed[:, 1], net(z.roll(1, dims=0), x, 2)[:, 1], atol=1e-6)


def test_the_running_mean_of_w():
    """Of every batch in training mode, 0.995 of the old one kept; it stands still in evaluation."""
    net = Mapping(z_dim=6, condition_dim=0, style=5)
    wanted = torch.zeros(5)
    for _ in range(3):
        z = torch.randn(8, 6)
        net(z, None, layers=4)
        wanted = 0.995 * wanted + 0.005 * net.body(z).mean(0).detach()
    assert torch.allclose(net.mean, wanted, atol=1e-6)
    net.eval()(z, None, layers=4)
    assert torch.allclose(net.mean, wanted, atol=1e-6)


def test_truncation_draws_the_coarser_styles_towards_the_mean():
    """Appendix B: w' = mean + psi (w - mean), for the first layers."""
    net = Mapping(z_dim=6, condition_dim=0, style=5).eval()
    nn.init.normal_(net.mean)
    z = torch.randn(4, 6)
    w = net(z, None, 6)
    cut = net(z, None, 6, truncation=0.7, truncated=4)
    assert torch.allclose(cut[:, :4], net.mean + 0.7 * (w[:, :4] - net.mean), atol=1e-6)
    assert torch.equal(cut[:, 4:], w[:, 4:])
    assert torch.allclose(net(z, None, 6, truncation=0.0), net.mean.expand(4, 6, 5), atol=1e-6)
    assert torch.equal(net(z, None, 6, truncation=1.0), w)


# ------------------------------------------------------------------------------------------------ the promises


def test_a_frozen_generator_does_not_move():
    """R48: the running mean moves in G's turn alone, and comes back with a step that was skipped."""
    G = small()
    before = copy.deepcopy(G.state_dict())
    with frozen(G):
        G(torch.randn(4, 6))
        assert not torch.equal(G.mapping.mean, before["mapping.mean"])
    assert all(torch.equal(value, before[name]) for name, value in G.state_dict().items())
    G(torch.randn(4, 6))
    assert not torch.equal(G.mapping.mean, before["mapping.mean"])


def test_a_round_moves_the_running_mean_once_and_the_average_follows():
    play = training(load_recipe("stylegan", ["data.source=world:faces", *TINY["stylegan"], *SMALL]))
    seen: list[Tensor] = []
    G = play.players.G
    G.mapping.register_forward_hook(lambda module, given, out: seen.append(module.mean.clone()))
    start = G.mapping.mean.clone()
    one_round(play)
    assert len(seen) == 2, "fakes for D, fakes for G"
    assert torch.equal(G.mapping.mean, seen[1])
    assert not torch.equal(seen[0], start)
    assert seen[1].abs().max() <= 0.005 * 5, "one batch, of which little is taken"


def test_chance_in_training_is_a_function_of_seed_and_round():
    G = small()
    z = torch.randn(4, 6)
    found = []
    for seed, step in ((1, 7), (1, 7), (1, 8), (2, 7)):
        randomness.seed_networks(seed, step)
        found.append(G(z))
    assert torch.equal(found[0], found[1])
    assert not any(torch.equal(found[0], other) for other in found[2:])


@pytest.mark.parametrize("prior", [Normal(6), Uniform(6)], ids=["normal", "uniform"])
def test_truncation_when_sampling_is_psi(prior):
    """z stays as it was, of whatever prior; psi 1 changes nothing, psi 0 gives one picture, between lies between."""
    G = small()
    for _ in range(20):
        G(torch.randn(8, 6))

    def drawn(psi: float | None) -> tuple[Tensor, Tensor]:
        z, pictures = zip(*draw(G, prior, 6, 3, truncation=psi, chunk=4), strict=True)
        return torch.cat(z), torch.cat(pictures)

    plain = drawn(None)
    assert all(torch.equal(a, b) for a, b in zip(plain, drawn(1.0), strict=True))
    spreads = []
    for psi in (0.7, 0.3, 0.0):
        z, pictures = drawn(psi)
        assert torch.equal(z, plain[0])
        spreads.append(float(pictures.std(0).mean()))
    assert float(plain[1].std(0).mean()) > spreads[0] > spreads[1] > spreads[2]
    assert spreads[2] < 1e-6
    assert all(torch.equal(a, b) for a, b in zip(drawn(0.7), drawn(0.7), strict=True))
    assert G.training, "back in its mode"
    with pytest.raises(BadConfig, match="from -2 to 2"):
        drawn(9.0)


def test_the_command_line_truncates_a_stylegan(tmp_path):
    recipe = load_recipe("stylegan", ["data.source=world:faces", *TINY["stylegan"], *SMALL, "train.steps=2"])
    api.train(recipe=recipe, out=tmp_path / "run", device="cpu")
    files = [
        api.sample(tmp_path / "run", 4, 2, tmp_path / f"{i}.png", truncation=psi, device="cpu")
        for i, psi in enumerate((0.5, 0.5, 0.0))
    ]
    assert files[0].read_bytes() == files[1].read_bytes() != files[2].read_bytes()
    assert read_png_metadata(files[0])["leafwing:truncation"] == "0.5"
    api.interpolate(tmp_path / "run", [1, 2], tmp_path / "walk.png", frames=1, truncation=0.5, device="cpu")


@pytest.mark.parametrize(
    ("grown", "psi", "pictures", "verdicts"),
    [
        (3.0, 1.0, [0.01817, -0.07044, -0.18166, -0.01127, -0.05835], [0.36451, 0.33868, 0.37711, 0.31036]),
        (2.4, 1.0, [-0.08531, -0.1468, -0.08736, -0.03912, -0.15472], [0.43418, 0.44211, 0.42044, 0.4498]),
        (3.0, 0.7, [0.0158, -0.07901, -0.18794, -0.03971, -0.08087], [0.36451, 0.33868, 0.37711, 0.31036]),
    ],
)
def test_stylegan_agrees_with_a_public_port(grown, psi, pictures, verdicts):
    """Numbers of rosinality/style-based-gan-pytorch with these weights: benchmarks/agree_growing.py."""
    options = {"width": 16, "most": 16}
    G = fill(generators.build("stylegan", options | {"style": 12}, z_dim=12, image_size=32))
    D = fill(discriminators.build("stylegan", options, image_size=32))
    for side in G.sides:  # the port has one noise a side
        side.second.noise.fixed.copy_(side.first.noise.fixed)
    G.grown = D.grown = grown
    made = G(inputs(4, 12), truncation=psi).flatten().detach()
    assert made[:: len(made) // 5][:5].tolist() == pytest.approx(pictures, abs=1e-4)
    assert D(inputs(4, 3, 32, 32)).tolist() == pytest.approx(verdicts, abs=1e-4)


@pytest.mark.parametrize("name", ["progan", "stylegan"])
@pytest.mark.parametrize("grown", [0.5, 2.0])
@pytest.mark.filterwarnings("ignore")
def test_a_generator_can_be_exported_in_every_phase(name, grown, tmp_path):
    """In evaluation a phase is a graph without chance, for any number of pictures: as ONNX it draws the same."""
    runtime = pytest.importorskip("onnxruntime")
    G = generators.build(name, {"width": 4, "most": 8}, z_dim=6, image_size=16).eval().requires_grad_(False)
    G.grown = grown
    path = tmp_path / "G.onnx"
    names = {"input_names": ["z"], "output_names": ["pictures"], "dynamic_axes": {"z": {0: "n"}, "pictures": {0: "n"}}}
    torch.onnx.export(G, (torch.randn(3, 6),), path, dynamo=False, **names)
    session = runtime.InferenceSession(path)
    for n in (1, 5):
        z = torch.randn(n, 6)
        (found,) = session.run(None, {"z": z.numpy()})
        assert torch.allclose(torch.from_numpy(found), G(z), atol=1e-4)
