"""The store of films: all frames of all episodes decoded once into one memory-mapped file, and where episodes end."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import count as counting_up
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leafwing import worlds
from leafwing.core.errors import BadConfig, BadData
from leafwing.data.build import PICTURES
from leafwing.data.cache import building, cache_root, storing, write_synced
from leafwing.data.drawn import MORE, PREFIX, find_world, is_world, must_be_one_of
from leafwing.data.film_doors import Episode, PlayedWorld, read_episodes, stamp
from leafwing.data.names import shown
from leafwing.data.pictures import Pixels, with_channels
from leafwing.data.store import DEFAULT_COUNT, Store

FORMAT = 1
"""Version of the store of films; a change makes all of them anew."""
STILL = 24
"""Levels of 255: two frames in which no pixel differs by more show the same; compression's noise is less."""
OPENING = 64
"""Frames on either side among which a frame of a standstill is looked for again."""


class Films(Store):
    """Prepared episodes, read-only. ``pictures`` are all frames, uint8 [n, h, w, c], one episode after the other.

    Attributes:
        history: frames that will be given, and
        drop_still: whether without standstills; :attr:`remarks` are for these.
    """

    history: int = 1
    drop_still: bool = True

    @cached_property
    def pictures(self) -> Pixels:
        """uint8 [n, height, width, channels], memory-mapped and not writable."""
        shape = tuple(self.meta[key] for key in ("n", "height", "width", "channels"))
        return np.memmap(self.folder / PICTURES, np.uint8, "r", shape=shape)

    @property
    def lengths(self) -> list[int]:
        """Frames of each episode."""
        return list(self.meta["lengths"])

    @property
    def still(self) -> list[int]:
        """Frames at each episode's beginning in which nothing has happened yet."""
        return list(self.meta["still"])

    @property
    def names(self) -> list[str]:
        """The episodes' names."""
        return list(self.meta["names"])

    def targets(self, history: int, drop_still: bool = True) -> NDArray[np.int64]:
        """The frames that have ``history`` frames before them in the same episode, standstills left out.

        Raises:
            BadData: no episode is long enough.
        """
        ends = np.cumsum(self.lengths)
        usable = self._usable(drop_still)
        targets = [np.arange(end - n + history, end) for n, end in zip(usable, ends, strict=True)]
        found = np.concatenate(targets)
        if not len(found):
            raise BadData(
                f"{shown(self.source)}: the longest episode has {usable.max()} frames in which something moves, but a "
                f"window is {history} frames and the next one: lower data.history, or give longer episodes."
            )
        return found

    def _usable(self, drop_still: bool) -> NDArray[np.int64]:
        """Frames of each episode in which something moves, or all."""
        return np.array(self.lengths, np.int64) - np.array(self.still if drop_still else 0, np.int64)

    @property
    def remarks(self) -> list[str]:
        """Which episodes are too short for a window."""
        short = np.flatnonzero(self._usable(self.drop_still) <= self.history)
        if not len(short):
            return []
        return [
            f"{shown(self.source)}: {len(short):,} of {len(self.lengths):,} episodes are left out, too short for "
            f"{self.history} frames and the next one: first {shown(self.names[short[0]])}."
        ]


def open_films(
    source: str | os.PathLike[str],
    *,
    channels: int = 3,
    count: int | None = None,
    world_seed: int = 0,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Films:
    """Open any source of episodes as a store: from the cache when nothing changed, else read once now.

    Args:
        source: frames in folders, .npz, .gif, .mp4, or ``world:maze``.
        channels: 1 grey, 2 grey with alpha, 3 RGB, 4 RGBA.
        count: stop after the episode in which this many frames are reached; for worlds 10,000 if left out.
        world_seed: which instance of a world.
        cache: the cache's folder; default :func:`cache_root`.
        progress: called with (frames done, frames in all or as many).

    Raises:
        BadData: nothing there, films of one frame, frames of changing size.
        StorageFailed: the cache's disk is full or refuses.
    """
    if is_world(source):
        world = find_played(str(source), world_seed)
        count, identity = count or DEFAULT_COUNT, f"{world.name}\0{world.version}\0{world_seed}"
        episodes: Iterator[Episode] = ((f"episode {n}", world.film(n)) for n in counting_up())
        name = world.name
    else:
        path = Path(os.path.expanduser(source))
        name, identity = path.stem, stamp(path) if path.exists() else ""
        episodes = read_episodes(path)
    key = hashlib.sha256(json.dumps([FORMAT, channels, count, identity]).encode("utf-8", "surrogateescape")).hexdigest()
    readable = "".join(c if c.isascii() and c.isalnum() else "-" for c in name)[:40].strip("-") or "films"
    final = (Path(cache) if cache is not None else cache_root()) / "films" / f"{readable}-{key[:24]}"
    found = _reused(final)
    if found is None:
        with building(final) as folder:
            _build(str(source), episodes, channels, count, folder, progress)
        found = _reused(final)
        if found is None:
            raise BadData(f"The store in '{final}' vanished while it was being opened: try again.")
        found.reused = False
    return found


def find_played(source: str, seed: int) -> PlayedWorld:
    """The world that ``world:NAME`` names, if it plays a game.

    Raises:
        BadData: no such world, or one without films.
    """
    name = source.removeprefix(PREFIX)
    if name == worlds.REPLIES:
        raise BadData(f"{source} has no films, but questions and replies. Try world:maze.")
    if name not in worlds.PICTURES and name not in MORE:
        must_be_one_of(source, worlds.FILMS)
    world = find_world(source, seed)
    if not isinstance(world, PlayedWorld):
        raise BadData(f"{source} has no films: its pictures are drawn one by one. Try world:maze.")
    return world


def _reused(final: Path) -> Films | None:
    try:
        meta = json.loads((final / "meta.json").read_text("utf-8"))
        whole = (final / PICTURES).stat().st_size == meta["n"] * meta["height"] * meta["width"] * meta["channels"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Films(final, meta, reused=True) if whole and meta["format"] == FORMAT else None


def _build(
    source: str,
    episodes: Iterator[Episode],
    channels: int,
    count: int | None,
    folder: Path,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Write frames and ``meta.json``; the fingerprint is over the frames and the episodes' lengths."""
    digest, lengths, still, names = hashlib.sha256(), list[int](), list[int](), list[str]()
    shape: tuple[int, ...] = ()
    with storing(folder.parent), (folder / PICTURES).open("wb") as file:
        for name, frames in episodes:
            shape = shape or frames.shape[1:3]
            if frames.shape[1:3] != shape:
                raise BadConfig(
                    f"{shown(source)} has frames of changing size: {shown(name)} is {frames.shape[2]}×"
                    f"{frames.shape[1]}, the episodes before {shape[1]}×{shape[0]}: bring them to one size."
                )
            raw = np.ascontiguousarray(with_channels(frames, channels)).tobytes()
            digest.update(f"{len(frames)}\0".encode() + raw)
            file.write(raw)
            lengths.append(len(frames))
            still.append(standstill(frames))
            names.append(name)
            if progress is not None:
                progress(sum(lengths), max(count or 0, sum(lengths)))
            if count is not None and sum(lengths) >= count:
                break
    if not lengths:
        raise BadData(f"{shown(source)} holds no films: give frames in folders, .npz, .gif or .mp4.")
    if max(lengths) < 2:
        where = shown(source) if len(lengths) == 1 else f"Each of the {len(lengths)} episodes of {shown(source)}"
        raise BadData(f"{where} holds one frame, and nothing follows from it: give at least 2.")
    facts = {"format": FORMAT, "source": source, "kind": "films", "n": sum(lengths), "lengths": lengths, "still": still}
    facts |= {"names": names, "height": shape[0], "width": shape[1], "channels": channels}
    write_synced(folder / "meta.json", json.dumps(facts | {"fingerprint": digest.hexdigest()}))


def standstill(frames: Pixels) -> int:
    """How many frames at the beginning are waiting: each is to be seen again nearby, as in a still or a loop.

    A game shows its opening picture for a while, perhaps blinking; a frame of play does not come again. The last frame
    of the wait is kept, for play goes on from it. An episode that never does anything else is kept whole.
    """
    small = frames.reshape(len(frames), -1).astype(np.int16)
    for at in range(len(frames)):
        others = [n for n in range(max(0, at - OPENING), min(len(frames), at + OPENING + 1)) if n != at]
        if not any(np.abs(small[n] - small[at]).max() <= STILL for n in others):
            return max(0, at - 1)
    return 0
