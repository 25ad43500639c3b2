"""What keeps a generator of next frames from ignoring z? Remedies side by side, on the maze, judged by its rules.

    python benchmarks/ignored_z.py [--out runs/ignored_z] [--rounds 2500] [--seed 0] [--only NAME ...]

The recipe `video-gan-maze` is played so many rounds (learning rates falling over all of them), as it is and with one
thing changed. Some two minutes of one core each at 2,500 rounds. A run that is there already is taken as it is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from leafwing import api
from leafwing.explore.maze import judge
from leafwing.run import is_run

BATCH = 16
REMEDIES: dict[str, list[str]] = {
    "as it is: energy score, 4 answers": [],
    "no remedy": ["variant.energy_weight=0"],
    "best of 4 answers instead": ["variant.energy_weight=0", "variant.best_weight=5"],
    "energy score alone, no D": ["variant.adversarial_weight=0"],
    "2 answers": ["variant.many=2"],
    "8 answers": ["variant.many=8"],
    "z normal, 4 numbers": ["prior.name=normal", "prior.dim=4"],
    "z as scales and shifts": ["generator.enters=modulate"],
    "pixels mixed, none picked": ["generator.colours=[]"],
}


def row(name: str, run: Path, rounds: int, seed: int) -> str:
    """Train, unless that was done, and judge."""
    if not is_run(run):
        falls = [f"optimizer.{who}.burn_in_kimg={rounds * BATCH / 1000}" for who in ("generator", "discriminator")]
        settings = [*falls, *REMEDIES[name]]
        api.train(None, "video-gan-maze", out=run, steps=rounds, seed=seed, settings=settings)
    found = judge(api.load(run), seed=seed)
    step, walk = found.one_step, found.walk
    figures = (step.legal, step.legal_open, step.turns_covered, step.odds_distance, walk.one_hero)
    return f"| {name} | " + " | ".join(f"{figure:.3f}" for figure in figures) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/ignored_z"))
    parser.add_argument("--rounds", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=list(REMEDIES), default=list(REMEDIES))
    asked = parser.parse_args()
    print(
        "| | legal | … at open moments | turns covered | odds apart | one hero |\n| --- | --- | --- | --- | --- | --- |"
    )
    for number, name in enumerate(REMEDIES):
        if name in asked.only:
            print(row(name, asked.out / f"{number}-{asked.rounds}-{asked.seed}", asked.rounds, asked.seed), flush=True)


if __name__ == "__main__":
    main()
