"""The chatbot's figures: the game with likelihood, the game alone, likelihood alone; right, all and different answers.

    python benchmarks/replies.py [--out runs/replies] [--data FILE.jsonl.gz] [--seed 0]
    python benchmarks/replies.py --runs RUN ...

Trains the three on `world:replies` (on CPU some minutes each), or, with --data, chat-gan and chat-mle at the sizes that
docs/chat.md names on a file of one's own; or measures runs that are there. Printed are seconds of the processor, the
table of `leafwing chat RUN --measure`, and the same for the answer made of the likeliest words, which is always one.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from leafwing import api
from leafwing.cli.chat import table
from leafwing.explore.chat import Chat
from leafwing.explore.replies import Quality, measure, quality, questions
from leafwing.prepare import read_replies
from leafwing.recipe import Recipe

WORLD = {"game and likelihood": ("chat-gan", []), "game alone": ("chat-gan", ["variant.likelihood=0"]),
         "likelihood alone": ("chat-mle", [])}  # fmt: skip
REAL = ["data.words=1000", "data.question_words=12", "data.reply_words=10", "generator.width=64", "train.steps=2000"]
DECAY = "burn_in_kimg=128"
FILE = {
    "game and likelihood": ("chat-gan", [*REAL, "discriminator.width=64", f"optimizer.generator.{DECAY}",
                                         f"optimizer.discriminator.{DECAY}"]),
    "likelihood alone": ("chat-mle", [*REAL, f"optimizer.generator.{DECAY}"]),
}  # fmt: skip


def measured(run: Path, seed: int) -> list[Quality]:
    """Drawn answers and true ones, and the likeliest answer."""
    chat = Chat(api.load(run))
    data = read_replies(Recipe.from_dict(chat.G.card["recipe"]))
    found = measure(chat, data, seed=seed)
    for seen in (True, False):
        asked = questions(data, seen, seed)
        if asked:
            found.append(quality("greedy", lambda q, n: [chat.greedy(q)] * n, asked, 1, data.complete, seen))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, nargs="*", default=[])
    parser.add_argument("--out", type=Path, default=Path("runs/replies"))
    parser.add_argument("--data", default=None)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for run in options.runs:
        print(f"\n{run}\n{table(measured(run, options.seed))}", flush=True)
    if options.runs:
        return
    for name, (recipe, settings) in (FILE if options.data else WORLD).items():
        folder, begun = options.out / name.replace(" ", "-"), time.process_time()
        api.train(options.data, recipe, out=folder, seed=options.seed, settings=settings, device="cpu")
        print(
            f"\n{name}: {time.process_time() - begun:.0f} s of the processor\n{table(measured(folder, options.seed))}"
        )


if __name__ == "__main__":
    main()
