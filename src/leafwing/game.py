"""The adversarial game, whole: freeze G, train D; freeze D, train G; repeat.

Read `play_round` first. Nothing outside this file calls ``backward`` or an optimiser's ``step``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from leafwing.core import randomness
from leafwing.core.errors import RuleBroken
from leafwing.latents import Prior

Terms: TypeAlias = dict[str, Tensor]
"""Named parts of a loss, each a scalar; a player minimises their sum."""


class Batch(NamedTuple):
    """Pictures [n, c, h, w] in [-1, 1] (or vectors [n, d]) and what was asked for [n, k], if anything."""

    pictures: Tensor
    condition: Tensor | None = None


class Variant:
    """What distinguishes one GAN from another: the terms that D and G minimise. Never calls ``backward``."""

    d_outputs = 1  # numbers D gives per picture; 2 for a two-class classifier
    boundary = 0.0  # D calls a picture real when its score lies above this

    def score(self, verdicts: Tensor) -> Tensor:
        """D's output as one score a picture [n]; higher = looks more real."""
        return verdicts

    def d_loss(self, real: Tensor, fake: Tensor) -> Terms:
        """D's terms, from its verdicts on real and on generated pictures."""
        raise NotImplementedError

    def g_loss(self, fake: Tensor) -> Terms:
        """G's terms, from D's verdicts on generated pictures."""
        raise NotImplementedError

    def penalties(self, judge: Callable[[Tensor], Tensor], real: Batch, fake: Batch, step: int) -> Terms:
        """Further terms of D that need D itself; ``judge(pictures) -> verdicts``. None by default."""
        return {}

    def after_d_step(self, D: nn.Module) -> None:
        """A change of D after its step, such as weight clipping. Nothing by default."""


@dataclass
class Players:
    """The two players, their optimisers, and the simple distribution that z is drawn from."""

    G: nn.Module
    D: nn.Module
    opt_G: torch.optim.Optimizer
    opt_D: torch.optim.Optimizer
    prior: Prior
    seed: int = 0
    precision: Callable[[], AbstractContextManager[object]] = field(default=nullcontext)  # of forward passes


@contextmanager
def frozen(*nets: nn.Module) -> Iterator[None]:
    """Hold networks still: gradients may pass THROUGH them, never INTO them.

    Parameters neither ask for gradients nor may change; a change raises :class:`RuleBroken`. Buffers (BatchNorm
    statistics, power-iteration vectors) may be used and moved by a forward pass, but are put back: a frozen
    BatchNorm network normalises with the batch it sees and remembers nothing of it. The guard watches optimisers
    and torch's version counters, which costs nothing; only a write through ``.data`` escapes it.
    """
    params = [p for net in nets for p in net.parameters()]
    wanted = [p.requires_grad for p in params]
    before = [(p._version, p.data_ptr()) for p in params]
    holders = [(m, name, b) for net in nets for m in net.modules() for name, b in m._buffers.items() if b is not None]
    kept = [b.clone() for _, _, b in holders]
    for p in params:
        p.requires_grad_(False)
    watch = register_optimizer_step_pre_hook(refuse_to_move({id(p) for p in params}))
    try:
        yield
        thawed = any(p.requires_grad for p in params)
        if thawed or before != [(p._version, p.data_ptr()) for p in params]:
            what = "asked for gradients again" if thawed else "was changed"
            raise RuleBroken(f"A frozen network {what} in its opponent's turn: the game is hacked (see frozen).")
    finally:
        watch.remove()
        with torch.no_grad():
            for p, want in zip(params, wanted, strict=True):
                p.requires_grad_(want)
            for (module, name, b), keep in zip(holders, kept, strict=True):
                b.copy_(keep)
                module._buffers[name] = b  # also where a forward pass put another tensor in its place


def refuse_to_move(held: set[int]) -> Callable[..., None]:
    """A hook for optimisers: none may step a parameter that is held still."""

    def check(optimizer: torch.optim.Optimizer, *_: object) -> None:
        stepped = (p for group in optimizer.param_groups for p in group["params"] if p.grad is not None)
        if any(id(p) in held for p in stepped):
            raise RuleBroken("An optimiser tried to move a frozen network in its opponent's turn: the game is hacked.")

    return check


def draw_fakes(players: Players, like: Batch, step: int, turn: str) -> Batch:
    """As many fakes as ``like`` has reals, for the same conditions, from fresh z."""
    rng = randomness.stream(players.seed, step, f"z/{turn}")
    z = players.prior.sample(len(like.pictures), rng).to(like.pictures.device)
    return Batch(call(players.G, z, like.condition), like.condition)


def judge(D: nn.Module, batch: Batch) -> Tensor:
    """D's verdicts on a batch: [n], or [n, k] for a D with k outputs; [n, 1] is read as [n]."""
    verdicts = call(D, batch.pictures, batch.condition).float()
    return verdicts.squeeze(1) if verdicts.ndim == 2 and verdicts.shape[1] == 1 else verdicts


def call(net: nn.Module, x: Tensor, condition: Tensor | None) -> Tensor:
    """``net(x)`` or ``net(x, condition)``: one path for networks with and without a condition."""
    out: Tensor = net(x) if condition is None else net(x, condition)
    return out


def descend(opt: torch.optim.Optimizer, terms: Mapping[str, Tensor]) -> Terms:
    """One step of the optimiser down the sum of the terms. The only ``backward`` and ``step`` there are."""
    opt.zero_grad(set_to_none=True)
    torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
    grads = [p.grad for group in opt.param_groups for p in group["params"] if p.grad is not None]
    slope = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)).float()) if grads else torch.zeros(())
    opt.step()
    opt.zero_grad(set_to_none=True)
    return {name: term.detach() for name, term in terms.items()} | {"grad_norm": slope}


def play_round(variant: Variant, players: Players, reals: Sequence[Batch], step: int, n_g: int = 1) -> Terms:
    """One round: a turn for D on each batch of ``reals``, then ``n_g`` turns for G. Returns what to log.

    Args:
        variant: the terms each player minimises.
        players: G, D, their optimisers and the prior.
        reals: n_D batches of real pictures, one for each turn of D.
        step: the round's number; with ``players.seed`` it determines every z.
        n_g: turns for G.

    Returns:
        Named scalars, detached and not yet read from the device.
    """
    log: Terms = {}

    with frozen(players.G):  # step 1: fix G; D learns to tell real from generated
        for turn, real in enumerate(reals):
            with players.precision():
                fake = draw_fakes(players, real, step, f"D{turn}")  # G is frozen: fakes carry no graph
                on_real, on_fake = judge(players.D, real), judge(players.D, fake)
                terms = variant.d_loss(on_real, on_fake)
                terms |= variant.penalties(asking(players.D, real.condition), real, fake, step)
            log |= prefixed("D", descend(players.opt_D, terms))
            variant.after_d_step(players.D)
            log |= report(variant, on_real, on_fake)

    with frozen(players.D):  # step 2: fix D; G learns to raise D's score
        for turn in range(n_g):
            with players.precision():
                fake = draw_fakes(players, reals[-1], step, f"G{turn}")  # D is frozen: gradients only pass through
                terms = variant.g_loss(judge(players.D, fake))
            log |= prefixed("G", descend(players.opt_G, terms))

    return log


def asking(D: nn.Module, condition: Tensor | None) -> Callable[[Tensor], Tensor]:
    """D as a function of pictures alone, the condition held."""
    return lambda pictures: judge(D, Batch(pictures, condition))


def prefixed(who: str, terms: Terms) -> Terms:
    """``{"loss": ...}`` as ``{"D/loss": ...}``."""
    return {f"{who}/{name}": value for name, value in terms.items()}


@torch.no_grad()
def report(variant: Variant, on_real: Tensor, on_fake: Tensor) -> Terms:
    """How D judged: mean score of both kinds and the share it called right."""
    real, fake = variant.score(on_real), variant.score(on_fake)
    return {
        "D/real_score": real.mean(),
        "D/fake_score": fake.mean(),
        "D/real_accuracy": (real > variant.boundary).float().mean(),
        "D/fake_accuracy": (fake <= variant.boundary).float().mean(),
    }


class Joint(nn.Module):
    """G and D as one big network: a vector in, a score out; one very wide hidden layer *is* the picture."""

    def __init__(self, G: nn.Module, D: nn.Module) -> None:
        super().__init__()
        self.G, self.D = G, D

    def picture_layer(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """The hidden layer between G and D, flat: [n, height * width * channels]."""
        return call(self.G, z, condition).flatten(1)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """z [n, z_dim] -> D's verdicts on G(z)."""
        return judge(self.D, Batch(call(self.G, z, condition), condition))
