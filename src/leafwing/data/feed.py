"""Batches of real pictures: which ones is a pure function of (seed, step), so nothing needs saving.

On a GPU the store itself lies on the device as uint8 where it fits, and gathering, mirroring and the change to floats
happen there: what travels in a round is the batch's numbers and mirrors, a few hundred bytes.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leafwing.core import randomness
from leafwing.core.device import free_bytes, send
from leafwing.core.ranks import SOLO, Ranks
from leafwing.data.mapped import Mapped

SHARE = 0.25
"""Of the memory free on a GPU, what a store may take there."""
CHUNK = 2**26
"""Bytes of a store copied to a GPU at a time."""


class Shuffle:
    """An endless, seeded shuffle of n things: every epoch is a fresh permutation, and may end inside a batch.

    Args:
        n: how many there are.
        batch: taken a turn.
        seed: the run's seed.
    """

    def __init__(self, n: int, batch: int, seed: int) -> None:
        self.n, self.batch, self.seed = n, batch, seed
        self._epoch, self._order = -1, np.empty(0, dtype=np.int64)

    def indices(self, turn: int) -> NDArray[np.int64]:
        """Which of them the ``turn``-th batch holds: [batch]."""
        positions = np.arange(turn * self.batch, (turn + 1) * self.batch)
        epochs = positions // self.n
        parts = [self._permutation(e)[positions[epochs == e] % self.n] for e in np.unique(epochs)]
        return np.concatenate(parts)

    def _permutation(self, epoch: int) -> NDArray[np.int64]:
        if epoch != self._epoch:
            order = randomness.stream(self.seed, int(epoch), "order").permutation(self.n)
            self._epoch, self._order = int(epoch), order
        return self._order


class Feed:
    """An endless, seeded shuffle of a uint8 store, served as float pictures in [-1, 1].

    Every epoch is a fresh permutation; an epoch's end may lie inside a batch, so no picture is left out.

    Args:
        pictures: uint8 [n, h, w, c]; a memory map stays on disk and only the pages asked for are read.
        batch: pictures a turn.
        seed: the run's seed.
        flip: mirror half of the pictures left to right, drawn anew each time.
        device: where the batches go; they travel as uint8 and become float there.
        channels_last: memory format of the result.
        ranks: who shares the batches; each rank is served its own rows of them.
        resident: keep the whole store on the device; by default on a GPU, if it takes no more than a quarter
            (:data:`SHARE`) of what is free there.
    """

    def __init__(
        self,
        pictures: NDArray[np.uint8],
        batch: int,
        seed: int,
        *,
        flip: bool = False,
        device: torch.device | str = "cpu",
        channels_last: bool = True,
        ranks: Ranks = SOLO,
        resident: bool | None = None,
    ) -> None:
        self.pictures, self.batch, self.seed, self.flip = pictures, batch, seed, flip
        self.device, self.channels_last = torch.device(device), channels_last
        self.mine = ranks.rows(batch)
        self._rows, self._file = pictures.view(np.ndarray), Mapped(pictures)  # np.memmap's own indexing is slower
        self.shuffle = Shuffle(len(pictures), batch, seed)
        if resident is None:
            resident = self.device.type == "cuda" and pictures.nbytes <= SHARE * free_bytes(self.device)
        self._resident = to_device(self._rows, self.device) if resident else None

    def indices(self, turn: int) -> NDArray[np.int64]:
        """Which pictures the ``turn``-th batch of the run holds, over all ranks: [batch]."""
        return self.shuffle.indices(turn)

    def __call__(self, turn: int) -> Tensor:
        """This rank's rows of the ``turn``-th batch: float32 [n, c, h, w] in [-1, 1], in memory of its own.

        Raises:
            BadData: the store's file was changed under the run.
        """
        which = self.indices(turn)[self.mine]
        mirrored = (randomness.stream(self.seed, turn, "flip").random(self.batch) < 0.5)[self.mine]
        if self._resident is not None:
            rows = self._resident.index_select(0, send(torch.from_numpy(which), self.device))
            if self.flip:
                choice = send(torch.from_numpy(mirrored), self.device)[:, None, None, None]
                rows = torch.where(choice, rows.flip(2), rows)
            return to_pictures(rows, self.channels_last)
        self._file.check()
        self._file.expect(which)
        pixels = self._rows[which]
        if self.flip:
            pixels[mirrored] = _mirror(pixels[mirrored])
        return to_pictures(send(torch.from_numpy(pixels), self.device), self.channels_last)


def _mirror(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Left to right, uint8 [n, h, w, c]. Torch has a kernel for it, six times as fast as numpy's strides."""
    flipped: NDArray[np.uint8] = torch.from_numpy(rows).permute(0, 3, 1, 2).flip(-1).permute(0, 2, 3, 1).numpy()
    return flipped


def to_device(rows: NDArray[np.uint8], device: torch.device) -> Tensor:
    """The whole store on the device, uint8 [n, h, w, c], copied in pieces: no mapped file is ever whole in memory."""
    there = torch.empty(rows.shape, dtype=torch.uint8, device=device)
    step = max(1, CHUNK // max(1, rows[0].nbytes))
    for start in range(0, len(rows), step):
        there[start : start + step] = torch.from_numpy(rows[start : start + step].copy())
    return there


def to_pictures(rows: Tensor, channels_last: bool = True) -> Tensor:
    """uint8 [n, h, w, c] -> float32 [n, c, h, w] in [-1, 1]; NHWC rows are channels_last as they lie."""
    pictures = rows.permute(0, 3, 1, 2).float().mul_(2 / 255).sub_(1)
    return pictures if channels_last else pictures.contiguous()
