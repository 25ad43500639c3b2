"""How much faster is a round here than the plain PyTorch DCGAN loop, on the same networks?

    python benchmarks/dcgan_round.py [--recipe dcgan] [--batch 32] [--rounds 5] [--threads 2] [--json]

Both loops play in one process, round by round in turn, so that whatever else the machine does hits both alike; the
ratio of the medians is the figure. ``plain`` is written out below: the textbook loop of PyTorch's own DCGAN example
(alternating updates, BCE, Adam, losses read with ``.item()`` every step), on this recipe's networks.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from leafwing.core import randomness
from leafwing.data.feed import Feed, to_pictures
from leafwing.game import Players
from leafwing.prepare import precision
from leafwing.recipe import Recipe, load_recipe
from leafwing.training import Training, one_round


def plain_round(G: nn.Module, D: nn.Module, opt_G, opt_D, real: torch.Tensor, z_dim: int) -> tuple[float, ...]:
    """The textbook step: D on real, D on fake, then G through D; nothing frozen, five numbers read."""
    criterion = nn.BCEWithLogitsLoss()
    n = len(real)
    D.zero_grad()
    label = torch.full((n,), 1.0)
    output = D(real)
    loss_real = criterion(output, label)
    loss_real.backward()
    D_x = output.mean().item()
    fake = G(torch.randn(n, z_dim))
    label.fill_(0.0)
    output = D(fake.detach())
    loss_fake = criterion(output, label)
    loss_fake.backward()
    D_G_z1 = output.mean().item()
    loss_D = loss_real + loss_fake
    opt_D.step()
    G.zero_grad()
    label.fill_(1.0)
    output = D(fake)
    loss_G = criterion(output, label)
    loss_G.backward()
    D_G_z2 = output.mean().item()
    opt_G.step()
    return loss_D.item(), loss_G.item(), D_x, D_G_z1, D_G_z2


def plain(recipe: Recipe, rows: np.ndarray) -> Callable[[], object]:
    """A function that plays one plain round."""
    G, D = recipe.build_networks()
    opt_G = torch.optim.Adam(G.parameters(), lr=1e-4, betas=(0.5, 0.999))
    opt_D = torch.optim.Adam(D.parameters(), lr=1e-4, betas=(0.5, 0.999))
    real = to_pictures(torch.from_numpy(rows[: recipe.train.batch]), channels_last=False)
    return lambda: plain_round(G, D, opt_G, opt_D, real, recipe.build_prior().dim)


def ours(recipe: Recipe, rows: np.ndarray) -> Callable[[], object]:
    """A function that plays one of our rounds."""
    train = recipe.train
    G, D = recipe.build_networks()
    layout = torch.channels_last if train.channels_last else torch.contiguous_format
    G, D = G.to(memory_format=layout), D.to(memory_format=layout)
    opts = recipe.optimizer.generator.build(G.parameters()), recipe.optimizer.discriminator.build(D.parameters())
    players = Players(G, D, *opts, recipe.build_prior(), 0, precision(train.precision, torch.device("cpu")))
    feed = Feed(rows, train.batch, 0, channels_last=train.channels_last)
    training = Training(recipe.build_variant(), players, feed, copy.deepcopy(G), goal=10**9)
    return lambda: one_round(training)


def compare(players: dict[str, Callable[[], object]], rounds: int) -> dict[str, tuple[float, float]]:
    """Median wall and CPU seconds of a round of each, played in turn after one round of warming up."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in players}
    for number in range(rounds + 1):
        for name, play in players.items():
            wall, cpu = time.perf_counter(), time.process_time()
            play()
            if number:
                times[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {n: (statistics.median(w for w, _ in t), statistics.median(c for _, c in t)) for n, t in times.items()}


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="dcgan")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    randomness.seed_networks(0, -1)
    rows = np.random.default_rng(0).integers(0, 256, (1000, 64, 64, 3), dtype=np.uint8)
    batch = f"train.batch={options.batch}"
    games: dict[str, Callable[[], object]] = {"plain": plain(load_recipe(options.recipe, [batch]), rows)}
    for name, layout in (("fp32, contiguous", "false"), ("fp32", "true")):
        games[name] = ours(load_recipe(options.recipe, [batch, f"train.channels_last={layout}"]), rows)
    games["bf16"] = ours(load_recipe(options.recipe, [batch, "train.precision=bf16"]), rows)
    result = compare(games, options.rounds)
    base = result["plain"]
    table = [
        {
            "loop": name,
            "ms": round(wall * 1000, 1),
            "images_per_s": round(options.batch / wall, 1),
            "ratio": round(base[0] / wall, 3),
            "cpu_ratio": round(base[1] / cpu, 3),
        }
        for name, (wall, cpu) in result.items()
    ]
    if options.json:
        print(json.dumps({"recipe": options.recipe, "batch": options.batch, "rows": table}))
        return
    print(f"{options.recipe}, batch {options.batch}, {options.threads} threads, {options.rounds} rounds each")
    for row in table:
        print("{loop:18} {ms:9} ms  {images_per_s:8} images/s  x{ratio:<6} (CPU time x{cpu_ratio})".format(**row))


if __name__ == "__main__":
    main()
