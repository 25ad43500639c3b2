"""The next frame from this one: a small U-Net that also sees z, and a discriminator that sees question and answer.

Source: U-Net, Ronneberger et al. 2015 (arXiv:1505.04597); D sees condition and picture joined as in
pix2pix, Isola et al. 2017 (arXiv:1611.07004), Eq. 1. z enters where the maps are smallest, as planes beside them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing.networks.blocks import logits_of


def block(w_in: int, w_out: int, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution and a leaky ReLU."""
    return nn.Sequential(nn.Conv2d(w_in, w_out, 3, stride, 1), nn.LeakyReLU(0.2, inplace=True))


class NextFrame(nn.Module):
    """G: (z, this frame) -> the next one. With ``z_dim = 0`` it is the plain supervised network: one answer.

    Args:
        z_dim: length of z, 0 for none.
        channels: of the frames given, all of them together.
        width: feature maps of the finest level; twice as many at each coarser one.

    Shape:
        ``[n, z], [n, channels, s, s] -> [n, 3, s, s]`` in [-1, 1]; s a multiple of 4.
    """

    def __init__(self, z_dim: int, channels: int = 3, width: int = 16) -> None:
        super().__init__()
        self.z_dim = z_dim
        self.fine, self.middle = block(channels, width), block(width, 2 * width, 2)
        self.coarse = block(2 * width, 4 * width, 2)
        self.meet = nn.Conv2d(4 * width + z_dim, 4 * width, 3, padding=1)
        self.mix = nn.Sequential(nn.LeakyReLU(0.2, inplace=True), block(4 * width, 4 * width))
        self.to_middle, self.to_fine = block(6 * width, 2 * width), block(3 * width, width)
        self.out = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, z: Tensor, frame: Tensor) -> Tensor:
        """The next frame, one of those possible."""
        fine = self.fine(frame)
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        planes = (2 * z - 1)[:, :, None, None].expand(-1, -1, *coarse.shape[2:]).to(coarse.dtype)
        up = F.interpolate(self.mix(self.meet(torch.cat([coarse, planes], 1))), scale_factor=2)
        up = F.interpolate(self.to_middle(torch.cat([up, middle], 1)), scale_factor=2)
        return torch.tanh(self.out(self.to_fine(torch.cat([up, fine], 1))))

    @torch.no_grad()
    def swap_sides(self) -> None:
        """Answer to z of ones as to z of zeros until now, and the other way round."""
        self.meet.weight[:, -self.z_dim :].neg_()


class FramePair(nn.Module):
    """D: (the next frame, this one) -> does that follow from this? A logit, and further outputs if asked for.

    Args:
        channels: of the frames given and of the answer, all together.
        width: feature maps of the finest level.
        side: s, a multiple of 4.
        outputs: numbers for each pair of frames.

    Shape:
        ``[n, 3, s, s], [n, channels - 3, s, s] -> [n]``, or ``[n, outputs]`` if outputs > 1.
    """

    def __init__(self, channels: int = 6, width: int = 16, side: int = 20, outputs: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            block(channels, width), block(width, 2 * width, 2), block(2 * width, 4 * width, 2), nn.Flatten(),
            nn.Linear(4 * width * (side // 4) ** 2, 64), nn.LeakyReLU(0.2), nn.Linear(64, outputs),
        )  # fmt: skip

    def forward(self, answer: Tensor, frame: Tensor) -> Tensor:
        """Verdicts; the first is the logit, higher = more real."""
        verdicts: Tensor = self.body(torch.cat([answer, frame], 1))
        return logits_of(verdicts)
