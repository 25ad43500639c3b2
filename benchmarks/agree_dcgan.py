"""Does our DCGAN compute what the homework's sample code and PyTorch's example compute?

    python benchmarks/agree_dcgan.py [--homework CHECKOUT] [--pytorch CHECKOUT]

The checkouts hold ga642381/ML2021-Spring (HW06/HW06.ipynb; commit 94b2798 was tried) and pytorch/examples (BSD-3,
dcgan/main.py; commit 77f55b9). Only their network classes are run. Weights are made by a formula and carried over by
the order of the layers; both networks see the same inputs.

- The homework's networks are ours as they come: three passes in training mode, so that BatchNorm takes part.
- PyTorch's example begins with a transposed convolution, which is a linear layer, and normalises its maps where ours
  normalises every number; so G is compared in evaluation mode, with the same statistics for all of a map. Ours has
  biases where that has none; they are 0 here.

Printed: parameters, the largest difference of outputs, and some of theirs, which `tests/test_networks.py` holds.
"""

from __future__ import annotations

import argparse
import ast
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from agree_spectral import wave
from torch import Tensor, nn

from leafwing.networks.dcgan import DCGANDiscriminator, DCGANGenerator

Z, SIDE, WIDTH = 100, 64, 64
Pair = tuple[nn.Module, nn.Module]


@torch.no_grad()
def ours(kernel: int) -> Pair:
    """The networks of the homework (kernel 5) or of PyTorch's example (4), with weights by formula."""
    G, D = (
        DCGANGenerator(Z, SIDE, 3, width=WIDTH, kernel=kernel),
        DCGANDiscriminator(SIDE, 3, width=WIDTH, kernel=kernel),
    )
    for net in (G, D):
        for number, (name, values) in enumerate((*net.named_parameters(), *net.named_buffers())):
            drawn = wave(*values.shape, phase=float(number))
            if values.ndim > 1:
                values.copy_(drawn * math.sqrt(2 / values[0].numel()))
            elif name.endswith(("weight", "running_var")):
                values.copy_(1 + 0.1 * drawn)
            elif values.is_floating_point():
                values.copy_(0.1 * drawn)
    if kernel == 4:
        without_biases(G, D)
    return G, D


def without_biases(G: nn.Module, D: nn.Module) -> None:
    """What PyTorch's example has not: biases of convolutions, and statistics of each number of the first maps."""
    for layer in (*G.modules(), *D.modules()):
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.bias is not None:
            layer.bias.zero_()
        if isinstance(layer, nn.BatchNorm1d):
            for values in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
                assert values is not None
                values.copy_(a_map(values).repeat_interleave(16))


def a_map(values: Tensor) -> Tensor:
    """One number of each 4x4 map."""
    return values[::16].clone()


@torch.no_grad()
def outputs(G: nn.Module, D: nn.Module, z: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures and scores of fixed pictures, of the third pass where the networks are in training mode."""
    seen = wave(4, 3, SIDE, SIDE, phase=2.0)
    for _ in range(3):
        pictures, scores = G(z), D(seen)
    return pictures, scores.reshape(-1)


def some(pictures: Tensor, scores: Tensor) -> list[float]:
    """A few outputs: the middle pixels of four pictures, and four scores."""
    return [round(x, 6) for x in (*pictures[:, 1, SIDE // 2, SIDE // 2].tolist(), *scores.tolist())]


def with_weights(net: nn.Module) -> list[nn.Module]:
    """Layers that hold weights themselves, in order."""
    return [layer for layer in net.modules() if list(layer.parameters(recurse=False))]


@torch.no_grad()
def carry(mine: Sequence[nn.Module], theirs: Sequence[nn.Module]) -> None:
    """Weights, and BatchNorm's statistics, layer by layer."""
    for one, other in zip(mine, theirs, strict=True):
        state = one.state_dict()
        for name, value in other.state_dict(keep_vars=True).items():
            first = isinstance(one, nn.Linear | nn.BatchNorm1d) and type(one) is not type(other)
            if first and isinstance(other, nn.ConvTranspose2d):  # [16 w, z] -> [z, w, 4, 4]
                value.copy_(state[name].T.reshape(value.shape))
            elif first and value.ndim:
                value.copy_(a_map(state[name]))
            else:
                value.copy_(state[name])


def classes(text: str, facts: dict[str, Any]) -> tuple[Any, Any]:
    """The network classes in a program, nothing else of it being run."""
    kept = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef) or name_of(node) == "weights_init"]
    space: dict[str, Any] = {"nn": nn, "torch": torch, **facts}
    exec(compile(ast.Module(kept, []), "theirs", "exec"), space)
    return space["Generator"], space["Discriminator"]


def name_of(node: ast.stmt) -> str:
    """Of a function; empty for anything else."""
    return node.name if isinstance(node, ast.FunctionDef) else ""


def of_homework(checkout: Path) -> Pair:
    """The sample code's networks."""
    cells = json.loads((checkout / "HW06" / "HW06.ipynb").read_text(encoding="utf-8"))["cells"]
    text = next(text for text in ("".join(cell["source"]) for cell in cells) if "class Generator" in text)
    G, D = classes(text, {})
    return G(Z), D(3)


def of_pytorch(checkout: Path) -> Pair:
    """The example's networks."""
    text = (checkout / "dcgan" / "main.py").read_text(encoding="utf-8")
    G, D = classes(text, {"nz": Z, "ngf": WIDTH, "ndf": WIDTH, "nc": 3})
    return G(1), D(1)


def report(name: str, mine: Pair, theirs: Pair, z: Tensor) -> None:
    """Print sizes, differences and some outputs; theirs end with a sigmoid."""
    sizes = [[sum(p.numel() for p in net.parameters()) for net in pair] for pair in (mine, theirs)]
    got, wanted = outputs(*mine, z.flatten(1)), outputs(*theirs, z)
    apart = [float((a - b).abs().max()) for a, b in zip((got[0], got[1].sigmoid()), wanted, strict=True)]
    print(f"{name}: parameters {sizes[0]} ours, {sizes[1]} theirs")
    print(f"  largest difference: pictures {apart[0]:.1e}, sigmoid of scores {apart[1]:.1e}")
    print(f"  theirs: {some(*wanted)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--homework", type=Path, help="a checkout of ga642381/ML2021-Spring")
    parser.add_argument("--pytorch", type=Path, help="a checkout of pytorch/examples")
    asked = parser.parse_args()
    for name, read, where, kernel in (
        ("homework 6", of_homework, asked.homework, 5),
        ("PyTorch's example", of_pytorch, asked.pytorch, 4),
    ):
        if where is None:
            continue
        mine, theirs = ours(kernel), read(where)
        for one, other in zip(mine, theirs, strict=True):
            carry(with_weights(one), with_weights(other))
        z = wave(4, Z)
        if kernel == 4:
            mine[0].eval()
            theirs[0].eval()
            z = z[:, :, None, None]
        report(name, mine, theirs, z)


if __name__ == "__main__":
    main()
