"""Does this machine reach the speed goals? One command, every figure from the same run, ten minutes or so.

    python benchmarks/goals.py [--device cpu] [--seconds 20] [--only dcgan]

Runs `leafwing bench train --against plain` for the recipes below that are shipped, and holds the rows against the
goals: the ratio to the textbook loop and, for R3GAN, to its memory on a CPU; images a second on a GPU (set for one
H200). The rows go to stdout as JSON, the verdicts to stderr. On a machine that is not quiet, look at ``cpu_ratio``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator

from leafwing.prepare import choose_device, computes_bf16
from leafwing.recipe import shipped

RATIOS = {  # recipe, precision, batch -> times the plain loop
    ("dcgan", "fp32", 32): 1.18,
    ("dcgan", "fp32", 64): 1.18,
    ("dcgan", "bf16", 32): 1.9,
    ("dcgan", "bf16", 64): 1.9,
    ("r3gan", "fp32", 16): 1.4,
    ("r3gan", "fp32", 32): 1.7,
    ("r3gan", "fp32", 64): 2.5,
    ("r3gan", "bf16", 16): 2.0,
    ("r3gan", "bf16", 32): 2.5,
    ("r3gan", "bf16", 64): 3.5,
}
MEMORY = {("r3gan", "fp32", 64): 1 / 3, ("r3gan", "bf16", 64): 1 / 3}  # of the plain loop's
SPEED = {("dcgan", "bf16", 256): 70_000, ("r3gan", "bf16", 256): 650}  # images a second, on a GPU
GPU_RATIOS = {("dcgan", "bf16", 64): 3.0}


def bench(recipe: str, device: str, batches: list[int], precisions: list[str], seconds: float) -> list[dict]:
    """The rows of one recipe, at one thread and two on a CPU."""
    chosen = [
        *(["--threads", "1", "2"] if device == "cpu" else []),
        *(["--batch", *map(str, batches)] if batches else []),
    ]
    command = [sys.executable, "-m", "leafwing", "bench", "train", "--recipe", recipe, "--against", "plain", "--json",
               "--device", device, "--precision", *precisions, *chosen,
               "--seconds", str(seconds)]  # fmt: skip
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)["rows"]


def verdicts(row: dict, device: str) -> Iterator[str]:
    """A line for each goal that this row has."""
    case = (row["recipe"], row["precision"], row["batch"])
    ratio = (RATIOS if device == "cpu" else GPU_RATIOS).get(case, 1.0)  # no recipe slower than its plain loop
    clocks = f"{row['ratio']:.2f}x the plain loop (CPU time {row['cpu_ratio']:.2f}x)"
    yield verdict(row["ratio"] >= ratio, f"{clocks}, goal {ratio:g}x")
    if device == "cpu" and case in MEMORY and row["peak_mb"] and row["plain_peak_mb"]:
        share = row["peak_mb"] / row["plain_peak_mb"]
        yield verdict(share <= MEMORY[case], f"{share:.2f} of the plain loop's memory, goal {MEMORY[case]:.2f}")
    if device != "cpu" and case in SPEED:
        yield verdict(
            row["images_per_s"] >= SPEED[case], f"{row['images_per_s']:,.0f} images/s, goal {SPEED[case]:,} (H200)"
        )


def verdict(reached: bool, what: str) -> str:
    """``reached`` or ``missed``, and by what."""
    return f"{'reached' if reached else 'missed '}  {what}"


def main() -> None:
    """Print JSON, and verdicts to stderr."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--only", nargs="*", default=list(shipped()))
    options = parser.parse_args()
    where = choose_device(options.device)
    goals = RATIOS if where.type == "cpu" else SPEED | GPU_RATIOS
    rows = []
    for recipe in (name for name in shipped() if name in options.only):
        mine = [case for case in goals if case[0] == recipe]
        precisions = [p for p in ("fp32", "bf16") if not mine or any(case[1] == p for case in mine)]
        if not computes_bf16(where):
            precisions = [p for p in precisions if p != "bf16"] or ["fp32"]
        batches = sorted({case[2] for case in mine})  # none: the recipe's own
        for row in bench(recipe, where.type, batches, precisions, options.seconds):
            rows.append(row)
            for line in verdicts(row, where.type):
                at = f"{row['recipe']}, {row['precision']}, batch {row['batch']}, threads {row['threads']}"
                print(f"{at}: {line}", file=sys.stderr, flush=True)
    print(json.dumps({"rows": rows}, indent=1))


if __name__ == "__main__":
    main()
