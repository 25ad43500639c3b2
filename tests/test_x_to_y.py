"""Issue 6, item 10 (R2): x of every kind, y of every kind, by one and the same game.

x is a vector, a picture or a sequence of words; y is a number, a class, a picture or a sequence. In each pair every
question has two right answers and z is one coin. A tiny G and D play `leafwing.game` for some seconds; then G's answers
are near right ones, both of them come up, and which depends on z and is right for the question that was asked.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing.contract import check_players
from leafwing.core import randomness
from leafwing.game import Batch, Players, call, play_round
from leafwing.latents import Binary
from leafwing.variants.infogan import InfoGAN

QUESTIONS, WORDS, LENGTH, SIDE, HIDDEN, N, LR = 3, 6, 4, 8, 64, 48, 1e-2
PLAYED = {"number": (400, 0.1), "class": (250, 0.5), "image": (400, 5.0), "sequence": (300, 0.5)}
"""Rounds, and the weight of the penalty on D's slope, by y."""


def vectors() -> Tensor:
    """[3, 5]."""
    return torch.randn(QUESTIONS, 5, generator=torch.Generator().manual_seed(0))


def pictures() -> Tensor:
    """[3, 1, 8, 8]: a bright stripe in another row each."""
    x = -torch.ones(QUESTIONS, 1, SIDE, SIDE)
    for number in range(QUESTIONS):
        x[number, :, 2 * number + 1] = 1
    return x


def sequences() -> Tensor:
    """[3, 4]: numbers of words."""
    return torch.tensor([[1, 2, 3, 0], [3, 2, 1, 0], [1, 3, 2, 4]])


def number(which: Tensor, coin: Tensor) -> Tensor:
    """[n, 1]: two numbers to each question."""
    return (0.6 * which.float() - 0.6 + torch.where(coin, 0.25, -0.25))[:, None]


def one_class(which: Tensor, coin: Tensor) -> Tensor:
    """[n, 6], one 1: two classes to each question."""
    return F.one_hot(2 * which + coin.long(), 2 * QUESTIONS).float()


def picture(which: Tensor, coin: Tensor) -> Tensor:
    """[n, 1, 8, 8]: a stripe in the question's column, or the one beside it."""
    column = 2 * which + coin.long()
    return (F.one_hot(column, SIDE).float() * 2 - 1)[:, None, None, :].expand(-1, 1, SIDE, -1).contiguous()


def sequence(which: Tensor, coin: Tensor) -> Tensor:
    """[n, 4, 6], one 1 a word: two replies to each question."""
    words = torch.tensor([[[1, 2, 0, 0], [3, 4, 5, 0]], [[2, 2, 2, 0], [5, 1, 0, 0]], [[4, 0, 0, 0], [1, 4, 1, 4]]])
    return F.one_hot(words[which, coin.long()], WORDS).float()


X = {"vector": vectors(), "image": pictures(), "sequence": sequences()}
Y: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "number": number, "class": one_class, "image": picture, "sequence": sequence
}  # fmt: skip


def reader(kind: str) -> nn.Module:
    """A question of this kind -> [n, 16]."""
    if kind == "sequence":
        return nn.Sequential(nn.Embedding(WORDS, 8), nn.Flatten(), nn.Linear(LENGTH * 8, 16))
    return nn.Sequential(nn.Flatten(), nn.Linear(X[kind][0].numel(), 16))


class G(nn.Module):
    """(z, x) -> y; classes and words are chosen, the slope is that of their chances (straight-through)."""

    def __init__(self, x_kind: str, y_kind: str, shape: torch.Size) -> None:
        super().__init__()
        self.read, self.kind, self.shape = reader(x_kind), y_kind, shape
        self.body = nn.Sequential(nn.Linear(17, HIDDEN), nn.LeakyReLU(0.2), nn.Linear(HIDDEN, shape.numel()))

    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        y = self.body(torch.cat([2 * z - 1, self.read(x)], 1)).unflatten(1, self.shape)
        if self.kind == "image":
            return y.tanh()
        if self.kind == "number":
            return y
        chance = y.softmax(-1)
        return F.one_hot(chance.argmax(-1), y.shape[-1]) + chance - chance.detach()


class D(nn.Module):
    """(y, x) -> the logit, and what it reads of z."""

    def __init__(self, x_kind: str, shape: torch.Size) -> None:
        super().__init__()
        self.read = reader(x_kind)
        self.body = nn.Sequential(nn.Linear(shape.numel() + 16, HIDDEN), nn.LeakyReLU(0.2), nn.Linear(HIDDEN, 2))

    def forward(self, y: Tensor, x: Tensor) -> Tensor:
        return self.body(torch.cat([y.flatten(1), self.read(x)], 1))


@pytest.mark.parametrize("y_kind", Y)
@pytest.mark.parametrize("x_kind", X)
def test_the_same_game_for_every_x_and_y(x_kind, y_kind):
    randomness.seed_networks(0, -1)
    x, answer = X[x_kind], Y[y_kind]
    shape = answer(torch.tensor([0]), torch.tensor([True]))[0].shape
    rounds, gamma = PLAYED[y_kind]
    g, d = G(x_kind, y_kind, shape), D(x_kind, shape)
    rules, prior = InfoGAN(codes=1, kind="binary", r1_gamma=gamma), Binary(1)
    check_players(g, d, rules, prior, tuple(shape), x[[0, 1, 2, 0]])
    opts = [torch.optim.Adam(net.parameters(), LR, (0.0, 0.9)) for net in (g, d)]
    players = Players(g, d, *opts, prior, seed=0)

    for step in range(rounds):
        draw = randomness.stream(0, step, "batch")
        which = torch.from_numpy(draw.integers(0, QUESTIONS, N))
        coin = torch.from_numpy(draw.integers(0, 2, N) == 1)
        for opt in opts:
            opt.param_groups[0]["lr"] = LR * (1 - step / rounds)
        log = play_round(rules, players, [Batch(answer(which, coin), x[which])], step)
    assert not log["G/skipped"] and not log["D/skipped"]  # noqa: PT018

    each = torch.arange(QUESTIONS)
    with torch.no_grad():
        said = [call(g.eval(), torch.full((QUESTIONS, 1), z), x) for z in (0.0, 1.0)]
    right = [answer(each, torch.full((QUESTIONS,), coin)) for coin in (False, True)]
    apart = torch.stack([torch.stack([(s - r).flatten(1).norm(dim=1) for r in right]) for s in said])  # [z, coin, x]
    between = (right[0] - right[1]).flatten(1).norm(dim=1)
    assert (apart.amin(1) < 0.25 * between).all(), "every answer is near a right one of its own question"
    assert (apart.amin(0) < 0.25 * between).all(), "and z gives both"
