"""Sheets of pictures from the same z as training goes on, and a time-lapse over them."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from pathlib import Path

import torch
from PIL import Image
from torch import nn

from leafwing.core import pictures, randomness
from leafwing.core.asking import tour
from leafwing.core.errors import LeafwingError, StorageFailed
from leafwing.core.progress import say
from leafwing.core.vocabulary import Codes
from leafwing.game import Terms, call
from leafwing.training import Training, Watcher
from leafwing.watch.average import standing

LECTURE_STEPS = (100, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
"""The rounds after which the lecture looks at its samples (R72)."""
GAP = 2


def is_sheet_step(step: int) -> bool:
    """Whether a sheet is drawn after so many rounds: 0, then 1 2 3 5 7 times a power of ten from 10 on.

    Independent of how long the run will be, so that a resumed run goes on with the same grid. Holds all of
    :data:`LECTURE_STEPS`.
    """
    digits = str(step)
    return step == 0 or (step >= 10 and digits[0] in "12357" and set(digits[1:]) == {"0"})


class Samples(Watcher):
    """Draws ``count`` pictures from fixed z with the averaged generator.

    Args:
        folder: gets ``step-00000100.png`` and so on, and at the end ``timeline.png``, ``.gif``, ``.mp4``.
        count: pictures on a sheet.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.count = folder, count

    def start(self, training: Training) -> None:
        """The sheet of step 0: what an untrained generator draws."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if training.step == 0:
            self.draw(training)

    def after_round(self, training: Training, log: Terms) -> None:
        """A sheet at the steps of the grid."""
        if is_sheet_step(training.step) or training.step == training.goal:
            self.draw(training)

    def finish(self, training: Training) -> None:
        """The time-lapse; a sheet that cannot be read or a full disk costs the film, not the run."""
        try:
            make_timelapse(self.folder, training.step)
        except (OSError, LeafwingError) as problem:
            say(f"The time-lapse could not be made ({problem}); the run itself is not hurt.")

    def draw(self, training: Training) -> None:
        """Save the sheet of this step."""
        made = self.sample(training)
        tour = self.tour(training)
        columns = tour[1] if tour else math.ceil(math.sqrt(self.count))
        columns = self.futures if training.conditions and not training.vocabulary else columns
        image = pictures.sheet(pictures.to_uint8(made), columns, gap=GAP)
        about = {
            "Software": "Leafwing: pictures made by a generator",
            "leafwing:step": str(training.step),
            "leafwing:rows": str(math.ceil(len(made) / columns)),
        }
        if tour and training.vocabulary:
            lines = tour[0][::columns, :1]
            about["leafwing:lines"] = ", ".join(training.vocabulary.attributes[0].show(float(c)) for c in lines[:, 0])
        try:
            pictures.save_png(image, self.folder / f"step-{training.step:08}.png", about)
        except StorageFailed as problem:
            say(f"{problem} Training goes on without this sheet.")

    @torch.no_grad()
    def sample(self, training: Training) -> torch.Tensor:
        """The fixed z through the averaged generator, in evaluation mode, eight at a time.

        With a condition each line asks for another value of the first attribute, and z is the same down a column.
        """
        players, G = training.players, standing(training)
        z = players.prior.sample(self.count, randomness.stream(players.seed, 0, "sheet"))
        device = next(G.parameters()).device
        if training.conditions and not training.vocabulary:
            return self.moments(training, G, z)
        tour = self.tour(training)
        if tour is None or training.vocabulary is None:
            return torch.cat([call(G, part.to(device), None).float().cpu() for part in torch.split(z, 8)])
        codes, columns = tour
        asked = torch.from_numpy(training.vocabulary.encode(codes))
        z = z[:columns].repeat(len(codes) // columns, 1)
        pairs = zip(torch.split(z, 8), torch.split(asked, 8), strict=True)
        return torch.cat([call(G, some.to(device), x.to(device)).float().cpu() for some, x in pairs])

    @property
    def futures(self) -> int:
        """Columns of a sheet of films: what came last, what came next, and in the others what G says comes next."""
        return min(8, 2 + self.count)

    def moments(self, training: Training, G: nn.Module, z: torch.Tensor) -> torch.Tensor:
        """For a generator of next frames: each line a moment, its last frame, what followed, answers to several z."""
        answers, lines = self.futures - 2, max(1, self.count // self.futures)
        turns = range(-(-lines * training.variant.many // len(training.reals(0))))
        each = slice(None, lines * training.variant.many, training.variant.many)
        real = torch.cat([training.reals(turn) for turn in turns])[each]
        past = training.asked(0, lines * training.variant.many)
        assert past is not None
        past = past[each]
        shown = [past[:, -real.shape[1] :], real]
        for some in z[:answers].to(real.device):
            shown.append(call(G, some.expand(len(past), -1), past).to(real.dtype))
        return torch.stack(shown, 1).flatten(0, 1).float().cpu()

    def tour(self, training: Training) -> tuple[Codes, int] | None:
        """What each picture of the sheet asks for, and its columns; None without a condition."""
        vocabulary = training.vocabulary
        return tour(vocabulary, self.count, training.players.seed) if vocabulary else None


def sheets(folder: Path) -> list[tuple[int, Path]]:
    """The sheets in a folder with their steps, in order of steps."""
    found = [(re.fullmatch(r"step-(\d+)\.png", path.name), path) for path in folder.glob("step-*.png")]
    return sorted((int(match[1]), path) for match, path in found if match)


def make_timelapse(folder: Path, last: int) -> None:
    """``timeline.gif`` and ``.mp4`` over all sheets up to step ``last``, and ``timeline.png`` with a row of each."""
    steps = [(step, read_sheet(path)) for step, path in sheets(folder) if step <= last]
    if not steps:
        return
    rows = [(f"{step:,} rounds", top_row(image)) for step, image in steps]
    pictures.captioned(rows, columns=1).save(folder / "timeline.png")
    frames = same_size([pictures.captioned([(f"{step:,} rounds", image)], columns=1) for step, image in steps])
    pictures.save_gif(frames, folder / "timeline.gif", fps=2, hold_last_s=3)
    with suppress(pictures.VideoUnavailable):  # the GIF shows the same
        pictures.save_mp4([*frames, *frames[-1:] * 5], folder / "timeline.mp4", fps=2)


def read_sheet(path: Path) -> Image.Image:
    """A sheet with what it says of itself, its file closed again."""
    with Image.open(path) as image:
        return image.copy()


def same_size(frames: list[Image.Image]) -> list[Image.Image]:
    """The frames on white paper as large as the largest: a long caption may be wider than a small sheet."""
    width, height = max(f.width for f in frames), max(f.height for f in frames)
    papers = [Image.new("RGB", (width, height), "white") for _ in frames]
    for paper, frame in zip(papers, frames, strict=True):
        paper.paste(frame, (0, 0))
    return papers


def top_row(sheet: Image.Image) -> Image.Image:
    """The first row of a sheet, which says itself how many rows it has."""
    rows = int(sheet.info.get("leafwing:rows", 1))
    return sheet.crop((0, 0, sheet.width, sheet.height // rows))
