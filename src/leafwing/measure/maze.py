"""Frames of `world:maze` read back into states, and whether one follows from another by the rules of the game.

Every pixel is first given the nearest of the world's seven colours, if one is near. A frame is *legal* when it is
then, pixel for pixel, one of the possible next frames; nothing is forgiven. How many heroes there are is asked more
mildly, of the unrounded frame: a hero split in two faint halves counts as two, a faded one as none.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from leafwing.worlds import maze
from leafwing.worlds.maze import Frame, Place, State

SEEN = 0.4
"""A sprite is seen where its pixels are on average at least so near to its colour: 1 its colour, 0 the ground."""


NEAR = 64
"""Euclidean distance in levels of 255 up to which a pixel is taken for a colour; a third of a hero is 112 off."""
NONE = (255, 0, 255)
"""What becomes of a pixel that is near to no colour."""


def rounded(frame: Frame) -> Frame:
    """Each pixel as the nearest colour of the world, or as none, uint8 [40, 40, 3]."""
    apart = np.square(frame[:, :, None].astype(np.int32) - maze.PALETTE.astype(np.int32)).sum(3)
    exact: Frame = maze.PALETTE[apart.argmin(2)]
    exact[apart.min(2) > NEAR**2] = NONE
    return exact


def follows(before: State, frame: Frame) -> State | None:
    """Which possible next moment the frame shows, or None if it shows none."""
    seen = rounded(frame)
    return next((after for _, after in maze.futures(before) if np.array_equal(maze.draw(after), seen)), None)


def read(frame: Frame, like: State) -> State | None:
    """The state a frame shows, in the layout and with the hidden dots of ``like``; None unless it is one exactly."""
    seen = rounded(frame)
    hero = _hero(seen, like)
    ghosts = tuple(_ghost(seen, colour) for colour in maze.GHOSTS)
    if hero is None or None in ghosts:
        return None
    shown = State(like.layout, *hero, tuple(place for place in ghosts if place is not None), frozenset())
    bare = maze.draw(shown)
    cells = {(x, y) for x in range(maze.CELLS) for y in range(maze.CELLS) if maze.is_open(like.layout, (x, y))}
    middles = {cell: (maze.CELL * cell[1] + 3, maze.CELL * cell[0] + 3) for cell in cells}
    free = {cell for cell, at in middles.items() if tuple(bare[at]) == maze.GROUND}
    eaten = (shown.hero[0] / 2, shown.hero[1] / 2)
    dots = {cell for cell in free if tuple(seen[middles[cell]]) == maze.DOT} | (like.dots - free - {eaten})
    state = State(shown.layout, shown.hero, shown.heading, shown.ghosts, frozenset(dots))
    return state if np.array_equal(maze.draw(state), seen) else None


def _hero(seen: Frame, like: State) -> tuple[Place, int] | None:
    """Where he is and looks; between two cells, where his mouth is closed, he looks away from where he was before."""
    is_hero = (seen == maze.HERO).all(2)
    for place in places(like.layout):
        there = is_hero[maze.spot(place)]
        fitting = [way for way in range(4) if np.array_equal(there, maze.hero_mask(place, way))]
        if len(fitting) == 1:
            return place, fitting[0]
        if fitting:
            axis = 0 if place[0] % 2 else 1
            went = place[axis] - like.hero[axis] or sum(maze.MOVES[like.heading])
            return place, maze.MOVES.index((int(np.sign(went)), 0) if axis == 0 else (0, int(np.sign(went))))
    return None


def _ghost(seen: Frame, colour: tuple[int, int, int]) -> int | None:
    """Where it is on its ring: the most of its pixels there, none missing but under the hero."""
    is_ghost, hidden = (seen == colour).all(2), (seen == maze.HERO).all(2)
    body = maze.mask(maze.GHOST, "#")
    fits = [
        int(is_ghost[maze.spot(place)][body].sum()) - 99 * int((~(is_ghost | hidden)[maze.spot(place)])[body].sum())
        for place in maze.RING
    ]
    return int(np.argmax(fits)) if max(fits) > 0 else None


@cache
def places(layout: int) -> tuple[Place, ...]:
    """Where anybody can be: cells' middles, and between two neighbouring ones."""
    cells = [(x, y) for y in range(maze.CELLS) for x in range(maze.CELLS) if maze.is_open(layout, (x, y))]
    between = [
        (2 * x + dx, 2 * y + dy) for x, y in cells for dx, dy in ((1, 0), (0, 1))
        if maze.is_open(layout, (x + dx, y + dy))
    ]  # fmt: skip
    return tuple([(2 * x, 2 * y) for x, y in cells] + between)


@cache
def body(colour: tuple[int, int, int]) -> NDArray[np.float64]:
    """Weights of a sprite's pixels, [6, 6], sum 1: those that every hero has, whichever way he looks, or a ghost's."""
    if colour == maze.HERO:
        pixels = np.logical_and.reduce([maze.mask(maze.OPEN_MOUTH, "#", turn) for turn in range(4)])
    else:
        pixels = maze.mask(maze.GHOST, "#")
    weights: NDArray[np.float64] = pixels / pixels.sum()
    return weights


def count(frame: Frame, colour: tuple[int, int, int], layout: int) -> int:
    """How many sprites of that colour are to be seen: 1 is right, 2 split, 0 vanished."""
    ground, wanted = np.array(maze.GROUND, np.float64), np.array(colour, np.float64)
    axis = wanted - ground
    along = (frame - ground) @ axis / (axis @ axis)
    off = np.linalg.norm(frame - ground - along[:, :, None] * axis, axis=2) / np.linalg.norm(axis)
    near = np.clip(1 - np.abs(1 - along), 0, 1) * np.clip(1 - 4 * off, 0, 1)
    found: list[tuple[float, Place]] = []
    for place in places(layout):
        found.append((float((near[maze.spot(place)] * body(colour)).sum()), place))
    kept: list[Place] = []
    for score, (x, y) in sorted(found, reverse=True):
        if score < SEEN:
            break
        if all(abs(x - a) + abs(y - b) > 1 for a, b in kept):
            kept.append((x, y))
    return len(kept)
