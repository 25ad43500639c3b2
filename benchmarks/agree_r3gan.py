"""Do our R3GAN's networks, loss and penalties compute what the authors' program computes?

    python benchmarks/agree_r3gan.py CHECKOUT

The checkout holds brownvc/R3GAN (commit 19a7ddf was tried; it carries no licence, so it is run and nothing of it is
kept but the numbers below). Narrow networks for 32x32 and 64x64, without a condition and with ten kinds; weights are
made by a formula and carried over by the order of the layers. Beside pictures and scores the authors' own turn of D is
played: its terms, and the gradient of its loss by all of D's weights, which contains the second derivatives of R1 and
R2. Printed: parameters, largest differences, and some of theirs, which `tests/test_r3gan.py` holds.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import torch
from agree_spectral import wave
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing.game import Batch
from leafwing.networks.r3gan import R3GANDiscriminator, R3GANGenerator, Residual
from leafwing.variants.r3gan import R3GAN

Z, WIDTH, GAMMA, KINDS = 64, 32, 2.0, 10
Pair = tuple[nn.Module, nn.Module]


@torch.no_grad()
def ours(side: int, kinds: int) -> Pair:
    """G and D with weights by formula; the last layer of a branch, 0 in a fresh network, counts as well."""
    G, D = R3GANGenerator(Z, side, 3, kinds, width=WIDTH), R3GANDiscriminator(side, 3, kinds, width=WIDTH)
    for net in (G, D):
        for number, (name, values) in enumerate(net.named_parameters()):
            size = 0.1 if name.endswith("bias") else 1.0 if name.endswith("maps") else 1.3 * values[0].numel() ** -0.5
            values.copy_(wave(*values.shape, phase=float(number)) * size)
    return G, D


def asked(kinds: int) -> Tensor | None:
    """What four pictures are asked to be."""
    return F.one_hot(torch.tensor([3, 0, 9, 3]), kinds).float() if kinds else None


def seen(side: int) -> Tensor:
    """Four real pictures."""
    return wave(4, 3, side, side, phase=2.0)


Found = dict[str, Tensor]
"""Pictures, scores of the reals, the terms of D's loss, and its gradient by all weights in one vector."""


def of_ours(G: nn.Module, D: nn.Module, side: int, kinds: int, gradient: str = "analytic") -> Found:
    """Of our networks and our turn of D."""
    about = asked(kinds)
    pictures = G(wave(4, Z), *(() if about is None else (about,)))
    rules = R3GAN(gamma=GAMMA, gradient=gradient)  # type: ignore[arg-type]
    terms, scores, _ = rules.d_terms(D, Batch(seen(side), about), Batch(pictures.detach(), about), 0)
    slopes = torch.autograd.grad(torch.stack(list(terms.values())).sum(), list(D.parameters()))
    return {"pictures": pictures, "scores": scores, **terms, "gradient": torch.cat([s.flatten() for s in slopes])}


def some(found: Found) -> list[float]:
    """A few numbers of it."""
    pictures, middle = found["pictures"], found["pictures"].shape[-1] // 2
    terms = [float(found[name].detach()) for name in ("adversarial", "r1", "r2")]
    rest = [*found["scores"].tolist(), *terms, float(found["gradient"].norm())]
    return [round(x, 6) for x in (*pictures[:, 1, middle, middle].tolist(), *rest)]


# ---------------------------------------------------------------------------------------------- theirs


def program(checkout: Path) -> ModuleType:
    """The authors' networks on their own reference layers, without the CUDA kernels they load otherwise."""
    sys.path.insert(0, str(checkout))
    kernels = ModuleType("torch_utils.ops")
    for name in ("bias_act", "upfirdn2d"):
        setattr(kernels, name, None)
    sys.modules.setdefault("torch_utils.ops", kernels)
    for file, names in (
        ("FusedOperators", ["BiasedActivation"]),
        ("Resamplers", ["InterpolativeUpsampler", "InterpolativeDownsampler"]),
    ):
        module = importlib.import_module(f"R3GAN.{file}")
        for name in names:
            setattr(module, name, getattr(module, f"{name}Reference"))
    return importlib.import_module("R3GAN.Networks")


def theirs(checkout: Path, side: int, kinds: int) -> Pair:
    """Networks of the same sizes."""
    networks = program(checkout)
    wide = [WIDTH] * 4 + [WIDTH // 2] * (side == 64)
    groups, blocks = [2 * w // 16 for w in wide], [2] * len(wide)
    about = {"ConditionDimension": kinds} if kinds else {}
    for_g, for_d = ({"ConditionEmbeddingDimension": n} if kinds else {} for n in (Z, WIDTH))
    G = networks.Generator(Z, wide, groups, blocks, 2, **about, **for_g)
    D = networks.Discriminator(wide[::-1], groups[::-1], blocks, 2, **about, **for_d)
    return G, D


def in_order(net: nn.Module) -> Iterator[nn.Parameter]:
    """Our weights in the order of theirs: of a branch first its three convolutions, then its two biases."""
    body = [layer for layer in net.body if list(layer.parameters())]  # type: ignore[union-attr]
    for layer in body:
        if isinstance(layer, Residual):
            first, _, middle, _, last = layer.branch
            yield from (first.weight, middle.weight, last.weight, first.bias, middle.bias)  # type: ignore[misc]
        else:
            yield from layer.parameters()
    embedding = [p for name, p in net.named_parameters() if "embed" in name]
    yield from embedding


@torch.no_grad()
def carry(mine: nn.Module, their: nn.Module) -> list[nn.Parameter]:
    """All weights; theirs in the order of our parameters is returned."""
    first = ("ExtractionLayer", "MainLayers", "AggregationLayer", "EmbeddingLayer")
    named = [(first.index(name.split(".")[0]), p) for name, p in their.named_parameters()]
    target = [p for _, p in sorted(named, key=lambda pair: pair[0])]
    place = {}
    for p, q in zip(in_order(mine), target, strict=True):
        q.copy_(p.reshape(q.shape))
        place[p] = q
    return [place[p] for p in mine.parameters()]


def of_theirs(G: nn.Module, D: nn.Module, order: list[nn.Parameter], side: int, kinds: int) -> Found:
    """Of their networks and their turn of D."""
    trainer = importlib.import_module("R3GAN.Trainer").AdversarialTraining(G, D)
    about, z, reals = asked(kinds), wave(4, Z), seen(side)
    adversarial, _, r1, r2 = trainer.AccumulateDiscriminatorGradients(z, reals, about, GAMMA)
    gradient = torch.cat([p.grad.flatten() for p in order if p.grad is not None])
    terms = {"adversarial": adversarial.mean(), "r1": GAMMA / 2 * r1.mean(), "r2": GAMMA / 2 * r2.mean()}
    return {"pictures": G(z, about), "scores": D(reals, about), **terms, "gradient": gradient}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path, help="a checkout of brownvc/R3GAN")
    checkout = parser.parse_args().checkout
    for side, kinds in ((32, 0), (64, 0), (32, KINDS)):
        mine, their = ours(side, kinds), theirs(checkout, side, kinds)
        order = [carry(one, other) for one, other in zip(mine, their, strict=True)][1]
        got, wanted = of_ours(*mine, side, kinds), of_theirs(*their, order, side, kinds)
        sizes = [[sum(p.numel() for p in net.parameters()) for net in pair] for pair in (mine, their)]
        print(f"{side}x{side}, {kinds} kinds: parameters {sizes[0]} ours, {sizes[1]} theirs")
        for name, value in wanted.items():
            apart, size = (float(x.detach().abs().max()) for x in (got[name] - value, value))
            print(f"  {name}: largest difference {apart:.1e} of {size:.3g}")
        print(f"  theirs: {some(wanted)}", flush=True)


if __name__ == "__main__":
    main()
