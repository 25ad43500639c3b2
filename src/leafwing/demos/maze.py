"""The lecture's Pac-Man, small: a supervised network and a generator learn one game, then walk on by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from leafwing import api
from leafwing.core.errors import BadConfig
from leafwing.explore.maze import judge
from leafwing.run import is_run, read_recipe

RECIPES = {"supervised": "video-supervised", "generator": "video-gan-maze"}
WORDS = {
    "one_step": {
        "legal": "next frames that are legal",
        "legal_open": "... where several turns are possible",
        "split_open": "... answers there with two or more heroes",
        "unclear_open": "... pixels there near no colour",
        "turns_covered": "possible turns taken in 24 answers",
        "odds_distance": "distance of the turns' odds",
        "psnr": "PSNR, dB",
        "psnr_best": "PSNR of the best of 8, dB",
        "sharpness": "sharpness over the truth's",
    },
    "walk": {
        "legal": "frames of a walk that are legal",
        "one_hero": "... with one hero",
        "split": "... with two or more",
        "vanished": "... with none",
        "ghosts_right": "... with a ghost of each colour",
        "recoloured": "... with a sprite in another's colour",
        "sharpness": "sharpness over the truth's",
    },
}


def play(out: Path, seed: int = 0, steps: int | None = None, device: str = "auto") -> dict[str, Any]:
    """Train both (or go on, or take what is there), judge both on unseen episodes, write a film of each walking on.

    Args:
        out: folder for two runs and two films.
        seed: of both runs.
        steps: rounds of each; the recipes' own if left out.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.

    Returns:
        ``{"supervised": {...}, "generator": {...}}``, see `leafwing.explore.maze.Judged`.

    Raises:
        BadConfig: numbers out of range.
    """
    if seed < 0 or (steps is not None and steps < 1):
        which = f"--seed {seed} cannot be: at least 0." if seed < 0 else f"--steps {steps} cannot be: at least 1."
        raise BadConfig(which)
    found: dict[str, Any] = {}
    for name, recipe in RECIPES.items():
        run = out / name
        if is_run(run):
            refuse_other_seed(run, seed)
            api.resume(run, steps=steps, device=device)
        else:
            api.train(None, recipe, out=run, steps=steps, seed=seed, device=device)
        found[name] = judge(api.load(run, device=device), seed=seed).as_dict()
        api.predict(run, "world:maze", out / f"{name}.gif", steps=64, samples=4, seed=seed, device=device)
    return found


def refuse_other_seed(run: Path, seed: int) -> None:
    """What is there goes on; it is not shown as another seed's."""
    played = read_recipe(run).train.seed
    if played != seed:
        raise BadConfig(f"{run} was trained with --seed {played}: give --seed {played}, or another --out for {seed}.")


def text(found: dict[str, Any]) -> str:
    """What :func:`play` found, as a table for people."""
    lines = [f"{'':44}" + "".join(f"{name:>12}" for name in found)]
    for part, rows in WORDS.items():
        for key, words in rows.items():
            lines.append(f"{words:44}" + "".join(f"{told[part][key]:12.3f}" for told in found.values()))
    return "\n".join(lines)
