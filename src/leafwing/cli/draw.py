"""``leafwing sample`` and ``leafwing interpolate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

Given = Annotated[list[str] | None, Parameter(name="--given", consume_multiple=True, negative=())]


def sample(
    run: Path,
    /,
    *,
    out: Path,
    count: int = 64,
    seed: int = 0,
    given: Given = None,
    truncation: float | None = None,
    device: str = "auto",
) -> None:
    """Draw new pictures: a sheet if --out ends in .png, else single files into the folder --out.

    Example: leafwing sample runs/mine --count 1000 --seed 1 --out pictures/
    A conditional one: leafwing sample runs/mine --given eyes=red hair=* --count 8 --out sheet.png

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
    given
        What to ask for, as attribute=value; several may follow. eyes=* draws every value for the same z; what is not
        named is drawn as in the data, eyes=any leaves it to the generator.
    truncation
        Less variety, fewer broken pictures: z is drawn only within +- this, 0.7 to 2 are usual; a StyleGAN instead
        draws its styles towards their mean, to this share of their distance: 0.7 is usual.
    device
        auto, cpu or cuda.
    """
    from leafwing import api

    print(api.sample(run, count, seed, out, given=given or (), truncation=truncation, device=device))


def interpolate(
    run: Path,
    /,
    *,
    seeds: str,
    out: Path,
    frames: int = 15,
    kind: Annotated[Literal["spherical", "linear"], Parameter(name="--kind")] = "spherical",
    given: Given = None,
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
    given
        What to ask for all along, as for leafwing sample.
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
    asked = given or ()
    print(
        api.interpolate(run, numbers, out, frames=frames, kind=kind, given=asked, truncation=truncation, device=device)
    )
