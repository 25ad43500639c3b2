"""Ms. Pac-Man: how far the next step of what moves is foretold by its last ones.

    python benchmarks/mspacman_pace.py FOLDER

FOLDER holds films as for `benchmarks/mspacman.py`. What goes on straight in its corridor does so by one to four pixels
a frame, not always as many. Its next step is guessed as the one that most often followed the same last steps in all the
other films, or the same fewer ones; printed is how often that is right, by how many steps are known: one fewer than
frames are given.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from mspacman import COLOURS
from numpy.typing import NDArray

from leafwing.worlds.maze import Frame

MAZE, OPENING = 171, 60
"""Rows of the maze; frames of the opening."""
PIXELS, SIDE = (20, 90), 14
"""Of one sprite that is whole and alone."""
KNOWN = (1, 2, 3, 4, 5, 6, 7)
Runs = list[NDArray[np.int64]]
Steps = tuple[int, ...]


def corners(frames: Frame, colour: tuple[int, int, int]) -> NDArray[np.float64]:
    """Where the sprite of this colour begins in each frame, [t, 2], rows and columns; nan where none is whole."""
    found = np.full((len(frames), 2), np.nan)
    for n, mask in enumerate((frames[:, :MAZE] == np.array(colour)).all(-1)):
        rows, columns = np.nonzero(mask)
        if PIXELS[0] < len(rows) < PIXELS[1] and max(np.ptp(rows), np.ptp(columns)) < SIDE:
            found[n] = rows.min(), columns.min()
    return found


def straight(places: NDArray[np.float64], axis: int) -> Runs:
    """Steps of runs along one axis that neither stop nor turn, in pixels, each run an array."""
    steps = np.diff(places, axis=0)
    along, across = steps[:, axis], steps[:, 1 - axis]
    goes = (across == 0) & (along != 0) & (np.abs(along) <= 4)  # nan is none of these
    runs, now = list[list[int]](), list[int]()
    for n, step in enumerate(along):
        if now and goes[n] and step * now[-1] > 0:
            now.append(int(step))
            continue
        runs.append(now)
        now = [int(step)] if goes[n] else []
    return [np.abs(run) for run in [*runs, now] if len(run) > 1]


def foretold(films: list[Runs], known: int) -> tuple[float, int]:
    """How often the guess is right, and of how many steps."""
    right = asked = 0
    counts = [followed(runs, known) for runs in films]
    for held, mine in enumerate(counts):
        others = defaultdict[Steps, Counter[int]](Counter)
        for past, nexts in (pair for n, one in enumerate(counts) if n != held for pair in one.items()):
            for begin in range(known):
                others[past[begin:]].update(nexts)
        for past, nexts in mine.items():
            asked += sum(nexts.values())
            met = next((others[past[begin:]] for begin in range(known) if past[begin:] in others), None)
            right += nexts[met.most_common(1)[0][0]] if met else 0
    return right / max(asked, 1), asked


def followed(runs: Runs, known: int) -> dict[Steps, Counter[int]]:
    """Which steps came after which, and how often."""
    found = defaultdict[Steps, Counter[int]](Counter)
    for run in runs:
        for n in range(known, len(run)):
            found[tuple(run[n - known : n].tolist())][int(run[n])] += 1
    return found


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    films = [np.load(path)["frames"][OPENING:] for path in sorted(args.folder.glob("*.npz"))]
    print(f"{'steps known':28}" + "".join(f"{known:>14}" for known in KNOWN))
    for name, colour in COLOURS.items():
        places = [corners(frames, colour) for frames in films]
        for axis, way in ((1, "sideways"), (0, "up and down")):
            runs = [straight(one, axis) for one in places]
            cells = (f"{share:.3f} of {count:,}" for share, count in (foretold(runs, known) for known in KNOWN))
            print(f"{name + ', ' + way:28}" + "".join(f"{cell:>14}" for cell in cells))


if __name__ == "__main__":
    main()
