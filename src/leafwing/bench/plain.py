"""The textbook loop that the bench compares with: the same networks, losses and optimisers, trained the common way.

Nothing is frozen, the batch goes through whole, contiguous and in fp32, and five numbers are read with ``.item()``
every step. It is written out from the published loops' structure, to be read beside ``game.py``; it is no part of
training. Its reals lie ready on the device, so it pays nothing for data, while our own round does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from leafwing.core.errors import BadConfig
from leafwing.game import Batch, Looking, Variant, asking
from leafwing.latents import Normal
from leafwing.losses.penalties import R1
from leafwing.optimizers import OptimizerSettings
from leafwing.recipe import Recipe
from leafwing.variants.gan import GAN

DrawZ = Callable[[int], Tensor]
"""count -> z [count, z_dim]."""
Numbers = tuple[float, float, float, float, float]
"""D's loss, G's loss, D's mean verdict on reals, on fakes before its step and on fakes after it."""


def dcgan_round(
    G: nn.Module,
    D: nn.Module,
    opt_G: torch.optim.Optimizer,
    opt_D: torch.optim.Optimizer,
    real: Tensor,
    draw_z: DrawZ,
    labels: tuple[float, float] = (1.0, 0.0),
) -> Numbers:
    """A step of PyTorch's DCGAN tutorial: D on reals, D on fakes, then G through D on the same fakes."""
    criterion = nn.BCEWithLogitsLoss()
    real_label, fake_label = labels

    # (1) Update D: maximise log(D(x)) + log(1 - D(G(z)))
    D.zero_grad()
    label = torch.full((len(real),), real_label, device=real.device)
    output = D(real).view(-1)
    loss_real = criterion(output, label)
    loss_real.backward()
    on_real = output.mean().item()

    fake = G(draw_z(len(real)))
    label.fill_(fake_label)
    output = D(fake.detach()).view(-1)
    loss_fake = criterion(output, label)
    loss_fake.backward()
    on_fake = output.mean().item()
    loss_D = loss_real + loss_fake
    opt_D.step()

    # (2) Update G: maximise log(D(G(z)))
    G.zero_grad()
    label.fill_(real_label)
    output = D(fake).view(-1)
    loss_G = criterion(output, label)
    loss_G.backward()
    on_fake_again = output.mean().item()
    opt_G.step()

    return loss_D.item(), loss_G.item(), on_real, on_fake, on_fake_again


def penalised_round(
    variant: Variant,
    G: nn.Module,
    D: nn.Module,
    opt_G: torch.optim.Optimizer,
    opt_D: torch.optim.Optimizer,
    reals: Sequence[Tensor],
    draw_z: DrawZ,
    step: int,
    n_g: int = 1,
    share_fakes: bool = False,
) -> Numbers:
    """A step of any variant: D's losses and slope penalties by double backward, then G's.

    Source of the order: Goodfellow et al. 2014, Algorithm 1, where G answers to fresh fakes; ``share_fakes``: to those
    that D saw, as in the tutorial. Of the penalties, on the graph of the verdicts: Mescheder et al. 2018, Eq. 9 and 10.
    """
    gamma_real, gamma_fake = gammas(variant, step)

    # (1) Update D
    for real in reals:
        opt_D.zero_grad()
        real = real.detach().requires_grad_(gamma_real > 0)
        z = draw_z(len(real))
        drawn = G(z)
        fake = drawn.detach().requires_grad_(gamma_fake > 0)
        verdicts_real, verdicts_fake = D(real), D(fake)
        loss_D = total(variant.d_loss(verdicts_real, verdicts_fake).values())
        if gamma_real > 0:
            loss_D = loss_D + gamma_real / 2 * squared_slope(variant.score(verdicts_real), real)
        if gamma_fake > 0:
            loss_D = loss_D + gamma_fake / 2 * squared_slope(variant.score(verdicts_fake), fake)
        if gamma_real == gamma_fake == 0:  # penalties at other points, as in WGAN-GP
            others = variant.penalties(asking(D, None), Batch(real), Batch(fake), step)
            loss_D = torch.stack([loss_D, *others.values()]).sum()
        loss_D.backward()  # type: ignore[no-untyped-call]
        opt_D.step()
        variant.after_d_step(D)
        on_real, on_fake = verdicts_real.mean().item(), verdicts_fake.mean().item()

    # (2) Update G
    for turn in range(n_g):
        opt_G.zero_grad()
        if turn > 0 or not share_fakes:
            z = draw_z(len(reals[-1]))
            drawn = G(z)
        verdicts = D(drawn)
        verdicts_real = D(reals[-1]) if variant.g_sees_reals else None
        others = variant.g_penalties(G, Batch(drawn, z=z), step)
        loss_G = total([*variant.g_loss(verdicts, verdicts_real).values(), *others.values()])
        loss_G.backward()  # type: ignore[no-untyped-call]
        opt_G.step()
        on_fake_again = verdicts.mean().item()

    return loss_D.item(), loss_G.item(), on_real, on_fake, on_fake_again


def squared_slope(score: Tensor, pictures: Tensor) -> Tensor:
    """Mean over the batch of ||dD/dx||^2, with a graph of its own so that D can be trained to lower it."""
    (slope,) = torch.autograd.grad(score.sum(), pictures, create_graph=True)
    return slope.square().flatten(1).sum(1).mean()


def gammas(variant: Variant, step: int) -> tuple[float, float]:
    """Weights of R1 (slope at reals) and R2 (slope at fakes) in this step; a lazy one counts for the steps it skips.

    Read from the variant's ``r1``, a `leafwing.losses.penalties.R1`; or its ``r1_gamma`` and ``r2_gamma``, or one
    ``gamma`` for both, else 0; and from ``r1_every`` and ``r2_every``, else 1.
    """
    if isinstance(r1 := getattr(variant, "r1", None), R1):
        return (float(r1.gamma) * r1.every if r1.due(step) else 0.0), 0.0
    weights, both = [], getattr(variant, "gamma", 0.0)
    for name in ("r1", "r2"):
        gamma, every = getattr(variant, f"{name}_gamma", both), getattr(variant, f"{name}_every", 1)
        weights.append(0.0 if step % every else float(gamma) * every)
    return weights[0], weights[1]


def total(terms: Iterable[Tensor]) -> Tensor:
    """The sum of a loss's terms."""
    return torch.stack(list(terms)).sum()


def is_dcgan(variant: Variant) -> bool:
    """Whether the rules are the tutorial's: cross-entropy of one logit, G fools D, no penalty."""
    plainest = isinstance(variant, GAN) and (variant.judge, variant.g_objective) == ("classification", "fool")
    return plainest and gammas(variant, 0) == (0.0, 0.0)


def plain(recipe: Recipe, device: torch.device, reals: Sequence[Tensor]) -> Callable[[int], Numbers]:
    """A function that plays the textbook round of a step, on this recipe's freshly built networks.

    Args:
        recipe: its networks, losses and optimisers are used; its precision and memory format are not.
        device: where it plays.
        reals: n_D batches of pictures [n, c, h, w] in [-1, 1], the same in every round.

    Raises:
        BadConfig: the variant has G make more than pictures of z.
    """
    variant, prior, train, optimizer = recipe.build_variant(), recipe.build_prior(), recipe.train, recipe.optimizer
    if type(variant).fakes is not Variant.fakes:
        raise BadConfig(f"There is no textbook loop for {recipe.variant.name}, whose G makes more than pictures of z.")
    G, D = (net.to(device) for net in recipe.build_networks())
    augment = recipe.build_augment()
    D = D if augment is None else Looking(D, augment.to(device))  # at its first p: nobody follows D here
    opt_G, opt_D = adam_or_other(optimizer.generator, G), adam_or_other(optimizer.discriminator, D)
    reals = [real.to(device, memory_format=torch.contiguous_format) for real in reals]
    rng = np.random.default_rng(train.seed)
    share = train.share_fakes and not train.microbatch  # as our round does: else it would be another algorithm
    simple = is_dcgan(variant) and train.n_d == train.n_g == 1 and share

    def draw_z(count: int) -> Tensor:
        if isinstance(prior, Normal):
            return torch.randn(count, prior.dim, device=device)
        return prior.sample(count, rng).to(device)

    def play(step: int) -> Numbers:
        images = step * recipe.train.n_d * recipe.train.batch
        variant.set_schedule(images)
        optimizer.generator.set_schedule(opt_G, step, images)
        optimizer.discriminator.set_schedule(opt_D, step, images)
        if simple:
            assert isinstance(variant, GAN)
            return dcgan_round(G, D, opt_G, opt_D, reals[0], draw_z, (variant.real_label, variant.fake_label))
        return penalised_round(variant, G, D, opt_G, opt_D, reals, draw_z, step, train.n_g, share)

    return play


def adam_or_other(settings: OptimizerSettings, net: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimiser in torch's default implementation."""
    if settings.name == "adam":
        return torch.optim.Adam(net.parameters(), lr=settings.lr, betas=settings.betas)
    return settings.build(net.parameters())
