"""ProGAN's and StyleGAN's networks beside faithful public ports: the same weights, the same inputs, the same outputs.

The originals are TensorFlow 1 and are not run. The ports, to be cloned beside:

- github.com/facebookresearch/pytorch_GAN_zoo (BSD-3), commit b75dee4, for ProGAN;
- github.com/rosinality/style-based-gan-pytorch (MIT), commit 07fa60b, for StyleGAN.

Where a port leaves its paper, weights are carried so that the difference cancels, or that part is left out:

- GAN zoo scales biases together with weights, takes the deviation over a batch with n - 1 (hence batches of one group,
  and a factor), and does not fade in the first doubling of D (hence two doublings);
- rosinality's networks have fixed widths, and D others where these change (hence one width for all), its bias stands
  before the filter, its styles begin at 1 where ours add 1, its instance norm has a larger epsilon, and one noise does
  for both layers of a side.

    python benchmarks/agree_growing.py --progan pytorch_GAN_zoo --stylegan style-based-gan-pytorch
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from leafwing.core.randomness import stream
from leafwing.networks import discriminators, generators


def fill(net: nn.Module) -> nn.Module:
    """Every parameter and the fixed noise from a stream of its own name; a tenth of it for vectors and for colours."""
    with torch.no_grad():
        for name, p in [*net.named_parameters(), *net.named_buffers()]:
            if name.endswith("taps"):
                continue
            drawn = torch.from_numpy(stream(0, 0, name).standard_normal(tuple(p.shape))).float()
            p.copy_(0.1 * drawn if p.ndim == 1 or name.startswith("to_picture") else drawn)
    return net.eval()


def inputs(*shape: int) -> Tensor:
    """Pictures or z, the same ones everywhere."""
    return torch.from_numpy(stream(0, 0, "inputs").standard_normal(shape)).float()


def say(what: str, ours: Tensor, theirs: Tensor) -> None:
    """How far apart, and a few numbers of theirs."""
    far = float((ours - theirs).abs().max())
    some = theirs.flatten()[:: max(1, theirs.numel() // 5)][:5]
    print(
        f"{what:34} largest difference {far:.1e} of {float(theirs.abs().max()):.3g};",
        [round(float(x), 5) for x in some],
    )
    if far > 1e-4 * max(1.0, float(theirs.abs().max())):
        sys.exit(f"{what}: they do not agree")


@torch.no_grad()
def to_zoo(ours: nn.Module, theirs: nn.Module) -> None:
    """Weights of a layer into one of GAN zoo, which multiplies weights and bias alike by its constant."""
    theirs.module.weight.copy_((ours.weight * ours.scale / theirs.weight).reshape(theirs.module.weight.shape))
    theirs.module.bias.copy_(ours.bias / theirs.weight)


def progan(folder: Path) -> None:
    """G and D at 16x16, whole and while the last doubling is faded in."""
    sys.path.insert(0, str(folder))
    from models.networks.progressive_conv_net import DNet, GNet

    G = fill(generators.build("progan", {"width": 8, "most": 16}, z_dim=10, image_size=16))
    D = fill(discriminators.build("progan", {"width": 8, "most": 16}, image_size=16))
    theirs_G, theirs_D = GNet(10, 16), DNet(16, miniBatchNormalization=True)
    for width in (16, 8):
        theirs_G.addScale(width)
        theirs_D.addScale(width)
    to_zoo(G.begin[1], theirs_G.formatLayer)
    to_zoo(G.begin[5], theirs_G.groupScale0[0])
    for side, block in enumerate(G.blocks):
        to_zoo(block[0], theirs_G.scaleLayers[side][0])
        to_zoo(block[3], theirs_G.scaleLayers[side][1])
    for mine, other in zip(G.to_picture, theirs_G.toRGBLayers, strict=True):
        to_zoo(mine, other)
    for mine, other in zip(D.from_picture, theirs_D.fromRGBLayers, strict=True):
        to_zoo(mine[0], other)
    for side, block in enumerate(D.blocks):
        to_zoo(block[0], theirs_D.scaleLayers[side][0])
        to_zoo(block[2], theirs_D.scaleLayers[side][1])
    to_zoo(D.end[1], theirs_D.groupScaleZero[0])
    with torch.no_grad():
        theirs_D.groupScaleZero[0].module.weight[:, -1] *= math.sqrt(3 / 4)  # n - 1 of 4
    to_zoo(D.end[4], theirs_D.groupScaleZero[1])
    to_zoo(D.verdict, theirs_D.decisionLayer)
    G.train()  # pictures as they are, not cut
    for old in (0.0, 0.3):
        G.grown = D.grown = 2 - old
        theirs_G.setNewAlpha(old)
        theirs_D.setNewAlpha(old)
        z, pictures = inputs(4, 10), inputs(4, 3, 16, 16)
        with torch.no_grad():
            say(f"progan G, {1 - old:.1f} of 16x16", G(z), theirs_G(z))
            say(f"progan D, {1 - old:.1f} of 16x16", D(pictures), theirs_D(pictures).squeeze(1))


@torch.no_grad()
def to_rosinality(ours: nn.Module, theirs: nn.Module, bias: Tensor | None = None) -> None:
    """Weights of a layer into one of rosinality's, whose constant is that of He."""
    theirs.weight_orig.copy_((ours.weight * ours.scale).reshape(theirs.weight_orig.shape) / he(theirs.weight_orig))
    theirs.bias.copy_(ours.bias * getattr(ours, "multiplier", 1.0) if bias is None else bias)


def he(weight: Tensor) -> float:
    """Rosinality's constant for these weights."""
    return math.sqrt(2 / (weight.shape[1] * weight[0][0].numel()))


@torch.no_grad()
def styled(ours: nn.Module, theirs: nn.Module, number: int) -> None:
    """Strength of the noise and the layer that asks w; its bias begins at 1 there."""
    noise = getattr(theirs, f"noise{number}")
    noise.weight_orig.copy_(ours.noise.strength.reshape(1, -1, 1, 1) / he(noise.weight_orig))
    adain, width = getattr(theirs, f"adain{number}"), len(ours.bias)
    adain.norm.eps = 1e-8
    to_rosinality(ours.ask, adain.style.linear, ours.ask.bias + (torch.arange(2 * width) < width).float())


def stylegan(folder: Path) -> None:
    """G at 32x32 and 16x16 and between, truncated as well; D at 32x32."""
    sys.path.insert(0, str(folder))
    import model

    options = {"width": 16, "most": 16}
    G = fill(generators.build("stylegan", options | {"style": 12}, z_dim=12, image_size=32))
    D = fill(discriminators.build("stylegan", options, image_size=32))
    theirs_G, theirs_D = model.StyledGenerator(12), model.Discriminator(from_rgb_activate=True)
    theirs_G.generator.progression = nn.ModuleList(  # the port is written for 512 maps; its parts are not
        model.StyledConvBlock(16, 16, 3, 1, style_dim=12, initial=side == 0, upsample=side > 0) for side in range(4)
    )
    theirs_G.generator.to_rgb = nn.ModuleList(model.EqualConv2d(16, 3, 1) for _ in range(4))
    theirs_D.progression = nn.ModuleList(
        [*(model.ConvBlock(16, 16, 3, 1, downsample=True) for _ in range(3)), model.ConvBlock(17, 16, 3, 1, 4, 0)]
    )
    theirs_D.from_rgb = nn.ModuleList(nn.Sequential(model.EqualConv2d(3, 16, 1), nn.LeakyReLU(0.2)) for _ in range(4))
    theirs_D.linear, theirs_D.n_layer = model.EqualLinear(16, 1), 4
    for mine, other in zip(G.mapping.body[1::2], theirs_G.style[1::2], strict=True):
        to_rosinality(mine, other.linear)
    for number, (side, other) in enumerate(zip(G.sides, theirs_G.generator.progression, strict=True)):
        if number == 0:
            other.conv1.input.data.copy_(G.constant)
        else:
            to_rosinality(side.up[0], other.conv1[1].conv, torch.zeros(16))
        add_after(other.conv1, side.first.bias)
        to_rosinality(side.convolve, other.conv2.conv, side.second.bias)
        styled(side.first, other, 1)
        styled(side.second, other, 2)
        to_rosinality(G.to_picture[number], theirs_G.generator.to_rgb[number].conv)
    for number, (mine, block) in enumerate(zip(D.from_picture, [None, *D.blocks], strict=True)):
        other, entrance = theirs_D.progression[3 - number], theirs_D.from_rgb[3 - number]
        to_rosinality(mine[0], entrance[0].conv)
        if block is None:
            to_rosinality(D.end[1], other.conv1[0].conv)
            to_rosinality(D.end[4], other.conv2[0].conv)
        else:
            to_rosinality(block[0], other.conv1[0].conv)
            to_rosinality(block[3], other.conv2[1].conv)
    to_rosinality(D.verdict, theirs_D.linear.linear)
    z, pictures = inputs(4, 12), inputs(4, 3, 32, 32)
    for side in G.sides:  # the port has one noise a side, for both of its layers
        side.second.noise.fixed.copy_(side.first.noise.fixed)
    noise = [side.first.noise.fixed for side in G.sides]
    cut = nn.Hardtanh()
    with torch.no_grad():
        for grown, step, alpha in ((3.0, 3, 1.0), (2.4, 3, 0.4), (2.0, 2, 1.0)):
            G.grown = D.grown = grown
            whole = cut(theirs_G(z, noise, step, alpha))
            say(f"stylegan G, grown {grown}", G(z)[..., :: 2 ** (3 - step), :: 2 ** (3 - step)], whole)
            seen = pictures[..., :: 2 ** (3 - step), :: 2 ** (3 - step)]
            mine = D(seen.repeat_interleave(2 ** (3 - step), 2).repeat_interleave(2 ** (3 - step), 3))
            say(f"stylegan D, grown {grown}", mine, theirs_D(seen, step, alpha).squeeze(1))
        G.grown = 3.0
        mean = G.mapping.mean[None]
        say("stylegan G, psi 0.7", G(z, truncation=0.7), cut(theirs_G(z, noise, 3, 1.0, mean, 0.7)))


def add_after(block: nn.Module, bias: Tensor) -> None:
    """The port has its bias before the filter, and none after its constant: here it is added after both."""
    block.register_forward_hook(lambda module, given, out: out + bias[:, None, None])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--progan", type=Path)
    parser.add_argument("--stylegan", type=Path)
    asked = parser.parse_args()
    if asked.progan:
        progan(asked.progan)
    if asked.stylegan:
        stylegan(asked.stylegan)
