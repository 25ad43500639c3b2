"""Checkpoints: everything a run needs to go on bit-identically, in safetensors and JSON, never pickle."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from leafwing.core import housekeeping, published, tensors
from leafwing.core.contents import Contents
from leafwing.core.disk import DISK, Disk
from leafwing.core.errors import BadRun, StorageFailed
from leafwing.core.progress import say
from leafwing.game import Terms
from leafwing.training import Training, Watcher

PREFIX = "step-"


def networks(training: Training) -> dict[str, torch.nn.Module]:
    """The networks of a run by the names of their files, and what else is kept from round to round."""
    players = training.players
    nets = {"generator": players.G, "discriminator": players.D, "average": training.average}
    others = {"augment": players.augment, "variant": training.variant.memory}
    return nets | {name: one for name, one in others.items() if one is not None and one.state_dict()}


def optimizers(training: Training) -> dict[str, torch.optim.Optimizer]:
    """The optimisers of a run by the names of their files."""
    return {"optimizer_generator": training.players.opt_G, "optimizer_discriminator": training.players.opt_D}


def capture(training: Training) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """All tensors by file, and the JSON-able rest. Random state is absent: there is none."""
    files: dict[str, dict[str, Tensor]] = {n: dict(net.state_dict()) for n, net in networks(training).items()}
    rest: dict[str, Any] = {"step": training.step, "images": training.images}
    for name, optimizer in optimizers(training).items():
        files[name], rest[name] = tensors.flatten_optimizer(optimizer.state_dict())
    return files, rest


def digest(training: Training) -> str:
    """sha256 over networks, averages, optimisers and step: equal for equal runs, bit by bit."""
    files, rest = capture(training)
    flat = {f"{file}/{name}": value for file, table in files.items() for name, value in table.items()}
    return tensors.digest(flat, rest)


def restore(training: Training, files: Mapping[str, bytes], folder: Path) -> dict[str, Any]:
    """Put a training where the files of a checkpoint left it; returns its ``state.json``."""
    state = json.loads(files.get("state.json", b"{}"))
    wanted = ["step", "images", "watchers", "facts", *optimizers(training)]
    missing = {f"{name}.safetensors" for name in tensor_files(training)} - files.keys() | set(wanted) - state.keys()
    if missing:
        raise BadRun(f"The checkpoint {folder} lacks {', '.join(sorted(missing))}: it is of another kind of run.")
    loaded = {n: tensors.from_bytes(files[f"{n}.safetensors"], str(folder / n)) for n in tensor_files(training)}
    try:
        for name, net in networks(training).items():
            net.load_state_dict(loaded[name])
    except RuntimeError as error:
        detail = " ".join(str(error).split())[:300]
        raise BadRun(f"The checkpoint {folder} does not fit the networks of this recipe: {detail}") from None
    for name, optimizer in optimizers(training).items():
        take_up(optimizer, tensors.unflatten_optimizer(loaded[name], state[name]), folder)
    training.step, training.images = state["step"], state["images"]
    assert isinstance(state, dict)
    return state


def take_up(optimizer: torch.optim.Optimizer, saved: dict[str, Any], folder: Path) -> None:
    """Load an optimiser's moments; its settings stay the recipe's, so that an edited ``run.toml`` is obeyed."""
    settings = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    if [set(group) - {"params"} for group in saved["param_groups"]] != [set(group) for group in settings]:
        raise BadRun(f"The checkpoint {folder} was made with another optimiser than the recipe names now.")
    optimizer.load_state_dict(saved)
    for group, kept in zip(optimizer.param_groups, settings, strict=True):
        group.update(kept)


def tensor_files(training: Training) -> list[str]:
    """Names of the tensor files of a checkpoint, without their ending."""
    return [*networks(training), *optimizers(training)]


class Checkpoints(Watcher):
    """Save every so many rounds and at the end; a full disk is said aloud and training goes on.

    Args:
        folder: the run's ``checkpoints/``.
        every: rounds between checkpoints.
        keep: newest ones kept.
        watchers: whose state is saved along, by name.
        facts: what the checkpoint should remember of the run (data fingerprint, versions).
        after_save: called after each save, for what should follow it (the exported generator).
        disk: the door to the disk.
    """

    def __init__(
        self,
        folder: Path,
        every: int,
        keep: int,
        watchers: Mapping[str, Watcher],
        facts: Mapping[str, Any],
        after_save: Callable[[Training], None],
        disk: Disk = DISK,
    ) -> None:
        self.folder, self.every, self.keep = folder, every, keep
        self.watchers, self.facts, self.after_save = watchers, facts, after_save
        self.disk = disk
        self._saved = -1
        self._published: set[str] = set()

    def start(self, training: Training) -> None:
        """Clear away what a killed trainer left half-written, or had no time to delete."""
        self.folder.mkdir(parents=True, exist_ok=True)
        housekeeping.sweep(self.folder, disk=self.disk)
        housekeeping.prune(self.folder, PREFIX, self.keep, disk=self.disk)
        self._saved = training.step if training.step else -1

    def after_round(self, training: Training, log: Terms) -> None:
        """Save at the end of an interval."""
        if training.step % self.every == 0 and training.step < training.goal:
            try:
                self.save(training)
            except StorageFailed as problem:
                say(f"{problem} Training goes on; the next try is in {self.every} steps.")

    def finish(self, training: Training) -> None:
        """Save where the run stands."""
        if self._saved != training.step:
            self.save(training)
        else:
            self.after_save(training)  # a kill between saving and exporting leaves this half undone

    def save(self, training: Training) -> None:
        """Write one checkpoint; never one that holds NaN or infinity."""
        files, rest = capture(training)
        flat = {f"{file}/{name}": value for file, table in files.items() for name, value in table.items()}
        bad = tensors.all_finite(flat)
        if bad:
            raise BadRun(f"Step {training.step} was not saved: {bad[0]} is no longer a number.")
        rest["watchers"] = {name: watcher.state_dict() for name, watcher in self.watchers.items()}
        rest["facts"] = dict(self.facts)
        contents: dict[str, Contents] = {f"{name}.safetensors": tensors.to_pieces(t) for name, t in files.items()}
        contents["state.json"] = json.dumps(rest, sort_keys=True).encode()
        name = f"{PREFIX}{training.step:08}"
        published.publish(self.folder, name, contents, meta={"step": training.step}, disk=self.disk)
        self._published.add(name)
        housekeeping.prune(self.folder, PREFIX, self.keep, self._published, disk=self.disk)
        self._saved = training.step
        self.after_save(training)
