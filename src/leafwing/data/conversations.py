"""Questions with several right replies each: a drawn world, or a file of lines.

A line of a ``.jsonl`` (or ``.jsonl.gz``) file is ``{"question": "...", "replies": ["...", ...]}``, or a whole dialogue
``{"dialogue": [{"text": "...", "responses": ["...", ...]}, ...]}``, of which every turn is a question. Some lines are
kept from training, so that a run can be measured on questions that it never saw.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from leafwing import worlds
from leafwing.core.device import send
from leafwing.core.errors import BadConfig, BadData
from leafwing.core.lexicon import Lexicon, split
from leafwing.core.published import replace_file
from leafwing.core.randomness import check_seed
from leafwing.core.ranks import SOLO, Ranks
from leafwing.data.archives import BROKEN
from leafwing.data.drawn import MORE, PREFIX, is_world, must_be_one_of
from leafwing.data.feed import Shuffle
from leafwing.data.names import shown
from leafwing.data.store import Store
from leafwing.worlds.replies import Replies

DRAWN = 10_000
"""Pairs drawn from the world unless asked otherwise."""
KEPT = 10
"""Of a file, every so many-th line is kept from training."""
LINE = 1_000_000
"""Characters of a line that are read; a longer one is left out."""
LIKE = 'A line should be like {"question": "who is it ?", "replies": ["me", "nobody"]}.'


@dataclass(frozen=True)
class Exchange:
    """A question and its right replies; ``seen`` if training may show them."""

    question: str
    replies: tuple[str, ...]
    seen: bool = True


class Conversations(Store):
    """All questions and replies of a source, ready to be served; no pictures.

    Attributes:
        exchanges: every question, those kept from training too.
        lexicon: the words of the questions and replies that training shows.
        pairs: the questions and replies that training shows, one row each: int64 [m, question], [m, reply].
    """

    def __init__(
        self,
        source: str,
        exchanges: tuple[Exchange, ...],
        lexicon: Lexicon,
        pairs: tuple[NDArray[np.int64], NDArray[np.int64]],
        remarks: Sequence[str] = (),
    ) -> None:
        words = json.dumps(lexicon.as_dict(), sort_keys=True)
        digest = hashlib.sha256(words.encode() + pairs[0].tobytes() + pairs[1].tobytes()).hexdigest()
        meta = {"source": source, "kind": "replies", "n": len(pairs[0]), "fingerprint": digest}
        super().__init__(Path(source), meta, reused=False)
        self.exchanges, self.lexicon, self.pairs = exchanges, lexicon, pairs
        self._remarks = list(remarks)

    @property
    def remarks(self) -> list[str]:
        """Sentences that a person should read once."""
        return self._remarks

    @property
    def complete(self) -> bool:
        """Whether the replies are all right ones, so that any other is wrong; known of a drawn world alone."""
        return is_world(self.source)

    @property
    def shape(self) -> tuple[int, int]:
        """Of one reply as the players see it: its words, and the words known."""
        return self.lexicon.reply, len(self.lexicon)

    def serve(
        self, batch: int, seed: int, device: torch.device | str = "cpu", ranks: Ranks = SOLO
    ) -> tuple[RealReplies, Asked]:
        """The real replies and their questions, turn by turn."""
        order = Shuffle(len(self), batch, seed)
        return RealReplies(self, order, device, ranks), Asked(self, order, device, ranks)


@dataclass(frozen=True)
class Turns:
    """What both are: rows of the batch that belong to this rank."""

    data: Conversations
    order: Shuffle
    device: torch.device | str = "cpu"
    ranks: Ranks = SOLO

    def _rows(self, table: NDArray[np.int64], turn: int, shift: int = 0) -> Tensor:
        which = np.roll(self.order.indices(turn), shift)[self.ranks.rows(self.order.batch)]
        return send(torch.from_numpy(table[which]), torch.device(self.device))


class RealReplies(Turns):
    """turn -> real replies, one 1 a word: float32 [n, reply, words]."""

    def __call__(self, turn: int) -> Tensor:
        """This rank's rows of the ``turn``-th batch."""
        return F.one_hot(self._rows(self.data.pairs[1], turn), len(self.data.lexicon)).float()


class Asked(Turns):
    """turn -> the questions that the replies answer: int64 [n, question]."""

    @property
    def vocabulary(self) -> Lexicon:
        """What the numbers mean."""
        return self.data.lexicon

    def __call__(self, turn: int) -> Tensor:
        """This rank's rows of the ``turn``-th batch."""
        return self._rows(self.data.pairs[0], turn)

    def wrong(self, turn: int) -> Tensor:
        """The questions of the same batch, each beside a reply to another: int64 [n, question]."""
        return self._rows(self.data.pairs[0], turn, shift=1)


def open_conversations(
    source: str, words: int, question: int, reply: int, count: int | None = None, max_bad_share: float = 0.1
) -> Conversations:
    """Read a source.

    Args:
        source: ``world:replies``, or a file as the module says.
        words: the most frequent ones are kept; the others become one.
        question: most words of a question; longer ones are left out.
        reply: most words of a reply; likewise.
        count: of the world, pairs to draw (10,000 if not said); of a file, lines to read.
        max_bad_share: above this share of lines that cannot be read, stop.

    Raises:
        BadData: nothing there, not such a file, or nothing in it that fits.
    """
    remarks: list[str] = []
    if is_world(source):
        if source.removeprefix(PREFIX) not in (*worlds.PICTURES, *MORE):
            must_be_one_of(source, [Replies.name])
        else:
            raise BadData(f"{source} draws pictures, not replies: give world:replies or a .jsonl file.")
        world = Replies()
        exchanges = tuple(Exchange(q.text, q.right, q.seen) for q in world.questions)
        texts = [world.pair(index) for index in range(count or DRAWN)]
    else:
        exchanges = tuple(read_lines(Path(source).expanduser(), count, max_bad_share, remarks))
        texts = [(some.question, reply) for some in exchanges if some.seen for reply in some.replies]
    lexicon = Lexicon.learn(texts, words, question, reply)
    fits = [pair for pair in texts if len(split(pair[0])) <= question and len(split(pair[1])) <= reply]
    if len(fits) < 2:
        raise BadData(
            f"{shown(source)} has {len(fits)} replies of at most {reply} words to questions of at most {question}: "
            "raise data.reply_words and data.question_words, or give more."
        )
    if len(fits) < len(texts):
        remarks.append(
            f"{len(texts) - len(fits):,} of {len(texts):,} replies are left out: they, or what they answer, have more "
            "words than data.reply_words and data.question_words allow."
        )
    table = lexicon.encode([q for q, _ in fits], lexicon.question), lexicon.encode([r for _, r in fits], lexicon.reply)
    return Conversations(source, exchanges, lexicon, table, remarks)


def read_lines(path: Path, count: int | None, max_bad_share: float, remarks: list[str]) -> Iterator[Exchange]:
    """The exchanges of a file, every tenth line's kept from training; ``remarks`` gets a sentence on what is left out.

    Raises:
        BadData: no such file, none of its lines, or too many of them can be read.
    """
    if not path.is_file():
        raise BadData(f"{shown(path)} is no file: give world:replies or a .jsonl file of questions and replies.")
    bad: list[str] = []
    number = found = 0
    try:
        with opened(path) as file:
            for number, line in enumerate(lines(file), 1):
                if count is not None and number > count:
                    break
                if not line.strip():
                    continue
                try:
                    for exchange in exchanges_of(line):
                        found += 1
                        yield Exchange(*exchange, seen=number % KEPT != 0)
                except ValueError as reason:
                    bad.append(f"line {number} {reason}")
    except BROKEN as error:
        raise BadData(f"{shown(path)} cannot be read ({' '.join(str(error).split())}).") from None
    if not found and not bad:
        raise BadData(f"{shown(path)} is empty: give a line of question and replies each. {LIKE}")
    if not found or len(bad) > max_bad_share * number:
        first = f"; first: {bad[0]}" if bad else ""
        raise BadData(
            f"{shown(path)} cannot be used: {len(bad):,} of {number:,} lines hold no question with replies{first}. "
            f"{LIKE}"
        )
    if bad:
        remarks.append(
            f"{len(bad):,} of {number:,} lines of {shown(path)} are left out, a dialogue from its fault on; first: "
            f"{bad[0]}."
        )


def opened(path: Path) -> IO[bytes]:
    """A file, unpacked if it is a .gz."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if packed else path.open("rb")  # type: ignore[return-value]


def lines(file: IO[bytes]) -> Iterator[bytes]:
    """All lines; of one that is too long only the beginning, the rest skipped."""
    while line := file.readline(LINE):
        whole = line
        while not line.endswith(b"\n") and (line := file.readline(LINE)):
            pass
        yield whole


def exchanges_of(line: bytes) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The questions of a line, each with its replies.

    Raises:
        ValueError: what is wrong with it, to follow "line 3".
    """
    if len(line) >= LINE:
        raise ValueError(f"is longer than {LINE:,} characters")
    try:
        said: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("is not JSON in UTF-8") from None
    turns = said.get("dialogue", [said]) if isinstance(said, dict) else None
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise ValueError("is no object with a question")
    for turn in turns:
        question = turn.get("question", turn.get("text"))
        replies = turn.get("replies", turn.get("responses"))
        if replies is None and "dialogue" in said:
            continue  # the last turn, which nobody answered
        if not isinstance(question, str) or not isinstance(replies, list):
            raise ValueError("has no question, or no list of replies")
        if not split(question) or not replies or not all(isinstance(r, str) and split(r) for r in replies):
            raise ValueError("has an empty question or reply")
        yield question, tuple(replies)


def render_replies(out: Path, seed: int = 0) -> Path:
    """Write every question of the drawn world with its right replies, a line each, in the form that is read here.

    Raises:
        BadConfig: not a new ``.jsonl`` file.
    """
    check_seed(seed)
    if out.suffix != ".jsonl" or out.exists():
        raise BadConfig(f"--out {out} cannot be: name a new .jsonl file for the questions and replies.")
    out.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"question": some.text, "replies": list(some.right)} for some in Replies(seed).questions]
    replace_file(out, "".join(json.dumps(row) + "\n" for row in rows).encode())
    return out
