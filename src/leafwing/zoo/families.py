"""Which recipe to start from for a GAN that is not here: by what its name and title say, no more.

Two small tables made by hand. A family is an idea that recipes here share; a gap is what a GAN is about that no recipe
here does. The first family that fits and is shipped gives the start; without one, nothing is near.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from leafwing.zoo import shipped
from leafwing.zoo.names import Name


@dataclass(frozen=True)
class Family:
    """An idea, the words that give it away, and recipes that have it, the best first."""

    idea: str
    words: str
    recipes: tuple[str, ...]
    settings: tuple[str, ...] = ()
    """To be set on the last of the recipes, which has the idea only then."""


@dataclass(frozen=True)
class Start:
    """Where to begin, and what will be missing."""

    recipe: str | None
    settings: tuple[str, ...]
    ideas: tuple[str, ...]
    gaps: tuple[str, ...]
    absent: tuple[str, ...] = ()
    """Ideas of it that are known here, but in no shipped recipe."""

    @property
    def command(self) -> str | None:
        """What to type."""
        if self.recipe is None:
            return None
        settings = f" --set {' '.join(self.settings)}" if self.settings else ""
        return f"leafwing train --recipe {self.recipe}{settings}"

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        found = {
            "recipe": self.recipe,
            "settings": self.settings,
            "ideas": self.ideas,
            "missing": [*self.gaps, *self.absent],
        }
        return found | {"command": self.command}


FAMILIES = (
    Family("the Wasserstein distance, D as a critic", r"wassers?tein|\bwgan|earth.?mover", ("wgan-gp", "wgan")),
    Family("spectral normalisation", r"spectral norm|\bsn-", ("sngan",)),
    Family("growing from small pictures to large ones", r"progressive(ly)? grow|coarse-to-fine", ("progan",)),
    Family("attention inside the players", r"self-attention|\battn|attention", ("sagan",)),
    Family("an auxiliary classifier", r"auxiliary classifier|\bac-?gan|\btac-gan", ("acgan",)),
    Family("a D that says which class", r"semi-?supervis|\bcategor", ("acgan",)),
    Family(
        "codes in z that D reads back",
        r"info-?gan|interpretable|mutual information|disentangl",
        ("infogan", "dcgan"),
        ("variant.name=infogan", "variant.codes=4"),
    ),
    Family(
        "squared errors in place of logarithms",
        r"least.squares?|\blsgan",
        ("lsgan", "dcgan"),
        ("variant.judge=regression",),
    ),
    Family("D as a classifier of two classes", r"\bsoftmax", ("softmax-gan", "dcgan"), ("variant.judge=softmax",)),
    Family("each fake judged beside a real picture", r"relativistic", ("r3gan",)),
    Family(
        "pictures of what was asked for",
        r"\bc-?gan\b|conditional|\bconditioned|attribute|class-|multi-label|\blabel",
        ("cgan",),
    ),
    Family(
        "an encoder beside the generator",
        r"auto-?encod|vae|bigan|variational|bidirectional|\binference",
        ("alpha-gan",),
    ),
    Family(
        "a penalty that keeps D smooth",
        r"gradient (penalty|norm|regular)|dragan|lipschitz|jacobian",
        ("dragan", "faces"),
    ),
    Family("the next frame of a film", r"\bvideo|future|next frame|frame prediction", ("video-gan",)),
    Family(
        "words said one after another",
        r"\bseq-?gan|generating text|\btextgan|text generation|language generation|dialog|conversation",
        ("chat-gan",),
    ),
    Family("convolutional players", r"convolutional|dcgan", ("dcgan",)),
    Family("faces", r"\bfac(e|es|ial)\b|portrait|celebrit", ("faces",)),
    Family(
        "steadier training", r"stabili[sz]|regulari[sz]|mode collapse|collapsing modes|convergence", ("faces", "r3gan")
    ),
)
"""In order of preference: rather a shared game than a shared subject."""

GAPS = {
    r"\btexts?\b|textual|language|dialog|conversation|caption|paragraph|stor(y|ies)|sentence|\bsequences?\b|word2?vec|\bseq"
    r"|\breviews?\b|translation system|machine translation|\bdiscrete\b": "words beyond short replies",
    r"speech|music|audio|\bvoice|singing|speaker": "sound",
    r"\bmotion|temporal|time-lapse|trajector|talking|video": "whole films at once",
    r"\b3d|three-dimensional|point cloud|voxel|volumetric|\bdepth": "things in three dimensions",
    r"image-to-image|image translation|cycle-?consisten|cycle-?gan|unpaired|domain (mapping|translation)|style transfer"
    r"|super.resolution|deblur|dehaz|denois|inpaint|completion|restor|coloriz|enhanc|editing|manipulat|\bsketch"
    r"|image (blending|compositing|transformation)|cross-domain|compressed sensing": "pictures made from pictures",
    r"reinforcement|imitation|\bpolicy|robot|driving|\bgrasp|\brl\b|q-learning": "actions",
    r"\bgraphs?\b|molecul|drug|\btabular|records|time series|\bdata synthesis|knowledge": "graphs, tables or series",
    r"adversarial (example|perturbation|attack|defen)|malware|steganog|password|cipher|hiding": "attacks and secrets",
    r"segment|detection|recognition|re-identification|hashing|retrieval|\bsearch\b|classification"
    r"|domain adaptation|unsupervised domain|anomal|saliency|localization": "a task other than drawing",
}  # fmt: skip
"""What players here cannot do: G makes one picture of fixed size from z, and perhaps labels."""


def like(one: Name) -> Start:
    """The start for a GAN of the index: its own recipe, or the first family that is shipped."""
    about = f"{one.name} {one.title}".casefold()
    gaps = tuple(gap for words, gap in GAPS.items() if re.search(words, about))
    if one.recipe:
        return Start(one.recipe, (), ("the very paper",), ())
    fitting = [(family, best(family)) for family in FAMILIES if re.search(family.words, about)]
    have = [(family, recipe) for family, recipe in fitting if recipe]
    absent = tuple(family.idea for family, recipe in fitting if not recipe)
    if not have:
        return Start(None, (), (), gaps, absent)
    family, recipe = have[0]
    settings = family.settings if recipe == family.recipes[-1] else ()
    return Start(recipe, settings, tuple(other.idea for other, _ in have), gaps, absent)


def best(family: Family) -> str | None:
    """The first recipe of a family that is shipped."""
    return next((recipe for recipe in family.recipes if recipe in shipped()), None)
