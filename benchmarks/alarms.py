"""What the alarms see in a run, a line each look: where their thresholds come from, and what looking costs.

python benchmarks/alarms.py faces --steps 200 --set data.count=1000
"""

from __future__ import annotations

import argparse
import time

import torch

from leafwing import api, prepare
from leafwing.training import Training, Watcher, fit
from leafwing.watch.alarms import ADVICE, Alarms
from leafwing.watch.meter import Meter, Row
from leafwing.watch.soundness import Diverged, Soundness

SHOWN = ("D/adversarial", "D/real_accuracy", "D/fake_accuracy", "D/grad_norm", "G/grad_norm")
PICTURES = ("sheet/spread", "sheet/twins", "sheet/nearest", "sheet/copies")


class Timed(Alarms):
    """Alarms that count their own processor time."""

    spent = 0.0

    def start(self, training: Training) -> None:
        before = time.process_time()
        super().start(training)
        print(f"reading the reference: {time.process_time() - before:.2f} s of processor time")

    def look(self, row: Row, training: Training) -> None:
        before = time.process_time()
        super().look(row, training)
        self.spent += time.process_time() - before


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("recipe")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--set", nargs="*", default=[])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cpu = torch.device("cpu")
    recipe = prepare.settle(api.make_recipe(None, options.recipe, steps=options.steps, settings=options.set), cpu)
    store = prepare.read_store(recipe)
    training = prepare.prepare(recipe, store, cpu)
    watch, changes = Timed(len(store)), []

    def show(row: Row, _: Training) -> None:
        values = [f"{name} {row[name]:.3g}" for name in (*SHOWN, *PICTURES) if name in row]
        print(f"{row['step']:6}  {'  '.join(values)}", flush=True)
        changes.extend((row["step"], change["name"], change["on"]) for change in row.get("alarms", []))

    watchers: list[Watcher] = [
        Soundness(recipe.watch.log_every),
        watch,
        Meter(recipe.watch.log_every, [watch.look, show]),
    ]
    before = time.process_time()
    try:
        fit(training, watchers)
    except Diverged as end:
        print(end)
    total = time.process_time() - before
    print(f"{watch.spent:.2f} s of {total:.1f} s were spent on looking: {watch.spent / total:.2%}")
    print(f"alarms (of {', '.join(ADVICE)}): {changes or 'none'}")


if __name__ == "__main__":
    main()
