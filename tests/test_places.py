"""Frames larger than what G learned from: each open place decides for itself (issue 6, items 4 and 5; R18, R22)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from leafwing.core import randomness
from leafwing.explore import places
from leafwing.explore.predict import roll_out
from leafwing.latents import Categorical
from leafwing.measure.video import connected

LEFT, RIGHT = (slice(4, 8), slice(4, 8)), (slice(4, 8), slice(24, 28))


class Ghosts(nn.Module):
    """G of patches: a ghost is there (1, else 0; -1 around it) as the card says; so are all ghosts of a whole frame."""

    is_picking = True

    def __init__(self, there: list[float]) -> None:
        super().__init__()
        self.there = torch.tensor(there)

    def forward(self, z: torch.Tensor, past: torch.Tensor) -> torch.Tensor:
        """(z [k, 4], past [1 or k, 1, 12, 32]) -> [k, 1, 12, 32]."""
        return torch.where(past >= 0, self.there[z.argmax(1)].view(-1, 1, 1, 1), -1.0)

    def said(self, z: torch.Tensor, past: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Always sure."""
        return self(z, past), torch.zeros(len(z))


def two_ghosts(futures: int) -> torch.Tensor:
    """A past with one ghost to the left and one to the right, [futures, 1, 12, 32]."""
    past = torch.full((futures, 1, 12, 32), -1.0)
    for rows, columns in (LEFT, RIGHT):
        past[:, :, rows, columns] = 1
    return past


def seen(frames: torch.Tensor) -> list[tuple[float, float]]:
    """Which share of each ghost is there."""
    return [tuple(float((one[0, y, x] > 0).float().mean()) for y, x in (LEFT, RIGHT)) for one in frames]  # type: ignore[misc]


def test_r22_ghosts_of_one_frame_come_and_go_by_themselves_and_whole():
    """From the second frame on: the first is of one z, so that futures of one past begin by all cards."""
    G, prior = Ghosts([1, 1, 0, 0]), Categorical(4, dealt=True)
    apart, together = (roll_out(G, prior, two_ghosts(64), 3, seed=0, tries=4, patch=patch) for patch in (8, None))
    assert torch.equal(apart[:, 0], together[:, 0])
    for step in (1, 2):
        drawn = seen(apart[:, step])
        assert set(drawn) == {(0, 0), (0, 1), (1, 0), (1, 1)}
        assert min(drawn.count(some) for some in set(drawn)) >= 6  # 16 expected
    assert {some for step in range(3) for some in seen(together[:, step])} == {(0, 0), (1, 1)}


def test_what_most_answers_say_is_taken_and_a_rare_one_is_not():
    """One card of four makes all ghosts vanish: every past has that card, after the first frame no place follows it."""
    past = two_ghosts(32)
    drawn = roll_out(Ghosts([1, 1, 0, 1]), Categorical(4, dealt=True), past, 5, seed=0, tries=4, patch=8)
    assert seen(drawn[:, 0]).count((0, 0)) == 8
    assert torch.equal(drawn[:, 1:], past[:, None].expand(-1, 4, -1, -1, -1))


def test_a_place_is_of_one_answer_and_what_is_not_open_stays():
    """Answers that differ in two touching pixels give both from one of them; the rest of the frame is common."""
    answers = torch.full((2, 1, 6, 20), 0.25)
    answers[0, 0, 2, 3:5] = torch.tensor([1.0, -1.0])
    answers[1, 0, 2, 3:5] = torch.tensor([-1.0, 1.0])
    kept = {tuple(places.put_together(answers, np.random.default_rng(n))[0, 2, 3:5].tolist()) for n in range(20)}
    assert kept == {(1.0, -1.0), (-1.0, 1.0)}
    frame = places.put_together(answers, np.random.default_rng(0))
    frame[0, 2, 3:5] = 0.25
    assert torch.equal(frame, torch.full((1, 6, 20), 0.25))


def test_the_same_seed_gives_the_same_futures_and_one_try_or_a_small_frame_is_as_it_was():
    G, prior, past = Ghosts([1, 1, 0, 0]), Categorical(4, dealt=True), two_ghosts(8)

    def walk(seed: int = 0, tries: int = 4, patch: int | None = 8) -> torch.Tensor:
        return roll_out(G, prior, past, 3, seed, tries=tries, patch=patch)

    assert torch.equal(walk(), walk())
    assert not torch.equal(walk(), walk(seed=1))
    assert torch.equal(walk(patch=32), walk(patch=None))
    assert torch.equal(walk(tries=1), walk(tries=1, patch=None))


def test_fewer_futures_are_the_first_of_more():
    G, prior = Ghosts([1, 1, 0, 0]), Categorical(4, dealt=True)
    eight, three = (roll_out(G, prior, two_ghosts(n), 3, seed=2, tries=4, patch=8) for n in (8, 3))
    assert torch.equal(eight[:3], three)


def test_connected_spots_agree_with_scipy():
    ndimage = pytest.importorskip("scipy.ndimage")
    rng = randomness.stream(0, 0, "test")
    for share in (0.0, 0.1, 0.4, 0.6, 1.0):
        has = rng.random((21, 34)) < share
        ours, (theirs, count) = connected(has), ndimage.label(has, np.ones((3, 3)))
        assert (ours[~has] == -1).all()
        assert len({*ours[has].tolist()}) == len({*zip(ours[has].tolist(), theirs[has].tolist(), strict=True)}) == count
