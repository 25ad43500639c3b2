"""A run: recipe -> data, players, variant, watchers, in one folder that a person can read.

``run.toml`` the resolved recipe, ``environment.json`` where it ran, ``metrics.jsonl`` the log, ``samples/`` sheets and
time-lapse, ``checkpoints/`` what resume needs, ``generator/`` the averaged generator by itself.
"""

from __future__ import annotations

import copy
import json
import os
import platform
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn

from leafwing._version import __version__
from leafwing.contract import check_players
from leafwing.core import published, randomness
from leafwing.core.config import Settings, read_toml
from leafwing.core.errors import BadConfig, BadRun
from leafwing.core.lock import RunLock
from leafwing.core.progress import counting, say
from leafwing.data import Store, open_data
from leafwing.data.feed import Feed
from leafwing.game import Players
from leafwing.generator import Generator, generator_folder, load_weights, read_card, replace_file, save_generator
from leafwing.latents import check_prior
from leafwing.recipe import USER, Part, Recipe
from leafwing.training import Training, Watcher, fit
from leafwing.watch.average import Average
from leafwing.watch.checkpoint import PREFIX, Checkpoints, restore
from leafwing.watch.console import TrainingBar
from leafwing.watch.meter import JsonLines, Meter, Sink, tensorboard
from leafwing.watch.samples import Samples

RECIPE, METRICS = "run.toml", "metrics.jsonl"


@dataclass(frozen=True)
class Given:
    """Networks handed over in Python instead of being named in the recipe; None for the recipe's own."""

    generator: nn.Module | None = None
    discriminator: nn.Module | None = None

    def note(self, recipe: Recipe) -> Recipe:
        """The recipe with the names of these networks, so that the run tells the truth about itself."""
        parts = {"generator": self.generator, "discriminator": self.discriminator}
        names = {key: Part(USER + type(net).__name__, Settings()) for key, net in parts.items() if net is not None}
        return replace(recipe, **names)  # type: ignore[arg-type]

    def build(self, recipe: Recipe) -> tuple[nn.Module, nn.Module]:
        """G and D: those given, and the recipe's where none was."""
        return (
            self.generator or recipe.build_generator(),
            self.discriminator or recipe.build_discriminator(),
        )


@dataclass
class Outcome:
    """How a sitting ended.

    Attributes:
        folder: the run.
        step: rounds played in all.
        stopped_by: the signal that asked to stop, or None when all rounds were played.
    """

    folder: Path
    step: int
    stopped_by: signal.Signals | None = None


def choose_device(name: str) -> torch.device:
    """``"auto"`` is the GPU where there is one; anything else is torch's own name."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise BadConfig(f"--device {name} cannot be used here: {reason}. Use auto, cpu or cuda.") from None
    return device


def read_store(recipe: Recipe) -> Store:
    """The recipe's data, built on first use and reused afterwards, with a progress bar."""
    data = recipe.data
    with counting("reading pictures") as report:
        return open_data(
            data.source,
            image_size=data.image_size,
            channels=data.channels,
            fit=data.fit,
            count=data.count,
            max_bad_share=data.max_bad_share,
            progress=report,
        )


def prepare(recipe: Recipe, store: Store, device: torch.device, given: Given = Given()) -> Training:
    """Build everything the game needs; equal recipes give equal players, bit by bit."""
    train, data = recipe.train, recipe.data
    randomness.seed_networks(train.seed, -1)  # -1: before the first round
    G, D = given.build(recipe)
    variant, prior = recipe.build_variant(), check_prior(recipe.build_prior())
    channels_last = train.channels_last and given == Given()  # a module of one's own may use .view
    layout = torch.channels_last if channels_last else torch.contiguous_format
    G, D = G.to(device, memory_format=layout), D.to(device, memory_format=layout)  # type: ignore[call-overload]
    check_players(G, D, variant, prior, (data.channels, data.image_size, data.image_size), device=device, layout=layout)
    opt_G = recipe.optimizer.generator.build(G.parameters())
    opt_D = recipe.optimizer.discriminator.build(D.parameters())
    players = Players(G, D, opt_G, opt_D, prior, train.seed, precision(train.precision, device))

    def schedules(step: int) -> None:
        recipe.optimizer.generator.set_schedule(opt_G, step)
        recipe.optimizer.discriminator.set_schedule(opt_D, step)

    return Training(
        variant=variant,
        players=players,
        reals=Feed(store.pictures, train.batch, train.seed, flip=data.flip, device=device, channels_last=channels_last),
        average=copy.deepcopy(G).requires_grad_(False),
        goal=train.steps,
        n_d=train.n_d,
        n_g=train.n_g,
        before_round=schedules,
    )


def settle(recipe: Recipe, device: torch.device) -> Recipe:
    """The recipe with ``train.precision = "auto"`` made definite for this machine."""
    if recipe.train.precision != "auto":
        return recipe
    return recipe.override([f"train.precision={'bf16' if computes_bf16(device) else 'fp32'}"])


def computes_bf16(device: torch.device) -> bool:
    """Whether the device has instructions for bf16; without them a CPU is ten times slower in it than in fp32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    probes = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return device.type == "cpu" and any(probe() for probe in probes if probe is not None)


def precision(name: str, device: torch.device) -> Callable[[], AbstractContextManager[object]]:
    """What forward passes run in: nothing for fp32, autocast for bf16."""
    return partial(torch.autocast, device.type, dtype=torch.bfloat16) if name == "bf16" else nullcontext


def start(recipe: Recipe, folder: Path, device: str = "auto", given: Given = Given()) -> Outcome:
    """Train from the beginning into a new folder."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if is_run(folder):
            raise BadRun(f"{folder} already holds a run: go on by `leafwing resume`, or choose another --out.")
        raise BadRun(f"{folder} is not an empty folder: choose another --out.")
    where = choose_device(device)
    recipe = given.note(settle(recipe, where))
    store = read_store(recipe)
    training = prepare(recipe, store, where, given)
    folder.mkdir(parents=True, exist_ok=True)
    with RunLock(folder):
        replace_file(folder / RECIPE, recipe.to_toml().encode())
        return play(folder, recipe, store, training)


def resume(
    folder: Path,
    steps: int | None = None,
    device: str = "auto",
    accept_new_data: bool = False,
    given: Given = Given(),
) -> Outcome:
    """Go on from the newest sound checkpoint, bit-identically to a run that never stopped."""
    recipe = read_recipe(folder)
    if steps is not None:
        recipe = recipe.override([f"train.steps={steps}"])
    with RunLock(folder):
        where = choose_device(device)
        store = read_store(recipe)
        training = prepare(recipe, store, where, given)
        checkpoint, damaged = published.newest(folder / "checkpoints", PREFIX)
        for sentence in damaged:
            say(sentence)
        state = restore(training, checkpoint) if checkpoint else {}
        if not checkpoint:
            say(f"{folder} has no checkpoint yet: starting from step 0.")
        check_same(state.get("facts", {}), facts(store, where), accept_new_data)
        if training.step >= training.goal:
            say(f"{folder} has played its {training.goal} steps; give more with --steps.")
        replace_file(folder / RECIPE, recipe.to_toml().encode())
        return play(folder, recipe, store, training, state.get("watchers", {}))


def play(
    folder: Path, recipe: Recipe, store: Store, training: Training, saved: dict[str, Any] | None = None
) -> Outcome:
    """Set up the watchers and play until the goal or a signal."""
    where = training.reals.device if isinstance(training.reals, Feed) else torch.device("cpu")
    bar = TrainingBar()
    sinks: list[Sink] = [JsonLines(folder / METRICS, training.step), bar.show]
    events = tensorboard(folder / "tensorboard")
    meter = Meter(recipe.watch.log_every, [*sinks, events] if events else sinks)
    if saved:
        meter.load_state_dict(saved["meter"])
    replace_file(folder / "environment.json", json.dumps(environment(where), indent=2).encode())

    def export(training: Training) -> None:
        save_generator(folder / "generator", training.average, card(recipe, store, training))

    watchers: list[Watcher] = [
        Average(recipe.average.halflife_kimg * 1000, recipe.average.ramp),
        bar,
        meter,
        Checkpoints(
            folder / "checkpoints",
            recipe.watch.checkpoint_every,
            recipe.watch.keep,
            {"meter": meter},
            facts(store, where),
            export,
        ),
        Samples(folder / "samples", recipe.watch.samples),  # after the checkpoint: nothing may come before saving
    ]
    with stoppable() as stopped:
        try:
            fit(training, watchers, stop=lambda: bool(stopped))
        finally:
            bar.close()
    return Outcome(folder, training.step, stopped[0] if stopped and training.step < training.goal else None)


@contextmanager
def stoppable() -> Iterator[list[signal.Signals]]:
    """Collect SIGINT and SIGTERM instead of dying; the round is finished first. A second one ends at once."""
    caught: list[signal.Signals] = []

    def note(number: int, frame: FrameType | None) -> None:
        if caught:
            os._exit(128 + number)
        caught.append(signal.Signals(number))
        say("Stopping after this round and saving; once more to stop at once without saving.")

    try:
        before = {s: signal.signal(s, note) for s in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread, where signals cannot be had: a notebook's, a server's
        before = {}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def facts(store: Store, device: torch.device) -> dict[str, Any]:
    """What has to stay equal for a resumed run to be the same run."""
    return {
        "data": store.fingerprint,
        "pictures": len(store),
        "torch": torch.__version__,
        "device": device.type,
        "threads": torch.get_num_threads(),
    }


def check_same(then: dict[str, Any], now: dict[str, Any], accept_new_data: bool) -> None:
    """Refuse other data unless accepted; say aloud what else keeps the run from being bit-identical."""
    if not then:
        return
    if then["data"] != now["data"] and not accept_new_data:
        raise BadRun(
            f"The data changed since the checkpoint ({then['pictures']} pictures then, {now['pictures']} now): "
            "restore it, or go on with --accept-new-data."
        )
    for name in ("torch", "device", "threads"):
        if then[name] != now[name]:
            say(f"Resuming with {name} {now[name]} instead of {then[name]}: not bit-identical to an unbroken run.")


def card(recipe: Recipe, store: Store, training: Training) -> dict[str, Any]:
    """What a saved generator knows of itself: enough to rebuild it, and where it comes from."""
    return {
        "leafwing": __version__,
        "recipe": recipe.as_dict(),
        "step": training.step,
        "images": training.images,
        "data": store.fingerprint,
        "note": "The averaged generator; its pictures are made by a machine.",
    }


def load_generator(path: Path, device: str = "auto", network: nn.Module | None = None) -> Generator:
    """A generator from a run folder or its ``generator/``, ready to be called."""
    folder = generator_folder(path)
    facts_of_it = read_card(folder)
    try:
        recipe = Recipe.from_dict(facts_of_it["recipe"])
    except KeyError as missing:
        raise BadRun(f"{folder} is damaged: its card says nothing of {missing}.") from None
    G = network or recipe.build_generator()
    load_weights(folder, G)
    where = choose_device(device)
    return Generator(G.to(where).eval().requires_grad_(False), recipe.build_prior(), facts_of_it)


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
