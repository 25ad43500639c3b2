"""What a recipe will need, found by playing a few rounds of it on random pictures: shapes, memory, time.

Memory is counted, not modelled: every tensor that is made during a round is entered in a ledger and struck out when it
is freed, for two small batches; at each operation a straight line through both sums gives any batch. What lies outside
torch's tensors (a convolution's scratch space and machine code, the allocator's gaps) is not seen by the ledger and
enters as a factor and a constant, fitted on a CPU; `benchmarks/estimate.py` sets estimates beside real peaks.
"""

from __future__ import annotations

import gc
import time
import traceback
import weakref
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from leafwing.core import randomness
from leafwing.core.errors import BadConfig, LeafwingError
from leafwing.core.lexicon import Lexicon
from leafwing.core.machine import free_memory
from leafwing.core.vocabulary import Vocabulary
from leafwing.data import Store
from leafwing.data.conditions import Conditions
from leafwing.data.conversations import Conversations
from leafwing.data.feed import Feed
from leafwing.data.films import Films
from leafwing.data.labels import Labels
from leafwing.data.windows import Windows
from leafwing.game import Batch, call
from leafwing.prepare import choose_device, prepare, settle
from leafwing.recipe import Recipe
from leafwing.training import Training, one_round

SECONDS = 8.0
"""Given to the probe; a round that has begun is finished, so that it may become ten."""
SMALL = 8
"""Pictures a turn of the smaller of the two counted rounds."""
UNSEEN, UNSEEN_FIXED = 1.25, 30_000_000
"""A round takes this many times the ledger's bytes, and so many more. Fitted to `gan-2014` at batches 512 and 8192,
`dcgan` at 32 and 128 and `faces` at 32 (torch 2.13, CPU, one thread): within 15 % of the measured growth."""
MARGIN = 0.9
"""Of the free memory, what a suggested batch may fill."""


@dataclass(frozen=True)
class Layer:
    """A row of a network's table: a layer that has parameters or changes the shape."""

    name: str
    kind: str
    shape: tuple[int, ...]  # of its output, without the batch
    parameters: int


@dataclass(frozen=True)
class Memory:
    """Bytes a run needs while it plays.

    Attributes:
        networks: G, D and the averaged G.
        optimizers: their slots.
        moments: of a round, at each moment that can be its fullest: bytes whatever the batch (gradients, copies of
            frozen buffers), and for each picture of a turn (what is kept for going backwards).
        free: bytes there for it now, or None where the system does not say.
    """

    networks: int
    optimizers: int
    moments: list[tuple[int, int]]
    free: int | None

    @property
    def kept(self) -> int:
        """Bytes held between rounds; as many again while a checkpoint is saved."""
        return self.networks + self.optimizers

    def round(self, batch: int) -> int:
        """Bytes of a round's fullest moment."""
        return int(UNSEEN * max(fixed + each * batch for fixed, each in self.moments)) + UNSEEN_FIXED

    def needed(self, batch: int) -> int:
        """Bytes at most with so many pictures a turn: in a round, or while saving if that is more."""
        return self.kept + max(self.round(batch), self.kept)

    def fits(self) -> int | None:
        """The largest batch that would fill no more than 90 % of what is free; 0 for none, None where not known."""
        if self.free is None:
            return None
        room = MARGIN * self.free - self.kept
        counted = (room - UNSEEN_FIXED) / UNSEEN
        batch = min(int((counted - fixed) / max(each, 1)) for fixed, each in self.moments) if room >= self.kept else 0
        return batch - batch % 8 if batch > 16 else max(0, batch)


@dataclass(frozen=True)
class Estimate:
    """What was found.

    Attributes:
        device: where it was tried.
        batch: pictures a turn of the recipe.
        at_once: how many of them are computed at a time; fewer with micro-batches.
        layers: of each network, in the order they are run.
        parameters: of each network.
        memory: in bytes.
        round_seconds: of one round at the recipe's batch.
        probe_batch: the batch at which it was timed; scaled in proportion where it is not the recipe's.
        steps: rounds of the whole run.
    """

    device: str
    batch: int
    at_once: int
    layers: dict[str, list[Layer]]
    parameters: dict[str, int]
    memory: Memory
    round_seconds: float
    probe_batch: int
    steps: int

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, with what follows from it."""
        more = {
            "memory_needed": self.memory.needed(self.at_once),
            "largest_batch": self.memory.fits(),
            "seconds_per_1000_rounds": 1000 * self.round_seconds,
            "seconds": self.steps * self.round_seconds,
        }
        return asdict(self) | more

    def lines(self) -> Iterator[str]:
        """For people, a line each."""
        for name, rows in self.layers.items():
            yield f"{name}: {self.parameters[name]:,} parameters"
            width = max((len(row.name) for row in rows), default=0)
            for row in rows:
                shape = "x".join(map(str, row.shape)) or "1"
                yield f"  {row.name:{width}}  {row.kind:18} {shape:>12} {row.parameters:>12,}"
        memory = self.memory
        free = "" if memory.free is None else f"; {shown(memory.free)} free on {self.device}"
        parts = f"networks {shown(memory.networks)}, optimisers {shown(memory.optimizers)}"
        parts += f", a round {shown(memory.round(self.at_once))}"
        yield f"memory: about {shown(memory.needed(self.at_once))} at batch {self.batch} ({parts}){free}"
        most = memory.fits()
        if most is not None and most < self.at_once:
            yield f"too little memory: a batch of {most} would fit"
        scaled = "" if self.probe_batch == self.batch else f", scaled up from a batch of {self.probe_batch}"
        yield f"time: {clock(1000 * self.round_seconds)} for 1,000 rounds on {self.device}{scaled}"
        yield f"      {clock(self.steps * self.round_seconds)} for all {self.steps:,}"


def noise_for(recipe: Recipe, count: int) -> Store:
    """Random pictures in place of data, films or replies, so that nothing need be read; for so many pictures a turn."""
    data, words = recipe.data, recipe.stand_in()
    if isinstance(words, Lexicon):
        rng = np.random.default_rng(0)
        pairs = [rng.integers(1, len(words), (count, length)) for length in (words.question, words.reply)]
        return Conversations("noise", (), words, (pairs[0], pairs[1]))
    if not data.history:
        return Noise(recipe, count)
    frames = np.random.default_rng(0).integers(0, 256, (count + data.history, *[data.image_size] * 2, data.channels))
    films = Films(Path(), {"n": len(frames), "lengths": [len(frames)], "still": [0]}, reused=False)
    films.pictures = frames.astype(np.uint8)
    return films


class Noise(Store):
    """Random pictures in place of data, so that nothing need be read."""

    def __init__(self, recipe: Recipe, count: int) -> None:
        super().__init__(Path(), {"n": count}, reused=False)
        shape = (count, recipe.data.image_size, recipe.data.image_size, recipe.data.channels)
        self.pictures = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        self.labels = any_labels(recipe, count)


class Ledger(TorchDispatchMode):  # type: ignore[no-untyped-call,unused-ignore]
    """Bytes of the tensors made inside it that are alive, after each operation. Views share, and are counted once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now, self.sums = 0, [0]
        self._known: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and enter what it made."""
        before = {leaf.untyped_storage()._cdata for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor) and leaf.untyped_storage()._cdata not in before:
                self._enter(leaf.untyped_storage())
        self.sums.append(self.now)
        return out

    def _enter(self, storage: torch.UntypedStorage) -> None:
        if storage in self._known:
            return
        self._known.add(storage)
        self.now += storage.nbytes()
        weakref.finalize(storage, self._strike, storage.nbytes())

    def _strike(self, size: int) -> None:
        self.now -= size


def estimate(recipe: Recipe, device: str = "auto", seconds: float = SECONDS) -> Estimate:
    """Try a recipe for some seconds.

    Args:
        recipe: a checked recipe whose networks have names (not ones given in Python).
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        seconds: for timing rounds; a few small ones are played whatever they take.

    Raises:
        BadNetwork: when the players do not fit together.
    """
    end = time.perf_counter() + seconds
    where = choose_device(device)
    free = free_memory(where)
    recipe = settle(recipe, where)
    training = trial(recipe, min(SMALL, recipe.train.batch), where)
    memory = count_memory(recipe, training, free)
    took, probed = time_rounds(recipe, training, memory.fits(), end)
    return Estimate(
        device=str(where),
        batch=recipe.train.batch,
        at_once=at_once(recipe),
        layers={name: table(net, training) for name, net in networks(training)},
        parameters={name: sum(p.numel() for p in net.parameters()) for name, net in networks(training)},
        memory=memory,
        round_seconds=took * recipe.train.batch / probed,
        probe_batch=probed,
        steps=recipe.train.steps,
    )


def networks(training: Training) -> list[tuple[str, nn.Module]]:
    """Both players with their names."""
    return [("generator", training.players.G), ("discriminator", training.players.D)]


def at_once(recipe: Recipe) -> int:
    """Pictures whose graph is held at a time: the batch, or a micro-batch."""
    return min(recipe.train.batch, recipe.train.microbatch or recipe.train.batch)


def trial(recipe: Recipe, batch: int, device: torch.device) -> Training:
    """The recipe's game on random pictures."""
    resized = recipe.whole().override([f"train.batch={batch}"])
    return prepare(resized, noise_for(recipe, 2 * batch), device)


def feed_noise(training: Training, recipe: Recipe, batch: int, device: torch.device) -> None:
    """Have random pictures from now on, ``batch`` a turn."""
    noise = noise_for(recipe, batch)
    if isinstance(noise, Conversations):
        training.reals, training.conditions = noise.serve(batch, 0, device)
        return
    if isinstance(noise, Films):
        data, many = recipe.data, training.variant.many
        windows = Windows(noise, data.history, data.image_size, batch, 0, many=many, device=device)
        training.reals, training.conditions = windows, windows.past
        return
    feed = Feed(noise.pictures, batch, 0, device=device, channels_last=recipe.train.channels_last)
    training.reals = feed
    if noise.labels:
        training.conditions = Conditions(noise.labels, feed, device=device)


def any_labels(recipe: Recipe, count: int) -> Labels | None:
    """Labels for pictures that are not read, a condition as long as z; None for a recipe without."""
    if not recipe.data.condition:
        return None
    vocabulary = recipe.stand_in()
    assert isinstance(vocabulary, Vocabulary)
    return Labels(vocabulary, np.resize(vocabulary.rows, (count, 1)))


def count_memory(recipe: Recipe, training: Training, free: int | None) -> Memory:
    """The ledgers of two small rounds, and what stays between rounds."""
    device = next(training.players.G.parameters()).device
    small = min(SMALL, recipe.train.batch)
    one_round(training)  # makes the optimisers' slots
    pieces, training.players.microbatch = training.players.microbatch, None
    ledgers: list[list[int]] = []
    for batch in (small, 2 * small):
        feed_noise(training, recipe, batch, device)
        training.step = 0  # which has every penalty
        with Ledger() as ledger:
            one_round(training)
        ledgers.append(ledger.sums)
    training.players.microbatch = pieces
    kept = [training.players.G, training.players.D, training.average]
    slots = [slot for opt in (training.players.opt_G, training.players.opt_D) for slot in opt.state.values()]
    return Memory(
        networks=sum(size(tensor) for net in kept for tensor in (*net.parameters(), *net.buffers())),
        optimizers=sum(size(value) for slot in slots for value in slot.values() if isinstance(value, Tensor)),
        moments=fullest(ledgers[0], ledgers[1], small),
        free=free,
    )


def fullest(once: list[int], twice: list[int], batch: int) -> list[tuple[int, int]]:
    """The moments, as (fixed, for each picture), that are the fullest at some batch; from the sums at two batches."""
    if len(once) != len(twice):  # a network that does other things with another batch: only the peaks compare
        once, twice = [max(once)], [max(twice)]
    moments = {(max(0, 2 * a - b), max(0, (b - a) // batch)) for a, b in zip(once, twice, strict=True)}
    kept: list[tuple[int, int]] = []
    for fixed, each in sorted(moments, key=lambda moment: (-moment[1], -moment[0])):
        if not kept or fixed > kept[-1][0]:
            kept.append((fixed, each))
    return kept


def time_rounds(recipe: Recipe, training: Training, most: int | None, end: float) -> tuple[float, int]:
    """Seconds of a round, and its batch: the recipe's, or as near to it as time and memory allow."""
    goal = recipe.train.batch if most is None else min(recipe.train.batch, most)
    device = next(training.players.G.parameters()).device
    batch, took = min(SMALL, recipe.train.batch), 0.0
    while True:
        feed_noise(training, recipe, batch, device)
        took = timed_round(training)  # the first one of its size also gets things warm
        larger = min(2 * batch, goal)
        if larger <= batch or time.perf_counter() + 3 * took * larger / batch > end:
            break
        batch = larger
    taken: list[float] = []
    while not taken or time.perf_counter() + taken[-1] < end:
        taken.append(timed_round(training))
    return sum(taken) / len(taken), batch


def timed_round(training: Training) -> float:
    """Seconds of one round."""
    device = next(training.players.G.parameters()).device
    start = time.perf_counter()
    one_round(training)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def size(tensor: Tensor) -> int:
    """Bytes."""
    return tensor.numel() * tensor.element_size()


def table(net: nn.Module, training: Training) -> list[Layer]:
    """The layers of G (and its encoder) or of D (and its judge of codes), in the order in which two pictures pass."""
    rows: list[Layer] = []

    def note(name: str, layer: nn.Module, inputs: tuple[Any, ...], out: Any) -> None:
        out = out[0] if isinstance(out, tuple) else out  # what comes first, e.g. the states of a recurrent layer
        params = sum(p.numel() for p in layer.parameters(recurse=False))
        shapes = [tuple(x.shape[1:]) for x in (*inputs, out) if isinstance(x, Tensor)]
        fresh = all(row.name != name for row in rows)  # a layer that is passed twice is listed once
        if isinstance(out, Tensor) and fresh and (params or len(set(shapes)) > 1):
            rows.append(Layer(name, type(layer).__name__, tuple(out.shape[1:]), params))

    parts = [
        (name, layer)
        for name, layer in net.named_modules()
        if not list(layer.children()) or list(layer.parameters(recurse=False))
    ]
    hooks = [
        layer.register_forward_hook(lambda layer, inputs, out, name=name: note(name, layer, inputs, out))
        for name, layer in parts
    ]
    players = training.players
    device = next(players.G.parameters()).device
    z = players.prior.sample(2, randomness.stream(0, 0, "table")).to(device)
    try:
        with torch.no_grad():
            asked = training.asked(0, 2)
            told = asked if training.variant.d_sees_condition else None
            fake = training.variant.fakes(players.G, z, Batch(training.shown(0, 2), asked))
            if net is players.D:
                call(net, fake.pictures, told)
                if fake.code is not None:
                    net.judge_code(fake.code)  # type: ignore[operator]
    finally:
        for hook in hooks:
            hook.remove()
    return rows


def out_of_memory(error: BaseException, recipe: Recipe, device: str = "auto") -> LeafwingError:
    """What to tell when memory ran out (:func:`is_out_of_memory`): the batch that would fit.

    To be called from the ``except`` around a run; what the failed round held is let go first.
    """
    batch, setting = at_once(recipe), "train.microbatch" if recipe.train.microbatch else "train.batch"
    traceback.clear_frames(error.__traceback__)  # the round's tensors live in its frames
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    try:
        where = choose_device(device)
        free = free_memory(where)
        recipe = settle(recipe, where)
        memory = count_memory(recipe, trial(recipe, min(SMALL, recipe.train.batch), where), free)
        needs, most = f", which needs about {shown(memory.needed(batch))}", memory.fits()
    except Exception:  # too little memory left even for that, or networks given in Python
        needs, most = "", None
    if most == 0 or batch == 1:
        return BadConfig(
            f"Memory ran out at {setting} = {batch}{needs}: no batch would fit, so lower data.image_size or the "
            "widths of the networks."
        )
    advised = max(1, batch // 2 if most is None else min(most, batch // 2))
    return BadConfig(
        f"Memory ran out at {setting} = {batch}{needs}: {advised} would fit here, so use --set {setting}={advised}, or "
        "for a run already begun set it in its run.toml and resume; what was saved is kept."
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is one of the several ways in which torch and Python say so."""
    words = ("can't allocate memory", "out of memory", "cannot allocate memory", "could not create a memory")
    named = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return named or (isinstance(error, RuntimeError | OSError) and any(w in str(error).lower() for w in words))


def shown(size: float) -> str:
    """``1_500_000_000`` -> ``1.5 GB``."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"


def clock(seconds: float) -> str:
    """``3700`` -> ``1 h 2 min``; ``75`` -> ``1.2 min``; ``9.5`` -> ``9.5 s``."""
    if seconds >= 3600:
        hours, minutes = divmod(round(seconds / 60), 60)
        return f"{hours:,} h {minutes} min"
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.1f} s"
