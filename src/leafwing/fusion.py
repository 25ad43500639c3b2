"""How a condition x meets the noise z before the first layer: joined, added, or as a user's module does it.

A fusion is any ``torch.nn.Module`` with ``out_dim`` and ``forward(z, x)``; networks take one as an argument,
so another way of fusing needs no change here.

Shape legend: n batch, z latent length (``z_dim``), k condition length (``x_dim``), m = ``out_dim``.
"""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from leafwing.core.errors import BadNetwork


@runtime_checkable
class Fusion(Protocol):
    """What the networks need of a fusion; nothing to inherit or register."""

    @property
    def out_dim(self) -> int:
        """Length of the fused vector."""
        ...

    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        """``[n, z], [n, k] -> [n, m]``."""
        ...

    def __call__(self, z: Tensor, x: Tensor) -> Tensor:
        """The same, as ``nn.Module`` offers it."""
        ...


class Concatenate(nn.Module):
    """Join z and x end to end into one longer vector.

    Args:
        z_dim: length of z.
        x_dim: length of x.

    Shape:
        ``[n, z], [n, k] -> [n, z + k]``, z first.
    """

    def __init__(self, z_dim: int, x_dim: int) -> None:
        super().__init__()
        self.z_dim, self.x_dim, self.out_dim = z_dim, x_dim, z_dim + x_dim

    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        _check_pair(z, x, self.z_dim, self.x_dim)
        return torch.cat([z, x], dim=1)


class Embed(nn.Module):
    """A learnt linear image of x, as long as z, joined after z or added to it.

    So a condition of any length can be added, and one of 5,000 classes does not drown z. Initial weights are N(0, 1):
    the image of one class is then as long as a normal z.

    Args:
        z_dim: length of z.
        x_dim: length of x.
        add: whether it is added; else it is joined.

    Shape:
        ``[n, z], [n, k] -> [n, 2 z]``, or ``[n, z]`` if added.

    Joined, as StyleGAN and R3GAN see a class (Karras et al. 2019, arXiv:1812.04948; Huang et al. 2024).
    """

    def __init__(self, z_dim: int, x_dim: int, add: bool = False) -> None:
        super().__init__()
        self.z_dim, self.x_dim, self.add = z_dim, x_dim, add
        self.out_dim = z_dim if add else 2 * z_dim
        self.image = nn.Linear(x_dim, z_dim, bias=False)
        nn.init.normal_(self.image.weight)

    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        _check_pair(z, x, self.z_dim, self.x_dim)
        image = self.image(x)
        return z + image if self.add else torch.cat([z, image], dim=1)


class Alone(nn.Module):
    """z passes by: the condition enters elsewhere, as in conditional BatchNorm.

    Shape:
        ``[n, z], [n, k] -> [n, z]``.
    """

    def __init__(self, z_dim: int, x_dim: int) -> None:
        super().__init__()
        self.z_dim, self.x_dim, self.out_dim = z_dim, x_dim, z_dim

    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        _check_pair(z, x, self.z_dim, self.x_dim)
        return z


class Add(nn.Module):
    """Add x to z, number by number; only for equal lengths.

    Args:
        z_dim: length of z.
        x_dim: length of x, the same number.

    Shape:
        ``[n, z], [n, z] -> [n, z]``.

    Raises:
        BadNetwork: for unequal lengths; nothing is ever stretched to fit.
    """

    def __init__(self, z_dim: int, x_dim: int) -> None:
        super().__init__()
        if z_dim != x_dim:
            raise BadNetwork(
                f"Adding needs x and z of equal length, got z_dim={z_dim} and x_dim={x_dim}; make them equal by "
                f"prior.dim={x_dim}, or join them: generator.meet=concatenate (in code, Concatenate)."
            )
        self.z_dim, self.x_dim, self.out_dim = z_dim, x_dim, z_dim

    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        _check_pair(z, x, self.z_dim, self.x_dim)
        return z + x


Way = Literal["concatenate", "add", "embed", "embed-add", "none"]
"""Ways to meet that a recipe can name."""


def fuse(way: Way, z_dim: int, x_dim: int) -> nn.Module:
    """The fusion of that name."""
    if way in ("embed", "embed-add"):
        return Embed(z_dim, x_dim, add=way == "embed-add")
    return {"concatenate": Concatenate, "add": Add, "none": Alone}[way](z_dim, x_dim)


def check_fusion(fusion: object, z_dim: int, x_dim: int) -> Fusion:
    """Try a fusion on two zero vectors and return it, or say in one sentence what is wrong with it.

    Args:
        fusion: the module to try; its mode, weights and statistics are left as they were.
        z_dim: length of z.
        x_dim: length of x.

    Raises:
        BadNetwork: if it is no module with ``out_dim`` and ``forward(z, x)``, or does not give [2, out_dim].
    """
    name = type(fusion).__name__
    if not (isinstance(fusion, nn.Module) and isinstance(fusion, Fusion)):
        raise BadNetwork(f"The fusion {name} must be a torch.nn.Module with out_dim and forward(z, x).")
    weight = next(fusion.parameters(), torch.empty(0))
    z, x = (torch.zeros(2, dim, device=weight.device, dtype=weight.dtype) for dim in (z_dim, x_dim))
    modes = {module: module.training for module in fusion.modules()}
    fusion.eval()
    try:
        with torch.no_grad():
            fused = fusion(z, x)
    except (RuntimeError, TypeError, ValueError) as error:
        raise BadNetwork(f"The fusion {name} failed on z [2, {z_dim}] and x [2, {x_dim}]: {error}") from error
    finally:
        for module, training in modes.items():
            module.training = training
    if not (isinstance(fused, Tensor) and fused.shape == (2, fusion.out_dim)):
        got = list(fused.shape) if isinstance(fused, Tensor) else type(fused).__name__
        raise BadNetwork(f"The fusion {name} must give [2, {fusion.out_dim}] (its out_dim); got {got}.")
    return fusion


def _check_pair(z: Tensor, x: Tensor, z_dim: int, x_dim: int) -> None:
    """Both [n, length] with the same n; torch would otherwise repeat a lone row without a word."""
    if z.ndim != 2 or x.ndim != 2 or len(z) != len(x) or z.shape[1] != z_dim or x.shape[1] != x_dim:
        raise BadNetwork(
            f"The fusion wants z [n, {z_dim}] and x [n, {x_dim}] with the same n; "
            f"got z {list(z.shape)} and x {list(x.shape)}."
        )
