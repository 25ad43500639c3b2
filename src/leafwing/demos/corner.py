"""The corner: the supervised network pleases both futures and is wrong; the generator gives one of them at a time.

Both networks see the same frames of `leafwing.worlds.corner` and are judged on junctions they never saw, whose two
right answers are known.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from leafwing.core import randomness
from leafwing.core.errors import BadConfig
from leafwing.core.pictures import captioned, save_png, sheet, to_uint8
from leafwing.core.progress import counting
from leafwing.data.feed import to_pictures
from leafwing.game import Batch, Players, descend, play_round
from leafwing.latents import Binary, Prior
from leafwing.networks.frames import FramePair, NextFrame
from leafwing.variants.infogan import InfoGAN
from leafwing.worlds.corner import Corner

MOMENTS, UNSEEN, BATCH = 2048, 512, 16
NEAR = 0.25
"""A picture is near a future when it is no farther from it than a quarter of the way to the other one."""
RATE, RATE_TO, BETAS = 1e-3, 1e-4, (0.0, 0.99)
HALFLIFE = 60
"""Rounds after which a weight's share in the averaged generator halves."""
ROUNDS, SUPERVISED_ROUNDS = 1300, 400


@dataclass(frozen=True)
class Data:
    """Frames as floats in [-1, 1]: those learned from, and unseen ones with both of their futures [n, 2, 3, s, s]."""

    now: Tensor
    followed: Tensor
    unseen: Tensor
    futures: Tensor

    @classmethod
    def draw(cls, world: Corner) -> Data:
        """From the world."""
        seen, unseen = range(MOMENTS), range(MOMENTS, MOMENTS + UNSEEN)
        futures = torch.stack([as_pictures(world.futures(unseen)[:, way]) for way in (0, 1)], 1)
        return cls(as_pictures(world.now(seen)), as_pictures(world.next(seen)), as_pictures(world.now(unseen)), futures)

    def batch(self, seed: int, step: int) -> Batch:
        """What followed, and what it followed from."""
        which = torch.from_numpy(randomness.stream(seed, step, "batch").integers(0, len(self.now), BATCH))
        return Batch(self.followed[which], self.now[which])


def as_pictures(frames: np.ndarray[Any, np.dtype[np.uint8]]) -> Tensor:
    """uint8 [n, s, s, 3] -> float [n, 3, s, s] in [-1, 1]."""
    return to_pictures(torch.from_numpy(frames))


def supervised(data: Data, rounds: int, seed: int) -> NextFrame:
    """Make the answer as close as possible to what followed: squared error, no z."""
    net = NextFrame(z_dim=0)
    opt = torch.optim.Adam(net.parameters(), RATE)
    nothing = torch.empty(BATCH, 0)
    with counting("the supervised network learns") as report:
        for step in range(rounds):
            real = data.batch(seed, step)
            assert real.condition is not None
            descend(opt, {"squared_error": (net(nothing, real.condition) - real.pictures).square().mean()})
            report(step + 1, rounds)
    return net.eval()


def generator(data: Data, p_left: float, rounds: int, seed: int) -> NextFrame:
    """The game: z is one coin with the world's own odds, and D reads it back from G's answer."""
    G, D = NextFrame(z_dim=1), FramePair(outputs=2)
    opt_G, opt_D = (torch.optim.Adam(net.parameters(), RATE, BETAS, fused=True) for net in (G, D))
    players = Players(G, D, opt_G, opt_D, coin(p_left), seed, share_fakes=True)
    variant = InfoGAN(codes=1, kind="binary", r1_gamma=1.0, r1_every=2)
    average = copy.deepcopy(G).requires_grad_(False)
    with counting("the generator learns") as report:
        for step in range(rounds):
            for opt in (opt_G, opt_D):
                opt.param_groups[0]["lr"] = RATE + (RATE_TO - RATE) * max(0.0, step / rounds - 0.8) / 0.2
            play_round(variant, players, [data.batch(seed, step)], step)
            follow(average, G, min(HALFLIFE, step / 10))
            report(step + 1, rounds)
    name_sides(average, D, data, p_left)
    return average.eval()


@torch.no_grad()
def name_sides(G: NextFrame, D: FramePair, data: Data, p_left: float) -> None:
    """Which side of z stands for which turn was left to chance: name them so that D reads real frames with z's odds.

    Nothing but names changes: G answers to 1 as it did to 0. A fair coin needs no names.
    """
    reads_one = float(torch.sigmoid(D(data.followed, data.now)[:, 1]).mean())
    if abs(reads_one - (1 - p_left)) > abs(1 - reads_one - (1 - p_left)):
        G.swap_sides()


def coin(p_left: float) -> Prior:
    """z: 0 as often as the hero turns left."""
    return Binary(1, 1 - p_left)


@torch.no_grad()
def follow(average: nn.Module, G: nn.Module, halflife: float) -> None:
    """Move the running mean of G's weights."""
    share = 1 - 0.5 ** (1 / halflife) if halflife else 1.0
    for mean, weight in zip(average.parameters(), G.parameters(), strict=True):
        mean.lerp_(weight, share)


@dataclass(frozen=True)
class Judged:
    """How answers to unseen junctions compare with their two right ones.

    Attributes:
        near_mode_share: of answers no farther from a right one than a quarter of the way between both.
        distance_to_mode, distance_to_mean: mean distance to the nearer right answer, and to their average, as a share
            of the way between both; the average itself has 0.5 and 0.
        left_share: of answers nearer to "left".
        mutual_information_bits: of z and turn, from their counts; 0 without z.
    """

    near_mode_share: float
    distance_to_mode: float
    distance_to_mean: float
    left_share: float
    mutual_information_bits: float


@torch.no_grad()
def judged(net: NextFrame, data: Data, z: Tensor) -> Judged:
    """Ask once for every unseen junction; z [n, z_dim]."""
    answers = net(z, data.unseen)
    between = (data.futures[:, 0] - data.futures[:, 1]).flatten(1).norm(dim=1)
    to_modes = (answers[:, None] - data.futures).flatten(2).norm(dim=2) / between[:, None]
    to_mean = (answers - data.futures.mean(1)).flatten(1).norm(dim=1) / between
    nearest, turn = to_modes.min(dim=1)
    return Judged(
        near_mode_share=float((nearest <= NEAR).float().mean()),
        distance_to_mode=float(nearest.mean()),
        distance_to_mean=float(to_mean.mean()),
        left_share=float((turn == 0).float().mean()),
        mutual_information_bits=mutual_information(z[:, 0].long(), turn) if z.shape[1] else 0.0,
    )


def mutual_information(a: Tensor, b: Tensor) -> float:
    """Of two coins, from how often their sides fell together, in bits: sum p(a, b) log2(p(a, b) / p(a) p(b))."""
    both = torch.bincount(2 * a + b, minlength=4).double().view(2, 2) / len(a)
    apart = both.sum(1, keepdim=True) * both.sum(0, keepdim=True)
    return float(torch.special.xlogy(both, both / apart.clamp_min(1e-300)).sum() / math.log(2))


def picture(data: Data, plain: NextFrame, G: NextFrame, rows: int = 6) -> Tensor:
    """Rows of frames: the question, the supervised answer, two answers for either z, both right answers."""
    now, n = data.unseen[:rows], rows
    with torch.no_grad():
        answers = [plain(torch.empty(n, 0), now)] + [G(torch.full((n, 1), side), now) for side in (0.0, 1.0)]
    return torch.stack([now, *answers, data.futures[:rows, 0], data.futures[:rows, 1]], 1)


def timed(train: Callable[..., NextFrame], *given: Any) -> tuple[NextFrame, dict[str, float]]:
    """A network, and the seconds it took: on the clock, and of all processors together."""
    clock, processor = time.perf_counter(), time.process_time()
    net = train(*given)
    return net, {"seconds": time.perf_counter() - clock, "processor_seconds": time.process_time() - processor}


COLUMNS = ("now", "supervised", "G, z = 0", "G, z = 1", "truth: left", "truth: right")


def play(
    out: Path, p_left: float = 0.5, seed: int = 0, rounds: int | None = None, supervised_rounds: int | None = None
) -> dict[str, Any]:
    """Train both, judge both, write ``corner.png``.

    Args:
        out: folder for the picture.
        p_left: how often the hero turns left.
        seed: everything random follows from it.
        rounds: of the game; :data:`ROUNDS` if left out.
        supervised_rounds: of the supervised network; :data:`SUPERVISED_ROUNDS` if left out.

    Returns:
        ``{"supervised": {...}, "generator": {..., "true_left_share"}, "picture": path}``.

    Raises:
        BadConfig: numbers out of range.
    """
    rounds = ROUNDS if rounds is None else rounds
    supervised_rounds = SUPERVISED_ROUNDS if supervised_rounds is None else supervised_rounds
    if not 0 < p_left < 1:
        raise BadConfig(f"--left {p_left} cannot be: there are two right answers for a share between 0 and 1.")
    if rounds < 1:
        raise BadConfig(f"--steps {rounds} cannot be: play at least 1 round.")
    randomness.check_seed(seed)
    data = Data.draw(Corner(seed, p_left))
    randomness.seed_networks(seed, -1)
    plain, plain_time = timed(supervised, data, supervised_rounds, seed)
    G, time_of_G = timed(generator, data, p_left, rounds, seed)
    z = coin(p_left).sample(UNSEEN, randomness.stream(seed, 0, "judge"))
    columns = picture(data, plain, G).unbind(1)
    shown = [(name, sheet(to_uint8(part), 1, scale=4)) for name, part in zip(COLUMNS, columns, strict=True)]
    out.mkdir(parents=True, exist_ok=True)
    save_png(captioned(shown, len(shown)), out / "corner.png", {"leafwing": "corner"})
    return {
        "supervised": asdict(judged(plain, data, torch.empty(UNSEEN, 0))) | plain_time,
        "generator": asdict(judged(G, data, z)) | {"true_left_share": p_left} | time_of_G,
        "picture": str(out / "corner.png"),
    }


ROWS = {
    "near_mode_share": "answers near a right one",
    "distance_to_mode": "distance to the nearer right answer",
    "distance_to_mean": "distance to the average of both",
    "left_share": "answers that turn left",
    "mutual_information_bits": "bits of z in the turn",
}


def text(told: dict[str, Any]) -> str:
    """What :func:`play` found, as a table for people."""
    plain, G = told["supervised"], told["generator"]
    rows = [f"{'':36}{'supervised':>12}{'generator':>12}"]
    rows += [f"{words:36}{plain[key]:12.3f}{G[key]:12.3f}" for key, words in ROWS.items()]
    for key, words in (("seconds", "seconds of training"), ("processor_seconds", "... of processor time")):
        rows.append(f"{words:36}{plain[key]:12.0f}{G[key]:12.0f}")
    rows.append(f"{'(the hero turns left)':36}{G['true_left_share']:12.3f}{G['true_left_share']:12.3f}")
    return "\n".join([*rows, f"The pictures: {told['picture']}"])
