"""What safety costs a checkpoint: hash, fsync, read back and rename, against a plain write and fsync (REL-R19).

    python benchmarks/checkpoint_cost.py [--mb 105] [--repeats 9] [--folder DIR]

All ways take turns in one run, and the medians and the ratios within a turn are printed. "plain" is what a careful
person's script does: ``torch.save`` or one ``write`` into one file, then ``fsync``, over the file of last time.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from leafwing import latents
from leafwing.core import housekeeping, published, tensors
from leafwing.game import Players
from leafwing.training import Training
from leafwing.variants.gan import GAN
from leafwing.watch.checkpoint import Checkpoints, capture


def training_of(megabytes: float) -> Training:
    """Two linear players whose checkpoint (G, D, average, two Adams) has about so many megabytes."""
    side = int((megabytes * 1e6 / 4 / 7 / 3) ** 0.5)  # G, average, D and two moments each of G and D: 7 networks
    nets = [nn.Sequential(*(nn.Linear(side, side) for _ in range(3))) for _ in range(3)]
    opts = [torch.optim.Adam(net.parameters()) for net in nets[:2]]
    for net, opt in zip(nets[:2], opts, strict=True):
        for p in net.parameters():
            p.grad = torch.randn_like(p)
        opt.step()
    players = Players(nets[0], nets[1], opts[0], opts[1], latents.Normal(side))
    return Training(GAN(), players, lambda turn: torch.zeros(1), nets[2], goal=10**9)


def write_plain(path: Path, data: bytes) -> None:
    """One file, written and pushed to the medium."""
    with path.open("wb", buffering=0) as file:
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(file.fileno())


def save_plain(path: Path, state: object) -> None:
    """The usual script's save, with the fsync that it usually lacks."""
    with path.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())


def timed(work: Callable[[], object]) -> float:
    """Seconds on the clock."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=float, default=105)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to be measured")
    parser.add_argument("--between", type=float, default=22.0, help="seconds of training between checkpoints")
    wishes = parser.parse_args()
    torch.set_num_threads(1)
    training = training_of(wishes.mb)
    files, rest = capture(training)
    blobs = {name: tensors.to_pieces(table) for name, table in files.items()}
    whole = b"".join(piece for pieces in blobs.values() for piece in pieces)
    room = Path(tempfile.mkdtemp(dir=wishes.folder))
    saver = Checkpoints(room / "run", 1, 2, {}, {}, lambda training: None)
    saver.start(training)

    def publish() -> None:
        training.step += 1
        published.publish(room / "folders", f"step-{training.step}", blobs)
        housekeeping.prune(room / "folders", "step-", 2, [f"step-{training.step - k}" for k in range(3)])

    ways: dict[str, Callable[[], object]] = {
        "write + fsync": lambda: write_plain(room / "plain.bin", whole),
        "publish": publish,
        "torch.save + fsync": lambda: save_plain(room / "plain.pt", (files, rest)),
        "checkpoint": lambda: saver.save(training),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(wishes.repeats + 3):
        for name, work in ways.items():
            seconds = timed(work)
            if turn >= 3:  # the first ones find an empty folder, with nothing to replace
                times[name].append(seconds)
    shutil.rmtree(room)

    print(f"{len(whole) / 1e6:.0f} MB, {wishes.repeats} turns; median and range in ms")
    for name, taken in times.items():
        print(f"{name:20} {1e3 * statistics.median(taken):7.0f}   {1e3 * min(taken):5.0f} .. {1e3 * max(taken):.0f}")
    for ours, plain in (("publish", "write + fsync"), ("checkpoint", "torch.save + fsync")):
        ratios = sorted(a / b for a, b in zip(times[ours], times[plain], strict=True))
        print(f"{ours} / {plain}: {statistics.median(ratios):.2f} ({ratios[0]:.2f} .. {ratios[-1]:.2f})")
    share = statistics.median(times["checkpoint"]) / (wishes.between + statistics.median(times["checkpoint"]))
    print(f"share of training time, one checkpoint every {wishes.between:g} s of training: {share:.2%}")
    print(f"floor: sha256 {speed('sha256', whole):,.0f} MB/s, blake2b {speed('blake2b', whole):,.0f} MB/s of one core")


def speed(name: str, data: bytes) -> float:
    """Megabytes a second through a hash, of processor time."""
    taken = []
    for _ in range(3):
        start = time.process_time()
        hashlib.new(name, data).digest()
        taken.append(time.process_time() - start)
    return len(data) / 1e6 / min(taken)


if __name__ == "__main__":
    main()
