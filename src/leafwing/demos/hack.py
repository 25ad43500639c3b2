"""The hacked game: let D be tuned in G's turn, and the score explodes while the pictures stay noise.

The lecture's warning: in G's step the last layers (D) must not move, else the easiest way to a high score is to put D's
output bias at ten million. Here the rule is broken on purpose, beside a game that keeps it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch

from leafwing.core import randomness
from leafwing.core.errors import RuleBroken
from leafwing.data import open_data
from leafwing.data.feed import Feed
from leafwing.freeze import frozen
from leafwing.game import Batch, Joint, Players, descend, draw_fakes, judge
from leafwing.prepare import prepare
from leafwing.recipe import Recipe


@dataclass(frozen=True)
class Ledger:
    """What a G-only phase did.

    Attributes:
        score_before, score_after: D's mean score of the fakes, as the D in the game gives it.
        distance_before, distance_after: mean distance of a fake to the nearest of 256 real pictures, per pixel, in
            [0, 2].
    """

    score_before: float
    score_after: float
    distance_before: float
    distance_after: float


def small_game() -> tuple[Players, Feed]:
    """A small DCGAN on 512 drawn faces of 16 pixels, seconds on any machine."""
    store = open_data("world:faces", image_size=16, count=512)
    recipe = Recipe.from_dict(
        {
            "variant": {"g_objective": "score"},
            "prior": {"dim": 16},
            "generator": {"name": "dcgan", "width": 16},
            "discriminator": {"name": "dcgan", "width": 16, "norm": "none"},
            "data": {"image_size": 16},
            "train": {"precision": "fp32", "batch": 32},
        }
    )
    training = prepare(recipe, store, torch.device("cpu"))
    assert isinstance(training.reals, Feed)
    return training.players, training.reals


def hacked(players: Players, reals: Feed, steps: int) -> Ledger:
    """Descend -D(G(z)) over ALL layers of the joint network, D's included: the forbidden move."""
    joint = Joint(players.G, players.D)
    opt = torch.optim.Adam(joint.parameters(), lr=1e-2)
    return g_only(players, reals, steps, lambda batch: descend(opt, {"score": -judge(players.D, batch).mean()}))


def honest(players: Players, reals: Feed, steps: int) -> Ledger:
    """The same number of G's turns with D frozen: G alone can move the score, by moving its pictures."""

    def turn(batch: Batch) -> None:
        with frozen(players.D):
            descend(players.opt_G, {"score": -judge(players.D, batch).mean()})

    return g_only(players, reals, steps, turn)


def g_only(players: Players, reals: Feed, steps: int, turn: Callable[[Batch], object]) -> Ledger:
    """Play ``turn`` on fresh fakes ``steps`` times, and look before and after."""
    like = Batch(reals(0))
    before = look(players, reals, like)
    for step in range(steps):
        turn(draw_fakes(players, like, step, "G"))
    after = look(players, reals, like)
    return Ledger(before[0], after[0], before[1], after[1])


@torch.no_grad()
def look(players: Players, reals: Feed, like: Batch) -> tuple[float, float]:
    """D's mean score of fresh fakes, and their mean distance to the nearest real picture."""
    fake = draw_fakes(players, like, 10**6, "look")
    shelf = torch.cat([reals(turn) for turn in range(8)]).flatten(1)
    gaps = torch.cdist(fake.pictures.flatten(1), shelf, p=1) / shelf.shape[1]
    return float(judge(players.D, fake).mean()), float(gaps.amin(dim=1).mean())


def guarded(players: Players) -> str:
    """What the guard says when somebody tunes D in G's turn."""
    try:
        with frozen(players.D), torch.no_grad():
            next(iter(players.D.parameters())).add_(1.0)
    except RuleBroken as caught:
        return str(caught)
    raise AssertionError("the guard did not see a change of D")


def play(steps: int = 200) -> str:
    """Both games from the same start, as a text to print."""
    randomness.seed_networks(0, 0)
    players, reals = small_game()
    cheat = hacked(copy.deepcopy(players), reals, steps)
    fair = honest(copy.deepcopy(players), reals, steps)
    rows = [
        f"{'':34}{'D frozen':>14}{'D tuned too':>14}",
        f"{'D score of the fakes, before':34}{fair.score_before:14.3f}{cheat.score_before:14.3f}",
        f"{'D score of the fakes, after':34}{fair.score_after:14.3f}{cheat.score_after:14.4g}",
        f"{'distance to real pictures, before':34}{fair.distance_before:14.3f}{cheat.distance_before:14.3f}",
        f"{'distance to real pictures, after':34}{fair.distance_after:14.3f}{cheat.distance_after:14.3f}",
        f"The guard, when D is touched in G's turn: {guarded(players)}",
    ]
    return "\n".join(rows)
