"""The fully connected networks of the first GAN, for digits and other small pictures.

Source: Goodfellow et al. 2014, arXiv:1406.2661, and its released MNIST configuration (goodfeli/adversarial,
mnist.yaml): G 100 -> 1200 -> 1200 -> 784, ReLU, weights uniform in +-0.05; D maxout 240x5 -> maxout 240x5 -> 1, weights
uniform in +-0.005, dropout that keeps 0.8 of the picture and 0.5 elsewhere. Differs: D returns a logit and G ends in
tanh (pictures lie in [-1, 1] here; sigmoid(2a) = (tanh(a) + 1) / 2, so only the last layer's scale differs); its last
biases begin at 0, not at the pixels' mean; players take turns, where that configuration updates both from one batch.

Shape legend: n batch, z latent length, k condition length, c channels, s side, d = c s s.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from leafwing.core.errors import BadNetwork
from leafwing.networks import discriminators, generators
from leafwing.networks.blocks import WithCondition, logits_of

Width = Annotated[int, Field(ge=1, le=65536)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]


def uniform(layer: nn.Linear, reach: float) -> nn.Linear:
    """The layer with weights uniform in +-reach and biases 0."""
    nn.init.uniform_(layer.weight, -reach, reach)
    nn.init.zeros_(layer.bias)
    return layer


@generators.register("gan-2014")
class FullyConnectedGenerator(nn.Module):
    """A vector in, a vector of pixels out, arranged to a picture.

    Args:
        z_dim: length of z.
        image_size: side s of the picture in pixels.
        channels: c, 1 for grey, 3 for colour.
        condition_dim: length k of the condition, 0 for none.
        fusion: how z and condition meet; concatenation if None. See `leafwing.fusion`.
        hidden: units of each of the two hidden layers.
        reach: initial weights are uniform in +-reach.

    Shape:
        ``[n, z] (, [n, k]) -> [n, c, s, s]`` in [-1, 1].
    """

    def __init__(
        self,
        z_dim: int,
        image_size: int = 28,
        channels: int = 1,
        condition_dim: int = 0,
        hidden: Width = 1200,
        reach: Annotated[float, Field(gt=0)] = 0.05,
        fusion: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.see = WithCondition(z_dim, condition_dim, fusion)
        pixels = channels * image_size * image_size
        self.body = nn.Sequential(
            uniform(nn.Linear(self.see.out_dim, hidden), reach),
            nn.ReLU(inplace=True),
            uniform(nn.Linear(hidden, hidden), reach),
            nn.ReLU(inplace=True),
            uniform(nn.Linear(hidden, pixels), reach),
            nn.Tanh(),
            nn.Unflatten(1, (channels, image_size, image_size)),
        )

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Pictures for z, and for a condition if the network was built for one."""
        pictures: Tensor = self.body(self.see(z, condition))
        return pictures


class Maxout(nn.Module):
    """The largest of several linear maps, unit by unit. Source: Goodfellow et al. 2013, arXiv:1302.4389, Eq. 1."""

    def __init__(self, d_in: int, units: int, pieces: int, reach: float) -> None:
        super().__init__()
        self.linear = uniform(nn.Linear(d_in, units * pieces), reach)
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        """[n, d_in] -> [n, units]."""
        units: Tensor = self.linear(x).unflatten(1, (-1, self.pieces))
        return units.amax(2)


@discriminators.register("gan-2014")
class MaxoutDiscriminator(nn.Module):
    """Two maxout layers with dropout, then one logit.

    Args:
        image_size: side s of the picture in pixels.
        channels: c, 1 for grey, 3 for colour.
        condition_dim: length k of the condition, 0 for none; joined to the pixels.
        outputs: numbers per picture: 1 logit, or 2 for a two-class classifier.
        units: maxout units of each layer.
        pieces: linear maps per unit.
        reach: initial weights are uniform in +-reach.
        drop_picture: share of pixels dropped.
        drop_hidden: share of hidden units dropped.

    Shape:
        ``[n, c, s, s] (, [n, k]) -> [n]``, or ``[n, outputs]`` if outputs > 1.
    """

    def __init__(
        self,
        image_size: int = 28,
        channels: int = 1,
        condition_dim: int = 0,
        outputs: int = 1,
        units: Width = 240,
        pieces: Annotated[int, Field(ge=1, le=64)] = 5,
        reach: Annotated[float, Field(gt=0)] = 0.005,
        drop_picture: Share = 0.2,
        drop_hidden: Share = 0.5,
    ) -> None:
        super().__init__()
        pixels = channels * image_size * image_size + condition_dim
        self.conditional = condition_dim > 0
        self.body = nn.Sequential(
            nn.Dropout(drop_picture),
            Maxout(pixels, units, pieces, reach),
            nn.Dropout(drop_hidden),
            Maxout(units, units, pieces, reach),
            nn.Dropout(drop_hidden),
            uniform(nn.Linear(units, outputs), reach),
        )

    def forward(self, pictures: Tensor, condition: Tensor | None = None) -> Tensor:
        """Logits for pictures, given the condition if the network was built for one."""
        x = pictures.flatten(1)
        if self.conditional:
            if condition is None:
                raise BadNetwork("This discriminator was built for a condition: call it as D(pictures, condition).")
            x = torch.cat([x, condition], dim=1)
        verdicts: Tensor = self.body(x)
        return logits_of(verdicts)
