"""α-GAN (R29): four networks in two players, each term in closed form, and the equations printed swapped."""

from __future__ import annotations

import pytest
import torch
from conftest import small_reals
from test_recipe import TINY
from torch import Tensor, nn
from torch.nn import functional as F

import leafwing
from leafwing import api, latents
from leafwing.cli.main import run
from leafwing.contract import check_players
from leafwing.core.errors import BadNetwork
from leafwing.freeze import frozen
from leafwing.game import Batch, Players, draw_z, play_round
from leafwing.losses import adversarial
from leafwing.networks.alpha_gan import AlphaDiscriminator, AlphaGenerator
from leafwing.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from leafwing.variants.alpha_gan import AlphaGAN


class LineG(nn.Module):
    """G(z) = 3 z and E(x) = x - 2 on the line: every term is known."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder, self.encoder = nn.Parameter(torch.tensor(3.0)), nn.Parameter(torch.tensor(-2.0))

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.decoder * z

    def encode(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        return x + self.encoder


class LineD(nn.Module):
    """D(x) = d x, C(z) = c z."""

    def __init__(self, d: float = 0.5, c: float = -0.25) -> None:
        super().__init__()
        self.d, self.c = nn.Parameter(torch.tensor(d)), nn.Parameter(torch.tensor(c))

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        return (self.d * x)[:, 0]

    def judge_code(self, code: Tensor) -> Tensor:
        return (self.c * code)[:, 0]


X, Z = torch.tensor([[4.0], [3.5]]), torch.tensor([[0.5], [-1.0]])
CODE, REBUILT, SAMPLE = X - 2, 3 * (X - 2), 3 * Z


def by_hand(objective: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Written with probabilities, as in the paper: D = s(x / 2), C = s(-z / 4)."""

    def says(logits: Tensor) -> Tensor:
        return torch.sigmoid(logits)

    both = torch.cat([SAMPLE, REBUILT])
    d = {
        "adversarial": -says(X / 2).log().mean() - (1 - says(both / 2)).log().mean(),
        "code": -says(-Z / 4).log().mean() - (1 - says(-CODE / 4)).log().mean(),
    }

    def pay(p: Tensor) -> Tensor:
        return (-p.log() + ((1 - p).log() if objective == "ratio" else 0)).mean()

    rebuild = 7.0 * (X - REBUILT).abs().mean()
    return d, {"adversarial": pay(says(both / 2)), "rebuild": rebuild, "code": pay(says(-CODE / 4))}


@pytest.mark.parametrize("objective", ["ratio", "fool"])
def test_every_term_in_closed_form(objective):
    """On one number a picture; `ratio` is R = -log D + log(1 - D)."""
    rules, G, D, real = AlphaGAN(7.0, objective), LineG(), LineD(), Batch(X)
    fake = rules.fakes(G, Z, real)
    assert torch.equal(fake.pictures, SAMPLE)
    assert torch.equal(fake.rebuilt, REBUILT)
    of_d, on_real, on_fake = rules.d_terms(D, real, fake, 0)
    of_g = rules.g_terms(D, real, fake)
    for found, known in zip((of_d, of_g), by_hand(objective), strict=True):
        assert found.keys() == known.keys()
        for name, term in known.items():
            assert float(found[name].detach()) == pytest.approx(float(term), rel=1e-6), name
    assert torch.equal(on_real.detach(), X[:, 0] / 2)
    assert torch.equal(on_fake.detach(), torch.cat([SAMPLE, REBUILT])[:, 0] / 2)


def test_every_network_learns_from_its_own_terms_alone():
    """D from pictures, C from codes; G from D and from pixels; E from all three."""
    rules, G, D, real = AlphaGAN(), LineG(), LineD(), Batch(X)
    of_d, *_ = rules.d_terms(D, real, rules.fakes(G, Z, real).detached(), 0)
    of_g = rules.g_terms(D, real, rules.fakes(G, Z, real))

    def moves(term: Tensor, net: nn.Module) -> set[str]:
        names, weights = zip(*net.named_parameters(), strict=True)
        found = torch.autograd.grad(term, weights, retain_graph=True, allow_unused=True)
        return {name for name, slope in zip(names, found, strict=True) if slope is not None and slope.any()}

    assert {name: moves(term, D) for name, term in of_d.items()} == {"adversarial": {"d"}, "code": {"c"}}
    assert {name: moves(term, G) for name, term in of_g.items()} == {
        "adversarial": {"decoder", "encoder"},
        "rebuild": {"decoder", "encoder"},
        "code": {"encoder"},
    }


def as_printed(on_prior: Tensor, on_code: Tensor) -> Tensor:
    """C's loss as version 1 of the paper prints it in Eq. 16 and 17: prior and posterior the wrong way round."""
    return adversarial.logistic_d(on_code, on_prior)


@pytest.mark.parametrize(("loss", "nearer"), [(adversarial.logistic_d, True), (as_printed, False)])
def test_the_swapped_equations_would_drive_codes_away_from_the_prior(loss, nearer):
    """Codes around 2, prior around 0: C learns with either loss, E then does what the paper has it do with C."""
    prior, c = torch.randn(500), torch.tensor([0.0, 0.0], requires_grad=True)
    shift = torch.tensor(2.0, requires_grad=True)
    for _ in range(20):
        (slope,) = torch.autograd.grad(loss(c[0] * prior + c[1], c[0] * (prior + shift.detach()) + c[1]), c)
        c.data -= 0.1 * slope
        (slope,) = torch.autograd.grad(AlphaGAN().likeness(c[0].detach() * (prior + shift) + c[1].detach()), shift)
        shift.data -= 0.1 * slope
    assert (float(shift.detach()) < 2) == nearer
    read = -Z[:, 0] / 4, -CODE[:, 0] / 4
    ours, *_ = AlphaGAN().d_terms(LineD(), Batch(X), AlphaGAN().fakes(LineG(), Z, Batch(X)), 0)
    assert float(ours["code"].detach()) == pytest.approx(float(adversarial.logistic_d(*read)))
    assert float(ours["code"].detach()) != pytest.approx(float(as_printed(*read)))


def small(**options) -> Players:
    torch.manual_seed(1)
    G, D = AlphaGenerator(6, 8, 3, width=4, **options), AlphaDiscriminator(6, 8, 3, width=4, units=8)
    return Players(G, D, *(torch.optim.Adam(net.parameters(), 1e-2) for net in (G, D)), latents.Normal(6), seed=3)


@pytest.mark.parametrize("share", [False, True])
def test_each_turn_moves_two_networks_and_freezes_two(share, monkeypatch):
    """While D and C learn, G and E are bit-equal, parameters and buffers, and the other way round."""
    from contextlib import contextmanager

    from leafwing import game

    players, held = small(), []
    players.share_fakes = share
    four = {"E": players.G.encoder, "G": players.G.decoder, "D": players.D.pictures, "C": players.D.codes}

    def states() -> dict[str, list[Tensor]]:
        return {name: [value.clone() for value in net.state_dict().values()] for name, net in four.items()}

    @contextmanager
    def watched(*nets):
        before = states()
        with frozen(*nets):
            yield
        after = states()
        held.append({n for n in four if all(map(torch.equal, before[n], after[n]))})

    monkeypatch.setattr(game, "frozen", watched)
    for step in range(3):
        log = play_round(AlphaGAN(), players, [Batch(small_reals(step))], step)
    assert held == [{"E", "G"}, {"D", "C"}] * 3
    assert {"D/adversarial", "D/code", "G/adversarial", "G/rebuild", "G/code"} <= log.keys()


def test_a_round_is_the_paper_s_written_by_hand():
    """D and C, then E and G, with separate optimisers for all four: the same weights."""
    ours, hand = small(), small()
    real = small_reals(0)
    log = play_round(AlphaGAN(), ours, [Batch(real)], 0)
    E, G, D, C = hand.G.encoder, hand.G.decoder, hand.D.pictures, hand.D.codes
    opts = {net: torch.optim.Adam(net.parameters(), 1e-2) for net in (E, G, D, C)}
    one, zero = torch.ones(8), torch.zeros(8)
    bce = F.binary_cross_entropy_with_logits

    def fakes(turn: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        z = draw_z(hand, 8, 0, turn)
        code = E(real)
        return z, code, G(z), G(code)

    z, code, sample, rebuilt = (part.detach() for part in fakes("D0"))
    loss = bce(D(real), one) + (bce(D(sample), zero) + bce(D(rebuilt), zero)) / 2
    loss = loss + bce(C(z)[:, 0], one) + bce(C(code)[:, 0], zero)
    loss.backward()
    opts[D].step()
    opts[C].step()
    z, code, sample, rebuilt = fakes("G0")
    for opt in opts.values():
        opt.zero_grad()
    loss = -(D(sample).mean() + D(rebuilt).mean()) / 2 + 10 * (real - rebuilt).abs().mean() - C(code).mean()
    loss.backward()
    opts[E].step()
    opts[G].step()
    found = sum(float(log[f"G/{name}"]) for name in ("adversarial", "rebuild", "code"))
    assert found == pytest.approx(float(loss.detach()), rel=1e-5)
    for net, other in ((ours.G, hand.G), (ours.D, hand.D)):
        for a, b in zip(net.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("condition", [(), ("hair",)])
def test_a_saved_generator_samples_from_z_and_rebuilds_pictures(condition, tmp_path, capsys):
    asked = [f"data.condition={list(condition)}".replace("'", '"')] if condition else []
    small = [*TINY["alpha-gan"], "data.image_size=16", "data.count=32", "prior.dim=5", "train.batch=8", *asked]
    api.train("world:faces", "alpha-gan", out=tmp_path / "run", steps=2, settings=small, device="cpu")
    G = leafwing.load(tmp_path / "run")
    x = torch.rand(3, 3, 16, 16) * 2 - 1
    told = G.ask(count=3) if condition else None
    assert G(torch.randn(3, 5), told).shape == x.shape
    assert G.encode(x, told).shape == (3, 5)
    assert torch.equal(G.reconstruct(x, told), G(G.encode(x, told), told))
    assert run(["explore", "rebuild", str(tmp_path / "run"), "--count", "3", "--out", str(tmp_path / "r.png")]) == 0
    assert "mean error of a pixel" in capsys.readouterr().out
    assert (tmp_path / "r.png").is_file()
    assert run(["report", str(tmp_path / "run"), "--out", str(tmp_path / "r.html")]) == 0
    said = capsys.readouterr().err
    assert "Where D looks" not in said, "the players are looked into as any others"


def test_players_without_a_second_network_are_refused():
    """One sentence each, before the first round; and C has no BatchNorm."""
    facts = (AlphaGAN(), latents.Normal(6), (3, 8, 8))
    ours = small()
    check_players(ours.G, ours.D, *facts)
    with pytest.raises(BadNetwork, match=r"encoder.*generator\.name=alpha-gan"):
        check_players(DCGANGenerator(6, 8, width=4), ours.D, *facts)
    with pytest.raises(BadNetwork, match=r"judge_code.*discriminator\.name=alpha-gan"):
        check_players(ours.G, DCGANDiscriminator(8, width=4), *facts)
    ours.G.encode = lambda x, condition=None: torch.zeros(len(x), 5)
    with pytest.raises(BadNetwork, match="as long as z"):
        check_players(ours.G, ours.D, *facts)
    assert not any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in ours.D.codes.modules())
