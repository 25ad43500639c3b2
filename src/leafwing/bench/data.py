"""``bench data``: how fast pictures are decoded into the store, and how fast the store feeds a training."""

from __future__ import annotations

import io
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from leafwing.bench.clock import using
from leafwing.data import Store, open_data
from leafwing.data.feed import Feed

FORMATS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp"}
DIFFERENT = 120
"""Different pictures drawn; a larger folder holds each of them several times."""


@dataclass(frozen=True)
class Row:
    """One figure of the data path."""

    what: str
    workers: int
    images: int
    seconds: float
    images_per_s: float
    """On the wall clock."""
    images_per_cpu_s: float | None
    """Per second of one core's time; None where helper processes did the work."""


def measure(count: int, batch: int, side: int, seconds: float, workers: int | None) -> list[Row]:
    """Decode ``count`` pictures of ``side`` pixels by one core and by all, rebuild, grow, feed.

    Args:
        count: pictures in the folder.
        batch: pictures a turn of the feed.
        side: of the encoded pictures, in pixels; the store's are 64.
        seconds: of feeding.
        workers: for the parallel build; None for one a core.
    """
    with using(1), tempfile.TemporaryDirectory(prefix="leafwing-bench-") as place:
        folder = Path(place) / "pictures"
        folder.mkdir()
        names = write_pictures(folder, count, side)
        rows = []

        def build(what: str, cache: str, workers: int | None, images: int) -> Store:
            clock = Clock()
            store = open_data(folder, image_size=64, cache=Path(place) / cache, workers=workers)
            rows.append(clock.row(what, workers or 0, images, alone=workers == 1))
            return store

        store = build(f"build, {side} px PNG JPEG WebP, one core", "one", 1, count)
        build(f"build, {side} px PNG JPEG WebP, in parallel", "all", workers, count)
        build("rebuild, nothing changed", "all", workers, count)
        for number, name in enumerate(names[: max(1, count // 10)]):
            (folder / f"new{number}{name.suffix}").write_bytes(name.read_bytes())
        build("rebuild, a tenth more pictures", "all", workers, count + max(1, count // 10))
        rows.append(feeding(store, batch, seconds))
    return rows


class Clock:
    """Starts when it is made."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def row(self, what: str, workers: int, images: int, *, alone: bool = True) -> Row:
        """The row for so many images since then; ``alone`` if this process did all of the work."""
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        per_cpu = round(images / max(cpu, 1e-9), 1) if alone else None
        return Row(what, workers, images, round(wall, 4), round(images / wall, 1), per_cpu)


def feeding(store: Store, batch: int, seconds: float) -> Row:
    """Shuffled batches, gathered, mirrored, made float in [-1, 1], on one core."""
    feed, turn = Feed(store.pictures, batch, seed=0, flip=True), 1
    feed(0)
    clock = Clock()
    while time.perf_counter() - clock.wall < seconds:
        feed(turn)
        turn += 1
    return clock.row(f"feed, 64 px, batch {batch}, one core", 1, (turn - 1) * batch)


def write_pictures(folder: Path, count: int, side: int) -> list[Path]:
    """Write smooth random pictures, in three formats by turns; returns their paths."""
    rng = np.random.default_rng(0)
    kinds = [kind for kind in FORMATS if kind in supported()]
    encoded = [encode(rng, side, kinds[n % len(kinds)]) for n in range(min(count, DIFFERENT))]
    paths = []
    for number in range(count):
        which = number % len(encoded)
        paths.append(folder / f"{number:06}.{FORMATS[kinds[which % len(kinds)]]}")
        paths[-1].write_bytes(encoded[which])
    return paths


def encode(rng: np.random.Generator, side: int, kind: str) -> bytes:
    """A picture as smooth as a photograph out of focus, with a little grain, as bytes of that format."""
    coarse = Image.fromarray(rng.integers(0, 256, (side // 16 + 2, side // 16 + 2, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), dtype=np.int16)
    grain = rng.integers(-4, 5, smooth.shape, dtype=np.int16)
    file = io.BytesIO()
    Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)).save(file, kind)
    return file.getvalue()


def supported() -> set[str]:
    """The formats that this Pillow can write."""
    Image.init()
    return set(Image.SAVE)
