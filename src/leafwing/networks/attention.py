"""Self-attention over a feature map: every place looks at every other and adds what it finds there.

Source: Zhang et al. 2019, "Self-Attention Generative Adversarial Networks", arXiv:1805.08318, Sec. 3; as in the
authors' program, which differs from the paper's text: keys and values are first halved in side by their maximum, and
values have half as many maps. BigGAN (Brock et al. 2019) has the same layer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing.networks.spectral_norm import Conv


class SelfAttention(nn.Module):
    """``x + gamma * o(attended values)``; gamma is learnt and begins at 0, so that a fresh network looks nowhere.

    Queries and keys have w / 8 maps, values w / 2, each at least one. No scale under the softmax, as published.

    Args:
        width: feature maps w.
        conv: the kind of convolution.
    """

    def __init__(self, width: int, conv: Conv) -> None:
        super().__init__()
        few, half = max(1, width // 8), max(1, width // 2)
        self.query, self.key = conv(width, few, 1, bias=False), conv(width, few, 1, bias=False)
        self.value, self.out = conv(width, half, 1, bias=False), conv(half, width, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """[n, w, h, h] -> the same shape; h at least 2."""
        query = self.query(x).flatten(2)  # [n, w / 8, places]
        key, value = (F.max_pool2d(map_of(x), 2).flatten(2) for map_of in (self.key, self.value))
        weights = torch.softmax(query.transpose(1, 2) @ key, dim=2)  # of each place over all others
        found = (value @ weights.transpose(1, 2)).reshape(len(x), -1, *x.shape[2:])
        attended: Tensor = self.gamma * self.out(found)
        return x + attended
