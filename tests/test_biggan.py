"""BigGAN: sizes and outputs as published, z cut into pieces, orthogonal weights and their regularisation, truncation.

Requirement R87; issue 5, items 1, 3, 4, 5 and 6. Its layers are those of `tests/test_spectral.py`.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import batch, small_players
from test_spectral import FOR, SMALL, agree
from torch import nn

from leafwing import api
from leafwing.game import descend, play_round
from leafwing.latents import truncated
from leafwing.losses import penalties
from leafwing.networks.biggan import BigGANDiscriminator, BigGANGenerator
from leafwing.networks.residual import Down
from leafwing.networks.spectral_norm import SpectralConv2d, SpectralLinear
from leafwing.recipe import load_recipe
from leafwing.variants.hinge import Hinge


def small(z_dim: int = 20, **options: int) -> BigGANGenerator:
    return BigGANGenerator(z_dim, 32, **{"condition_dim": 3, "width": 4, "most": 8, "shared": 4, **options})


# ------------------------------------------------------------------------------------------------ as published


def test_biggan_has_the_published_sizes():
    """128 pixels, 1,000 classes: the parameters that the author counts."""
    with torch.device("meta"):
        G, D = BigGANGenerator(120, condition_dim=1000), BigGANDiscriminator(condition_dim=1000)
    assert [sum(p.numel() for p in net.parameters()) for net in (G, D)] == [70_433_988, 87_982_370]
    assert G.pieces == [20] * 6
    assert [block[0].conv2.out_channels // 96 for block in G.blocks] == [16, 8, 4, 2, 1]
    assert [m.conv2.out_channels // 96 for m in D.body if isinstance(m, Down)] == [1, 2, 4, 8, 16, 16]


THEIRS = {
    32: [0.271369, -0.588742, 0.49047, 0.025531, -3.977963, 6.353182, 3.233382, -3.604992],
    64: [-0.635592, -0.335287, 0.267777, 0.712746, -1.714584, -3.815958, -5.829706, -1.719047],
    128: [0.72297, -0.681312, 0.00053, 0.026322, 10.148209, 12.576696, 15.339331, 10.162983],
}
"""Printed by `python benchmarks/agree_spectral.py --biggan CHECKOUT`: pixels and scores of the author's networks."""


@pytest.mark.parametrize("side", THEIRS)
def test_biggan_computes_what_the_original_computes(side):
    """Issue 5, item 6: same weights, inputs and labels, third pass in training mode; their outputs to 1e-4."""
    script = agree()
    got = script.outputs(*script.biggan(side), side, 120, (script.one_hot(),))
    assert script.some(*got) == pytest.approx(THEIRS[side], abs=1e-4)


# ------------------------------------------------------------------------------------------------ z and weights


@pytest.mark.parametrize(("z_dim", "pieces"), [(120, [30] * 4), (50, [13, 13, 12, 12]), (2, [1, 1, 0, 0])])
def test_each_piece_of_z_speaks_to_its_own_block(z_dim, pieces):
    """Brock et al. 2019, Appendix B: a piece changes nothing before its block; the embedding changes every block."""
    G = small(z_dim).eval()
    assert G.pieces == pieces
    seen: list[torch.Tensor] = []
    for layer in (G.first, *G.blocks):
        layer.register_forward_hook(lambda layer, inputs, out: seen.append(out))

    def changed(z: torch.Tensor, x: torch.Tensor) -> list[bool]:
        seen.clear()
        with torch.no_grad():
            G(z, x)
            G(torch.zeros(1, z_dim), torch.eye(3)[:1])
        return [not torch.equal(a, b) for a, b in zip(seen[:4], seen[4:], strict=True)]

    start = 0
    for number, size in enumerate(pieces):
        z = torch.zeros(1, z_dim)
        z[:, start : start + size] = 1
        assert changed(z, torch.eye(3)[:1]) == [size > 0 and layer >= number for layer in range(4)]
        start += size
    assert changed(torch.zeros(1, z_dim), torch.eye(3)[1:2]) == [False, True, True, True]


def test_without_labels_there_is_one_class():
    """It is learnt like any other; no label can be asked for."""
    G = small(condition_dim=0)
    assert G.shared.shape == (1, 4)
    (G(torch.randn(3, 20)) * torch.randn(3, 3, 32, 32)).sum().backward()
    assert G.shared.grad.any()


def test_all_weights_begin_orthogonal_and_are_normalised_but_the_embedding():
    G, D = small(), BigGANDiscriminator(32, condition_dim=3, width=4, most=8)
    layers = [m for net in (G, D) for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert all(isinstance(layer, SpectralConv2d | SpectralLinear) for layer in layers)
    for matrix in (*(layer.weight.detach().flatten(1) for layer in layers), G.shared.detach()):
        values = torch.linalg.svdvals(matrix)
        torch.testing.assert_close(values, torch.ones_like(values))


# ------------------------------------------------------------------------------------------------ regularisation


@pytest.mark.parametrize("shape", [(5, 3, 2, 2), (30, 7)], ids=["wide", "tall"])
def test_orthogonal_regularisation_against_its_definition(shape):
    """Brock et al. 2019, Eq. 3: ||W W' o (1 - I)||_F^2 and its gradient in float64."""
    weight = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    matrix = weight.flatten(1)
    by_hand = (matrix @ matrix.T * (1 - torch.eye(len(matrix), dtype=torch.float64))).square().sum()
    found = penalties.orthogonal([weight])
    torch.testing.assert_close(found, by_hand)
    torch.testing.assert_close(*(torch.autograd.grad(value, weight)[0] for value in (found, by_hand)))


def test_filters_at_right_angles_cost_nothing_whatever_their_length():
    assert float(penalties.orthogonal([torch.diag(torch.tensor([1.0, 5.0, 0.1]))])) == pytest.approx(0, abs=1e-5)
    layer = nn.Linear(6, 4)
    opt = torch.optim.SGD(layer.parameters(), lr=0.05)
    for _ in range(300):
        log = descend(opt, {"orthogonal": penalties.orthogonal([layer.weight])})
    assert float(log["orthogonal"]) < 1e-4
    assert float(layer.weight.detach().norm()) > 0.1


def test_hinge_regularises_g_but_not_its_embedding():
    G = small()
    assert Hinge().g_penalties(G, batch(), 0) == {}
    term = Hinge(orthogonal=0.5).g_penalties(G, batch(), 0)["orthogonal"]
    layers = [m.weight for m in G.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert float(term.detach()) == pytest.approx(0.5 * float(penalties.orthogonal(layers).detach()))
    term.backward()
    assert G.shared.grad is None
    log = play_round(Hinge(orthogonal=1e-3), small_players(Hinge()), [batch()], 0)
    assert float(log["G/orthogonal"]) > 0
    assert "D/orthogonal" not in log


# ------------------------------------------------------------------------------------------------ truncation


def test_samples_of_a_truncated_normal(tmp_path):
    """Brock et al. 2019, Sec. 3.1: values beyond the threshold are drawn anew; other pictures come of it."""
    plan = load_recipe("biggan", [*SMALL, *FOR["biggan"], "data.source=world:faces", "train.steps=2"])
    api.train(recipe=plan, out=tmp_path / "run", device="cpu")
    drawn = {}
    for truncation in (None, 0.3):
        path = tmp_path / f"{truncation}.png"
        api.sample(tmp_path / "run", 4, 1, path, truncation=truncation)
        drawn[truncation] = path.read_bytes()
    assert drawn[None] != drawn[0.3]
    z = truncated(plan.build_prior(), 0.3).sample(500, np.random.default_rng(0))
    assert float(z.abs().max()) <= 0.3
