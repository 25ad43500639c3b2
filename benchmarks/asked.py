"""Does a conditional generator of `world:faces` give what was asked for, and still many different faces?

    python benchmarks/asked.py RUN [--each 100] [--seed 0]

For every value of `hair` and `eyes` (those that the run knows) so many samples, and as many true faces of that value at
the run's size, are read by the shipped factor network. Printed, for both: the share read as asked; the mean distance
between two of them in the network's features, as a share of the true faces'; and how far the hair (or eyes) that nobody
asked for is from the world's shares (total variation). Eyes are read where they are open; odd ones are two colours.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np
import torch
from torch import Tensor

import leafwing
from leafwing.explore.asked import Asking
from leafwing.measure import diversity, factors
from leafwing.measure.factors import Reading
from leafwing.worlds.faces import Faces

ODD = "odd"


def eyes_of(reading: Reading) -> list[str | None]:
    """The colour of both eyes, "odd" for two, None where they are shut."""
    pairs = zip(reading.names("left_eye"), reading.names("right_eye"), reading.open_eyes().tolist(), strict=True)
    return [(left if left == right else ODD) if seen else None for left, right, seen in pairs]


def words_of(reading: Reading) -> dict[str, list[str | None]]:
    """What was read, by attribute."""
    return {"hair": list(reading.names("hair_colour")), "eyes": eyes_of(reading)}


def true_faces(world: Faces, attribute: str, each: int, side: int) -> dict[str, Tensor]:
    """So many true faces of every value, [n, 3, side, side] in [-1, 1]."""
    found: dict[str, list[int]] = defaultdict(list)
    for index in range(40 * each):
        found[str(world.labels(index)[attribute])].append(index)
    return {
        value: torch.from_numpy(world.render(which[:each], side, workers=1)).permute(0, 3, 1, 2).float() / 127.5 - 1
        for value, which in found.items()
    }


def unevenness(words: list[str | None], of_true: list[str | None]) -> float:
    """Total variation between what was read from samples and from true faces."""
    names = sorted({w for w in [*words, *of_true] if w})
    shares = [np.array([row.count(n) for n in names]) / max(1, len([w for w in row if w])) for row in (words, of_true)]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--each", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    G, world = leafwing.load(options.run), Faces(options.seed + 1)
    side = int(G.card["recipe"]["data"]["image_size"])
    known = [kind["name"] for kind in G.card["asked"]["attributes"]]
    for attribute, other in (("hair", "eyes"), ("eyes", "hair")):
        if attribute not in known:
            continue
        true = true_faces(world, attribute, options.each, side)
        rows = []
        print(f"{attribute:10}{'n':>6}{'as asked':>10}{'(true)':>8}{'variety':>9}{f'{other}: TV':>10}")
        for value, faces in sorted(true.items()):
            made = torch.cat(
                [d.pictures for d in Asking(G, (f"{attribute}={value}",)).draw(options.each, options.seed)]
            )
            ours, theirs = factors.read(made.float().cpu()), factors.read(faces)
            right = []
            for reading in (ours, theirs):
                told = [w for w in words_of(reading)[attribute] if w]
                right.append(told.count(value) / max(1, len(told)))
            rng = np.random.default_rng(0)
            apart = [diversity.mean_distance(reading.features, rng).value for reading in (ours, theirs)]
            variation = unevenness(words_of(ours)[other], words_of(theirs)[other])
            rows.append((right[0], right[1], apart[0] / apart[1], variation))
            print(f"{value:10}{len(made):6}{right[0]:10.1%}{right[1]:8.1%}{rows[-1][2]:9.2f}{variation:10.2f}")
        mean = np.mean(rows, axis=0)
        print(f"{'mean':10}{'':6}{mean[0]:10.1%}{mean[1]:8.1%}{mean[2]:9.2f}{mean[3]:10.2f}\n")


if __name__ == "__main__":
    main()
