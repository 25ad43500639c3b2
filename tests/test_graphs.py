"""Recorded rounds: the same game, with the recording played on the CPU by a stand-in for CUDA graphs."""

from __future__ import annotations

import pytest
import torch
from conftest import small_reals, small_training

from leafwing.graphs import WARM_UP, GraphedRounds, record_on_gpu
from leafwing.training import fit
from leafwing.variants.gan import GAN
from leafwing.watch.checkpoint import digest


class Tape:
    """Remembers the function; replaying calls it again on the fixed tensors, as a graph would, into the fixed log."""

    def __init__(self, training) -> None:
        self.players = training.players
        self.recorded = self.replayed = 0

    def __call__(self, play):
        self.recorded += 1
        log: dict[str, torch.Tensor] = {}
        latents = self.players.dealt

        def replay() -> None:
            self.replayed += 1
            self.players.dealt = latents
            for name, value in play().items():
                log.setdefault(name, torch.empty_like(value)).copy_(value)
            self.players.dealt = None

        return log, replay


@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("n_d", [1, 2])
def test_replayed_rounds_are_the_rounds(share, n_d):
    """Bit for bit over 24 rounds, with a penalty every 4th round: two phases, a recording each."""
    digests = []
    for graphs in (False, True):
        training = small_training(GAN(r1_gamma=0.1, r1_every=4), goal=24)
        training.players.D.body[3] = torch.nn.Identity()  # a recording has its own stream of dropout
        training.players.D.body[1] = torch.nn.Identity()
        training.players.share_fakes, training.n_d = share, n_d
        tape = Tape(training)
        if graphs:
            training.play = GraphedRounds(lambda step: True, tape)
        fit(training, [])
        digests.append(digest(training))
        assert tape.recorded == (2 if graphs else 0)
        assert tape.replayed == (24 - 2 * WARM_UP if graphs else 0)
    assert digests[0] == digests[1]


def test_moving_schedules_are_not_recorded():
    training = small_training(goal=12)
    tape = Tape(training)
    training.play = GraphedRounds(lambda step: step >= 8, tape)
    fit(training, [])
    assert tape.replayed == 12 - 8 - WARM_UP


def test_a_recorder_that_fails_costs_a_sentence(capsys):
    def refuse(play):
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore")

    training, plain = small_training(goal=8), small_training(goal=8)
    training.play = GraphedRounds(lambda step: True, refuse)
    fit(training, [])
    fit(plain, [])
    assert digest(training) == digest(plain)
    assert capsys.readouterr().err.count("no CUDA graph could be recorded") == 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_recorded_rounds_are_the_rounds():
    ends = []
    for graphs in (False, True):
        training = small_training(GAN(r1_gamma=0.1, r1_every=4), goal=24)
        training.players.D.body[3] = torch.nn.Identity()
        training.players.D.body[1] = torch.nn.Identity()
        for net in (training.players.G, training.players.D):
            net.cuda()
        players = training.players
        for who in ("G", "D"):
            opt = torch.optim.Adam(getattr(players, who).parameters(), fused=True, capturable=True)
            setattr(players, f"opt_{who}", opt)
        training.reals = lambda turn: small_reals(turn).cuda()
        if graphs:
            training.play = GraphedRounds(lambda step: True, record_on_gpu)
        fit(training, [])
        ends.append(torch.cat([p.flatten() for p in players.G.parameters()]))
    torch.testing.assert_close(*ends)
