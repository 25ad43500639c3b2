"""The multi-scale predictor of Mathieu et al., and a judge at every scale.

Source: Mathieu, Couprie & LeCun 2015, arXiv:1511.05440, Sec. 3.1: each scale corrects the enlarged prediction
of the coarser one. Maps and kernels as in the program by dyelax (Adversarial_Video_Generation), which differs from the
paper by predicting the frame itself (``residual = false``), by no z and by a D that does not see the past. z added at
each level: Mathieu's own program. Here D's four scores are averaged, and judge the one frame that G gives, made
smaller; there every scale of G has a loss of its own.

Shape legend: n batch, h frames of history, c channels, s side, z latent length, w width.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing.core.errors import BadNetwork
from leafwing.networks import discriminators, generators
from leafwing.networks.blocks import logits_of
from leafwing.networks.unet import OUTSIDE, MeetZ, Way, lively

SCALES = (8, 4, 2, 1)
"""By how much the frames are made smaller, the coarsest first."""
G_MAPS = ((1, 2, 1), (1, 2, 1), (1, 2, 4, 2, 1), (1, 2, 4, 2, 1))
"""Feature maps between the convolutions of each scale, in widths; the program's width is 128."""
G_KERNELS = ((3, 3, 3, 3), (5, 3, 3, 5), (5, 3, 3, 3, 3, 5), (7, 5, 5, 5, 5, 7))
D_MAPS = ((0.5,), (0.5, 1, 1), (1, 2, 2), (1, 2, 4, 1))
D_KERNELS = ((3,), (3, 3, 3), (5, 5, 5), (7, 7, 5, 5))
D_HIDDEN = ((4, 2), (8, 4), (8, 4), (8, 4))
LEAST = 32
"""Side below which nothing is left of the coarsest scale's maps."""


class Scale(nn.Module):
    """One scale of G: convolutions that keep the size, z after the first of them."""

    def __init__(self, c_in: int, maps: list[int], c_out: int, kernels: tuple[int, ...], z_dim: int, way: Way) -> None:
        super().__init__()
        sizes = zip(pairwise([c_in, *maps, c_out]), kernels, strict=True)
        first, *between, last = (nn.Conv2d(a, b, k, padding=k // 2) for (a, b), k in sizes)
        self.first, self.between, self.last = first, nn.ModuleList(between), last
        self.z = MeetZ(maps[0], z_dim, way) if z_dim else None

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """[n, c_in, s, s] -> [n, c_out, s, s]."""
        x = self.first(x)
        x = x if self.z is None else self.z(x, z)
        for layer in [*self.between, self.last]:
            x = layer(F.relu(x))
        return x


@generators.register("multiscale")
class MultiScale(nn.Module):
    """G: (z, history) -> the next frame, from an eighth of its size up.

    Args:
        z_dim: length of z, 0 for none as in the cited program.
        channels: c.
        history: frames given; 4 in the program.
        width: w; 128 in the program.
        residual: each scale corrects the enlarged coarser prediction, as in the paper; else draws its own.
        enters: how z meets each scale; added in Mathieu's own program.

    Shape:
        ``[n, z], [n, h * c, s, s] -> [n, c, s, s]``, in [-1, 1] in evaluation mode.
    """

    unbounded = True

    def __init__(
        self, z_dim: int, channels: int, history: int, width: int = 128, residual: bool = True, enters: Way = "add"
    ) -> None:
        super().__init__()
        self.channels, self.residual = channels, residual
        given = history * channels
        scales = [
            Scale(given + channels * (n > 0), [width * m for m in maps], channels, kernels, z_dim, enters)
            for n, (maps, kernels) in enumerate(zip(G_MAPS, G_KERNELS, strict=True))
        ]
        self.scales = nn.ModuleList(scales)
        lively(self)
        for scale in scales:
            scale.last.weight.data.mul_(0.1)

    def forward(self, z: Tensor, history: Tensor | None = None) -> Tensor:
        """The next frame, one of those possible."""
        if history is None:
            raise BadNetwork(
                "This generator draws the next frame of a film: give it those before, by leafwing predict."
            )
        height, width = history.shape[2:]
        history = F.pad(history, (0, -width % SCALES[0], 0, -height % SCALES[0]), mode="replicate")
        frame: Tensor | None = None
        for smaller, scale in zip(SCALES, self.scales, strict=True):
            past = F.avg_pool2d(history, smaller)
            before = past[:, -self.channels :] if frame is None else F.interpolate(frame, scale_factor=2.0)
            drawn = scale(past if frame is None else torch.cat([past, before], 1), z)
            frame = before + drawn if self.residual else torch.tanh(drawn)
        assert frame is not None
        frame = frame.float()[:, :, :height, :width]
        inside = frame.clamp(-1, 1)
        return torch.lerp(inside, frame, OUTSIDE) if self.training else inside


@discriminators.register("multiscale")
class MultiScaleJudge(nn.Module):
    """D: (frame, history) -> does that follow? Judged at four sizes; the verdict is their mean.

    Args:
        channels: c.
        history: frames given.
        image_size: s, at least 32 and a multiple of 8: the last layers are fully connected.
        outputs: numbers a frame.
        width: w; 128 in the program.

    Shape:
        ``[n, c, s, s], [n, h * c, s, s] -> [n]``, or ``[n, outputs]`` if outputs > 1.
    """

    def __init__(self, channels: int, history: int, image_size: int = 32, outputs: int = 1, width: int = 128) -> None:
        super().__init__()
        if image_size < LEAST or image_size % SCALES[0]:
            raise ValueError(
                f"data.image_size = {image_size} cannot be: at least {LEAST} and a multiple of {SCALES[0]}"
            )
        c_in = (history + 1) * channels
        parts = zip(SCALES, D_MAPS, D_KERNELS, D_HIDDEN, strict=True)
        self.judges = nn.ModuleList(
            judge_of(
                c_in,
                image_size // smaller,
                [int(width * m) for m in maps],
                kernels,
                [width * h for h in hidden],
                outputs,
            )
            for smaller, maps, kernels, hidden in parts
        )
        lively(self)

    def forward(self, frame: Tensor, history: Tensor | None = None) -> Tensor:
        """Logits, higher = more real."""
        if history is None:
            raise BadNetwork(
                "This discriminator judges the next frame of a film: give it those before, D(frame, history)."
            )
        both = torch.cat([history, frame], 1)
        scores = [judge(F.avg_pool2d(both, smaller)) for smaller, judge in zip(SCALES, self.judges, strict=True)]
        verdicts = torch.stack(scores).mean(0)
        return logits_of(verdicts)


def judge_of(
    c_in: int, side: int, maps: list[int], kernels: tuple[int, ...], hidden: list[int], outputs: int
) -> nn.Sequential:
    """Convolutions without padding, one pooling, fully connected layers; with the leaky ReLU of the other judges."""
    body: list[nn.Module] = []
    for (a, b), kernel in zip(pairwise([c_in, *maps]), kernels, strict=True):
        body += [nn.Conv2d(a, b, kernel), nn.LeakyReLU(0.2)]
        side -= kernel - 1
    body += [nn.AvgPool2d(2), nn.Flatten()]
    widths = [maps[-1] * (side // 2) ** 2, *hidden, outputs]
    for a, b in pairwise(widths):
        body += [nn.Linear(a, b), nn.LeakyReLU(0.2)]
    return nn.Sequential(*body[:-1])
