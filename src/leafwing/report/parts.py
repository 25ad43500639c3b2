"""The parts of a report, each from what the run folder and the data still hold."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import torch

from leafwing.core import pictures
from leafwing.core.errors import BadRun
from leafwing.evaluation import evaluate
from leafwing.explore import heat, of_run
from leafwing.explore.asked import Asking
from leafwing.explore.curves import charts, measured
from leafwing.explore.of_run import Look
from leafwing.explore.sample import generate, latents_at
from leafwing.explore.walk import walk
from leafwing.loading import load_generator
from leafwing.measure.bootstrap import Measured
from leafwing.measure.verdict import protocol_line
from leafwing.report import page
from leafwing.report.difference import Value
from leafwing.run import METRICS
from leafwing.watch.samples import read_sheet, sheets, top_row

Part = Callable[[Look], str]
"""A run, opened -> HTML; raises a :class:`LeafwingError` that says why it cannot."""
SEED = 1
"""Of the pictures in a report: those of ``leafwing sample --seed 1``."""
HALF = 540
"""Rows of pictures up to so many pixels stand two beside each other."""
COUNT = 2000
"""Pictures of each side that a report measures, at most: a minute or two on a CPU; `leafwing evaluate` takes more."""
FRAMES = 6
"""Pictures between two stations of the walk."""


def summary(run: Look) -> str:
    """What it is and how far it got."""
    recipe, rows = run.recipe, run.rows
    last = rows[-1] if rows else {}
    hours, minutes = divmod(round(last.get("seconds", 0) / 60), 60)
    sizes = [sum(p.numel() for p in net.parameters()) for net in (run.cast.G, run.cast.D)]
    return page.facts(
        [
            ("data", recipe.data.source),
            ("rounds", f"{int(last.get('step', 0)):,} of {recipe.train.steps:,}"),
            ("real pictures shown", f"{int(last.get('images', 0)):,}"),
            ("time in training", (f"{hours} h " if hours else "") + f"{minutes} min"),
            ("variant", recipe.variant.name),
            ("G", f"{recipe.generator.name}, {sizes[0]:,} weights"),
            ("D", f"{recipe.discriminator.name}, {sizes[1]:,} weights"),
            ("pictures", f"{recipe.data.image_size} x {recipe.data.image_size}"),
            ("batch, seed", f"{recipe.train.batch}, {recipe.train.seed}"),
        ]
    )


def samples(run: Look) -> str:
    """New pictures by the averaged generator."""
    G = load_generator(run.folder, str(run.device), run.given.generator)
    drawn = torch.cat([some.pictures.float().cpu() for some in Asking(G).draw(60, SEED)])
    size = of_run.zoom(drawn.shape[-1])
    sheet = pictures.sheet(pictures.to_uint8(drawn), columns=15, scale=size)
    step = G.card.get("step")
    caption = (
        f"60 pictures from 60 random z (seed {SEED}), none chosen, by the averaged generator after {step:,} rounds."
    )
    return page.figure(sheet, "A sheet of 60 generated pictures in rows of fifteen.", caption)


def timeline(run: Look) -> str:
    """The same z after more and more rounds."""
    found = sheets(run.folder / "samples")
    if not found:
        raise BadRun(f"{run.folder / 'samples'} holds no sheets.")
    chosen = found if len(found) <= 10 else [found[i] for i in np.linspace(0, len(found) - 1, 10).round().astype(int)]
    rows = [(f"{step:,} rounds", top_row(read_sheet(path))) for step, path in chosen]
    image = pictures.captioned(rows, columns=2 if rows[0][1].width <= HALF else 1)
    alt = f"A row of pictures from the same z after each of {', '.join(f'{step:,}' for step, _ in chosen)} rounds."
    return page.figure(image, alt, "The same random z all along; only the generator changed.")


def walk_strip(run: Look) -> str:
    """From picture to picture through z."""
    G = load_generator(run.folder, str(run.device), run.given.generator)
    legs = []
    for start in range(3):
        ends = latents_at(G.prior, SEED, 2 * start, 2 * start + 2)
        path = walk(ends, 2 * FRAMES - 2).to(run.device)
        asked = Asking(G).conditions(SEED, start, start + 1)
        told = asked[0].to(run.device) if asked else None
        legs.append(torch.cat([generate(G.network, z[None], told).float().cpu() for z in path]))
    shots = torch.cat(legs)
    strip = pictures.sheet(pictures.to_uint8(shots), columns=2 * FRAMES, scale=of_run.zoom(shots.shape[-1]))
    alt = "Three rows of twelve pictures, each changing step by step from the first to the last."
    return page.figure(strip, alt, "Each row walks through z from one picture to another, on the sphere.")


def curves(run: Look) -> str:
    """What was logged, and the alarms."""
    drawn = charts(run.rows)
    if not drawn:
        raise BadRun(f"{run.folder / METRICS} holds no lines.")
    said = [
        f"after {row['step']:,} rounds: {alarm.get('sentence', '')}"
        for row in run.rows
        for alarm in row.get("alarms", [])
        if alarm.get("on")
    ]
    warnings = "".join(f'<p class="warn">Alarm {page.text(sentence)}</p>' for sentence in said[:8])
    return page.charts([*measured(run.measures), *drawn]) + warnings


def measures(run: Look) -> str:
    """How good it is, with the protocol."""
    found = evaluate(str(run.folder), run.data, count=min(COUNT, len(run.store)), seed=SEED, device=str(run.device))
    rows = [
        [name, told(line.samples), told(line.data) if line.data else "", line.better, line.samples.note]
        for name, line in found.measures.items()
    ]
    head = ["measure", "samples ± spread", "the data's own", "better", ""]
    warnings = "".join(f'<p class="warn">{page.text(sentence)}</p>' for sentence in found.warnings)
    return warnings + page.table(head, rows, protocol_line(found.protocol)) + page.paragraph(*found.hints)


def told(measured: Measured) -> str:
    """A number with its spread."""
    return str(Value(measured.value, math.nan if measured.spread is None else measured.spread))


def rivals(run: Look) -> str:
    """Every D against every G."""
    found = of_run.set_against(run)
    rows = []
    for step, row in zip(found.steps, found.fooled, strict=True):
        cells = [f'<td style="background:rgb{heat.colour(v)};color:rgb{heat.ink(v)}">{v:.2f}</td>' for v in row]
        rows.append([f"D after {step:,}", *cells])
    caption = (
        "How often that D finds a picture of that G more real than a real one: 0 never fooled, 0.5 cannot tell, "
        f"1 always; {found.pictures} pictures of each kind, both players in training mode."
    )
    head = ["", *(f"G after {step:,}" for step in found.steps)]
    return page.paragraph(*found.sentences()) + page.table(head, rows, caption, "heat")


def gaze(run: Look) -> str:
    """Where D looks, and its gradients."""
    sheet = of_run.gaze_sheet(run)
    alt = "Rows of pictures, four real and four generated, each with maps of where D looked at moments of the run."
    caption = "Bright: a change there moves D's score most; each map by its own scale. Above real, below generated."
    slopes = of_run.slopes(run)
    lines = [(f"after {step:,}", norms) for step, norms in slopes.items()][-6:]
    return page.figure(sheet, alt, caption) + page.charts([of_run.slopes_chart(lines)])


def copies(run: Look) -> str:
    """The nearest training pictures."""
    found, shots = of_run.find_neighbours(run, 128, SEED)
    sheet = of_run.neighbours_sheet(run, found, shots)
    alt = "Pairs: a generated picture on the left, the three training pictures nearest to it on the right."
    caption = (
        "The samples nearest to any training picture, most suspicious first; distances between pixels, mirrored too."
    )
    return page.paragraph(*found.sentences()) + page.figure(sheet, alt, caption)


def settings(run: Look) -> str:
    """The resolved recipe and the machine."""
    path = run.folder / "environment.json"
    machine = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    said = "\n".join(f"{key}: {value}" for key, value in machine.items()) or "not recorded"
    return page.folded("run.toml, every setting", run.recipe.to_toml()) + page.folded("where it ran", said)
