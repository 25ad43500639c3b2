"""Critics and their penalties against closed forms; clipping; the long rounds of WGAN; BatchNorm refused."""

from __future__ import annotations

import pytest
import torch
from conftest import SmallD, batch, small_players, small_training
from torch import nn

from leafwing.contract import refuse_batch_norm
from leafwing.core import randomness
from leafwing.core.errors import BadConfig, BadNetwork
from leafwing.core.schedules import long_rounds
from leafwing.explain import expectations
from leafwing.game import Batch, Variant, asking, play_round
from leafwing.losses import adversarial, penalties
from leafwing.networks.dcgan import DCGANDiscriminator
from leafwing.recipe import load_recipe, shipped
from leafwing.training import fit
from leafwing.variants.dragan import DRAGAN
from leafwing.variants.hinge import Hinge
from leafwing.variants.wgan import WGAN
from leafwing.variants.wgan_gp import WGANGP

CRITICS = [WGAN(), WGANGP(), Hinge(), DRAGAN()]
name_of = [type(variant).__name__ for variant in CRITICS]


def without_batch_norm() -> nn.Module:
    D = SmallD()
    D.body[1] = nn.Identity()
    return D


def test_the_critics_losses_in_closed_form():
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.5])
    assert float(adversarial.wasserstein_d(real, fake)) == -1.5 - 0.5
    for variant in (WGAN(), WGANGP()):
        assert float(variant.d_loss(real, fake)["adversarial"]) == -2.0
        assert float(variant.g_loss(fake)["adversarial"]) == 1.5
    assert float(Hinge().d_loss(real, fake)["adversarial"]) == (0 + 2) / 2 + (1.5 + 0) / 2
    assert float(Hinge().g_loss(fake)["adversarial"]) == 1.5


@pytest.mark.parametrize("variant", CRITICS, ids=name_of)
def test_higher_is_more_real_for_every_critic(variant: Variant):
    """Descending D's loss raises reals and lowers fakes, descending G's raises fakes; at scores of +-100 as well."""
    for at in (0.3, -100.0, 100.0):
        real, fake = (torch.full((4,), at, requires_grad=True) for _ in range(2))
        loss = variant.d_loss(real, fake)["adversarial"]
        on_real, on_fake = torch.autograd.grad(loss, [real, fake])
        (for_g,) = torch.autograd.grad(variant.g_loss(fake)["adversarial"], fake)
        assert all(g.isfinite().all() for g in (loss, on_real, on_fake, for_g))
        assert (on_real <= 0).all()
        assert (on_fake >= 0).all()
        assert (for_g <= 0).all()
        if at < 1:  # who is called wrong still feels it
            assert (on_real < -0.1).all()
            assert (for_g < -0.1).all()
        if at > -1:
            assert (on_fake > 0.1).all()


def test_the_one_centred_penalty_of_a_linear_and_of_a_quadratic_critic():
    """Dirac-GAN and its like: D = w.x has slope |w| everywhere; D = |x|^2 / 2 has slope |x|."""
    x, w = torch.randn(6, 3, 4, 4), torch.randn(3, 4, 4)
    linear = penalties.one_centred(lambda p: (p * w).flatten(1).sum(1), x)
    assert float(linear) == pytest.approx(float((w.norm() - 1) ** 2), rel=1e-5)
    quadratic = penalties.one_centred(lambda p: p.square().flatten(1).sum(1) / 2, x)
    assert float(quadratic.detach()) == pytest.approx(float((x.flatten(1).norm(dim=1) - 1).square().mean()), rel=1e-5)


@pytest.mark.parametrize("psi", [-2.0, -0.4, 0.4, 2.0])
def test_the_dirac_gan_by_hand(psi):
    """Mescheder et al. 2018, Sec. 2: reals at 0, fakes at theta, D(x) = psi x. Every gradient is known."""
    theta = torch.tensor(0.7, requires_grad=True)
    w = nn.Linear(1, 1, bias=False)
    nn.init.constant_(w.weight, psi)
    real, fake = Batch(torch.zeros(3, 1)), Batch(torch.full((3, 1), 0.7))
    terms, *_ = WGANGP(gp_lambda=3.0).d_terms(w, real, fake, 0)
    assert float(terms["adversarial"].detach()) == pytest.approx(psi * 0.7, rel=1e-6)
    assert float(terms["gradient_penalty"].detach()) == pytest.approx(3 * (abs(psi) - 1) ** 2, rel=1e-5)
    (found,) = torch.autograd.grad(torch.stack(list(terms.values())).sum(), w.weight)
    sign = 1 if psi > 0 else -1
    assert float(found) == pytest.approx(0.7 + 3 * 2 * (abs(psi) - 1) * sign, rel=1e-5)
    on_g = WGANGP().g_terms(w, real, Batch(theta.reshape(1, 1)))["adversarial"]
    assert float(torch.autograd.grad(on_g, theta)[0]) == pytest.approx(-psi, rel=1e-6)


def test_penalties_can_be_descended():
    """The penalty's own gradient against differences, in float64; and none, not NaN, where D is flat."""
    w, x = torch.randn(5, dtype=torch.float64, requires_grad=True), torch.randn(3, 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda w: penalties.one_centred(lambda p: torch.tanh(p @ w), x), w)
    flat = torch.zeros(5, requires_grad=True)
    term = penalties.one_centred(lambda p: p @ flat, x.float())
    term.backward()
    assert float(term.detach()) == 1
    assert flat.grad.isfinite().all()


def test_points_between_lie_on_the_line_of_their_own_pair():
    real, fake = torch.zeros(500, 3, 2, 2), torch.ones(500, 3, 2, 2) * torch.arange(1, 501)[:, None, None, None]
    share = penalties.between(real, fake) / fake
    one_a_pair = share.flatten(1)
    assert torch.allclose(one_a_pair, one_a_pair[:, :1].expand_as(one_a_pair), atol=1e-6)
    assert 0 <= float(share.min()) < 0.02
    assert 0.98 < float(share.max()) <= 1
    assert float(one_a_pair[:, 0].mean()) == pytest.approx(0.5, abs=0.06)


def test_points_around_keep_to_the_spread_of_the_reals():
    real = torch.randn(400, 1, 8, 8) * 0.3
    moved = penalties.around(real, 0.5) - real
    reach = 0.5 * float(real.std())
    assert float(moved.min()) >= 0
    assert 0.9 * reach < float(moved.max()) <= reach * (1 + 1e-5)
    assert float(moved.mean()) == pytest.approx(reach / 4, rel=0.1), "E[alpha u] = 1/4"


@pytest.mark.parametrize("variant", [WGANGP(), DRAGAN()], ids=["between", "around"])
def test_random_points_are_a_function_of_the_step(variant):
    """REL-R7: nothing to save; a resumed round draws the same points, another round others."""
    D, real, fake = without_batch_norm(), batch(), Batch(torch.rand(8, 3, 8, 8))

    def penalty(step: int) -> float:
        randomness.seed_networks(3, step)
        D.eval()
        return float(variant.penalties(asking(D, None), real, fake, step)["gradient_penalty"].detach())

    first = penalty(5)
    assert penalty(6) != first
    assert penalty(5) == first


@pytest.mark.parametrize("clip", [0.01, 0.2])
def test_wgan_keeps_every_weight_in_the_cube(clip):
    """After every step of D, and already when D is first asked; G stays as free as it was."""
    variant, bounds = WGAN(clip), []

    class Watched(WGAN):
        def d_loss(self, real, fake):
            bounds.append(max(float(p.detach().abs().max()) for p in players.D.parameters()))
            return super().d_loss(real, fake)

        def after_d_step(self, D):
            super().after_d_step(D)
            bounds.append(max(float(p.detach().abs().max()) for p in D.parameters()))

    variant = Watched(clip)
    players = small_players(variant, torch.optim.RMSprop, lr=0.05)
    for step in range(3):
        play_round(variant, players, [batch()] * 2, step)
    assert bounds
    assert max(bounds) == pytest.approx(clip), "at the edge, as clipped weights are"
    assert max(float(p.detach().abs().max()) for p in players.G.parameters()) > clip


def test_long_rounds_are_counted_as_the_authors_program_does():
    """100 turns if generator_iterations < 25 or generator_iterations % 500 == 0, else 5."""
    recipe = load_recipe("wgan", check=False)
    turns = 0
    for step in range(1600):
        assert recipe.turns_of_d(step) == turns
        turns += 100 if step < 25 or step % 500 == 0 else 5
    assert [long_rounds(n, 2, 0) for n in range(4)] == [0, 1, 2, 2]
    assert [long_rounds(n, 0, 3) for n in range(8)] == [0, 1, 1, 1, 2, 2, 2, 3]


def test_no_turn_is_served_twice_or_left_out():
    """Real batches follow each other over long and usual rounds alike; images count what was shown."""
    recipe = load_recipe("dcgan", ["train.n_d=2", "train.n_d_long=3", "train.n_d_long_first=2"], check=False)
    training, asked = small_training(goal=5), []
    serve = training.reals
    training.reals = lambda turn: asked.append(turn) or serve(turn)
    training.turns_of_d = recipe.turns_of_d
    fit(training, [])
    assert asked == list(range(3 + 3 + 2 + 2 + 2))
    assert training.images == 8 * len(asked)


@pytest.mark.parametrize("recipe", ["wgan-gp", "dragan"])
def test_batch_norm_in_a_penalised_critic_is_refused_with_the_reason(recipe):
    with pytest.raises(BadNetwork, match=r"BatchNorm.*others of its batch.*discriminator\.norm=layer"):
        load_recipe(recipe, ["discriminator.norm=batch"])
    with pytest.raises(BadNetwork, match="BatchNorm"):
        refuse_batch_norm(SmallD(), WGANGP())
    refuse_batch_norm(without_batch_norm(), WGANGP())
    refuse_batch_norm(SmallD(), WGAN())
    for norm in ("layer", "instance", "none"):
        load_recipe(recipe, [f"discriminator.norm={norm}"])


@pytest.mark.parametrize(
    ("recipe", "settings"),
    [
        ("dcgan", ["variant.r1_gamma=1"]),
        ("softmax-gan", ["variant.r1_gamma=1"]),
        ("dcgan", ["variant.name=r3gan"]),
        ("acgan", ["discriminator.name=dcgan"]),
        ("infogan", ["discriminator.name=dcgan", "variant.r1_gamma=1"]),
        ("stylegan2", ["discriminator.name=dcgan"]),
    ],
)
def test_batch_norm_is_refused_wherever_d_has_a_penalty_on_its_slope(recipe, settings):
    with pytest.raises(BadNetwork, match="BatchNorm"):
        load_recipe(recipe, settings)


def test_no_turns_for_the_critic_is_one_sentence():
    with pytest.raises(BadConfig, match=r"train\.n_d = 0"):
        load_recipe("wgan", ["train.n_d=0"])
    with pytest.raises(BadConfig, match=r"'train\.n_critic' is not a setting: it is called train\.n_d here"):
        load_recipe("wgan", ["train.n_critic=0"])


@pytest.mark.parametrize(
    ("elsewhere", "here"),
    [
        ("train.n_critic", "train.n_d"),
        ("variant.n_critic", "train.n_d"),
        ("n_critic", "train.n_d"),
        ("train.batch_size", "train.batch"),
        ("train.epochs", "train.steps"),
        ("train.iterations", "train.steps"),
        ("train.kimg", "train.steps"),
        ("prior.z_dim", "prior.dim"),
        ("prior.nz", "prior.dim"),
        ("generator.latent_dim", "prior.dim"),
        ("train.lr", "optimizer.generator.lr, or optimizer.discriminator.lr,"),
        ("optimizer.generator.learning_rate", "optimizer.generator.lr, or optimizer.discriminator.lr,"),
    ],
)
def test_names_of_other_programs_are_told_what_they_are_called_here(elsewhere, here):
    with pytest.raises(BadConfig) as told:
        load_recipe("wgan", [f"{elsewhere}=3"])
    assert str(told.value) == f"{elsewhere!r} is not a setting: it is called {here} here."


def test_layer_norm_judges_each_picture_alone():
    D, x = DCGANDiscriminator(16, 3, width=4, norm="layer"), torch.randn(6, 3, 16, 16)
    assert torch.allclose(D(x)[:2], D(x[:2]), atol=1e-6)
    mixed = DCGANDiscriminator(16, 3, width=4)
    assert not torch.allclose(mixed(x)[:2], mixed(x[:2]), atol=1e-3)


PAPERS = {
    "wgan": {"train.n_d": 5, "train.batch": 64, "variant.clip": 0.01, "optimizer.discriminator.lr": 5e-5},
    "wgan-gp": {"train.n_d": 5, "train.batch": 64, "variant.gp_lambda": 10, "optimizer.generator.betas": (0.0, 0.9)},
    "dragan": {"variant.gp_lambda": 10, "variant.spread": 0.5, "optimizer.discriminator.betas": (0.5, 0.9)},
    "lsgan": {
        "variant.judge": "regression", "variant.real_label": 1, "variant.fake_label": 0, "variant.g_objective": "fool",
        "prior.dim": 100, "train.n_d": 1, "optimizer.*.lr": 2e-4, "optimizer.*.betas": (0.5, 0.999),
    },
    "alpha-gan": {
        "variant.rebuild_weight": 10, "variant.objective": "ratio", "train.n_d": 1,
        "optimizer.*.betas": (0.5, 0.9), "optimizer.*.lr": 2e-4,
    },
    "infogan": {
        "prior.name": "codes", "prior.dim": 62 + 10 + 2, "prior.classes": (10,), "prior.numbers": 2,
        "variant.kind": "prior", "variant.weight": 1, "train.n_d": 1,
    },
    "acgan": {"variant.d_weight": 1, "variant.g_weight": 1, "generator.told": "norms", "train.n_d": 1},
    "progan": {
        "variant.gp_lambda": 10, "variant.drift": 0.001, "train.n_d": 1, "growth.first": 0, "discriminator.group": 4,
        "optimizer.*.lr": 1e-3, "optimizer.*.betas": (0.0, 0.99), "optimizer.*.eps": 1e-8,
    },
    "stylegan": {
        "variant.judge": "classification", "variant.g_objective": "fool", "variant.r1_gamma": 10, "variant.r1_every": 1,
        "generator.depth": 8, "generator.mapping_lr": 0.01, "generator.mixing": 0.9, "discriminator.group": 4,
        "growth.first": 1, "average.halflife_kimg": 10, "train.n_d": 1,
        "optimizer.*.lr": 1e-3, "optimizer.*.betas": (0.0, 0.99), "optimizer.*.eps": 1e-8,
    },
    "stylegan2": {
        "variant.r1_gamma": 0.0002 * 64 * 64 / 32, "variant.r1_every": 16, "variant.path_weight": 2,
        "variant.path_every": 8, "variant.path_decay": 0.01, "variant.path_share": 0.5, "prior.dim": 512,
        "generator.style": 512, "generator.depth": 8, "generator.mapping_lr": 0.01, "generator.mixing": 0.9,
        "train.batch": 32, "train.n_d": 1, "average.halflife_kimg": 10, "optimizer.*.eps": 1e-8,
        "optimizer.generator.lr": round(0.002 * 8 / 9, 10),
        "optimizer.generator.betas": (0.0, round(0.99 ** (8 / 9), 6)),
        "optimizer.discriminator.lr": round(0.002 * 16 / 17, 10),
        "optimizer.discriminator.betas": (0.0, round(0.99 ** (16 / 17), 6)),
    },
}  # fmt: skip
"""What each recipe has of its paper or its authors' program; where it differs from them its first lines say so."""


@pytest.mark.parametrize("name", PAPERS)
def test_recipes_carry_the_papers_numbers(name):
    recipe = load_recipe(name, check=False).as_dict()
    both = [("generator", "discriminator") if "*" in path else ("",) for path in PAPERS[name]]
    for (path, value), players in zip(PAPERS[name].items(), both, strict=True):
        for player in players:
            found = recipe
            for key in path.replace("*", player).split("."):
                found = found[key]
            assert found == value, path
    assert name in shipped()


@pytest.mark.parametrize("name", ["cgan", "acgan", "infogan"])
def test_recipes_that_say_so_play_with_the_numbers_of_faces(name):
    """Their first lines say that networks and numbers are those of `faces`, not of the papers."""
    one, faces = (load_recipe(which, check=False) for which in (name, "faces"))
    assert "`faces`'" in expectations(name)
    assert one.train.batch == faces.train.batch
    for mine, theirs in zip((one.generator, one.discriminator), (faces.generator, faces.discriminator), strict=True):
        assert mine.name == theirs.name
    for mine, theirs in zip(
        (one.optimizer.generator, one.optimizer.discriminator),
        (faces.optimizer.generator, faces.optimizer.discriminator),
        strict=True,
    ):
        assert (mine.name, mine.lr, mine.betas) == (theirs.name, theirs.lr, theirs.betas)
    rules = (one.variant.options, faces.variant.options)
    assert len({(options.r1_gamma, options.r1_every) for options in rules}) == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("progan", "128 maps and numbers of z for its 512"),
        ("stylegan", "128 maps, numbers of z and of style for its 512"),
        ("lsgan", "DCGAN's settings"),
        ("acgan", "--set variant.d_on_fakes=1"),
        ("alpha-gan", "z has 128 numbers for its 32"),
    ],
)
def test_where_a_recipe_differs_from_its_paper_it_says_so(name, words):
    assert words in expectations(name)
