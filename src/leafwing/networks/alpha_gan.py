"""α-GAN's four networks in two: DCGAN's G beside an encoder that is its mirror, and DCGAN's D beside a code's D.

Source: Rosca et al. 2017, arXiv:1706.04987, for which two networks a player has. The encoder is DCGAN's D with as many
outputs as z has numbers; the code discriminator is fully connected without BatchNorm, which public ports found it must
be. 750 units are those ports' as well.

Shape legend: n batch, z latent length, k condition length, c channels of the picture, s its side.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from leafwing.networks import discriminators, generators
from leafwing.networks.blocks import Width
from leafwing.networks.dcgan import DCGANDiscriminator, DCGANGenerator


@generators.register("alpha-gan")
class AlphaGenerator(nn.Module):
    """DCGAN's generator, and an encoder that reads z back from a picture.

    Args:
        z_dim: length of z and of the code.
        image_size: side s of the picture in pixels.
        channels: c, 1 for grey, 3 for colour.
        condition_dim: length k of the condition, 0 for none; the encoder meets it at its last small map.
        fusion: how z and condition meet; concatenation if None. See `leafwing.fusion`.
        width: feature maps of G's last hidden layer and of the encoder's first; twice as many at each coarser one.
        kernel: side of the kernels.

    Shape:
        ``[n, z] (, [n, k]) -> [n, c, s, s]`` in [-1, 1]; ``encode``: the way back.
    """

    def __init__(
        self,
        z_dim: int,
        image_size: int = 64,
        channels: int = 3,
        condition_dim: int = 0,
        width: Width = 64,
        kernel: Literal[4, 5] = 5,
        fusion: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.z_dim = z_dim
        self.decoder = DCGANGenerator(z_dim, image_size, channels, condition_dim, width, kernel, fusion=fusion)
        self.encoder = DCGANDiscriminator(image_size, channels, condition_dim, z_dim, width, kernel, asks="concatenate")

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Pictures for z, and for a condition if the network was built for one."""
        pictures: Tensor = self.decoder(z, condition)
        return pictures

    def encode(self, pictures: Tensor, condition: Tensor | None = None) -> Tensor:
        """Codes [n, z] of pictures, given what they show if the network was built for a condition."""
        code: Tensor = self.encoder(pictures, condition)
        return code.reshape(len(pictures), self.z_dim)


@discriminators.register("alpha-gan")
class AlphaDiscriminator(nn.Module):
    """DCGAN's discriminator, and a discriminator of codes.

    Args:
        z_dim: length of a code.
        image_size: side s of the picture in pixels.
        channels: c, 1 for grey, 3 for colour.
        condition_dim: length k of the condition, 0 for none; met by projection, and not told to the code's judge.
        outputs: numbers per picture: 1 logit, or 2 for a two-class classifier.
        width: feature maps of the first layer; twice as many at each coarser one.
        kernel: side of the kernels.
        units: of each of the three hidden layers of the code discriminator.

    Shape:
        ``[n, c, s, s] (, [n, k]) -> [n]``, or ``[n, outputs]`` if outputs > 1; ``judge_code``: ``[n, z] -> [n]``.
    """

    def __init__(
        self,
        z_dim: int,
        image_size: int = 64,
        channels: int = 3,
        condition_dim: int = 0,
        outputs: int = 1,
        width: Width = 64,
        kernel: Literal[4, 5] = 5,
        units: Annotated[int, Field(ge=1, le=65536)] = 750,
    ) -> None:
        super().__init__()
        self.pictures = DCGANDiscriminator(image_size, channels, condition_dim, outputs, width, kernel)
        layers: list[nn.Module] = []
        for d_in in (z_dim, units, units):
            layers += [nn.Linear(d_in, units), nn.LeakyReLU(0.2, inplace=True)]
        self.codes = nn.Sequential(*layers, nn.Linear(units, 1))

    def forward(self, pictures: Tensor, condition: Tensor | None = None) -> Tensor:
        """Logits for pictures, given the condition if the network was built for one."""
        verdicts: Tensor = self.pictures(pictures, condition)
        return verdicts

    def judge_code(self, code: Tensor) -> Tensor:
        """Logits [n] for codes [n, z]: higher = more like z of the prior."""
        verdicts: Tensor = self.codes(code)
        return verdicts.squeeze(1)
