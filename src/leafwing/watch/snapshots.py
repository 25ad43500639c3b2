"""Both players' weights at rounds of the timeline, so that any D can later be set against any G (R42)."""

from __future__ import annotations

from pathlib import Path

from leafwing.core import housekeeping, published, tensors
from leafwing.core.contents import Contents
from leafwing.core.disk import DISK
from leafwing.core.errors import StorageFailed
from leafwing.core.progress import say
from leafwing.game import Terms
from leafwing.training import Training, Watcher
from leafwing.watch.checkpoint import PREFIX


def is_snapshot_step(step: int) -> bool:
    """Whether weights are kept after so many rounds: 0, then 1 2 5 times a power of ten from 10 on.

    A part of the timeline's rounds that holds all of the lecture's: 14 of them up to 50,000.
    """
    digits = str(step)
    return step == 0 or (step >= 10 and digits[0] in "125" and set(digits[1:]) == {"0"})


class Snapshots(Watcher):
    """Keeps G and D, as they play, at the rounds of :func:`is_snapshot_step` and at the end.

    Args:
        folder: gets ``step-00000100/`` with ``generator.safetensors`` and ``discriminator.safetensors``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, training: Training) -> None:
        """Keep the untrained players; a resumed run drops what it is about to play again."""
        housekeeping.sweep(self.folder)
        for name in published.numbered(self.folder, PREFIX, DISK):
            if int(name.removeprefix(PREFIX)) > training.step:
                published.remove(self.folder / name, DISK)
        if training.step == 0:
            self.keep(training)

    def after_round(self, training: Training, log: Terms) -> None:
        """Keep the players of this round if it is one of the grid."""
        if is_snapshot_step(training.step):
            self.keep(training)

    def finish(self, training: Training) -> None:
        """Keep the players that the run ends with."""
        self.keep(training)

    def keep(self, training: Training) -> None:
        """Write one snapshot; a full disk costs the snapshot, not the run."""
        nets = {"generator": training.players.G, "discriminator": training.players.D}
        files: dict[str, Contents] = {
            f"{name}.safetensors": tensors.to_pieces({n: t.detach() for n, t in net.state_dict().items()})
            for name, net in nets.items()
        }
        try:
            published.publish(self.folder, f"{PREFIX}{training.step:08}", files, meta={"step": training.step})
        except StorageFailed as problem:
            say(f"{problem} Training goes on without this snapshot.")
