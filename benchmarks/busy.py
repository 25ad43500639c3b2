"""How long torch's threads should spin while they wait for each other, on idle cores and on busy ones.

    python benchmarks/busy.py [--rounds 60]

Trains `faces` for some rounds in a process of its own, by turns with libgomp's default and with what Leafwing sets
(``GOMP_SPINCOUNT``, see ``leafwing/__init__.py``), first with nothing beside it, then with a process on every core that
only counts. Prints seconds and their ratio. Nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import time
from itertools import count
from statistics import median

OURS, DEFAULT = "30000", "300000"
"""Spins: what Leafwing sets, and libgomp's own default with as many threads as cores."""
TRAIN = """
import sys, tempfile, time
from pathlib import Path
from leafwing import api
with tempfile.TemporaryDirectory() as folder:
    settings = ["data.count=300", "watch.samples=4"]
    api.train("world:faces", "faces", out=Path(folder) / "run", steps=2, settings=settings)
    start = time.perf_counter()
    api.resume(Path(folder) / "run", steps=2 + int(sys.argv[1]))
    print(time.perf_counter() - start)
"""


def seconds(spins: str, rounds: int) -> float:
    """Of so many rounds."""
    command = [sys.executable, "-c", TRAIN, str(rounds)]
    done = subprocess.run(
        command,
        env=os.environ | {"GOMP_SPINCOUNT": spins},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return float(done.stdout.split()[-1])


def spin() -> None:
    """Keep a core busy."""
    for _ in count():
        pass


def main() -> None:
    """Print a line for idle and one for busy cores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--turns", type=int, default=3)
    args = parser.parse_args()
    for busy in (False, True):
        others = [multiprocessing.Process(target=spin, daemon=True) for _ in range(os.cpu_count() or 1) if busy]
        for other in others:
            other.start()
        time.sleep(1)
        took = [[seconds(spins, args.rounds) for spins in (DEFAULT, OURS)] for _ in range(args.turns)]
        for other in others:
            other.kill()
        default, ours = (median(times) for times in zip(*took, strict=True))
        where = "busy" if busy else "idle"
        print(
            f"{where} cores: {default:.1f} s by default, {ours:.1f} s as set here, {default / ours:.2f} times as fast"
        )


if __name__ == "__main__":
    main()
