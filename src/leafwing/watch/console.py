"""Progress for people: a live bar on a terminal, a quiet line per interval elsewhere. Always to stderr."""

from __future__ import annotations

import time
from contextlib import suppress

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from leafwing.core.progress import tell
from leafwing.game import Terms
from leafwing.training import Training, Watcher
from leafwing.watch.meter import Row


class TrainingBar(Watcher):
    """Steps done, images a second, time left, and how often D is right on real and on generated pictures.

    Args:
        quiet_seconds: without a terminal, the least time between two lines.
    """

    def __init__(self, quiet_seconds: float = 10.0) -> None:
        self._console = Console(stderr=True)
        self._quiet_seconds, self._last = quiet_seconds, 0.0
        self._numbers = ""
        self._bar = Progress(
            TextColumn("[bold]training"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(compact=True),
            console=self._console,
            disable=not self._console.is_terminal,
        )

    def start(self, training: Training) -> None:
        """Show the bar where the run stands."""
        self._bar.start()
        self._task = self._bar.add_task("", total=training.goal, completed=training.step, numbers="")

    def show(self, row: Row, training: Training) -> None:
        """A sink for the meter's rows."""
        self._numbers = f"{row['images_per_s']:.0f} images/s"
        if not getattr(training.players.D, "absent", False):
            right = f"D right on real {row.get('D/real_accuracy', 0):.0%}, on fake {row.get('D/fake_accuracy', 0):.0%}"
            self._numbers += f", {right}"
        with suppress(OSError):
            self._bar.update(self._task, numbers=self._numbers)
        now = time.monotonic()
        last_line = training.step == training.goal
        if not self._console.is_terminal and (now - self._last >= self._quiet_seconds or last_line):
            left = (training.goal - training.step) * row["seconds"] / max(training.step, 1)
            line = f"step {training.step}/{training.goal}: {self._numbers}, about {clock(left)} left"
            tell(line)
            self._last = now

    def after_round(self, training: Training, log: Terms) -> None:
        """Move the bar."""
        with suppress(OSError):  # a window just closed: the signal that says so comes next
            self._bar.update(self._task, completed=training.step)

    def finish(self, training: Training) -> None:
        """Leave the bar as it stands."""
        self.close()

    def close(self) -> None:
        """Give the terminal back; also after an error."""
        self._bar.stop()


def clock(seconds: float) -> str:
    """``75`` -> ``1:15``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
