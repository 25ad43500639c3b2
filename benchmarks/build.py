"""What the first build of a store costs, and what a grown folder costs.

python benchmarks/build.py [--files 5000] [--new 50] [--repeat 3]

First: pictures of 128 px decoded to 64 px per CPU second, by format, in this process alone. Then a folder of PNG
files: a fresh build, the same with new files added to an earlier one, and the same with every file touched.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from leafwing.data import open_data
from leafwing.data.pictures import Target, decode
from leafwing.worlds.faces import Faces

FORMATS = {"PNG": {}, "JPEG": {"quality": 90}, "WEBP": {"quality": 85}}
DISTINCT = 100


def encoded(pixels, kind, **options) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def decoding(faces, repeat: int) -> None:
    """CPU seconds, the best of several rounds: the machine may be busy with other things."""
    for kind, options in FORMATS.items():
        raws = [encoded(face, kind, **options) for face in faces]
        best = float("inf")
        for _ in range(repeat):
            begun = time.process_time()
            for raw in raws:
                decode(raw, Target(64))
            best = min(best, time.process_time() - begun)
        size = np.mean([len(raw) for raw in raws]) / 1000
        print(f"{kind:5} {size:5.1f} kB: {len(raws) / best:,.0f} pictures per CPU second")


def cpu() -> float:
    """CPU seconds of this process and of the helpers that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def timed(what: str, source: Path, cache: Path) -> float:
    wall, used = time.perf_counter(), cpu()
    store = open_data(source, image_size=64, cache=cache)
    wall, used = time.perf_counter() - wall, cpu() - used
    print(f"{what:28} {len(store):,} pictures, {wall:6.2f} s, {used:6.2f} CPU s")
    return used


def main() -> None:
    """Print pictures a second and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--new", type=int, default=50)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    faces = Faces(0).render(range(DISTINCT), size=128, workers=1)
    decoding(faces, options.repeat)
    with tempfile.TemporaryDirectory() as folder:
        source, cache = Path(folder) / "pictures", Path(folder) / "cache"
        source.mkdir()

        def write(first: int, count: int) -> None:
            for i in range(first, first + count):
                face = faces[i % DISTINCT].copy()
                face[0, 0] = i // 65536, i // 256 % 256, i % 256  # so that no two files are equal
                (source / f"{i:07}.png").write_bytes(encoded(face, "PNG", compress_level=4))

        write(0, options.files)
        time.sleep(2.5)  # younger files are read again, to be safe
        timed("first build", source, cache)
        write(options.files, options.new)
        time.sleep(2.5)
        grown = timed(f"{options.new} files added", source, cache)
        fresh = timed("the same, fresh", source, cache / "another")
        for file in source.iterdir():
            file.touch()
        touched = timed("every file touched", source, cache)
        print(f"fresh / grown = {fresh / grown:.1f} in CPU time; fresh / touched = {fresh / touched:.1f}")


if __name__ == "__main__":
    main()
