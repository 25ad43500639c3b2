"""``leafwing faces``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def faces(
    subject: str,
    /,
    *,
    count: int = 2000,
    seed: int = 0,
    cascade: Path | None = None,
    broken: Path | None = None,
    middle: Path | None = None,
    device: str = "auto",
    json_output: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> None:
    """Read generated faces and set them against the truth of world:faces: hair, eyes, turn of the head, broken ones.

    Example: leafwing faces runs/mine --broken worst.png --middle middle.png

    Parameters
    ----------
    subject
        A run folder, a folder or archive of pictures, or world:faces itself.
    count
        How many pictures.
    seed
        Of the samples.
    cascade
        An LBP cascade such as lbpcascade_animeface.xml: also tell AFD, with variety beside it.
    broken
        Save a sheet, sorted from the most broken face to the best.
    middle
        Save walks from left-looking to right-looking faces, and test whether the middle looks ahead.
    device
        auto, cpu or cuda.
    json_output
        Print JSON.
    """
    from leafwing import api

    report = api.faces(
        subject, count=count, seed=seed, cascade=cascade, broken=broken, middle=middle, device=device
    )  # fmt: skip
    print(json.dumps(report.as_dict(), indent=2) if json_output else report.text())
