"""What the doctor looks at in one picture, and what a build would do with it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leafwing.data import likeness, pictures
from leafwing.data.pictures import BadPicture, Target
from leafwing.data.tasks import PATIENCE, Piece

ENDINGS = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "MPO": {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"},
    "PNG": {".png", ".apng"},
    "WEBP": {".webp"},
    "BMP": {".bmp", ".dib"},
    "DIB": {".bmp", ".dib"},
    "TIFF": {".tif", ".tiff"},
    "GIF": {".gif"},
}


@dataclass
class Exam:
    """The findings on one candidate.

    Attributes:
        index: which candidate.
        reason: why it is not used; empty when it is.
        format: JPEG, PNG, …; empty for arrays and worlds.
        mode: Pillow's name of the colour mode before conversion: RGB, L, P, RGBA, CMYK, I;16, ….
        width: in pixels, upright.
        height: in pixels, upright.
        orientation: EXIF's, 1..8.
        animated: whether there are more frames than the first.
        transparent: whether any pixel shows the background.
        constant: whether all pixels have one colour.
        pixels: hash of the decoded RGB picture.
        dhash: perceptual hash, 64 bits.
        thumbnail: 768 bytes.
        sharpness: variance of the Laplacian at 64×64 grey.
    """

    index: int
    reason: str = ""
    format: str = ""
    mode: str = ""
    width: int = 0
    height: int = 0
    orientation: int = 1
    animated: bool = False
    transparent: bool = False
    constant: bool = False
    pixels: bytes = b""
    dhash: int = 0
    thumbnail: bytes = field(default=b"", repr=False)
    sharpness: float = 0.0

    def is_misnamed(self, name: str) -> bool:
        """Whether the ending promises another format than the content has."""
        ending = PurePosixPath(name).suffix.lower()
        return bool(self.format and ending) and ending not in ENDINGS.get(self.format, {ending})

    def fate(self, size: int) -> list[str]:
        """What a build with ``crop`` to ``size`` pixels does with it, step by step."""
        if self.reason:
            return ["skipped"]
        side = min(self.width, self.height)
        steps = {
            "first frame taken": self.animated,
            "turned upright": self.orientation != 1,
            f"converted from {self.mode}": self.mode not in ("RGB", "RGBA", "L", "LA"),
            "laid over the background": self.transparent,
            "cropped to a square": self.width != self.height,
            "shrunk": side > size,
            "enlarged": side < size,
        }
        return [step for step, applies in steps.items() if applies] or ["used as it is"]


@dataclass
class Examine:
    """The doctor's task: one candidate to its :class:`Exam`."""

    patience: float = PATIENCE

    def __call__(self, piece: Piece) -> Exam:
        """Decode in full, without the shortcuts of a build, and look."""
        index, raw = piece
        exam = Exam(index)
        try:
            if isinstance(raw, BadPicture):
                raise raw
            image = _opened(raw, exam)
            _measure(image, exam)
        except BadPicture as bad:
            exam.reason = str(bad)
        return exam

    def crashed(self, piece: Piece, why: str) -> Exam:
        """The decoder itself died over this file, or would not end."""
        return Exam(piece[0], reason=why)


def _opened(raw: bytes | NDArray[Any], exam: Exam) -> Image.Image:
    """Open, note the header, decode and turn upright."""
    if not isinstance(raw, bytes):
        image = pictures.from_array(raw)
        exam.mode = image.mode
        return image
    image = pictures.opened(raw)
    exam.format, exam.mode = image.format or "", image.mode
    exam.width, exam.height = image.size
    try:
        exam.animated = bool(getattr(image, "is_animated", False))
        exam.orientation = pictures.orientation(image)
        return pictures.upright(image)
    except Exception as error:
        raise pictures.damaged(error) from error


def _measure(image: Image.Image, exam: Exam) -> None:
    exam.width, exam.height = image.size
    pictures.check_side(*image.size)
    if image.has_transparency_data:
        exam.transparent = image.convert("RGBA").getchannel("A").getextrema() != (255, 255)
    colour = pictures.plain(image, 3, (255, 255, 255))
    exam.constant = all(low == high for low, high in (band.getextrema() for band in colour.split()))
    exam.pixels = hashlib.blake2b(repr(colour.size).encode() + colour.tobytes(), digest_size=16).digest()
    exam.dhash, exam.thumbnail = likeness.dhash(colour), likeness.thumbnail(colour)
    grey = pictures.fitted(colour, Target(64, 1))
    exam.sharpness = likeness.sharpness(np.asarray(grey)[:, :, 0])
