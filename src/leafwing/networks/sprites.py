"""The next frame of a film of few colours, such as a game: near each place, each colour goes on as a whole.

A U-Net that says of each pixel by itself where it comes from has to learn sprites pixel by pixel. Here the shape of
each colour, taken from one of the given frames and moved to where it was last, goes on by one of few steps, each place
of some pixels for itself; what is uncovered, or new, is drawn. z decides about steps, so that many answers to a
question cost little more than one.

Source: moving what was seen by few kernels instead of drawing it anew, Finn, Goodfellow & Levine 2016
(arXiv:1605.07157), Sec. 3 (convolutional dynamic neural advection). Differs: kernels of single steps, of each colour
and place; shapes of older frames, so that what blinks or moves its legs comes back as it was; pixels are picked, as in
`unet`.

Shape legend: n batch, a answers to each, h frames of history, c channels, m colours, s side, p places a side, k ways.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing.core.errors import BadNetwork
from leafwing.networks import generators
from leafwing.networks.pixels import palette_of, places
from leafwing.networks.tracks import STEPS, edges_of, lined_up, planes_of, steps_of, wide
from leafwing.networks.unet import STAYS, Picking, even

SEEN = 3.0
"""What a plane's ones are worth to the first layer: there are few of them."""


class Colours(nn.Module):
    """Follows each colour through the given frames and says how it goes on; alike for all colours.

    Args:
        history: h.
        colours: m.
        width: feature maps of a place, told and heard.
        ways: k.
        z_dim: length of z.
        hidden: feature maps of a colour in a place.
    """

    def __init__(self, history: int, colours: int, width: int, ways: int, z_dim: int, hidden: int = 64) -> None:
        super().__init__()
        self.colours = colours
        told = (history - 1) * 4 * len(STEPS) + history + 4
        self.first, self.second = nn.Conv2d(told, hidden, 1), nn.Conv2d(hidden, hidden, 1)
        self.shape, self.tell = nn.Conv2d(hidden, history, 1), nn.Conv2d(hidden * colours, width, 1)
        self.hear, self.third = nn.Conv2d(width, hidden * colours, 1), nn.Conv2d(hidden, hidden, 1)
        self.meet = nn.Linear(z_dim, hidden * colours) if z_dim else None
        self.fourth = nn.Conv2d(hidden, hidden, 1)
        self.out = nn.Conv2d(hidden, ways, 1)

    def follow(self, steps: Tensor) -> Tensor:
        """[n, m, told, p, p] -> [n * m, hidden, p, p]."""
        told = self.first(steps.flatten(0, 1).to(self.first.weight.dtype))
        return even(self.second(F.leaky_relu(told, 0.2)))

    def forward(self, followed: Tensor, maps: Tensor, z: Tensor) -> Tensor:
        """[n * m, hidden, p, p], [n, width, p, p], [a * n, z] -> votes for each way [a * n, m, k, p, p]."""
        each = len(maps), self.colours, *followed.shape[1:]
        heard = self.hear(F.leaky_relu(even(maps), 0.2)).reshape(followed.shape)
        inner = even(self.third(F.leaky_relu(even(heard + followed), 0.2))).reshape(each)
        inner = inner.repeat_interleave(len(z) // len(maps), 0)
        if self.meet is not None:
            inner = inner + self.meet(z).reshape(len(z), self.colours, -1, 1, 1).to(inner.dtype)
        inner = even(self.fourth(F.leaky_relu(inner.flatten(0, 1), 0.2)))
        votes: Tensor = self.out(F.leaky_relu(inner, 0.2)).float()
        return votes.reshape(len(z), self.colours, -1, *votes.shape[2:])


@generators.register("sprites")
class Sprites(Picking):
    """G: (z, history) -> the next frame of a film of few colours.

    Args:
        z_dim: length of z, 0 for none: then there is one answer.
        channels: c.
        history: frames given.
        colours: all that the film has, as "#fadc3c".
        width: feature maps of the finest level; half as many more at each coarser one.
        levels: coarser levels, at least 1; sides that are no multiples of fold * 2**levels are filled up, then cut.
        fold: a square of so many pixels a side becomes one place of the finest level; colours go in places twice as
            large.
        moves: pixels that a shape may go up, down, left and right.

    Raises:
        BadNetwork: no colours, or one that is none.

    Shape:
        ``[n, z], [n, h * c, s, s] -> [n, c, s, s]``, each pixel of one of the colours in evaluation mode.
    """

    def __init__(
        self,
        z_dim: int,
        channels: int,
        history: int,
        colours: tuple[str, ...],
        width: int = 48,
        levels: int = 2,
        fold: int = 2,
        moves: tuple[int, ...] = (1, 2, 3, 4),
    ) -> None:
        if not colours or levels < 1:
            raise BadNetwork(
                "Sprites have colours, and a coarser level: set generator.colours, and generator.levels to 1 or more."
            )
        super().__init__(history * len(colours) * fold**2, width, levels, 0, "add")
        self.fold, self.side, self.parts, self.moves = fold, 2 * fold, fold * 2**levels, tuple(moves)
        self.register_buffer("palette", palette_of(colours, channels))
        ways = history + 4 * len(self.moves) + 2
        self.colours = Colours(history, len(colours), self.widths[1], ways, z_dim)
        self.out = nn.Conv2d(width, len(colours) * fold**2, 1)
        self.start()
        for head in (self.out, self.colours.out, self.colours.shape):
            head.weight.data.mul_(0.1)
        stays = torch.zeros(ways), torch.zeros(history)  # most is as in the last frame
        stays[0][history] = stays[1][-1] = STAYS
        self.colours.out.bias, self.colours.shape.bias = (nn.Parameter(bias) for bias in stays)
        if self.colours.meet is not None:
            nn.init.normal_(self.colours.meet.weight)

    def votes(self, z: Tensor, history: Tensor) -> tuple[list[Tensor], Tensor]:
        """What is said for each colour of each pixel, wherever it comes from, see `Picking`."""
        height, width = history.shape[2:]
        history = F.pad(history, (0, -width % self.parts, 0, -height % self.parts), mode="replicate")
        palette = self.known_colours()
        planes = planes_of(history, palette)
        edges, there = edges_of(planes, self.side)
        followed = self.colours.follow(steps_of(edges, there))
        shapes = self.shapes(followed, lined_up(planes, edges, there, self.side))
        told = self.colours.tell(F.leaky_relu(followed, 0.2).reshape(len(history), -1, *followed.shape[2:]))
        folded = F.pixel_unshuffle(SEEN * planes.flatten(1, 2), self.fold).to(told.dtype)
        finest, coarse, *_ = self.maps(folded, z[: len(history)], told)
        drawn = F.pixel_shuffle(self.out(F.leaky_relu(even(finest), 0.2)), self.fold).float()
        moved = places(shapes, len(palette), self.moves)
        ways = torch.stack([*planes.unbind(1), *moved, torch.ones_like(shapes)], 2)
        gone = voted(ways, self.colours(followed, coarse, z), self.side)
        votes = drawn.repeat_interleave(len(z) // len(history), 0) + gone
        return [], votes[:, :, :height, :width]

    def shapes(self, followed: Tensor, lined: Tensor) -> Tensor:
        """Each colour as in one of the given frames, or softly some of them, [n, h, m, s, s] -> [n, m, s, s]."""
        share = self.colours.shape(F.leaky_relu(followed, 0.2)).float().softmax(1)
        share = share.reshape(len(lined), -1, *share.shape[1:])
        return (wide(share, self.side) * lined.transpose(1, 2)).sum(2)


def voted(ways: Tensor, votes: Tensor, side: int) -> Tensor:
    """For each pixel of each colour, the votes of its place for the ways by which that colour comes there.

    Shape: ``[n, m, k, s, s], [a * n, m, k, p, p] -> [a * n, m, s, s]``.
    """
    n, m, k, h, w = ways.shape
    cut = ways.reshape(n, m, k, h // side, side, w // side, side).permute(0, 1, 3, 5, 4, 6, 2).flatten(4, 5)
    each = cut @ votes.reshape(n, -1, *votes.shape[1:]).permute(0, 2, 4, 5, 3, 1)  # n m p p side**2 a
    each = each.reshape(*each.shape[:4], side, side, -1).permute(0, 6, 1, 2, 4, 3, 5)
    return each.reshape(-1, m, h, w)
