"""MNIST from the user's own idx files, with labels; and StackedMNIST: three digits in the three colours of a picture.

Source: StackedMNIST is Metz et al. 2017, arXiv:1611.02163, Sec. 3.3.1; with 128,000 random triples it is VEEGAN's and
PacGAN's (arXiv:1712.04086, Sec. 4.2). Its 1,000 modes are the numbers 000 to 999: hundreds in red, tens in green, ones
in blue.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from leafwing.core import randomness
from leafwing.core.errors import BadConfig, BadData
from leafwing.core.randomness import check_seed
from leafwing.data.names import shown
from leafwing.data.pictures import Pixels

TRIPLES = 128_000
"""Pictures of StackedMNIST in VEEGAN and PacGAN."""
MODES = 1000
SIDE = 28
"""Of a digit in pixels."""
CHUNK = 1000
MOST_BYTES = 100_000_000
"""Twice MNIST's largest file, unpacked: a packed file may claim anything."""
_NAMES = {"train": "train", "test": "t10k"}
_TYPE_U8 = 8


@dataclass(frozen=True)
class Digits:
    """Pictures uint8 [n, 28, 28], white on black, and what they show, 0..9, uint8 [n]."""

    pictures: Pixels
    labels: NDArray[np.uint8]


def read_digits(folder: Path, part: str) -> Digits:
    """One part of MNIST.

    Args:
        folder: holds ``train-images-idx3-ubyte`` and so on, gzipped (``.gz``) or not.
        part: ``"train"`` or ``"test"``.

    Raises:
        BadData: a file is missing, damaged, or of something else.
    """
    images, labels = (_file(folder, f"{_NAMES[part]}-{what}") for what in ("images-idx3-ubyte", "labels-idx1-ubyte"))
    pictures, answers = _read_idx(images, 3), _read_idx(labels, 1)
    if pictures.shape[1:] != (SIDE, SIDE) or len(pictures) != len(answers) or not len(answers) or answers.max() > 9:
        raise BadData(
            f"{shown(images)} and {shown(labels)} are not MNIST: {SIDE}x{SIDE} digits with a label 0 to 9 each."
        )
    return Digits(pictures, answers)


def _file(folder: Path, name: str) -> Path:
    """The idx file of that name, under one of the names it is given in the wild."""
    if not folder.is_dir():
        raise BadData(f"{shown(folder)} is not a folder: give the one that holds MNIST's idx files.")
    for candidate in (f"{name}.gz", name, name.replace("-idx", ".idx"), name.replace("-idx", ".idx") + ".gz"):
        if (folder / candidate).is_file():
            return folder / candidate
    raise BadData(f"{shown(folder)} holds no {name}(.gz): give the folder with MNIST's four idx files.")


def _read_idx(path: Path, axes: int) -> NDArray[np.uint8]:
    """An idx file of uint8 with so many axes: 00 00 08 axes, the lengths as big-endian uint32, the bytes."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            raw = file.read(MOST_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise BadData(f"{shown(path)} cannot be read ({error}): download it again.") from error
    start = 4 + 4 * axes
    if raw[:4] != bytes([0, 0, _TYPE_U8, axes]) or len(raw) < start:
        raise BadData(f"{shown(path)} is not an idx file with {axes} axes of bytes: download it again.")
    shape = struct.unpack(f">{axes}I", raw[4:start])
    if math.prod(shape) != len(raw) - start:
        raise BadData(f"{shown(path)} is cut off or too long for its {shape[0]:,} items: download it again.")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def triples(digits: Digits, count: int, seed: int) -> NDArray[np.int64]:
    """Which digits stand in red, green and blue of each picture: [count, 3], drawn with replacement."""
    return randomness.stream(seed, 0, "stacked-mnist").integers(0, len(digits.labels), (count, 3))


def modes_of(digits: Digits, which: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number 0..999 that each triple shows, [n, 3] -> [n]."""
    modes: NDArray[np.int64] = digits.labels[which].astype(np.int64) @ np.array([100, 10, 1])
    return modes


def stacked(digits: Digits, which: NDArray[np.int64], size: int) -> Pixels:
    """The pictures of these triples, uint8 [n, size, size, 3], black around the digits."""
    edge = (size - SIDE) // 2
    pictures = np.zeros((len(which), size, size, 3), dtype=np.uint8)
    pictures[:, edge : edge + SIDE, edge : edge + SIDE] = digits.pictures[which].transpose(0, 2, 3, 1)
    return pictures


def render_stacked(
    folder: Path,
    out: Path,
    count: int = TRIPLES,
    size: int = 32,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """StackedMNIST as an .npz that ``leafwing train`` reads: ``images`` and ``modes``, from MNIST's training digits.

    Args:
        folder: MNIST's idx files.
        out: a new .npz file.
        count: pictures.
        size: side in pixels, 28 or more; the digits stay 28 pixels wide.
        seed: of the triples.
        progress: called with (done, total).

    Raises:
        BadConfig: an option that cannot be.
        BadData: the files cannot be read, or ``out`` exists.
    """
    check_seed(seed)
    if count < 1:
        raise BadConfig(f"--count {count} cannot be: draw at least 1 picture.")
    if size < SIDE or size % 2:
        raise BadConfig(
            f"--image-size {size} cannot be: the digits are {SIDE} pixels wide, so give {SIDE}, 30, 32, ...."
        )
    if out.suffix != ".npz":
        raise BadConfig(f"--out {out} should end in .npz.")
    if out.exists():
        raise BadData(f"{out} exists already: choose a new file for --out.")
    digits = read_digits(folder, "train")
    which = triples(digits, count, seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(f"{out.name}.tmp-{os.getpid()}")
    try:
        with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            _write_array(archive, "images", (count, size, size, 3), np.uint8, _parts(digits, which, size, progress))
            _write_array(archive, "modes", (count,), np.int64, iter([modes_of(digits, which)]))
        beside.rename(out)
    finally:
        beside.unlink(missing_ok=True)
    return out


def _parts(
    digits: Digits, which: NDArray[np.int64], size: int, progress: Callable[[int, int], None] | None
) -> Iterator[Pixels]:
    for start in range(0, len(which), CHUNK):
        yield stacked(digits, which[start : start + CHUNK], size)
        if progress:
            progress(min(start + CHUNK, len(which)), len(which))


def _write_array(
    archive: zipfile.ZipFile,
    name: str,
    shape: tuple[int, ...],
    dtype: type[np.generic],
    parts: Iterator[NDArray[np.generic]],
) -> None:
    """An array as numpy saves it, part by part; zipfile gives it the date 1980, so equal content is an equal file."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            file.write(np.ascontiguousarray(part).tobytes())
