"""Windows of films: the last frames are what is given, the next one is what is to be drawn.

Which windows and which parts of them a turn holds is a pure function of (seed, turn), as for pictures (`data.feed`).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leafwing.core import randomness
from leafwing.core.device import send
from leafwing.core.errors import BadConfig
from leafwing.core.ranks import SOLO, Ranks
from leafwing.data.feed import Shuffle, to_pictures
from leafwing.data.films import Films
from leafwing.data.pictures import Pixels

TRIES, AT_ONCE, MOVES = 100, 0.05, 100.0
"""A patch is looked for so many times until something moves in it, but is sometimes taken as it comes. Source: the
program of Mathieu et al.'s paper by dyelax, `process_clip`: the sum over the frames of squared changes, in [-1, 1]."""


class Windows:
    """The next frames of a batch; their histories are :attr:`past`. Frames larger than ``size`` are cut at random.

    Args:
        films: the episodes.
        history: frames given.
        size: side of the patches, or of the whole frames.
        batch: windows a turn.
        seed: the run's seed.
        many: each window comes so many times in a row, for variants that compare several answers.
        noise: a window's history gets noise of a spread between 0 and this, so that G mends what is a little wrong.
        flip: mirror half of the windows left to right.
        drop_still: leave out standstills at the beginning of episodes.
        device: where the batches go.
        channels_last: memory format of the result.
        ranks: who shares the batches.

    Raises:
        BadData: no episode is long enough.
        BadConfig: frames smaller than the patches, or a batch that is no multiple of ``many`` for each rank.
    """

    def __init__(
        self,
        films: Films,
        history: int,
        size: int,
        batch: int,
        seed: int,
        *,
        many: int = 1,
        noise: float = 0.0,
        flip: bool = False,
        drop_still: bool = True,
        device: torch.device | str = "cpu",
        channels_last: bool = True,
        ranks: Ranks = SOLO,
    ) -> None:
        height, width = films.pictures.shape[1:3]
        if min(height, width) < size:
            raise BadConfig(
                f"data.image_size = {size} cannot be: the frames are {width}×{height}; choose at most that."
            )
        if batch % (many * ranks.count):
            raise BadConfig(f"train.batch = {batch} cannot be: this game wants a multiple of {many * ranks.count}.")
        self.frames, self.targets = films.pictures.view(np.ndarray), films.targets(history, drop_still)
        self.history, self.size, self.seed, self.many, self.noise, self.flip = history, size, seed, many, noise, flip
        self.device, self.channels_last, self.mine = torch.device(device), channels_last, ranks.rows(batch)
        self.shuffle = Shuffle(len(self.targets), batch // many, seed)
        self._turn, self._cut = -1, np.empty(0, np.uint8)

    def indices(self, turn: int) -> NDArray[np.int64]:
        """Which frames the ``turn``-th batch of the run is to draw, over all ranks: [batch]."""
        return self.targets[self.shuffle.indices(turn)].repeat(self.many)

    def __call__(self, turn: int) -> Tensor:
        """This rank's next frames: float32 [n, c, size, size] in [-1, 1]."""
        return self._tensor(self.cut(turn)[self.mine, -1])

    def past(self, turn: int) -> Tensor:
        """Their histories, the oldest frame first: float32 [n, history * c, size, size]."""
        cut = self.cut(turn)[self.mine, :-1]
        past = self._tensor(np.moveaxis(cut, 1, 3).reshape(*cut.shape[:1], *cut.shape[2:4], -1))
        if not self.noise:
            return past
        rng = randomness.stream(self.seed, turn, "noise of the past")
        kinds = len(self.indices(turn)) // self.many
        spread = rng.uniform(0, self.noise, (kinds, 1, 1, 1)).astype(np.float32)
        noise = spread * rng.standard_normal((kinds, *past.shape[1:]), np.float32)
        return past + send(torch.from_numpy(noise.repeat(self.many, 0)[self.mine]), self.device)

    def cut(self, turn: int) -> Pixels:
        """All windows of a turn, uint8 [batch, history + 1, size, size, c]."""
        if turn != self._turn:
            found = [self._patch(turn, n, target) for n, target in enumerate(self.indices(turn)[:: self.many])]
            self._turn, self._cut = turn, np.stack(found).repeat(self.many, 0)
        return self._cut

    def _patch(self, turn: int, number: int, target: int) -> Pixels:
        """One window, cut where something moves, mirrored or not."""
        window = self.frames[target - self.history : target + 1]
        room = (window.shape[1] - self.size, window.shape[2] - self.size)
        if any(room) or self.flip:
            rng = randomness.stream(self.seed, turn, "patch", number)
            window = window[:, :, ::-1] if self.flip and rng.random() < 0.5 else window
        if any(room):
            places = rng.integers(0, (room[0] + 1, room[1] + 1), (TRIES, 2))
            tries = 1 if rng.random() < AT_ONCE else TRIES
            parts = (window[:, y : y + self.size, x : x + self.size] for y, x in places[:tries])
            first = window[:, places[0, 0] :, places[0, 1] :][:, : self.size, : self.size]
            window = next((part for part in parts if movement(part) > MOVES), first)
        return window

    def _tensor(self, rows: Pixels) -> Tensor:
        return to_pictures(send(torch.from_numpy(np.ascontiguousarray(rows)), self.device), self.channels_last)


def movement(window: Pixels) -> float:
    """Squared changes from frame to frame, summed over all pixels and frames, for pixels in [-1, 1]."""
    changes = np.diff(window.astype(np.int32), axis=0)
    return float(np.square(changes).sum()) * (2 / 255) ** 2
