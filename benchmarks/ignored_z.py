"""What keeps a generator of next frames from ignoring z? Remedies side by side, on the maze, judged by its rules.

    python benchmarks/ignored_z.py [--out runs/ignored_z] [--rounds 2500] [--seed 0] [--only NAME ...]

The recipe `video-gan-maze` is played so many rounds (learning rates falling over all of them), as it is and with one
thing changed. Some two and a half minutes of one core each at 2,500 rounds. Frames are taken as they come,
without a second z where G hesitates. A run that is there is taken as it is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from leafwing import api
from leafwing.explore.maze import judge
from leafwing.run import is_run

BATCH = 32
NEITHER = ["variant.energy_weight=0", "variant.likelihood_weight=0"]
REMEDIES: dict[str, list[str]] = {
    "as it is: energy score and log score of 8 answers": [],
    "energy score alone": ["variant.likelihood_weight=0"],
    "log score alone": ["variant.energy_weight=0"],
    "neither": NEITHER,
    "best of 8 answers instead": [*NEITHER, "variant.best_weight=5"],
    "z read back by D instead": [*NEITHER, "variant.reading_weight=1"],
    "both, but no D": ["variant.adversarial_weight=0"],
    "4 answers to twice as many questions": ["variant.many=4"],
    "z as scales and shifts": ["generator.enters=modulate"],
    "energy score, pixels mixed instead of picked": ["variant.likelihood_weight=0", "generator.colours=[]"],
}


def row(name: str, run: Path, rounds: int, seed: int) -> str:
    """Train, unless that was done, and judge."""
    if not is_run(run):
        falls = [f"optimizer.{who}.burn_in_kimg={rounds * BATCH / 1000}" for who in ("generator", "discriminator")]
        settings = [*falls, *REMEDIES[name]]
        api.train(None, "video-gan-maze", out=run, steps=rounds, seed=seed, settings=settings)
    found = judge(api.load(run), seed=seed, tries=1)
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
