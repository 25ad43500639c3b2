"""Few training pictures: what DiffAugment and ADA do to the distance from pictures that were not trained on.

    python benchmarks/few_pictures.py [--pictures 200] [--rounds 2000] [--batch 16] [--seeds 1]

The recipe `faces` at 32x32 on the first so many drawn faces, plain and with either augmentation, all else equal.
Printed: kernel distance, precision and recall of 2,000 samples of the averaged generator beside 2,000 faces
(features `faces`; the few are among them), D's accuracies on what it saw, ADA's last p, seconds of training.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from leafwing import api
from leafwing.recipe import load_recipe
from leafwing.watch.meter import read_rows

WAYS = {"none": [], "diffaugment": ["augment.name=diffaugment"], "ada": ["augment.name=ada", "augment.kimg=20"]}


def main() -> None:
    """Print a row a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("pictures", 200), ("rounds", 2000), ("batch", 16), ("seeds", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    for seed in range(options.seeds):
        for way, settings in WAYS.items():
            common = [
                "data.image_size=32", f"data.count={options.pictures}", f"train.steps={options.rounds}",
                f"train.batch={options.batch}", f"train.seed={seed}", "watch.measure_every=0", "watch.snapshots=false",
            ]  # fmt: skip
            recipe = load_recipe("faces", [*common, *settings])
            with tempfile.TemporaryDirectory() as folder:
                out, begun = Path(folder) / "run", time.perf_counter()
                api.train(recipe=recipe, out=out, device="cpu")
                seconds = time.perf_counter() - begun
                names = ["kernel", "precision", "recall"]
                found = api.evaluate(out, "world:faces", metrics=names, features="faces", count=2000).measures
                row = read_rows(out / "metrics.jsonl")[-1]
            told = "  ".join(f"{name} {line.samples.value:.4f}" for name, line in found.items())
            sure = f"{row['D/real_accuracy']:.2f}/{row['D/fake_accuracy']:.2f}"
            print(
                f"seed {seed} {way:12} {told}  D {sure}  p {row.get('augment/p', 0):.2f}  {seconds:.0f} s", flush=True
            )


if __name__ == "__main__":
    main()
