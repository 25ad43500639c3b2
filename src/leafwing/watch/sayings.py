"""What a generator of replies says as training goes on: the same questions and the same z each time, as text."""

from __future__ import annotations

from pathlib import Path

import torch

from leafwing.core import randomness
from leafwing.core.errors import StorageFailed
from leafwing.core.lexicon import Lexicon, plain
from leafwing.core.progress import say
from leafwing.core.published import replace_file
from leafwing.game import Terms, call
from leafwing.training import Training, Watcher
from leafwing.watch.average import standing
from leafwing.watch.samples import is_sheet_step

EACH = 8
"""Replies to a question."""


class Sayings(Watcher):
    """Asks the averaged generator the questions of the first real replies.

    Args:
        folder: gets ``step-00000100.txt`` and so on.
        lexicon: the words.
        count: replies in all, eight to a question.
    """

    def __init__(self, folder: Path, lexicon: Lexicon, count: int) -> None:
        self.folder, self.lexicon, self.questions = folder, lexicon, max(1, count // EACH)

    def start(self, training: Training) -> None:
        """What an untrained generator says."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if training.step == 0:
            self.write(training)

    def after_round(self, training: Training, log: Terms) -> None:
        """At the steps at which sheets of pictures are drawn."""
        if is_sheet_step(training.step) or training.step == training.goal:
            self.write(training)

    def write(self, training: Training) -> None:
        """Save what is said at this step."""
        path = self.folder / f"step-{training.step:08}.txt"
        try:
            replace_file(path, "\n".join(self.lines(training)).encode())
        except StorageFailed as problem:
            say(f"{problem} Training goes on without this sheet.")

    @torch.no_grad()
    def lines(self, training: Training) -> list[str]:
        """Each question, then its replies."""
        G, seed = standing(training), training.players.seed
        asked = training.asked(0, self.questions)
        assert asked is not None
        z = training.players.prior.sample(EACH, randomness.stream(seed, 0, "sheet")).to(asked.device)
        said = []
        for row in asked:
            said += [f"> {plain(self.lexicon.decode(row[None].cpu().numpy())[0])}"]
            replies = call(G, z, row.expand(EACH, -1)).argmax(2)
            said += [f"  {plain(reply)}" for reply in self.lexicon.decode(replies.cpu().numpy())] + [""]
        return said
