"""A world's pictures as files, with their factors beside them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from leafwing.core.errors import BadConfig, BadData
from leafwing.worlds import PICTURES, build


def render_folder(
    world: str, out: Path, count: int, size: int = 64, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Write ``000000.png`` and so on, and ``labels.csv`` with a row of factors for each.

    Args:
        world: its name, with or without ``world:``.
        out: a new or empty folder.
        count: how many pictures.
        size: side in pixels, at least the world's ``min_size``.
        seed: which instance of the world.
        progress: called with (done, total).

    Returns:
        The folder.
    """
    name = world.removeprefix("world:")
    if name not in PICTURES:
        raise BadConfig(
            f"There is no world {name!r} that can be drawn; there is: {', '.join(PICTURES)}, stacked-mnist."
        )
    if count < 1:
        raise BadConfig(f"--count {count} cannot be: draw at least 1 picture.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadData(f"{out} is not empty: choose a new folder for --out.")
    drawn = build(name, seed)
    if size < drawn.min_size:
        raise BadConfig(f"--image-size {size} cannot be: the world {name} starts at {drawn.min_size} pixels.")
    out.mkdir(parents=True, exist_ok=True)
    with (out / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["file", *drawn.factors(0).as_row()])
        table.writeheader()
        for first in range(0, count, 512):
            indices = range(first, min(first + 512, count))
            for index, pixels in zip(indices, drawn.render(indices, size), strict=True):
                path = f"{index:06}.png"
                Image.fromarray(pixels).save(out / path)
                table.writerow({"file": path, **drawn.factors(index).as_row()})
            if progress:
                progress(indices[-1] + 1, count)
    return out
