"""Rounds as CUDA graphs: the few thousand launches of a round recorded once, then replayed by one call.

A small round on a fast GPU is bound by launches, not by arithmetic: DCGAN at 64x64 is a third of a thousand kernels.
A graph holds addresses, so what changes from round to round (z, real pictures) is copied into fixed tensors before it
is replayed. Rounds whose computation differs (a lazy penalty every k-th) are phases, a graph each; while a schedule
moves, rounds are played as they are. Source: PyTorch, "CUDA semantics: whole-network capture".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from leafwing.core.progress import say
from leafwing.game import Batch, Players, Terms, Variant, draw_z, play_round

WARM_UP = 3
"""Rounds of a phase played as they are before one is recorded: libraries choose their kernels in the first ones."""


class Recorder(Protocol):
    """Records what a function computes; gives what it returned and a function that computes it again."""

    def __call__(self, play: Callable[[], Terms]) -> tuple[Terms, Callable[[], None]]:
        """Record."""


def record_on_gpu(play: Callable[[], Terms]) -> tuple[Terms, Callable[[], None]]:
    """Record by ``torch.cuda.graph``; recording computes nothing."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        log = play()
    return log, graph.replay


@dataclass
class Recording:
    """A recorded round: the tensors to fill before a replay, what it logs, and the replay itself."""

    reals: list[Batch]
    latents: dict[str, Tensor]
    log: Terms
    replay: Callable[[], None]


class GraphedRounds:
    """Plays rounds like :func:`leafwing.game.play_round`, from a recording where there is one.

    Args:
        record: how to record; :func:`record_on_gpu`, or a stand-in for tests.
        settled: step -> whether the optimisers' schedules no longer move; numbers of a moving one would be frozen.
    """

    def __init__(self, settled: Callable[[int], bool], record: Recorder = record_on_gpu) -> None:
        self.settled, self.record = settled, record
        self._recordings: dict[tuple[int, int], Recording] = {}
        self._played: dict[tuple[int, int], int] = {}
        self._broken = False

    def __call__(self, variant: Variant, players: Players, reals: Sequence[Batch], step: int, n_g: int = 1) -> Terms:
        """One round; its log is the caller's to keep."""
        kind = variant.phase(step) if self.settled(step) and not self._broken else None
        phase = None if kind is None else (kind, len(reals))  # a long round is another computation
        played = self._played.get(phase, 0) if phase is not None else 0
        if phase is None or played < WARM_UP:
            if phase is not None:
                self._played[phase] = played + 1
            return play_round(variant, players, reals, step, n_g)
        if phase not in self._recordings:
            try:
                self._recordings[phase] = self._recorded(variant, players, reals, step, n_g)
            except RuntimeError as problem:
                self._broken = True
                say(f"Rounds are played one by one: no CUDA graph could be recorded ({str(problem).splitlines()[0]}).")
                return play_round(variant, players, reals, step, n_g)
        recording = self._recordings[phase]
        for fixed, real in zip(recording.reals, reals, strict=True):
            for there, here in zip(fixed, real, strict=True):
                if there is not None and here is not None:
                    there.copy_(here)
        for turn, fixed_z in recording.latents.items():
            fixed_z.copy_(draw_z(players, len(fixed_z), step, turn), non_blocking=True)
        recording.replay()
        return {name: value.clone() for name, value in recording.log.items()}

    def _recorded(self, variant: Variant, players: Players, reals: Sequence[Batch], step: int, n_g: int) -> Recording:
        fixed = [Batch(*(None if part is None else part.clone() for part in r)) for r in reals]  # type: ignore[arg-type]
        turns = [f"D{turn}" for turn in range(len(reals))] + [f"G{turn}" for turn in range(n_g)]
        latents = {turn: draw_z(players, len(reals[0].pictures), step, turn) for turn in turns}
        players.dealt = latents
        try:
            log, replay = self.record(lambda: play_round(variant, players, fixed, step, n_g))
        finally:
            players.dealt = None
        return Recording(fixed, latents, log, replay)
