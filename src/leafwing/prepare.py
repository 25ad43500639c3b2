"""From a recipe to players at a table: the device, the data, G, D and their optimisers, ready for the first round."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from leafwing.contract import check_players, settle_sizes
from leafwing.core import randomness
from leafwing.core.config import Settings
from leafwing.core.errors import BadConfig
from leafwing.core.lexicon import Lexicon
from leafwing.core.progress import counting, say
from leafwing.core.ranks import SOLO, Ranks
from leafwing.core.vocabulary import Vocabulary
from leafwing.data import Store, open_data
from leafwing.data.conditions import Conditions
from leafwing.data.conversations import Asked, Conversations, open_conversations
from leafwing.data.drawn import find_world, is_world, must_be_known
from leafwing.data.feed import Feed
from leafwing.data.films import Films, find_played, open_films
from leafwing.data.label_doors import read_labels
from leafwing.data.windows import Windows
from leafwing.game import Players, play_round
from leafwing.graphs import GraphedRounds
from leafwing.latents import check_prior
from leafwing.networks.growing import Growth
from leafwing.networks.synced import sync_batchnorm
from leafwing.recipe import USER, Part, Recipe
from leafwing.training import Reals, Training


@dataclass(frozen=True)
class Given:
    """Networks handed over in Python instead of being named in the recipe; None for the recipe's own."""

    generator: nn.Module | None = None
    discriminator: nn.Module | None = None

    def note(self, recipe: Recipe) -> Recipe:
        """The recipe with the names of these networks, so that the run tells the truth about itself."""
        parts = {"generator": self.generator, "discriminator": self.discriminator}
        names = {key: Part(USER + type(net).__name__, Settings()) for key, net in parts.items() if net is not None}
        return replace(recipe, **names)  # type: ignore[arg-type]

    def build(self, recipe: Recipe, asked: Vocabulary | Lexicon | None = None) -> tuple[nn.Module, nn.Module]:
        """G and D: those given, and the recipe's where none was."""
        return (
            self.generator or recipe.build_generator(asked),
            self.discriminator or recipe.build_discriminator(asked),
        )


OURS = Given()
"""Nothing handed over: both networks are the recipe's."""


def choose_device(name: str) -> torch.device:
    """``"auto"`` is the GPU where there is one, each rank its own; anything else is torch's own name."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    try:
        device = torch.device(name)
        torch.empty(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise BadConfig(f"--device {name} cannot be used here: {reason}. Use auto, cpu or cuda.") from None
    return device


def read_store(recipe: Recipe) -> Store:
    """The recipe's data, built on first use and reused afterwards, with a progress bar."""
    data = recipe.data
    if data.history:
        with counting("reading films") as report:
            films = open_films(data.source, channels=data.channels, count=data.count, progress=report)
        films.history, films.drop_still = data.history, data.drop_still
        return films
    if data.reply_words:
        return read_replies(recipe)
    if is_world(data.source):
        must_be_known(data.source)
    with counting("reading pictures") as report:
        store = open_data(
            data.source,
            image_size=data.image_size,
            channels=data.channels,
            fit=data.fit,
            count=data.count,
            max_bad_share=data.max_bad_share,
            progress=report,
        )
    if data.condition:
        whole = data.count is None or len(store) + len(store.bad) < data.count  # fewer than asked for are all there are
        store.labels = read_labels(store, data.condition, hides=data.condition_drop > 0, whole=whole)
    return store


def read_replies(recipe: Recipe) -> Conversations:
    """The recipe's questions and replies."""
    data = recipe.data
    limits = data.words, data.question_words, data.reply_words
    return open_conversations(data.source, *limits, data.count, data.max_bad_share)


def try_source(recipe: Recipe) -> bool:
    """Whether films, or questions and replies, are there; if so they were read as a run will, which finds them ready.

    What is left out of them is said, as by a run.

    Pictures are not looked at, and of a world no more than its name.

    Raises:
        BadData: the sentence with which a run would stop.
        BadConfig: likewise.
    """
    data = recipe.data
    if is_world(data.source):
        if data.history:
            find_played(data.source, 0)
        elif data.reply_words:
            read_replies(recipe)
        else:
            must_be_known(data.source)
            find_world(data.source, 0)
        return False
    if data.kind == "pictures" or not os.path.exists(os.path.expanduser(data.source)):
        return False
    store = read_store(recipe)
    if isinstance(store, Films):
        windows_of(recipe, store, recipe.build_variant().many)
    for remark in store.remarks:
        say(remark)
    return True


def windows_of(
    recipe: Recipe,
    films: Films,
    many: int,
    device: torch.device | str = "cpu",
    channels_last: bool = True,
    ranks: Ranks = SOLO,
) -> Windows:
    """The recipe's windows of films; raises as `Windows`."""
    train, data = recipe.train, recipe.data
    return Windows(
        films,
        data.history,
        data.image_size,
        train.batch,
        train.seed,
        many=many,
        noise=data.history_noise,
        flip=data.flip,
        drop_still=data.drop_still,
        device=device,
        channels_last=channels_last,
        ranks=ranks,
    )


def prepare(recipe: Recipe, store: Store, device: torch.device, given: Given = OURS, ranks: Ranks = SOLO) -> Training:
    """Build everything the game needs; equal recipes give equal players, bit by bit."""
    train, data = recipe.train, recipe.data
    if train.batch % ranks.count:
        raise BadConfig(
            f"train.batch = {train.batch} cannot be shared evenly by {ranks.count} ranks: choose a multiple of it."
        )
    randomness.seed_networks(train.seed, -1)  # -1: before the first round
    asked = store.lexicon if isinstance(store, Conversations) else store.labels.vocabulary if store.labels else None
    G, D = given.build(recipe, asked)
    variant, prior = recipe.build_variant(asked), check_prior(recipe.build_prior())
    trial = trial_condition(recipe, asked)
    pictures = (data.channels, data.image_size, data.image_size)
    settle_sizes(G, D, variant, prior, store.shape if isinstance(store, Conversations) else pictures, trial)
    channels_last = train.channels_last and given == OURS  # a module of one's own may use .view
    layout = torch.channels_last if channels_last else torch.contiguous_format
    G, D = G.to(device, memory_format=layout), D.to(device, memory_format=layout)  # type: ignore[call-overload]
    if ranks.count > 1 and train.sync_batchnorm:
        G, D = sync_batchnorm(G), sync_batchnorm(D)
    if isinstance(store, Conversations):
        replies, questions = store.serve(train.batch, train.seed, device, ranks)
        check_players(G, D, variant, prior, store.shape, trial, device)
        return seat(recipe, G, D, replies, device, ranks, questions)
    check_players(G, D, variant, prior, pictures, trial, device, layout)
    if isinstance(store, Films):
        windows = windows_of(recipe, store, variant.many, device, channels_last, ranks)
        return seat(recipe, G, D, windows, device, ranks, windows.past)
    reals = Feed(
        store.pictures,
        train.batch,
        train.seed,
        flip=data.flip,
        device=device,
        channels_last=channels_last,
        ranks=ranks,
    )
    conditions = Conditions(store.labels, reals, data.condition_drop, device) if store.labels else None
    return seat(recipe, G, D, reals, device, ranks, conditions)


def seat(
    recipe: Recipe,
    G: nn.Module,
    D: nn.Module,
    reals: Reals,
    device: torch.device,
    ranks: Ranks = SOLO,
    conditions: Conditions | Asked | Reals | None = None,
) -> Training:
    """G and D at the table, by the recipe's rules, prior, optimisers and schedules, wherever the reals come from.

    Args:
        recipe: its networks and data are not asked for.
        G: on the device, checked.
        D: likewise.
        reals: turn -> this rank's ``train.batch`` real samples.
        device: where the game is played.
        ranks: who plays it.
        conditions: what is said of the reals, what they answer, or what came before them; None where G sees z alone.
    """
    train = recipe.train
    told = conditions if isinstance(conditions, Conditions | Asked) else None
    asked = told.vocabulary if told else None
    variant, prior = recipe.build_variant(asked), recipe.build_prior()
    if variant.memory is not None:
        variant.memory.to(device)
    rules = recipe.optimizer.generator, recipe.optimizer.discriminator
    graphs = train.graphs and device.type == "cuda" and ranks.count == 1 and all(rule.can_be_recorded for rule in rules)
    opt_G, opt_D = (rule.build(net.parameters(), graphs) for rule, net in zip(rules, (G, D), strict=True))
    average = copy.deepcopy(G).requires_grad_(False)
    if train.compile:
        G.compile()
        D.compile()
    augment = recipe.build_augment()
    players = Players(
        G,
        D,
        opt_G,
        opt_D,
        prior,
        train.seed,
        precision(train.precision, device),
        ranks,
        train.microbatch,
        train.share_fakes,
        augment=augment.to(device) if augment is not None else None,
    )

    growth = Growth(recipe.growth, (G, D, average), (opt_G, opt_D))

    def shown(step: int) -> int:
        return recipe.turns_of_d(step) * train.batch  # real images before this round

    def schedules(step: int) -> None:
        variant.set_schedule(shown(step))
        growth.set_schedule(shown(step), shown(step - 1) if step else None)
        for rule, opt in zip(rules, (opt_G, opt_D), strict=True):
            rule.set_schedule(opt, step, shown(step))

    def settled(step: int) -> bool:
        return growth.settled(shown(step)) and all(rule.settled(step, shown(step)) for rule in rules)

    growth.set_schedule(0)

    return Training(
        variant=variant,
        players=players,
        reals=reals,
        average=average,
        goal=train.steps,
        n_d=train.n_d,
        turns_of_d=recipe.turns_of_d,
        n_g=train.n_g,
        before_round=schedules,
        seen=growth.seen,
        play=GraphedRounds(settled) if graphs else play_round,
        conditions=conditions,
        wrong=told.wrong if told and variant.wants_wrong else None,
        vocabulary=asked if isinstance(asked, Vocabulary) else None,
        lexicon=asked if isinstance(asked, Lexicon) else None,
    )


def trial_condition(recipe: Recipe, asked: Vocabulary | Lexicon | None) -> Tensor | None:
    """A condition for 4 samples, to try the players with: frames that came before, questions of one word, or labels."""
    data, n = recipe.data, 4
    if data.history:
        shape = (n, data.history * data.channels, data.image_size, data.image_size)
        return torch.from_numpy(randomness.stream(0, 0, "contract/history").uniform(-1, 1, shape).astype(np.float32))
    if isinstance(asked, Lexicon):
        return torch.arange(n)[:, None] % len(asked) * (torch.arange(asked.question) == 0)
    return torch.eye(asked.size)[torch.arange(n) % asked.size] if asked else None


def settle(recipe: Recipe, device: torch.device) -> Recipe:
    """The recipe with ``train.precision = "auto"`` made definite for this machine."""
    if recipe.train.precision != "auto":
        return recipe
    return recipe.override([f"train.precision={'bf16' if computes_bf16(device) else 'fp32'}"])


def computes_bf16(device: torch.device) -> bool:
    """Whether the device has instructions for bf16; without them a CPU is ten times slower in it than in fp32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    probes = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return device.type == "cpu" and any(probe() for probe in probes if probe is not None)


def precision(name: str, device: torch.device) -> Callable[[], AbstractContextManager[object]]:
    """What forward passes run in: nothing for fp32, autocast for bf16."""
    return partial(torch.autocast, device.type, dtype=torch.bfloat16) if name == "bf16" else nullcontext
