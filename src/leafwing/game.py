"""The adversarial game, whole: freeze G, train D; freeze D, train G; repeat.

Read `play_round` first. Nothing outside this file calls ``backward`` or an optimiser's ``step``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from leafwing.augment import Augment
from leafwing.core import randomness
from leafwing.core.device import send
from leafwing.core.ranks import SOLO, Ranks
from leafwing.freeze import Buffers, frozen
from leafwing.latents import Prior

Terms: TypeAlias = dict[str, Tensor]
"""Named parts of a loss, each a scalar; a player minimises their sum."""


class Batch(NamedTuple):
    """Pictures [n, c, h, w] in [-1, 1] (or vectors [n, d]) and what was asked for [n, ...], if anything.

    ``wrong`` [n, k] is what the pictures are not, for variants that want it; ``z`` [n, z_dim] is known of fakes.
    Where G has an encoder, ``code`` [n, z_dim] is what it makes of the reals, and ``rebuilt`` G's pictures of that.
    ``likelihood`` [n] is how likely G, with that z, made the real: its logarithm, for variants that ask.
    """

    pictures: Tensor
    condition: Tensor | None = None
    wrong: Tensor | None = None
    z: Tensor | None = None
    code: Tensor | None = None
    rebuilt: Tensor | None = None
    likelihood: Tensor | None = None

    def rows(self, some: slice) -> Batch:
        """Part of the batch."""
        return Batch(*(None if part is None else part[some] for part in self))  # type: ignore[arg-type]

    def detached(self) -> Batch:
        """The same without a graph."""
        return Batch(*(None if part is None else part.detach() for part in self))  # type: ignore[arg-type]


Fakes: TypeAlias = Callable[[slice], Batch]
"""Rows of a batch -> that part of the fakes."""


class Variant:
    """What distinguishes one GAN from another: the terms that D and G minimise. Never calls ``backward``."""

    d_outputs = 1  # numbers D gives per picture; 2 for a two-class classifier
    boundary: float | None = 0.0  # D calls a picture real when its score lies above; None: half-way between both means
    g_sees_reals = False  # whether G's loss also needs D's verdicts on reals (relativistic losses)
    wants_wrong = False  # whether D also judges reals beside what they are not
    per_picture = False  # whether D must judge each picture by itself: a slope at one is none under BatchNorm
    d_sees_condition = True  # whether D is told what was asked for; false for a D that has to find out by itself
    many = 1  # how often each real of a batch comes, in a row, so that several answers to one question are compared
    memory: nn.Module | None = None  # what is kept from round to round, as buffers; saved with the run

    def set_schedule(self, images: int) -> None:
        """Before a round: set what changes with the real images shown so far. Nothing by default."""

    def fakes(self, G: nn.Module, z: Tensor, real: Batch) -> Batch:
        """What G plays with: its pictures for z and for the conditions of the reals; here it may also look at these."""
        return Batch(call(G, z, real.condition), real.condition, z=z)

    def score(self, verdicts: Tensor) -> Tensor:
        """D's output as one score a picture [n]; higher = looks more real."""
        return verdicts

    def d_loss(self, real: Tensor, fake: Tensor) -> Terms:
        """D's terms, from its verdicts on real and on generated pictures."""
        raise NotImplementedError

    def g_loss(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        """G's terms, from D's verdicts on generated pictures; ``real`` is given if ``g_sees_reals``."""
        raise NotImplementedError

    def penalties(self, judge: Callable[[Tensor], Tensor], real: Batch, fake: Batch, step: int) -> Terms:
        """Further terms of D that need D itself; ``judge(pictures) -> verdicts``. None by default."""
        return {}

    def d_terms(self, D: nn.Module, real: Batch, fake: Batch, step: int) -> tuple[Terms, Tensor, Tensor]:
        """All of D's terms, each a mean over these pictures, and its verdicts on real and on fake.

        A variant may find the same gradient another way; the gradient of a term is all that the game asks of it.
        """
        on_real, on_fake = judge(D, real), judge(D, fake)
        terms = self.d_loss(on_real, on_fake)
        return terms | self.penalties(asking(D, real.condition), real, fake, step), on_real, on_fake

    def g_terms(self, D: nn.Module, real: Batch, fake: Batch) -> Terms:
        """All of G's terms, each a mean over these pictures."""
        on_real = judge(D, real) if self.g_sees_reals else None
        return self.g_loss(judge(D, fake), on_real)

    def g_penalties(self, G: nn.Module, fake: Batch, step: int) -> Terms:
        """Further terms of G that need G itself, and numbers without a graph, which are but logged. None by default."""
        return {}

    def heed(self, log: Terms) -> None:
        """After a round: change ``memory`` by what was logged, which is the same on every rank. Nothing by default."""

    def after_d_step(self, D: nn.Module) -> None:
        """A change of D after its step, such as weight clipping. Nothing by default."""

    def phase(self, step: int) -> int | None:
        """Equal for rounds that do the same computation; None for one like no other. For CUDA graphs."""
        return 0


@dataclass
class Players:
    """The two players, their optimisers, the simple distribution that z is drawn from, and how they play."""

    G: nn.Module
    D: nn.Module
    opt_G: torch.optim.Optimizer
    opt_D: torch.optim.Optimizer
    prior: Prior
    seed: int = 0
    precision: Callable[[], AbstractContextManager[object]] = field(default=nullcontext)  # of forward passes
    ranks: Ranks = SOLO  # who else plays this game; each holds its share of every batch
    microbatch: int | None = None  # pictures at a time, gradients added up; None for the whole batch
    share_fakes: bool = False  # G's first turn answers to the very fakes that D saw last: one pass of G less
    dealt: Mapping[str, Tensor] | None = None  # z by turn, already drawn: for rounds that are recorded and replayed
    augment: Augment | None = None  # what D looks through at reals and fakes alike
    _eye: Looking | None = field(default=None, init=False, repr=False)

    @property
    def eye(self) -> nn.Module:
        """D as variants ask it: behind the augmentation, if there is one; always the same object."""
        if self.augment is None:
            return self.D
        if self._eye is None or self._eye.D is not self.D:
            self._eye = Looking(self.D, self.augment)
        return self._eye


def draw_z(players: Players, n: int, step: int, turn: str) -> Tensor:
    """Fresh z [n, z_dim] for this rank's n pictures of the batch; together the ranks hold one and the same batch."""
    if players.dealt is not None:
        return players.dealt[turn]
    whole = players.prior.sample(n * players.ranks.count, randomness.stream(players.seed, step, f"z/{turn}"))
    return send(whole[players.ranks.rows(len(whole))], next(players.G.parameters()).device)


def draw_fakes(players: Players, like: Batch, step: int, turn: str) -> Batch:
    """As many fakes as ``like`` has reals, for the same conditions, from fresh z."""
    return fakes_on_demand(Variant(), players, like, step, turn)(slice(None))


def fakes_on_demand(variant: Variant, players: Players, like: Batch, step: int, turn: str) -> Fakes:
    """What the variant has G make, each part computed when it is asked for."""
    z = draw_z(players, len(like.pictures), step, turn)
    return lambda some: variant.fakes(players.G, z[some], like.rows(some))


def share_fakes(variant: Variant, players: Players, like: Batch, step: int, turn: str) -> Fakes | None:
    """Fakes with G's graph, for D's last turn and G's first; None if every turn is to draw its own."""
    if not players.share_fakes or players.microbatch:  # a graph of the whole batch is what micro-batches avoid
        return None
    with players.precision():
        drawn = fakes_on_demand(variant, players, like, step, turn)(slice(None))
    return lambda some: drawn


def judge(D: nn.Module, batch: Batch) -> Tensor:
    """D's verdicts on a batch: [n], or [n, k] for a D with k outputs; [n, 1] is read as [n]."""
    verdicts = call(D, batch.pictures, batch.condition).float()
    return verdicts.squeeze(1) if verdicts.ndim == 2 and verdicts.shape[1] == 1 else verdicts


def call(net: nn.Module, x: Tensor, condition: Tensor | None) -> Tensor:
    """``net(x)`` or ``net(x, condition)``: one path for networks with and without a condition."""
    out: Tensor = net(x) if condition is None else net(x, condition)
    return out


def descend(
    opt: torch.optim.Optimizer, terms: Mapping[str, Tensor] | Iterable[tuple[float, Terms]], ranks: Ranks = SOLO
) -> Terms:
    """One step of the optimiser down the sum of the terms. The only ``backward`` and ``step`` there are.

    Args:
        opt: whose parameters move.
        terms: the terms; or one after another (share, terms) of each piece of the batch, whose gradients are added up.
        ranks: with whom the gradient is averaged.

    Returns:
        The terms, the gradient's norm, and ``skipped``: 1 if the loss, the gradient or the optimiser's memory was not
        finite, in which case nothing was moved.
    """
    log: Terms = {}
    opt.zero_grad(set_to_none=True)
    for share, piece in [(1.0, terms)] if isinstance(terms, Mapping) else terms:
        total = torch.stack(list(piece.values())).sum()
        (total if share == 1 else total * share).backward()  # type: ignore[no-untyped-call]
        for name, term in piece.items():
            log[name] = log[name] + share * term.detach() if name in log else term.detach() * share
    params = [p for group in opt.param_groups for p in group["params"] if p.grad is not None]
    grads = [p.grad for p in params if p.grad is not None]
    slope = length(grads)
    if ranks.count > 1:
        ranks.average(grads)
        slope = length(grads)
    memory = [slot for p in params for slot in opt.state[p].values() if torch.is_tensor(slot) and slot.ndim]
    sound = torch.isfinite(slope + length(memory).to(slope) + torch.stack(list(log.values())).sum())
    step_if(opt, sound if ranks.count == 1 else ranks.all(sound))
    opt.zero_grad(set_to_none=True)
    return log | {"grad_norm": slope, "skipped": (~sound).float()}


def step_if(opt: torch.optim.Optimizer, sound: Tensor) -> None:
    """Step if ``sound``. Fused optimisers on a GPU decide there, so that nothing waits; others ask."""
    if sound.device.type == "cpu" or not getattr(opt, "_step_supports_amp_scaling", False):
        if sound:
            opt.step()
        return
    opt.found_inf = (~sound).float()  # type: ignore[attr-defined]  # the door that torch.amp.GradScaler uses
    opt.step()
    del opt.found_inf  # type: ignore[attr-defined]


def length(tensors: list[Tensor]) -> Tensor:
    """The Euclidean norm of all tensors taken as one vector; 0 for none."""
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tensors)).float()) if tensors else torch.zeros(())


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
    last = len(reals) - 1
    before = Buffers(players.G)
    shared = share_fakes(variant, players, reals[last], step, f"D{last}")  # before G is frozen: it will learn from them

    with frozen(players.G):  # step 1: fix G; D learns to tell real from generated
        for turn, real in enumerate(reals):
            fakes = (shared if turn == last else None) or fakes_on_demand(variant, players, real, step, f"D{turn}")
            log |= turn_of_d(variant, players, real, fakes, step)

    with frozen(players.D):  # step 2: fix D; G learns to raise D's score
        for turn in range(n_g):
            fakes = (shared if turn == 0 else None) or fakes_on_demand(variant, players, reals[last], step, f"G{turn}")
            log |= turn_of_g(variant, players, reals[last], fakes, before, step)

    return log


def turn_of_d(variant: Variant, players: Players, real: Batch, fakes: Fakes, step: int) -> Terms:
    """D learns from a batch of reals and as many fakes; no gradient goes into these."""
    verdicts: list[tuple[Tensor, Tensor]] = []

    def terms(some: slice) -> Terms:
        with players.precision():
            named, on_real, on_fake = variant.d_terms(players.eye, real.rows(some), fakes(some).detached(), step)
        verdicts.append((on_real.detach(), on_fake.detach()))
        return named

    before = Buffers(players.D)
    log = descend(players.opt_D, pieces(players, len(real.pictures), terms), players.ranks)
    before.put_back(where=log["skipped"] > 0)
    variant.after_d_step(players.D)
    return prefixed("D", log) | report(variant, *(torch.cat(kind) for kind in zip(*verdicts, strict=True)))


def turn_of_g(variant: Variant, players: Players, real: Batch, fakes: Fakes, before: Buffers, step: int) -> Terms:
    """G learns to raise D's score; gradients pass through D. ``before``: G's buffers, should the step be skipped."""

    def terms(some: slice) -> Terms:
        with players.precision():
            fake = fakes(some)
            named = variant.g_terms(players.eye, real.rows(some), fake)
            return named | variant.g_penalties(players.G, fake, step)

    log = descend(players.opt_G, pieces(players, len(real.pictures), terms), players.ranks)
    before.put_back(where=log["skipped"] > 0)
    return prefixed("G", log)


def pieces(players: Players, n: int, terms: Callable[[slice], Terms]) -> Iterator[tuple[float, Terms]]:
    """The terms of each micro-batch, computed when asked for, with its share of the n pictures."""
    size = min(players.microbatch or n, n)
    for start in range(0, n, size):
        some = slice(start, min(start + size, n))
        yield (some.stop - start) / n, terms(some)


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
    boundary = (real.mean() + fake.mean()) / 2 if variant.boundary is None else variant.boundary
    return {
        "D/real_score": real.mean(),
        "D/fake_score": fake.mean(),
        "D/real_accuracy": (real > boundary).float().mean(),
        "D/fake_accuracy": (fake <= boundary).float().mean(),
    }


class Looking(nn.Module):
    """D behind an augmentation: whatever is asked of D, and every gradient, passes through both."""

    def __init__(self, D: nn.Module, augment: Augment) -> None:
        super().__init__()
        self.D, self.augment = D, augment

    def __getattr__(self, name: str) -> Any:
        """What else D can be asked, which is not about pictures."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("D"), name)

    def forward(self, pictures: Tensor, condition: Tensor | None = None) -> Tensor:
        """D's verdicts on the augmented pictures, which are computed in fp32."""
        with torch.autocast(pictures.device.type, enabled=False):
            seen = self.augment(pictures.float())
        return call(self.D, seen, condition)


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
