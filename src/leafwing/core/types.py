"""The shapes that travel between rooms. n batch, z latent length, c channels, h height, w width.

Annotations only: they cost nothing at run time and are enforced while the tests run.
"""

from __future__ import annotations

from typing import TypeAlias

from jaxtyping import Float
from torch import Tensor

Latents: TypeAlias = Float[Tensor, "n z"]
"""Draws from the prior."""

Conditions: TypeAlias = Float[Tensor, "n k"]
"""What is asked for, one vector a sample."""

Samples: TypeAlias = Float[Tensor, "n ..."]
"""What G makes and D judges: pictures [n, c, h, w] in [-1, 1], or vectors [n, d]."""

Logits: TypeAlias = Float[Tensor, " n"]
"""D's raw output; higher = looks more real."""

Verdicts: TypeAlias = Float[Tensor, "n *k"]
"""D's output before it is read as one score: [n], or [n, 2] when D is a two-class classifier."""

Scalar: TypeAlias = Float[Tensor, ""]
