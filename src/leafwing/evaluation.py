"""A run, a generator, a folder of pictures or a data set, against data: two streams of pictures, and their measures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leafwing import loading
from leafwing.core import pictures, randomness
from leafwing.core.errors import BadConfig, BadData
from leafwing.core.progress import counting
from leafwing.core.vocabulary import Codes, Vocabulary
from leafwing.data import Store, open_data
from leafwing.data.drawn import is_world
from leafwing.data.label_doors import read_labels
from leafwing.data.pictures import Fit
from leafwing.data.sizes import sizes_of
from leafwing.explore import sample as sampling
from leafwing.explore.asked import Asking
from leafwing.generator import Generator, is_generator
from leafwing.measure import bootstrap, features, frechet, manifold, panel, path, table
from leafwing.measure.network import Network
from leafwing.measure.panel import LOOKED_AT, MEASURES, Panel
from leafwing.measure.table import Table
from leafwing.measure.verdict import Line, Verdict
from leafwing.prepare import choose_device
from leafwing.recipe import Recipe

MOST = 10_000
"""Pictures of each side unless asked otherwise."""
BATCH = 64
WORLD_SIDE = 64
"""Side of a world's pictures where nothing else says one, in pixels."""


@dataclass(frozen=True)
class Pictures:
    """One side: n pictures that can be streamed again and again.

    Attributes:
        title: where they come from, for people.
        n: how many.
        batches: uint8 [b, h, w, c], at most ``BATCH`` at a time.
        some: the first so many of them, in an order that owes nothing to the source's.
        identity: what determines them, so that their features can be kept; None to keep nothing.
        grey: whether they are without colour.
        labels: what is known or was asked of each of them, as codes [n, a] of a vocabulary; None for nothing.
    """

    title: str
    n: int
    batches: Callable[[], Iterator[NDArray[np.uint8]]]
    some: Callable[[int], NDArray[np.uint8]]
    identity: dict[str, Any] | None
    grey: bool
    labels: Callable[[Vocabulary], Codes | None] = lambda _: None


@dataclass(frozen=True)
class Shape:
    """How pictures are prepared: side in pixels, channels, crop or pad."""

    side: int
    channels: int = 3
    fit: Fit = "crop"


def evaluate(
    subject: str,
    data: str | None = None,
    *,
    metrics: Iterable[str] | None = None,
    network: str | None = None,
    count: int | None = None,
    seed: int = 0,
    resizer: str | None = None,
    image_size: int | None = None,
    channels: int | None = None,
    nearest: int = manifold.NEAREST,
    resamples: int = bootstrap.RESAMPLES,
    device: str = "auto",
    download: bool = False,
) -> Verdict:
    """Measure samples against data; see :func:`leafwing.evaluate`."""
    check_numbers(count, nearest, resamples)
    where = choose_device(device)
    G = loading.load_generator(Path(subject), device) if is_generator(Path(subject)) else None
    if G:
        G.knows(())  # how to draw pictures
    source = data or recipe_of(G).data.source if G else data
    if source is None:
        raise BadConfig(f"Say what {subject} is compared with: --data FOLDER, or --data world:faces.")
    name = network or features.default_for(source)
    with counting("downloading") if download else nullcontext() as loaded:
        net = features.load(name, where, resizer=resizer, download=download, progress=loaded)
    names = panel.chosen(metrics, net, G is not None, can_be_asked(G))
    shape = shape_of(G, subject, source, image_size, channels)
    theirs = from_data(source, shape, count, seed, recipe_of(G).data.count if G and not data else None)
    ours = from_generator(G, subject, shape, count or theirs.n, seed) if G else from_data(subject, shape, count, seed)
    told = told_of(G, ours, theirs)
    if told is None:  # only now is it known that the data has no such labels
        names = panel.chosen(metrics, net, G is not None)
    if channels is None:
        check_colours(ours, theirs)
    if metrics is None and min(ours.n, theirs.n) < frechet.enough_to_extrapolate(net.dim):
        names.remove("frechet_inf")
    steps = (lambda: path_steps(G, net, min(ours.n, LOOKED_AT), seed)) if G else None
    board = Panel(
        net, table_of(ours, net), table_of(theirs, net), ours.some, theirs.some, seed, nearest, resamples,
        where if where.type == "cuda" else "cpu", steps, told,
    )  # fmt: skip
    protocol = net.protocol() | {
        "samples": ours.n, "samples_of": ours.title, "pictures": theirs.n, "pictures_of": theirs.title,
        "image_size": shape.side, "channels": shape.channels, "seed": seed, "nearest": nearest, "resamples": resamples,
    }  # fmt: skip
    return Verdict(protocol, measured(board, names), list(warnings(ours, theirs, net, names)), hints(net))


def measured(board: Panel, names: Iterable[str]) -> dict[str, Line]:
    """Each measure in turn, the long ones with a progress bar."""
    lines = {}
    for name in names:
        with counting(name) as report:
            board.progress = report
            answer = MEASURES[name].compute(board)
        answers = answer if isinstance(answer, dict) else {"": answer}
        for part, (own, theirs) in answers.items():
            called = panel.label(name, board.network) + (f" {part}" if part else "")
            lines[called] = Line(own, theirs, MEASURES[name].better)
    return lines


def can_be_asked(G: Generator | None) -> bool:
    """Whether there is a generator that knows classes."""
    return G is not None and G.vocabulary is not None and any(one.classes for one in G.vocabulary.attributes)


def told_of(G: Generator | None, ours: Pictures, theirs: Pictures) -> panel.Told | None:
    """What was asked of the samples and is known of the data, if G can be asked for classes that the data has."""
    if G is None or G.vocabulary is None or not can_be_asked(G):
        return None
    asked, known = (side.labels(G.vocabulary) for side in (ours, theirs))
    return None if asked is None or known is None else panel.Told(G.vocabulary, asked, known)


def check_colours(ours: Pictures, theirs: Pictures) -> None:
    """Refuse grey against colour.

    Raises:
        BadData: one side has no colour.
    """
    if ours.grey != theirs.grey:
        grey, colour = (ours, theirs) if ours.grey else (theirs, ours)
        raise BadData(
            f"{grey.title} is greyscale and {colour.title} in colour, so a distance would measure the colour: say "
            "--channels 1 to compare both in grey."
        )


def check_numbers(count: int | None, nearest: int, resamples: int) -> None:
    """Refuse numbers that cannot be."""
    if count is not None and count < 2:
        raise BadConfig(f"--count {count} cannot be: measure at least 2 pictures.")
    if nearest < 1:
        raise BadConfig(f"--nearest {nearest} cannot be: it is the number of a neighbour, at least 1.")
    if resamples < 0:
        raise BadConfig(f"--resamples {resamples} cannot be: use 0 for no spread, or 20.")


def recipe_of(G: Generator) -> Recipe:
    """What the generator was trained by."""
    return Recipe.from_dict(G.card["recipe"])


def shape_of(G: Generator | None, subject: str, source: str, image_size: int | None, channels: int | None) -> Shape:
    """One shape for both sides: the run's, or that of the pictures if they have one.

    Raises:
        BadData: pictures of several sizes.
        BadConfig: another size than the generator's.
    """
    if G is not None:
        made = recipe_of(G).data
        if image_size not in (None, made.image_size) or channels not in (None, made.channels):
            raise BadConfig(f"{subject} makes pictures of {made.image_size} px with {made.channels} channels: leave "
                            "--image-size and --channels away.")  # fmt: skip
        return Shape(made.image_size, made.channels, made.fit)
    if image_size is not None:
        return Shape(image_size, channels or 3)
    known = {name: sizes_of(name) for name in (subject, source) if not is_world(name)}
    for name, sizes in known.items():
        if len(sizes) > 1:
            (w, h), (v, g) = sorted(sizes)[0], sorted(sizes)[-1]
            raise BadData(f"{name} holds pictures of different sizes ({w}×{h} to {v}×{g}): say --image-size N to bring "
                          "all to one.")  # fmt: skip
    for (one, a), (other, b) in pairwise(known.items()):
        if a != b:
            (w, h), (v, g) = next(iter(a)), next(iter(b))
            raise BadData(f"{one} holds pictures of {w}×{h} and {other} of {v}×{g}, and scaling changes the distance: "
                          f"say --image-size {min(w, h, v, g)} to bring both to one size.")  # fmt: skip
    sides = [min(next(iter(sizes))) for sizes in known.values() if sizes]
    return Shape(sides[0] if sides else WORLD_SIDE, channels or 3)


def from_data(source: str, shape: Shape, count: int | None, seed: int, of_recipe: int | None = None) -> Pictures:
    """Pictures of a data set: all of them up to ``MOST``, or ``count``, chosen by the seed.

    Raises:
        BadConfig: more than there are.
    """
    drawn = (of_recipe or count) if is_world(source) else of_recipe
    with counting(f"reading {source}") as report:
        store = open_data(
            source, image_size=shape.side, channels=shape.channels, fit=shape.fit, count=drawn, progress=report
        )
    if count is not None and count > len(store):
        raise BadConfig(f"--count {count:,} cannot be: {source} holds {len(store):,} pictures.")
    n = min(count or MOST, len(store))
    order = randomness.stream(seed, 0, "evaluate").permutation(len(store))
    which = np.sort(order[:n])

    def batches() -> Iterator[NDArray[np.uint8]]:
        for start in range(0, n, BATCH):
            yield store.pictures[which[start : start + BATCH]]

    identity = {
        "fingerprint": store.fingerprint,
        "prepared": [shape.side, shape.channels, shape.fit],
        "which": "all" if n == len(store) else [n, seed],
    }

    def labels(vocabulary: Vocabulary) -> Codes | None:
        try:
            known = read_labels(store, vocabulary.names, whole=of_recipe is None)
        except BadData:  # the data says nothing of this
            return None
        return translated(known.codes[which], known.vocabulary, vocabulary)

    some = lambda k: store.pictures[order[: min(k, n)]]  # noqa: E731
    return Pictures(source, n, batches, some, identity, is_grey(store), labels)


def translated(codes: Codes, learnt: Vocabulary, vocabulary: Vocabulary) -> Codes:
    """Codes [n, a] of one vocabulary in another with the same attributes; NaN for a class that it does not have."""
    out = codes.copy()
    for place, (theirs, ours) in enumerate(zip(learnt.attributes, vocabulary.attributes, strict=True)):
        if ours.classes:
            numbers = {name: float(code) for code, name in enumerate(ours.classes)}
            said = [theirs.show(float(code)) for code in codes[:, place]]
            out[:, place] = [numbers.get(word, np.nan) for word in said]
    return out


def is_grey(store: Store) -> bool:
    """Whether 64 pictures spread over the store have no colour."""
    look = store.pictures[np.linspace(0, len(store) - 1, 64).astype(int), :, :, :3]
    return bool((look == look[..., :1]).all())


def from_generator(G: Generator, title: str, shape: Shape, n: int, seed: int) -> Pictures:
    """The first n samples of a seed: those that ``leafwing sample --seed`` draws, asked as the data is labelled."""

    def batches(count: int = n) -> Iterator[NDArray[np.uint8]]:
        for some in Asking(G).draw(count, seed):
            yield pictures.to_uint8(some.pictures)

    def labels(vocabulary: Vocabulary) -> Codes | None:
        found = Asking(G).conditions(seed, 0, n)
        return None if found is None else found[1]

    step = f" (step {G.card['step']:,})" if isinstance(G.card.get("step"), int) else ""
    return Pictures(
        f"{title}{step}",
        n,
        batches,
        lambda k: np.concatenate(list(batches(min(k, n)))),
        None,
        shape.channels == 1,
        labels,
    )


def table_of(side: Pictures, net: Network) -> Table:
    """The features of one side, with a progress bar; those of data from the cache where they are there."""
    with counting(f"{net.name} of {side.title}") as report:
        if side.identity is None:
            return table.extract(side.batches(), side.n, net, side.title, report)
        return table.kept(side.identity, side.batches, side.n, net, side.title, report)


def path_steps(G: Generator, net: Network, n: int, seed: int) -> Tensor:
    """The steps of the perceptual path of n pairs of z, each pair asked for one thing, drawn as in the data."""
    asked: Tensor | None = None
    where = sampling.device_of(G.network)
    z = sampling.latents_at(G.prior, seed, 0, 2 * n)
    t = torch.from_numpy(randomness.stream(seed, 0, "path").random(n)).float()

    def pairs() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        nonlocal asked
        for i in range(0, n, 16):
            part = slice(i, min(i + 16, n))
            found = Asking(G).conditions(seed, part.start, part.stop)
            asked = found[0].to(where) if found else None
            yield z[:n][part].to(where), z[n:][part].to(where), t[part].to(where)

    round_prior = type(G.prior).__name__ in ("Normal", "Spherical")
    return path.steps(
        lambda z: sampling.generate(G.network, z, asked), net, pairs(), kind="spherical" if round_prior else "linear"
    )


def warnings(ours: Pictures, theirs: Pictures, net: Network, names: list[str]) -> Iterator[str]:
    """What a reader of the numbers must know."""
    if ours.identity is not None and ours.identity == theirs.identity:
        yield "both sides are the very same pictures, so distances are 0 and say nothing."
    few = frechet.too_few(min(ours.n, theirs.n), net.dim)
    if few and any(name.startswith("frechet") for name in names):
        yield few


def hints(net: Network) -> list[str]:
    """What the report says of the real FID."""
    return [] if net.standard else [features.how_to_get_fid()]
