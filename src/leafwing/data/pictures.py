"""One picture: from bytes, or an array, to square uint8 pixels with the colours its maker meant.

What is done, in this order: check the header (kind, pixels) before decoding; decode; turn upright by
EXIF; palette, CMYK, 16-bit and 1-bit to 8-bit colour by an explicit table; alpha over a background;
then one antialiased resize. Anything outside the table is refused by name, never guessed.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError, features
from PIL import __version__ as pillow

Fit: TypeAlias = Literal["crop", "pad"]
Pixels: TypeAlias = NDArray[np.uint8]

KINDS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
MAX_BYTES = 256 * 2**20
MAX_PIXELS = 89_000_000
MAX_SCANNED = 4_000_000_000
"""Pixels times passes of a JPEG, a few seconds of work: common files make up to ten passes, a bomb thousands."""
MIN_SIDE = 8

_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
# Every mode that Pillow converts to RGB with the right colours; the rest (F, I, LAB, HSV) is refused.
_SAFE = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})
_DEEP = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})
_WHY_NOT = {
    "F": "floating point pixels have no stated range",
    "I": "32-bit integer pixels have no stated range",
    "LAB": "LAB colours are not converted",
}


class BadPicture(Exception):  # a fact about a file, caught and counted
    """One picture that cannot be used. The text is ``kind: detail``, the kind is what is counted."""


@dataclass(frozen=True)
class Target:
    """What a stored picture looks like.

    Attributes:
        size: side in pixels.
        channels: 1 grey, 2 grey with alpha, 3 RGB or 4 RGBA.
        fit: ``crop`` keeps the centre square, ``pad`` keeps everything and fills up.
        background: RGB in 0..255, under transparent pixels and around padded ones.
    """

    size: int
    channels: int = 3
    fit: Fit = "crop"
    background: tuple[int, int, int] = (255, 255, 255)


def decode(raw: bytes, target: Target) -> Pixels:
    """Decode an encoded picture to ``target``.

    A JPEG at least four times too large is decoded at a half, a quarter or an eighth of its size,
    never below twice the target's side. 16-bit grey is scaled by 1/257; 16-bit RGB and RGBA are cut
    to their upper 8 bits by Pillow, at most one level lower. Colour profiles are not applied.

    Args:
        raw: the whole file.
        target: what is wanted.

    Returns:
        uint8 [size, size, channels].

    Raises:
        BadPicture: the bytes are no picture of a kind that is read, damaged, too large or too small.
    """
    image = opened(raw)
    try:
        image.draft(None, _draft_size(image, target))  # None keeps the mode
        return fitted(upright(image), target)
    except Exception as error:  # decoders raise whatever comes to hand: zlib, struct, index, syntax errors
        raise damaged(error) from error


@cache
def decoder() -> str:
    """Pillow's version and its libraries': equal ones decode equal bytes to equal pixels."""
    parts = ("jpg", "libjpeg_turbo", "zlib", "webp", "libtiff")
    return f"Pillow {pillow}, " + ", ".join(f"{part} {features.version(part)}" for part in parts)


def damaged(error: Exception) -> BadPicture:
    """What to say of a picture whose decoder raised ``error``; a ``BadPicture`` stays what it is."""
    if isinstance(error, BadPicture):
        return error
    if isinstance(error, MemoryError):
        return BadPicture("out of memory: while it was decoded")
    return BadPicture(f"cut off or damaged: {_sentence(error)}")


def opened(raw: bytes) -> Image.Image:
    """Read the header only and check kind and size; no pixel is decoded yet.

    Raises:
        BadPicture: as for :func:`decode`.
    """
    if not raw:
        raise BadPicture("empty file")
    if len(raw) > MAX_BYTES:
        raise BadPicture(too_many_bytes(len(raw)))
    try:
        image = Image.open(BytesIO(raw), formats=KINDS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadPicture(f"too many pixels: {_sentence(error)}") from error
    except UnidentifiedImageError as error:
        raise BadPicture(f"unknown kind: {_guess(raw)}, not JPEG, PNG, WebP, BMP, TIFF or GIF") from error
    except Exception as error:
        raise BadPicture(f"cut off or damaged: {_sentence(error)}") from error
    width, height = image.size
    if width * height > MAX_PIXELS:
        millions = f"{width * height / 1e6:.0f} million, the cap is {MAX_PIXELS // 10**6}"
        raise BadPicture(f"too many pixels: {width}×{height} is {millions}")
    check_side(width, height)
    scans = raw.count(b"\xff\xda") if image.format in ("JPEG", "MPO") else 1
    if scans * width * height > MAX_SCANNED:
        raise BadPicture(f"too many scans: {scans} passes over {width}×{height} pixels")
    return image


def too_many_bytes(count: int) -> str:
    """The reason for refusing a file of ``count`` bytes."""
    return f"too many bytes: {count / 2**20:.0f} MB, the cap is {MAX_BYTES // 2**20} MB"


def check_side(width: int, height: int) -> None:
    """Raise ``BadPicture`` when the shorter side is below 8 pixels: nothing to learn from."""
    if min(width, height) < MIN_SIDE:
        raise BadPicture(f"too small: {width}×{height}, the least is {MIN_SIDE}×{MIN_SIDE}")


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation 1..8; 1 when there is none or it is nonsense."""
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # garbage EXIF: the pixels may still be good
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright(image: Image.Image) -> Image.Image:
    """Decode the first frame and turn it as its EXIF orientation asks."""
    image.load()  # TIFF turns itself while loading, so EXIF is looked at afterwards
    return ImageOps.exif_transpose(image) if orientation(image) != 1 else image


def plain(image: Image.Image, channels: int, background: tuple[int, int, int]) -> Image.Image:
    """Bring any mode of the table to 8-bit grey, RGB, or either with alpha.

    Raises:
        BadPicture: a mode outside the table.
    """
    if image.mode in _DEEP:
        image = _from_16_bit(image)
    if image.mode not in _SAFE:
        raise BadPicture(f"colours not read: {_WHY_NOT.get(image.mode, f'mode {image.mode}')}")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if channels in (2, 4):
            return image.convert(_MODES[channels])
        canvas = Image.new("RGBA", image.size, (*background, 255))
        canvas.alpha_composite(image)
        image = canvas.convert("RGB")
    elif image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    wanted = _MODES[channels]
    return image if image.mode == wanted else image.convert(wanted)


def fitted(image: Image.Image, target: Target) -> Pixels:
    """Colours, then one antialiased resize to a square. Returns uint8 [size, size, channels]."""
    check_side(*image.size)
    image = plain(image, target.channels, target.background)
    image = _cropped(image, target.size) if target.fit == "crop" else _padded(image, target)
    pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def from_array(pixels: NDArray[Any]) -> Image.Image:
    """Wrap uint8 [h, w] or [h, w, 1 | 2 | 3 | 4] as a picture; uint16 is scaled by 1/257, bool by 255."""
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * 255
    elif pixels.dtype.kind == "u" and pixels.dtype.itemsize == 2:
        pixels = _scaled_16(pixels)
    return Image.fromarray(np.ascontiguousarray(pixels))


def with_channels(pixels: Pixels, channels: int) -> Pixels:
    """Change [..., c] to [..., channels] for c, channels from 1 to 4: ITU-R 601 grey, opaque alpha."""
    have = pixels.shape[-1]
    if have == channels:
        return pixels
    colours, has_alpha = pixels[..., : 1 if have < 3 else 3], have in (2, 4)
    if channels in (2, 4):
        alpha = pixels[..., -1:] if has_alpha else np.full_like(pixels[..., :1], 255)
        return np.concatenate([with_channels(colours, channels - 1), alpha], axis=-1)
    if has_alpha:
        return with_channels(colours, channels)
    if channels == 3:
        return np.repeat(pixels, 3, axis=-1)
    red, green, blue = (pixels[..., i].astype(np.uint32) for i in range(3))
    grey = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16  # as Pillow computes it
    return grey.astype(np.uint8)[..., None]


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Pillow's warnings (odd EXIF, large pictures) while many files are decoded.

    They would be noise, or, with warnings as errors, would turn good files into bad ones. Python's
    filters are global, so this is entered once around a batch and not in each thread.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _draft_size(image: Image.Image, target: Target) -> tuple[int, int]:
    """Twice the side that matters: the shorter one when cropping, the longer one when padding."""
    width, height = image.size
    side = min(width, height) if target.fit == "crop" else max(width, height)
    scale = 2 * target.size / side
    return max(1, -int(-width * scale // 1)), max(1, -int(-height * scale // 1))


def _cropped(image: Image.Image, size: int) -> Image.Image:
    """Cut first: resize's own ``box`` would let pixels from beyond the cut shine in at the edges."""
    width, height = image.size
    side = min(width, height)
    if width != height:
        left, top = (width - side) // 2, (height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    if side == size:
        return image
    # reducing_gap: a picture far too large is first halved by averaging; not visible at 3 and much faster
    return image.resize((size, size), Image.Resampling.LANCZOS, reducing_gap=3.0)


def _padded(image: Image.Image, target: Target) -> Image.Image:
    width, height = image.size
    scale = target.size / max(width, height)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    if inner != image.size:
        image = image.resize(inner, Image.Resampling.LANCZOS, reducing_gap=3.0)
    fill: int | tuple[int, ...] = target.background
    if target.channels == 1:
        fill = int(with_channels(np.array(target.background, np.uint8), 1)[0])
    elif target.channels == 2:
        fill = (int(with_channels(np.array(target.background, np.uint8), 1)[0]), 0)
    elif target.channels == 4:
        fill = (*target.background, 0)  # padding is no part of the picture: transparent
    canvas = Image.new(image.mode, (target.size, target.size), fill)
    canvas.paste(image, ((target.size - inner[0]) // 2, (target.size - inner[1]) // 2))
    return canvas


def _from_16_bit(image: Image.Image) -> Image.Image:
    return Image.fromarray(_scaled_16(np.asarray(image)))


def _scaled_16(values: NDArray[Any]) -> Pixels:
    """Round v / 257, so that 0 -> 0 and 65535 -> 255."""
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _sentence(error: BaseException) -> str:
    text = " ".join(str(error).split())[:120]
    return text or type(error).__name__


def _guess(raw: bytes) -> str:
    head = raw[:64].lstrip().lower()
    if head.startswith((b"<!doctype", b"<html")):
        return "a web page"
    if head.startswith((b"<svg", b"<?xml")):
        return "SVG or XML"
    if raw[4:8] == b"ftyp":
        return "AVIF, HEIC or a film"
    if raw[:4] == b"%!PS":
        return "PostScript"
    return "bytes" if b"\0" in raw[:512] else "text"
