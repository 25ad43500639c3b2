"""The next frame of a film from the last ones: a U-Net that meets z at every level, and a D that sees past and frame.

Source: U-Net, Ronneberger et al. 2015 (arXiv:1505.04597); z at several levels as in StyleGAN's modulation,
Karras et al. 2019 (arXiv:1812.04948), or added, as in the code of Mathieu et al. 2015 (arXiv:1511.05440); D sees
condition and picture joined as in pix2pix, Isola et al. 2017 (arXiv:1611.07004), Eq. 1, and judges every part of it.

Both are convolutional, so what was trained on patches of 32x32 pixels runs on whole frames.

Shape legend: n batch, h frames of history, c channels, s side(s), z latent length.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing.core.errors import BadNetwork
from leafwing.networks import discriminators, generators
from leafwing.networks.blocks import logits_of
from leafwing.networks.pixels import log_likelihood, mixed, one_each, painted, palette_of, places

Way = Literal["concatenate", "add", "modulate"]
OUTSIDE = 0.1
"""How much of what lies outside [-1, 1] is left while training: a cut alone would have no gradient to come back by."""

NO_PAST = "This generator draws the next frame of a film: give it those before, by leafwing predict."
NO_LIKELIHOOD = "Only where pixels are picked has a frame a likelihood: set generator.colours."
LOUD = 0.5
"""How much louder z begins than a map, where it is concatenated, times the root of how many maps of the finest level it
has to be heard beside: 4 times beside 64. With the same gain beside 160, z was never heard of again."""
STAYS = 3.0
"""Votes that the last frame's pixel has from the beginning where pixels are picked."""


def lively(net: nn.Module) -> None:
    """Weights under which signals neither fade nor grow through leaky ReLUs: He et al. 2015, arXiv:1502.01852."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, a=0.2)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class MeetZ(nn.Module):
    """z and feature maps: as further maps of one value each, added after a linear map, or as scales and shifts.

    Shape:
        ``[n, width, s, s], [n, z] -> [n, width, s, s]``.
    """

    def __init__(self, width: int, z_dim: int, way: Way) -> None:
        super().__init__()
        self.way = way
        if way == "concatenate":
            self.mix: nn.Module = nn.Conv2d(width + z_dim, width, 1)
        else:
            self.mix = nn.Linear(z_dim, width if way == "add" else 2 * width)

    def forward(self, maps: Tensor, z: Tensor) -> Tensor:
        """The maps, changed by z."""
        if self.way == "concatenate":
            planes = z[:, :, None, None].to(maps.dtype).expand(-1, -1, *maps.shape[2:])
            mixed: Tensor = self.mix(torch.cat([maps, planes], 1))
            return mixed
        image = self.mix(z)[:, :, None, None].to(maps.dtype)
        if self.way == "add":
            added: Tensor = maps + image
            return added
        scale, shift = torch.chunk(image, 2, 1)
        modulated: Tensor = maps * (1 + scale) + shift
        return modulated


def heard(net: nn.Module, width: int) -> None:
    """Let a short z begin as loud as ``width`` maps: what is once decided without it is hard to open again."""
    for layer in net.modules():
        if isinstance(layer, MeetZ) and isinstance(layer.mix, nn.Conv2d):
            layer.mix.weight.data[:, layer.mix.out_channels :].mul_(LOUD * width**0.5)


def even(maps: Tensor) -> Tensor:
    """Every place scaled to a mean square of 1 over its maps: Karras et al. 2018, arXiv:1710.10196, Sec. 4.2."""
    return maps * (maps.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class Level(nn.Module):
    """Two convolutions with z between them; the second one's result is added to what came."""

    def __init__(self, width: int, z_dim: int, way: Way) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.z = MeetZ(width, z_dim, way) if z_dim else None

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """[n, width, s, s] -> the same shape."""
        inner = self.first(F.leaky_relu(even(x), 0.2))
        inner = inner if self.z is None else self.z(inner, z)
        out: Tensor = x + self.second(F.leaky_relu(even(inner), 0.2))
        return out


class Pyramid(nn.Module):
    """The body of a U-Net: maps of every level, from the finest to the coarsest and back.

    Args:
        channels: of what is given, a place of the finest level.
        width: feature maps of the finest level; half as many more at each coarser one.
        levels: coarser levels.
        z_dim: length of z, met by every level on the way back, 0 for none.
        enters: how.
    """

    def __init__(self, channels: int, width: int, levels: int, z_dim: int, enters: Way) -> None:
        super().__init__()
        self.widths = [width * (2 + level) // 2 for level in range(levels + 1)]
        self.stem = nn.Conv2d(channels, width, 1)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1) for a, b in pairwise(self.widths))
        self.before = nn.ModuleList(Level(w, 0, enters) for w in self.widths[:-1])
        self.after = nn.ModuleList(Level(w, z_dim, enters) for w in self.widths)
        self.up = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(self.widths))

    def start(self) -> None:
        """The first weights, also of heads that were added."""
        lively(self)
        for level in [*self.before, *self.after]:
            level.second.weight.data.mul_(0.5)

    def maps(self, folded: Tensor, z: Tensor, told: Tensor | None = None) -> list[Tensor]:
        """Maps of each level, the finest first; what z does not touch is computed once a question.

        Shape: ``[n, channels, s, s], [a * n, z], told [n, widths[1], s / 2, s / 2] -> [a * n, width, ...] each``.
        """
        x, kept = self.stem(folded), list[Tensor]()
        for before, down in zip(self.before, self.down, strict=True):
            kept.append(before(x, z))
            x = down(F.leaky_relu(kept[-1], 0.2))
            if told is not None and len(kept) == 1:
                x = x + told
        if len(z) > len(folded):
            x, *kept = (maps.repeat_interleave(len(z) // len(folded), 0) for maps in (x, *kept))
        found = [self.after[-1](x, z)]
        for level in reversed(range(len(kept))):
            x = kept[level] + self.up[level](F.interpolate(F.leaky_relu(found[0], 0.2), scale_factor=2))
            found.insert(0, self.after[level](x, z))
        return found


class Picking(Pyramid):
    """A G whose pixels are picked, of those of the given frames and of a palette, if it has one."""

    palette: Tensor | None

    def votes(self, z: Tensor, history: Tensor) -> tuple[list[Tensor], Tensor]:
        """Where pixels can come from, beside the palette, and what is said for each of these and each of its colours.

        Shape:
            ``[a * n, z], [n, h * c, s, s] -> k of [n, c, s, s], [a * n, k + m, s, s]``: a answers in a row to each.
        """
        raise NotImplementedError

    def forward(self, z: Tensor, history: Tensor | None = None) -> Tensor:
        """The next frame, one of those possible."""
        if history is None:
            raise BadNetwork(NO_PAST)
        found, votes = self.votes(z, history)
        shares = votes.softmax(1) if self.training else one_each(votes)
        return self.bounded(painted(found, self.known_colours(), shares))

    def known_colours(self) -> Tensor:
        """The palette.

        Raises:
            BadNetwork: there is none, so that nothing is picked, and nothing has a likelihood.
        """
        if self.palette is None:
            raise BadNetwork(NO_LIKELIHOOD)
        return self.palette.float()

    def answers(self, z: Tensor, history: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        """Several answers to each question, as mixtures, and how likely each makes the true one, in nats.

        Raises:
            BadNetwork: without ``colours`` nothing is picked, so that nothing has a likelihood.

        Shape:
            ``[a * n, z], [n, h * c, s, s], [n, c, s, s] -> [a * n, c, s, s], [a * n]``: a in a row to each.
        """
        palette = self.known_colours()
        found, votes = self.votes(z, history)
        shares = votes.softmax(1)
        return self.bounded(painted(found, palette, shares)), log_likelihood(found, palette, shares, truth)

    @property
    def is_picking(self) -> bool:
        """Whether pixels are picked, so that frames have a likelihood."""
        return self.palette is not None

    def said(self, z: Tensor, history: Tensor) -> tuple[Tensor, Tensor]:
        """The frames as in evaluation, and how likely they are themselves, in nats: near 0 where it does not hesitate.

        Raises:
            BadNetwork: without ``colours``, see `answers`.

        Shape:
            ``[n, z], [n, h * c, s, s] -> [n, c, s, s], [n]``.
        """
        palette = self.known_colours()
        found, votes = self.votes(z, history)
        frame = painted(found, palette, one_each(votes))
        return frame.clamp(-1, 1), log_likelihood(found, palette, votes.softmax(1), frame)

    def bounded(self, frame: Tensor) -> Tensor:
        """Within [-1, 1], but for a little in training."""
        inside = frame.clamp(-1, 1)
        return torch.lerp(inside, frame, OUTSIDE) if self.training else inside


@generators.register("unet")
class FrameUNet(Picking):
    """G: (z, history) -> the next frame. With ``z_dim = 0`` it is the plain supervised network: one answer.

    Every pixel is a mixture of the given frames' pixels there and of the last one's some way off, and something is
    added to it: what stays, moves or comes back need not be drawn again, and what is drawn always has a gradient.

    With ``colours``, for films of few colours such as games, nothing is added: each pixel *is* one of those pixels or
    of the colours, the likeliest, so that nothing fades while G walks on its own frames. In training it is their
    mixture, which has a gradient.

    Args:
        z_dim: length of z, 0 for none.
        channels: c.
        history: frames given.
        width: feature maps of the finest level; half as many more at each coarser one.
        levels: coarser levels; sides that are no multiples of fold * 2**levels are filled up, then cut.
        fold: a square of so many pixels a side becomes one place with more channels: cheaper; 1 for none.
        enters: how z meets each level.
        moves: pixels by which things may move up, down, left and right, e.g. [2, 4]; [] for none.
        colours: of which, or of which given pixel, each pixel is one, as "#fadc3c"; none to mix and add instead.

    Raises:
        BadNetwork: a colour that is none.

    Shape:
        ``[n, z], [n, h * c, s, s] -> [n, c, s, s]``, in [-1, 1] in evaluation mode.
    """

    unbounded = True

    def __init__(
        self,
        z_dim: int,
        channels: int,
        history: int,
        width: int = 64,
        levels: int = 1,
        fold: int = 4,
        enters: Way = "concatenate",
        moves: tuple[int, ...] = (4,),
        colours: tuple[str, ...] = (),
    ) -> None:
        super().__init__(history * channels * fold**2, width, levels, z_dim, enters)
        self.channels, self.fold, self.parts, self.moves = channels, fold, fold * 2**levels, tuple(moves)
        self.register_buffer("palette", palette_of(colours, channels) if colours else None)
        ways = history + 4 * len(self.moves) + (len(colours) or channels)
        self.out = nn.Conv2d(width, ways * fold**2, 1)
        self.unfold = nn.PixelShuffle(fold)
        self.start()
        self.out.weight.data.mul_(0.1)
        if colours and self.out.bias is not None:  # most of what is to be seen stays as it is
            self.out.bias.data[(history - 1) * fold**2 : history * fold**2] = STAYS
            heard(self, width)

    def forward(self, z: Tensor, history: Tensor | None = None) -> Tensor:
        """The next frame, one of those possible."""
        if history is None or self.palette is not None:
            return super().forward(z, history)
        found, votes = self.votes(z, history)
        return self.bounded(mixed(found, votes[:, self.channels :]) + votes[:, : self.channels])

    def votes(self, z: Tensor, history: Tensor) -> tuple[list[Tensor], Tensor]:
        """Where pixels can come from, and what is said for each."""
        height, width = history.shape[2:]
        history = F.pad(history, (0, -width % self.parts, 0, -height % self.parts), mode="replicate")
        finest = self.maps(F.pixel_unshuffle(history, self.fold), z)[0]
        votes = self.unfold(self.out(F.leaky_relu(even(finest), 0.2))).float()
        found = places(history.clamp(-1, 1), self.channels, self.moves)
        return [pixels[:, :, :height, :width] for pixels in found], votes[:, :, :height, :width]


@discriminators.register("unet")
class FrameJudge(nn.Module):
    """D: (frame, history) -> does that follow? Every part of the frame gives its evidence; the verdict is their sum.

    Args:
        channels: c.
        history: frames given.
        outputs: numbers a frame.
        width: feature maps of the finest level; twice as many at each coarser one.
        levels: halvings after the fold.
        fold: as in G.

    Shape:
        ``[n, c, s, s], [n, h * c, s, s] -> [n]``, or ``[n, outputs]`` if outputs > 1.
    """

    def __init__(
        self, channels: int, history: int, outputs: int = 1, width: int = 32, levels: int = 1, fold: int = 4
    ) -> None:
        super().__init__()
        self.fold = fold
        body: list[nn.Module] = [nn.Conv2d((history + 1) * channels * fold**2, width, 1), nn.LeakyReLU(0.2)]
        for level in range(levels):
            w = width * 2**level
            body += [nn.Conv2d(w, w, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(w, 2 * w, 4, 2, 1), nn.LeakyReLU(0.2)]
        w = width * 2**levels
        last = nn.Conv2d(w, outputs, 1)
        self.body = nn.Sequential(*body, nn.Conv2d(w, w, 3, padding=1), nn.LeakyReLU(0.2), last)
        lively(self)
        last.weight.data.mul_(0.1)

    def forward(self, frame: Tensor, history: Tensor | None = None) -> Tensor:
        """Logits, higher = more real."""
        if history is None:
            raise BadNetwork(
                "This discriminator judges the next frame of a film: give it those before, D(frame, history)."
            )
        evidence = self.body(F.pixel_unshuffle(torch.cat([history, frame], 1), self.fold))
        verdicts: Tensor = evidence.sum((2, 3))
        return logits_of(verdicts)
