"""What one rank of the tests in test_ranks.py plays: a small game, its end state written to a file."""

from __future__ import annotations

import copy
import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from leafwing import latents
from leafwing.augment.ada import ADA
from leafwing.core.ranks import connect, joined
from leafwing.data.conditions import Conditions
from leafwing.data.feed import Feed
from leafwing.data.labels import Labels, learn
from leafwing.game import Players
from leafwing.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from leafwing.networks.spectral_norm import SpectralConv2d, SpectralLinear
from leafwing.networks.synced import sync_batchnorm
from leafwing.training import Training, Watcher, fit
from leafwing.variants.gan import GAN
from leafwing.watch.checkpoint import capture


def small(norm: bool | str) -> tuple[nn.Module, nn.Module]:
    """A generator and a discriminator of 8x8 pictures, with BatchNorm, with spectral norm in D, or without."""

    def layer(width: int) -> list[nn.Module]:
        return [nn.BatchNorm2d(width)] if norm else []

    if norm == "spectral":
        G = small(True)[0]
        layers = [SpectralConv2d(3, 8, 4, 2, 1), nn.LeakyReLU(0.2), nn.Flatten(), SpectralLinear(128, 1)]
        return G, nn.Sequential(*layers)

    torch.manual_seed(1)
    G = nn.Sequential(nn.Linear(6, 64), nn.Unflatten(1, (4, 4, 4)), *layer(4), nn.LeakyReLU(0.2),
                      nn.ConvTranspose2d(4, 3, 4, 2, 1), nn.Tanh())  # fmt: skip
    D = nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), *layer(8), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(128, 1))
    return G, D


def conditional() -> tuple[nn.Module, nn.Module, Labels]:
    """Networks that are told a class, G by its BatchNorm too; and labels, some missing."""
    torch.manual_seed(1)
    G = DCGANGenerator(6, 8, 3, 3, width=4, kernel=4, told="norms")
    D = DCGANDiscriminator(8, 3, 3, width=4, kernel=4)
    return G, D, learn({"hair": ["red", "blue", "green", "red", ""] * 20}, "ranks")


def training(ranks, rounds: int, norm: bool | str) -> Training:
    """The game on random pictures, ``norm`` also "asked" for a condition; R1 only where D does not mix its batch.

    "ada": without BatchNorm, D looking through an augmentation that follows it.
    """
    labels, augment = None, ADA(p=0.3, kimg=1.0) if norm == "ada" else None
    norm = False if augment else norm
    if norm == "asked":
        G, D, labels = conditional()
    else:
        G, D = small(norm)
    if ranks.count > 1 and norm:
        G, D = sync_batchnorm(G), sync_batchnorm(D)
    if norm:  # a bias before BatchNorm has no gradient but rounding, which Adam would blow up to full steps
        opts = [torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.5) for net in (G, D)]
    else:
        opts = [torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.5, 0.99)) for net in (G, D)]
    players = Players(G, D, *opts, latents.Normal(6), seed=3, ranks=ranks, augment=augment)
    rows = np.random.default_rng(0).integers(0, 256, (100, 8, 8, 3), dtype=np.uint8)
    reals = Feed(rows, 16, 3, flip=True, ranks=ranks)
    game = Training(GAN(r1_gamma=0.0 if norm else 0.5), players, reals, copy.deepcopy(G), rounds)
    game.conditions = Conditions(labels, reals, hide=0.2) if labels else None
    return game


class Fault(Watcher):
    """Rank 1 dies, leaves, raises or falls silent after 5 rounds."""

    def __init__(self, kind: str, rank: int) -> None:
        self.kind, self.mine = kind, rank == 1

    def after_round(self, training: Training, log) -> None:
        if not self.mine or training.step != 5:
            return
        if self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "exit":
            os._exit(0)
        if self.kind == "raise":
            raise ValueError("a fault of rank 1")
        if self.kind == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)


def main(out: str, rounds: int, norm: bool | str, fault: str = "") -> None:
    """Play and write what came out."""
    torch.set_num_threads(1)
    with joined(torch.device("cpu")) as ranks:
        ranks.agree({"recipe": "the same"})
        connect(ranks)
        game = training(ranks, rounds, norm)
        fit(game, [Fault(fault, ranks.rank)] if fault else [])
        files, _ = capture(game)
        torch.save(
            {f"{f}/{n}": t for f, table in files.items() for n, t in table.items()}, Path(out) / f"{ranks.rank}.pt"
        )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "norm", *sys.argv[4:])
