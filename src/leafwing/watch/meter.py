"""Numbers of the game: gathered on the device each round, read every so many rounds, given to whoever shows them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from leafwing.core.errors import StorageFailed
from leafwing.core.progress import say
from leafwing.core.published import replace_file
from leafwing.game import Terms
from leafwing.training import Training, Watcher

Row = dict[str, Any]
"""One line of the log: step, images, seconds, images_per_s, memory_mb, and the named terms, all numbers; and, where an
alarm went on or off, ``alarms``, a list."""
Sink = Callable[[Row, Training], None]


class Meter(Watcher):
    """Mean of each term over the last ``every`` rounds, read from the device once, handed to the sinks.

    Values that are not numbers are left out of the mean (`leafwing.watch.soundness` speaks of them).
    """

    def __init__(self, every: int, sinks: Iterable[Sink]) -> None:
        self.every, self.sinks = every, list(sinks)
        self._sums: dict[tuple[str, ...], Tensor] = {}  # by the names that a round logs: sums of values, and how many
        self._clock, self._images, self._seconds = 0.0, 0, 0.0

    def start(self, training: Training) -> None:
        """Start the clock."""
        self._clock, self._images = time.perf_counter(), training.images

    def after_round(self, training: Training, log: Terms) -> None:
        """Add up, all values at once; at the end of an interval, read and report."""
        values, names = torch.stack([value.float() for value in log.values()]), tuple(log)
        sound = torch.isfinite(values)
        self._sums[names] = self._sums.get(names, 0) + torch.stack([torch.where(sound, values, 0), sound.float()])
        if training.step % self.every == 0 or training.step == training.goal:
            self._report(training)

    def _report(self, training: Training) -> None:
        totals: dict[str, tuple[float, float]] = {}
        for names, sums in self._sums.items():
            for name, total, count in zip(names, *sums.tolist(), strict=True):
                before = totals.get(name, (0.0, 0.0))
                totals[name] = before[0] + total, before[1] + count
        now = time.perf_counter()
        passed, shown = now - self._clock, training.images - self._images
        self._seconds += passed
        row: Row = {"step": training.step, "images": training.images, "seconds": round(self._seconds, 3)}
        row |= {"images_per_s": round(shown / max(passed, 1e-9), 2), "memory_mb": round(peak_memory_mb(), 1)}
        row |= {name: total / count for name, (total, count) in totals.items() if count}
        self._clock, self._images, self._sums = now, training.images, {}
        for sink in self.sinks:
            sink(row, training)

    def state_dict(self) -> dict[str, Any]:
        """Seconds of training so far."""
        return {"seconds": self._seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on counting seconds."""
        self._seconds = float(state["seconds"])


def peak_memory_mb() -> float:
    """Most memory the process ever held, and on a GPU most that torch did, in MB."""
    if torch.cuda.is_available() and torch.cuda.memory_allocated():
        return torch.cuda.max_memory_allocated() / 1e6
    try:
        import resource
    except ImportError:  # not on Windows
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


class JsonLines:
    """``metrics.jsonl``: one JSON object a line. A resumed run drops the lines after its checkpoint."""

    def __init__(self, path: Path, step: int) -> None:
        self.path, self._complained = path, False
        try:
            if path.exists():
                kept = [row for row in read_rows(path) if row["step"] <= step]
                replace_file(path, "".join(json.dumps(row) + "\n" for row in kept).encode())
        except (OSError, StorageFailed) as problem:
            say(f"{problem} Training goes on; the log may hold lines of rounds that are now played again.")

    def __call__(self, row: Row, training: Training) -> None:
        """Append a line; a disk that refuses is said once and does not stop the training."""
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            if not self._complained:
                say(f"{self.path} cannot be written ({error.strerror}); training goes on without its log.")
            self._complained = True


def read_rows(path: Path) -> list[Row]:
    """The lines of a metrics file; a torn line, which is none of ours, is dropped."""
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            rows.append(row)
    return rows


def tensorboard(folder: Path) -> Sink | None:
    """A sink that writes TensorBoard events, where that package is installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    writer: Any = SummaryWriter(str(folder))  # type: ignore[no-untyped-call,unused-ignore]

    def write(row: Row, training: Training) -> None:
        for name, value in row.items():
            if name != "step" and isinstance(value, int | float):
                writer.add_scalar(name, value, training.step)
        writer.flush()

    return write
