"""How unlikely what people said is to a generator of words. Pure functions, each a scalar to MINIMISE."""

from __future__ import annotations

from torch import Tensor

from leafwing.core.types import Scalar


def negative_log_likelihood(chances: Tensor, reply: Tensor) -> Scalar:
    r"""$-E\sum_t \log p_G(x_t|x_{<t}, q)$ over the words of a reply, in nats: maximum likelihood.

    The right words so far are given (teacher forcing). Its least value is the entropy of the replies.

    Args:
        chances: the logarithm of each word's chance, 0 after the reply's end, [n, l, v].
        reply: one 1 a word, [n, l, v].
    """
    return -(chances * reply).sum((1, 2)).mean()
