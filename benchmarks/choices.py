"""A chosen word has no slope: three ways to tell G all the same, by the game alone on `world:replies`.

    python benchmarks/choices.py [--out runs/choices] [--steps 3000] [--seed 0]

*Straight-through*, as shipped: the slope of the probabilities in place of the choice's. *Gumbel-softmax* (Jang et al.
2017, arXiv:1611.01144, its straight-through form): a word is the largest of scores and Gumbel noise, its slope that of
their softmax at a temperature. *Policy gradient* (REINFORCE: Williams 1992; for words SeqGAN, Yu et al. 2017): no
slope passes; what G says is made likelier by how much better than the batch's mean it fooled D. Rules, D, data and
rounds are those of `chat-gan` with ``variant.likelihood = 0``, so that the game has to teach everything. Printed are
seconds of the processor and the table of `leafwing chat RUN --measure`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing import api
from leafwing.cli.chat import table
from leafwing.core.lexicon import Lexicon
from leafwing.explore.chat import Chat
from leafwing.explore.replies import measure
from leafwing.game import Batch, Terms
from leafwing.networks import generators
from leafwing.networks.replies import ReplyGenerator, Width
from leafwing.prepare import read_replies
from leafwing.recipe import Recipe, load_recipe
from leafwing.variants import variants
from leafwing.variants.r3gan import R3GAN

LEAST = 1e-9
"""Numbers of z are kept this far from 0 and 1, where Gumbel noise has no value."""


@generators.register("replies-gumbel")
class GumbelReplies(ReplyGenerator):
    """The same network; z holds a number for every word of the lexicon at every place.

    Args:
        z_dim: length of z; what is too much is left aside.
        lexicon: the words.
        width: as in :class:`ReplyGenerator`.
        temperature: of the softmax whose slope is passed on.
    """

    def __init__(
        self,
        z_dim: int,
        lexicon: Lexicon | None = None,
        width: Width = 128,
        temperature: Annotated[float, Field(gt=0)] = 1.0,
    ) -> None:
        super().__init__(z_dim, lexicon, width)
        self.temperature = temperature
        if z_dim < self.reply * self.words:
            raise ValueError(f"prior.dim = {z_dim} is too short: replies here want {self.reply * self.words}")

    def forward(self, z: Tensor, question: Tensor) -> Tensor:
        """Replies; the slope of each choice is that of a softmax."""
        u = z[:, : self.reply * self.words].unflatten(1, (self.reply, self.words)).float().clamp(LEAST, 1 - 1e-7)
        noise = -(-u.log()).log()
        about = self.score.read(question)
        word, state, said = question.new_zeros(len(z)), about[None], list[Tensor]()
        ended = torch.zeros_like(word, dtype=torch.bool)
        for place in range(self.reply):
            scores, state = self.score.step(about, word[:, None], state)
            soft = ((scores[:, 0].float() + noise[:, place]) / self.temperature).softmax(1)
            word = soft.detach().argmax(1).masked_fill(ended, 0)
            one = F.one_hot(word, self.words).to(soft.dtype)
            said.append(one + (soft - soft.detach()).masked_fill(ended[:, None], 0))
            ended = ended | (word == 0)
        return torch.stack(said, 1)


@variants.register("chat-policy")
class Policy(R3GAN):
    """The same game, G taught by REINFORCE.

    Args:
        gamma: weight of both penalties on D's slope.
    """

    def __init__(self, gamma: Annotated[float, Field(gt=0)] = 0.01) -> None:
        super().__init__(gamma, gradient="autograd")

    def fakes(self, G: nn.Module, z: Tensor, real: Batch) -> Batch:
        """Replies without a slope, and the logarithm of their likelihood."""
        made = super().fakes(G, z, real)
        said = made.pictures.detach()
        chances = G.told(said, real.condition)  # type: ignore[operator]
        return made._replace(pictures=said, likelihood=(chances * said).sum((1, 2)))

    def g_terms(self, D: nn.Module, real: Batch, fake: Batch) -> Terms:
        """Make likelier what fooled D more than the mean of the batch."""
        assert fake.likelihood is not None
        with torch.no_grad():
            reward = -F.softplus(D(real.pictures, real.condition) - D(fake.pictures, fake.condition))
            better = (reward - reward.mean()) / reward.std().clamp_min(1e-3)
        return {"policy": -(better * fake.likelihood).mean()}


def trials() -> dict[str, list[str]]:
    """Name -> what differs from the recipe."""
    data = load_recipe("chat-gan").data
    gumbel = ["generator.name=replies-gumbel", f"prior.dim={data.reply_words * (data.words + 1)}"]
    return {
        "straight-through": ["variant.likelihood=0"],
        "Gumbel-softmax, temperature 1": ["variant.likelihood=0", *gumbel],
        "Gumbel-softmax, temperature 0.5": ["variant.likelihood=0", *gumbel, "generator.temperature=0.5"],
        "policy gradient": ["variant.name=chat-policy"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/choices"))
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", nargs="*", default=[], help="settings for all of them, e.g. data.count=1000")
    parser.add_argument("--only", nargs="*", default=list(trials()), help="which of them")
    options = parser.parse_args()
    for name in options.only:
        settings = trials()[name]
        folder, begun = options.out / name.replace(" ", "-").replace(",", ""), time.process_time()
        api.train(None, "chat-gan", out=folder, seed=options.seed, steps=options.steps,
                  settings=[*settings, *options.set], device="cpu")  # fmt: skip
        chat = Chat(api.load(folder))
        found = measure(chat, read_replies(Recipe.from_dict(chat.G.card["recipe"])), seed=options.seed)
        spent = time.process_time() - begun
        print(f"\n{name}: {spent:.0f} s of the processor, measuring too\n{table(found)}", flush=True)


if __name__ == "__main__":
    main()
