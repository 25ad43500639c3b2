"""How many faces of 64x64 the world draws a second.

python benchmarks/faces.py [--count 4000] [--workers 2]
"""

from __future__ import annotations

import argparse
import time

from leafwing.worlds.faces import Faces


def main() -> None:
    """Print faces a second, start of the workers included."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    begun = time.perf_counter()
    Faces(0).render(range(options.count), 64, workers=options.workers)
    print(f"{options.count / (time.perf_counter() - begun):.0f} faces/s, {options.workers} workers")


if __name__ == "__main__":
    main()
