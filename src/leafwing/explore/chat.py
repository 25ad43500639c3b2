"""Ask a generator of replies: the same seed says the same, every draw of a seed is another one.

Shape legend: n draws, q words of a question, l words of a reply.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from leafwing.core.errors import BadConfig
from leafwing.core.lexicon import Lexicon, plain
from leafwing.explore.sample import latents_at
from leafwing.generator import Generator

AT_ONCE = 50
"""Answers drawn to a question before the first is given."""


@dataclass(frozen=True)
class Chat:
    """A generator with words.

    Raises:
        BadConfig: it draws pictures.
    """

    G: Generator

    def __post_init__(self) -> None:
        if self.G.lexicon is None:
            raise BadConfig("This run draws pictures and answers no questions: train one by --recipe chat-gan.")

    @property
    def lexicon(self) -> Lexicon:
        """The words."""
        assert self.G.lexicon is not None
        return self.G.lexicon

    def draw(self, question: str, count: int, seed: int = 0, first: int = 0) -> list[str]:
        """``count`` answers; the i-th is a function of the question, the seed and i alone.

        Raises:
            BadConfig: the question cannot be understood.
        """
        rows = self.understand(question, count)
        z = latents_at(self.G.prior, seed, first, first + count)
        return self.lexicon.decode(self.G(z, rows).argmax(2).cpu().numpy())

    def greedy(self, question: str) -> str:
        """The answer made of the likeliest words, where the generator has such a thing.

        Raises:
            BadConfig: it has not, or the question cannot be understood.
        """
        likeliest = getattr(self.G.network, "greedy", None)
        if likeliest is None:
            raise BadConfig("This generator has no likeliest answer.")
        words: Tensor = likeliest(self.understand(question, 1).to(next(self.G.network.parameters()).device))
        return self.lexicon.decode(words.cpu().numpy())[0]

    def understand(self, question: str, count: int) -> Tensor:
        """A question as a person wrote it, [count, q].

        Raises:
            BadConfig: it cannot be understood.
        """
        return torch.from_numpy(self.lexicon.understand(question)).expand(count, -1)


class Talk:
    """A conversation: whoever asks the same again gets another answer.

    Args:
        chat: who answers.
        seed: the same seed and the same questions are the same conversation.
    """

    def __init__(self, chat: Chat, seed: int = 0) -> None:
        self.chat, self.seed = chat, seed
        self._left: dict[tuple[int, ...], list[str]] = {}
        self._drawn: Counter[tuple[int, ...]] = Counter()

    def answer(self, question: str) -> str:
        """The next answer that was not given yet; after the last one, from the beginning in another order.

        Raises:
            BadConfig: the question cannot be understood.
        """
        key = tuple(self.chat.lexicon.understand(question).tolist())
        if not self._left.get(key):
            self._left[key] = different(self.chat.draw(question, AT_ONCE, self.seed, self._drawn[key]))
            self._drawn[key] += AT_ONCE
        return plain(self._left[key].pop(0))


def different(said: Sequence[str]) -> list[str]:
    """Each reply once, as they first came; what was said a single time comes last, as it may be a slip."""
    counts = Counter(said)
    return sorted(counts, key=lambda reply: counts[reply] == 1)
