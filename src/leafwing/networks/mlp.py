"""The fully connected pair for points in the plane: PacGAN's, on which mode collapse is usually shown.

Source: Lin et al. 2018, arXiv:1712.04086, Appendix, and its released configuration of the 2D-ring and 2D-grid: z of 2
numbers, G four layers of 400 with BatchNorm and ReLU, D three maxout layers of 200 units with 5 pieces, all weights
N(0, 0.02). They are no networks for pictures, so no recipe names them; ``leafwing bench coverage`` plays them.

Shape legend: n batch, z latent length, d numbers a point.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from leafwing.networks.blocks import logits_of
from leafwing.networks.gan_2014 import Maxout

STD = 0.02


def normal(net: nn.Module) -> None:
    """Weights of linear maps N(0, 0.02), biases 0."""
    for layer in net.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, 0.0, STD)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class PointGenerator(nn.Module):
    """z in, a point out, anywhere in the plane.

    Args:
        z_dim: length of z.
        dim: d, numbers a point.
        hidden: units of each hidden layer.
        layers: hidden layers.

    Shape:
        ``[n, z] -> [n, d]``.
    """

    def __init__(self, z_dim: int = 2, dim: int = 2, hidden: int = 400, layers: int = 4) -> None:
        super().__init__()
        body: list[nn.Module] = []
        for d_in, d_out in pairwise([z_dim, *[hidden] * layers]):
            body += [nn.Linear(d_in, d_out, bias=False), nn.BatchNorm1d(d_out), nn.ReLU(inplace=True)]
        self.body = nn.Sequential(*body, nn.Linear(hidden, dim))
        normal(self)

    def forward(self, z: Tensor) -> Tensor:
        """Points for z."""
        points: Tensor = self.body(z)
        return points


class PointDiscriminator(nn.Module):
    """Maxout layers, then a logit.

    Args:
        dim: d, numbers a point.
        outputs: numbers given a point: 1 logit, or 2 for a two-class classifier.
        units: maxout units of each layer.
        pieces: linear maps per unit.
        layers: hidden layers.

    Shape:
        ``[n, d] -> [n]``, or ``[n, outputs]`` if outputs > 1.
    """

    def __init__(self, dim: int = 2, outputs: int = 1, units: int = 200, pieces: int = 5, layers: int = 3) -> None:
        super().__init__()
        hidden = [Maxout(d_in, d_out, pieces, STD) for d_in, d_out in pairwise([dim, *[units] * layers])]
        self.body = nn.Sequential(*hidden, nn.Linear(units, outputs))
        normal(self)

    def forward(self, points: Tensor) -> Tensor:
        """Logits for points."""
        verdicts: Tensor = self.body(points)
        return logits_of(verdicts)
