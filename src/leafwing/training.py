"""Rounds, then watchers: every side effect (log, sheets, averages, checkpoints) is a watcher."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from leafwing.core import randomness
from leafwing.core.lexicon import Lexicon
from leafwing.core.vocabulary import Vocabulary
from leafwing.game import Batch, Players, Terms, Variant, play_round

ROLL_CALL = 100
"""Rounds after which ranks compare their networks."""
Reals = Callable[[int], Tensor]
"""turn -> real pictures [n, c, h, w] in [-1, 1], or their conditions [n, k]; turns are counted over the whole run."""


@dataclass
class Training:
    """Everything the game is played with, and how far it got."""

    variant: Variant
    players: Players
    reals: Reals
    average: nn.Module
    """A copy of G whose weights a watcher may average; samples are drawn from it."""
    goal: int
    """Rounds to play in all."""
    n_d: int = 1
    turns_of_d: Callable[[int], int] | None = None
    """step -> turns of D in all rounds before it, where not every round has ``n_d`` of them."""
    n_g: int = 1
    step: int = 0
    """Rounds played; one round is one round trip, whatever n_D is."""
    images: int = 0
    """Real pictures shown to D."""
    before_round: Callable[[int], None] = lambda step: None
    """Sets schedules: pure functions of the step."""
    seen: Callable[[Tensor], Tensor] = lambda reals: reals
    """Real pictures as both players see them: coarser while the players grow."""
    play: Callable[[Variant, Players, Sequence[Batch], int, int], Terms] = play_round
    """How a round is played; `leafwing.graphs` knows another way."""
    conditions: Reals | None = None
    """What is said of the reals, turn by turn; fakes are drawn for the same. None where G sees z alone."""
    wrong: Reals | None = None
    """What the reals are not, for variants that want it."""
    vocabulary: Vocabulary | None = None
    """What the conditions mean, where they are labels."""
    lexicon: Lexicon | None = None
    """The words, where conditions are questions and samples are replies."""

    def turns(self, step: int) -> range:
        """D's turns in that round, counted over the whole run: a pure function of the step."""
        count = self.turns_of_d or (lambda step: step * self.n_d)
        return range(count(step), count(step + 1))

    def asked(self, start: int, stop: int) -> Tensor | None:
        """Conditions [stop - start, k] of the run's first pictures on this rank, for whoever draws by the way."""
        return first(self.conditions, start, stop) if self.conditions else None

    def shown(self, start: int, stop: int) -> Tensor:
        """The run's first real pictures [stop - start, c, h, w] on this rank."""
        return first(self.reals, start, stop)


def first(source: Reals, start: int, stop: int) -> Tensor:
    """Rows ``start`` to ``stop`` of all turns laid end to end."""
    size = len(source(0))
    some = torch.cat([source(turn) for turn in range(start // size, -(-stop // size))])
    return some[start % size :][: stop - start]


class Watcher:
    """Called before the first round, after every round, and at the end; overrides what it needs."""

    def start(self, training: Training) -> None:
        """Before the first round of this sitting; ``training.step`` is 0, or where a resumed run stands."""

    def after_round(self, training: Training, log: Terms) -> None:
        """After a round; ``log`` holds tensors not yet read from the device."""

    def finish(self, training: Training) -> None:
        """After the last round, also when the run was stopped early."""

    def state_dict(self) -> dict[str, Any]:
        """What must survive a stop: JSON-able values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what was saved."""


def fit(training: Training, watchers: Iterable[Watcher], stop: Callable[[], bool] = lambda: False) -> None:
    """Play until ``training.goal`` rounds are done, or ``stop()`` says so after a round, on any rank."""
    watchers = list(watchers)
    for watch in watchers:
        watch.start(training)
    while training.step < training.goal and not training.players.ranks.any(stop()):
        log = one_round(training)
        for watch in watchers:
            watch.after_round(training, log)
    for watch in watchers:
        watch.finish(training)


def one_round(training: Training) -> Terms:
    """Play one round and count it."""
    step, ranks = training.step, training.players.ranks
    training.before_round(step)
    randomness.seed_networks(training.players.seed, step, ranks.rank)  # dropout differs from rank to rank
    turns, parts = training.turns(step), (training.reals, training.conditions, training.wrong)
    reals = [Batch(*(part(turn) if part else None for part in parts)) for turn in turns]  # type: ignore[arg-type]
    reals = [real._replace(pictures=training.seen(real.pictures)) for real in reals]
    log = training.play(training.variant, training.players, reals, step, training.n_g)
    ranks.average(list(log.values()))
    if step % ROLL_CALL == 0:
        nets = {"generator": training.players.G, "discriminator": training.players.D}
        ranks.stay_together({f"{who}/{name}": p for who, net in nets.items() for name, p in net.named_parameters()})
    training.step += 1
    shown = sum(len(real.pictures) for real in reals) * ranks.count
    training.images += shown
    training.variant.heed(log)
    if training.players.augment is not None:
        log |= training.players.augment.heed(log, training.step, shown)
    return log
