"""The transformer pair (R41): attention and grids against direct definitions, and that both players learn."""

from __future__ import annotations

import math

import pytest
import torch
from conftest import small_reals
from torch import Tensor, nn

from leafwing import latents
from leafwing.game import Batch, Players, play_round
from leafwing.losses.penalties import zero_centred
from leafwing.networks.transformer import (
    Attention,
    Norm,
    TransformerDiscriminator,
    TransformerGenerator,
    shuffled,
)
from leafwing.recipe import Recipe, load_recipe
from leafwing.variants.gan import GAN


def by_hand(layer: Attention, x: Tensor) -> Tensor:
    """Softmax attention written as a loop over heads and tokens."""
    d = x.shape[2] // layer.heads
    q, k, v = layer.ask(x).split(x.shape[2], dim=2)
    out = torch.zeros_like(x)
    for h in range(layer.heads):
        cols = slice(h * d, (h + 1) * d)
        for t in range(x.shape[1]):
            weights = torch.softmax((k[:, :, cols] @ q[:, t, cols, None])[..., 0] / math.sqrt(d), dim=1)
            out[:, t, cols] = (weights[..., None] * v[:, :, cols]).sum(1)
    return layer.out(out)


@pytest.mark.parametrize("twice", [False, True])
def test_attention_is_softmax_of_products(twice):
    layer, x = Attention(8, 2, twice).double(), torch.randn(3, 5, 8, dtype=torch.float64)
    assert torch.allclose(layer(x), by_hand(layer, x), atol=1e-12)
    order = torch.tensor([3, 0, 4, 1, 2])
    assert torch.allclose(layer(x)[:, order], layer(x[:, order]), atol=1e-12), "tokens know no place by themselves"


def test_d_can_be_differentiated_twice():
    """R1's own gradient against differences, in float64, through attention, GELU and LayerNorm."""
    D = TransformerDiscriminator(8, 1, dim=4, depth=1, heads=2).double()
    weight = D.blocks[0].attention.ask.weight
    weight.data.normal_(0, 0.5)
    x = torch.randn(2, 1, 8, 8, dtype=torch.float64)

    def penalty(w: Tensor) -> Tensor:
        return zero_centred(lambda p: torch.func.functional_call(D, {"blocks.0.attention.ask.weight": w}, (p,)), x)

    assert torch.autograd.gradcheck(penalty, weight.detach().clone().requires_grad_())


def test_tokens_become_pixels_in_their_own_place():
    """Token (y, x) of a grid of 3 gives the 2x2 pixels at (2 y, 2 x), each channel's four numbers in a row."""
    tokens = torch.arange(2 * 9 * 8.0).reshape(2, 9, 8)
    picture = shuffled(tokens, 3, 2)
    assert picture.shape == (2, 2, 6, 6)
    for y, x in ((0, 0), (1, 2), (2, 1)):
        token = tokens[1, 3 * y + x].reshape(2, 2, 2)
        assert torch.equal(picture[1, :, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2], token)


def test_a_norm_told_nothing_is_layer_norm():
    norm, x, w = Norm(6, 3), torch.randn(2, 4, 6), torch.zeros(2, 3)
    for layer in (norm.scale, norm.shift):
        layer.bias.data.zero_()
    assert torch.allclose(norm(x, w), torch.nn.functional.layer_norm(x, (6,)), atol=1e-6)
    norm.shift.bias.data.fill_(2.0)
    norm.scale.bias.data.fill_(1.0)
    assert torch.allclose(norm(x, w), 2 * torch.nn.functional.layer_norm(x, (6,)) + 2, atol=1e-5)


@pytest.mark.parametrize(
    ("side", "grids", "patch"), [(8, [8], 1), (16, [8, 16], 1), (32, [8, 16], 2), (48, [12, 24], 2), (64, [8, 16], 4)]
)
def test_the_grids_of_each_side(side, grids, patch):
    G, D = TransformerGenerator(5, side, dim=4, depth=1), TransformerDiscriminator(side, dim=4, depth=1)
    assert (G.sides, G.patch) == (grids, patch)
    assert G(torch.randn(2, 5)).shape == (2, 3, side, side)
    assert len(D.places.places) == grids[0] ** 2 + 1


def test_every_pixel_reaches_the_verdict():
    D = TransformerDiscriminator(24, dim=8, depth=1)
    for p in D.parameters():
        p.data.normal_(0, 0.3)
    x = torch.randn(2, 3, 24, 24, requires_grad=True)
    (slope,) = torch.autograd.grad(D(x).sum(), x)
    assert bool((slope != 0).all())


@pytest.mark.parametrize("build", [Recipe.build_generator, Recipe.build_discriminator])
def test_first_weights_are_glorot_s(build):
    """Glorot & Bengio 2010, Eq. 16: within +-sqrt(6 / (fan in + fan out)), and all of it; biases 0; G paints softly."""
    torch.manual_seed(0)
    net = build(load_recipe("transgan", check=False))
    layers = {name: layer for name, layer in net.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)}
    assert len(layers) > 5
    for name, layer in layers.items():
        fan = (layer.weight.shape[0] + layer.weight.shape[1]) * layer.weight[0, 0].numel()
        bound = math.sqrt(6 / fan) * (0.3 if name == "paint" else 1)
        assert 0.9 * bound < float(layer.weight.detach().abs().max()) <= bound * 1.0001, name
        assert layer.bias is None or not layer.bias.detach().any()


def test_heads_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="no multiple of heads = 3"):
        TransformerDiscriminator(16, dim=8, heads=3)


def test_both_learn_in_a_few_rounds():
    """R41: D's loss falls over the first rounds, then G's score of the same z rises while D stands still."""
    torch.manual_seed(0)
    G, D = TransformerGenerator(6, 8, dim=16, depth=1), TransformerDiscriminator(8, dim=16, depth=1)
    opts = (torch.optim.Adam(net.parameters(), 2e-3, betas=(0.0, 0.99)) for net in (G, D))
    players, rules = Players(G, D, *opts, latents.Normal(6), seed=1), GAN(r1_gamma=0.1)
    log = [play_round(rules, players, [Batch(small_reals(step))] * 2, step) for step in range(12)]
    assert float(log[-1]["D/adversarial"]) < 0.9 * float(log[0]["D/adversarial"])
    assert all(float(row["D/skipped"] + row["G/skipped"]) == 0 for row in log)
    before = {name: p.clone() for name, p in G.named_parameters()}
    play_round(rules, players, [Batch(small_reals(99))], 99)
    assert any(not torch.equal(p, before[name]) for name, p in G.named_parameters())


def test_the_recipe_plays_with_a_condition_as_well():
    recipe = load_recipe("transgan", ['data.condition=["hair"]', "generator.dim=8", "discriminator.dim=8"])
    G, D = recipe.build_networks(recipe.stand_in())
    x = torch.eye(recipe.stand_in().size)[:3]
    pictures = G(torch.randn(3, recipe.build_prior().dim), x)
    assert pictures.shape == (3, 3, 32, 32)
    assert D(pictures, x).shape == (3,)
