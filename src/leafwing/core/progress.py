"""A progress bar for work of known length: live on a terminal, a line now and then elsewhere. Always to stderr."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def say(sentence: str) -> None:
    """A line for the person at the terminal; one that has gone away is no reason to stop."""
    tell(f"leafwing: {sentence}")


def tell(line: str) -> None:
    """A line to stderr, if it can still be written."""
    with suppress(OSError, ValueError):  # a closed terminal, a pipe without a reader
        print(line, file=sys.stderr, flush=True)


def drop_dead_terminal() -> None:
    """When the terminal's window was closed, whatever is still said goes nowhere instead of being an error."""
    for fd in (1, 2):
        with suppress(OSError):
            if stat.S_ISCHR(os.fstat(fd).st_mode) and not os.isatty(fd):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, fd)
                os.close(nowhere)


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for work of known length: yields ``report(done, total)``."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn(f"[bold]{what}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        console=console,
        disable=not console.is_terminal,
    )
    task = bar.add_task("", total=None)
    said = [0.0]

    def report(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)
        if not console.is_terminal and time.monotonic() - said[0] >= 5:
            tell(f"{what}: {done}/{total}")
            said[0] = time.monotonic()

    with bar:
        yield report
