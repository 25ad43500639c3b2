"""Draw pictures from a trained generator: as many as wanted, the same ones for the same seed, little memory.

z of sample i depends on (seed, i) alone, bit for bit: ask for 10 or 10,000, in chunks of any size, on any
device, and number 7 has the same z. Its picture is computed in a batch of ``chunk`` samples, the last one
filled up, so for one ``chunk`` it is the same bit for bit too. For another ``chunk`` it agrees to rounding,
about 1e-6: matrix libraries choose their order of summation by the size of the batch.

Shape legend: n batch, z latent length, k condition length.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from leafwing.core import randomness
from leafwing.core.errors import BadData, BadNetwork
from leafwing.core.types import Latents
from leafwing.game import call
from leafwing.generator import truncated
from leafwing.latents import Prior

Rows: TypeAlias = Callable[[int, int], Tensor]
"""(start, stop) -> conditions [stop - start, k] of these samples."""
BLOCK = 8
"""z is drawn so many at a time, each block from its own stream; another number means other pictures."""


def draw(
    G: nn.Module,
    prior: Prior,
    count: int,
    seed: int,
    *,
    condition: Tensor | Rows | None = None,
    truncation: float | None = None,
    chunk: int = 16,
    device: torch.device | str | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Draw ``count`` samples, a chunk at a time; nothing is kept, so memory does not grow with ``count``.

    Args:
        G: the generator; in evaluation mode while it draws, then back in the mode it was in.
        prior: where z comes from.
        count: how many samples, at least 0.
        seed: names the sequence of z; sample i is the same for every count and chunk.
        condition: what is asked for: one row for all samples, a row for each of them, or a function that gives the
            rows of some.
        truncation: largest absolute value in z, or psi for a StyleGAN (see ``generator.truncated``). For one seed, z
            changes smoothly with a largest value; without one, z is another one.
        chunk: samples computed at once, at least 1.
        device: where G is; None asks its first weight.

    Yields:
        (z [n, z], samples [n, ...]) with n <= chunk, both on the device.

    Raises:
        ValueError: count or chunk out of range.
        BadNetwork: a condition with neither 1 nor ``count`` rows.
        BadConfig: truncation with a prior that has none.
    """
    if count < 0 or chunk < 1:
        raise ValueError(f"count must be at least 0 and chunk at least 1; got count={count}, chunk={chunk}")
    if isinstance(condition, Tensor) and (condition.ndim < 1 or len(condition) not in (1, count)):
        raise BadNetwork(f"The condition needs 1 row or {count}, one a sample; got {list(condition.shape)}.")
    G, prior = truncated(G, prior, truncation)
    return _chunks(G, prior, count, seed, condition, chunk, device_of(G) if device is None else device)


def _chunks(
    G: nn.Module,
    prior: Prior,
    count: int,
    seed: int,
    condition: Tensor | Rows | None,
    chunk: int,
    device: torch.device | str,
) -> Iterator[tuple[Tensor, Tensor]]:
    for start in range(0, count, chunk):
        n = min(chunk, count - start)
        z = latents_at(prior, seed, start, start + chunk).to(device)  # always a full batch: see the top
        pictures = generate(G, z, _rows_of(condition, start, chunk, device))
        yield z[:n], pictures[:n]


def latents_at(prior: Prior, seed: int, start: int, stop: int) -> Latents:
    """The z of samples ``start`` to ``stop - 1`` of this seed, [stop - start, z], on the CPU."""
    first, last = start // BLOCK, max(start, stop - 1) // BLOCK
    blocks = [prior.sample(BLOCK, randomness.stream(seed, 0, "sample", b)) for b in range(first, last + 1)]
    drawn = blocks[0] if len(blocks) == 1 else torch.cat(blocks)
    return drawn[start - first * BLOCK : stop - first * BLOCK]


def generate(G: nn.Module, z: Latents, condition: Tensor | None = None) -> Tensor:
    """G of z in evaluation mode, without gradients; every part of G is back in its mode afterwards.

    Shape:
        ``[n, z] (, [n, k]) -> [n, ...]``.
    """
    learning = [module for module in G.modules() if module.training]
    if learning:
        G.eval()
    try:
        with torch.inference_mode():
            return call(G, z, condition)
    finally:
        for module in learning:
            module.training = True


def device_of(G: nn.Module) -> torch.device:
    """Where the network's first weight (or buffer) is; the CPU if it has none."""
    for tensor in (*G.parameters(), *G.buffers()):
        return tensor.device
    return torch.device("cpu")


def latent_to_text(z: Tensor) -> str:
    """One z as JSON text for the metadata of its picture: readable, and back bit for bit as float32."""
    return "[" + ", ".join(str(value) for value in z.detach().cpu().float().numpy()) + "]"


def latent_from_text(text: str) -> Tensor:
    """The z [z] that :func:`latent_to_text` wrote.

    Raises:
        BadData: the text is not a list of finite numbers.
    """
    try:
        values = np.array(json.loads(text), dtype=np.float32)
    except (ValueError, TypeError, RecursionError) as error:
        raise BadData(f"The z in this picture's metadata cannot be read: {error}.") from error
    if values.ndim != 1 or not np.isfinite(values).all():
        raise BadData("The z in this picture's metadata is not a list of finite numbers.")
    return torch.from_numpy(values)


def _rows_of(condition: Tensor | Rows | None, start: int, n: int, device: torch.device | str) -> Tensor | None:
    """The condition's rows for n samples from ``start`` on; where they end, the last one again."""
    if condition is None:
        return None
    if not isinstance(condition, Tensor):
        return condition(start, start + n).to(device)
    rows = torch.arange(start, start + n).clamp(max=len(condition) - 1)
    return condition[rows.to(condition.device)].to(device)
