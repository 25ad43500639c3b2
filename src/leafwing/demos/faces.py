"""The main job: faces that nobody drew, how the generator learned them, and the way from one face to another."""

from __future__ import annotations

import time
from pathlib import Path

from leafwing import api
from leafwing.recipe import load_recipe
from leafwing.run import is_run

RECIPE = "faces"
SEED = 1
ENDS = (3, 8)


def play(out: Path, steps: int | None = None, device: str = "auto") -> int:
    """Train (or go on training) in ``out/run``, draw into ``out``, say where the pictures are.

    Returns:
        0, or 128 + n when signal n stopped the training.
    """
    begun = time.monotonic()
    run = out / "run"
    if is_run(run):
        goal = steps if steps is not None else load_recipe(RECIPE).train.steps
        outcome = api.resume(run, steps=goal, device=device)
    else:
        outcome = api.train(recipe=RECIPE, out=run, steps=steps, device=device)
    if outcome.stopped_by is not None:
        print(f"stopped and saved after {outcome.step:,} rounds; go on with: leafwing demo --out {out}")
        return 128 + outcome.stopped_by
    minutes = (time.monotonic() - begun) / 60
    strip, film = (
        api.interpolate(run, ENDS, out / f"interpolation.{ending}", frames=frames, device=device)
        for ending, frames in (("png", 6), ("gif", 24))
    )
    made = {
        "64 faces from 64 random z": api.sample(run, 64, SEED, out / "faces.png", device=device),
        "how it learned: the same z after more and more rounds": run / "samples" / "timeline.png",
        "the same as a film": run / "samples" / "timeline.gif",
        "from one face to another through z": strip,
        "the same as a film, there and back": film,
    }
    print(f"{outcome.step:,} rounds in {minutes:.1f} minutes. The pictures:")
    for what, path in made.items():
        print(f"  {path}  ({what})")
    return 0
