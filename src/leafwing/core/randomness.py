"""Every random number is a pure function of (seed, step, purpose, index): nothing to save, nothing to lose.

A run keeps no random state. Whoever needs noise asks for a stream by name, and gets the same stream whenever,
wherever and in whatever order it is asked for: after a resume, on another rank, in a test. Streams come from
Philox, a counter-based generator (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), keyed
by a 128-bit hash of the address; torch's own CPU generator would keep only 32 bits of it.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

from leafwing.core.errors import BadConfig


def check_seed(seed: int) -> None:
    """Raises BadConfig: a seed below 0, which recipes refuse, too."""
    if seed < 0:
        raise BadConfig(f"--seed {seed} cannot be: it is a whole number from 0 on.")


def key(seed: int, step: int, purpose: str, index: int = 0) -> int:
    """The 128-bit address of a stream, the same on every machine and in every process."""
    address = f"{seed}/{step}/{purpose}/{index}".encode()
    return int.from_bytes(hashlib.blake2b(address, digest_size=16).digest(), "little")


def stream(seed: int, step: int, purpose: str, index: int = 0) -> np.random.Generator:
    """A fresh generator at that address. Two calls with equal arguments give equal numbers.

    Raises:
        BadConfig: a seed below 0.
    """
    check_seed(seed)
    return np.random.Generator(np.random.Philox(_Key(key(seed, step, purpose, index))))  # type: ignore[arg-type]


class _Key(ISeedSequence):
    """Hands Philox its key: the same generator as ``Philox(key=key)``, which first asks the system for entropy."""

    def __init__(self, key: int) -> None:
        self.words = np.frombuffer(key.to_bytes(16, "little"), np.uint64)

    def generate_state(self, n_words: int, dtype: Any = np.uint64) -> NDArray[np.uint64]:
        return self.words


def seed_networks(seed: int, step: int, index: int = 0) -> None:
    """Point torch's own generators (dropout, weight initialisation) at (seed, step, index).

    Called before the networks are built and before every round, so that layers which draw from torch's
    global state are pure functions of the step as well.
    """
    number = key(seed, step, "networks", index) % 2**63
    torch.default_generator.manual_seed(number)  # torch.manual_seed also formats a traceback where there is no GPU
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(number)
