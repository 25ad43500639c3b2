"""A store of a million 64x64 pictures: what it costs to open and to feed, in memory and time.

python benchmarks/million.py [--pictures 1000000] [--batches 200] [--batch 64] [--in FOLDER]

Makes a synthetic store of 12.3 GB (a sparse file, with 1,000 places of real noise), opens it as a run would,
feeds random batches, prints images a second and memory, and removes it. Holes are read like anything else, but from
memory: on a real disk the first reading of each picture costs a seek more.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from leafwing.data.build import FORMAT
from leafwing.data.feed import Feed
from leafwing.data.records import no_records
from leafwing.data.store import Store

ROW = 64 * 64 * 3


def anonymous_mb() -> float:
    """Memory of this process that is not a file's: what nobody can take away from it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def make(folder: Path, n: int) -> None:
    """The files of a finished store."""
    noise = np.random.default_rng(0).integers(0, 256, ROW, dtype=np.uint8).tobytes()
    with (folder / "pictures.u8").open("wb") as file:
        file.truncate(n * ROW)
        for place in range(0, n, max(n // 1000, 1)):
            file.seek(place * ROW)
            file.write(noise)
    (folder / "names.json").write_text(json.dumps([f"{i // 1000:04}/{i:07}.png" for i in range(n)]))
    (folder / "records.bin").write_bytes(no_records(n).tobytes())
    (folder / "bad_files.jsonl").write_text("")
    meta = {"format": FORMAT, "n": n, "size": 64, "channels": 3, "kind": "folder", "source": "synthetic"}
    (folder / "meta.json").write_text(json.dumps(meta | {"fingerprint": "0" * 64}))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1_000_000)
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--in", dest="place", type=Path, default=None)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=options.place) as folder:
        if shutil.disk_usage(folder).free < 2**30:
            raise SystemExit(f"{folder} has less than 1 GB free: give another folder by --in.")
        Feed(np.zeros((options.batch, 64, 64, 3), np.uint8), options.batch, seed=0, flip=True)(0)  # what torch keeps
        make(Path(folder), options.pictures)
        before = anonymous_mb()
        begun = time.perf_counter()
        meta = json.loads((Path(folder) / "meta.json").read_text())
        feed = Feed(Store(Path(folder), meta, reused=True).pictures, options.batch, seed=0, flip=True)
        feed(0)
        opened = time.perf_counter() - begun
        begun, cpu = time.perf_counter(), time.process_time()
        for turn in range(1, options.batches + 1):
            feed(turn)
        wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
        images = options.batches * options.batch
        size = options.pictures * ROW / 1e9
        print(f"{options.pictures:,} pictures, {size:.1f} GB; open and first batch {opened:.2f} s")
        print(f"{images / wall:,.0f} images/s of wall time, {images / cpu:,.0f} images per CPU second")
        print(f"anonymous memory {before:.0f} MB before, {anonymous_mb():.0f} MB after {options.batches} batches")
        print(
            f"ru_maxrss {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB, with the pages of the map"
        )


if __name__ == "__main__":
    main()
