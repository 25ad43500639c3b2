"""The index: 501 named GANs from 2014 to September 2018, offline.

Source: the-gan-zoo by Avinash Hindupur (MIT, beside the table in ``index/LICENSE``), its state of October 2018. Names
collide there: a name is a question, only an arXiv number (or the link of a paper that has none) is an answer.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from leafwing.core.errors import BadConfig
from leafwing.zoo import shipped

OURS = {
    "1406.2661": "gan-2014",
    "1411.1784": "cgan",
    "1511.06434": "dcgan",
    "1606.03657": "infogan",
    "1610.09585": "acgan",
    "1611.04076": "lsgan",
    "1701.07875": "wgan",
    "1704.00028": "wgan-gp",
    "1705.07215": "dragan",
    "1706.04987": "alpha-gan",
    "1710.10196": "progan",
    "1802.05957": "sngan",
    "1805.08318": "sagan",
}
"""Papers of the index by arXiv number, and what their recipe is called here once it is shipped."""

LATER = {"https://drive.google.com/file/d/0B8HZ50DPgR3eSVV6YlF3XzQxSjQ/view": "1802.05957"}
"""Papers that the index knew before they had an arXiv number: spectral normalisation (Miyato et al. 2018)."""

NOTES = {
    "1706.04987": "Why a Greek letter: by its kind, an auto-encoder in the game, it would be AEGAN or AGAN, but AEGAN "
    "(1703.10094) and nearly every other Latin prefix were other GANs' names already, as its authors say in their "
    "footnote 2. Nor is it AlphaGAN (1807.10088), which cuts figures out of pictures.",
    "1704.06191": "Not the recipe softmax-gan, which is D as a classifier of two classes, as in the lecture: "
    "this paper's softmax runs over the pictures of a batch.",
}
"""What should be said of a paper's name."""

GREEK = {"α": "alpha", "β": "beta", "δ": "delta"}


@dataclass(frozen=True)
class Name:
    """One GAN of the index."""

    year: int
    month: int
    name: str
    title: str
    link: str

    @property
    def id(self) -> str:
        """What picks this paper alone: its arXiv number without a version, or else its link."""
        found = re.search(r"arxiv\.org/abs/(\d{4}\.\d{4,5})", self.link)
        return found[1] if found else LATER.get(self.link, self.link)

    @property
    def arxiv(self) -> str | None:
        """The arXiv number, if the paper has one."""
        return self.id if re.fullmatch(r"[\d.]+", self.id) else None

    @property
    def recipe(self) -> str | None:
        """The recipe that Leafwing ships for it."""
        ours = OURS.get(self.id)
        return ours if ours and ours in shipped() else None

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        facts: dict[str, Any] = {"year": self.year, "month": self.month, "name": self.name, "title": self.title}
        return facts | {"arxiv": self.arxiv, "link": self.link, "recipe": self.recipe, "note": NOTES.get(self.id)}


@cache
def index() -> tuple[Name, ...]:
    """All names, in the order of the table: by month."""
    table = files("leafwing.zoo").joinpath("index", "gans.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in table.splitlines()[1:]]
    return tuple(Name(int(year), int(month), *texts) for year, month, *texts in rows)


def key(name: str) -> str:
    """What is left of a name by which people may write it: ``"α-GAN"`` and ``"Alpha GAN"`` -> ``"alphagan"``."""
    spelled = "".join(GREEK.get(letter, letter) for letter in name.casefold())
    return "".join(c for c in unicodedata.normalize("NFKD", spelled) if c.isascii() and c.isalnum())


def years() -> dict[int, int]:
    """How many names each year gave."""
    return dict(sorted(Counter(one.year for one in index()).items()))


def listed(year: int | None = None, letter: str | None = None) -> list[Name]:
    """Names of a year, by month, or of a first letter, by the alphabet (R30); Greek letters as they are spelled.

    Raises:
        BadConfig: the index has no such year, or ``letter`` is not one letter or digit.
    """
    known = years()
    if year is not None and year not in known:
        raise BadConfig(f"--year {year} cannot be: the index has {min(known)} to {max(known)}.")
    if letter is not None and (len(letter) != 1 or not key(letter)):
        raise BadConfig(f"--letter {letter!r} cannot be: give one letter or digit, e.g. --letter S.")
    found = [one for one in index() if year in (None, one.year)]
    if letter is None:
        return found
    return sorted((one for one in found if key(one.name)[0] == key(letter)[0]), key=lambda one: key(one.name))


def search(words: Sequence[str]) -> list[Name]:
    """Names where every word occurs in the name, the title or the arXiv number.

    Raises:
        BadConfig: no word was given, or nothing was found.
    """
    wanted = [word.casefold().strip() for text in words for word in text.split()]
    if not wanted:
        raise BadConfig("Give at least one word to look for, e.g. leafwing zoo search wasserstein.")
    found = [one for one in index() if all(occurs(word, one) for word in wanted)]
    if not found:
        raise BadConfig(f"No name or title in the index holds {' '.join(words)!r}.{nearest(' '.join(words))}")
    return found


def occurs(word: str, one: Name) -> bool:
    """Whether a word is in what is known of a GAN, however its name is written."""
    written = bool(key(word)) and key(word) in key(one.name)
    return written or word in f"{one.name} {one.title} {one.link} {one.id}".casefold()


def find(name: str) -> list[Name]:
    """All GANs of this name, or the one of this arXiv number or link; none if the index has it not."""
    number = re.sub(r"(.*arxiv\.org/abs/|arxiv:)", "", name.strip(), flags=re.IGNORECASE)
    by_id = [one for one in index() if re.sub(r"v\d+$", "", number) == one.id or name.strip() == one.link]
    return by_id or [one for one in index() if key(name) and key(one.name) == key(name)]


def nearest(name: str) -> str:
    """`` Did you mean 'WGAN-GP'?`` among recipes and index, or where to look; starts with a space."""
    spelled = {key(one.name): one.name for one in index()} | {key(recipe): recipe for recipe in shipped()}
    near = [spelled[found] for found in get_close_matches(key(name), spelled, n=3, cutoff=0.6)]
    if near:
        return f" Did you mean {' or '.join(repr(one) for one in near)}?"
    return " Look with: leafwing zoo list, leafwing zoo search WORDS."


def unknown(name: str) -> BadConfig:
    """The sentence for a name that is neither here nor in the index."""
    return BadConfig(f"Neither a recipe nor one of the index's {len(index())} GANs is called {name!r}.{nearest(name)}")


def recipe_called(name: str) -> str | None:
    """The shipped recipe of this name, however it is written; None if there is none."""
    return next((recipe for recipe in shipped() if key(name) and key(recipe) == key(name)), None)


def no_recipe(name: str) -> BadConfig:
    """The sentence for a recipe's file asked of a GAN that is none here."""
    return BadConfig(f"{name!r} is in the index, but no recipe here: see leafwing zoo like {name!r}.")
