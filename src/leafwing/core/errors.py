"""Mistakes a user can mend. Each says in one sentence what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class LeafwingError(Exception):
    """Base of all errors meant for people: the command prints its text alone and exits with ``exit_code``."""

    exit_code = 2


class BadConfig(LeafwingError):
    """A recipe, an option or an override that cannot be."""


class BadData(LeafwingError):
    """A data source that cannot be read, or holds nothing to learn from."""


class BadNetwork(LeafwingError):
    """A network that does not fit the game: wrong input, wrong output, no parameters."""


class BadRun(LeafwingError):
    """A run folder that is missing, taken, damaged or in use."""


class RuleBroken(LeafwingError):
    """A player was moved in the other one's turn: the game is hacked, its scores mean nothing."""

    exit_code = 1


class StorageFailed(LeafwingError):
    """The disk refused a write: full, read-only or failing."""

    exit_code = 1


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Return `` Did you mean 'a' or 'b'?`` for near misses, else the list of what there is.

    Starts with a space so that it can follow a sentence.
    """
    known = sorted(options)
    near = get_close_matches(name, known, n=2, cutoff=0.6)
    if near:
        return f" Did you mean {' or '.join(repr(n) for n in near)}?"
    return f" There is: {', '.join(known)}." if known else ""
