"""A saved generator, and what it says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from leafwing._version import __version__
from leafwing.core.errors import BadRun
from leafwing.core.lexicon import Lexicon
from leafwing.core.vocabulary import Vocabulary
from leafwing.data import Store
from leafwing.generator import Generator, generator_folder, load_weights, read_card
from leafwing.prepare import choose_device
from leafwing.recipe import Recipe
from leafwing.training import Training


def card(recipe: Recipe, store: Store, training: Training) -> dict[str, Any]:
    """What a saved generator knows of itself: enough to rebuild it, to ask it, and where it comes from."""
    asked = {"asked": training.vocabulary.as_dict()} if training.vocabulary else {}
    asked |= {"lexicon": training.lexicon.as_dict()} if training.lexicon else {}
    return asked | {
        "leafwing": __version__,
        "recipe": recipe.as_dict(),
        "step": training.step,
        "images": training.images,
        "data": store.fingerprint,
        "note": "The averaged generator; its pictures are made by a machine.",
    }


def load_generator(path: Path, device: str = "auto", network: nn.Module | None = None) -> Generator:
    """A generator from a run folder or its ``generator/``, ready to be called."""
    folder = generator_folder(path)
    facts_of_it = read_card(folder)
    try:
        recipe = Recipe.from_dict(facts_of_it["recipe"])
    except KeyError as missing:
        raise BadRun(f"{folder} is damaged: its card says nothing of {missing}.") from None
    asked = facts_of_it.get("asked")
    vocabulary = Vocabulary.from_dict(asked) if asked is not None else None
    words = facts_of_it.get("lexicon")
    lexicon = Lexicon.from_dict(words) if words is not None else None
    G = network or recipe.build_generator(lexicon or vocabulary)
    load_weights(folder, G)
    where = choose_device(device)
    return Generator(G.to(where).eval().requires_grad_(False), recipe.build_prior(), facts_of_it, vocabulary, lexicon)
