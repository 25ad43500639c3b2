"""The doors for arrays: numpy's .npz and .npy, and the idx files of MNIST. Rows are streamed, not loaded."""

from __future__ import annotations

import gzip
import math
import struct
import zipfile
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from leafwing.core.errors import BadData
from leafwing.data.archives import BROKEN, file_stamp
from leafwing.data.entries import Door, Listing, Load
from leafwing.data.names import shown
from leafwing.data.pictures import BadPicture

KEYS = ("images", "pictures", "x", "X", "x_train", "data", "frames", "arr_0")
IDX_NAMES = ("train-images-idx3-ubyte", "train-images-idx3-ubyte.gz", "train-images.idx3-ubyte")
_CHANNELS = (1, 2, 3, 4)
MOST_PACKED = 1100
"""Deflate makes no file smaller than 1/1032: a header that claims more is a lie, told before any row is read."""


@dataclass(frozen=True)
class Header:
    """What an array's header claims: shape and type of all rows, and how to read a row's axes."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    channels_first: bool = False

    @property
    def row_bytes(self) -> int:
        """Bytes of one picture."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize


class _Rows(Door):
    """What array doors share: rows read from front to back by one thread, named by their number."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.source = str(path)

    def stamp(self) -> str:
        return file_stamp(self.path)

    @abstractmethod
    def _open(self) -> AbstractContextManager[IO[bytes]]:
        """Open the stream where the first row begins."""

    @cached_property
    @abstractmethod
    def header(self) -> Header:
        """Read and check the header."""

    @cached_property
    def value_range(self) -> tuple[float, float] | None:
        """What the smallest and the largest float stand for; ``None`` for integers."""
        return None

    def _list(self) -> Listing:
        count = self.header.shape[0]
        width = len(str(max(count - 1, 0)))
        return Listing(names=[f"{i:0{width}d}" for i in range(count)])

    def loads(self, count: int) -> Iterator[tuple[int, Load]]:
        header = self.header
        try:
            with self._open() as stream:
                for index in range(min(count, header.shape[0])):
                    raw = stream.read(header.row_bytes)
                    if len(raw) < header.row_bytes:
                        raise BadData(
                            f"{shown(self.path)} is cut off at picture {index} of {header.shape[0]}: "
                            "download or save it again."
                        )
                    yield index, partial(self._row, raw)
        except BROKEN as error:
            raise _damaged(self, error) from error

    def _row(self, raw: bytes) -> NDArray[Any]:
        row = np.frombuffer(raw, self.header.dtype).reshape(self.header.shape[1:])
        if self.header.channels_first:
            row = row.transpose(1, 2, 0)
        return _as_uint8(row, self.value_range) if row.dtype.kind == "f" else row


class NpzDoor(_Rows):
    """One array of an .npz: ``images``, ``pictures``, ``x``, … or the only one that can be pictures.

    uint8, uint16 or bool need nothing else. Floats need a second array ``range`` of two numbers that
    says what black and white are, for example ``numpy.savez(file, images=x, range=[-1, 1])``.
    """

    kind = "npz"

    def _open(self) -> AbstractContextManager[IO[bytes]]:
        archive = zipfile.ZipFile(self.path)
        stream = archive.open(self.member)
        _read_header(stream)
        return stream

    @cached_property
    def _headers(self) -> dict[str, Header]:
        headers = {}
        try:
            with zipfile.ZipFile(self.path) as archive:
                for member in archive.infolist():
                    if member.filename.endswith(".npy") and not member.is_dir():
                        with archive.open(member) as stream:
                            headers[member.filename] = _read_header(stream)
        except (*BROKEN, NotImplementedError, RuntimeError, SyntaxError) as error:
            raise _damaged(self, error) from error
        return headers

    @cached_property
    def member(self) -> str:
        """The array that holds the pictures, as a file of the archive."""
        for key in KEYS:
            if f"{key}.npy" in self._headers:
                return f"{key}.npy"
        fitting = [name for name, header in self._headers.items() if len(header.shape) in (3, 4)]
        if len(fitting) == 1:
            return fitting[0]
        found = ", ".join(f"{name[:-4]} {list(h.shape)}" for name, h in self._headers.items())
        raise BadData(
            f"{shown(self.path)} has no array called images, pictures, x, data, frames or arr_0 (it holds "
            f"{found or 'nothing'}): rename the pictures' array to 'images'."
        )

    @cached_property
    def header(self) -> Header:
        return _checked(self._headers[self.member], self.path, self.member[:-4])

    @property
    def tables(self) -> list[str]:
        """The other arrays that hold a number or a word, or a row of them, for each picture."""
        fits = {n: h for n, h in self._headers.items() if len(h.shape) in (1, 2) and h.dtype.kind in "biufU"}
        return [name[:-4] for name, h in fits.items() if h.shape[0] == self.header.shape[0] and name != self.member]

    @cached_property
    def value_range(self) -> tuple[float, float] | None:
        if self.header.dtype.kind != "f":
            return None
        if "range.npy" in self._headers:
            with np.load(self.path, allow_pickle=False) as arrays:
                return _two_numbers(np.asarray(arrays["range"]), self.path)
        raise BadData(
            f"{shown(self.path)} holds floating point pictures without a stated range: save them as uint8, "
            "or add an array range=[black, white], for example [0, 1] or [-1, 1]."
        )


class NpyDoor(_Rows):
    """A single array in an .npy file; integers only, as there is no room to state a range."""

    kind = "npy"

    def _open(self) -> AbstractContextManager[IO[bytes]]:
        stream = self.path.open("rb")
        _read_header(stream)
        return stream

    @cached_property
    def header(self) -> Header:
        try:
            with self.path.open("rb") as stream:
                header = _checked(_read_header(stream), self.path, "the array")
        except BROKEN as error:
            raise _damaged(self, error) from error
        if header.dtype.kind == "f":
            raise BadData(
                f"{shown(self.path)} holds floating point pictures without a stated range: save them as "
                "uint8, or as .npz with images=… and range=[black, white]."
            )
        return header


class IdxDoor(_Rows):
    """MNIST's format: big-endian header 00 00 08 03, then n, h, w; or 08 04 and n, h, w, c; also gzipped."""

    kind = "idx"

    def _open(self) -> AbstractContextManager[IO[bytes]]:
        stream = self._stream()
        stream.read(4 + 4 * len(self.header.shape))
        return stream

    def _stream(self) -> IO[bytes]:
        with self.path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        return cast("IO[bytes]", gzip.open(self.path, "rb")) if packed else self.path.open("rb")

    @cached_property
    def header(self) -> Header:
        try:
            with self._stream() as stream:
                dims = stream.read(4)[3]
                shape = struct.unpack(f">{dims}I", stream.read(4 * dims))
        except (*BROKEN, struct.error, IndexError) as error:
            raise _damaged(self, error) from error
        return _checked(Header(shape, np.dtype(np.uint8)), self.path, "it")


def is_idx(head: bytes) -> bool:
    """Whether a file starts as an idx file of uint8 pictures, [n, h, w] or [n, h, w, c]."""
    return head[:4] in (b"\0\0\x08\x03", b"\0\0\x08\x04")


def _read_header(stream: IO[bytes]) -> Header:
    """Read an .npy header; leaves the stream at the first row. Object arrays are refused with pickle."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never loaded")
    if fortran and len(shape) > 1:
        raise ValueError("it is in Fortran order; save numpy.ascontiguousarray of it")
    return Header(tuple(shape), dtype)


def _checked(header: Header, path: Path, name: str) -> Header:
    """Find the channel axis and refuse what cannot be pictures."""
    shape, dtype = header.shape, header.dtype
    if math.prod(shape) * dtype.itemsize > MOST_PACKED * path.stat().st_size:
        raise BadData(
            f"{shown(path)} claims the shape {list(shape)}, more than it can hold: download or save it again."
        )
    kind_ok = dtype.kind in "fb" or (dtype.kind == "u" and dtype.itemsize <= 2)
    if not kind_ok:
        raise BadData(f"{shown(path)}: {name} is of type {dtype}; save it as uint8, 0 to 255.")
    if len(shape) == 4 and (shape[3] in _CHANNELS) != (shape[1] in _CHANNELS):
        return Header(shape, dtype, channels_first=shape[1] in _CHANNELS)
    if len(shape) == 3:
        return header
    raise BadData(
        f"{shown(path)}: {name} has the shape {list(shape)}; pictures are n×height×width, "
        "n×height×width×channels or n×channels×height×width with 1 to 4 channels."
    )


def _two_numbers(values: NDArray[Any], path: Path) -> tuple[float, float]:
    if values.shape == (2,) and values.dtype.kind in "fiu" and float(values[0]) < float(values[1]):
        return float(values[0]), float(values[1])
    raise BadData(f"{shown(path)}: the array 'range' must be two rising numbers, black and white.")


def _as_uint8(row: NDArray[Any], value_range: tuple[float, float] | None) -> NDArray[np.uint8]:
    assert value_range is not None  # the door asked for it before the first row
    low, high = value_range
    if not np.isfinite(row).all():
        raise BadPicture("not finite: it holds NaN or infinity")
    slack = (high - low) / 255
    if row.min() < low - slack or row.max() > high + slack:
        raise BadPicture(f"outside the stated range: {row.min():.3g} to {row.max():.3g}, stated {low:g} to {high:g}")
    unit = (np.clip(row.astype(np.float64), low, high) - low) / (high - low)
    pixels: NDArray[np.uint8] = np.rint(unit * 255).astype(np.uint8)
    return pixels


def _damaged(door: Door, error: BaseException) -> BadData:
    why = " ".join(str(error).split())[:160] or type(error).__name__
    return BadData(f"{shown(door.source)} cannot be read as {door.kind} ({why}): download or save it again.")
