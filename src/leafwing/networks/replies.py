"""Replies to questions, word by word: G chooses each word by one number of z, D gives every possible word a score.

Both read the question and then the words so far. G gives each word of the lexicon a probability and takes the one on
which z's number falls, so a reply is a function of the question and z: the same z is the same reply. A choice has no
slope; the one of the probabilities is passed on in its place. D's verdict is a sum over the words, each scored after
the words before it, as the logarithm of the ratio of two probabilities of a sequence is: so its slope tells G exactly
what every other word would have scored there, not the chosen one alone.

Source: of no one paper. The slope of a choice is the straight-through estimator: Bengio et al. 2013, arXiv:1308.3432.

Word 0 is no word: the first one ends the reply, and nothing after it counts.

Shape legend: n batch, l words of a reply, q words of a question, v words known, h width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing.core.lexicon import Lexicon
from leafwing.networks import discriminators, generators
from leafwing.networks.blocks import Width

STD = 0.02
"""Of the weights that score words: at first all words are nearly alike."""
BEYOND = -9.0
"""Where a question has no word, below anything that tanh gives."""


class Reader(nn.Module):
    """What a question says, in h numbers: the largest of each over a GRU's states.

    Shape:
        ``[n, q] -> [n, h]``.
    """

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, width // 2)
        self.gru = nn.GRU(width // 2, width, batch_first=True)
        self.out = nn.Linear(width, width)

    def forward(self, question: Tensor) -> Tensor:
        """The question's summary."""
        states = self.gru(self.embed(question))[0].masked_fill((question == 0)[..., None], BEYOND)
        return torch.tanh(self.out(states.amax(1)))


class Scorer(nn.Module):
    """A number for every word at each place of a reply, from the question and the words before.

    Args:
        words: v.
        width: h.
    """

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.read = Reader(words, width)
        self.embed = nn.Embedding(words, width // 2)
        self.gru = nn.GRU(width // 2, width, batch_first=True)
        self.out = nn.Linear(2 * width, words)
        nn.init.normal_(self.out.weight, 0.0, STD)
        nn.init.zeros_(self.out.bias)

    def step(self, about: Tensor, before: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of the next words and the new state.

        Args:
            about: the question's summary [n, h].
            before: the last words [n, m]; 0 before the first.
            state: [1, n, h]; the summary at first.

        Returns:
            [n, m, v] and [1, n, h].
        """
        states, state = self.gru(self.embed(before), state)
        return self.out(torch.cat([states, about[:, None].expand_as(states)], 2)), state

    def after(self, reply: Tensor, question: Tensor) -> Tensor:
        """Scores of all words at each place of replies that are there already: [n, l], [n, q] -> [n, l, v]."""
        about = self.read(question)
        before = F.pad(reply[:, :-1], (1, 0))
        return self.step(about, before, about[None])[0]


def over(reply: Tensor) -> Tensor:
    """Which places come after a reply's end: [n, l] -> bool [n, l]."""
    ended = (reply == 0).cumsum(1) > 0
    return F.pad(ended[:, :-1], (1, 0))


@generators.register("replies")
class ReplyGenerator(nn.Module):
    """G: (z, question) -> a reply.

    Args:
        z_dim: length of z: a number in 0..1 for each word, so at least as many as a reply has.
        lexicon: the words.
        width: numbers in which the question and the words so far are kept.

    Shape:
        ``[n, z_dim], [n, q] -> [n, l, v]``, one 1 a word.

    Raises:
        ValueError: z is too short, or the data is no replies.
    """

    def __init__(self, z_dim: int = 12, lexicon: Lexicon | None = None, width: Width = 128) -> None:
        super().__init__()
        if lexicon is None:
            raise ValueError("it answers questions, and the data has none: set data.reply_words, e.g. to 12")
        if z_dim < lexicon.reply:
            raise ValueError(f"prior.dim = {z_dim} is too short for replies of up to {lexicon.reply} words")
        self.words, self.reply = len(lexicon), lexicon.reply
        self.score = Scorer(self.words, width)

    def forward(self, z: Tensor, question: Tensor) -> Tensor:
        """Replies; the slope of each choice is that of the probabilities."""
        about = self.score.read(question)
        word, state, said = question.new_zeros(len(z)), about[None], list[Tensor]()
        ended = torch.zeros_like(word, dtype=torch.bool)
        for place in range(self.reply):
            scores, state = self.score.step(about, word[:, None], state)
            chance = scores[:, 0].float().softmax(1)
            word = choose(chance.detach(), z[:, place : place + 1]).masked_fill(ended, 0)
            one = F.one_hot(word, self.words).to(chance.dtype)
            said.append(one + (chance - chance.detach()).masked_fill(ended[:, None], 0))
            ended = ended | (word == 0)
        return torch.stack(said, 1)

    def told(self, reply: Tensor, question: Tensor) -> Tensor:
        """The logarithm of each word's chance, the words before it given: [n, l, v], [n, q] -> [n, l, v].

        0 for every word after the end. Multiplied by the reply and summed, the log-likelihood of the reply.
        """
        words = reply.argmax(2)
        chances = self.score.after(words, question).float().log_softmax(2)
        return chances.masked_fill(over(words)[..., None], 0)

    @torch.no_grad()
    def greedy(self, question: Tensor) -> Tensor:
        """The likeliest word at each place: [n, q] -> [n, l]. One answer to each question."""
        about = self.score.read(question)
        word, state, said = question.new_zeros(len(question)), about[None], list[Tensor]()
        for _ in range(self.reply):
            scores, state = self.score.step(about, word[:, None], state)
            word = scores[:, 0].argmax(1)
            said.append(word)
        words = torch.stack(said, 1)
        return words.masked_fill(over(words), 0)


def choose(chances: Tensor, number: Tensor) -> Tensor:
    """The word on which a number falls when all words stand in a row, each as wide as its chance.

    Args:
        chances: [n, v], sums 1.
        number: [n, 1] in 0..1.

    Returns:
        [n]; a word without any chance is never chosen, whatever rounding does.
    """
    ends = chances.cumsum(1)
    whole = ends[:, -1:].clone()
    just_below = whole.nextafter(torch.zeros_like(whole))
    return torch.searchsorted(ends, torch.minimum(number * whole, just_below), right=True)[:, 0]


@discriminators.register("replies")
class ReplyCritic(nn.Module):
    """D: (reply, question) -> is that what somebody would say? The sum of its words' scores.

    Args:
        lexicon: the words.
        outputs: 1.
        width: numbers in which the question and the words so far are kept.

    Shape:
        ``[n, l, v], [n, q] -> [n]``.

    Raises:
        ValueError: the data is no replies, or the variant wants several outputs.
    """

    def __init__(self, lexicon: Lexicon | None = None, outputs: int = 1, width: Width = 128) -> None:
        super().__init__()
        if lexicon is None:
            raise ValueError("it judges replies, and the data has none: set data.reply_words, e.g. to 12")
        if outputs != 1:
            raise ValueError(f"it gives one verdict, the variant wants {outputs}")
        self.score = Scorer(len(lexicon), width)

    def forward(self, reply: Tensor, question: Tensor) -> Tensor:
        """Verdicts; linear in each word, the words before it held."""
        words = reply.argmax(2)
        scores = self.score.after(words, question).masked_fill(over(words)[..., None], 0)
        return (scores * reply).sum((1, 2))
