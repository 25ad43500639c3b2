"""The digit classifier of StackedMNIST, trained on the user's MNIST in minutes on a CPU, once, into the cache."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from leafwing.core import randomness
from leafwing.core.progress import counting, say
from leafwing.core.published import replace_file
from leafwing.core.tensors import to_bytes
from leafwing.data import cache_root
from leafwing.data.mnist import Digits
from leafwing.game import descend
from leafwing.measure.digits import DigitReader, load_reader, read

EPOCHS, BATCH, LR, SHIFT = 3, 128, 4e-3, 2
"""Rounds over the digits, digits a step, highest learning rate, pixels by which digits are moved about."""
VERSION = 1
"""Of the network and its training: another one is another file in the cache."""


def fingerprint(digits: Digits) -> str:
    """16 hex digits of the pictures and labels."""
    content = hashlib.sha256(digits.pictures.tobytes())
    content.update(digits.labels.tobytes())
    return content.hexdigest()[:16]


def the_reader(train: Digits) -> tuple[DigitReader, Path]:
    """The classifier for this MNIST, from the cache, or trained now and kept there; and its file."""
    path = cache_root() / f"digits-{VERSION}-{fingerprint(train)}.safetensors"
    if not path.exists():
        say(f"Training the digit classifier, once: {EPOCHS} epochs, minutes on a CPU.")
        with counting("classifier") as report:
            reader = train_reader(train, progress=report)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, to_bytes(reader.state_dict()))
    return load_reader(path), path


def train_reader(
    digits: Digits, epochs: int = EPOCHS, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> DigitReader:
    """Cross-entropy on digits moved about by up to two pixels; Adam, the learning rate up and down once.

    The steps are the game's own (`leafwing.game.descend`), so that there is one place where weights move.
    """
    randomness.seed_networks(seed, -1)
    reader = DigitReader()
    opt = torch.optim.Adam(reader.parameters(), lr=LR)
    each = max(1, len(digits.labels) // BATCH)
    for step in range(epochs * each):
        if step % each == 0:
            order = randomness.stream(seed, step, "digits").permutation(len(digits.labels))
        for group in opt.param_groups:
            group["lr"] = LR * math.sin(math.pi * (step + 0.5) / (epochs * each))
        which = order[step % each * BATCH :][:BATCH]
        moved = shifted(to_digits(digits.pictures[which]), randomness.stream(seed, step, "shift"))
        answers = torch.from_numpy(digits.labels[which].astype(np.int64))
        descend(opt, {"cross_entropy": F.cross_entropy(reader(moved), answers)})
        if progress:
            progress(step + 1, epochs * each)
    return reader.eval()


def to_digits(pictures: np.ndarray) -> Tensor:
    """uint8 [n, 28, 28] -> float [n, 1, 28, 28] in [-1, 1]."""
    return torch.from_numpy(np.array(pictures))[:, None].float() * (2 / 255) - 1


def shifted(digits: Tensor, rng: np.random.Generator) -> Tensor:
    """The whole batch moved by the same few pixels, black coming in. [n, 1, s, s] -> [n, 1, s, s]."""
    down, right = rng.integers(0, 2 * SHIFT + 1, 2)
    side = digits.shape[-1]
    return F.pad(digits, (SHIFT,) * 4, value=-1.0)[..., down : down + side, right : right + side]


def accuracy(reader: DigitReader, digits: Digits) -> float:
    """The share it reads right, 0..1."""
    return float((read(reader, to_digits(digits.pictures)) == digits.labels).mean())
