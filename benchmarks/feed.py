"""How many 64x64 pictures a second the store feeds to the trainer, on one core.

python benchmarks/feed.py [--pictures 20000] [--batch 64] [--seconds 5]

A store of random pictures on disk, memory-mapped; shuffled batches, gathered, mirrored, made float in [-1, 1].
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from leafwing.data.feed import Feed


def main() -> None:
    """Print images a second."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pictures.u8"
        shape = (options.pictures, 64, 64, 3)
        np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8).tofile(path)
        feed = Feed(np.memmap(path, np.uint8, "r", shape=shape), options.batch, seed=0, flip=True)
        turn, begun, cpu = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - begun < options.seconds:
            feed(turn)
            turn += 1
        wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
        images = turn * options.batch
        print(f"{images / wall:,.0f} images/s of wall time, {images / cpu:,.0f} images per CPU second")


if __name__ == "__main__":
    main()
