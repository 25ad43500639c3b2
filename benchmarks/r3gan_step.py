"""How much faster, and in how much less memory, is an R3GAN round here than the textbook step on the same networks?

    python benchmarks/r3gan_step.py [--batch 16 32 64] [--rounds 3] [--threads 1] [--loops NAME ...] [--json]

Every loop lives in a process of its own, so that its peak memory is its own; the processes play round by round in
turn, one at a time, so that whatever else the machine does hits all alike. ``plain`` is written out below: the
textbook step, R1 and R2 through ``create_graph=True`` on the whole batch, on this recipe's networks. All loops draw
new fakes for each turn. Ratios are of medians, by wall clock and by the process's own CPU time; the latter is the one
to read on a machine that does other work.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import numpy as np
import torch
from torch import nn
from torch.nn.functional import softplus

from leafwing.core import randomness
from leafwing.data.feed import Feed, to_pictures
from leafwing.game import Players
from leafwing.prepare import precision
from leafwing.recipe import Recipe, load_recipe
from leafwing.training import Training, one_round

AUTOGRAD = "variant.gradient=autograd"
LOOPS: dict[str, list[str] | None] = {  # overrides of the recipe; None for the textbook step
    "plain": None,
    "double backward, pieces of 8": [AUTOGRAD, "train.microbatch=8"],
    "analytic, whole batch": [],
    "analytic, pieces of 8": ["train.microbatch=8"],
    "analytic, pieces of 4": ["train.microbatch=4"],
    "analytic, pieces of 8, channels last": ["train.microbatch=8", "train.channels_last=true"],
    "analytic, pieces of 8, bf16": ["train.microbatch=8", "train.precision=bf16"],
}


def slope(pictures: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Squared length of dD/dx of each picture, with a graph of its own."""
    (gradient,) = torch.autograd.grad(scores.sum(), pictures, create_graph=True)
    return gradient.square().sum((1, 2, 3))


def plain_round(
    G: nn.Module, D: nn.Module, opt_G, opt_D, real: torch.Tensor, z_dim: int, gamma: float
) -> tuple[float, float]:
    """D's turn, then G's; the other one frozen; two numbers read."""
    n = len(real)
    G.requires_grad_(False)
    D.requires_grad_(True)
    real = real.detach().requires_grad_(True)
    fake = G(torch.randn(n, z_dim)).detach().requires_grad_(True)
    on_real, on_fake = D(real), D(fake)
    penalty = slope(real, on_real) + slope(fake, on_fake)
    loss_D = (softplus(on_fake - on_real) + gamma / 2 * penalty).mean()
    opt_D.zero_grad()
    loss_D.backward()
    opt_D.step()
    G.requires_grad_(True)
    D.requires_grad_(False)
    real = real.detach()
    loss_G = softplus(D(real) - D(G(torch.randn(n, z_dim)))).mean()
    opt_G.zero_grad()
    loss_G.backward()
    opt_G.step()
    return loss_D.item(), loss_G.item()


def plain(recipe: Recipe, rows: np.ndarray) -> Callable[[], object]:
    """A function that plays one plain round."""
    G, D = recipe.build_networks()
    opts = [torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.0, 0.9)) for net in (G, D)]
    real = to_pictures(torch.from_numpy(rows[: recipe.train.batch]), channels_last=False)
    return lambda: plain_round(G, D, *opts, real, recipe.build_prior().dim, gamma=2.0)


def ours(recipe: Recipe, rows: np.ndarray) -> Callable[[], object]:
    """A function that plays one of our rounds."""
    train = recipe.train
    layout = torch.channels_last if train.channels_last else torch.contiguous_format
    G, D = (net.to(memory_format=layout) for net in recipe.build_networks())
    opts = recipe.optimizer.generator.build(G.parameters()), recipe.optimizer.discriminator.build(D.parameters())
    forward = precision(train.precision, torch.device("cpu"))
    players = Players(G, D, *opts, recipe.build_prior(), 0, forward, microbatch=train.microbatch)
    feed = Feed(rows, train.batch, 0, channels_last=train.channels_last)
    training = Training(recipe.build_variant(), players, feed, G, goal=10**9)
    return lambda: one_round(training)


def child(name: str, batch: int, threads: int, pipe: Connection) -> None:
    """A loop's process: a round when asked for, its times as the answer; at the end its peak memory in MB."""
    torch.set_num_threads(threads)
    randomness.seed_networks(0, -1)
    rows = np.random.default_rng(0).integers(0, 256, (batch, 64, 64, 3), dtype=np.uint8)
    overrides = LOOPS[name]
    base = [f"train.batch={batch}", "train.microbatch=65536", "train.channels_last=false", "train.precision=fp32"]
    play = (plain if overrides is None else ours)(load_recipe("r3gan", [*base, *(overrides or [])]), rows)
    while pipe.recv():
        wall, cpu = time.perf_counter(), time.process_time()
        play()
        pipe.send((time.perf_counter() - wall, time.process_time() - cpu))
    pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def compare(names: list[str], batch: int, threads: int, rounds: int) -> list[dict[str, object]]:
    """A row for each loop: medians over the rounds after one of warming up."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for name in names:
        pipes[name], theirs = context.Pipe()
        processes.append(context.Process(target=child, args=(name, batch, threads, theirs)))
        processes[-1].start()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for number in range(rounds + 1):
        for name, pipe in pipes.items():
            pipe.send(True)
            spent = pipe.recv()
            if number:
                times[name].append(spent)
    table: list[dict[str, object]] = []
    base: tuple[float, float] | None = None
    for name, pipe in pipes.items():
        wall, cpu = (statistics.median(kind) for kind in zip(*times[name], strict=True))
        base = base or (wall, cpu)
        pipe.send(False)
        table.append(
            {
                "loop": name,
                "batch": batch,
                "ms": round(wall * 1000),
                "cpu_ms": round(cpu * 1000),
                "images_per_s": round(batch / wall, 2),
                "ratio": round(base[0] / wall, 2),
                "cpu_ratio": round(base[1] / cpu, 2),
                "peak_mb": round(pipe.recv()),
            }
        )
    for process in processes:
        process.join()
    return table


def main() -> None:
    """Print a table for each batch, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--loops", nargs="+", choices=list(LOOPS), default=list(LOOPS), help="the first is the measure")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = []
    for batch in options.batch:
        rows += compare(options.loops, batch, options.threads, options.rounds)
        if not options.json:
            print(f"r3gan 64x64, width 96, batch {batch}, {options.threads} threads, {options.rounds} rounds each")
            for row in rows[-len(options.loops) :]:
                print(
                    "{loop:38}{ms:7} ms {images_per_s:6} images/s  x{ratio:<5} "
                    "(CPU time {cpu_ms:6} ms x{cpu_ratio:<5}) {peak_mb:5} MB".format(**row)
                )
    if options.json:
        print(json.dumps({"recipe": "r3gan", "threads": options.threads, "rows": rows}))


if __name__ == "__main__":
    main()
