"""``pixels``: the picture itself, made small. No network, no weights, no meaning: it sees layout and colour only."""

from __future__ import annotations

import torch

from leafwing.measure.network import Network

SIDE = 16
"""Pictures are brought to this side, so the features are 3 × 16 × 16 = 768 numbers in 0..1."""


def load(device: torch.device | str = "cpu", side: int = SIDE) -> Network:
    """The picture at side × side as 3 side² numbers in 0..1."""
    return Network(
        name="pixels" if side == SIDE else f"pixels{side}",
        dim=3 * side * side,
        side=side,
        resizer="clean",
        compute=lambda x: x.flatten(1) / 255,
        preprocessing="RGB / 255",
        device=torch.device(device),
    )
