"""The maze world: a small game of our own after the lecture's Pac-Man, with every state and every turn's odds known.

Five by five cells of 8 pixels; a round hero eats dots and, where corridors meet, turns by chance; two ghosts go round
the outer ring. All move half a cell a frame. The hero stands in cells' middles at even frames, the ghosts at odd ones,
so no two of them are ever in the same place and every frame can be read.

Places are half cells (across, down), 0 to 8; even ones are cells' middles. Headings are 0 up, 1 right, 2 down, 3 left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from leafwing.core import randomness

Place: TypeAlias = tuple[int, int]
Frame: TypeAlias = NDArray[np.uint8]

CELLS, CELL, SPRITE = 5, 8, 6
SIDE = CELLS * CELL
"""Pixels of a frame's side."""
STEP = CELL // 2
"""Pixels that everybody moves from one frame to the next."""
LENGTH = 80
"""Frames of an episode."""
HEADINGS = ("up", "right", "down", "left")
MOVES: tuple[Place, ...] = ((0, -1), (1, 0), (0, 1), (-1, 0))

GROUND, WALL, HERO, DOT = (0, 0, 16), (40, 60, 200), (250, 220, 60), (250, 190, 170)
GHOSTS = ((230, 50, 50), (60, 210, 200))
EYES = (255, 255, 255)
PALETTE = np.array([GROUND, WALL, HERO, DOT, *GHOSTS, EYES], np.uint8)

GATES: tuple[Place, ...] = ((2, 1), (3, 2), (2, 3), (1, 2))
"""Cells between the outer ring and the middle; a layout closes none or one of them."""
LAYOUTS: tuple[frozenset[Place], ...] = tuple(frozenset(some) for n in range(2) for some in combinations(GATES, n))
BLOCKS = frozenset({(1, 1), (3, 1), (1, 3), (3, 3)})
RING: tuple[Place, ...] = tuple(
    [(x, 0) for x in range(8)]
    + [(8, y) for y in range(8)]
    + [(8 - x, 8) for x in range(8)]
    + [(0, 8 - y) for y in range(8)]
)
"""The ghosts' way, clockwise, in half cells."""
STRAIGHT, TURN = 2.0, 1.0
"""Odds of going straight on and of each turn, where there is a choice."""

OPEN_MOUTH = (".####.", "######", "###...", "###...", "######", ".####.")
CLOSED_MOUTH = (".####.", "######", "######", "######", "######", ".####.")
GHOST = (".####.", "######", "#o##o#", "######", "######", "#.##.#")


@dataclass(frozen=True)
class State:
    """All there is to know of a moment.

    Attributes:
        layout: which of :data:`LAYOUTS`.
        hero: where he is.
        heading: where he looks and goes.
        ghosts: where each ghost is on :data:`RING`, odd numbers at even frames.
        dots: cells whose dot is not eaten.
    """

    layout: int
    hero: Place
    heading: int
    ghosts: tuple[int, ...]
    dots: frozenset[Place]

    def as_row(self) -> dict[str, object]:
        """For a table: where everybody is, in half cells, and where the hero may head next with which odds."""
        ghosts = {f"ghost_{n}_{axis}": RING[g][i] for n, g in enumerate(self.ghosts) for i, axis in enumerate("xy")}
        ways = " ".join(f"{HEADINGS[way]}:{share:.3g}" for way, share in turns(self).items())
        place = {"layout": self.layout, "x": self.hero[0], "y": self.hero[1], "heading": HEADINGS[self.heading]}
        return {**place, **ghosts, "dots": len(self.dots), "turns": ways}


def is_open(layout: int, cell: Place) -> bool:
    """Whether that cell, 0 to 4 each way, is a corridor's."""
    inside = 0 <= cell[0] < CELLS and 0 <= cell[1] < CELLS
    return inside and cell not in BLOCKS and cell not in LAYOUTS[layout]


def turns(state: State) -> dict[int, float]:
    """Where the hero may head next, each with its probability. He turns back only where there is no other way."""
    (x, y), heading = state.hero, state.heading
    if x % 2 or y % 2:
        return {heading: 1.0}
    ways = {way: (x // 2 + dx, y // 2 + dy) for way, (dx, dy) in enumerate(MOVES) if way != (heading + 2) % 4}
    odds = {way: STRAIGHT if way == heading else TURN for way, cell in ways.items() if is_open(state.layout, cell)}
    if not odds:
        return {(heading + 2) % 4: 1.0}
    return {way: share / sum(odds.values()) for way, share in odds.items()}


def go(state: State, heading: int) -> State:
    """The moment after, the hero heading there; whether that is open is not asked."""
    dx, dy = MOVES[heading]
    x, y = state.hero[0] + dx, state.hero[1] + dy
    eaten = {(x // 2, y // 2)} if x % 2 == 0 and y % 2 == 0 else set()
    ghosts = tuple((place + 1) % len(RING) for place in state.ghosts)
    return replace(state, hero=(x, y), heading=heading, ghosts=ghosts, dots=state.dots - eaten)


def futures(state: State) -> list[tuple[float, State]]:
    """Every possible next moment with its probability."""
    return [(share, go(state, way)) for way, share in turns(state).items()]


def begin(rng: np.random.Generator) -> State:
    """A random layout, hero and ghosts in random places, all dots there but his own."""
    layout = int(rng.integers(len(LAYOUTS)))
    cells = [(x, y) for y in range(CELLS) for x in range(CELLS) if is_open(layout, (x, y))]
    cell = cells[rng.integers(len(cells))]
    first = 1 + 2 * int(rng.integers(16))
    ghosts = (first, (first + 4 + 2 * int(rng.integers(12))) % len(RING))
    state = State(layout, (2 * cell[0], 2 * cell[1]), int(rng.integers(4)), ghosts, frozenset(cells) - {cell})
    return replace(state, heading=choose(state, rng))


def choose(state: State, rng: np.random.Generator) -> int:
    """The random player: a heading by the odds of :func:`turns`."""
    ways = turns(state)
    return int(rng.choice(list(ways), p=list(ways.values())))


@cache
def mask(rows: tuple[str, ...], ink: str, turn: int = 0) -> NDArray[np.bool_]:
    """Pixels of a sprite, [6, 6], turned by quarters clockwise from heading right."""
    return np.rot90(np.array([[pixel in ink for pixel in row] for row in rows]), -turn)


def hero_mask(place: Place, heading: int) -> NDArray[np.bool_]:
    """The hero's body: his mouth open in a cell's middle, the way he came, and closed between two."""
    between = place[0] % 2 or place[1] % 2
    return mask(CLOSED_MOUTH if between else OPEN_MOUTH, "#", heading - 1)


def spot(place: Place) -> tuple[slice, slice]:
    """The 6x6 pixels of a sprite in that place."""
    x, y = 1 + STEP * place[0], 1 + STEP * place[1]
    return slice(y, y + SPRITE), slice(x, x + SPRITE)


@lru_cache(maxsize=len(LAYOUTS))
def ground(layout: int) -> Frame:
    """The maze alone, [40, 40, 3]."""
    cells = np.array(
        [[GROUND if is_open(layout, (x, y)) else WALL for x in range(CELLS)] for y in range(CELLS)], np.uint8
    )
    return cells.repeat(CELL, 0).repeat(CELL, 1)


def draw(state: State) -> Frame:
    """The frame of a moment, uint8 [40, 40, 3]."""
    pixels = ground(state.layout).copy()
    for x, y in state.dots:
        pixels[CELL * y + 3 : CELL * y + 5, CELL * x + 3 : CELL * x + 5] = DOT
    for colour, place in zip(GHOSTS, state.ghosts, strict=True):
        pixels[spot(RING[place])][mask(GHOST, "#")] = colour
        pixels[spot(RING[place])][mask(GHOST, "o")] = EYES
    pixels[spot(state.hero)][hero_mask(state.hero, state.heading)] = HERO
    return pixels


class Maze:
    """Endless episodes of the game with its random player: episode `index` of a seed is the same for ever.

    Args:
        seed: 0 or more; every seed is a world of its own.

    Attributes:
        name: of the world.
        version: changes whenever any pixel changes.
        channels: colour channels.
        min_size: smallest side, and that of the frames; they are enlarged where more is asked for.
    """

    name = "maze"
    version = 2
    channels = 3
    min_size = SIDE

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._last: tuple[int, list[State]] = (-1, [])

    def episode(self, index: int) -> list[State]:
        """Its moments, one a frame."""
        rng = randomness.stream(self.seed, index, "maze")
        states = [begin(rng)]
        while len(states) < LENGTH:
            states.append(go(states[-1], choose(states[-1], rng)))
        return states

    def factors(self, index: int) -> State:
        """The state that picture `index` shows."""
        return self._moment(index)

    def file(self, index: int) -> str:
        """Where picture `index` belongs, so that each episode has a folder."""
        return f"{index // LENGTH:05}/{index % LENGTH:03}.png"

    def _moment(self, index: int) -> State:
        if self._last[0] != index // LENGTH:
            self._last = (index // LENGTH, self.episode(index // LENGTH))
        return self._last[1][index % LENGTH]

    def film(self, index: int) -> Frame:
        """The frames of an episode, uint8 [80, 40, 40, 3]."""
        return np.stack([draw(state) for state in self.episode(index)])

    def render(
        self,
        indices: Sequence[int],
        size: int = SIDE,
        workers: int | None = None,
        out: Frame | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Frame:
        """Frames as pictures by themselves, 80 an episode; each pixel fills its share of a side of `size`."""
        grid = np.arange(size) * SIDE // size
        pictures = np.stack([draw(self._moment(index))[grid][:, grid] for index in indices])
        if progress is not None:
            progress(len(pictures))
        if out is None:
            return pictures
        out[:] = pictures
        return out
