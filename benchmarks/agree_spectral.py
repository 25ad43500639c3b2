"""Do our SNGAN, SAGAN and BigGAN compute what the originals compute?

    python benchmarks/agree_spectral.py --mimicry CHECKOUT

CHECKOUT holds kwotsin/mimicry (MIT; commit a7fda06 was tried), a port of the authors' Chainer program that is faithful
but for two points, undone here: its G enlarges by bilinear interpolation, where the authors repeat pixels, and its D's
in-place ReLU also cuts what goes past a block. Weights are made by a formula and carried over by a name map; both
networks see the same inputs three times in training mode, so that power iteration and BatchNorm take part. Printed:
parameters, the largest difference of outputs, and some outputs, which `tests/test_spectral.py` holds.
"""

from __future__ import annotations

import argparse
import importlib
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing.networks.sngan import SNGANDiscriminator, SNGANGenerator


def wave(*shape: int, phase: float = 0.0) -> Tensor:
    """Numbers in [-1, 1] that look random, from a formula: the same on every machine, but for rounding."""
    places = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(0.01 * places * places + 0.7 * places + phase).float().reshape(shape)


@torch.no_grad()
def fill(net: nn.Module) -> nn.Module:
    """Weights by formula: matrices of a usual size, gains near 1, biases near 0, vectors u of length 1."""
    for number, (name, values) in enumerate((*net.named_parameters(), *net.named_buffers())):
        drawn = wave(*values.shape, phase=float(number))
        if name.endswith("gamma"):
            values.fill_(0.5)
        elif name.endswith(".u"):
            values.copy_(F.normalize(drawn, dim=0))
        elif values.ndim > 1:
            values.copy_(drawn * math.sqrt(2 / values[0].numel()))
        elif name.endswith("weight"):
            values.copy_(1 + 0.1 * drawn)
        elif name.endswith("bias"):
            values.copy_(0.1 * drawn)
    return net


def sngan(side: int) -> tuple[nn.Module, nn.Module]:
    """Our networks as published for that side."""
    settings = {32: ({"width": 256, "most": 256}, {"width": 128, "most": 128, "until": 8, "flat": 2})}
    settings[64] = {}, {"until": 2, "flat": 0}
    for_g, for_d = settings[side]
    return fill(SNGANGenerator(128, side, **for_g)), fill(SNGANDiscriminator(side, **for_d))


@torch.no_grad()
def outputs(G: nn.Module, D: nn.Module, side: int, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Pictures of the third of three passes in training mode, and D's scores of fixed pictures likewise."""
    z, seen = wave(4, 128), wave(4, 3, side, side, phase=2.0)
    about = () if condition is None else (condition,)
    for _ in range(3):
        pictures, scores = G(z, *about), D(seen, *about)
    return pictures, scores.reshape(-1)


def some(pictures: Tensor, scores: Tensor) -> list[float]:
    """A few outputs: the middle pixels of four pictures, and four scores."""
    middle = pictures.shape[-1] // 2
    return [round(x, 6) for x in (*pictures[:, 1, middle, middle].tolist(), *scores.tolist())]


# ---------------------------------------------------------------------------------------------- mimicry's SNGAN


def blocks_of(net: nn.Module, kinds: str) -> Iterator[tuple[str, nn.Module]]:
    """Children whose names fit, in order."""
    return ((name, child) for name, child in net.named_children() if re.fullmatch(kinds, name))


def carry_block(ours: nn.Module, theirs: nn.Module) -> None:
    """One residual block."""
    for mine, their in (("conv1", "c1"), ("conv2", "c2"), ("beside", "c_sc"), ("norm1", "b1"), ("norm2", "b2")):
        if hasattr(theirs, their):
            carry(getattr(ours, mine), getattr(theirs, their))


@torch.no_grad()
def carry(mine: nn.Module, their: nn.Module) -> None:
    """One layer: weight, bias, and the vector of the power iteration."""
    for name, p in their.named_parameters():
        p.copy_(mine.get_parameter(name.removesuffix("_orig")))
    if hasattr(their, "weight_u"):
        their.get_buffer("weight_u").copy_(mine.get_buffer("u"))


def theirs_of(checkout: Path, side: int) -> tuple[nn.Module, nn.Module]:
    """Mimicry's networks, its two departures from the authors' program undone."""
    for name, folder in (("", ""), (".nets", "nets"), (".nets.sngan", "nets/sngan"), (".training", None)):
        package = ModuleType(f"torch_mimicry{name}")  # the real ones import TensorBoard and torchvision
        package.__path__ = [] if folder is None else [str(checkout / "torch_mimicry" / folder)]
        sys.modules[package.__name__] = package
    for name, part in (("torch_mimicry.training", "metric_log"), ("torch_mimicry.utils", "common")):
        package = sys.modules.setdefault(name, ModuleType(name))
        setattr(package, part, None)
    module = importlib.import_module(f"torch_mimicry.nets.sngan.sngan_{side}")
    G, D = getattr(module, f"SNGANGenerator{side}")(), getattr(module, f"SNGANDiscriminator{side}")()
    for block in G.modules():
        if hasattr(block, "_upsample_conv"):
            block._upsample_conv = lambda x, conv: conv(F.interpolate(x, scale_factor=2))
    for layer in (*G.modules(), *D.modules()):
        if isinstance(layer, nn.ReLU):
            layer.inplace = False
    return G, D


def carry_sngan(ours: tuple[nn.Module, nn.Module], theirs: tuple[nn.Module, nn.Module]) -> None:
    """All weights of both networks."""
    for mine, their in zip(ours, theirs, strict=True):
        body = [layer for layer in mine.body if any(True for _ in layer.parameters())]  # type: ignore[union-attr]
        if hasattr(mine, "head"):
            body.append(mine.head)  # type: ignore[arg-type]
        for layer, (_, other) in zip(body, blocks_of(their, r"l\d|block\d|b\d|c\d"), strict=True):
            carry_block(layer, other) if hasattr(layer, "conv1") else carry(layer, other)


def compare(name: str, ours: tuple[nn.Module, nn.Module], theirs: tuple[nn.Module, nn.Module], side: int) -> None:
    """Print sizes, differences and some outputs."""
    sizes = [[sum(p.numel() for p in net.parameters()) for net in pair] for pair in (ours, theirs)]
    got, wanted = outputs(*ours, side), outputs(*theirs, side)
    apart = [float((a - b).abs().max()) for a, b in zip(got, wanted, strict=True)]
    size = float(wanted[1].abs().max())
    print(f"{name}: parameters {sizes[0]} ours, {sizes[1]} theirs")
    print(f"  largest difference: pictures {apart[0]:.1e}, scores {apart[1]:.1e} (of {size:.3g})")
    print(f"  theirs: {some(*wanted)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mimicry", type=Path, help="a checkout of kwotsin/mimicry")
    asked = parser.parse_args()
    torch.manual_seed(0)
    if asked.mimicry:
        for side in (32, 64):
            ours, theirs = sngan(side), theirs_of(asked.mimicry, side)
            carry_sngan(ours, theirs)
            compare(f"SNGAN {side}", ours, theirs, side)


if __name__ == "__main__":
    main()
