"""The archive that the course asks for: written from a run, and checked, whoever wrote it."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from leafwing.core.errors import BadConfig, BadData
from leafwing.core.published import replace_file
from leafwing.homework.course import COUNT, MOST_BYTES, SIDE

QUALITIES = (95, 92, 90, 87, 84, 80, 75, 70, 65, 60, 50, 40, 30, 20, 10)
"""JPEG qualities tried, the best first."""
LARGEST = 64 << 20
"""Bytes that an archive may hold unpacked before it is refused: 1,000 small pictures are far less."""


def write(pictures: Iterable[Image.Image], out: Path, note: Callable[[int], str]) -> int:
    """Write 1.jpg, 2.jpg ... into a .tgz without a folder, in the best JPEG quality that keeps it under 2 MB.

    Args:
        pictures: exactly 1,000.
        out: ends in .tgz or .tar.gz; there whole or not at all.
        note: number -> what the picture says of itself, kept as its JPEG comment.

    Returns:
        The JPEG quality taken. Equal pictures give an equal archive, byte for byte.

    Raises:
        BadConfig: another ending, another number of pictures, or pictures so large that no quality fits.
    """
    if not out.name.endswith((".tgz", ".tar.gz")):
        raise BadConfig(f"--out {out} should end in .tgz: the course takes a gzipped tar.")
    shots = [picture.convert("RGB") for picture in pictures]
    if len(shots) != COUNT:
        raise BadConfig(f"The course asks for {COUNT:,} pictures; got {len(shots):,}.")
    for quality in QUALITIES:
        packed = pack(shots, quality, note)
        if len(packed) < MOST_BYTES:
            out.parent.mkdir(parents=True, exist_ok=True)
            replace_file(out, packed)
            return quality
    side = max(shots[0].size)
    raise BadConfig(f"1,000 pictures of {side} pixels do not fit into 2 MB: the course's are {SIDE} x {SIDE}.")


def pack(pictures: Iterable[Image.Image], quality: int, note: Callable[[int], str]) -> bytes:
    """The bytes of the archive at this quality; no times or owners, so that they depend on the pictures alone."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for number, picture in enumerate(pictures, 1):
            file = io.BytesIO()
            picture.save(file, "JPEG", quality=quality, optimize=True, comment=note(number).encode())
            member = tarfile.TarInfo(f"{number}.jpg")
            member.size = file.tell()
            file.seek(0)
            tar.addfile(member, file)
    return packed.getvalue()


@dataclass
class Checked:
    """What is wrong with an archive.

    Attributes:
        path: the file.
        bytes: its size.
        pictures: how many of 1.jpg to 1000.jpg are there and whole.
        sizes: pictures by width x height.
        problems: what the course would refuse, a sentence each.
        remarks: what may be meant so.
    """

    path: str
    bytes: int = 0
    pictures: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For people."""
        sizes = ", ".join(f"{count:,} of {size}" for size, count in self.sizes.items())
        head = f"{self.path}: {self.bytes:,} bytes, {self.pictures:,} of {COUNT:,} pictures" + (
            f" ({sizes})" if sizes else ""
        )
        found = [f"  wrong: {problem}" for problem in self.problems] or ["  as the course asks"]
        return [head, *found, *(f"  note: {remark}" for remark in self.remarks)]


def check(path: Path) -> Checked:
    """Look at an archive without unpacking it to the disk.

    Raises:
        BadData: no such file.
    """
    if not path.is_file():
        raise BadData(f"{path} does not exist or is no file: give the .tgz that would be handed in.")
    found = Checked(str(path), path.stat().st_size)
    if found.bytes >= MOST_BYTES:
        found.problems.append(f"it has {found.bytes:,} bytes, and must have less than {MOST_BYTES:,}.")
    names: dict[str, str] = {}
    try:
        for name, content in members(path, found):
            look_at(name, content, names, found)
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        found.problems.append(f"it cannot be read as a gzipped tar ({' '.join(str(error).split()) or 'damaged'}).")
    missing = [f"{n}.jpg" for n in range(1, COUNT + 1) if f"{n}.jpg" not in names]
    if missing:
        found.problems.append(f"{len(missing):,} pictures are missing: {some(missing)}.")
    twins = len(names) - len(set(names.values()))
    if twins:
        found.remarks.append(f"{twins:,} pictures are copies of others, byte for byte: has the generator collapsed?")
    if set(found.sizes) - {f"{SIDE}x{SIDE}"}:
        found.remarks.append(f"the course's own pictures are {SIDE}x{SIDE}.")
    return found


def read(path: Path) -> NDArray[np.uint8]:
    """The pictures of an archive that :func:`check` found nothing wrong with, in their order: [1000, h, w, 3].

    Raises:
        BadData: pictures of several sizes.
    """
    found: dict[int, NDArray[np.uint8]] = {}
    for name, content in members(path, Checked(str(path))):
        with Image.open(io.BytesIO(content)) as image:
            found[int(name.removeprefix("./").removesuffix(".jpg"))] = np.asarray(image.convert("RGB"))
    if len({picture.shape for picture in found.values()}) > 1:
        raise BadData(f"{path} holds pictures of several sizes: a detection rate needs one.")
    return np.stack([found[number] for number in sorted(found)])


def members(path: Path, found: Checked) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files inside; folders, links and other things are noted as problems."""
    total, odd = 0, []
    with tarfile.open(path, "r:*") as tar:
        for number, member in enumerate(tar):
            total += max(member.size, 0)
            if total > LARGEST or number > 10 * COUNT:
                raise tarfile.TarError("it unpacks to far more than 1,000 small pictures")
            file = tar.extractfile(member) if member.isreg() else None
            if file is None:
                odd.append(member.name)
            else:
                yield member.name, file.read()
    if odd:
        found.problems.append(f"{len(odd):,} entries are no plain files (folders or links): {some(odd)}.")
    if path.read_bytes()[:2] != b"\x1f\x8b":
        found.problems.append("it is a tar but not gzipped: make it with tar czf.")


def look_at(name: str, content: bytes, names: dict[str, str], found: Checked) -> None:
    """One file of the archive."""
    plain = name.removeprefix("./")
    if plain != name and not any("./" in remark for remark in found.remarks):
        found.remarks.append(
            "names begin with ./, which a strict grader may take for a folder: pack with tar czf X *.jpg."
        )
    number = re.fullmatch(r"([1-9][0-9]*)\.jpg", plain)
    if not number or int(number[1]) > COUNT:
        where = "lies in a folder" if "/" in plain else "is none of 1.jpg to 1000.jpg"
        return complain(found, name, where)
    if plain in names:
        return complain(found, name, "is there twice")
    names[plain] = sha256(content).hexdigest()
    try:
        with Image.open(io.BytesIO(content)) as image:
            kind, size = image.format, f"{image.width}x{image.height}"
            image.load()
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError):
        return complain(found, name, "cannot be read as a picture")
    if kind != "JPEG":
        return complain(found, name, f"is {kind} under the name of a JPEG")
    found.pictures += 1
    found.sizes[size] = found.sizes.get(size, 0) + 1
    return None


def complain(found: Checked, name: str, what: str) -> None:
    """Note a problem of one file; the same problem of further files is counted, not listed."""
    for place, problem in enumerate(found.problems):
        again = re.fullmatch(re.escape(what) + r": (.*?)(?: and ([\d,]+) more)?\.", problem)
        if again:
            more = int((again[2] or "0").replace(",", "")) + 1
            found.problems[place] = f"{what}: {again[1]} and {more:,} more."
            return
    found.problems.append(f"{what}: {name[:80]}.")


def some(names: list[str]) -> str:
    """The first few of many names."""
    return ", ".join(name[:80] for name in names[:3]) + (", ..." if len(names) > 3 else "")
