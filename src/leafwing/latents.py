"""Simple priors: where z comes from. Simple = we know the formula AND we can draw from it.

Both halves matter: ``sample`` feeds the generator, ``log_prob`` lets a person check the draws (and is what
the generator's own, complex output distribution lacks). Numbers are drawn by numpy on the CPU and only then
become tensors, so that runs on any device see the same bytes.

Shape legend: n batch, z = ``dim`` latent length. Draws are float32, densities float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from leafwing.core.errors import BadConfig, BadNetwork
from leafwing.core.types import Latents

LogDensities: TypeAlias = Float[Tensor, " n"]
"""log p(z), natural logarithm, one number a sample; -inf where the prior never draws."""


@runtime_checkable
class Prior(Protocol):
    """What a prior must offer; any object with these three is one, nothing to inherit or register."""

    @property
    def dim(self) -> int:
        """Length of z, at least 1."""
        ...

    def sample(self, n: int, rng: np.random.Generator) -> Latents:
        """Draw ``[n, dim]`` float32, using ``rng`` and no other source of chance."""
        ...

    def log_prob(self, z: Latents) -> LogDensities:
        """Natural log of the density at each row of ``z`` (of the probability where z is discrete)."""
        ...


@dataclass(frozen=True)
class Normal:
    """Independent N(0, 1) in each coordinate: the default.

    Args:
        dim: length of z; 50 or 100 are usual, 512 in StyleGAN.
    """

    dim: int = 100

    def __post_init__(self) -> None:
        _check_dim(self.dim)

    def sample(self, n: int, rng: np.random.Generator) -> Latents:
        return torch.from_numpy(rng.standard_normal((n, self.dim), dtype=np.float32))

    def log_prob(self, z: Latents) -> LogDensities:
        return _log_normal(_rows(z, self.dim)).sum(dim=1)


@dataclass(frozen=True)
class Nothing:
    """No z at all: the network has one answer to each question, as a supervised network has. For comparison."""

    @property
    def dim(self) -> int:
        """0."""
        return 0

    def sample(self, n: int, rng: np.random.Generator) -> Latents:
        return torch.empty(n, 0)

    def log_prob(self, z: Latents) -> LogDensities:
        return torch.zeros(len(z), dtype=torch.float64)


@dataclass(frozen=True)
class Uniform:
    """Independent U(low, high) in each coordinate.

    The ends -1 and 1 are DCGAN's (Radford et al. 2016, arXiv:1511.06434); -sqrt(3) and sqrt(3) give unit
    variance, as in the code of the 2014 GAN.

    Args:
        dim: length of z.
        low: smallest value.
        high: largest value, above ``low``.
    """

    dim: int = 100
    low: float = -1.0
    high: float = 1.0

    def __post_init__(self) -> None:
        _check_dim(self.dim)
        if not -math.inf < self.low < self.high < math.inf:
            raise ValueError(f"low must be below high, both finite; got low={self.low}, high={self.high}")

    def sample(self, n: int, rng: np.random.Generator) -> Latents:
        return torch.from_numpy(rng.uniform(self.low, self.high, (n, self.dim)).astype(np.float32))

    def log_prob(self, z: Latents) -> LogDensities:
        z = _rows(z, self.dim)
        density = torch.full_like(z, -math.log(self.high - self.low))
        return density.where(_between(z, self.low, self.high), -math.inf).sum(dim=1)


@dataclass(frozen=True)
class Binary:
    """Independent coins: each coordinate is 1 with probability p, else 0.

    Args:
        dim: number of coins.
        p: probability of a 1, inside (0, 1).
    """

    dim: int = 100
    p: float = 0.5

    def __post_init__(self) -> None:
        _check_dim(self.dim)
        if not 0 < self.p < 1:
            raise ValueError(f"p must lie strictly between 0 and 1; got {self.p}")

    def sample(self, n: int, rng: np.random.Generator) -> Latents:
        return torch.from_numpy((rng.random((n, self.dim)) < self.p).astype(np.float32))

    def log_prob(self, z: Latents) -> LogDensities:
        z = _rows(z, self.dim)
        if_one = torch.full_like(z, math.log(self.p)).where(z == 1, -math.inf)
        return if_one.where(z != 0, math.log1p(-self.p)).sum(dim=1)


@dataclass(frozen=True)
class Categorical:
    """One of ``dim`` classes, all equally likely, as a one-hot vector.

    Args:
        dim: number of classes, and so the length of z.
        dealt: like cards, so that each ``dim`` draws in a row hold every class once; a draw by itself is as likely to
            be one class as another, but several answers to one question are none of them by the same z.
    """

    dim: int = 100
    dealt: bool = False

    def __post_init__(self) -> None:
        _check_dim(self.dim)

    def sample(self, n: int, rng: np.random.Generator) -> Latents:
        if self.dealt:
            packs = np.tile(np.arange(self.dim), (-(-n // self.dim), 1))
            drawn = rng.permuted(packs, axis=1).ravel()[:n]
        else:
            drawn = rng.integers(self.dim, size=n)
        return torch.from_numpy(np.eye(self.dim, dtype=np.float32)[drawn])

    def log_prob(self, z: Latents) -> LogDensities:
        z = _rows(z, self.dim)
        is_one_hot = ((z == 0) | (z == 1)).all(dim=1) & (z.sum(dim=1) == 1)
        return torch.full_like(z[:, 0], -math.log(self.dim)).where(is_one_hot, -math.inf)


@dataclass(frozen=True)
class TruncatedNormal:
    """N(0, 1) in each coordinate, kept within [-threshold, threshold].

    Equal in distribution to redrawing every value outside, as BigGAN does (Brock et al. 2019,
    arXiv:1809.11096, Sec. 3.1), but by the inverse of the distribution function: exact, and no slower for a
    small threshold.

    Args:
        dim: length of z.
        threshold: largest absolute value; 2.0 trains BigGAN, smaller ones trade variety for quality.
    """

    dim: int = 100
    threshold: float = 2.0

    def __post_init__(self) -> None:
        _check_dim(self.dim)
        if not self.threshold > 0:
            raise ValueError(f"threshold must be above 0; got {self.threshold}")

    @property
    def _mass(self) -> float:
        """The part of N(0, 1) that lies within the threshold."""
        return math.erf(self.threshold / math.sqrt(2))

    def sample(self, n: int, rng: np.random.Generator) -> Latents:
        # erf is the CDF folded about 0, so erfinv of a uniform on (-mass, mass) is exact even near 0.
        u = torch.from_numpy(rng.uniform(-1.0, 1.0, (n, self.dim)) * self._mass)
        z = math.sqrt(2) * torch.erfinv(u)
        return z.clamp(-self.threshold, self.threshold).float()  # u = -1 would give -inf without an end

    def log_prob(self, z: Latents) -> LogDensities:
        z = _rows(z, self.dim)
        density = _log_normal(z) - math.log(self._mass)
        return density.where(_between(z, -self.threshold, self.threshold), -math.inf).sum(dim=1)


@dataclass(frozen=True)
class Spherical:
    """Uniform on the sphere of ``dim`` dimensions: every direction alike, one length.

    The density is taken per unit of surface (for ``dim=1``, two points, it is a probability). A length within
    1 part in 100,000 of the radius counts as on the sphere, since float32 cannot hold it exactly.

    Args:
        dim: length of z.
        radius: length of the vector; None means sqrt(dim), the typical length of a ``Normal`` draw.
    """

    dim: int = 100
    radius: float | None = None

    def __post_init__(self) -> None:
        _check_dim(self.dim)
        if self.radius is not None and not 0 < self.radius < math.inf:
            raise ValueError(f"radius must be above 0 and finite, or None for sqrt(dim); got {self.radius}")

    @property
    def _length(self) -> float:
        return math.sqrt(self.dim) if self.radius is None else self.radius

    def sample(self, n: int, rng: np.random.Generator) -> Latents:
        direction = rng.standard_normal((n, self.dim))  # uniform once its length is forgotten
        direction *= self._length / np.linalg.norm(direction, axis=1, keepdims=True)
        return torch.from_numpy(direction.astype(np.float32))

    def log_prob(self, z: Latents) -> LogDensities:
        z = _rows(z, self.dim)
        # area = 2 pi^(d/2) r^(d-1) / Gamma(d/2)
        half = self.dim / 2
        log_area = math.log(2) + half * math.log(math.pi) - math.lgamma(half)
        log_area += (self.dim - 1) * math.log(self._length)
        on_sphere = (z.norm(dim=1) - self._length).abs() <= 1e-5 * self._length
        return torch.full_like(z[:, 0], -log_area).where(on_sphere, -math.inf)


@dataclass(frozen=True)
class Codes:
    """InfoGAN's z: codes that can be read back from the picture, and then noise. All parts are independent.

    z is one one-hot vector for each of ``classes``, then ``numbers`` codes and at last the noise, both U(-1, 1).

    Args:
        dim: length of z, codes and noise together; 74 in the authors' program for MNIST.
        classes: how many classes each categorical code has, all equally likely; one of 10 for MNIST.
        numbers: continuous codes; 2 for MNIST.

    Source: Chen et al. 2016, arXiv:1606.03657, Sec. 7 (codes); that the noise is uniform, from their program.
    """

    dim: int = 74
    classes: tuple[int, ...] = (10,)
    numbers: int = 2

    def __post_init__(self) -> None:
        _check_dim(self.dim)
        if any(count < 2 for count in self.classes):
            raise ValueError(f"classes must each be at least 2; got {list(self.classes)}")
        if self.numbers < 0:
            raise ValueError(f"numbers must be at least 0; got {self.numbers}")
        if not self.classes and not self.numbers:
            raise ValueError("there must be a code: give classes or numbers")
        if self.read > self.dim:
            raise ValueError(f"dim must be at least {self.read}, the length of the codes; got {self.dim}")

    @property
    def read(self) -> int:
        """Length of the codes, which z begins with."""
        return sum(self.classes) + self.numbers

    @property
    def blocks(self) -> list[slice]:
        """Where each categorical code lies in z."""
        ends = list(accumulate(self.classes))
        return [slice(end - count, end) for count, end in zip(self.classes, ends, strict=True)]

    def sample(self, n: int, rng: np.random.Generator) -> Latents:
        rest = Uniform(self.dim - sum(self.classes)).sample(n, rng) if self.dim > sum(self.classes) else None
        parts = [Categorical(count).sample(n, rng) for count in self.classes]
        return torch.cat([*parts, *([] if rest is None else [rest])], dim=1)

    def log_prob(self, z: Latents) -> LogDensities:
        z = _rows(z, self.dim)
        rest = z[:, sum(self.classes) :]
        density = torch.full_like(rest, -math.log(2)).where(_between(rest, -1.0, 1.0), -math.inf).sum(dim=1)
        for block in self.blocks:
            density = density + Categorical(block.stop - block.start).log_prob(z[:, block])
        return density


def truncated(prior: Prior, threshold: float) -> Prior:
    """BigGAN's truncation trick: the same prior without its far values. Less variety, better pictures.

    Args:
        prior: a ``Normal`` or a ``TruncatedNormal``.
        threshold: largest absolute value, above 0; of two thresholds the smaller holds.

    Returns:
        A ``TruncatedNormal`` of the same length.

    Raises:
        BadConfig: for other priors, or a threshold that is not above 0.

    Source: Brock et al. 2019, arXiv:1809.11096, Sec. 3.1.
    """
    if not threshold > 0:
        raise BadConfig(f"The truncation must be above 0; got {threshold}.")
    if isinstance(prior, Normal):
        return TruncatedNormal(prior.dim, float(threshold))
    if isinstance(prior, TruncatedNormal):
        return TruncatedNormal(prior.dim, min(float(threshold), prior.threshold))
    raise BadConfig(f"Truncation works for normal priors only, not {type(prior).__name__}; leave it out.")


def check_prior(prior: object) -> Prior:
    """Try a prior on two draws and return it, or say in one sentence what is wrong with it.

    Raises:
        BadNetwork: if ``dim``, ``sample`` or ``log_prob`` is missing, gives another shape or type than
            promised, ignores ``rng``, or finds its own draws impossible.
    """
    name = type(prior).__name__
    for part in ("dim", "sample", "log_prob"):
        if not hasattr(prior, part):
            raise BadNetwork(f"The prior {name} has no {part}; it needs dim, sample(n, rng) and log_prob(z).")
    assert isinstance(prior, Prior)
    if not (isinstance(prior.dim, int) and (prior.dim >= 1 or isinstance(prior, Nothing))):
        raise BadNetwork(f"The prior {name} has dim={prior.dim!r}; it must be a whole number, at least 1.")
    z, again = (prior.sample(2, np.random.default_rng(0)) for _ in range(2))
    promise = f"float32 of shape [2, {prior.dim}]"
    if not (isinstance(z, Tensor) and z.shape == (2, prior.dim) and z.dtype == torch.float32):
        raise BadNetwork(f"The prior {name} must sample(2, rng) {promise}; got {_describe(z)}.")
    if not torch.equal(z, again):
        raise BadNetwork(f"The prior {name} drew two different z from equal rng; sample must use rng alone.")
    density = prior.log_prob(z)
    if not (isinstance(density, Tensor) and density.shape == (2,)):
        raise BadNetwork(f"The prior {name} must give log_prob [2] for 2 draws; got {_describe(density)}.")
    if not density.isfinite().all():
        raise BadNetwork(f"The prior {name} has log_prob {density.tolist()} at its own draws, not finite.")
    return prior


def _check_dim(dim: int) -> None:
    if dim < 1:
        raise ValueError(f"dim must be at least 1; got {dim}")


def _rows(z: Tensor, dim: int) -> Tensor:
    """``z`` as float64, its length checked."""
    if z.ndim != 2 or z.shape[1] != dim:
        raise ValueError(f"z must have shape [n, {dim}]; got {list(z.shape)}")
    return z.cpu().double() if z.device.type == "mps" else z.double()  # Apple's GPUs have no float64


def _log_normal(z: Tensor) -> Tensor:
    """Log density of N(0, 1) at each value."""
    return -(z.square() + math.log(2 * math.pi)) / 2


def _between(z: Tensor, low: float, high: float) -> Tensor:
    """True within [low, high], where an end that float32 rounds outwards is still inside."""
    return (z >= min(low, float(np.float32(low)))) & (z <= max(high, float(np.float32(high))))


def _describe(value: object) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} of shape {list(value.shape)}"
    return type(value).__name__
