"""A world's pictures as files, with their factors beside them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from leafwing.core.errors import BadConfig, BadData
from leafwing.core.randomness import check_seed
from leafwing.worlds import FILMS, PICTURES, REPLIES, build

FILES = {".zip", ".tar", ".gz", ".tgz", ".npz", ".npy", ".png", ".jpg", ".jpeg", ".gif", ".mp4", ".jsonl", ".csv"}
"""Endings by which a file is meant, not a folder."""


def render_folder(
    world: str,
    out: Path,
    count: int,
    size: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write ``000000.png`` and so on, and ``labels.csv`` with a row of factors for each; frames, a folder an episode.

    Args:
        world: its name, with or without ``world:``.
        out: a new or empty folder; or, for a world of frames, a new .npz file that holds them all.
        count: how many pictures.
        size: side in pixels, at least the world's ``min_size``; 64, or that of a world of frames, if left out.
        seed: which instance of the world.
        progress: called with (done, total).

    Returns:
        The folder, or the file.
    """
    name = world.removeprefix("world:")
    if name not in PICTURES:
        raise BadConfig(
            f"There is no world {name!r} that can be drawn; there is: {', '.join(PICTURES)}, stacked-mnist, {REPLIES}."
        )
    check_seed(seed)
    if count < 1:
        raise BadConfig(f"--count {count} cannot be: draw at least 1 picture.")
    as_file = out.suffix.lower() == ".npz" and name in FILMS
    if out.suffix.lower() in FILES and not as_file:
        kinds = "a folder or an .npz file" if name in FILMS else "a folder"
        raise BadConfig(f"--out {out} cannot be: the world {name} is drawn into {kinds}.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadData(f"{out} is not empty: choose another --out.")
    drawn = build(name, seed)
    file_of = getattr(drawn, "file", "{:06}.png".format)
    size = size or (drawn.min_size if hasattr(drawn, "film") else 64)
    if size < drawn.min_size:
        raise BadConfig(f"--image-size {size} cannot be: the world {name} starts at {drawn.min_size} pixels.")
    if as_file:
        return render_films(drawn, out, count, size)
    out.mkdir(parents=True, exist_ok=True)
    with (out / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["file", *drawn.factors(0).as_row()])
        table.writeheader()
        for first in range(0, count, 512):
            indices = range(first, min(first + 512, count))
            for index, pixels in zip(indices, drawn.render(indices, size), strict=True):
                path = file_of(index)
                (out / path).parent.mkdir(exist_ok=True)
                Image.fromarray(pixels).save(out / path)
                table.writerow({"file": path, **drawn.factors(index).as_row()})
            if progress:
                progress(indices[-1] + 1, count)
    return out


def render_films(world: Any, out: Path, count: int, size: int) -> Path:
    """The first ``count`` frames of a world as ``frames``, their ``episode``, and every column of their table."""
    rows = [world.factors(index).as_row() for index in range(count)]
    frames = world.render(range(count), size)
    episode = np.array([int(Path(world.file(index)).parent.name) for index in range(count)])
    out.parent.mkdir(parents=True, exist_ok=True)
    columns: dict[str, Any] = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    np.savez_compressed(out, frames=frames, episode=episode, **columns)
    return out
