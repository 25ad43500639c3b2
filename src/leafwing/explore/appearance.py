"""After how many rounds faces appear: the first moment at which most pictures show one (R43, R44).

A detector of anime faces looks for eyes, mouth and outline together; on `world:faces` the factor network tells whole
faces from broken ones. The first G draws noise, in which neither finds anything.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch

from leafwing.core import pictures, randomness
from leafwing.core.errors import BadConfig
from leafwing.core.progress import counting
from leafwing.explore.moments import some_moments
from leafwing.explore.of_run import Look, at_least
from leafwing.explore.players import fakes_of
from leafwing.measure import factors
from leafwing.measure.anime import faces_found, spread
from leafwing.measure.cascade import Cascade

WORLD = "world:faces"
MOST = 0.5
"""The share of pictures that counts as most."""


@dataclass(frozen=True)
class Moment:
    """What the G of one moment draws.

    Attributes:
        step: rounds.
        found: share of pictures in which the detector finds a face; None without a detector.
        whole: share of faces that are not broken; None of other pictures than drawn faces.
        spread: how much two pictures differ, in grey levels, as a share of the data's: a collapsed G finds faces too.
    """

    step: int
    found: float | None
    whole: float | None
    spread: float


@dataclass(frozen=True)
class Appearance:
    """All moments, in order."""

    moments: list[Moment]
    pictures: int

    def first(self, kind: str) -> int | None:
        """After how many rounds most pictures are ``found`` or ``whole`` for the first time; None for never."""
        shares = {m.step: getattr(m, kind) for m in self.moments}
        return next((step for step, share in shares.items() if share is not None and share > MOST), None)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        first = {kind: self.first(kind) for kind in ("found", "whole")}
        return {"pictures": self.pictures, "moments": [asdict(m) for m in self.moments], "first": first}

    def sentences(self) -> list[str]:
        """A line for each moment, and when most pictures show a face."""
        lines = [f"{'after rounds':>12} {'face found':>11} {'face whole':>11} {'variety':>8}"]
        for m in self.moments:
            found, whole = (f"{share:.2f}" if share is not None else "-" for share in (m.found, m.whole))
            lines.append(f"{m.step:>12,} {found:>11} {whole:>11} {m.spread:>8.2f}")
        for kind, words in (("found", "The detector finds a face"), ("whole", "A whole face is seen")):
            if getattr(self.moments[0], kind) is not None:
                step = self.first(kind)
                when = "at none of these moments yet" if step is None else f"first after {step:,} rounds"
                lines.append(f"{words} in most pictures {when}.")
        return lines


def appearance(run: Look, count: int = 128, cascade: Cascade | None = None, most: int = 12) -> Appearance:
    """Look at pictures of every G that was kept, all from the same z.

    Args:
        run: with snapshots or checkpoints.
        count: pictures of each moment, at least 2.
        cascade: a detector of faces.
        most: moments looked at, evenly spaced.

    Raises:
        BadConfig: pictures that are no drawn faces, and no detector.
        BadData: pictures too small for the detector.
    """
    at_least("--count", count, 2)
    drawn = run.recipe.data.source == WORLD
    if cascade is None and not drawn:
        raise BadConfig(
            f"Faces in {run.folder} need a detector: give --cascade FILE, such as lbpcascade_animeface.xml."
        )
    those, reals = some_moments(run.folder, most), run.reals(count)
    z = run.prior.sample(len(reals.pictures), randomness.stream(run.recipe.train.seed, 0, "sheet"))
    usual, seen = spread(pictures.to_uint8(reals.pictures)), []
    with counting("looking") as report:
        for done, moment in enumerate(those):
            made = fakes_of(run.cast.generator(moment), z, reals.condition, run.recipe.train.batch).pictures
            shots = pictures.to_uint8(made)
            found = None if cascade is None else float(faces_found(shots, cascade).mean())
            whole = None
            if drawn:
                whole = 1 - float(factors.read(torch.as_tensor(made).float().cpu()).is_broken().double().mean())
            seen.append(Moment(moment.step, found, whole, spread(shots) / usual))
            report(done + 1, len(those))
    return Appearance(seen, len(z))
