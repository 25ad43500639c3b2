"""Does the prior matter (R37)? The same recipe, seeds and budget for each simple distribution that z may come from.

    python benchmarks/priors.py [--priors normal uniform binary spherical] [--seeds 3] [--steps 400] [--size 32]

Each run is measured by the Fréchet distance of its averaged generator from the training pictures on the named features
(`leafwing evaluate --metrics frechet`). Printed: the mean over seeds with its standard error, the spread (one standard
deviation) over seeds, and whether the mean differs from the first prior's beyond noise (Welch's test, 95 %). What the
lecture says: the prior can be another than normal, and the difference is not very large.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import torch

from leafwing import api
from leafwing.evaluation import evaluate
from leafwing.report.difference import differs, over_seeds


def distance(prior: str, seed: int, args: argparse.Namespace, folder: Path) -> float:
    """Train one run and measure it."""
    settings = [f"prior.name={prior}", f"data.image_size={args.size}", f"data.count={args.pictures}",
                "watch.samples=16", "watch.alarms=false", "watch.snapshots=false", *args.set]  # fmt: skip
    run = folder / f"{prior}-{seed}"
    api.train(None, args.recipe, out=run, steps=args.steps, seed=seed, settings=settings)
    found = evaluate(str(run), metrics=["frechet"], network=args.features, count=args.count, resamples=2)
    return next(iter(found.measures.values())).samples.value


def main() -> None:
    """Print a line for each prior."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--priors", nargs="+", default=["normal", "uniform", "binary", "spherical"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--pictures", type=int, default=4000)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--recipe", default="faces")
    parser.add_argument("--features", help="as for leafwing evaluate; what fits the data if left out")
    parser.add_argument("--set", nargs="*", default=[], help="further settings of the recipe")
    parser.add_argument("--keep", type=Path, help="keep the runs in this new folder")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or Path(scratch)
        found = {p: [distance(p, seed, args, folder) for seed in range(args.seeds)] for p in args.priors}
    first = over_seeds(found[args.priors[0]])
    print(f"{'prior':<18}{'distance':>20}{'spread over seeds':>20}  each seed")
    for prior, values in found.items():
        mark = {True: " differs", False: "", None: ""}[differs(first, over_seeds(values))]
        spread = statistics.stdev(values) if len(values) > 1 else float("nan")
        each = ", ".join(f"{value:.4g}" for value in values)
        print(f"{prior:<18}{over_seeds(values)!s:>20}{spread:>20.3g}  {each}{mark}")


if __name__ == "__main__":
    main()
