"""The bench's counting, and its textbook loop: the same algorithm as ours, written the common way."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from leafwing.bench import plain
from leafwing.bench.flops import Work
from leafwing.core import randomness
from leafwing.game import Batch, Players, Variant, play_round
from leafwing.latents import Normal
from leafwing.losses.penalties import zero_centred
from leafwing.recipe import load_recipe
from leafwing.variants.gan import GAN
from leafwing.variants.hinge import Hinge

# ---- work ----


def counted(action) -> dict[str, int]:
    with Work() as work:
        action()
    return work.by_operator


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("transposed", [False, True])
def test_flops_of_a_convolution_and_of_its_gradients(groups, transposed):
    """By hand: a weight meets each place once; each gradient costs one forward pass, grouped or not."""
    x = torch.randn(2, 8, 10, 10, requires_grad=True)
    weight = nn.Parameter(torch.randn(8, 16 // groups, 4, 4) if transposed else torch.randn(16, 8 // groups, 4, 4))
    convolve = F.conv_transpose2d if transposed else F.conv2d
    places = 2 * (10 * 10 if transposed else 5 * 5)  # of the input, or of the output
    forward = 2 * places * (8 * 16 // groups) * 4 * 4
    out = []
    assert counted(lambda: out.append(convolve(x, weight, None, 2, 1, groups=groups))) == {"convolution": forward}
    assert counted(lambda: out[0].sum().backward()) == {"convolution_backward": 2 * forward}
    fixed = weight.detach()
    one = convolve(x, fixed, None, 2, 1, groups=groups).sum()
    assert counted(lambda: torch.autograd.grad(one, x)) == {"convolution_backward": forward}, "a frozen layer: half"


def test_flops_of_products_and_what_is_not_counted():
    layer, x = nn.Linear(5, 7), torch.randn(3, 5)
    assert counted(lambda: layer(x)) == {"addmm": 2 * 3 * 5 * 7}
    with torch.inference_mode():
        assert counted(lambda: layer(x)) == {"addmm": 2 * 3 * 5 * 7}
    assert counted(lambda: torch.randn(4, 3, 5) @ torch.randn(4, 5, 2)) == {"bmm": 2 * 4 * 3 * 5 * 2}
    assert counted(lambda: F.relu(x) + 1) == {}


def test_bytes_of_operators_but_not_of_views():
    x = torch.zeros(4, 6)
    with Work() as work:
        x.T.reshape(2, 12)  # a transposed matrix must be copied: once read, once written
    assert work.bytes == 2 * 4 * 6 * 4
    with Work() as work:
        x.view(2, 12)
    assert work.bytes == 0


def test_work_is_counted_through_a_double_backward():
    """torch's own counter fails here; R1 needs it."""
    D, x = (
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.LeakyReLU(), nn.Flatten(), nn.Linear(4 * 36, 1)),
        torch.randn(2, 1, 8, 8),
    )
    ours = counted(lambda: F.softplus(D(x)).mean().backward())
    x.requires_grad_()
    penalised = counted(lambda: plain.squared_slope(D(x), x).backward())
    assert sum(penalised.values()) > sum(ours.values()) > 0


# ---- the textbook loop ----


def players(variant: Variant, optimizer=torch.optim.Adam) -> Players:
    """Networks without dropout and batch statistics: what both loops compute must agree."""
    torch.manual_seed(5)
    G = nn.Sequential(nn.Linear(6, 48), nn.Tanh(), nn.Unflatten(1, (3, 4, 4)))
    D = nn.Sequential(nn.Conv2d(3, 8, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(32, variant.d_outputs))
    D = nn.Sequential(*D, *([nn.Flatten(0)] if variant.d_outputs == 1 else []))
    opts = (optimizer(net.parameters(), lr=1e-3) for net in (G, D))
    return Players(G, D, *opts, Normal(6), seed=3)


class Pairing(Variant):
    """A relativistic loss with R1 and R2 of one weight, as R3GAN's."""

    g_sees_reals = True
    gamma = 3.0

    def d_loss(self, real, fake):
        return {"adversarial": F.softplus(fake - real).mean()}

    def g_loss(self, fake, real=None):
        return {"adversarial": F.softplus(real - fake).mean()}

    def penalties(self, judge, real, fake, step):
        slopes = [zero_centred(judge, batch.pictures) for batch in (real, fake)]
        return {"r1": self.gamma * slopes[0], "r2": self.gamma * slopes[1]}


def drawing(step: int, *turns: str):
    """z as our round draws it in these turns, one after the other."""
    wanted = iter(turns)
    return lambda count: Normal(6).sample(count, randomness.stream(3, step, f"z/{next(wanted)}"))


REALS = torch.linspace(-1, 1, 8 * 48).reshape(8, 3, 4, 4)


def test_the_first_losses_are_ours():
    """From the same weights, z and reals, the tutorial's loop begins with our D's loss and takes our step."""
    mine, theirs = players(GAN()), players(GAN())
    log = play_round(GAN(), replace(mine, share_fakes=True), [Batch(REALS)], 0)
    loss_D, loss_G, *_ = plain.dcgan_round(theirs.G, theirs.D, theirs.opt_G, theirs.opt_D, REALS, drawing(0, "D0"))
    assert loss_D == pytest.approx(float(log["D/adversarial"]), rel=1e-6)
    assert loss_G == pytest.approx(float(log["G/adversarial"]), rel=1e-6)
    ours, plains = [*mine.G.parameters(), *mine.D.parameters()], [*theirs.G.parameters(), *theirs.D.parameters()]
    for a, b in zip(ours, plains, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("share", [False, True], ids=["fresh fakes", "shared fakes"])
@pytest.mark.parametrize(
    "variant",
    [
        GAN(),
        GAN(judge="softmax"),
        GAN(judge="regression", g_objective="score"),
        GAN(r1_gamma=5.0, r1_every=2),
        Pairing(),
        Hinge(orthogonal=0.1),
    ],
    ids=["classes", "softmax", "regression", "lazy R1", "pairs, R1, R2", "orthogonal G"],
)
def test_rounds_of_any_variant_are_ours(variant, share):
    """Four rounds from the same weights, z and reals end with the same two networks."""
    mine, theirs = replace(players(variant), share_fakes=share), players(variant)
    before = copy.deepcopy(theirs.D)
    for step in range(4):
        log = play_round(variant, mine, [Batch(REALS)], step)
        loss_D, loss_G, *_ = plain.penalised_round(
            variant,
            theirs.G,
            theirs.D,
            theirs.opt_G,
            theirs.opt_D,
            [REALS],
            drawing(step, "D0", "G0"),
            step,
            share_fakes=share,
        )
        assert ("D/r1" in log) == (plain.gammas(variant, step)[0] > 0)
        terms = (log.get(f"D/{name}", 0.0) for name in ("adversarial", "r1", "r2"))
        assert loss_D == pytest.approx(float(sum(terms)), rel=1e-5)
        terms = (log.get(f"G/{name}", 0.0) for name in ("adversarial", "orthogonal"))
        assert loss_G == pytest.approx(float(sum(terms)), rel=1e-5)
    ours, plains = [*mine.G.parameters(), *mine.D.parameters()], [*theirs.G.parameters(), *theirs.D.parameters()]
    for a, b in zip(ours, plains, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    assert any(not torch.equal(a, b) for a, b in zip(before.parameters(), theirs.D.parameters(), strict=True))


@pytest.mark.parametrize("variant", [GAN(), GAN(r1_gamma=1.0)], ids=["dcgan", "penalised"])
def test_the_textbook_freezes_nothing_and_reads_five_numbers(variant, monkeypatch):
    read, item = [], torch.Tensor.item
    monkeypatch.setattr(torch.Tensor, "item", lambda x: read.append(item(x)) or read[-1])
    table = players(variant, torch.optim.SGD)  # Adam reads its own step number
    nets = table.G, table.D, table.opt_G, table.opt_D
    if plain.is_dcgan(variant):
        told = plain.dcgan_round(*nets, REALS, drawing(0, "D0"))
    else:
        told = plain.penalised_round(variant, *nets, [REALS], drawing(0, "D0", "G0"), 0)
    assert sorted(read) == sorted(told)
    assert len(told) == 5
    assert all(p.grad is not None for p in table.D.parameters()), "G's turn left gradients in D"


def test_each_shipped_recipe_gets_its_textbook():
    simple = {name for name in ("dcgan", "gan-2014", "faces") if plain.is_dcgan(load_recipe(name).build_variant())}
    assert simple == {"dcgan", "gan-2014"}
