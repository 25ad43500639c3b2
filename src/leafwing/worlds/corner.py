"""The corner world: at a junction the hero turns left or right by the toss of a coin. One question, two right answers.

The smallest case of the lecture's Pac-Man: the same frame is followed sometimes by one future, sometimes by the other,
and nothing in it says by which. Both futures of every frame are known, and so is the coin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from leafwing.core import randomness

SIDE = 20
"""Pixels of a frame's side."""
HALF = 2
"""The hero is 5 pixels wide: the middle and so many on either side."""
STEP = 4
"""Pixels that the hero moves from one frame to the next."""
PLACES = range(HALF + STEP + 1, SIDE - HALF - STEP - 1)
"""Where a junction's middle may lie, across and down, so that both futures are inside the frame: 8."""
ROWS = range(HALF + 2, SIDE - HALF - 4)
"""The same for the row of the corridor."""

GROUND, WALL, HERO, MOUTH = (0, 0, 16), (40, 60, 200), (250, 220, 60), (0, 0, 16)


@dataclass(frozen=True)
class Junction:
    """What is to be seen: where the corridors meet, and which way the hero will turn."""

    x: int
    y: int
    left: bool

    def as_row(self) -> dict[str, object]:
        """For a table."""
        return asdict(self)


class Corner:
    """An endless set of moments at a junction: number `index` of a seed is the same for ever.

    Args:
        seed: 0 or more; every seed is a world of its own.
        p_left: how often the hero turns left, between 0 and 1.

    Attributes:
        name: of the world.
        version: changes whenever any pixel changes.
        channels: colour channels.
        min_size: smallest side; frames are 20 pixels wide, and enlarged where more is asked for.
    """

    name = "corner"
    version = 1
    channels = 3
    min_size = SIDE

    def __init__(self, seed: int = 0, p_left: float = 0.5) -> None:
        if not 0 <= p_left <= 1:
            raise ValueError(f"p_left is {p_left}, it must lie in 0..1.")
        self.seed, self.p_left = seed, p_left

    def factors(self, index: int) -> Junction:
        """The junction of moment `index`, and the hero's choice there."""
        draw = randomness.stream(self.seed, index, "corner")
        x, y = draw.choice(PLACES), draw.choice(ROWS)
        return Junction(int(x), int(y), bool(draw.random() < self.p_left))

    def now(self, indices: Iterable[int]) -> NDArray[np.uint8]:
        """The frames at the junction, uint8 [n, 20, 20, 3]: the hero in its middle, looking up, both ways open."""
        return np.stack([frame(j.x, j.y, j.x, "up") for j in map(self.factors, indices)])

    def futures(self, indices: Iterable[int]) -> NDArray[np.uint8]:
        """Both right answers to each moment, uint8 [n, 2, 20, 20, 3]: left, then right."""
        ways = (("left", -STEP), ("right", STEP))
        return np.stack([[frame(j.x, j.y, j.x + move, way) for way, move in ways] for j in map(self.factors, indices)])

    def next(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """What did follow, uint8 [n, 20, 20, 3]."""
        turns = np.array([0 if self.factors(i).left else 1 for i in indices])
        followed: NDArray[np.uint8] = self.futures(indices)[np.arange(len(turns)), turns]
        return followed

    def render(
        self,
        indices: range,
        size: int = SIDE,
        workers: int | None = None,
        out: NDArray[np.uint8] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> NDArray[np.uint8]:
        """The frames that followed, as pictures without a question; each pixel fills its share of a side of `size`."""
        grid = np.arange(size) * SIDE // size
        pictures = self.next(indices)[:, grid][:, :, grid]
        if progress is not None:
            progress(len(pictures))
        if out is None:
            return pictures
        out[:] = pictures
        return out


def frame(x: int, y: int, hero: int, looks: str) -> NDArray[np.uint8]:
    """A T of corridors: one along row y, one from column x downwards; the hero at (hero, y)."""
    pixels = np.empty((SIDE, SIDE, 3), np.uint8)
    pixels[:] = WALL
    wide = HALF + 1
    pixels[y - wide + 1 : y + wide, 1:-1] = GROUND
    pixels[y:, x - wide + 1 : x + wide] = GROUND
    down, across = np.mgrid[-HALF : HALF + 1, -HALF : HALF + 1]
    body = (down**2 + across**2) <= HALF**2 + 1
    ahead = {"up": -down, "left": -across, "right": across}[looks]
    aside = across if looks == "up" else down
    mouth = (ahead > 0) & (np.abs(aside) < ahead)
    spot = pixels[y - HALF : y + HALF + 1, hero - HALF : hero + HALF + 1]
    spot[body] = HERO
    spot[body & mouth] = MOUTH
    return pixels
