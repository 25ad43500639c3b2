"""Does a conditional generator of faces give what was asked for, and still many different faces?

    python benchmarks/asked.py RUN [--each 100] [--seed 0] [--truncation 2.5]   # a run on world:faces
    python benchmarks/asked.py RUN --data FACES.zip --features squeezenet=FILE  # a run on labelled pictures of your own

For every value of what can be asked so many samples, and as many true faces of that value at the run's size, are read
by a judge: the shipped factor network for `world:faces`; for other pictures a classifier, linear on a network's
features, that one half of the labelled pictures teaches, while the other half are the true faces. Printed, for both:
the share read as asked; the mean distance between two of them in the network's features, as a share of the true
faces'; how far everything that nobody asked for, such as glasses, is from its shares among these true faces (total
variation, mean over factors; so far are as many other true faces, too, because they are few); and, in the world, the
share of faces with two unlike eyes. Eyes are read where they are open. Below, the same distance factor by factor.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

import leafwing
from leafwing.core import randomness
from leafwing.data import open_data
from leafwing.data.label_doors import read_labels
from leafwing.explore.asked import Asking
from leafwing.generator import Generator
from leafwing.measure import accuracy, diversity, factors, features
from leafwing.measure.factors import Reading
from leafwing.worlds.faces import Faces

ODD = "odd"
FEWEST = 8
"""True faces of a value below which nothing is said of it."""
Words = dict[str, list[str | None]]
"""What was read of each picture, by attribute; None where it cannot be seen."""


@dataclass(frozen=True)
class Judge:
    """Who reads pictures, and true ones to read beside them.

    Attributes:
        read: pictures [n, 3, h, w] in [-1, 1] -> words, and features [n, d].
        true: attribute -> value -> pictures; of the first half each picture is compared, the second half is other ones.
        odd: whether two unlike eyes are told.
    """

    read: Callable[[Tensor], tuple[Words, Tensor]]
    true: dict[str, dict[str, Tensor]]
    odd: bool = False


@dataclass(frozen=True)
class Row:
    """Of one value, or the mean over values; the true faces' in brackets."""

    n: int
    right: float
    right_true: float
    variety: float
    odd: float
    odd_true: float
    rest: dict[str, tuple[float, float]]
    """Factor that was not asked for -> total variation of samples, and of other true faces, from the true faces."""

    def cells(self) -> str:
        """A line of the table."""
        rest = np.mean(list(self.rest.values()) or [(np.nan, np.nan)], axis=0)
        return f"{self.n:6}" + "".join(
            f"{'-' if np.isnan(value) else format(value, form):>{width}}"
            for value, form, width in (
                *((self.right, ".1%", 10), (self.right_true, ".1%", 8), (self.variety, ".2f", 9)),
                *((rest[0], ".2f", 9), (rest[1], ".2f", 8), (self.odd, ".1%", 10), (self.odd_true, ".1%", 8)),
            )
        )


HEAD = f"{'n':>6}{'as asked':>10}{'(true)':>8}{'variety':>9}{'rest: TV':>9}{'(true)':>8}{'odd eyes':>10}{'(true)':>8}"


# ---- the world's faces ----


def eyes_of(reading: Reading) -> list[str | None]:
    """The colour of both eyes, "odd" for two, None where they are shut."""
    pairs = zip(reading.names("left_eye"), reading.names("right_eye"), reading.open_eyes().tolist(), strict=True)
    return [(left if left == right else ODD) if seen else None for left, right, seen in pairs]


def read_factors(pictures: Tensor) -> tuple[Words, Tensor]:
    """Hair, eyes and all other named factors by the shipped factor network."""
    reading = factors.read(pictures)
    words: Words = {name: list(reading.names(name)) for name in factors.NAMES if name not in ("left_eye", "right_eye")}
    words["shut eyes"] = words.pop("eyes")
    return {"hair": words.pop("hair_colour"), "eyes": eyes_of(reading), **words}, reading.features


def of_world(side: int, each: int, seed: int) -> Judge:
    """The factor network, and faces that no run has seen."""
    world, found = Faces(seed + 1), defaultdict[str, dict[str, list[int]]](lambda: defaultdict(list))
    for index in range(80 * each):
        for attribute in ("hair", "eyes"):
            found[attribute][str(world.labels(index)[attribute])].append(index)
    true = {
        attribute: {value: as_floats(world.render(which[: 2 * each], side, workers=1)) for value, which in rows.items()}
        for attribute, rows in found.items()
    }
    return Judge(read_factors, true, odd=True)


# ---- labelled pictures of one's own ----


def of_labels(source: str, wanted: list[str], side: int, name: str, each: int, seed: int) -> Judge:
    """A classifier that half of the labelled pictures teaches; true faces are those of the other half."""
    store, net = open_data(source, image_size=side), features.load(name)
    labels = read_labels(store, wanted)
    known = np.flatnonzero(np.isfinite(labels.codes).all(1))
    order = known[randomness.stream(seed, 0, "asked/halves").permutation(len(known))]
    teach, rest = np.sort(order[::2]), order[1::2]

    def look(pictures: Tensor) -> Tensor:
        return torch.cat([net((part + 1) * 127.5).cpu() for part in torch.split(pictures, 64)])

    taught = look(as_floats(store.pictures[teach]))
    kinds = {
        kind.name: (kind, accuracy.discriminant(taught, torch.from_numpy(labels.codes[teach, n]), len(kind.classes)))
        for n, kind in enumerate(labels.vocabulary.attributes)
        if kind.classes
    }

    def read(pictures: Tensor) -> tuple[Words, Tensor]:
        seen = look(pictures)
        said = {key: [kind.classes[i] for i in tell(seen).argmax(1).tolist()] for key, (kind, tell) in kinds.items()}
        return dict(said), seen

    true = {
        key: {
            value: as_floats(store.pictures[np.sort(rest[labels.codes[rest, wanted.index(key)] == code][: 2 * each])])
            for code, value in enumerate(kind.classes)
        }
        for key, (kind, _) in kinds.items()
    }
    return Judge(read, true)


def as_floats(pixels: np.ndarray) -> Tensor:
    """uint8 [n, h, w, 3] -> [n, 3, h, w] in [-1, 1]."""
    return torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


# ---- the table ----


def told(words: list[str | None]) -> list[str]:
    """Those that can be seen."""
    return [word for word in words if word is not None]


def share(words: list[str | None], value: str) -> float:
    """How often a value was read."""
    return told(words).count(value) / max(1, len(told(words)))


def unevenness(words: list[str | None], of_true: list[str | None]) -> float:
    """Total variation between what was read from samples and from true faces."""
    names = sorted({*told(words), *told(of_true)})
    return sum(abs(share(words, name) - share(of_true, name)) for name in names) / 2


def judged(judge: Judge, attribute: str, value: str, made: Tensor, faces: Tensor) -> Row:
    """Samples asked for a value beside half of ``faces``, true ones of it, with which the others are compared too."""
    half = (len(faces) + 1) // 2
    (ours, seen), (theirs, seen_true), (others, _) = (judge.read(part) for part in (made, faces[:half], faces[half:]))
    rng = np.random.default_rng(0)
    apart = [diversity.mean_distance(part.numpy(), rng).value for part in (seen, seen_true)]
    odd = [share(words["eyes"], ODD) if judge.odd else float("nan") for words in (ours, theirs)]
    return Row(
        len(made),
        share(ours[attribute], value),
        share(theirs[attribute], value),
        apart[0] / apart[1],
        *odd,
        {
            name: (unevenness(ours[name], theirs[name]), unevenness(others[name], theirs[name]))
            for name in ours
            if name != attribute
        },
    )


def rows_of(
    G: Generator, judge: Judge, attribute: str, each: int, seed: int, truncation: float | None = None
) -> dict[str, Row]:
    """By value, those with too few true faces left out."""
    rows = {}
    for value, faces in sorted(judge.true[attribute].items()):
        if len(faces) >= FEWEST:
            drawn = Asking(G, (f"{attribute}={value}",)).draw(each, seed, truncation)
            made = torch.cat([some.pictures for some in drawn]).float().cpu()
            rows[value] = judged(judge, attribute, value, made, faces)
    return rows


def mean_of(rows: dict[str, Row]) -> Row:
    """Over values; of the odd eyes over those who were not asked to have any."""
    all_ = list(rows.values())
    plain = [row for value, row in rows.items() if value != ODD]
    rest = {name: np.mean([row.rest[name] for row in all_], axis=0) for name in all_[0].rest}
    return Row(
        sum(row.n for row in all_),
        *(float(np.mean([getattr(row, name) for row in all_])) for name in ("right", "right_true", "variety")),
        *(float(np.mean([getattr(row, name) for row in plain])) for name in ("odd", "odd_true")),
        {name: (float(pair[0]), float(pair[1])) for name, pair in rest.items()},
    )


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--each", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--truncation", type=float, default=None, help="of the samples, as for leafwing sample")
    parser.add_argument("--data", default=None, help="labelled pictures, as for training; world:faces if left out")
    parser.add_argument("--features", default="faces", help="what the classifier looks at, as for leafwing evaluate")
    options = parser.parse_args()
    G = leafwing.load(options.run)
    side = int(G.card["recipe"]["data"]["image_size"])
    known = [kind["name"] for kind in G.card["asked"]["attributes"]]
    if options.data is None:
        judge = of_world(side, options.each, options.seed)
    else:
        judge = of_labels(options.data, known, side, options.features, options.each, options.seed)
    for attribute in (name for name in judge.true if name in known):
        rows = rows_of(G, judge, attribute, options.each, options.seed, options.truncation)
        print(f"{attribute:12}{HEAD}")
        for value, row in rows.items():
            print(f"{value:12}{row.cells()}")
        mean = mean_of(rows)
        print(f"{'mean':12}{mean.cells()}\n")
        for name, (ours, others) in mean.rest.items():
            print(f"{'rest: ' + name:40}{ours:9.2f}{others:8.2f}")
        print(flush=True)


if __name__ == "__main__":
    main()
