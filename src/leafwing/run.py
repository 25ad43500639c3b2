"""A run: recipe -> data, players, variant, watchers, in one folder that a person can read.

``run.toml`` the resolved recipe, ``environment.json`` where it ran, ``metrics.jsonl`` the log, ``samples/`` sheets and
time-lapse, ``checkpoints/`` what resume needs, ``generator/`` the averaged generator by itself; where the recipe
measures, ``measures.jsonl`` and ``best/``, the generator that measured best.
"""

from __future__ import annotations

import json
import os
import platform
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn

from leafwing._version import __version__
from leafwing.core import published
from leafwing.core.config import read_toml
from leafwing.core.errors import BadRun
from leafwing.core.lock import RunLock
from leafwing.core.progress import drop_dead_terminal, say
from leafwing.core.published import replace_file
from leafwing.core.ranks import Ranks, connect, joined
from leafwing.data import Store
from leafwing.data.changes import since
from leafwing.generator import save_generator
from leafwing.loading import card
from leafwing.measure import features
from leafwing.prepare import OURS, Given, choose_device, prepare, read_store, settle
from leafwing.recipe import Recipe
from leafwing.training import Training, Watcher, fit
from leafwing.watch.alarms import Alarms
from leafwing.watch.average import Average, standing
from leafwing.watch.checkpoint import PREFIX, Checkpoints, restore
from leafwing.watch.console import TrainingBar
from leafwing.watch.measuring import Measuring
from leafwing.watch.meter import JsonLines, Meter, Sink, tensorboard
from leafwing.watch.samples import Samples
from leafwing.watch.sayings import Sayings
from leafwing.watch.snapshots import Snapshots
from leafwing.watch.soundness import Soundness

RECIPE, METRICS = "run.toml", "metrics.jsonl"
MEASURES, BEST = "measures.jsonl", "best"


@dataclass
class Outcome:
    """How a sitting ended.

    Attributes:
        folder: the run.
        step: rounds played in all.
        stopped_by: the signal that asked to stop, or None when all rounds were played.
        leads: whether this process is the one that should say so; of several ranks, rank 0.
        talks: whether the run answers questions instead of drawing pictures.
        foresees: whether it draws what comes next.
    """

    folder: Path
    step: int
    stopped_by: signal.Signals | None = None
    leads: bool = True
    talks: bool = False
    foresees: bool = False


def start(recipe: Recipe, folder: Path, device: str = "auto", given: Given = OURS) -> Outcome:
    """Train from the beginning into a new folder."""
    where = choose_device(device)
    with joined(where) as ranks:
        if ranks.leads:
            refuse_used(folder)
        recipe = given.note(settle(recipe, where))
        store, training = table(recipe, where, given, ranks)
        if ranks.leads:
            folder.mkdir(parents=True, exist_ok=True)
        with RunLock(folder) if ranks.leads else nullcontext():
            return play(folder, recipe, store, training)


def refuse_used(folder: Path) -> None:
    """A new run needs a new folder.

    Raises:
        BadRun: there is something in it.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if is_run(folder):
            raise BadRun(f"{folder} already holds a run: go on by `leafwing resume`, or choose another --out.")
        raise BadRun(f"{folder} is not an empty folder: choose another --out.")


def table(recipe: Recipe, where: torch.device, given: Given, ranks: Ranks) -> tuple[Store, Training]:
    """The data and the players, and all ranks ready to play: with the same recipe and the same pictures."""
    with ranks.node_leader_first("data"):
        store = read_store(recipe)
    for remark in store.remarks if ranks.leads else ():
        say(remark)
    ranks.agree({"recipe": recipe.to_toml(), "data": store.fingerprint} | labels_of(store))
    connect(ranks)
    return store, prepare(recipe, store, where, given, ranks)


def resume(
    folder: Path,
    steps: int | None = None,
    device: str = "auto",
    accept_new_data: bool = False,
    given: Given = OURS,
) -> Outcome:
    """Go on from the newest sound checkpoint, bit-identically to a run that never stopped."""
    recipe = read_recipe(folder)
    if steps is not None:
        recipe = recipe.override([f"train.steps={steps}"])
    where = choose_device(device)
    with joined(where) as ranks, RunLock(folder) if ranks.leads else nullcontext():
        store, training = table(recipe, where, given, ranks)
        files, damaged = newest_files(folder) if ranks.leads else (None, [])
        for sentence in damaged:
            say(sentence)
        files = ranks.share(files)
        state = restore(training, files, folder) if files else {}
        if ranks.leads:
            if not files:
                say(f"{folder} has no checkpoint yet: starting from step 0.")
            check_same(state.get("facts", {}), facts(store, where, ranks), store, accept_new_data)
            if training.step >= training.goal:
                say(f"{folder} has played its {training.goal} steps; give more with --steps.")
        return play(folder, recipe, store, training, state.get("watchers", {}))


def newest_files(folder: Path) -> tuple[dict[str, bytes] | None, list[str]]:
    """The files of a run's newest sound checkpoint, if there is one, and a sentence on each damaged one."""
    checkpoint, damaged = published.newest(folder / "checkpoints", PREFIX)
    return (published.read(checkpoint)[0] if checkpoint else None), damaged


def play(
    folder: Path, recipe: Recipe, store: Store, training: Training, saved: dict[str, Any] | None = None
) -> Outcome:
    """Set up the watchers, on rank 0 alone, and play until the goal or a signal."""
    leads = training.players.ranks.leads
    bar = TrainingBar()
    watchers = watch(folder, recipe, store, training, saved or {}, bar) if leads else []
    with stoppable(leads) as stopped:
        try:
            fit(training, watchers, stop=lambda: bool(stopped))
        finally:
            bar.close()
    return Outcome(
        folder,
        training.step,
        stopped[0] if stopped and training.step < training.goal else None,
        leads,
        bool(training.lexicon),
        recipe.data.history > 0,
    )


def watch(
    folder: Path, recipe: Recipe, store: Store, training: Training, saved: dict[str, Any], bar: TrainingBar
) -> list[Watcher]:
    """Everything that looks on: average, bar, log, checkpoints, sheets; each taking up what was saved of it."""
    where = next(training.players.G.parameters()).device
    replace_file(folder / RECIPE, recipe.to_toml().encode())
    replace_file(folder / "environment.json", json.dumps(environment(where), indent=2).encode())
    alarms = Alarms(0 if training.lexicon else len(store)) if recipe.watch.alarms else None
    sinks: list[Sink] = [alarms.look] if alarms else []  # first: what it finds belongs into the row
    sinks += [JsonLines(folder / METRICS, training.step), bar.show]
    events = tensorboard(folder / "tensorboard")
    meter = Meter(recipe.watch.log_every, [*sinks, events] if events else sinks)
    remembering: dict[str, Watcher] = {"meter": meter} | ({"alarms": alarms} if alarms else {})
    for name in remembering.keys() & saved.keys():
        remembering[name].load_state_dict(saved[name])

    def export(training: Training) -> None:
        save_generator(folder / "generator", standing(training), card(recipe, store, training))

    average = recipe.average
    return [
        Soundness(recipe.watch.log_every),
        Average(average.halflife_kimg * 1000, average.ramp, average.burn_in_kimg * 1000),
        bar,
        *([alarms] if alarms else []),
        meter,
        Checkpoints(
            folder / "checkpoints",
            recipe.watch.checkpoint_every,
            recipe.watch.keep,
            remembering,
            facts(store, where, training.players.ranks),
            export,
        ),
        *([Snapshots(folder / "snapshots")] if recipe.watch.snapshots else []),
        Sayings(folder / "samples", training.lexicon, recipe.watch.samples)
        if training.lexicon
        else Samples(folder / "samples", recipe.watch.samples),  # after the checkpoint: nothing may come before saving
        *measuring(folder, recipe, store, training),
    ]


def measuring(folder: Path, recipe: Recipe, store: Store, training: Training) -> list[Watcher]:
    """The watcher that measures, if the recipe asks for one."""
    watch = recipe.watch
    if not watch.measure_every:
        return []
    device = next(training.players.G.parameters()).device
    named = features.default_for(recipe.data.source) if watch.features == "auto" else watch.features
    network = features.load(named, device)

    def save(training: Training, G: nn.Module, found: dict[str, Any]) -> None:
        save_generator(folder / BEST, G, card(recipe, store, training) | {"measured": found})

    path = folder / MEASURES
    return [Measuring(path, watch.measure_every, watch.measure_share, store.pictures, network, save, training.step)]


@contextmanager
def stoppable(speaks: bool = True) -> Iterator[list[signal.Signals]]:
    """Collect SIGINT, SIGTERM and SIGHUP instead of dying; the round is finished first. A second one ends at once."""
    caught: list[signal.Signals] = []

    def note(number: int, frame: FrameType | None) -> None:
        if caught:
            os._exit(128 + number)
        caught.append(signal.Signals(number))
        drop_dead_terminal()
        if speaks:
            say("Stopping after this round and saving; once more to stop at once without saving.")

    wanted = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    try:
        before = {s: signal.signal(s, note) for s in wanted if signal.getsignal(s) is not signal.SIG_IGN}
    except ValueError:  # not in the main thread, where signals cannot be had: a notebook's, a server's
        before = {}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def facts(store: Store, device: torch.device, ranks: Ranks) -> dict[str, Any]:
    """What has to stay equal for a resumed run to be the same run."""
    return {
        "data": store.fingerprint,
        "pictures": len(store),
        "torch": torch.__version__,
        "device": device.type,
        "threads": torch.get_num_threads(),
        "ranks": ranks.count,
        **labels_of(store),
    }


def labels_of(store: Store) -> dict[str, str]:
    """A fingerprint of the labels, if the run uses any."""
    return {"labels": store.labels.fingerprint} if store.labels else {}


def check_same(then: dict[str, Any], now: dict[str, Any], store: Store, accept_new_data: bool) -> None:
    """Refuse other data unless accepted; say aloud what else keeps the run from being bit-identical."""
    if not then:
        return
    if then.get("data") != now["data"] and not accept_new_data:
        changes = since(store, str(then.get("data")))
        raise BadRun(
            f"The data changed since the checkpoint ({then.get('pictures')} pictures then, {now['pictures']} now"
            f"{f': {changes}' if changes else ''}): restore it, or go on with --accept-new-data."
        )
    if then.get("labels") != now.get("labels") and not accept_new_data:
        raise BadRun("The labels changed since the checkpoint: restore them, or go on with --accept-new-data.")
    for name in ("torch", "device", "threads", "ranks"):
        if then.get(name, 1) != now[name]:
            say(f"Resuming with {name} {now[name]} instead of {then.get(name, 1)}: not bit-identical to one run.")


def read_recipe(folder: Path) -> Recipe:
    """The recipe of a run folder."""
    if not is_run(folder):
        what = "is not a run folder (it has no run.toml)" if folder.exists() else "does not exist"
        raise BadRun(f"{folder} {what}.")
    return Recipe.from_dict(read_toml(folder / RECIPE))


def is_run(folder: Path) -> bool:
    """Whether a run was ever started there."""
    return (folder / RECIPE).is_file()


def environment(device: torch.device) -> dict[str, Any]:
    """Where a run ran."""
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "leafwing": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "device": str(device),
        "gpu": gpu,
        "threads": torch.get_num_threads(),
        "cpus": os.cpu_count(),
    }
