"""The maze played by a person in the terminal, and recorded: any number of clips for a generator to learn from."""

from __future__ import annotations

import os
import re
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from leafwing.core import randomness
from leafwing.core.errors import BadConfig
from leafwing.worlds import maze
from leafwing.worlds.maze import Frame, State

KEYS = {"w": 0, "d": 1, "s": 2, "a": 3, "up": 0, "right": 1, "down": 2, "left": 3}
"""Key -> heading."""
ARROWS = {"A": "up", "B": "down", "C": "right", "D": "left"}
"""The last letter of what an arrow key sends, after an escape."""
SENT = re.compile(r"\x1b[\[O]([A-D])|(.)", re.DOTALL)
QUIT = "q"


def steer(state: State, wanted: int) -> int:
    """The heading that the player gets: what he wants where it is open, else as it was, else the first way there is."""
    x, y = state.hero
    if x % 2 or y % 2:
        return state.heading
    dx, dy = maze.MOVES[wanted]
    if maze.is_open(state.layout, (x // 2 + dx, y // 2 + dy)):
        return wanted
    ways = maze.turns(state)
    return state.heading if state.heading in ways else next(iter(ways))


def last_key(sent: str) -> str:
    """The last key of what a terminal sent: a letter, ``up``, ``down``, ``left`` or ``right``; "" for none."""
    arrow, letter = (SENT.findall(sent) or [("", "")])[-1]
    return ARROWS[arrow] if arrow else letter


def play(keys: Iterator[str], show: Callable[[Frame], None], seed: int = 0, most: int = 5000) -> list[Frame]:
    """One game: a key, or "" for none, before each frame; ends with the last dot, at q, Ctrl-C, or with the keys.

    Args:
        keys: what is pressed.
        show: called with every frame.
        seed: which maze, and where everybody begins.
        most: frames after which it ends anyhow.

    Returns:
        All frames shown, uint8 [40, 40, 3] each.
    """
    state = maze.begin(randomness.stream(seed, 0, "maze/play"))
    wanted, frames = state.heading, [maze.draw(state)]
    show(frames[0])
    with suppress(KeyboardInterrupt):  # what was played is kept
        for key in map(str.lower, keys):
            if key == QUIT or not state.dots or len(frames) >= most:
                break
            wanted = KEYS.get(key, wanted)
            state = maze.go(state, steer(state, wanted))
            frames.append(maze.draw(state))
            show(frames[-1])
    return frames


def record(frames: list[Frame], folder: Path) -> Path:
    """Write an episode as ``play-000.npz``, or the first number that is free."""
    folder.mkdir(parents=True, exist_ok=True)
    number = next(n for n in range(10**6) if not (folder / f"play-{n:03}.npz").exists())
    path = folder / f"play-{number:03}.npz"
    np.savez_compressed(path, frames=np.stack(frames))
    return path


def as_text(frame: Frame) -> str:
    """A frame in a terminal of 24-bit colours: 40 columns, 20 lines, two pixels a character."""
    lines = []
    for upper, lower in zip(frame[::2], frame[1::2], strict=True):
        cells = (
            f"\x1b[38;2;{a[0]};{a[1]};{a[2]};48;2;{b[0]};{b[1]};{b[2]}m▀" for a, b in zip(upper, lower, strict=True)
        )
        lines.append("".join(cells) + "\x1b[0m")
    return "\r\n".join(lines)


def in_terminal(seed: int, fps: float) -> list[Frame]:
    """Play with the keyboard: arrows or WASD, q to stop.

    Raises:
        BadConfig: there is no terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadConfig("Playing needs a terminal; without one, leafwing data render maze lets the random player play.")
    with raw_keys() as descriptor:
        return play(pressed(descriptor, 1 / fps), lambda frame: say(f"\x1b[H{as_text(frame)}\r\n"), seed)


def say(text: str) -> None:
    """Straight to the terminal."""
    sys.stdout.write(text)
    sys.stdout.flush()


@contextmanager
def raw_keys() -> Iterator[int]:
    """Keys come one by one and are not shown; the terminal is put back whatever happens."""
    try:
        import termios
        import tty
    except ImportError:
        raise BadConfig("Playing needs a terminal of Unix; leafwing data render maze works everywhere.") from None
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        say("\x1b[2J\x1b[?25l")
        yield descriptor
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        say("\x1b[?25h\x1b[0m\r\n")


def pressed(descriptor: int, wait: float) -> Iterator[str]:
    """The last key pressed within each frame's time, or ""."""
    import time

    while True:
        until, key = time.monotonic() + wait, ""
        while (left := until - time.monotonic()) > 0:
            if select.select([descriptor], [], [], left)[0]:
                key = last_key(os.read(descriptor, 1024).decode("ascii", "ignore"))
        yield key
