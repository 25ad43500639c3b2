"""The maze's measures (issue 6, item 6; R19): an oracle is called right, the average of futures is caught at it."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from leafwing import api
from leafwing.cli.main import run
from leafwing.core.errors import BadRun
from leafwing.core.pictures import to_uint8
from leafwing.demos.maze import WORDS, text
from leafwing.explore.maze import Judged, judge, odds_apart
from leafwing.generator import Generator
from leafwing.latents import Uniform
from leafwing.measure import maze as reading
from leafwing.worlds import maze

CARD = {"recipe": {"data": {"history": 3, "channels": 3}}}


def state_of(frames: np.ndarray) -> maze.State:
    """What three frames show, read one after the other."""
    walls = (reading.rounded(frames[-1]) == maze.WALL).all(2)
    layout = next(n for n in range(len(maze.LAYOUTS)) if np.array_equal((maze.ground(n) == maze.WALL).all(2), walls))
    state = maze.State(layout, (4, 4), 0, (1, 9), frozenset())
    for frame in frames:
        state = reading.read(frame, state) or state
    return state


class Player(nn.Module):
    """Knows the rules. ``average``: gives the mean of all futures, as the supervised network of the lecture does."""

    def __init__(self, average: bool = False, one_way: bool = False, painted: bool = False) -> None:
        super().__init__()
        self.average, self.one_way, self.painted = average, one_way, painted
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, z, history):
        past = to_uint8(history.reshape(-1, 3, 40, 40)).reshape(len(history), 3, 40, 40, 3)
        frames = []
        for row, where in zip(past, z[:, 0].tolist(), strict=True):
            odds, states = zip(*maze.futures(state_of(row)), strict=True)
            shots = np.stack([maze.draw(state) for state in states]).astype(float)
            if self.average:
                frames.append(np.tensordot(odds, shots, 1))
            else:
                frames.append(
                    shots[0 if self.one_way else min(int(np.searchsorted(np.cumsum(odds), where)), len(odds) - 1)]
                )
        if self.painted:
            for frame in frames:
                frame[(frame == maze.GHOSTS[0]).all(2)] = maze.GHOSTS[1]
        return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1


@cache
def asked(**kind) -> Judged:
    G = Generator(Player(**kind), Uniform(1, 0.0, 1.0), CARD)
    return judge(G, moments=16, answers=16, walks=2, steps=16)


def test_an_oracle_is_right_in_everything():
    found = asked()
    assert (found.one_step.legal, found.one_step.legal_open) == (1, 1)
    assert (found.one_step.split_open, found.one_step.unclear_open) == (0, 0)
    assert found.one_step.turns_covered > 0.9
    assert found.one_step.odds_distance < 0.2
    assert found.one_step.sharpness == pytest.approx(1, abs=0.05)
    assert (found.walk.legal, found.walk.one_hero, found.walk.ghosts_right) == (1, 1, 1)
    assert found.walk.sharpness == pytest.approx(1, abs=0.1)


def test_r19_the_average_of_the_futures_splits_the_hero():
    """Half of the questions are open: there nothing is legal, and the hero is to be seen twice."""
    found, oracle = asked(average=True), asked()
    assert found.one_step.legal == 0.5
    assert found.one_step.legal_open == 0
    assert found.one_step.split_open > 0.5
    assert found.one_step.unclear_open > 20
    assert found.one_step.turns_covered == 0
    assert found.one_step.psnr_best < oracle.one_step.psnr_best, "the best of several futures is nearer"
    assert found.walk.legal < 0.9
    assert found.walk.split > 0


def test_a_player_who_knows_one_way_alone_covers_little():
    found = asked(one_way=True)
    assert found.one_step.legal == 1
    assert 0.4 < found.one_step.turns_covered < 0.6
    assert found.one_step.odds_distance > 0.25
    assert found.one_step.turns_missing > 0


def test_a_ghost_that_takes_anothers_colour_is_told():
    """Painted over in what is drawn, so that no frame but the first is understood: one step of each walk."""
    G = Generator(Player(painted=True), Uniform(1, 0.0, 1.0), CARD)
    found = judge(G, moments=2, answers=2, walks=6, steps=1).walk
    assert found.recoloured == 1
    assert (found.ghosts_right, found.one_hero) == (0, 1)
    assert asked().walk.recoloured == 0


def test_distance_of_odds_in_closed_form():
    from collections import Counter

    kind = ((2, 2), 0, (0, 1))
    assert odds_apart({kind: Counter({0: 50, 1: 50})}, {kind: {0: 2 / 3, 1: 1 / 3}}) == pytest.approx(1 / 6)
    other = ((4, 4), 1, (0, 1))
    taken = {kind: Counter({0: 100}), other: Counter({1: 50})}
    assert odds_apart(taken, {one: {0: 2 / 3, 1: 1 / 3} for one in taken}) == pytest.approx(0), "pooled over places"


def test_the_demo_trains_judges_and_goes_on(tmp_path, capsys):
    """`leafwing demo maze`: two runs, two films, a table; run again, it only judges."""
    line = ["demo", "maze", "--out", str(tmp_path), "--steps", "1", "--json"]
    small = ["generator.width=4", "data.count=160", "watch.samples=8", "train.batch=8"]
    with pytest.MonkeyPatch.context() as patch:
        train = api.train
        patch.setattr(api, "train", lambda data, recipe, **kind: train(data, recipe, settings=small, **kind))
        patch.setattr("leafwing.demos.maze.judge", lambda G, seed: judge(G, moments=4, answers=2, walks=1, steps=4))
        assert run(line) == 0
        told = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert set(told) == {"supervised", "generator"}
        assert run(line) == 0
        assert run([*line, "--seed", "1"]) == 2
        assert "was trained with --seed 0" in capsys.readouterr().err
    assert (tmp_path / "generator.gif").is_file()
    table = text(told)
    assert all(words in table for rows in WORDS.values() for words in rows.values())


def test_generators_of_pictures_are_not_judged():
    with pytest.raises(BadRun, match="video-gan"):
        judge(Generator(Player(), Uniform(1), {"recipe": {"data": {"history": 0}}}))


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_r19_r24_the_recipe_reaches_its_aims_on_the_maze(tmp_path):
    """A quarter of an hour of one core: legal frames, every turn taken, one hero for 64 steps; the baseline fails."""
    found = {}
    for recipe in ("video-supervised", "video-gan-maze"):
        api.train(None, recipe, out=tmp_path / recipe, seed=0)
        found[recipe] = judge(api.load(tmp_path / recipe), seed=0)
    plain, gan = found["video-supervised"], found["video-gan-maze"]
    assert gan.one_step.legal >= 0.95
    assert gan.one_step.turns_covered >= 0.98
    assert gan.one_step.turns_missing == 0
    assert gan.one_step.odds_distance <= 0.15
    assert gan.walk.one_hero >= 0.95
    assert plain.one_step.legal_open == 0
    assert plain.one_step.split_open >= 0.3
    assert plain.one_step.unclear_open >= 20
    assert plain.walk.vanished >= 0.5
