"""Where D looks, and how its gradient changes from layer to layer (R43, R95).

Shape legend: n pictures, c channels, h height, w width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn

from leafwing.core import randomness
from leafwing.explore.players import as_told
from leafwing.game import Batch, Variant, judge

Norms: TypeAlias = list[tuple[str, float]]
"""(layer, norm of the gradient there), from the input on."""
DRAWS, NOISE = 8, 0.1
"""A single gradient is full of speckles; it is averaged over so many copies of the picture with so much noise, the
smaller the stronger, in units of [-1, 1]."""


def saliency(D: nn.Module, variant: Variant, batch: Batch, seed: int = 0) -> Tensor:
    r"""How strongly each pixel moves D's score: $\|\partial s/\partial x\|$ over the channels.

    Source: Simonyan et al. 2013, arXiv:1312.6034, Sec. 3.1; averaged over noise as in Smilkov et al. 2017,
    arXiv:1706.03825. D is asked in evaluation mode, so that pictures do not mix, and left in the mode it was in.

    Args:
        D: pictures -> verdicts.
        variant: how a verdict is read as a score.
        batch: pictures, and what was asked for.
        seed: of the noise.

    Returns:
        [n, h, w], each map divided by its own 99th percentile: compare places, not pictures.
    """
    device, told = next(D.parameters()).device, as_told(variant, batch)
    pictures, condition = told.pictures, told.condition
    condition = None if condition is None else condition.to(device)
    rng = randomness.stream(seed, 0, "saliency")
    was, total = D.training, torch.zeros(len(pictures), *pictures.shape[2:])
    D.eval()
    try:
        for _ in range(DRAWS):
            noise = torch.from_numpy(rng.standard_normal(tuple(pictures.shape), dtype="float32"))
            x = (pictures + NOISE * noise).to(device).requires_grad_()
            with torch.enable_grad():
                score = variant.score(judge(D, Batch(x, condition))).sum()
            (slope,) = torch.autograd.grad(score, x)
            total += slope.norm(dim=1).cpu()
    finally:
        D.train(was)
    high = total.flatten(1).quantile(0.99, dim=1).clamp_min(torch.finfo(torch.float32).tiny)
    return total / high[:, None, None]


def layer_norms(D: nn.Module, loss: Callable[[nn.Module], Tensor]) -> Norms:
    """The norm of the gradient of D's loss by the output of each of its layers with weights, from the input on.

    Where it explodes or vanishes towards the input, D's first layers cannot learn: the sign of weight clipping, which
    a gradient penalty does not show. Source: Gulrajani et al. 2017, arXiv:1704.00028, Fig. 1b.

    Args:
        D: in the mode in which it is asked.
        loss: D -> a scalar; may call D several times, each layer's outputs are taken together.
    """
    outputs: dict[str, list[Tensor]] = {}

    def keep(name: str) -> Callable[[nn.Module, object, Tensor], Tensor]:
        def hook(layer: nn.Module, given: object, out: Tensor) -> Tensor:
            kept = out if out.requires_grad else out.requires_grad_()  # weights may be frozen
            outputs.setdefault(name, []).append(kept)
            return kept.clone()  # what follows may work in place

        return hook

    layers = [(name or "D", m) for name, m in D.named_modules() if has_weights(m)]
    hooks = [layer.register_forward_hook(keep(name)) for name, layer in layers]
    try:
        with torch.enable_grad():
            total = loss(D)
            flat = [tensor for found in outputs.values() for tensor in found]
            slopes = iter(torch.autograd.grad(total, flat, allow_unused=True))
    finally:
        for hook in hooks:
            hook.remove()
    norms = []
    for name, found in outputs.items():
        parts = [next(slopes) for _ in found]
        square = sum(float(part.double().square().sum()) for part in parts if part is not None)
        norms.append((name, square**0.5))
    return norms


def has_weights(layer: nn.Module) -> bool:
    """Whether a layer mixes its inputs by weights: convolutions and linear maps, not normalisations."""
    return isinstance(layer, nn.Linear | nn.modules.conv._ConvNd)
