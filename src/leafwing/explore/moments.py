"""Both players as they were at moments of a run: from its snapshots, and from its checkpoints."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from leafwing.core import published, tensors
from leafwing.core.disk import DISK
from leafwing.core.errors import BadRun
from leafwing.core.vocabulary import Vocabulary
from leafwing.prepare import OURS, Given
from leafwing.recipe import Recipe
from leafwing.watch.checkpoint import PREFIX


@dataclass(frozen=True)
class Moment:
    """Where the weights after ``step`` rounds lie."""

    step: int
    folder: Path


def moments(run: Path) -> list[Moment]:
    """All moments whose weights were kept, in order of rounds; of two at the same round the snapshot."""
    found: dict[int, Moment] = {}
    for kind in ("checkpoints", "snapshots"):
        for name in published.numbered(run / kind, PREFIX, DISK):
            step = int(name.removeprefix(PREFIX))
            found[step] = Moment(step, run / kind / name)
    return [found[step] for step in sorted(found)]


def some_moments(run: Path, most: int) -> list[Moment]:
    """At most so many moments, spread evenly over those there are, the first and the last among them.

    Raises:
        BadRun: none were kept.
    """
    there = moments(run)
    if not there:
        raise BadRun(f"{run} has no checkpoint yet: look again after its first one.")
    if len(there) <= most:
        return there
    places = torch.linspace(0, len(there) - 1, most).round().long().tolist()
    return [there[place] for place in places]


class Cast:
    """Builds both networks once and dresses them as they were at any moment.

    Args:
        recipe: the run's.
        device: where they play.
        given: networks handed over in Python, if the run was played with such; they are copied, not changed.
        vocabulary: what the players are told beside z, if anything.
    """

    def __init__(
        self, recipe: Recipe, device: torch.device, given: Given = OURS, vocabulary: Vocabulary | None = None
    ) -> None:
        kept = Given(copy.deepcopy(given.generator), copy.deepcopy(given.discriminator))
        G, D = kept.build(recipe, vocabulary)
        self.G, self.D = (net.to(device).requires_grad_(False) for net in (G, D))

    def generator(self, moment: Moment) -> nn.Module:
        """G of that moment, in training mode as it played; the same module for every moment."""
        return self._dressed(self.G, moment, "generator")

    def discriminator(self, moment: Moment) -> nn.Module:
        """D of that moment, likewise."""
        return self._dressed(self.D, moment, "discriminator")

    def _dressed(self, net: nn.Module, moment: Moment, name: str) -> nn.Module:
        path = moment.folder / f"{name}.safetensors"
        try:
            net.load_state_dict(tensors.from_bytes(path.read_bytes(), str(path)))
        except OSError as error:
            raise BadRun(f"{path} cannot be read: {error.strerror or error}.") from None
        except RuntimeError as error:
            detail = " ".join(str(error).split())[:300]
            raise BadRun(f"The weights in {path} do not fit the networks of this run: {detail}") from None
        return net.train()
