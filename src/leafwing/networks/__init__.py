"""Generators and discriminators, one architecture a file. Plain ``nn.Module`` classes with a registered name.

A generator takes ``(z [n, z_dim], condition [n, k] or None)`` and gives pictures in [-1, 1]; a discriminator takes
``(pictures, condition or None)`` and gives logits [n]. The toolkit supplies what a constructor asks for among
``z_dim, image_size, channels, condition_dim, history, lexicon, outputs``; all other arguments are settings of the
recipe. A network that takes ``history`` draws, or judges, the next frame of a film: its condition are frames before it,
[n, history * c, h, w]. One that takes a ``lexicon`` is for replies: its condition are questions, numbers of words
[n, q], its samples [n, l, v], one 1 a word.
"""

from __future__ import annotations

from torch import nn

from leafwing.core.registry import Registry

GIVEN = (
    *("z_dim", "image_size", "channels", "condition_dim", "history", "lexicon", "outputs", "fusion"),
    *("vocabulary", "prior"),
)
"""Constructor arguments that come from the data, the prior and the variant, not from the recipe."""

generators: Registry[nn.Module] = Registry("generator", "leafwing.networks")
discriminators: Registry[nn.Module] = Registry("discriminator", "leafwing.networks")
