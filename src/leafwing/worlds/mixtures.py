"""Mixtures of Gaussians in the plane: the smallest worlds in which a generator can forget a mode and be caught.

Both are those of PacGAN's released experiments (Lin et al. 2018, arXiv:1712.04086, Sec. 4.1 and its
``synthetic_data_experiments``), after VEEGAN (Srivastava et al. 2017, arXiv:1705.07761, Sec. 4.1): eight modes on a
circle of radius 1, standard deviation 0.01; five by five modes 2 apart, standard deviation 0.05. All modes are equally
likely.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from leafwing.core.errors import BadConfig, did_you_mean


@dataclass(frozen=True)
class Mixture:
    """Equally likely round Gaussians.

    Attributes:
        name: how it is called.
        means: where they stand, float64 [modes, 2].
        std: the standard deviation of each, along each axis.
    """

    name: str
    means: NDArray[np.float64]
    std: float

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """n points, [n, 2]."""
        which = rng.integers(0, len(self.means), n)
        noise = rng.standard_normal((n, self.means.shape[1]))
        return (self.means[which] + self.std * noise).astype(np.float32)


def ring(modes: int, radius: float, std: float) -> Mixture:
    """Modes evenly on a circle, the first at (radius, 0)."""
    angles = 2 * np.pi * np.arange(modes) / modes
    return Mixture(f"ring-{modes}", radius * np.stack([np.cos(angles), np.sin(angles)], axis=1), std)


def grid(side: int, spacing: float, std: float) -> Mixture:
    """side x side modes, ``spacing`` apart, centred on the origin."""
    ticks = spacing * (np.arange(side) - (side - 1) / 2)
    return Mixture(f"grid-{side * side}", np.array(list(product(ticks, ticks))), std)


MIXTURES = {mixture.name: mixture for mixture in (ring(8, 1.0, 0.01), grid(5, 2.0, 0.05))}
"""By name: ``ring-8`` and ``grid-25``."""


def find_mixture(name: str) -> Mixture:
    """The mixture of that name.

    Raises:
        BadConfig: there is none.
    """
    if name not in MIXTURES:
        raise BadConfig(f"There is no mixture called {name!r}.{did_you_mean(name, MIXTURES)}")
    return MIXTURES[name]
