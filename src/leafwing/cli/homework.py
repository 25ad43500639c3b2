"""``leafwing homework``: the archive that the course asks for, written and checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

app = App(name="homework", help="The course's archive of 1,000 pictures: write it, check it.", help_format="plaintext")


@app.command
def export(run: Path, /, *, out: Path, seed: int = 1, truncation: float | None = None, device: str = "auto") -> None:
    """Draw 1,000 pictures into a .tgz as the course asks: 1.jpg to 1000.jpg, no folder, under 2 MB.

    Example: leafwing homework export runs/mine --out images.tgz

    Parameters
    ----------
    run
        A run folder or its generator/.
    out
        A file ending in .tgz.
    seed
        Picture i is sample i - 1 of leafwing sample with this seed.
    truncation
        As for leafwing sample: less variety, fewer broken pictures.
    device
        auto, cpu or cuda.
    """
    from leafwing.homework import archive, of_run

    quality = of_run.export(run, out, seed=seed, truncation=truncation, device=device)
    print(f"JPEG quality {quality}, the best under 2 MB")
    print("\n".join(archive.check(out).lines()))


@app.command
def check(
    file: Path,
    /,
    *,
    cascade: Path | None = None,
    json_output: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> None:
    """Is an archive what the course asks for? Looks at every picture without unpacking to the disk.

    Example: leafwing homework check images.tgz

    Parameters
    ----------
    file
        The .tgz that would be handed in.
    cascade
        An anime-face detector such as lbpcascade_animeface.xml: also print AFD, with the variety that belongs to it.
    json_output
        Print JSON.
    """
    from leafwing.core.errors import BadData
    from leafwing.homework import archive

    found = archive.check(file)
    print(json.dumps(found.as_dict(), indent=2) if json_output else "\n".join(found.lines()))
    if found.problems:
        more = f" (and {len(found.problems) - 1} more, listed above)" if len(found.problems) > 1 else ""
        raise BadData(f"{file} is not what the course asks for: {found.problems[0]}{more}")
    if cascade is not None and not json_output:
        from leafwing.core.progress import counting
        from leafwing.measure.anime import face_rate
        from leafwing.measure.cascade import read_cascade

        detector = read_cascade(cascade)
        with counting("looking for faces") as report:
            print(face_rate(archive.read(file), detector, progress=report))
        print("This AFD is not the course's: its grader never named its detector.")


@app.command
def thresholds() -> None:
    """The course's thresholds, and why they cannot be computed here.

    Example: leafwing homework thresholds
    """
    from leafwing.homework.course import thresholds_text

    print(thresholds_text())
