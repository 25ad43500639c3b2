"""A generator of next frames against the truth of `world:maze`: legal frames, turns and their odds, the hero over time.

Unseen episodes (another seed of the world) ask it two kinds of questions. *One step*: the true past is given, many z
answer. *Walking on*: it goes on from its own frames, as in the lecture, where a hero may split, fade or change.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from leafwing.core import pictures, randomness
from leafwing.core.errors import BadRun
from leafwing.data.feed import to_pictures
from leafwing.explore import sure
from leafwing.explore.predict import history_of, roll_out
from leafwing.explore.sample import device_of
from leafwing.generator import Generator
from leafwing.measure import maze as reading
from leafwing.measure import video
from leafwing.worlds import maze
from leafwing.worlds.maze import Frame, Maze, State

UNSEEN = 1_000_003
"""The world's seed that questions come from; recipes learn from seed 0."""
EVERY = 7
"""A question is asked every so many frames of an episode."""


@dataclass(frozen=True)
class OneStep:
    """Answers to true pasts.

    Attributes:
        legal: share of answers that are, pixel for pixel, a possible next frame.
        legal_open: the same where several turns are possible.
        split_open: share of answers with two or more heroes where several turns are possible.
        unclear_open: pixels of such an answer that are near no colour of the game: faint or smeared.
        turns_covered: share of the possible turns at such moments that some answer takes.
        turns_missing: of places and headings looked at, how many have a possible turn never taken by any answer.
        odds_distance: between the turns' true odds and those of legal answers, over all moments of a kind: total
            variation, 0 equal to 1; mean over kinds.
        answers: to each open moment.
        psnr: mean over answers, in dB.
        psnr_best: of the best of 8 answers to each moment.
        sharpness: variance of the Laplacian over that of the true frames.
    """

    legal: float
    legal_open: float
    split_open: float
    unclear_open: float
    turns_covered: float
    turns_missing: int
    odds_distance: float
    answers: int
    psnr: float
    psnr_best: float
    sharpness: float


@dataclass(frozen=True)
class Walk:
    """Frames walked on.

    Attributes:
        steps: frames of each walk.
        walks: how many.
        legal: share of frames that follow by the rules from the frame before.
        one_hero: share of frames with exactly one hero.
        split: share with two or more.
        vanished: share with none.
        ghosts_right: share of frames with one ghost of each colour; else one changed, split or vanished.
        recoloured: share of frames in which one colour's sprite is missing and another colour has one too many.
        one_hero_last: `one_hero` of the last frames alone.
        sharpness: variance of the Laplacian over that of true episodes at the same steps.
    """

    steps: int
    walks: int
    legal: float
    one_hero: float
    split: float
    vanished: float
    ghosts_right: float
    recoloured: float
    one_hero_last: float
    sharpness: float


@dataclass(frozen=True)
class Judged:
    """Both kinds of questions."""

    one_step: OneStep
    walk: Walk

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def judge(
    G: Generator,
    *,
    moments: int = 160,
    answers: int = 24,
    walks: int = 32,
    steps: int = 64,
    seed: int = 0,
    tries: int = sure.TRIES,
) -> Judged:
    """Ask both kinds of questions.

    Args:
        G: of a run on `world:maze`, frames of 40 pixels in colour.
        moments: questions of one step, half of them where the future is open.
        answers: to each.
        walks: how many to walk.
        steps: of each walk.
        seed: of z.
        tries: z drawn for a frame that G is not sure of, at most; 1 takes frames as they come.

    Raises:
        BadRun: a generator of something else.
    """
    history = history_of(G)
    if G.card["recipe"]["data"]["channels"] != 3:
        raise BadRun("The maze is judged in colour: train with data.channels = 3.")
    episodes = [Maze(UNSEEN).episode(n) for n in range(max(walks, 1 + moments))]
    return Judged(
        one_step(G, episodes, history, moments, answers, seed, tries),
        walk_on(G, episodes[:walks], steps, seed, tries),
    )


def past_of(episode: list[State], now: int, history: int) -> Tensor:
    """The frames up to ``now``, [1, h * c, 40, 40]."""
    frames = np.stack([maze.draw(state) for state in episode[now - history + 1 : now + 1]])
    return to_pictures(torch.from_numpy(frames), channels_last=False).flatten(0, 1)[None]


def questions(episodes: list[list[State]], history: int, count: int) -> list[tuple[list[State], int]]:
    """Moments of unseen episodes, half of them open, as (episode, frame)."""
    all_ = [(e, now) for now in range(history - 1, maze.LENGTH - 1, EVERY) for e in episodes]
    ways = [len(maze.turns(e[now])) for e, now in all_]
    open_ = [moment for moment, n in zip(all_, ways, strict=True) if n > 1][: count // 2]
    return open_ + [moment for moment, n in zip(all_, ways, strict=True) if n == 1][: count - len(open_)]


def one_step(
    G: Generator, episodes: list[list[State]], history: int, moments: int, answers: int, seed: int, tries: int
) -> OneStep:
    """Many answers to each of many true pasts."""
    legal: list[tuple[bool, bool]] = []  # (is the future open, is the answer legal)
    quality: list[tuple[float, float, float]] = []  # PSNR, of the best of 8, sharpness
    covered: list[float] = []
    failing: list[tuple[float, float]] = []  # where the future is open: heroes too many, pixels near no colour
    taken: dict[tuple[Any, ...], Counter[int]] = {}
    odds: dict[tuple[Any, ...], dict[int, float]] = {}
    for number, (episode, now) in enumerate(questions(episodes, history, moments)):
        state, true = episode[now], maze.draw(episode[now + 1])
        rng = randomness.stream(seed, number, "maze/answers")
        z = torch.stack([G.prior.sample(answers, rng) for _ in range(tries)], 1).to(device_of(G.network))
        drawn = answer(G, z, past_of(episode, now, history))
        followed = [reading.follows(state, frame) for frame in drawn]
        ways = relative(state)
        legal += [(len(ways) > 1, after is not None) for after in followed]
        went = Counter((after.heading - state.heading) % 4 for after in followed if after is not None)
        if len(ways) > 1:
            failing += [(reading.count(frame, maze.HERO, state.layout) > 1, unclear(frame)) for frame in drawn]
            covered.append(float(np.mean([way in went for way in ways])))
            kind = (state.hero, state.heading, tuple(sorted(ways)))
            taken.setdefault(kind, Counter()).update(went)
            odds[kind] = ways
        each = video.psnr(drawn, np.broadcast_to(true, drawn.shape))
        quality.append(
            (float(each.mean()), float(each[:8].max()), float(video.sharp(drawn).mean() / video.sharp(true[None])[0]))
        )
    split, faint = np.mean(failing, axis=0).tolist()
    psnr, best, sharp = np.mean(quality, axis=0).tolist()
    return OneStep(
        legal=share(ok for _, ok in legal),
        legal_open=share(ok for is_open, ok in legal if is_open),
        split_open=split,
        unclear_open=faint,
        turns_covered=float(np.mean(covered)),
        turns_missing=sum(any(way not in taken[kind] for way in ways) for kind, ways in odds.items()),
        odds_distance=odds_apart(taken, odds),
        answers=answers,
        psnr=psnr,
        psnr_best=best,
        sharpness=sharp,
    )


def unclear(frame: Frame) -> float:
    """How many pixels are near no colour of the game."""
    return float((reading.rounded(frame) == reading.NONE).all(2).sum())


def relative(state: State) -> dict[int, float]:
    """The possible turns and their odds: 0 straight on, 1 to the right, 3 to the left."""
    return {(way - state.heading) % 4: odds for way, odds in maze.turns(state).items()}


def odds_apart(taken: dict[tuple[Any, ...], Counter[int]], odds: dict[tuple[Any, ...], dict[int, float]]) -> float:
    """Total variation between the odds and what was taken, pooled over moments of the same possible turns; the mean."""
    pooled: dict[tuple[int, ...], tuple[Counter[int], dict[int, float]]] = {}
    for kind, went in taken.items():
        pooled.setdefault(kind[2], (Counter(), odds[kind]))[0].update(went)
    apart = [
        sum(abs(went[way] / went.total() - p) for way, p in true.items()) / 2 if went.total() else 1.0
        for went, true in pooled.values()
    ]
    return float(np.mean(apart))


def answer(G: Generator, z: Tensor, past: Tensor) -> Frame:
    """One frame for each row of z [k, tries, z], uint8 [k, 40, 40, 3]."""
    given = past.expand(len(z), -1, -1, -1).to(z.device)
    return pictures.to_uint8(sure.frames(G.network, z, given))


def walk_on(G: Generator, episodes: list[list[State]], steps: int, seed: int, tries: int) -> Walk:
    """Walk from the beginning of every episode, and read each frame."""
    history = history_of(G)
    past = torch.cat([past_of(episode, history - 1, history) for episode in episodes])
    drawn = roll_out(G.network, G.prior, past, steps, seed, tries=tries)
    frames = pictures.to_uint8(drawn.flatten(0, 1)).reshape(len(episodes), steps, maze.SIDE, maze.SIDE, 3)
    legal, seen = list[bool](), list[list[list[int]]]()
    for episode, film in zip(episodes, frames, strict=True):
        legal += lawful(episode[history - 1], film)
        colours = (maze.HERO, *maze.GHOSTS)
        seen.append([[reading.count(frame, colour, episode[0].layout) for colour in colours] for frame in film])
    counts = np.array(seen)
    heroes, ghosts = counts[..., 0], counts[..., 1:]
    true = np.stack([maze.draw(state) for episode in episodes for state in episode[history : history + steps : 4]])
    return Walk(
        steps=steps,
        walks=len(episodes),
        legal=share(legal),
        one_hero=float((heroes == 1).mean()),
        split=float((heroes > 1).mean()),
        vanished=float((heroes == 0).mean()),
        ghosts_right=float((ghosts == 1).all(2).mean()),
        recoloured=float(((counts == 0).any(2) & (counts > 1).any(2)).mean()),
        one_hero_last=float((heroes[:, -1] == 1).mean()),
        sharpness=float(video.sharp(frames.reshape(-1, *frames.shape[2:])).mean() / video.sharp(true).mean()),
    )


def lawful(start: State, film: Frame) -> list[bool]:
    """Of each frame of a walk, whether it follows by the rules from the one before; that one has to be readable."""
    state: State | None = start
    known, found = start, list[bool]()
    for frame in film:
        after = reading.follows(state, frame) if state is not None else None
        found.append(after is not None)
        state = after or reading.read(frame, known)
        known = state or known
    return found


def share(truths: Any) -> float:
    """The mean of truths; 0 for none."""
    values = list(truths)
    return float(np.mean(values)) if values else 0.0
