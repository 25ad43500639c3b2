"""Perceptual path length: how much the picture changes for a small step through z.

    PPL = E | f(G(z(t))) - f(G(z(t + eps))) |² / eps²

A generator whose walks are smooth has a short path. Source: Karras et al. 2019, arXiv:1812.04948, Sec. 4.1 and Eq. 2,
there with LPIPS on VGG16; here with any feature network f, whose name belongs to the number. As there, the lowest and
the highest hundredth of the steps are left out.

Shape legend: n pairs, z latent length, d features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor

from leafwing.core.errors import BadData
from leafwing.measure.bootstrap import Measured, mean

EPSILON = 1e-4
"""The step along the path from one z to the next, as in the paper."""

Network = Callable[[Tensor], Tensor]


def between(z0: Tensor, z1: Tensor, t: Tensor, kind: Literal["linear", "spherical"]) -> Tensor:
    """The z at t [n] on the way from z0 [n, z] to z1 [n, z], 0 <= t <= 1.

    Spherical: along the great circle of the directions, the length changing evenly (for a normal prior, whose z lie
    near a sphere); linear: straight.
    """
    t = t[:, None]
    if kind == "linear":
        return torch.lerp(z0, z1, t)
    length0, length1 = z0.norm(dim=1, keepdim=True), z1.norm(dim=1, keepdim=True)
    u, v = z0 / length0, z1 / length1
    angle = (u * v).sum(1, keepdim=True).clamp(-1 + 1e-7, 1 - 1e-7).acos()
    turned: Tensor = (((1 - t) * angle).sin() * u + (t * angle).sin() * v) / angle.sin()
    return turned * torch.lerp(length0, length1, t)


@torch.inference_mode()
def steps(
    generator: Network,
    features: Network,
    pairs: Iterator[tuple[Tensor, Tensor, Tensor]],
    epsilon: float = EPSILON,
    kind: Literal["linear", "spherical"] = "spherical",
) -> Tensor:
    """The squared length of the path at each pair, per unit of t squared: float64 [n].

    Args:
        generator: z [n, z] -> pictures [n, c, h, w] in [-1, 1], in float32 or finer.
        features: pictures [n, c, h, w] in 0..255 -> [n, d].
        pairs: batches of (z0 [n, z], z1 [n, z], t [n]).
        epsilon: the step in t.
        kind: how z moves; linear for priors other than the normal.
    """
    found = []
    for z0, z1, t in pairs:
        wide0, wide1, when = z0.double(), z1.double(), t.double()  # a step of 1e-4 needs more than float32's digits
        ends = [between(wide0, wide1, when + step, kind).to(z0.dtype) for step in (0.0, epsilon)]
        seen = [features((generator(z).float() + 1) * 127.5).double() for z in ends]
        found.append((seen[0] - seen[1]).square().sum(1) / epsilon**2)
    return torch.cat(found)


def length(each: Tensor) -> Measured:
    """The mean of the steps [n] without their lowest and highest hundredth.

    Raises:
        BadData: no steps, or some that are not finite.
    """
    if not len(each) or not bool(each.isfinite().all()):
        raise BadData("A perceptual path length cannot be computed: some features are not finite numbers.")
    low, high = each.quantile(0.01, interpolation="lower"), each.quantile(0.99, interpolation="higher")
    return mean(each[(each >= low) & (each <= high)])
