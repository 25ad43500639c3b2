"""Walk between pictures: a path from z to z, and what G makes of each step (a serious face begins to laugh).

The straight line is the lecture's. A walk on the sphere keeps the length of z typical: in high dimensions
normal draws lie near a sphere, and the middle of a straight line between two of them lies well inside it,
where G never was trained. Both suit normal and spherical priors; for a uniform prior take the straight line.

Shape legend: k given z, m z along the walk, z latent length.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from leafwing.core.types import Latents
from leafwing.explore.sample import generate

Kind: TypeAlias = Literal["spherical", "linear"]


def lerp(z0: Tensor, z1: Tensor, t: float | Tensor) -> Tensor:
    """Straight line (1 - t) z0 + t z1; t = 0 is z0 and t = 1 is z1, bit for bit.

    Args:
        z0: start, [..., z].
        z1: end, of the same shape.
        t: a number, or one for each vector ([...]); outside [0, 1] the line goes on.

    Returns:
        [..., z], of z0's dtype, on its device.
    """
    start, end, share = _exact(z0, z1, t)
    return _with_exact_ends(start + share * (end - start), z0, z1, share)


def slerp(z0: Tensor, z1: Tensor, t: float | Tensor) -> Tensor:
    """Great circle from z0 to z1; t = 0 is z0 and t = 1 is z1, bit for bit.

    The direction turns at constant speed, the length changes linearly. For parallel vectors this is the
    straight line; for opposite ones no great circle is singled out, and it is the straight line through 0.

    Args:
        z0: start, [..., z].
        z1: end, of the same shape.
        t: a number, or one for each vector ([...]), in [0, 1].

    Returns:
        [..., z], of z0's dtype, on its device.

    Source: Shoemake 1985, "Animating rotation with quaternion curves"; for GANs White 2016, arXiv:1609.04468.
    Differs: the length is interpolated apart from the direction.
    """
    start, end, share = _exact(z0, z1, t)
    length0, length1 = start.norm(dim=-1, keepdim=True), end.norm(dim=-1, keepdim=True)
    unit0, unit1 = start / length0, end / length1
    # atan2 keeps its accuracy for small angles, acos of the inner product does not.
    apart, along = (v.norm(dim=-1, keepdim=True) for v in (unit0 - unit1, unit0 + unit1))
    angle = 2 * torch.atan2(apart, along)
    turn = torch.sin((1 - share) * angle) * unit0 + torch.sin(share * angle) * unit1
    curved = torch.lerp(length0, length1, share) * turn / torch.sin(angle)
    has_plane = torch.sin(angle) > 1e-6  # false for NaN too: a zero vector has no direction
    between = torch.where(has_plane, curved, start + share * (end - start))
    return _with_exact_ends(between, z0, z1, share)


def walk(zs: Tensor, frames_between: int, kind: Kind = "spherical", closed: bool = False) -> Tensor:
    """A path through all of ``zs`` in order, each of them on it bit for bit.

    Args:
        zs: where to pass, [k, z], k at least 1.
        frames_between: steps strictly between two of them, at least 0.
        kind: ``"spherical"`` or ``"linear"``.
        closed: also walk from the last back to the first (which is not repeated), for films that loop.

    Returns:
        [m, z] with m = k + (k - 1) * frames_between, or k * (1 + frames_between) if closed.

    Raises:
        ValueError: no z, a negative number of frames, or another kind.
    """
    if len(zs) < 1 or frames_between < 0:
        raise ValueError(f"a walk needs a z and frames_between >= 0; got {len(zs)} z, {frames_between} frames")
    if kind not in ("spherical", "linear"):
        raise ValueError(f"kind must be 'spherical' or 'linear'; got {kind!r}")
    step = slerp if kind == "spherical" else lerp
    times = torch.arange(frames_between + 1, dtype=torch.float64) / (frames_between + 1)  # 0 <= t < 1
    stations = [*zs, zs[0]] if closed else [*zs]
    legs = [step(a.expand(len(times), -1), b.expand(len(times), -1), times) for a, b in pairwise(stations)]
    return torch.cat(legs if closed else [*legs, zs[-1:]])


def strip(G: nn.Module, zs: Latents, steps: int, kind: Kind = "spherical", condition: Tensor | None = None) -> Tensor:
    """What G makes along a walk; the pictures at the given z equal ``generate(G, z[None])`` bit for bit.

    Pictures are computed one at a time: in a larger batch the same z comes out different by rounding (about
    1e-6), depending on the batch's size.

    Args:
        G: the generator; used in evaluation mode, left in the mode it was in.
        zs: where to pass, [k, z], on G's device.
        steps: pictures from one z to the next, both counted, at least 2.
        kind: ``"spherical"`` or ``"linear"``.
        condition: one row, the same all along.

    Returns:
        [k + (k - 1) * (steps - 2), ...].

    Raises:
        ValueError: ``steps`` below 2, or as for :func:`walk`.
    """
    if steps < 2:
        raise ValueError(f"steps counts both ends, so it must be at least 2; got {steps}")
    path = walk(zs, steps - 2, kind)
    return torch.cat([generate(G, path[i : i + 1], condition) for i in range(len(path))])


def _exact(z0: Tensor, z1: Tensor, t: float | Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Both ends as float64, and t with an axis for z; on the CPU, since Apple's GPUs have no float64."""
    if z0.shape != z1.shape:
        raise ValueError(f"both ends must have the same shape; got {list(z0.shape)} and {list(z1.shape)}")
    share = torch.as_tensor(t, dtype=torch.float64, device="cpu").unsqueeze(-1)
    return z0.cpu().double(), z1.cpu().double(), share


def _with_exact_ends(between: Tensor, z0: Tensor, z1: Tensor, share: Tensor) -> Tensor:
    """Rounding may not touch the ends."""
    at = share.to(z0.device)
    return torch.where(at == 0, z0, torch.where(at == 1, z1, between.to(z0)))
