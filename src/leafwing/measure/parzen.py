"""Parzen-window log-likelihood: how likely the data are under a Gaussian around every sample; the metric of 2014.

    log p(x) = log mean_j N(x; s_j, sigma^2 I)        x a picture in 0..1 as a vector, s_j the samples

sigma is the one of ten, evenly spaced in their logarithm from 0.1 to 1, under which a part of the data that is then set
aside is likeliest; the rest of the data is measured. Source: Goodfellow et al. 2014, arXiv:1406.2661, Sec. 5, and their
program's numbers (10,000 samples, sigma chosen on 1,000 pictures).

For history's sake: in many dimensions the number says little of the pictures, and sets of bad ones may be likelier than
good ones (Theis et al. 2016, arXiv:1511.01844, Sec. 3.3).

Shape legend: n pictures, m samples, d numbers of a picture, k sigmas.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leafwing.core.errors import BadData
from leafwing.measure import bootstrap
from leafwing.measure.bootstrap import Measured

SIGMAS = tuple(np.logspace(-1, 0, 10).tolist())
SAMPLES = 10_000
"""Samples that get a window, at most."""
HELD = 1000
"""Pictures that choose sigma, at most; half of the data where there are fewer than twice as many."""
LEAST = 4
BLOCK = 256
"""Pictures or samples looked at at once."""


def likelihood(samples: Tensor, data: Tensor, sigmas: Sequence[float]) -> Tensor:
    """The log-likelihood of each picture under each sigma, in nats.

    Args:
        samples: [m, d], of any type; a picture's numbers are taken as they are.
        data: [n, d].
        sigmas: k of them, above 0.

    Returns:
        float64 [n, k].
    """
    return torch.cat([_of_block(samples, part.double(), sigmas) for part in torch.split(data, BLOCK)])


def _of_block(samples: Tensor, data: Tensor, sigmas: Sequence[float]) -> Tensor:
    """As above, for some pictures in float64."""
    far = torch.cat([_squared(data, part.double()) for part in torch.split(samples, BLOCK)], dim=1)  # [n, m]
    (m, d), found = samples.shape, []
    for sigma in sigmas:
        top = torch.logsumexp(-far / (2 * sigma**2), dim=1) - math.log(m)
        found.append(top - d * math.log(sigma * math.sqrt(2 * math.pi)))
    return torch.stack(found, dim=1)


def _squared(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances [n, m] of x [n, d] and y [m, d]."""
    return (x.square().sum(1)[:, None] + y.square().sum(1)[None, :] - 2 * x @ y.T).clamp(min=0)


def measure(
    samples: NDArray[np.uint8], data: NDArray[np.uint8], rng: np.random.Generator, device: torch.device | str = "cpu"
) -> Measured:
    """The mean log-likelihood of the data that did not choose sigma, in nats, with the deviation of that mean.

    Args:
        samples: pictures uint8 [m, h, w, c].
        data: pictures uint8 [n, h, w, c], n at least 4.
        rng: says which of the data choose sigma.
        device: where to compute, in float64.

    Raises:
        BadData: pictures of different sizes, or too few of them.
    """
    if samples.shape[1:] != data.shape[1:]:
        ours, theirs = ("x".join(map(str, shape[1:])) for shape in (samples.shape, data.shape))
        raise BadData(f"A Parzen window compares pictures of one size; got {ours} and {theirs}: use --image-size.")
    if len(data) < LEAST:
        raise BadData(f"A Parzen window needs at least {LEAST} pictures of data, half of them to choose its width.")
    vectors = [torch.from_numpy(p.reshape(len(p), -1)).to(device).float() / 255 for p in (samples, data)]
    order = torch.from_numpy(rng.permutation(len(data))).to(device)
    held = min(HELD, len(data) // 2)
    chosen = likelihood(vectors[0], vectors[1][order[:held]], SIGMAS).mean(0).argmax()
    sigma = SIGMAS[int(chosen)]
    found = likelihood(vectors[0], vectors[1][order[held:]], [sigma])[:, 0]
    note = f"nats of {len(found):,} pictures, {len(samples):,} samples; sigma {sigma:.3g} chosen on {held:,} others"
    return replace(bootstrap.mean(found.cpu()), note=note)
