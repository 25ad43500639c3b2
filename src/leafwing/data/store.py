"""The store: every picture decoded once into one memory-mapped uint8 file, kept in a cache."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from leafwing.core.errors import BadConfig, BadData
from leafwing.data.build import FORMAT, PICTURES, build_from_door, build_from_world, check_bad_share
from leafwing.data.cache import building, cache_root, discard
from leafwing.data.doors import find_door
from leafwing.data.drawn import find_world, is_world
from leafwing.data.entries import BadFile
from leafwing.data.labels import Labels
from leafwing.data.pictures import Fit, Pixels, Target
from leafwing.data.records import earlier_stores

DEFAULT_COUNT = 10_000
"""Pictures drawn from a world unless asked otherwise."""


@dataclass
class Store:
    """Prepared pictures, read-only.

    Attributes:
        folder: where the store lies: ``pictures.u8``, ``names.json``, ``records.bin``, ``bad_files.jsonl``,
            ``meta.json``.
        meta: what ``meta.json`` says: kind, n, size, channels, fit, notes, ….
        reused: whether it came from the cache instead of being built now.
        labels: what else is known of the pictures, if a recipe asked for it (`leafwing.data.label_doors`).
    """

    folder: Path
    meta: dict[str, Any]
    reused: bool
    labels: Labels | None = None

    @cached_property
    def pictures(self) -> Pixels:
        """uint8 [n, size, size, channels], 0..255, memory-mapped and not writable."""
        shape = (self.meta["n"], self.meta["size"], self.meta["size"], self.meta["channels"])
        return np.memmap(self.folder / PICTURES, np.uint8, "r", shape=shape)

    @property
    def fingerprint(self) -> str:
        """64 hex digits of the content used: sha256 over sorted (name, sha256 of the file's bytes).

        The place of the source, its times and the kind of archive do not enter; a changed, added,
        removed or renamed picture does.
        """
        return str(self.meta["fingerprint"])

    @property
    def source(self) -> str:
        """The source as it was given."""
        return str(self.meta["source"])

    @cached_property
    def names(self) -> Sequence[str]:
        """The n names inside the source, in the order of ``pictures``; read when first asked for."""
        if self.meta["kind"] == "world":
            return [str(i) for i in range(len(self))]
        names: list[str] = json.loads((self.folder / "names.json").read_text("utf-8"))
        return names

    @cached_property
    def bad(self) -> list[BadFile]:
        """Files that were skipped, with the reasons."""
        lines = (self.folder / "bad_files.jsonl").read_text("utf-8").splitlines()
        return [BadFile(**json.loads(line)) for line in lines]

    @property
    def remarks(self) -> list[str]:
        """Sentences that a person should read once, when a run starts."""
        return self.labels.remarks if self.labels else []

    def __len__(self) -> int:
        """How many pictures there are."""
        return int(self.meta["n"])


def open_data(
    source: str | os.PathLike[str],
    *,
    image_size: int = 64,
    channels: int = 3,
    fit: Fit = "crop",
    background: tuple[int, int, int] = (255, 255, 255),
    count: int | None = None,
    world_seed: int = 0,
    max_bad_share: float = 0.1,
    cache: Path | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Store:
    """Open any source as a store: from the cache when nothing changed, else decoded once now.

    Args:
        source: a folder, .zip, .tar(.gz), .npz, idx file or MNIST folder, or ``world:NAME``.
        image_size: side of the stored squares in pixels, 8 to 4096.
        channels: 1 grey, 2 grey with alpha, 3 RGB, 4 RGBA.
        fit: ``crop`` cuts the centre square, ``pad`` fills up with the background.
        background: RGB in 0..255 that shows through transparent pixels.
        count: for worlds how many are drawn (default 10,000); for files only the first so many names.
        world_seed: which instance of a world.
        max_bad_share: above this share of unusable files, 0 to 1, nothing is built.
        cache: the cache's folder; default :func:`cache_root`.
        workers: threads; default one a core.
        progress: called with (done, total) while pictures are decoded.

    Returns:
        The store; ``store.pictures`` is uint8 [n, image_size, image_size, channels].

    Raises:
        BadData: nothing there, nothing to learn from, or too many bad files.
        BadConfig: an impossible option.
        StorageFailed: the cache's disk is full or refuses.
    """
    target = _target(image_size, channels, fit, background)
    _check_options(count, max_bad_share)
    root = Path(cache) if cache is not None else cache_root()
    if is_world(source):
        world = find_world(str(source), world_seed)
        drawn = count or DEFAULT_COUNT
        identity: list[Any] = ["world", world.name, str(world.version), world_seed, drawn]
        final = root / "data" / _key(world.name, target, identity)
        make = lambda folder: build_from_world(world, world_seed, drawn, target, folder, workers, progress)  # noqa: E731
    else:
        door = find_door(source)
        final = root / "data" / _key(Path(door.source).stem, target, [door.kind, door.stamp(), count])
        earlier = partial(earlier_stores, root / "data", target, door.place, FORMAT)
        make = lambda folder: build_from_door(  # noqa: E731
            door, count, target, folder, workers, progress, max_bad_share, earlier()
        )
    return _reused(final, max_bad_share) or _built(final, make)


def _built(final: Path, make: Callable[[Path], None]) -> Store:
    for _ in range(3):  # another process may take away what it found damaged just as this one replaced it
        if final.exists():
            store = _reused(final, 1.0)
            if store is not None:  # another process was faster
                return store
            discard(final)
        with building(final) as folder:
            make(folder)
        store = _reused(final, 1.0)
        if store is not None:
            store.reused = False
            return store
    raise BadData(f"The store in '{final}' vanished while it was being opened: try again.")


def _reused(final: Path, max_bad_share: float) -> Store | None:
    """Open a finished store, or ``None`` when there is none that fits this version."""
    try:
        meta = json.loads((final / "meta.json").read_text("utf-8"))
        whole = (final / PICTURES).stat().st_size == meta["n"] * meta["size"] ** 2 * meta["channels"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not whole or meta.get("format") != FORMAT:
        return None
    store = Store(final, meta, reused=True)
    check_bad_share(store.source, store.bad, meta["candidates"], max_bad_share)
    return store


def _key(stem: str, target: Target, identity: list[Any]) -> str:
    """A folder name that people recognise and that differs whenever the pictures could."""
    wanted = [target.size, target.channels, target.fit, list(target.background)]
    text = json.dumps([FORMAT, wanted, identity])
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", stem)[:40].strip("-") or "data"
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()[:24]
    return f"{readable}-{target.size}px{target.channels}-{digest}"


def _target(image_size: int, channels: int, fit: Fit, background: tuple[int, int, int]) -> Target:
    if not 8 <= image_size <= 4096:
        raise BadConfig(f"image_size must be 8 to 4096 pixels; got {image_size}.")
    if channels not in (1, 2, 3, 4):
        raise BadConfig(f"channels must be 1 (grey), 2 (grey with alpha), 3 (RGB) or 4 (RGBA); got {channels}.")
    if fit not in ("crop", "pad"):
        raise BadConfig(f"fit must be 'crop' or 'pad'; got {fit!r}.")
    if len(background) != 3 or not all(0 <= v <= 255 for v in background):
        raise BadConfig(f"background must be three numbers from 0 to 255; got {background!r}.")
    red, green, blue = (int(v) for v in background)
    return Target(int(image_size), int(channels), fit, (red, green, blue))


def _check_options(count: int | None, max_bad_share: float) -> None:
    if count is not None and count < 2:
        raise BadConfig(f"count must be at least 2; got {count}.")
    if not 0 <= max_bad_share <= 1:
        raise BadConfig(f"max_bad_share must be from 0 to 1; got {max_bad_share}.")
