"""Which recipe to start from for a GAN that is not here: by what its name and title say, no more.

Two small tables made by hand. A family is an idea that recipes here share; a gap is what a GAN is about that no recipe
here does. The first family that fits and is shipped gives the start; without one it is the recipe for any pictures,
which is said to be general.
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
    """Where to begin, and what will be missing; without shared ideas the start is general."""

    recipe: str
    settings: tuple[str, ...]
    ideas: tuple[str, ...]
    gaps: tuple[str, ...]
    absent: tuple[str, ...] = ()
    """Ideas of it that are known here, but in no shipped recipe."""

    @property
    def general(self) -> bool:
        """Whether it is no more than the recipe for any pictures."""
        return not self.ideas

    @property
    def command(self) -> str:
        """What to type."""
        settings = f" --set {' '.join(self.settings)}" if self.settings else ""
        return f"leafwing train --recipe {self.recipe}{settings}"

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        found = {
            "recipe": self.recipe,
            "general": self.general,
            "settings": self.settings,
            "ideas": self.ideas,
            "missing": [*self.gaps, *self.absent],
        }
        return found | {"command": self.command}


GENERAL = "faces"
"""The recipe for any pictures: the one that draws them soonest."""

FAMILIES = (
    Family(
        "the Wasserstein distance, D as a critic",
        r"wassers?tein|\bwgan|(3d-i|cls)wgan|earth.?mover|optimal transport",
        ("wgan-gp", "wgan"),
    ),
    Family("spectral normalisation", r"spectral norm|\bsn-", ("sngan",)),
    Family(
        "a margin that reals and fakes are held apart by, as hinges do",
        r"\bhinge|\bmargin|geometric gan|energy.based|deep energy|triplet loss",
        ("sngan",),
    ),
    Family(
        "another distance between distributions than the game's own, D as a critic",
        r"\bmmd|moment matching|feature matching|manifold matching|cram[eéè]r|\bsobolev|\bfisher|divergence|coulomb"
        r"|density ratio|distributional adv|probabilistic gen|metric embedding|first order gen|boundary.(seeking|equil)"
        r"|functional gradient|break the minimax|likelihood estimation",
        ("wgan-gp",),
    ),
    Family("growing from small pictures to large ones", r"progressive(ly)? grow|coarse-to-fine", ("progan",)),
    Family(
        "pictures made in steps, from coarse to fine",
        r"pyramid|stackgan|stacked generative|branched gen|multi-scale image|layered recursive"
        r"|fully progressive|chained",
        ("progan",),
    ),
    Family("attention inside the players", r"self-attention|\battn|attention|attentive|transformer", ("sagan",)),
    Family("an auxiliary classifier", r"auxiliary classifier", ("acgan",)),
    Family(
        "a D that says which class",
        r"semi-?supervis|\bcategor|class expert|triple gen|few-shot|zero-shot|data augmentation|discriminant",
        ("acgan",),
    ),
    Family(
        "codes in z that D reads back",
        r"info-?gan|interpretable|mutual information|disentangl|\bcluster|decision tree|decomposing the"
        r"|latent controller",
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
        r"conditional|\bconditioned|controllable|attribute|class-|multi-label|\blabel|text.(to|2).|from text"
        r"|what and where|modified gan-cls|semantic image synth",
        ("cgan",),
    ),
    Family(
        "an encoder beside the generator",
        r"auto-?encod|vae|bigan|variational|bidirectional (cond|gan|gen)|learned (semantic )?inference|inverse mapping"
        r"|heterogeneous inference|map inference|invariant encod|decoder-encoder|encoded adv|introspective",
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
        r"\bseq-?gan|generating text|\btextgan|text generation|language generation|dialog|conversation|diversified text"
        r"|sequence generation|sequential data|augmented discrete|text corpora|paragraph gen|storytelling",
        ("chat-gan",),
    ),
    Family("convolutional players", r"convolutional|dcgan|texture (synth|manifold)|spatial gen", ("dcgan",)),
    Family("pictures of high resolution", r"high.resolution", ("progan",)),
    Family("faces", r"\bfac(e|es|ial)\b|portrait|celebrit|\bage\b|\baging", ("faces",)),
    Family(
        "modes that no generator may forget",
        r"mode (collapse|regular)|collapsing modes|multi-(generator|agent|adversarial)|mixture|boosting|ensemble|divers"
        r"|evolution|dual discriminator|gang of|historical models|two samples|unrolled|disconnected|memory"
        r"|multimodal image",
        ("faces", "r3gan"),
    ),
    Family(
        "steadier training",
        r"stabili[sz]|stability|regulari[sz]|convergence|equilibri|training (of )?(gan|generative adv)|gan training"
        r"|dynamics of|adversarial systems|dualing|online learning|annealed|curriculum",
        ("faces", "r3gan"),
    ),
)
"""In order of preference: rather a shared game than a shared subject."""

GAPS = {
    r"\btexts?\b|text2|\btextual|language|dialog|conversation|caption|paragraph|stor(y|ies)|sentence|sequence gen"
    r"|word2?vec|\bseq|\breviews?\b|machine translation|gan-cls|augmented discrete|image annotation":
    "words beyond short replies",
    r"speech|music|audio|\bvoice|singing|speaker|c-rnn-gan|symbolic": "sound",
    r"\bmotion(?! deblur)|temporal|time-lapse|trajector|predicting paths|talking|animation|video|frame interpol":
    "whole films at once",
    r"\b3d|three-dimensional|point cloud|voxel|volumetric|\bdepth|monocular visual|mass-models|text2shape":
    "things in three dimensions",
    r"image-to-image|(image|images|-to-\w+) translation|cycle-?consisten|cycle-?gan|unpaired"
    r"|domain (mapping|translation)|(style|adversarial) transfer|super.resolution|deblur|de-?haz|de-?rain"
    r"|denois|in-?painting|infilling|completion|restor|coloriz|color correction|enhanc|editing|manipulat"
    r"|\bsketch|image (blending|compositing|transformation|fusion)|fusion image|cross-(domain|modal)"
    r"|multi-contrast|compressed sensing|from source to target|transfiguration|\baging|modification|frontal"
    r"|rotat|photo post|typeface|font style|pan-sharpen|matting|underwater|from sar|bird view|single-view"
    r"|multi-view|missing view|interpolation|mosaic|pose.(normal|machine)|virtual-to-real|simulated and|removal"
    r"|hallucination|visible faces|\bage\b|expression|exchanging|transferring|image reconstruction"
    r"|inverse problems|eliminat|adaptive gan|thermal|translation using"
    r"|detail synthesis": "pictures made from pictures",
    r"reinforcement|imitation|\bpolicy|robot|driving|\bgrasp|\brl\b|q-learning|actor-critic|state-action|play chess":
    "actions",
    r"\bgraphs?\b|molecul|drug|\btabular|records|time series|\bdata synthesis|knowledge|data imputation"
    r"|correlated discrete|e-?commerce|\bfraud|mobility|traffic|multiple datasets|particle|neural population"
    r"|spectrum sensing|dihedral|protein|pressure for|physical field|likelihood free|network posteriors"
    r"|genetic algorithm":
    "graphs, tables, series or measurements",
    r"privacy|private|fairness|fairgan": "privacy or fairness",
    r"adversarial (example|perturbation|attack|defen|eliminat)|malware|steganog|password|cipher|hiding":
    "attacks and secrets",
    r"segment|detect|recognition|re-identification|hashing|retrieval|\bsearch\b|classification|parsing"
    r"|quality assessment|domain adaptation|unsupervised domain|anomal|saliency|localization|summarization"
    r"|verification|traversability|semi-supervised learning|identify gan|acceleration"
    r"|annotation": "a task other than drawing",
}  # fmt: skip
"""What players here cannot do: G makes one picture of fixed size from z, and perhaps labels."""


def like(one: Name) -> Start:
    """The start for a GAN of the index: its own recipe, or the first family that is shipped, or the general one."""
    about = f"{one.name} {one.title}".casefold()
    gaps = tuple(gap for words, gap in GAPS.items() if re.search(words, about))
    if one.recipe:
        return Start(one.recipe, (), ("the very paper",), ())
    fitting = [(family, best(family)) for family in FAMILIES if re.search(family.words, about)]
    have = [(family, recipe) for family, recipe in fitting if recipe]
    absent = tuple(family.idea for family, recipe in fitting if not recipe)
    if not have:
        return Start(GENERAL, (), (), gaps, absent)
    family, recipe = have[0]
    settings = family.settings if recipe == family.recipes[-1] else ()
    return Start(recipe, settings, tuple(other.idea for other, _ in have), gaps, absent)


def best(family: Family) -> str | None:
    """The first recipe of a family that is shipped."""
    return next((recipe for recipe in family.recipes if recipe in shipped()), None)
