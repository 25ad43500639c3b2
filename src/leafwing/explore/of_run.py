"""Looks at a run folder: its neighbours in the data, its two players, where D looks, its slopes and curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from leafwing.core import pictures, randomness
from leafwing.core.errors import BadConfig, BadData, BadRun
from leafwing.core.progress import counting, say
from leafwing.core.vocabulary import Vocabulary
from leafwing.data import Store
from leafwing.explore import heat
from leafwing.explore.asked import Asking
from leafwing.explore.charts import Line, chart
from leafwing.explore.gaze import Norms, layer_norms, saliency
from leafwing.explore.moments import Cast, moments, some_moments
from leafwing.explore.players import Duels, as_told, duels, fakes_of, moved
from leafwing.game import Batch, Variant, judge
from leafwing.latents import Prior
from leafwing.loading import load_generator
from leafwing.measure import features as networks
from leafwing.measure import neighbours
from leafwing.measure.neighbours import Features, Neighbours
from leafwing.prepare import OURS, Given, choose_device, read_store
from leafwing.recipe import Recipe
from leafwing.run import MEASURES, METRICS, read_recipe
from leafwing.watch.meter import Row, read_rows

LARGE = 64
"""Pictures on sheets are enlarged to about this side, so that small ones can be seen."""


@dataclass(frozen=True)
class Look:
    """A run, opened to be looked at.

    Attributes:
        folder: the run.
        recipe: its own, with another source of data if one was asked for.
        device: where networks work.
        given: networks handed over in Python, if it was played with such.
        data: another source of data, if one was asked for.
    """

    folder: Path
    recipe: Recipe
    device: torch.device
    given: Given = OURS
    data: str | None = None

    @cached_property
    def store(self) -> Store:
        """The pictures; prepared now if they are not."""
        return read_store(self.recipe)

    @cached_property
    def vocabulary(self) -> Vocabulary | None:
        """What the players are told beside z; None for nothing."""
        labels = self.store.labels if self.recipe.data.condition else None
        return labels.vocabulary if labels else None

    @cached_property
    def cast(self) -> Cast:
        """Both networks, to be dressed as at any moment."""
        return Cast(self.recipe, self.device, self.given, self.vocabulary)

    @cached_property
    def variant(self) -> Variant:
        """The rules of the game."""
        return self.recipe.build_variant(self.vocabulary)

    @cached_property
    def prior(self) -> Prior:
        """Where z comes from."""
        return self.recipe.build_prior()

    @cached_property
    def rows(self) -> list[Row]:
        """The lines of its log; none if there is no log."""
        path = self.folder / METRICS
        return read_rows(path) if path.exists() else []

    @cached_property
    def measures(self) -> list[Row]:
        """The lines of ``measures.jsonl``, oldest first; none where the recipe does not measure."""
        path = self.folder / MEASURES
        return read_rows(path) if path.exists() else []

    def reals(self, count: int, seed: int = 0) -> Batch:
        """Training pictures drawn at random, on the CPU; fewer if there are not so many."""
        which = randomness.stream(seed, 0, "looked-at").permutation(len(self.store))[:count]
        which = np.sort(which)
        labels = self.store.labels if self.recipe.data.condition else None
        told = torch.from_numpy(labels.vocabulary.encode(labels.codes[which])) if labels else None
        return Batch(neighbours.as_pictures(self.store.pictures[which]), told)


def look(
    run: Path, data: str | None = None, device: str = "auto", given: Given = OURS, of_pictures: bool = True
) -> Look:
    """Open a run folder.

    Args:
        run: the run folder.
        data: the training pictures, if they are no longer where the run found them.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        given: networks handed over in Python, if the run was played with such.
        of_pictures: whether it has to be a run that draws some.

    Raises:
        BadRun: no run there.
        BadConfig: a chat run, where pictures are wanted.
    """
    recipe = read_recipe(run)
    if recipe.data.reply_words and of_pictures:
        raise BadConfig(f"{run} answers questions and draws no pictures: ask it by `leafwing chat {run}`.")
    if data is not None:
        recipe = Recipe.from_dict(recipe.as_dict() | {"data": recipe.data.model_dump() | {"source": data}})
    return Look(run, recipe, choose_device(device), given, data)


def find_neighbours(
    run: Look, count: int = 64, seed: int = 1, features: str | None = None
) -> tuple[Neighbours, Tensor]:
    """The nearest training pictures of ``count`` new samples, and these samples [count, c, h, w].

    ``features`` names a network, as for ``leafwing evaluate``; None compares all pixels.
    """
    at_least("--count", count, 1)
    seen: Features = neighbours.pixels
    if features is not None:
        net = networks.load(features, run.device)
        seen = lambda shots: net((shots + 1) * 127.5)  # noqa: E731
    G = load_generator(run.folder, str(run.device), run.given.generator)
    store = run.store
    if G.card.get("data") != store.fingerprint:
        say(f"{store.source} does not hold the pictures that {run.folder} was trained on: copies may be missed.")
    if len(store) < 3:
        raise BadData(f"{store.source} holds {len(store)} pictures: neighbours need at least 3.")
    samples = torch.cat([some.pictures.float().cpu() for some in Asking(G).draw(count, seed)])
    with counting("comparing") as report:
        found = neighbours.find(samples, store.pictures, features=seen, device=run.device, progress=report)
    return found, samples


def neighbours_sheet(run: Look, found: Neighbours, samples: Tensor, most: int = 12) -> Image.Image:
    """The samples nearest to a training picture, the most suspicious first, each beside its neighbours."""
    order = found.closeness.argsort()[:most].tolist()
    shots = pictures.to_uint8(samples[order])
    rows = []
    for i, shot in zip(order, shots, strict=True):
        near = run.store.pictures[found.nearest.which[i].numpy()]
        strip = pictures.sheet(np.concatenate([shot[None], near]), len(near) + 1, scale=zoom(shot.shape[0]))
        what = "COPY" if found.copies[i] else "closeness"
        rows.append((f"sample {i}, {what} {found.closeness[i]:.2f} | nearest in the data", strip))
    return pictures.captioned(rows, columns=2)


def rebuilt(run: Look, count: int = 16, seed: int = 1) -> tuple[Image.Image, float]:
    """Training pictures, below each what G draws of its code; and the mean absolute error of a pixel, 0..2.

    Raises:
        BadNetwork: the generator has no encoder.
    """
    at_least("--count", count, 1)
    G, real = load_generator(run.folder, str(run.device), run.given.generator), run.reals(count, seed)
    again = G.reconstruct(real.pictures, real.condition).float().cpu()
    columns = min(8, count)
    rows = zip(torch.split(real.pictures, columns), torch.split(again, columns), strict=True)
    shown = torch.cat([part for row in rows for part in row])
    sheet = pictures.sheet(pictures.to_uint8(shown), columns, scale=zoom(shown.shape[-1]))
    return sheet, float((again - real.pictures).abs().mean())


def set_against(run: Look, count: int = 256, most: int = 12) -> Duels:
    """Every D against every G, over the moments whose weights were kept."""
    at_least("--count", count, 2)
    those = some_moments(run.folder, most)
    with counting("judging") as report:
        return duels(
            run.cast,
            those,
            run.variant,
            run.prior,
            run.reals(count),
            batch=run.recipe.train.batch,
            seed=run.recipe.train.seed,
            progress=report,
        )


def duels_map(found: Duels) -> Image.Image:
    """The table as a heat map."""
    steps = [f"{step:,}" for step in found.steps]
    title = "How often D takes a generated picture for the more real one (0.5: cannot tell)"
    return heat.table(found.fooled, steps, steps, title, "D after", "pictures by the G after so many rounds")


def gaze_sheet(run: Look, count: int = 4, most: int = 6) -> Image.Image:
    """Where D looks at moments of the run: real pictures, then pictures of the last G; a column for each moment."""
    at_least("--count", count, 1)
    those = some_moments(run.folder, most)
    real = run.reals(max(count, run.recipe.train.batch))  # a whole batch, for its statistics
    z = run.prior.sample(len(real.pictures), randomness.stream(run.recipe.train.seed, 0, "sheet"))
    fake = fakes_of(run.cast.generator(those[-1]), z, real.condition, len(z))
    shown = both(real.rows(slice(count)), fake.rows(slice(count)))
    size = zoom(shown.pictures.shape[-1])
    columns = [("picture", pictures.sheet(pictures.to_uint8(shown.pictures), 1, scale=size))]
    grey = shown.pictures.mean(1, keepdim=True).add(1).div(2).permute(0, 2, 3, 1).numpy()
    for moment in those:
        maps = heat.blurred(saliency(run.cast.discriminator(moment), run.variant, shown)).numpy()
        mixed = (0.25 * 255 * grey + 0.75 * heat.glow(maps)).astype(np.uint8)
        columns.append((f"D after {moment.step:,}", pictures.sheet(mixed, 1, scale=size)))
    return pictures.captioned(columns, columns=len(columns))


def slopes(run: Look, count: int = 64) -> dict[int, Norms]:
    """The norm of D's gradient in each of its layers, at each moment kept: rounds -> (layer, norm)."""
    at_least("--count", count, 2)
    reals, found = run.reals(count), {}
    z = run.prior.sample(len(reals.pictures), randomness.stream(run.recipe.train.seed, 0, "slopes"))
    for moment in moments(run.folder):
        fakes = fakes_of(run.cast.generator(moment), z, reals.condition, run.recipe.train.batch)
        loss = partial(loss_of, run.variant, moved(reals, run.device), moved(fakes, run.device))
        found[moment.step] = layer_norms(run.cast.discriminator(moment), loss)
    if not found:
        raise BadRun(f"{run.folder} has no checkpoint yet: look again after its first one.")
    return found


def loss_of(variant: Variant, real: Batch, fake: Batch, D: torch.nn.Module) -> Tensor:
    """D's adversarial loss, without its penalties."""
    on_real, on_fake = (judge(D, as_told(variant, batch)) for batch in (real, fake))
    return torch.stack(list(variant.d_loss(on_real, on_fake).values())).sum()


def both(a: Batch, b: Batch) -> Batch:
    """One batch after the other."""
    condition = None if a.condition is None or b.condition is None else torch.cat([a.condition, b.condition])
    return Batch(torch.cat([a.pictures, b.pictures]), condition)


def slopes_chart(found: Sequence[tuple[str, Norms]], title: str = "Gradient norm of D's loss, layer by layer") -> str:
    """An ``<svg>`` with a line for each (name, norms), from D's input to its output, on a logarithmic scale."""
    longest = max((norms for _, norms in found), key=len)
    lines = [Line(name, range(len(norms)), [norm for _, norm in norms]) for name, norms in found]
    names = [str(i + 1) for i in range(len(longest))]
    return chart(lines, title, log_y=True, x_names=names, x_title="layer of D, from the picture on")


def zoom(side: int) -> int:
    """How often a picture's pixels are repeated so that it can be seen."""
    return max(1, LARGE // side)


def at_least(name: str, value: int, least: int) -> None:
    """Refuse smaller values."""
    if value < least:
        raise BadConfig(f"{name} {value} cannot be: give at least {least}.")
