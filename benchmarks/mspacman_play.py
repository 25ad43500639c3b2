"""Ms. Pac-Man in the emulator: more play to learn from, and how open its future is to who knows the machine's state.

    pip install ale-py                                              # GPL-2.0; not a part of this project
    python benchmarks/mspacman_play.py record OUT --episodes 40
    python benchmarks/mspacman_play.py futures FOLDER

``record`` writes an .npz an episode, ``frames`` [t, 210, 160, 3] and ``actions`` [t], every fourth frame of the game,
as the films of `benchmarks/mspacman.py` are; the player keeps his direction for a while, then takes any. ``futures``
replays the last two episodes of FOLDER up to the moments at which `benchmarks/mspacman.py` judges, goes on from there
by actions of 40 other moments of the other episodes, and compares with what followed: best of 8, mean of 200 draws.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from mspacman import HELD_OUT, STEPS
from numpy.typing import NDArray

from leafwing.core.progress import say
from leafwing.data.films import open_films
from leafwing.measure import video
from leafwing.worlds.maze import Frame

SKIP, OPENING, LONGEST, HISTORY = 4, 60, 700, 4
"""Frames of the machine in a step; steps before the player may turn; steps of an episode at most; frames given."""
OTHERS, DRAWS = 40, 200


class Game:
    """The emulator, one step at a time."""

    def __init__(self) -> None:
        try:
            from ale_py import ALEInterface, LoggerMode, roms
        except ImportError:
            raise SystemExit("The emulator is not installed: pip install ale-py.") from None
        ALEInterface.setLoggerMode(LoggerMode.Error)
        self.ale = ALEInterface()
        self.ale.setInt("random_seed", 0)
        self.ale.setFloat("repeat_action_probability", 0.0)
        self.ale.loadROM(str(roms.get_rom_path("ms_pacman")))
        self.actions = self.ale.getMinimalActionSet()

    def start(self) -> Frame:
        """A new game's first frame."""
        self.ale.reset_game()
        return self.seen()

    def seen(self) -> Frame:
        """The frame that is to be seen, uint8 [210, 160, 3]."""
        frame: Frame = self.ale.getScreenRGB()
        return frame

    def step(self, action: int) -> Frame:
        """The next frame."""
        for _ in range(SKIP):
            self.ale.act(self.actions[action])
        return self.seen()

    def films(self, state: Any, actions: Iterable[int]) -> Frame:
        """What follows a state by these actions, [t, 210, 160, 3]."""
        self.ale.restoreState(state)
        return np.stack([self.step(int(action)) for action in actions])


def record(out: Path, episodes: int) -> None:
    """Play and write episodes."""
    out.mkdir(parents=True, exist_ok=True)
    game = Game()
    for episode in range(episodes):
        rng = np.random.default_rng(episode)
        keeps, action, frames, actions = rng.uniform(0.4, 0.9), 1, [game.start()], list[int]()
        while not game.ale.game_over() and len(frames) < LONGEST:
            if len(frames) > OPENING and rng.random() > keeps:
                action = int(rng.integers(1, 5))
            actions.append(action)
            frames.append(game.step(action))
        path = out / f"rec_{episode:03d}.npz"
        np.savez_compressed(path, frames=np.stack(frames), actions=np.array([*actions, action]))
        say(f"{path}: {len(frames)} frames")


def futures(folder: Path, moments: int) -> None:
    """Print how near futures by other actions come to what followed."""
    files = sorted(folder.glob("*.npz"))
    longest = max(STEPS)
    bank = [
        some[at : at + longest] for some in map(actions_of, files[:-HELD_OUT]) for at in range(66, len(some) - longest)
    ]
    game, rng, found = Game(), np.random.default_rng(0), []
    for path in files[-HELD_OUT:]:
        frames, actions, films = np.load(path)["frames"], actions_of(path), open_films(path)
        for start in np.linspace(films.still[0], films.lengths[0] - HISTORY - longest - 1, moments).astype(int):
            now = int(start) + HISTORY - 1
            shown = game.start()
            for action in actions[:now]:
                shown = game.step(int(action))
            state, truth = game.ale.cloneState(), frames[now + 1 : now + 1 + longest]
            again = game.films(state, actions[now : now + longest])
            if not (np.array_equal(shown, frames[now]) and np.array_equal(again, truth)):
                raise SystemExit(
                    f"{path} cannot be replayed: it was recorded by another emulator or with other settings."
                )
            others = [game.films(state, bank[n]) for n in rng.choice(len(bank), OTHERS, replace=False)]
            found.append([best(np.stack([video.psnr(film, truth)[:n].mean() for film in others]), rng) for n in STEPS])
    dB = ", ".join(f"{value:.1f}" for value in np.mean(found, 0))
    print(f"{len(found)} moments, each replayed to the pixel; best of 8 over {STEPS} steps: {dB} dB")


def best(scores: NDArray[np.float64], rng: np.random.Generator) -> float:
    """Of eight, in the mean over draws."""
    return float(np.mean([rng.permutation(scores)[:8].max() for _ in range(DRAWS)]))


def actions_of(path: Path) -> NDArray[np.int64]:
    """One for each frame, taken when it was to be seen."""
    found: NDArray[np.int64] = np.load(path)["actions"]
    return found


def main() -> None:
    """Record, or replay."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_subparsers(dest="what", required=True)
    recording = what.add_parser("record")
    recording.add_argument("out", type=Path)
    recording.add_argument("--episodes", type=int, default=40)
    replaying = what.add_parser("futures")
    replaying.add_argument("folder", type=Path)
    replaying.add_argument("--moments", type=int, default=8, help="of each of the two episodes")
    args = parser.parse_args()
    if args.what == "record":
        record(args.out, args.episodes)
    else:
        futures(args.folder, args.moments)


if __name__ == "__main__":
    main()
