"""``leafwing demo``: the main job, and small experiments that show why the rules are as they are."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

app = App(name="demo", help="See the main job work, or its rules broken.", help_format="plaintext")


@app.default
def faces(*, out: Path = Path("demo"), steps: int | None = None, device: str = "auto") -> int:
    """Train the faces recipe on faces drawn by program, then draw a sheet, a time-lapse and an interpolation.

    Example: leafwing demo

    Parameters
    ----------
    out
        Where everything goes; a run that stopped there is gone on with.
    steps
        Rounds to play; the recipe's own if left out.
    device
        auto, cpu or cuda.
    """
    from leafwing.demos import faces as demo

    return demo.play(out, steps, device)


@app.command
def hack(*, steps: int = 200) -> None:
    """Break the rule: let D be tuned in G's turn. The score explodes, the pictures stay noise.

    Example: leafwing demo hack

    Parameters
    ----------
    steps
        Rounds to play.
    """
    from leafwing.demos import hack as demo

    print(demo.play(steps))


@app.command
def corner(
    *, out: Path = Path("demo-corner"), left: float = 0.5, seed: int = 0, steps: int | None = None, json: bool = False
) -> None:
    """At a junction the hero turns left or right: the supervised network goes both ways, the generator one of them.

    Example: leafwing demo corner --left 0.4

    Parameters
    ----------
    out
        Folder for the picture, corner.png.
    left
        How often the hero turns left.
    seed
        Everything random follows from it.
    steps
        Rounds of the game; the demo's own if left out.
    json
        Print JSON.
    """
    from leafwing.demos import corner as demo

    told = demo.play(out, left, seed, steps)
    print(dumps(told) if json else demo.text(told))


@app.command
def maze(
    *,
    out: Path = Path("demo-maze"),
    seed: int = 0,
    steps: int | None = None,
    device: str = "auto",
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """The lecture's Pac-Man, small: the supervised hero splits and fades, the generator's takes one way at a time.

    Example: leafwing demo maze --out runs/maze

    Parameters
    ----------
    out
        Folder for both runs, gone on with if they stopped there, and a film of each walking on by itself.
    seed
        Everything random follows from it.
    steps
        Rounds of each; the recipes' own if left out.
    device
        auto, cpu or cuda.
    json
        Print JSON.
    """
    from leafwing.demos import maze as demo

    told = demo.play(out, seed, steps, device)
    print(dumps(told) if json else demo.text(told))
