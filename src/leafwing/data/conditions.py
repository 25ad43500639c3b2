"""The conditions that go with the feed's batches of real pictures: pure functions of (seed, turn) as they are."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from leafwing.core import randomness
from leafwing.core.device import send
from leafwing.core.vocabulary import Codes, Vocabulary
from leafwing.data.feed import Feed
from leafwing.data.labels import Labels


class Conditions:
    """What is said of each picture of a batch. The ranks hold their shares of one and the same batch.

    Args:
        labels: of all pictures of the feed.
        feed: whose batches are accompanied.
        hide: share of labels that are left out, each attribute for itself, so that "any" is learnt.
        device: where they go.
    """

    def __init__(self, labels: Labels, feed: Feed, hide: float = 0.0, device: torch.device | str = "cpu") -> None:
        self.labels, self.feed, self.hide, self.device = labels, feed, hide, torch.device(device)

    @property
    def vocabulary(self) -> Vocabulary:
        """What the conditions mean."""
        return self.labels.vocabulary

    def __call__(self, turn: int) -> Tensor:
        """This rank's rows of the ``turn``-th batch: float32 [n, k]."""
        return self._mine(self._codes(turn))

    def wrong(self, turn: int) -> Tensor:
        """The same rows, each with one known attribute changed to another class, or number: [n, k].

        A row of which nothing is known stays as it is: nothing said of it would be wrong.
        """
        codes, rng = self._codes(turn).copy(), randomness.stream(self.feed.seed, turn, "wrong labels")
        which, how = rng.random(codes.shape), rng.random(len(codes))
        which[np.isnan(codes)] = -1  # of the known ones, the attribute with the largest number is changed
        place = which.argmax(1)
        for number, attribute in enumerate(self.labels.vocabulary.attributes):
            rows = np.flatnonzero((place == number) & (which.max(1) >= 0))
            if attribute.classes:
                other = 1 + np.floor(how[rows] * (len(attribute.classes) - 1))
                codes[rows, number] = (codes[rows, number] + other) % len(attribute.classes)
            else:
                codes[rows, number] += np.where(how[rows] < 0.5, -2, 2) * attribute.spread
        return self._mine(codes)

    def _codes(self, turn: int) -> Codes:
        """What is said of the whole batch, over all ranks: [batch, a]."""
        codes = self.labels.codes[self.feed.indices(turn)]
        if self.hide:
            hidden = randomness.stream(self.feed.seed, turn, "hidden labels").random(codes.shape) < self.hide
            codes = np.where(hidden, np.float32(np.nan), codes)
        return codes

    def _mine(self, codes: Codes) -> Tensor:
        return send(torch.from_numpy(self.labels.vocabulary.encode(codes[self.feed.mine])), self.device)
