"""A recipe: variant + networks + prior + data + optimisers = one full run, typed and frozen.

It is read from TOML, changed by dotted overrides, written back to ``run.toml``. Every part is validated against the
settings of the class it names before any data is read.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, BeforeValidator, Field
from torch import nn

from leafwing import latents
from leafwing.augment import Augment, augments
from leafwing.contract import refuse_batch_norm
from leafwing.core.config import (
    TOO_DEEP,
    Settings,
    apply_overrides,
    called_here,
    one_or_more,
    read_toml,
    shown,
    validate,
    write_toml,
)
from leafwing.core.errors import BadConfig, LeafwingError, did_you_mean
from leafwing.core.lexicon import Lexicon
from leafwing.core.lexicon import stand_in as any_words
from leafwing.core.registry import Registry
from leafwing.core.schedules import long_rounds
from leafwing.core.vocabulary import Vocabulary
from leafwing.core.vocabulary import stand_in as any_labels
from leafwing.game import Variant
from leafwing.networks import GIVEN, discriminators, generators
from leafwing.networks.growing import GrowthSettings, check_growth
from leafwing.optimizers import OptimizerSettings
from leafwing.variants import variants
from leafwing.zoo import shipped as shipped
from leafwing.zoo.names import recipe_called


class DataSettings(Settings):
    """Where pictures come from and how they are fitted."""

    source: str = "world:faces"
    """A folder, .zip, .tar, .npz or idx file, or a world: world:faces."""
    image_size: Annotated[int, Field(ge=8, le=1024)] = 64
    """Side of the picture in pixels."""
    channels: Literal[1, 2, 3, 4] = 3
    """1 for grey, 3 for colour, 2 and 4 the same with alpha."""
    fit: Literal["crop", "pad"] = "crop"
    """How a picture that is not square becomes so."""
    count: Annotated[int, Field(ge=2)] | None = None
    """Use only so many pictures; for worlds, draw so many (10,000 if not said)."""
    flip: bool = False
    """Mirror half of the pictures left to right, drawn anew each time."""
    max_bad_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Stop when more than this share of the files cannot be read."""
    condition: Annotated[tuple[str, ...], BeforeValidator(one_or_more)] = ()
    """Labels to be asked for: "folder" for sub-folders, columns of a labels.csv, factors of a world; none if empty."""
    condition_drop: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of labels hidden from both players, so that G also learns what to draw for "any"."""
    history: Annotated[int, Field(ge=0, le=64)] = 0
    """For films: frames that are given, the next one is to be drawn; 0 for pictures by themselves."""
    history_noise: Annotated[float, Field(ge=0, le=1)] = 0.0
    """For films: spread of the noise on what is given, at most, so that G mends what it drew a little wrong."""
    drop_still: bool = True
    """For films: leave out the standstill at the beginning of an episode."""
    reply_words: Annotated[int, Field(ge=0, le=1000)] = 0
    """For questions and replies: most words of a reply, longer ones are left out; 0 for pictures."""
    question_words: Annotated[int, Field(ge=1, le=1000)] = 16
    """For replies: most words of a question."""
    words: Annotated[int, Field(ge=2, le=1_000_000)] = 5000
    """For replies: the most frequent words are known, one number stands for all others."""

    @property
    def kind(self) -> Literal["pictures", "films", "replies"]:
        """What G makes."""
        return "replies" if self.reply_words else "films" if self.history else "pictures"


class TrainSettings(Settings):
    """How long, how many, with which numbers."""

    steps: Annotated[int, Field(ge=1)] = 50_000
    """Rounds to play; one round is one update of G."""
    batch: Annotated[int, Field(ge=1, le=65536)] = 64
    """Pictures a turn."""
    n_d: Annotated[int, Field(ge=1, le=1000)] = 1
    """Turns of D in a round."""
    n_d_long: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Turns of D in a long round; 100 in WGAN."""
    n_d_long_first: Annotated[int, Field(ge=0)] = 0
    """So many rounds at the start are long; 25 in WGAN."""
    n_d_long_every: Annotated[int, Field(ge=0)] = 0
    """Every so many rounds one is long; 500 in WGAN, 0 for none."""
    n_g: Annotated[int, Field(ge=1, le=1000)] = 1
    """Turns of G in a round."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Everything random follows from it."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Numbers of the forward passes: fp32, bf16 autocast (not exact), or bf16 only where the machine computes it."""
    channels_last: bool = True
    """Memory format of pictures; faster for convolutions, equal to rounding."""
    share_fakes: bool = True
    """G's first turn answers to the fakes that D saw last (one pass of G less); false: z is fresh there too."""
    microbatch: Annotated[int, Field(ge=1)] | None = None
    """Pictures computed at a time, gradients added up: less memory, equal without BatchNorm or spectral norm."""
    graphs: bool = True
    """On a GPU, rounds are recorded as CUDA graphs and replayed; false: every kernel is launched by itself."""
    compile: bool = False
    """Compile both networks by ``torch.compile``: slow to start, measure whether it wins. Not for graphs of graphs."""
    sync_batchnorm: bool = True
    """With several ranks, BatchNorm sees the whole batch; false: each rank normalises its own part."""


class AverageSettings(Settings):
    """The averaged generator: a running mean of G's weights, the one that samples are drawn from."""

    halflife_kimg: Annotated[float, Field(ge=0)] = 10.0
    """Thousand images after which a weight's influence halves; 0 for no averaging."""
    ramp: Annotated[float, Field(gt=0, le=1)] = 0.05
    """Early on the half-life is at most this share of the images seen so far (Karras et al. 2020)."""
    burn_in_kimg: Annotated[float, Field(ge=0)] = 0.0
    """Thousand images over which the half-life grows from 0 along half a cosine, as in R3GAN; 0 for from the start."""


class WatchSettings(Settings):
    """What is written while training."""

    log_every: Annotated[int, Field(ge=1)] = 20
    """Rounds between lines of metrics.jsonl."""
    alarms: bool = True
    """Say when the run goes wrong in a known way: D saturated, mode collapse, copied pictures and others."""
    samples: Annotated[int, Field(ge=1, le=1024)] = 64
    """Pictures on a sheet, always from the same z."""
    checkpoint_every: Annotated[int, Field(ge=1)] = 1000
    """Rounds between checkpoints; one is also kept at the end and on Ctrl-C."""
    keep: Annotated[int, Field(ge=2)] = 2
    """Checkpoints kept."""
    measure_every: Annotated[int, Field(ge=0)] = 0
    """Rounds between measurements of the averaged generator against the data, the best one kept; 0 for none."""
    measure_share: Annotated[float, Field(gt=0, le=1)] = 0.05
    """Of the run's time, what measuring may take: it decides how many pictures are measured."""
    features: str = "auto"
    """What measures see with, as for `leafwing evaluate --features`: pixels, squeezenet=FILE; auto chooses."""
    snapshots: bool = False
    """Keep G and D at rounds 0, 10, 20, 50, 100, 200, 500 ..., so that every D can be set against every G."""


class OptimizersSettings(Settings):
    """An optimiser for each player."""

    generator: OptimizerSettings = OptimizerSettings()
    """G's optimiser."""
    discriminator: OptimizerSettings = OptimizerSettings()
    """D's optimiser."""


priors: Registry[latents.Prior] = Registry("prior", "leafwing.latents")
for _name, _prior in {
    "none": latents.Nothing,
    "normal": latents.Normal,
    "uniform": latents.Uniform,
    "binary": latents.Binary,
    "categorical": latents.Categorical,
    "truncated-normal": latents.TruncatedNormal,
    "spherical": latents.Spherical,
    "codes": latents.Codes,
}.items():
    priors.register(_name)(_prior)

REGISTRIES: dict[str, Registry[Any]] = {
    "variant": variants,
    "prior": priors,
    "generator": generators,
    "discriminator": discriminators,
    "augment": augments,
}
TABLES: dict[str, type[Settings]] = {
    "data": DataSettings,
    "train": TrainSettings,
    "average": AverageSettings,
    "growth": GrowthSettings,
    "watch": WatchSettings,
    "optimizer": OptimizersSettings,
}
MAX_Z = 1_000_000
USER = "user:"
"""Begins the name of a network that was given in Python as an ``nn.Module``."""
FILE = ".py:"
"""Stands in the name of a part that is a class in a person's own file."""
DEFAULT_PARTS = {"variant": "gan", "prior": "normal", "generator": "dcgan", "discriminator": "dcgan", "augment": "none"}


@dataclass(frozen=True)
class Part:
    """A named part and its validated settings."""

    name: str
    options: BaseModel

    def as_dict(self) -> dict[str, Any]:
        """``{"name": ..., **options}``."""
        return {"name": self.name, **self.options.model_dump()}


@dataclass(frozen=True)
class Recipe:
    """Everything that determines a run."""

    variant: Part
    prior: Part
    generator: Part
    discriminator: Part
    augment: Part
    data: DataSettings
    train: TrainSettings
    average: AverageSettings
    growth: GrowthSettings
    watch: WatchSettings
    optimizer: OptimizersSettings
    title: str = ""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Validate nested plain values; one sentence (:class:`BadConfig`) for the first thing wrong."""
        known = {*REGISTRIES, *TABLES, "title"}
        for key, value in values.items():
            if key not in known:
                other = f"{key!r} is not a section of a recipe.{did_you_mean(key, known)}"
                raise BadConfig(called_here(key) or other)
            if key != "title" and not isinstance(value, Mapping):
                raise BadConfig(f"{key} = {shown(value)} cannot be: {key} is a section, e.g. --set {example(key)}.")
            if key == "title" and not isinstance(value, str):
                raise BadConfig(f"title = {shown(value)} cannot be: it should be a text in quotes.")
        parts: dict[str, Any] = {key: read_part(key, values.get(key, {})) for key in REGISTRIES}
        tables: dict[str, Any] = {k: validate(schema, values.get(k, {}), k) for k, schema in TABLES.items()}
        return cls(**parts, **tables, title=str(values.get("title", "")))

    def as_dict(self) -> dict[str, Any]:
        """Nested plain values; ``Recipe.from_dict(recipe.as_dict()) == recipe``."""
        parts = {key: getattr(self, key).as_dict() for key in REGISTRIES}
        tables = {key: getattr(self, key).model_dump() for key in TABLES}
        return {"title": self.title, **parts, **tables}

    def to_toml(self) -> str:
        """The recipe as TOML text."""
        return write_toml(self.as_dict())

    def override(self, overrides: Iterable[str]) -> Recipe:
        """A copy with ``section.key=value`` applied."""
        return Recipe.from_dict(apply_overrides(self.as_dict(), overrides))

    def whole(self) -> Recipe:
        """The same with networks that are whole from the start, as they are for most of a run."""
        return replace(self, growth=GrowthSettings())

    def turns_of_d(self, step: int) -> int:
        """Turns of D in all rounds before this one."""
        train = self.train
        more = max(0, (train.n_d_long or 0) - train.n_d)
        return step * train.n_d + more * long_rounds(step, train.n_d_long_first, train.n_d_long_every)

    def build_variant(self, asked: Vocabulary | Lexicon | None = None) -> Variant:
        """The rules; ``asked`` is what the data's labels are, a stand-in where they were not read."""
        known = asked or self.stand_in()
        labels = known if isinstance(known, Vocabulary) else None
        variant: Variant = build("variant", self.variant, vocabulary=labels, prior=self.build_prior())
        return variant

    def stand_in(self) -> Vocabulary | Lexicon | None:
        """For trying players before the data was read: labels as many as z has numbers, or as many words as allowed."""
        data = self.data
        if data.reply_words:
            return any_words(data.words, data.question_words, data.reply_words)
        return any_labels(data.condition, self.build_prior().dim) if data.condition else None

    def build_prior(self) -> latents.Prior:
        """The simple distribution of z."""
        prior: latents.Prior = build("prior", self.prior)
        return prior

    def build_generator(self, asked: Vocabulary | Lexicon | None = None) -> nn.Module:
        """G, freshly initialised from torch's generator as it stands; ``asked``: labels, or words; nothing without."""
        G: nn.Module = build("generator", self.generator, **self.facts(asked))
        return G

    def build_discriminator(self, asked: Vocabulary | Lexicon | None = None) -> nn.Module:
        """D, freshly initialised from torch's generator as it stands."""
        facts = self.facts(asked)
        if not self.build_variant(asked).d_sees_condition:
            facts["condition_dim"] = 0
        D: nn.Module = build("discriminator", self.discriminator, **facts)
        return D

    def build_augment(self) -> Augment | None:
        """What D looks through; None for nothing."""
        augment: Augment | None = build("augment", self.augment)
        return augment

    def build_networks(self, asked: Vocabulary | Lexicon | None = None) -> tuple[nn.Module, nn.Module]:
        """G and D, in this order."""
        return self.build_generator(asked), self.build_discriminator(asked)

    def facts(self, asked: Vocabulary | Lexicon | None = None) -> dict[str, Any]:
        """What networks are told beside their own settings."""
        return {
            "z_dim": self.build_prior().dim,
            "image_size": self.data.image_size,
            "channels": self.data.channels,
            "condition_dim": asked.size if isinstance(asked, Vocabulary) else 0,
            "history": self.data.history,
            "lexicon": asked if isinstance(asked, Lexicon) else None,
            "outputs": self.build_variant(asked).d_outputs,
        }

    def check_long_rounds(self) -> None:
        """Refuse settings of long rounds that would do nothing."""
        train = self.train
        when = train.n_d_long_first or train.n_d_long_every
        if train.n_d_long is None and when:
            raise BadConfig("train.n_d_long_first and n_d_long_every do nothing without train.n_d_long: set it too.")
        if train.n_d_long is not None and not when:
            raise BadConfig(
                f"train.n_d_long = {train.n_d_long} does nothing: say in which rounds, by train.n_d_long_first "
                "or train.n_d_long_every."
            )
        if train.n_d_long is not None and train.n_d_long <= train.n_d:
            raise BadConfig(
                f"train.n_d_long = {train.n_d_long} cannot be: a long round has more turns of D than "
                f"train.n_d = {train.n_d}."
            )

    def check(self, asked: Vocabulary | Lexicon | None = None) -> None:
        """Construct everything without memory or data, so that what cannot be built is said at once.

        Args:
            asked: the data's labels, a stand-in where they were not read.
        """
        self.check_long_rounds()
        self.build_variant(asked)
        self.build_augment()
        self.check_kind()
        self.check_answers()
        if self.build_prior().dim > MAX_Z:
            raise BadConfig(f"prior.dim = {self.build_prior().dim} cannot be: z has at most {MAX_Z:,} numbers.")
        if not self.build_prior().dim and not (self.data.history or self.data.condition):
            raise BadConfig(
                f"prior.name = {self.prior.name!r} cannot be: without z, labels or frames G can only draw one picture; "
                "choose e.g. normal."
            )
        asked = asked or self.stand_in()
        if self.data.condition_drop and not self.data.condition:
            raise BadConfig("data.condition_drop hides labels, but data.condition names none: set it, e.g. to hair.")
        makers = ((self.generator, self.build_generator), (self.discriminator, self.build_discriminator))
        ours = [make for part, make in makers if not part.name.startswith(USER) and FILE not in part.name]
        # D first: it may allow fewer sides than G, so its sentence names those that are left
        with torch.device("meta"):
            nets = [make(asked) for make in reversed(ours)][::-1]
        check_growth(self.growth, nets)
        if self.build_discriminator in ours:
            refuse_batch_norm(nets[-1], self.build_variant(asked))
        layers = [layer for net in nets for layer in net.modules()]
        if self.train.batch == 1 and any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in layers):
            raise BadConfig("train.batch = 1 cannot be: BatchNorm needs at least 2 pictures a turn.")

    def check_answers(self) -> None:
        """A variant that compares several answers to one question needs questions, and them together."""
        many = self.build_variant().many
        if many > 1 and not self.data.history:
            raise BadConfig(
                f"The variant {self.variant.name!r} compares answers to one past: set data.history, e.g. to 3."
            )
        pieces = self.train.microbatch
        if pieces is not None and pieces % many:
            raise BadConfig(f"train.microbatch = {pieces} cannot be: this game wants a multiple of {many}.")

    def check_kind(self) -> None:
        """Networks for films want films, those for replies replies, all others pictures; neither kind has labels."""
        films, replies = bool(self.data.history), bool(self.data.reply_words)
        if films and self.data.condition:
            raise BadConfig("data.history and data.condition cannot be together: give frames or labels.")
        if films and self.augment.name != "none":
            raise BadConfig("data.history and augment.name cannot be together: the past would not be changed alike.")
        for name, value in {
            "data.condition": self.data.condition,
            "data.history": self.data.history,
            "watch.measure_every": self.watch.measure_every,
            "augment.name": self.augment.name != "none",
        }.items():
            if replies and value:
                raise BadConfig(f"data.reply_words and {name} cannot be together: {name} is about pictures.")
        for section in ("generator", "discriminator"):
            part: Part = getattr(self, section)
            if part.name.startswith(USER) or FILE in part.name:
                continue
            wants = {*inspect.signature(REGISTRIES[section].get(part.name)).parameters}
            if "history" in wants and not films and not (replies and "lexicon" in wants):
                raise BadConfig(f"The {section} {part.name!r} is for films: set data.history, e.g. to 3.")
            if "lexicon" in wants and not replies and not (films and "history" in wants):
                raise BadConfig(f"The {section} {part.name!r} is for replies: set data.reply_words, e.g. to 12.")
            if films and "history" not in wants:
                raise BadConfig(f"The {section} {part.name!r} does not look at frames before: use e.g. unet.")
            if replies and "lexicon" not in wants:
                raise BadConfig(f"The {section} {part.name!r} knows no words: use replies.")


def example(section: str) -> str:
    """A valid override of that section, for messages."""
    first = "name" if section in REGISTRIES else next(iter(TABLES[section].model_fields))
    return f"{section}.{first}=..."


def read_part(section: str, values: Mapping[str, Any]) -> Part:
    """The part a section names, its other keys validated against the part's own settings."""
    name = values.get("name", DEFAULT_PARTS[section])
    if not isinstance(name, str):
        raise BadConfig(f"{section}.name = {shown(name)} cannot be: it should be a name in quotes.")
    if name.startswith(USER):
        return Part(name, Settings())
    if FILE in name:  # absolute, so that the run can be resumed from anywhere
        file, _, part = name.rpartition(":")
        name = f"{Path(file).expanduser().resolve()}:{part}"
    schema = REGISTRIES[section].settings(name, GIVEN)
    options = {key: value for key, value in values.items() if key != "name"}
    refuse_unknown(section, options, ["name", *schema.model_fields])
    return Part(name, validate(schema, options, section))


def refuse_unknown(section: str, values: Mapping[str, Any], known: list[str]) -> None:
    """Name the nearest setting for the first unknown one: of this section, or else of any other."""
    for key in values:
        if key in known:
            continue
        if said := called_here(f"{section}.{key}"):
            raise BadConfig(said)
        elsewhere = {name: f"{table}.{name}" for table, schema in TABLES.items() for name in schema.model_fields}
        near = get_close_matches(key, elsewhere, n=1, cutoff=0.75)
        if near and not get_close_matches(key, known, n=1, cutoff=0.6):
            raise BadConfig(f"'{section}.{key}' is not a setting. Did you mean {elsewhere[near[0]]!r}?")
        raise BadConfig(f"'{section}.{key}' is not a setting.{did_you_mean(key, known)}")


def build(section: str, part: Part, **facts: Any) -> Any:
    """Construct a part; a constructor's ``ValueError`` becomes a sentence that names the section."""
    if part.name.startswith(USER):
        raise BadConfig(
            f"The {section} of this run was given in Python ({part.name}): give it again there, {section}=..."
        )
    try:
        made = REGISTRIES[section].build(part.name, dict(part.options), **facts)
    except LeafwingError:
        raise
    except Exception as error:
        if FILE not in part.name and not isinstance(error, ValueError):
            raise
        raise BadConfig(f"{section} {part.name!r} cannot be built: {error}.") from error
    if section in ("generator", "discriminator") and not isinstance(made, nn.Module):
        raise BadConfig(f"{section} {part.name!r} cannot be: it is no torch.nn.Module.")
    if section == "variant" and not isinstance(made, Variant):
        raise BadConfig(f"variant {part.name!r} cannot be: it is no leafwing.game.Variant.")
    return made


def file_of(name_or_file: str) -> Path:
    """A shipped recipe's file by its name, or any TOML file; also by a name as people write it, if no file has it.

    Raises:
        BadConfig: neither.
    """
    known = shipped()
    if name_or_file in known:
        return known[name_or_file]
    if name_or_file.endswith(".toml") or os.path.isfile(name_or_file):
        return Path(name_or_file)
    if called := recipe_called(name_or_file):
        return known[called]
    raise BadConfig(f"No recipe is called {shown(name_or_file)}.{did_you_mean(name_or_file, known)}")


def load_recipe(name_or_file: str, overrides: Iterable[str] = (), check: bool = True) -> Recipe:
    """A shipped recipe by name, or any TOML file, with overrides applied and, if asked, everything built to try."""
    path = file_of(name_or_file)
    try:
        recipe = Recipe.from_dict(apply_overrides(read_toml(path), overrides))
    except RecursionError:
        raise BadConfig(f"{shown(path)} is not a recipe: it is {TOO_DEEP}.") from None
    if check:
        recipe.check()
    return recipe
