"""Where episodes of frames come from: folders of frames, .npz arrays, GIF and MP4 films, worlds that play a game.

An episode is uint8 [t, h, w, 3], all frames of one size; nothing is resized.
"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from leafwing.core.errors import BadData
from leafwing.core.pictures import read_film
from leafwing.data.folders import read_regular
from leafwing.data.names import READ_EXTENSIONS, is_junk, shown
from leafwing.data.pictures import BadPicture, Pixels, from_array, opened, plain, quiet, upright

Episode: TypeAlias = tuple[str, Pixels]
"""Its name inside the source, and its frames."""
FILMS = (".gif", ".mp4", ".npz")
KINDS = "a folder of frames (a subfolder an episode), an .npz with frames, a .gif or .mp4 film, or a folder of those"


@runtime_checkable
class PlayedWorld(Protocol):
    """A world whose pictures are frames of episodes."""

    name: str
    version: int | str

    def film(self, index: int) -> Pixels:
        """The frames of episode `index`, uint8 [t, h, w, c]."""
        ...


def stamp(path: Path) -> str:
    """A cheap text that changes whenever the source may have changed: names, sizes and times of all its files."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    facts = ((p.relative_to(path) if p != path else p.name, p.stat()) for p in files)
    lines = [f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}" for name, stat in facts]
    return hashlib.sha256("\n".join([os.path.realpath(path), *lines]).encode("utf-8", "surrogateescape")).hexdigest()


def read_episodes(source: str | os.PathLike[str]) -> Iterator[Episode]:
    """Every episode of a source, in the order of their names, each read when it is asked for.

    Raises:
        BadData: nothing there, or frames of changing size.
    """
    path = Path(os.path.expanduser(source))
    if not path.exists():
        raise BadData(f"{shown(path)} does not exist: give {KINDS}.")
    with quiet():
        yield from (_in_folder(path, "") if path.is_dir() else _of_file(path, path.name))


def _in_folder(folder: Path, prefix: str) -> Iterator[Episode]:
    inside = sorted((p for p in folder.iterdir() if not is_junk(p.name)), key=lambda p: _by_number(p.name))
    stills = [p for p in inside if p.is_file() and p.suffix.lower() in READ_EXTENSIONS and p.suffix.lower() != ".gif"]
    if stills:
        yield prefix or folder.name, _checked([_still(p) for p in stills], folder, [p.name for p in stills])
    for p in inside:
        if p.is_dir() and not p.is_symlink():
            yield from _in_folder(p, f"{prefix}{p.name}/")
        elif p.is_file() and p.suffix.lower() in FILMS:
            yield from _of_file(p, prefix + p.name)


def _by_number(name: str) -> tuple[tuple[int, int | str], ...]:
    """Frame 10 comes after frame 9, whether or not they are written 009 and 010."""
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", name))


def _still(path: Path) -> Pixels:
    try:
        return np.asarray(plain(upright(opened(read_regular(path))), 3, (255, 255, 255)))
    except BadPicture as bad:
        raise BadData(f"The frame {shown(path)} cannot be used ({bad}): mend it, or take its episode away.") from bad
    except (OSError, ValueError, SyntaxError) as error:
        raise BadData(f"The frame {shown(path)} is damaged ({' '.join(str(error).split())[:100]}): mend it.") from error


def _checked(frames: list[Pixels], path: Path, names: list[str]) -> Pixels:
    """All of one episode; a film without a frame is damaged."""
    if not frames:
        raise BadData(f"{shown(path)} holds no frame: mend it, or take it away.")
    for name, frame in zip(names, frames, strict=True):
        if frame.shape != frames[0].shape:
            raise BadData(
                f"{shown(path)} has frames of changing size: {shown(name)} is {frame.shape[1]}×{frame.shape[0]}, the "
                f"first one {frames[0].shape[1]}×{frames[0].shape[0]}: bring them to one size."
            )
    return np.stack(frames)


def _of_file(path: Path, name: str) -> Iterator[Episode]:
    ending = path.suffix.lower()
    if ending == ".npz":
        yield from _of_arrays(path, name)
    elif ending in FILMS:
        frames = [np.asarray(frame) for frame in read_film(path)]
        yield name, _checked(frames, path, [f"frame {n}" for n in range(len(frames))])
    else:
        raise BadData(f"{shown(path)} is no film: give {KINDS}.")


def _of_arrays(path: Path, name: str) -> Iterator[Episode]:
    """``frames`` [t, h, w, 3] or [e, t, h, w, 3]; ``episode`` [t] numbers them, or ``done`` [t] marks the last ones."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if "frames" not in file.files:
                inside = ", ".join(file.files) or "nothing"
                raise BadData(f"{shown(path)} holds no array 'frames' but {inside}: save the films under that name.")
            frames, marks = file["frames"], {key: file[key] for key in ("episode", "done") if key in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BadData(f"{shown(path)} cannot be read as an .npz file of numbers: save it again.") from error
    if frames.ndim not in (4, 5) or frames.dtype != np.uint8 or frames.shape[-1] not in (1, 3, 4):
        raise BadData(
            f"{shown(path)}: 'frames' is {frames.dtype} of shape {list(frames.shape)}; it should be uint8, "
            "frames×height×width×3, or episodes×frames×height×width×3."
        )
    parts = list(frames) if frames.ndim == 5 else np.split(frames, _cuts(marks, len(frames), path))
    for number, part in enumerate(part for part in parts if len(part)):
        colour = [np.asarray(plain(from_array(frame), 3, (255, 255, 255))) for frame in part]
        yield (f"{name}/{number}" if len(parts) > 1 else name), np.stack(colour)


def _cuts(marks: dict[str, NDArray[Any]], count: int, path: Path) -> NDArray[np.int64]:
    """Frames at which a new episode begins, but the first."""
    for key, values in marks.items():
        if values.shape != (count,):
            raise BadData(f"{shown(path)}: '{key}' has the shape {list(values.shape)}, but there are {count} frames.")
    if "episode" in marks:
        return np.flatnonzero(marks["episode"][1:] != marks["episode"][:-1]) + 1
    return np.flatnonzero(marks["done"][:-1]) + 1 if "done" in marks else np.empty(0, np.int64)
