"""StyleGAN2's networks beside the authors' own program: the same weights, the same inputs, the same outputs.

    python benchmarks/agree_stylegan2.py CHECKOUT

CHECKOUT is a clone of github.com/NVlabs/stylegan2-ada-pytorch, commit d72cc7d, whose operations have a reference form
for the CPU. Nothing of it is used elsewhere. Weights are ours, drawn by name, so that the printed numbers can be
checked without the clone (`tests/test_stylegan2.py`). Biases of the mapping network are carried with a factor
sqrt(2): ours stand after that gain, theirs before it.
"""

from __future__ import annotations

import math
import re
import sys
import types
from pathlib import Path

import torch
from torch import Tensor, nn

from leafwing.core.randomness import stream
from leafwing.losses import penalties
from leafwing.networks import discriminators, generators

Z, SIDE, KINDS, SMALL = 24, 32, 5, {"width": 8, "most": 32, "depth": 3}


def fill(net: nn.Module) -> nn.Module:
    """Every parameter and the fixed noise from a stream of its own name; a tenth of it for vectors and colours."""
    with torch.no_grad():
        for name, p in [*net.named_parameters(), *net.named_buffers()]:
            if name.endswith("taps"):
                continue
            drawn = torch.from_numpy(stream(0, 0, name).standard_normal(tuple(p.shape))).float()
            p.copy_(0.1 * drawn if p.ndim == 1 or name.startswith("to_picture") else drawn)
            if name.endswith("ask.bias"):
                p.add_(1)
            elif re.search(r"mapping\.body|^embed\.[1-9]", name) and p.ndim == 2:
                p.mul_(100)  # of a mapping network, whose learning rate is a hundredth
    return net.train()


def inputs(*shape: int) -> Tensor:
    """Pictures or z, the same ones everywhere."""
    return torch.from_numpy(stream(0, 0, "inputs").standard_normal(shape)).float()


def asked(n: int) -> Tensor:
    """Conditions: one kind each."""
    return torch.eye(KINDS)[torch.arange(n) % KINDS]


def ours(kinds: int) -> tuple[nn.Module, nn.Module]:
    """G and D for so many kinds, filled."""
    facts = {"z_dim": Z, "image_size": SIDE, "channels": 3, "condition_dim": kinds}
    G = generators.build("stylegan2", {**SMALL, "style": 16, "mixing": 0.0}, **facts)
    return fill(G), fill(discriminators.build("stylegan2", SMALL, **facts))


def name_of_g(theirs: str, steps: int) -> tuple[str, float]:
    """Our name of one of their parameters, and the factor from ours to theirs."""
    if theirs == "mapping.w_avg":
        return "mapping.mean", 1.0
    if match := re.fullmatch(r"mapping\.embed\.(\w+)", theirs):
        return f"mapping.see.fusion.embed.{match[1]}", 1.0
    if match := re.fullmatch(r"mapping\.fc(\d+)\.(\w+)", theirs):
        return f"mapping.body.{1 + 2 * int(match[1])}.{match[2]}", 1 / math.sqrt(2) if match[2] == "bias" else 1.0
    side, what = re.fullmatch(r"synthesis\.b(\d+)\.(.+)", theirs).groups()
    number = int(math.log2(int(side))) - 2
    if what == "const":
        return "constant", 1.0
    layer, part = what.split(".", 1)
    if layer == "torgb":
        home = f"to_picture.{number}."
    else:
        home = f"layers.{max(0, 2 * number - 1 + int(layer[-1])) if number else 0}."
    parts = {"weight": "convolve.weight", "affine.weight": "convolve.ask.weight", "affine.bias": "convolve.ask.bias",
             "noise_strength": "noise.strength", "noise_const": "noise.fixed", "bias": "bias"}  # fmt: skip
    return home + parts[part], 1.0


def name_of_d(theirs: str, steps: int) -> tuple[str, float]:
    """Likewise of D; ``steps`` is how often D halves the side."""
    if match := re.fullmatch(r"mapping\.embed\.(\w+)", theirs):
        return f"embed.0.{match[1]}", 1.0
    if match := re.fullmatch(r"mapping\.fc(\d+)\.(\w+)", theirs):
        return f"embed.{2 + 2 * int(match[1])}.{match[2]}", 1.0
    side, layer, part = re.fullmatch(r"b(\d+)\.(\w+)\.(\w+)", theirs).groups()
    place = 2 + steps - (int(math.log2(int(side))) - 2)
    end = {"conv": 3, "fc": 6, "out": 8}
    inside = {"conv0": "branch.0", "conv1": "branch.3", "skip": "skip.1"}
    if layer == "fromrgb":
        return f"body.0.{part}", 1.0
    return f"body.{2 + steps + end[layer] - 2}.{part}" if layer in end else f"body.{place}.{inside[layer]}.{part}", 1.0


@torch.no_grad()
def carry(mine: nn.Module, theirs: nn.Module, name_of) -> None:
    """Our weights into theirs; every one of both has to be met."""
    known, met = mine.state_dict(), set()
    for name, value in theirs.state_dict().items():
        if "resample_filter" in name:
            continue
        our_name, factor = name_of(name, int(math.log2(SIDE)) - 2)
        value.copy_((known[our_name] * factor).reshape(value.shape))
        met.add(our_name)
    missed = {name for name in known if not name.endswith("taps")} - met
    if missed:
        sys.exit(f"not carried: {missed}")


def say(what: str, mine: Tensor, other: Tensor) -> None:
    """How far apart, and a few numbers of theirs."""
    far = float((mine - other).abs().max())
    some = [round(float(x), 5) for x in other.flatten()[:: max(1, other.numel() // 5)][:5]]
    print(f"{what:28} largest difference {far:.1e} of {float(other.abs().max()):.3g}; {some}")
    if far > 1e-4 * max(1.0, float(other.abs().max())):
        sys.exit(f"{what}: they do not agree")


def main() -> None:
    """Compare, with and without conditions."""
    sys.path.insert(0, str(Path(sys.argv[1]).resolve()))
    sys.modules.setdefault("requests", types.ModuleType("requests"))  # it would fetch with it; nothing is fetched
    from training.networks import Discriminator, Generator

    base = SMALL["width"] * SIDE
    for kinds in (0, KINDS):
        G, D = ours(kinds)
        both = {"channel_base": base, "channel_max": SMALL["most"]}
        mapping = {"num_layers": SMALL["depth"]}
        their_G = Generator(Z, kinds, 16, SIDE, 3, mapping_kwargs=mapping, synthesis_kwargs=both).eval()
        their_D = Discriminator(kinds, SIDE, 3, mapping_kwargs=mapping, **both).eval()
        carry(G, their_G, name_of_g)
        carry(D, their_D, name_of_d)
        z, pictures, c = inputs(8, Z), inputs(8, 3, SIDE, SIDE), asked(8) if kinds else None
        label = f"{kinds} kinds" if kinds else "no kinds"
        for module in G.modules():
            module.training = False  # the fixed noise
        styles = G.styles(z, c).detach().requires_grad_()
        their_styles = their_G.mapping(z, c).detach().requires_grad_()
        say(f"styles, {label}", styles.detach(), their_styles.detach())
        say(f"styles at psi 0.7, {label}", G.styles(z, c, 0.7).detach(), their_G.mapping(z, c, 0.7).detach())
        drawn, theirs = G.draw(styles), their_G.synthesis(their_styles, noise_mode="const")
        say(f"pictures, {label}", drawn.detach(), theirs.detach())
        noise = torch.from_numpy(stream(0, 0, "directions").standard_normal(tuple(drawn.shape))).float() / SIDE
        (slope,) = torch.autograd.grad((theirs * noise).sum(), their_styles)
        say(f"path lengths, {label}", penalties.path_lengths(drawn, styles, noise).detach(),
            slope.square().sum(2).mean(1).sqrt())  # fmt: skip
        say(f"verdicts, {label}", (D(pictures) if c is None else D(pictures, c)).detach(),
            their_D(pictures, c).squeeze(1).detach())  # fmt: skip


if __name__ == "__main__":
    main()
