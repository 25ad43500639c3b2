"""From tensors to what a person can look at: sheets, captioned timelines, PNGs with their origin, films.

Inside Leafwing a picture is a float tensor [c, h, w] in [-1, 1]; it becomes uint8 only here, at the door.
A GIF plays everywhere; an MP4 (``pip install "leafwing[video]"``) is smaller and has truer colours.

Shape legend: n pictures, c channels (1 grey, 3 RGB, 4 RGBA), h height, w width.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageSequence, UnidentifiedImageError
from PIL.PngImagePlugin import PngImageFile, PngInfo
from torch import Tensor

from leafwing.core.errors import BadData, BadNetwork, LeafwingError, StorageFailed

if TYPE_CHECKING:
    from types import ModuleType

Pixels: TypeAlias = NDArray[np.uint8]
"""[n, h, w, c] or [h, w, c], 0 black to 255 full."""

PAPER = 255
"""The white behind and between pictures."""


class VideoUnavailable(LeafwingError):
    """An MP4 was asked for, but PyAV is not installed."""


# ------------------------------------------------------------------------------------------------ pictures


def to_uint8(pictures: Tensor) -> Pixels:
    """Turn pictures in [-1, 1] into bytes, each value to the nearest, halves upwards.

    Args:
        pictures: floating point, on any device; values outside [-1, 1] become black or full.

    Returns:
        A new array of (x + 1) * 127.5, rounded.

    Shape:
        ``[n, c, h, w] -> [n, h, w, c]``, c = 1 to 4.

    Raises:
        BadNetwork: another shape or type, or values that are not numbers.
    """
    if pictures.ndim != 4 or not 1 <= pictures.shape[1] <= 4 or not pictures.is_floating_point():
        raise BadNetwork(
            "Pictures must be floating point of shape [n, c, h, w] with 1 to 4 channels; "
            f"got {str(pictures.dtype).removeprefix('torch.')} {list(pictures.shape)}."
        )
    x = pictures.detach().float()
    if bool(x.isnan().any()):
        raise BadNetwork("Some pixels are not numbers (NaN): the generator diverged; use an earlier checkpoint.")
    # floor(x + 1/2), not round(), which takes halves to the even neighbour.
    levels = x.add(1).mul_(127.5).add_(0.5).floor_().clamp_(0, 255).byte()
    result: Pixels = levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return result


def to_image(pixels: Pixels) -> Image.Image:
    """One picture, [h, w, c] with 1 to 4 channels, as a Pillow image (L, LA, RGB or RGBA)."""
    return Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))


def sheet(pictures: Pixels, columns: int | None = None, gap: int = 2, scale: int = 1) -> Image.Image:
    """Lay pictures out on white paper, row by row.

    Args:
        pictures: [n, h, w, c] uint8, n at least 1.
        columns: pictures in a row; None makes the sheet about square, 8 x 8 for 64.
        gap: white pixels between pictures and around them.
        scale: each pixel becomes a square of this side, so that small pictures can be seen.

    Raises:
        ValueError: no pictures, or numbers out of range.
    """
    n, h, w, c = pictures.shape
    columns = math.ceil(math.sqrt(n)) if columns is None else columns
    if n < 1 or columns < 1 or gap < 0 or scale < 1:
        raise ValueError(
            "a sheet needs at least 1 picture and 1 column, gap >= 0 and scale >= 1; "
            f"got {n} pictures, columns={columns}, gap={gap}, scale={scale}"
        )
    h, w, columns = h * scale, w * scale, min(columns, n)
    rows = math.ceil(n / columns)
    paper = np.full((rows * (h + gap) + gap, columns * (w + gap) + gap, c), PAPER, dtype=np.uint8)
    for i, picture in enumerate(pictures):
        top, left = gap + i // columns * (h + gap), gap + i % columns * (w + gap)
        paper[top : top + h, left : left + w] = picture.repeat(scale, axis=0).repeat(scale, axis=1)
    return to_image(paper)


def captioned(
    images: Sequence[tuple[str, Image.Image]], columns: int, gap: int = 8, font_size: int = 14
) -> Image.Image:
    """Images on white paper, each under its caption: a timeline, a comparison.

    Columns are as wide as the widest image or caption. The font is Pillow's own, so none need be installed;
    it holds Latin letters and common signs.

    Args:
        images: (caption, image) pairs, at least one; a caption may have several lines.
        columns: images in a row.
        gap: white pixels around each image with its caption.
        font_size: height of the letters in pixels.

    Raises:
        ValueError: no images, or ``columns`` below 1.
    """
    if not images or columns < 1:
        raise ValueError(f"captioned needs an image and a column; got {len(images)} images, columns={columns}")
    font = ImageFont.load_default(font_size)
    text_width, text_height = _room_for([caption for caption, _ in images], font)
    width = max(text_width, *(image.width for _, image in images))
    rows = [images[i : i + columns] for i in range(0, len(images), columns)]
    heights = [text_height + gap // 2 + max(image.height for _, image in row) for row in rows]
    size = (gap + len(rows[0]) * (width + gap), gap + sum(height + gap for height in heights))
    paper = Image.new("RGB", size, (PAPER, PAPER, PAPER))
    draw, top = ImageDraw.Draw(paper), gap
    for row, height in zip(rows, heights, strict=True):
        for i, (caption, image) in enumerate(row):
            left = gap + i * (width + gap)
            draw.multiline_text((left, top), caption, fill=(0, 0, 0), font=font)
            paper.paste(_flat(image), (left, top + text_height + gap // 2))
        top += height + gap
    return paper


def _room_for(captions: Sequence[str], font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> tuple[int, int]:
    """Width and height in pixels that hold each of the captions."""
    ruler = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    boxes = [ruler.multiline_textbbox((0, 0), caption, font) for caption in captions]
    return math.ceil(max(box[2] for box in boxes)), math.ceil(max(box[3] for box in boxes))


def _flat(image: Image.Image) -> Image.Image:
    """As RGB, what is transparent over white paper."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    paper = Image.new("RGBA", image.size, (PAPER, PAPER, PAPER, 255))
    return Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB")


# ---------------------------------------------------------------------------------------------------- PNGs


def save_png(image: Image.Image, path: str | Path, metadata: Mapping[str, str]) -> None:
    """Write a PNG that carries where it comes from: recipe, seed, z, "made by a generator".

    The file appears whole or not at all; missing folders are made.

    Args:
        image: the picture.
        path: the file; an existing one is replaced.
        metadata: text by keyword; keywords are 1 to 79 Latin letters, texts may hold anything. They become
            tEXt chunks, or iTXt where Latin-1 does not suffice.

    Raises:
        ValueError: a keyword that a PNG cannot hold.
        StorageFailed: the disk refused.
    """
    info = PngInfo()
    for keyword, text in metadata.items():
        if not (1 <= len(keyword) <= 79 and keyword.isascii() and keyword.isprintable()):
            raise ValueError(f"a PNG keyword is 1 to 79 plain letters; got {keyword!r}")
        info.add_text(keyword, text)
    with _beside(path) as draft:
        image.save(draft, format="PNG", pnginfo=info)


def read_png_metadata(path: str | Path) -> dict[str, str]:
    """The texts that :func:`save_png` wrote, by keyword.

    Raises:
        BadData: no such file, or no PNG.
    """
    try:
        with Image.open(path, formats=("PNG",)) as image:
            assert isinstance(image, PngImageFile)
            return {keyword: str(text) for keyword, text in image.text.items()}
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError) as error:
        raise BadData(f"{path} cannot be read as a PNG: {' '.join(str(error).split())}.") from error


@contextmanager
def _beside(path: str | Path) -> Iterator[Path]:
    """Give a file name beside ``path`` to write to, then rename: a reader never sees half a picture."""
    path = Path(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        os.replace(draft, path)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        draft.unlink(missing_ok=True)


# --------------------------------------------------------------------------------------------------- films


def save_gif(frames: Sequence[Image.Image], path: str | Path, fps: float, hold_last_s: float = 1.0) -> None:
    """Write an endless GIF with one palette for all frames, so that colours do not flicker.

    A GIF counts time in hundredths of a second and players refuse less than two, so at most 50 frames a
    second are shown. A frame equal to the one before it is stored as a longer pause.

    Args:
        frames: of one size, at least one.
        path: the file; an existing one is replaced.
        fps: frames a second, above 0.
        hold_last_s: seconds for which the last frame stays before the film starts again.

    Raises:
        ValueError: no frames, frames of several sizes, or numbers out of range.
        StorageFailed: the disk refused.
    """
    _check_film(frames, fps)
    if hold_last_s < 0:
        raise ValueError(f"hold_last_s must be at least 0; got {hold_last_s}")
    pause = max(20, round(100 / fps) * 10)  # milliseconds
    pauses = [pause] * (len(frames) - 1) + [max(pause, round(hold_last_s * 100) * 10)]
    palette = _palette(frames)
    first, *rest = (_flat(frame).quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for frame in frames)
    with _beside(path) as draft:
        first.save(draft, format="GIF", save_all=True, append_images=rest, duration=pauses, loop=0)


def _palette(frames: Sequence[Image.Image]) -> Image.Image:
    """256 colours that suit the whole film, from at most 16 frames spread over it.

    Thumbnails of 32 x 32 pixels are enough to know the colours, and make k-means affordable.
    """
    n, side = min(16, len(frames)), 32
    mosaic = Image.new("RGB", (side, side * n))
    for i in range(n):
        frame = _flat(frames[i * len(frames) // n])
        mosaic.paste(frame.resize((side, side), Image.Resampling.NEAREST), (0, i * side))
    return mosaic.quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=1)


def save_mp4(frames: Sequence[Image.Image], path: str | Path, fps: float) -> None:
    """Write an MP4 that browsers and phones play: H.264 in yuv420p, or MPEG-4 where H.264 is not built in.

    A side of an odd number of pixels gains one, a copy of its last; yuv420p has no odd sides.

    Args:
        frames: of one size, at least one.
        path: the file; an existing one is replaced.
        fps: frames a second, above 0.

    Raises:
        VideoUnavailable: PyAV is not installed.
        ValueError: no frames, frames of several sizes, or fps out of range.
        StorageFailed: the disk refused.
    """
    _check_film(frames, fps)
    av = _import_av()
    width, height = (side + side % 2 for side in frames[0].size)
    with (
        _beside(path) as draft,
        av.open(str(draft), "w", format="mp4", options={"movflags": "faststart"}) as film,
    ):
        codec, options = _encoder(av)
        stream = film.add_stream(codec, rate=Fraction(fps).limit_denominator(1001), options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            pixels = np.asarray(_flat(frame))
            spare = ((0, height - pixels.shape[0]), (0, width - pixels.shape[1]), (0, 0))
            film.mux(stream.encode(av.VideoFrame.from_ndarray(np.pad(pixels, spare, mode="edge"), "rgb24")))
        film.mux(stream.encode(None))  # what the encoder still holds


def read_film(path: str | Path) -> list[Image.Image]:
    """All frames of a GIF or an MP4, in order, as RGB; meant for short films.

    Raises:
        VideoUnavailable: for an MP4, if PyAV is not installed.
        BadData: no such file, or no film.
    """
    try:
        if Path(path).suffix.lower() == ".gif":
            with Image.open(path) as film:
                return [frame.convert("RGB") for frame in ImageSequence.Iterator(film)]
        with _import_av().open(str(path)) as container:
            return [frame.to_image() for frame in container.decode(video=0)]
    except (OSError, ValueError, IndexError) as error:
        why = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise BadData(f"{path} cannot be read as a film ({why}): save it again.") from error


def _check_film(frames: Sequence[Image.Image], fps: float) -> None:
    sizes = {frame.size for frame in frames}
    if len(sizes) != 1:
        raise ValueError(f"a film needs frames of one size, at least one; got {len(frames)} of sizes {sorted(sizes)}")
    if not 0 < fps < math.inf:
        raise ValueError(f"fps must be above 0 and finite; got {fps}")


def _import_av() -> ModuleType:
    try:
        import av
    except ImportError as error:
        raise VideoUnavailable('MP4 films need PyAV: pip install "leafwing[video]", or make a GIF.') from error
    return av


def _encoder(av: ModuleType) -> tuple[str, dict[str, str]]:
    """The best encoder this PyAV has, with settings that leave no visible loss."""
    try:
        av.Codec("libx264", "w")
    except av.codec.codec.UnknownCodecError:
        return "mpeg4", {"flags": "+qscale", "global_quality": str(2 * 118)}  # 118 = FF_QP2LAMBDA
    return "libx264", {"crf": "18"}
