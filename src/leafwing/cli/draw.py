"""``leafwing sample`` and ``leafwing interpolate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def sample(
    run: Path,
    /,
    *,
    out: Path,
    count: int = 64,
    seed: int = 0,
    truncation: float | None = None,
    device: str = "auto",
) -> None:
    """Draw new pictures: a sheet if --out ends in .png, else single files into the folder --out.

    Example: leafwing sample runs/mine --count 1000 --seed 1 --out pictures/

    Parameters
    ----------
    run
        A run folder or its generator/.
    out
        A .png file for one sheet, or a folder for single files.
    count
        How many pictures.
    seed
        Picture i depends on the seed and i alone.
    truncation
        Draw z only within +- this: less variety, fewer broken pictures; 0.7 to 2 are usual.
    device
        auto, cpu or cuda.
    """
    from leafwing import api

    print(api.sample(run, count, seed, out, truncation=truncation, device=device))


def interpolate(
    run: Path,
    /,
    *,
    seeds: str,
    out: Path,
    frames: int = 15,
    kind: Annotated[Literal["spherical", "linear"], Parameter(name="--kind")] = "spherical",
    truncation: float | None = None,
    device: str = "auto",
) -> None:
    """Change one picture into another, through z: a strip (.png) or a film there and back (.gif, .mp4).

    Example: leafwing interpolate runs/mine --seeds 1,2,3 --out walk.gif

    Parameters
    ----------
    run
        A run folder or its generator/.
    seeds
        Two or more, with commas between them.
    out
        Ends in .png, .gif or .mp4.
    frames
        Pictures between two seeds.
    kind
        spherical keeps the length of z, linear is the straight line.
    truncation
        As for leafwing sample.
    device
        auto, cpu or cuda.
    """
    from leafwing import api
    from leafwing.core.errors import BadConfig

    try:
        numbers = [int(seed) for seed in seeds.split(",")]
    except ValueError:
        raise BadConfig(f"--seeds {seeds!r} should be whole numbers with commas, e.g. 1,2,3.") from None
    print(api.interpolate(run, numbers, out, frames=frames, kind=kind, truncation=truncation, device=device))
