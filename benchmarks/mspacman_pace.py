"""Ms. Pac-Man: how far the next step of what moves is foretold by its last ones, and who learns it.

    python benchmarks/mspacman_pace.py FOLDER
    python benchmarks/mspacman_pace.py FOLDER --run RUN      # how often a generator draws it right
    python benchmarks/mspacman_pace.py FOLDER --learn        # how soon a small network learns it

FOLDER holds films as for `benchmarks/mspacman.py`. What goes on straight in its corridor does so by one to four pixels
a frame, not always as many. Its next step is guessed as the one that most often followed the same last steps in all the
other films, or the same fewer ones; printed is how often that is right, by how many steps are known: one fewer than
frames are given. A run is asked on the two films that are held out, 64x64 pixels at a time, wherever a sprite has gone
straight for five steps and goes on: what it draws has gone as far as the sprite has to be moved to cover it best.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import torch
from mspacman import COLOURS, HELD_OUT
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing import api
from leafwing.core import pictures
from leafwing.data.feed import to_pictures
from leafwing.explore.predict import history_of
from leafwing.explore.sample import generate
from leafwing.generator import Generator
from leafwing.worlds.maze import Frame

MAZE, OPENING = 171, 60
"""Rows of the maze; frames of the opening."""
PIXELS, SIDE = (20, 90), 14
"""Of one sprite that is whole and alone."""
KNOWN = (1, 2, 3, 4, 5, 6, 7)
STRAIGHT, CROP, FAR = 5, 64, 4
"""Steps that a run is to see; side of what it is shown; pixels of a step at most."""
LEARNED, FRAMES = (500, 2000, 8000), 8
"""Rounds after which the small network is asked; frames that it is told of."""
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


def steps_along(places: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Pixels from each frame to the next along one axis; 0 where it turns, jumps, stops or is not seen."""
    steps = np.diff(places, axis=0)
    goes = (steps[:, 1 - axis] == 0) & (np.abs(steps[:, axis]) <= FAR)  # nan is none of these
    return np.where(goes, steps[:, axis], 0)


def straight(places: NDArray[np.float64], axis: int) -> Runs:
    """Steps of runs along one axis that neither stop nor turn, in pixels, each run an array."""
    runs, now = list[list[int]](), list[int]()
    for step in steps_along(places, axis):
        if now and step * now[-1] > 0:
            now.append(int(step))
            continue
        runs.append(now)
        now = [int(step)] if step else []
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


def went_on(places: NDArray[np.float64], axis: int) -> list[int]:
    """Frames after which a sprite goes on along this axis as it did for `STRAIGHT` steps."""
    goes = np.sign(steps_along(places, axis))
    spans = ((n, goes[n - STRAIGHT : n + 1]) for n in range(STRAIGHT, len(goes)))
    return [n for n, span in spans if abs(span.sum()) == STRAIGHT + 1]


@torch.inference_mode()
def right_steps(G: Generator, frames: Frame, colour: tuple[int, int, int], axis: int) -> list[float]:
    """For each moment of a film at which this sprite goes on: in which share of its answers G moves it as far."""
    places, history, found = corners(frames, colour), history_of(G), list[float]()
    z = torch.eye(G.prior.dim) if G.prior.dim else torch.empty(1, 0)
    for now in went_on(places, axis):
        if now < history - 1:
            continue
        y, x = (max(0, min(int(at) - CROP // 2, size - CROP)) // 8 * 8
                for at, size in zip(places[now], frames.shape[1:3], strict=True))  # fmt: skip
        shown = frames[now - history + 1 : now + 2, y : y + CROP, x : x + CROP]
        past = to_pictures(torch.from_numpy(shown[:-1].copy()), channels_last=False).flatten(0, 1)
        drawn = pictures.to_uint8(generate(G.network, z, past[None]))
        step = int(places[now + 1, axis] - places[now, axis])
        found.append(
            float(np.mean([covered(shown[-2], one, colour, axis, np.sign(step)) == abs(step) for one in drawn]))
        )
    return found


def covered(last: Frame, drawn: Frame, colour: tuple[int, int, int], axis: int, sign: int) -> int:
    """By how many pixels what had this colour has to be moved to cover best what has it now."""
    before, now = ((one == np.array(colour)).all(-1) for one in (last, drawn))
    moved = [np.roll(before, sign * far, axis) for far in range(FAR + 2)]
    return int(np.argmax([(one & now).sum() - (one ^ now).sum() for one in moved]))


def asked(run: Path, folder: Path) -> None:
    """Print how often a run draws the next step as far as it was."""
    G = api.load(run)
    films = [np.load(path)["frames"][OPENING:] for path in sorted(folder.glob("*.npz"))[-HELD_OUT:]]
    for name, colour in COLOURS.items():
        for axis, way in ((1, "sideways"), (0, "up and down")):
            found = [share for frames in films for share in right_steps(G, frames, colour, axis)]
            print(f"{name + ', ' + way:28}{np.mean(found) if found else float('nan'):.2f} of {len(found):,}")


def told(films: list[Frame]) -> tuple[dict[str, Tensor], Tensor]:
    """Where each sprite was in `FRAMES` frames, as numbers and as which steps it took each time; its next step."""
    ways, answers = {"places as numbers": list[Tensor](), "steps, each one of nine": list[Tensor]()}, list[int]()
    for frames in films:
        for places in (corners(frames, colour) for colour in COLOURS.values()):
            for now in range(FRAMES - 1, len(frames) - 1):
                here, step = places[now - FRAMES + 1 : now + 1], places[now + 1] - places[now]
                if not np.abs(step).max() <= FAR:  # also where it was not seen
                    continue
                seen = torch.from_numpy(np.isfinite(here).all(1)).float()
                numbers = torch.from_numpy(np.nan_to_num((here - here[-1]) / FAR)).float().flatten()
                which = [torch.from_numpy(np.diff(here, axis=0) == far).float() for far in range(-FAR, FAR + 1)]
                ways["places as numbers"].append(torch.cat([seen, numbers]))
                ways["steps, each one of nine"].append(torch.cat([seen, torch.stack(which).flatten()]))
                answers.append(int((step[0] + FAR) * (2 * FAR + 1) + step[1] + FAR))
    return {way: torch.stack(rows) for way, rows in ways.items()}, torch.tensor(answers)


def learn(folder: Path) -> None:
    """Print how often a network of two hidden layers guesses the next step right, after so many rounds of 16."""
    films = [np.load(path)["frames"][OPENING:] for path in sorted(folder.glob("*.npz"))]
    (given, answers), (unseen, true) = told(films[:-HELD_OUT]), told(films[-HELD_OUT:])
    for way, rows in given.items():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(rows.shape[1], 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2),
                            nn.Linear(64, (2 * FAR + 1) ** 2))  # fmt: skip
        adam = torch.optim.Adam(net.parameters(), 2e-3, betas=(0.5, 0.99))
        for done in range(1, max(LEARNED) + 1):
            some = torch.randint(len(answers), (16,))
            adam.zero_grad()
            F.cross_entropy(net(rows[some]), answers[some]).backward()
            adam.step()
            if done in LEARNED:
                share = float((net(unseen[way]).argmax(1) == true).float().mean())
                print(f"{way:28}{done:6,} rounds: {share:.2f} of {len(true):,}")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--run", type=Path, help="a generator of next frames")
    parser.add_argument("--learn", action="store_true")
    args = parser.parse_args()
    if args.run or args.learn:
        asked(args.run, args.folder) if args.run else learn(args.folder)
        return
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
