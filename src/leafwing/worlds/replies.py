"""The world of replies: questions about invented characters, of which each has three to eight right answers.

The lecture's chatbot: "do you know who Kaguya is?" has several right answers, for two stories have a Kaguya. So it is
here: every name is borne by several characters, and each of them is somebody, carries something and lives somewhere.
What is right is known of every question, so that validity and coverage are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product

from leafwing.core import randomness

NAMES = (
    "akiso", "belune", "corvath", "dimara", "elkin", "fenna", "gorolo", "hisame", "iduna", "jorik", "kelpa", "lunaro",
    "mirelle", "nokiva", "orsola", "pimu", "quorra", "rikett", "sovan", "tamsil",
)  # fmt: skip
PHRASES = {
    "who": ("who is {} ?", "do you know who {} is ?", "tell me who {} is ."),
    "what": ("what does {} carry ?", "do you know what {} carries ?", "tell me what {} carries ."),
    "where": ("where does {} live ?", "do you know where {} lives ?", "tell me where {} lives ."),
}
"""Ways to ask for each kind of thing."""
ANSWERS = {
    "who": (
        ("the", "a former", "the youngest"),
        ("captain", "founder", "vice president", "cook", "healer", "keeper", "spy", "champion"),
        ("of the night guard", "of the student council", "of the ninja age", "of the moon fleet", "of the tea house",
         "of the old archive"),
    ),
    "what": (
        ("a silver", "a broken", "an enormous", "a borrowed", "a singing"),
        ("flute", "umbrella", "sword", "teapot", "lantern", "map", "kite", "clock"),
        ("from home", "full of stars", "without a name", "for luck"),
    ),
    "where": (
        ("in a tower", "in a boat", "in a shop", "under a bridge", "behind a mill"),
        ("near the harbour", "above the clouds", "north of the river", "outside the city", "on the glass island"),
        ("with a cat", "all alone", "among thieves", "since last winter"),
    ),
}  # fmt: skip
"""The parts of which an answer to each kind of question is put together; not every combination is right."""
FEWEST, MOST = 3, 8
"""Right answers to a question."""
HELD_OUT = 3
"""Of so many things to ask for, one has a phrasing that is kept from training."""


@dataclass(frozen=True)
class Question:
    """A question and all of its right answers.

    Attributes:
        text: words with spaces between them.
        right: likewise, each as likely as the others, in alphabetical order.
        seen: whether training may show it; the others ask for the same in words that were seen with other names.
    """

    text: str
    right: tuple[str, ...]
    seen: bool


class Replies:
    """An endless set of questions, each with one of its right answers: number ``index`` of a seed is always the same.

    Args:
        seed: 0 or more; every seed is a world of its own.
        names: how many names there are, 1 to 20.

    Attributes:
        name: of the world.
        version: changes whenever any word changes.
    """

    name = "replies"
    version = 1

    def __init__(self, seed: int = 0, names: int = 6) -> None:
        if not 1 <= names <= len(NAMES):
            raise ValueError(f"names is {names}, it must lie in 1..{len(NAMES)}.")
        self.seed, self.names = seed, NAMES[:names]

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """Every question there is, those kept from training too."""
        found = []
        for name, kind in product(self.names, PHRASES):
            right, phrases = self._right(name, kind), PHRASES[kind]
            draw = randomness.stream(self.seed, NAMES.index(name), f"held out/{kind}")
            hidden = draw.integers(len(phrases)) if draw.integers(HELD_OUT) == 0 else None
            found += [
                Question(phrase.format(name), right, bool(number != hidden)) for number, phrase in enumerate(phrases)
            ]
        return tuple(found)

    @cached_property
    def seen(self) -> tuple[Question, ...]:
        """The questions that training shows."""
        return tuple(question for question in self.questions if question.seen)

    def pair(self, index: int) -> tuple[str, str]:
        """A question and one right answer, all of them equally likely."""
        draw = randomness.stream(self.seed, index, "reply")
        question = self.seen[draw.integers(len(self.seen))]
        return question.text, question.right[draw.integers(len(question.right))]

    def _right(self, name: str, kind: str) -> tuple[str, ...]:
        """The right answers to one kind of question about one name."""
        draw = randomness.stream(self.seed, NAMES.index(name), f"right/{kind}")
        possible = [" ".join(parts) for parts in product(*ANSWERS[kind])]
        count = draw.integers(FEWEST, MOST + 1)
        return tuple(sorted(possible[i] for i in draw.choice(len(possible), count, replace=False)))
