"""Left plus right is front: between a face that looks left and one that looks right lies one that looks ahead.

The lecture's example of what z is good for (R84): halfway through z lies a face seen from the front, not two pictures
laid over each other. On `world:faces` it can be tested, since the factor network reads the turn of a head.

Shape legend: n samples, p pairs, s steps of a path, z latent length.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leafwing.core.errors import BadData
from leafwing.explore.sample import device_of, draw, generate
from leafwing.explore.walk import Kind, walk
from leafwing.latents import Prior
from leafwing.measure import factors
from leafwing.measure.sharpness import sharpness

ASIDE = 0.4
"""A head turned farther than this (of 1) looks left or right."""

FRONT = 0.3
"""A head turned less than this looks ahead; of true faces 30 in 100 do."""

STEPS = 9
"""Pictures along a path, both ends counted."""

LEAP = 0.5
"""A path that makes more than this share of its way in one of its steps leaps instead of changing smoothly."""


@dataclass(frozen=True)
class Middle:
    """What was found between p pairs of a left-looking and a right-looking sample. Shares are of pairs, 0 to 1.

    Attributes:
        pairs: how many.
        left: mean turn of the left ends, -1 to 0.
        right: mean turn of the right ends.
        turn: median of the midpoints' turn without its sign, 0 to 1.
        front: share of midpoints that look ahead, |turn| < 0.3.
        smooth: share of paths without a leap: no step of more than half of the whole way, in the network's features.
        sharper: share of midpoints with more sharpness than the pixel blend of their ends.
        nearer: share of midpoints that lie nearer to a true face than the blend does, by the direction of the network's
            features.
        broken: share of midpoints that look broken.
        broken_blends: share of blends that do.
    """

    pairs: int
    left: float
    right: float
    turn: float
    front: float
    smooth: float
    sharper: float
    nearer: float
    broken: float
    broken_blends: float

    @property
    def holds(self) -> bool:
        """Whether left plus right is front: each of the four shares is more than half."""
        return min(self.front, self.smooth, self.sharper, self.nearer) > 0.5

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"holds": self.holds}

    def text(self) -> str:
        """For people."""
        verdict = "Left plus right is front." if self.holds else "Left plus right is not front here."
        return "\n".join((
            f"{verdict} {self.pairs} pairs, ends turned {self.left:+.2f} and {self.right:+.2f} on average.",
            f"  midpoints that look ahead (|turn| < {FRONT}): {self.front:.0%}; median |turn| {self.turn:.2f}",
            f"  paths that change smoothly:                  {self.smooth:.0%}",
            f"  midpoints sharper than the ends' pixel blend: {self.sharper:.0%}",
            f"  midpoints nearer to true faces than the blend: {self.nearer:.0%}",
            f"  that look broken: midpoints {self.broken:.0%}, blends {self.broken_blends:.0%}",
        ))  # fmt: skip


def left_plus_right(
    G: nn.Module,
    prior: Prior,
    real: Tensor,
    *,
    pairs: int = 64,
    among: int = 1000,
    seed: int = 0,
    condition: Tensor | None = None,
    kind: Kind = "spherical",
    net: factors.FactorNetwork | None = None,
) -> tuple[Middle, Tensor]:
    """Walk from left-looking to right-looking samples and look at the middle.

    Args:
        G: the generator, z -> pictures [n, 3, h, w] in [-1, 1].
        prior: where its z comes from.
        real: true faces [m, 3, h, w] in [-1, 1] to be near to; a thousand or two.
        pairs: at most so many.
        among: samples in which left-looking and right-looking ones are sought.
        seed: of the samples.
        condition: what all of them are asked for [1, k], if G can be asked.
        kind: the walk through z.
        net: a factor network of your own.

    Returns:
        What was found; and the paths of the pairs, [p, s, 3, h, w] on the CPU, to be looked at.

    Raises:
        BadData: the samples do not look to both sides.
    """
    drawing = draw(G, prior, among, seed, condition=condition)
    drawn = [(z, factors.read(pictures, net).numbers["turn"]) for z, pictures in drawing]
    zs, turns = torch.cat([z.cpu() for z, _ in drawn]), torch.cat([turn for _, turn in drawn])
    left, right = (torch.nonzero(side)[:pairs, 0] for side in (turns < -ASIDE, turns > ASIDE))
    found = min(len(left), len(right))
    if found == 0:
        raise BadData(
            f"Of {among} samples {len(left)} look left and {len(right)} right, so there is no pair to walk between: "
            "train longer, or draw more."
        )
    paths = torch.stack([
        path_between(G, zs[a], zs[b], kind, condition) for a, b in zip(left[:found], right[:found], strict=True)
    ])  # fmt: skip
    return judge(paths, real, net), paths


def path_between(G: nn.Module, start: Tensor, end: Tensor, kind: Kind, condition: Tensor | None = None) -> Tensor:
    """Pictures [s, 3, h, w] from z [z] to z [z], all for one condition [1, k] if any, on the CPU."""
    along = walk(torch.stack([start, end]), STEPS - 2, kind)
    device = device_of(G)
    asked = None if condition is None else condition.expand(len(along), -1).to(device)
    return generate(G, along.to(device), asked).float().cpu()


def judge(paths: Tensor, real: Tensor, net: factors.FactorNetwork | None = None) -> Middle:
    """What the paths [p, s, 3, h, w] show, s odd; ``real``: true faces [m, 3, h, w]."""
    p, s = paths.shape[:2]
    reading = factors.read(paths.flatten(0, 1), net)
    turn, features = reading.numbers["turn"].reshape(p, s), reading.features.reshape(p, s, -1)
    middles, blends = paths[:, s // 2], (paths[:, 0] + paths[:, -1]) / 2
    of_middles, of_blends, of_real = (factors.read(some, net) for some in (middles, blends, real))
    way = (features[:, 1:] - features[:, :-1]).norm(dim=2)
    directions = [F.normalize(some.features) for some in (of_middles, of_blends, of_real)]  # a blend's are short, too
    near, near_blend = (torch.cdist(some, directions[2]).amin(1) for some in directions[:2])
    sharp, sharp_blend = (sharpness((some + 1) * 127.5) for some in (middles, blends))
    middle = turn[:, s // 2].abs()

    def share(of: Tensor) -> float:
        return float(of.double().mean())

    return Middle(
        pairs=p,
        left=float(turn[:, 0].mean()),
        right=float(turn[:, -1].mean()),
        turn=float(middle.median()),
        front=share(middle < FRONT),
        smooth=share(way.amax(1) < LEAP * way.sum(1)),
        sharper=share(sharp > sharp_blend),
        nearer=share(near < near_blend),
        broken=share(of_middles.is_broken()),
        broken_blends=share(of_blends.is_broken()),
    )
