"""Everything that can be told of drawn faces, of a generator's or of a folder's: against the truth of `world:faces`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from leafwing.core.errors import BadConfig
from leafwing.core.pictures import captioned, save_png, sheet, to_uint8
from leafwing.core.progress import counting
from leafwing.data import open_data
from leafwing.explore.asked import Asking
from leafwing.explore.middle import Middle, left_plus_right
from leafwing.generator import Generator, is_generator
from leafwing.loading import load_generator
from leafwing.measure import faces_world, factors
from leafwing.measure.anime import FaceRate, asymmetry, face_rate
from leafwing.measure.broken import ranked_sheet
from leafwing.measure.cascade import read_cascade
from leafwing.measure.faces_world import AgainstTruth
from leafwing.measure.sharpness import sharpness

File: TypeAlias = str | os.PathLike[str]

WORLD = "world:faces"
TRUE_FACES = 1000
"""True faces that sharpness, symmetry and the middle are set beside."""


@dataclass(frozen=True)
class FacesReport:
    """What was found.

    Attributes:
        subject: what was looked at.
        truth: each factor against the truth, joint coverage, broken and odd-eyed faces.
        sharpness: mean over the pictures, and over true faces.
        asymmetry: likewise, in grey levels.
        anime: AFD with its number for variety, if a cascade was given.
        middle: left plus right is front, if it was asked for.
    """

    subject: str
    truth: AgainstTruth
    sharpness: tuple[float, float]
    asymmetry: tuple[float, float]
    anime: FaceRate | None
    middle: Middle | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "subject": self.subject,
            **self.truth.as_dict(),
            "sharpness": dict(zip(("pictures", "true_faces"), self.sharpness, strict=True)),
            "asymmetry": dict(zip(("pictures", "true_faces"), self.asymmetry, strict=True)),
            "anime": asdict(self.anime) if self.anime else None,
            "middle": self.middle.as_dict() if self.middle else None,
        }

    def text(self) -> str:
        """For people."""
        lines = [f"{self.subject}: {self.truth.text()}"]
        lines.append("sharpness {:.0f} (true faces: {:.0f})".format(*self.sharpness))
        lines.append("left from right mirrored: {:.1f} grey levels (true faces: {:.1f})".format(*self.asymmetry))
        lines += [str(self.anime)] if self.anime else []
        lines += [self.middle.text()] if self.middle else []
        return "\n".join(lines)


def look(
    subject: str,
    *,
    count: int = 2000,
    seed: int = 0,
    cascade: File | None = None,
    broken: File | None = None,
    middle: File | None = None,
    device: str = "auto",
) -> FacesReport:
    """Look at a generator's faces, or at those of a data set.

    Args:
        subject: a run folder or its generator/, a folder or archive of pictures, or ``world:faces``.
        count: how many, at least 2.
        seed: of the samples; of a world, which instance.
        cascade: a detector's file, for AFD.
        broken: a .png file for the sheet sorted from the worst face to the best.
        middle: a .png file for walks from left-looking to right-looking faces, and to test their middle.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.

    Raises:
        BadConfig: a number or file name that cannot be, or a middle without a generator.
        BadData, BadRun: the subject or the cascade cannot be read.
    """
    G = load_generator(Path(subject), device) if is_generator(Path(subject)) else None
    if G:
        G.knows(())  # how to draw pictures
    _check(count, subject, G, broken, middle)
    detector = read_cascade(Path(cascade)) if cascade is not None else None
    pictures = _samples(G, count, seed) if G else _pictures(subject, count, seed)
    real = _pictures(WORLD, TRUE_FACES, 0, pictures.shape[1])
    with counting("reading faces") as report:
        reading = factors.read(_batches(pictures, report))
    rate = None
    if detector is not None:
        with counting("finding faces") as report:
            rate = face_rate(pictures, detector, real=real, progress=report)
    found = None
    if G and middle:
        asked = Asking(G).conditions(seed, 0, 1)
        found, paths = left_plus_right(
            G.network, G.prior, _tensor(real), seed=seed, condition=None if asked is None else asked[0]
        )
        _save(middle_sheet(paths), middle)
    if broken:
        _save(ranked_sheet(pictures, reading.broken), broken)
    sharp, crooked = ((_sharp(some), float(asymmetry(some[:TRUE_FACES]).mean())) for some in (pictures, real))
    return FacesReport(
        subject, faces_world.against_truth(reading), (sharp[0], crooked[0]), (sharp[1], crooked[1]), rate, found
    )


def middle_sheet(paths: Tensor, rows: int = 8) -> Image.Image:
    """Walks [p, s, 3, h, w] in [-1, 1], a row each, and at the end of each row the pixel blend of its ends."""
    walks = paths[:rows]
    blends = (walks[:, :1] + walks[:, -1:]) / 2
    shown = to_uint8(torch.cat([walks, blends], 1).flatten(0, 1))
    title = "from left to right through z; last in each row: the pixel blend of its ends"
    return captioned([(title, sheet(shown, columns=paths.shape[1] + 1))], columns=1)


def _check(count: int, subject: str, G: Generator | None, *sheets: File | None) -> None:
    if count < 2:
        raise BadConfig(f"--count {count} cannot be: look at 2 pictures or more.")
    for path in sheets:
        if path is not None and Path(path).suffix.lower() != ".png":
            raise BadConfig(f"{path} should end in .png: it becomes a sheet of pictures.")
    if sheets[1] is not None and G is None:
        raise BadConfig(f"--middle walks through z, so it needs a run; {subject} is none.")


def _samples(G: Generator, count: int, seed: int) -> NDArray[np.uint8]:
    with counting("drawing") as report:
        parts: list[NDArray[np.uint8]] = []
        for drawn in Asking(G).draw(count, seed):
            parts.append(to_uint8(drawn.pictures))
            report(sum(map(len, parts)), count)
    return np.concatenate(parts)


def _pictures(source: str, count: int, seed: int, side: int = factors.SIDE) -> NDArray[np.uint8]:
    with counting(f"reading {source}") as report:
        store = open_data(source, image_size=side, count=count, world_seed=seed, progress=report)
    return np.asarray(store.pictures[:count])


def _tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """uint8 [n, h, w, 3] -> float [n, 3, h, w] in [-1, 1]."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1


def _batches(pictures: NDArray[np.uint8], report: Callable[[int, int], None], size: int = 256) -> Iterator[Tensor]:
    for start in range(0, len(pictures), size):
        yield _tensor(pictures[start : start + size])
        report(min(start + size, len(pictures)), len(pictures))


def _sharp(pictures: NDArray[np.uint8]) -> float:
    """Mean sharpness, a batch at a time."""
    parts = [sharpness((batch + 1) * 127.5) for batch in torch.split(_tensor(pictures[:TRUE_FACES]), 256)]
    return float(torch.cat(parts).mean())


def _save(image: Image.Image, path: File) -> None:
    save_png(image, Path(path), {"Software": "Leafwing"})
