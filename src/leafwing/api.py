"""The few functions that the command line, the studio and notebooks call."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn

from leafwing import estimate as estimating
from leafwing import evaluation, loading
from leafwing import run as runs
from leafwing._version import __version__
from leafwing.core import pictures
from leafwing.core.errors import BadConfig
from leafwing.core.progress import counting, say
from leafwing.core.randomness import check_seed
from leafwing.data import Report, check, label_doors
from leafwing.explore import faces as looking
from leafwing.explore import predict as predicting
from leafwing.explore import replies as replying
from leafwing.explore import sample as sampling
from leafwing.explore import sure
from leafwing.explore import walk as walking
from leafwing.explore.asked import Asking
from leafwing.explore.asked import sheet as asked_sheet
from leafwing.explore.chat import Chat, Talk
from leafwing.generator import Generator, truncated
from leafwing.measure.verdict import Verdict
from leafwing.prepare import Given, read_replies
from leafwing.prepare import try_source as trying
from leafwing.recipe import Recipe, file_of, load_recipe, shipped
from leafwing.run import Outcome
from leafwing.watch.alarms import ringing
from leafwing.watch.checkpoint import PREFIX
from leafwing.watch.meter import read_rows

FILM_SIDE = 256
"""Films of pictures smaller than this are enlarged towards it, in pixels."""


def make_recipe(
    data: str | os.PathLike[str] | None = None,
    recipe: str | os.PathLike[str] = "dcgan",
    *,
    steps: int | None = None,
    batch: int | None = None,
    seed: int | None = None,
    settings: Iterable[str] = (),
) -> Recipe:
    """A recipe by name or file, with the data and overrides applied and everything checked.

    Args:
        data: what to train on; the recipe's own source if not given.
        recipe: a shipped name or a TOML file.
        steps: short for ``train.steps``.
        batch: short for ``train.batch``.
        seed: short for ``train.seed``.
        settings: further overrides, ``"section.key=value"``.
    """
    return plan(data, recipe, steps, batch, seed, settings, check=True)


def plan(
    data: str | os.PathLike[str] | None,
    recipe: str | os.PathLike[str] | Recipe,
    steps: int | None,
    batch: int | None,
    seed: int | None,
    settings: Iterable[str],
    check: bool,
) -> Recipe:
    """A recipe by name, by file or as it is, with everything applied that was asked for."""
    short = {"train.steps": steps, "train.batch": batch, "train.seed": seed}
    overrides = [f"{key}={value}" for key, value in short.items() if value is not None]
    if data is not None:
        source = str(data) if str(data).startswith("world:") else str(Path(data).expanduser().resolve())
        overrides.append(f"data.source={json.dumps(source, ensure_ascii=False)}")
    overrides += settings
    if isinstance(recipe, Recipe):
        return recipe.override(overrides)
    made = load_recipe(str(recipe), overrides, check)
    is_asked = file_of(str(recipe)) not in shipped().values() or any(one.startswith("data.count") for one in overrides)
    if is_asked or made.data.source.startswith("world:"):
        return made
    return replace(made, data=made.data.model_copy(update={"count": None}))  # a shipped count is for drawing a world


def train(
    data: str | os.PathLike[str] | None = None,
    recipe: str | os.PathLike[str] | Recipe = "dcgan",
    *,
    out: str | os.PathLike[str] | None = None,
    steps: int | None = None,
    batch: int | None = None,
    seed: int | None = None,
    settings: Iterable[str] = (),
    device: str = "auto",
    generator: nn.Module | None = None,
    discriminator: nn.Module | None = None,
) -> Outcome:
    """Train a generator into a new run folder.

    Args:
        data: a folder, .zip, .tar, .npz or idx file, or a world such as ``"world:faces"``.
        recipe: a shipped name, a TOML file, or a :class:`Recipe`.
        out: the run folder; ``runs/RECIPE-1`` and so on if not given.
        steps: rounds to play, one update of G each.
        batch: pictures a turn.
        seed: everything random follows from it.
        settings: overrides, ``"section.key=value"``.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        generator: your own ``nn.Module``, z -> pictures in [-1, 1], instead of the recipe's.
        discriminator: your own ``nn.Module``, pictures -> logits.

    Returns:
        Where the run is and how far it got.

    Raises:
        LeafwingError: one sentence on what cannot be.
    """
    given = Given(generator, discriminator)
    resolved = given.note(plan(data, recipe, steps, batch, seed, settings, check=False))
    resolved.check()
    name = "run" if isinstance(recipe, Recipe) else Path(recipe).stem
    folder = Path(out) if out is not None else free_folder(name)
    try:
        return runs.start(resolved, folder, device, given)
    except Exception as error:
        if not estimating.is_out_of_memory(error):
            raise
        raise estimating.out_of_memory(error, resolved, device) from None


def estimate(recipe: Recipe, *, device: str = "auto", seconds: float = estimating.SECONDS) -> estimating.Estimate:
    """Shapes, parameters, memory and time of a recipe, from a few rounds on random pictures; no data is read.

    Args:
        recipe: what to try, from :func:`make_recipe`.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        seconds: for the probe.
    """
    return estimating.estimate(recipe, device, seconds)


def try_source(recipe: Recipe) -> bool:
    """Whether films, or questions and replies, are there and could be read; pictures are not looked at.

    Raises:
        LeafwingError: the sentence with which a run would stop.
    """
    return trying(recipe)


def try_labels(recipe: Recipe) -> bool:
    """Whether the recipe's labels could be read, without decoding a picture; not if the source is not there yet.

    Raises:
        LeafwingError: the sentence with which a run would stop: labels that cannot be, or players that so many of them
            do not fit.
    """
    data = recipe.data
    labels = label_doors.try_labels(data.source, data.condition, data.count, data.condition_drop > 0)
    if labels is not None:
        recipe.check(labels.vocabulary)
    return labels is not None


def free_folder(name: str) -> Path:
    """``runs/NAME-1``, or the first number that is free."""
    number = 1
    while Path(f"runs/{name}-{number}").exists():
        number += 1
    return Path(f"runs/{name}-{number}")


def resume(
    run: str | os.PathLike[str],
    *,
    steps: int | None = None,
    device: str = "auto",
    accept_new_data: bool = False,
    generator: nn.Module | None = None,
    discriminator: nn.Module | None = None,
) -> Outcome:
    """Go on with a run from its newest sound checkpoint, bit-identically on the same machine.

    Args:
        run: the run folder.
        steps: a new goal, in rounds from the beginning.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        accept_new_data: go on although the data changed.
        generator: the module given to :func:`train`, if one was.
        discriminator: likewise.
    """
    try:
        return runs.resume(Path(run), steps, device, accept_new_data, Given(generator, discriminator))
    except Exception as error:
        if not estimating.is_out_of_memory(error):
            raise
        raise estimating.out_of_memory(error, runs.read_recipe(Path(run)), device) from None


def load(run: str | os.PathLike[str], *, device: str = "auto", generator: nn.Module | None = None) -> Generator:
    """The averaged generator of a run, or of a ``generator/`` folder copied out of one.

    Args:
        run: a run folder or its ``generator/``.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        generator: the module given to :func:`train`, if one was.
    """
    return loading.load_generator(Path(run), device, generator)


def chat(run: str | os.PathLike[str], *, seed: int = 0, device: str = "auto") -> Talk:
    """A conversation with a run of replies: ``leafwing.chat("runs/chat").answer("who is fenna?")``.

    Args:
        run: a run folder or its ``generator/``.
        seed: the same seed and questions give the same answers.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
    """
    check_seed(seed)
    return Talk(Chat(load(run, device=device)), seed)


def measure_replies(
    run: str | os.PathLike[str], *, draws: int = replying.DRAWS, seed: int = 0, device: str = "auto"
) -> list[replying.Quality]:
    """The answers of a run to the questions of its own data, and the true ones beside them.

    Args:
        run: a run folder or its ``generator/``, of a recipe such as ``chat-gan``.
        draws: answers to each question.
        seed: which z, and which questions where there are very many.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
    """
    check_seed(seed)
    G = load(run, device=device)
    return replying.measure(Chat(G), read_replies(Recipe.from_dict(G.card["recipe"])), draws, seed)


def status(run: str | os.PathLike[str]) -> dict[str, Any]:
    """How far a run is: JSON-able."""
    folder = Path(run)
    recipe = runs.read_recipe(folder)
    path = folder / runs.METRICS
    rows = read_rows(path) if path.exists() else []
    saved = sorted(p.name for p in (folder / "checkpoints").glob(f"{PREFIX}*") if p.name.removeprefix(PREFIX).isdigit())
    last = rows[-1] if rows else {}
    return {
        "run": str(folder),
        "title": recipe.title,
        "data": recipe.data.source,
        "step": int(last.get("step", 0)),
        "steps": recipe.train.steps,
        "newest_checkpoint": saved[-1] if saved else None,
        "alarms": ringing(rows),
        "last": last,
    }


def sample(
    run: str | os.PathLike[str],
    count: int,
    seed: int,
    out: str | os.PathLike[str],
    *,
    given: Sequence[str] = (),
    truncation: float | None = None,
    device: str = "auto",
    generator: nn.Module | None = None,
) -> Path:
    """Draw ``count`` pictures: one sheet if ``out`` ends in .png, else single files into the folder ``out``.

    Every file carries its z, seed and where it comes from in its metadata. Memory stays bounded for single files.

    Args:
        run: a run folder or its ``generator/``.
        count: how many, at least 1.
        seed: picture i depends on (seed, i) alone.
        out: a .png file or a folder.
        given: what to ask a conditional generator for, ``"hair=blue"``; ``"eyes=*"`` gives each of ``count`` z with
            every value; what is not named is drawn as in the data.
        truncation: less variety, fewer broken pictures: each number of z is drawn within +-truncation (BigGAN), or
            styles are drawn towards their mean for truncation below 1 (StyleGAN).
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        generator: the module given to :func:`train`, if one was.
    """
    if count < 1:
        raise BadConfig(f"--count {count} cannot be: draw at least 1 picture.")
    check_seed(seed)
    G = load(run, device=device, generator=generator)
    target = Path(out)
    about = provenance(G, seed) | ({"leafwing:truncation": str(truncation)} if truncation is not None else {})
    about |= {"leafwing:given": " ".join(given)} if given else {}
    asked = Asking(G, tuple(given))
    if asked.note:
        say(asked.note)
    drawn = asked.draw(count, seed, truncation)
    if target.suffix.lower() == ".png":
        target.parent.mkdir(parents=True, exist_ok=True)
        sheet = asked_sheet([some.pictures for some in drawn], asked.values)
        pictures.save_png(sheet, target, about | {"leafwing:count": str(count)})
        return target
    target.mkdir(parents=True, exist_ok=True)
    number, total = 0, count * max(1, len(asked.values))
    with counting("drawing") as report:
        for some in drawn:
            for vector, said, picture in zip(some.z, some.words, pictures.to_uint8(some.pictures), strict=True):
                facts = about | {"leafwing:index": str(number), "leafwing:z": sampling.latent_to_text(vector)}
                facts |= {"leafwing:condition": said} if said else {}
                pictures.save_png(pictures.to_image(picture), target / f"{number:06}.png", facts)
                number += 1
            report(number, total)
    return target


def provenance(G: Generator, seed: int) -> dict[str, str]:
    """What every picture says of itself: made by a machine, by which one, from which seed."""
    return {
        "Software": f"Leafwing {__version__}: picture made by a generator",
        "leafwing:step": str(G.card.get("step", "")),
        "leafwing:recipe": str(G.card.get("recipe", {}).get("title", "")),
        "leafwing:seed": str(seed),
    }


def interpolate(
    run: str | os.PathLike[str],
    seeds: Sequence[int],
    out: str | os.PathLike[str],
    *,
    frames: int = 15,
    kind: walking.Kind = "spherical",
    given: Sequence[str] = (),
    truncation: float | None = None,
    device: str = "auto",
    generator: nn.Module | None = None,
) -> Path:
    """Walk through z from seed to seed: a strip (.png), or a film there and back (.gif, .mp4).

    Args:
        run: a run folder or its ``generator/``.
        seeds: at least two; the picture of a seed is the first that ``sample --seed`` draws.
        out: ends in .png, .gif or .mp4.
        frames: pictures between two seeds.
        kind: ``"spherical"`` keeps the length of z, ``"linear"`` is the straight line.
        given: what to ask for all along, as for :func:`sample`; what is not named is drawn once, by the first seed.
        truncation: as for :func:`sample`.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        generator: the module given to :func:`train`, if one was.
    """
    target = Path(out)
    if target.suffix.lower() not in (".png", ".gif", ".mp4"):
        raise BadConfig(f"--out {target} should end in .png, .gif or .mp4.")
    if len(seeds) < 2:
        raise BadConfig("Give at least two seeds, e.g. --seeds 1,2,3.")
    check_seed(min(seeds))
    if frames < 0:
        raise BadConfig(f"--frames {frames} cannot be: it is the number of pictures between two seeds.")
    G = load(run, device=device, generator=generator)
    asked = Asking(G, tuple(given))
    if asked.note:
        say(asked.note)
    if asked.values:
        raise BadConfig("--given ...=* cannot be: a walk asks for one thing all along; name a value.")
    network, prior = truncated(G.network, G.prior, truncation)
    zs = torch.cat([sampling.latents_at(prior, seed, 0, 1) for seed in seeds])
    film = target.suffix.lower() != ".png"
    path = walking.walk(zs, frames, kind, closed=film).to(sampling.device_of(network))
    target.parent.mkdir(parents=True, exist_ok=True)
    # One at a time: so each picture is bit for bit what G makes of that z alone.
    found = asked.conditions(seeds[0], 0, 1)
    condition = found[0].to(path.device) if found else None
    shots = pictures.to_uint8(torch.cat([sampling.generate(network, z[None], condition) for z in path]))
    about = provenance(G, seeds[0]) | {"leafwing:seeds": json.dumps(list(seeds)), "leafwing:walk": kind}
    about |= {"leafwing:given": " ".join(given)} if given else {}
    if not film:
        pictures.save_png(pictures.sheet(shots, columns=frames + 2 if len(seeds) == 2 else frames + 1), target, about)
        return target
    zoom = max(1, FILM_SIDE // shots.shape[1])  # whole pixels, so that small pictures can be seen and stay exact
    images: list[Image.Image] = [pictures.sheet(shot[None], gap=0, scale=zoom) for shot in shots]
    save = pictures.save_gif if target.suffix.lower() == ".gif" else pictures.save_mp4
    save(images, target, fps=12)
    return target


def predict(
    run: str | os.PathLike[str],
    frames: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    steps: int = 64,
    samples: int = 8,
    seed: int = 0,
    episode: int = 0,
    start: int | None = None,
    fps: float = 8,
    tries: int = sure.TRIES,
    device: str = "auto",
) -> dict[str, Any]:
    """Go on from a moment of a film, several times: a film (.gif, .mp4) or a sheet (.png), and how near it is.

    Args:
        run: a run of a generator of next frames, or its ``generator/``.
        frames: films, as for training.
        out: ends in .gif, .mp4 or .png.
        steps: frames to draw.
        samples: futures.
        seed: of z.
        episode: of the films, from 0.
        start: the first frame that is given; where play begins if left out.
        fps: frames a second of the film.
        tries: z drawn for a frame that G is not sure of, or for one of many places; 1 takes frames as they come.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
    """
    target = Path(out)
    if target.suffix.lower() not in (".png", ".gif", ".mp4"):
        raise BadConfig(f"--out {target} should end in .gif, .mp4 or .png.")
    if not 0 < fps <= 1000:
        raise BadConfig(f"--fps {fps} cannot be: above 0, at most 1000.")
    check_seed(seed)
    G = load(run, device=device)
    with counting("predicting") as report:
        futures = predicting.predict(G, str(frames), steps, samples, seed, episode, start, report, tries)
    predicting.show(futures, target, fps, provenance(G, seed) | {"leafwing:frames": str(frames)})
    return {"out": str(target), **futures.measured()}


def faces(
    subject: str | os.PathLike[str],
    *,
    count: int = 2000,
    seed: int = 0,
    cascade: str | os.PathLike[str] | None = None,
    broken: str | os.PathLike[str] | None = None,
    middle: str | os.PathLike[str] | None = None,
    device: str = "auto",
) -> looking.FacesReport:
    """Drawn faces against the truth of ``world:faces``: each factor, hair x eyes, broken ones, left plus right.

    Args:
        subject: a run folder, a folder or archive of pictures, or ``"world:faces"``.
        count: how many, at least 2.
        seed: of the samples.
        cascade: an LBP cascade's file, for AFD.
        broken: a .png file for a sheet sorted from the most broken face to the best.
        middle: a .png file for walks from left-looking to right-looking faces; they are then tested.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
    """
    return looking.look(
        str(subject), count=count, seed=seed, cascade=cascade, broken=broken, middle=middle, device=device
    )


def check_data(data: str | os.PathLike[str], *, image_size: int = 64, count: int | None = None) -> Report:
    """The dataset doctor: what is there, what is wrong with it, what would be done."""
    with counting("checking") as report:
        return check(data, image_size=image_size, count=count, progress=report)


def evaluate(
    subject: str | os.PathLike[str],
    data: str | os.PathLike[str] | None = None,
    *,
    metrics: Iterable[str] | None = None,
    features: str | None = None,
    count: int | None = None,
    seed: int = 0,
    resizer: str | None = None,
    image_size: int | None = None,
    channels: int | None = None,
    nearest: int = 5,
    resamples: int = 20,
    device: str = "auto",
    download: bool = False,
) -> Verdict:
    """How good samples are, and how sure that is: each measure with its spread, and the protocol behind them.

    Args:
        subject: a run folder, its ``generator/``, a folder of pictures, or any data source.
        data: what to compare with; a run's own data if not given.
        metrics: names from ``leafwing.measure.panel.MEASURES``, or with commas between them; the usual ones by default.
        features: ``"pixels"``, ``"faces"``, ``"squeezenet=FILE"``, ``"inception=FILE"``, … or a file; see
            docs/measures.md.
        count: pictures of each side; all, at most 10,000, by default.
        seed: which samples, and everything random in the measures.
        resizer: another than the network's own: ``"clean"``, ``"legacy"``, ``"area"``.
        image_size: brings folders of pictures to this side.
        channels: 1 compares folders of pictures in grey.
        nearest: k of precision, recall, density and coverage.
        resamples: draws with replacement for the spread.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        download: whether Inception's weights may be fetched.
    """
    names = None if metrics is None else [name for text in metrics for name in text.split(",") if name]
    return evaluation.evaluate(
        str(subject), None if data is None else str(data), metrics=names, network=features, count=count, seed=seed,
        resizer=resizer, image_size=image_size, channels=channels, nearest=nearest, resamples=resamples,
        device=device, download=download,
    )  # fmt: skip


__all__ = [
    "chat",
    "check_data",
    "evaluate",
    "faces",
    "interpolate",
    "load",
    "make_recipe",
    "resume",
    "sample",
    "status",
    "train",
]
