"""Do our SNGAN, SAGAN and BigGAN compute what the originals compute?

    python benchmarks/agree_spectral.py [--mimicry CHECKOUT] [--biggan CHECKOUT]

The checkouts hold ajbrock/BigGAN-PyTorch (MIT; commit 9845943 was tried), the author's own, and kwotsin/mimicry (MIT;
commit a7fda06), a port of the SNGAN authors' Chainer program that is faithful but for two points, undone here: its G
enlarges by bilinear interpolation, where the authors repeat pixels, and its D's in-place ReLU also cuts what goes past
a block. Weights are made by a formula and carried over by a name map; both networks see the same inputs three times in
training mode, so that power iteration and BatchNorm take part. Printed: parameters, the largest difference of outputs,
and some of theirs, which `tests/test_spectral.py` holds.
"""

from __future__ import annotations

import argparse
import importlib
import math
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing.networks.biggan import BigGANDiscriminator, BigGANGenerator
from leafwing.networks.sngan import SNGANDiscriminator, SNGANGenerator

Pair = tuple[nn.Module, nn.Module]
KINDS = 10
"""Classes, where there are any."""

# ---------------------------------------------------------------------------------------------- ours, by formula


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
        elif name.endswith(
            "embed.u"
        ):  # the originals hold its other side: only at the end of the iteration are they one
            values.copy_(torch.linalg.svd(net.get_parameter(name.replace(".u", ".weight")))[0][:, 0])
        elif name.endswith(".u"):
            values.copy_(F.normalize(drawn, dim=0))
        elif values.ndim > 1:
            values.copy_(drawn * math.sqrt(2 / values[0].numel()))
        elif name.endswith("weight"):
            values.copy_(1 + 0.1 * drawn)
        elif name.endswith("bias"):
            values.copy_(0.1 * drawn)
    return net


def sngan(side: int) -> Pair:
    """SNGAN as published for that side."""
    settings = {32: ({"width": 256, "most": 256}, {"width": 128, "most": 128, "until": 8, "flat": 2})}
    settings[64] = {}, {"until": 2, "flat": 0}
    for_g, for_d = settings[side]
    return fill(SNGANGenerator(128, side, **for_g)), fill(SNGANDiscriminator(side, **for_d))


def sagan(side: int = 32) -> Pair:
    """SAGAN for 32 pixels and several classes, narrow; blocks as in the port."""
    G = SNGANGenerator(128, side, condition_dim=KINDS, width=32, most=32, spectral=True, attend=16)
    D = SNGANDiscriminator(side, condition_dim=KINDS, width=16, most=16, until=8, flat=2, attend=8)
    return fill(G), fill(D)


def biggan(side: int, ch: int = 8) -> Pair:
    """BigGAN for that side and several classes, all widths in proportion to ``ch``."""
    wide = {32: (4, 4, 4), 64: (2, 16, 1), 128: (1, 16, 1)}[side]
    G = BigGANGenerator(
        120, side, condition_dim=KINDS, width=wide[0] * ch, most=wide[1] * ch, shared=16, attend=side // 2
    )
    rest = {"until": 8, "flat": 2, "attend": None} if side == 32 else {"attend": side // 2}
    D = BigGANDiscriminator(side, 3, KINDS, width=wide[2] * ch, most=wide[1] * ch, **rest)
    return fill(G), fill(D)


@torch.no_grad()
def outputs(
    G: nn.Module, D: nn.Module, side: int, z_dim: int = 128, about: Iterable[Tensor] = ()
) -> tuple[Tensor, Tensor]:
    """Pictures of the third of three passes in training mode, and D's scores of fixed pictures likewise."""
    z, seen = wave(4, z_dim), wave(4, 3, side, side, phase=2.0)
    for _ in range(3):
        pictures, scores = G(z, *about), D(seen, *about)
    return pictures, scores.reshape(-1)


def some(pictures: Tensor, scores: Tensor) -> list[float]:
    """A few outputs: the middle pixels of four pictures, and four scores."""
    middle = pictures.shape[-1] // 2
    return [round(x, 6) for x in (*pictures[:, 1, middle, middle].tolist(), *scores.tolist())]


def kinds() -> Tensor:
    """What four pictures are asked to be."""
    return torch.tensor([3, 0, 9, 3])


def one_hot() -> Tensor:
    """The same as our networks read it."""
    return F.one_hot(kinds(), KINDS).float()


# ---------------------------------------------------------------------------------------------- theirs

NAMES = {
    r"\bc1\b": "conv1", r"\bc2\b": "conv2", r"\bc_sc\b|\bconv_sc\b": "beside",
    r"\bb1\b|\bbn1\b": "norm1", r"\bb2\b|\bbn2\b": "norm2",
    r"\b(norm\d)\.gain": r"\1.scale", r"\b(norm\d)\.bias\.": r"\1.shift.", r"^gain$": "weight",
    r"\btheta\b": "query", r"\bphi\b": "key", r"\bg\b": "value", r"\bo\b": "out",
    r"weight_orig$": "weight", r"weight_u$|u0$": "u",
}  # fmt: skip
"""Names inside a block of theirs, and inside one of ours."""
THEIR_OWN = r"sv0$|weight_v$|stored_|running_|num_batches|norm\d\.embed"
"""Theirs, and of no effect here; or carried by itself."""


@torch.no_grad()
def carry(mine: nn.Module, their: nn.Module) -> None:
    """One layer or block."""
    ours = mine.state_dict()
    for name, value in their.state_dict(keep_vars=True).items():
        for old, new in NAMES.items():
            name = re.sub(old, new, name)
        if not re.search(THEIR_OWN, name):
            value.copy_(ours[name].reshape(value.shape))
    for norm in ("1", "2"):
        if hasattr(
            getattr(their, f"b{norm}", None), "embed"
        ):  # mimicry's: a row a class, first its scale, then its shift
            told = getattr(mine, f"norm{norm}")
            rows = torch.cat([1 + told.scale.weight.T, told.shift.weight.T + told.shift.bias], 1)
            getattr(their, f"b{norm}").embed.weight.copy_(rows)


@torch.no_grad()
def carry_embedding(mine: nn.Module, their: nn.Module, u: str, weight: str) -> None:
    """D's embedding, which is [classes, features] there."""
    table = mine.get_parameter("weight").T
    their.get_parameter(weight).copy_(table)
    their.get_buffer(u).copy_(torch.linalg.svd(table)[0][:, 0].reshape(their.get_buffer(u).shape))


def with_weights(layers: Iterable[nn.Module]) -> list[nn.Module]:
    """Those layers that have any."""
    return [layer for layer in layers if any(True for _ in layer.parameters())]


def packages(checkout: Path) -> None:
    """Stand-ins for mimicry's packages, which import TensorBoard and torchvision."""
    for name, folder in (
        ("", ""),
        (".nets", "nets"),
        (".nets.sngan", "nets/sngan"),
        (".nets.sagan", "nets/sagan"),
        (".training", None),
    ):
        package = ModuleType(f"torch_mimicry{name}")
        package.__path__ = [] if folder is None else [str(checkout / "torch_mimicry" / folder)]
        sys.modules[package.__name__] = package
    for name, part in (("torch_mimicry.training", "metric_log"), ("torch_mimicry.utils", "common")):
        setattr(sys.modules.setdefault(name, ModuleType(name)), part, None)


def theirs_of_mimicry(kind: str, side: int, *for_g: int, **for_both: int) -> Pair:
    """Mimicry's networks, its two departures from the authors' program undone."""
    module = importlib.import_module(f"torch_mimicry.nets.{kind.lower()}.{kind.lower()}_{side}")
    narrow = ({"ngf": for_g[0]}, {"ndf": for_g[1]}) if for_g else ({}, {})
    G = getattr(module, f"{kind}Generator{side}")(**narrow[0], **for_both)
    D = getattr(module, f"{kind}Discriminator{side}")(**narrow[1], **for_both)
    for block in G.modules():
        if hasattr(block, "_upsample_conv"):
            block._upsample_conv = lambda x, conv: conv(F.interpolate(x, scale_factor=2))
    for layer in (*G.modules(), *D.modules()):
        if isinstance(layer, nn.ReLU):
            layer.inplace = False
    return G, D


def carry_mimicry(ours: Pair, theirs: Pair, order: tuple[str, str]) -> None:
    """All weights of both networks; ``order`` names their layers as they are passed."""
    for mine, their, names in zip(ours, theirs, order, strict=True):
        body = [*with_weights(mine.body), *([mine.head] if hasattr(mine, "head") else [])]  # type: ignore[list-item, arg-type]
        for layer, name in zip(body, names.split(), strict=True):
            carry(layer, their.get_submodule(name))
    if hasattr(theirs[1], "l_y"):
        carry_embedding(ours[1].get_submodule("ask.embed"), theirs[1].l_y, "weight_u", "weight_orig")


def theirs_of_brock(ours: Pair, side: int, ch: int) -> Pair:
    """The author's networks with our weights."""
    original = importlib.import_module("BigGAN")
    common = {"resolution": side, "n_classes": KINDS, "skip_init": True, "SN_eps": 1e-6}
    attend = str(side // 2)
    G = original.Generator(G_ch=ch, dim_z=120, G_attn=attend, shared_dim=16, hier=True, **common)
    D = original.Discriminator(D_ch=ch, D_attn="0" if side == 32 else attend, **common)
    with torch.no_grad():
        G.shared.weight.copy_(ours[0].get_parameter("shared"))
    of_g = [layer for block in ours[0].blocks for layer in block]  # type: ignore[union-attr]
    pairs = zip(of_g, [layer for block in G.blocks for layer in block], strict=True)
    pairs_d = zip(ours[1].body, [layer for block in D.blocks for layer in block], strict=True)  # type: ignore[arg-type]
    to_picture = ours[0].get_submodule("to_picture")
    ends = [(ours[0].first, G.linear), (to_picture[0], G.output_layer[0]), (to_picture[2], G.output_layer[2])]
    for mine, their in (*pairs, *pairs_d, *ends, (ours[1].head, D.linear)):
        carry(mine, their)  # type: ignore[arg-type]
    carry_embedding(ours[1].get_submodule("ask.embed"), D.embed, "u0", "weight")
    embed, forward = G.shared, G.forward
    G.forward = lambda z, y: forward(z, embed(y))
    return G, D


def report(name: str, ours: Pair, theirs: Pair, side: int, z_dim: int = 128, labels: bool = False) -> None:
    """Print sizes, differences and some outputs."""
    sizes = [[sum(p.numel() for p in net.parameters()) for net in pair] for pair in (ours, theirs)]
    got = outputs(*ours, side, z_dim, (one_hot(),) if labels else ())
    wanted = outputs(*theirs, side, z_dim, (kinds(),) if labels else ())
    apart = [float((a - b).abs().max()) for a, b in zip(got, wanted, strict=True)]
    print(f"{name}: parameters {sizes[0]} ours, {sizes[1]} theirs")
    print(
        f"  largest difference: pictures {apart[0]:.1e}, scores {apart[1]:.1e} (of {float(wanted[1].abs().max()):.3g})"
    )
    print(f"  theirs: {some(*wanted)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mimicry", type=Path, help="a checkout of kwotsin/mimicry")
    parser.add_argument("--biggan", type=Path, help="a checkout of ajbrock/BigGAN-PyTorch")
    asked = parser.parse_args()
    torch.manual_seed(0)
    if asked.mimicry:
        packages(asked.mimicry)
        order = {32: ("l1 block2 block3 block4 b5 c5", "block1 block2 block3 block4 l5")}
        order[64] = "l1 block2 block3 block4 block5 b6 c6", "block1 block2 block3 block4 block5 l6"
        for side in (32, 64):
            ours, theirs = sngan(side), theirs_of_mimicry("SNGAN", side)
            carry_mimicry(ours, theirs, order[side])
            report(f"SNGAN {side}", ours, theirs, side)
        ours, theirs = sagan(), theirs_of_mimicry("SAGAN", 32, 32, 16, num_classes=KINDS)
        attended = "l1 block2 block3 attn_block block4 b5 c5", "block1 block2 attn_block block3 block4 l5"
        carry_mimicry(ours, theirs, attended)
        report("SAGAN 32", ours, theirs, 32, labels=True)
    if asked.biggan:
        sys.path.insert(0, str(asked.biggan))
        for side, ch in ((32, 8), (64, 8), (128, 8), (128, 96)):
            ours = biggan(side, ch)
            report(f"BigGAN {side}, ch {ch}", ours, theirs_of_brock(ours, side, ch), side, 120, labels=True)


if __name__ == "__main__":
    main()
