"""What became of the pictures since an earlier store: for the sentence that refuses to resume on other data."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from leafwing.data.names import shown
from leafwing.data.records import Earlier
from leafwing.data.store import Store

FEW = 3


@dataclass
class Changes:
    """Names by what happened to them; a renamed one is in neither ``added`` nor ``removed``."""

    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """``+3 added ('a.png', …), -1 removed ('b.png')``; empty when nothing happened."""
        kinds = (("+", "added"), ("-", "removed"), ("~", "changed"), ("", "renamed"))
        named = ((sign, kind, getattr(self, kind)) for sign, kind in kinds)
        return ", ".join(f"{sign}{len(names):,} {kind} ({_some(names)})" for sign, kind, names in named if names)


def since(store: Store, fingerprint: str) -> Changes | None:
    """What changed from the store of that fingerprint to this one; ``None`` when it is in the cache no more."""
    for path in store.folder.parent.glob("*/meta.json"):
        try:
            if json.loads(path.read_text("utf-8"))["fingerprint"] != fingerprint:
                continue
        except (OSError, ValueError, KeyError, TypeError):
            continue
        before, now = _contents(path.parent), _contents(store.folder)
        if before and now:
            return compared(before, now)
    return None


def compared(before: dict[str, bytes], now: dict[str, bytes]) -> Changes:
    """Compare two tables of name -> sha256."""
    found = Changes(changed=[name for name in now if name in before and before[name] != now[name]])
    left = Counter(content for name, content in before.items() if name not in now)
    for name, content in now.items():
        if name in before:
            continue
        if left[content] > 0:  # the same content was under a name that is gone
            left[content] -= 1
            found.renamed.append(name)
        else:
            found.added.append(name)
    for name, content in before.items():
        if name not in now and left[content] > 0:
            left[content] -= 1
            found.removed.append(name)
    return found


def _contents(folder: Path) -> dict[str, bytes]:
    store = Earlier(folder, 0, same_place=False)
    return {name: record.tobytes() for name, record in zip(store.names, store.records["digest"], strict=False)}


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(shown, names[:FEW])) + (", …" if len(names) > FEW else "")
