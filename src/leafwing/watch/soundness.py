"""Steps that were not applied because something in them was not a number: said, counted, and ended when they go on.

The game itself refuses such a step (`leafwing.game.descend`), so that no network, moment, average or checkpoint ever
holds NaN or infinity. Here is what a person is told, and the end of a run that cannot recover.
"""

from __future__ import annotations

import torch
from torch import Tensor

from leafwing.core.errors import LeafwingError
from leafwing.core.progress import say
from leafwing.game import Terms
from leafwing.training import Training, Watcher

PLAYERS = {"D": "discriminator", "G": "generator"}
IN_A_ROW = 8
"""So many refused steps of one player, one after another, end the run."""


class Diverged(LeafwingError):
    """A loss, a gradient or an optimiser's memory stays not a number."""

    exit_code = 1


class Soundness(Watcher):
    """Counts refused steps on the device; reads the counts every round on a CPU, every ``every`` rounds on a GPU.

    Args:
        every: rounds between two looks on a GPU, which must not wait for us.

    Raises:
        Diverged: after :data:`IN_A_ROW` refused steps; says which network, which term and since when.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self._row: dict[str, Tensor] = {}  # refused steps in a row, by player
        self._total: dict[str, Tensor] = {}
        self._said: dict[str, int] = {}
        # by player and by the names that a round logs: which were not a number in the last refused step
        self._terms: dict[str, dict[tuple[str, ...], Tensor]] = {who: {} for who in PLAYERS}

    @torch.no_grad()
    def after_round(self, training: Training, log: Terms) -> None:
        """Count; look; stop if it goes on."""
        for who in PLAYERS:
            refused = log.get(f"{who}/skipped")
            if refused is not None:
                none = torch.zeros_like(refused)
                self._row[who] = (self._row.get(who, none) + 1) * refused
                self._total[who] = self._total.get(who, none) + refused
                self._note_terms(who, refused, log)
        if any(t.device.type == "cpu" for t in self._row.values()) or training.step % self.every == 0:
            for who in self._row:
                self._look(who, training.step)

    def _note_terms(self, who: str, refused: Tensor, log: Terms) -> None:
        names, kinds = tuple(name for name in log if name.startswith(f"{who}/")), self._terms[who]
        bad = ~torch.isfinite(torch.stack([log[name].float() for name in names]))
        kinds.setdefault(names, torch.zeros_like(bad))
        for kind, flags in kinds.items():
            kinds[kind] = torch.where(refused > 0, bad if kind == names else torch.zeros_like(flags), flags)

    def _look(self, who: str, step: int) -> None:
        total = int(self._total[who])
        if total == self._said.get(who, 0):
            return
        fresh, self._said[who] = total - self._said.get(who, 0), total
        names = [name for kind, flags in self._terms[who].items() for name, bad in zip(kind, flags, strict=True) if bad]
        bad = [name.removeprefix(f"{who}/") for name in names if not name.endswith("/grad_norm")]
        bad = bad or ["gradient" for _ in names]  # a term that is not a number spoils the gradient as well
        what = f"its {' and '.join(bad)} {'is' if len(bad) == 1 else 'are'}" if bad else "its optimiser's memory is"
        in_a_row = int(self._row[who])
        if in_a_row >= IN_A_ROW:
            raise Diverged(
                f"Training stopped at step {step}: the {PLAYERS[who]} could not move for {in_a_row} rounds, {what} no "
                "longer a number. Lower optimizer.*.lr or use train.precision=fp32; earlier checkpoints are kept."
            )
        if in_a_row <= 1 or fresh > 1:
            say(f"step {step}: the {PLAYERS[who]} was not moved, {what} not a number ({total} so far).")
