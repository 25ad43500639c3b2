"""``leafwing bench``: how fast it is here, against the machine's ceiling and against the textbook loop."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from leafwing.cli.train import Overrides

if TYPE_CHECKING:
    from leafwing.bench.probe import Ceiling
    from leafwing.bench.zoo_pictures import Own

app = App(
    name="bench",
    help="Measure training, sampling and data on this machine, in one run with the machine's own ceiling.",
    help_format="plaintext",
)
Several = Parameter(consume_multiple=True, negative=())
Json = Annotated[bool, Parameter(name="--json", negative=())]


@app.command
def train(
    *,
    recipe: Annotated[list[str] | None, Several] = None,
    against: Literal["plain"] | None = None,
    batch: Annotated[list[int] | None, Several] = None,
    threads: Annotated[list[int] | None, Several] = None,
    precision: Annotated[list[Literal["fp32", "bf16", "auto"]] | None, Several] = None,
    rounds: int | None = None,
    seconds: float = 15.0,
    settings: Overrides = None,
    device: str = "auto",
    json_output: Json = False,
) -> None:
    """Rounds a second, the share of the machine's ceiling, peak memory and where the time goes.

    Example: leafwing bench train --recipe dcgan --against plain --batch 32 64 --threads 1 2

    Parameters
    ----------
    recipe
        Shipped recipes or TOML files; every shipped one if left out.
    against
        plain: also play the textbook PyTorch loop on the same networks, round by round in turn with ours.
    batch
        Pictures a turn; the recipe's own if left out.
    threads
        Cores torch may use; what torch would take if left out.
    precision
        fp32, bf16 or auto; the recipe's own if left out.
    rounds
        Timed rounds of each loop; as many as fit into --seconds if left out.
    seconds
        Time for the timed rounds of a row, about; at least 3 rounds are played.
    settings
        Any setting of the recipes, as section.key=value; several may follow.
    device
        auto, cpu or cuda.
    json_output
        Print JSON.
    """
    from leafwing.bench import report
    from leafwing.bench import train as bench
    from leafwing.core.progress import say
    from leafwing.prepare import choose_device

    refuse("--rounds", rounds, 1)
    refuse("--seconds", seconds, 0.1)
    where, counts = choose_device(device), cores(threads)
    names = shipped_unless(recipe)
    cases = bench.cases(names, batch or [], counts, precision or [], settings or [], where)
    ceilings = probe(counts, device)
    rows = []
    for number, case in enumerate(cases, 1):
        train = case.recipe.train
        say(f"{number}/{len(cases)}: {case.name}, {train.precision}, batch {train.batch}, threads {case.threads}")
        ceiling = ceilings[case.threads]
        rows.append(bench.measure(case, where, ceiling, against=bool(against), rounds=rounds, seconds=seconds))
    show(rows, report.train_text(rows), ceilings, device, json_output)


@app.command
def sample(
    *,
    recipe: Annotated[list[str] | None, Several] = None,
    threads: Annotated[list[int] | None, Several] = None,
    seconds: float = 3.0,
    settings: Overrides = None,
    device: str = "auto",
    json_output: Json = False,
) -> None:
    """Pictures a second from each generator, one at a time and 64 at a time, and what the sampler adds.

    Example: leafwing bench sample --recipe dcgan faces --threads 1

    Parameters
    ----------
    recipe
        Shipped recipes or TOML files; every shipped one if left out.
    threads
        Cores torch may use; what torch would take if left out.
    seconds
        Time for a row, about.
    settings
        Any setting of the recipes, as section.key=value; several may follow.
    device
        auto, cpu or cuda.
    json_output
        Print JSON.
    """
    from leafwing.bench import report
    from leafwing.bench import sample as bench
    from leafwing.core.progress import say
    from leafwing.prepare import choose_device
    from leafwing.recipe import load_recipe

    refuse("--seconds", seconds, 0.1)
    where, counts = choose_device(device), cores(threads)
    plans = {name: load_recipe(name, settings or []) for name in shipped_unless(recipe)}
    ceilings = probe(counts, device)
    rows = []
    for name, plan in plans.items():
        for count in counts:
            say(f"{name}, threads {count}")
            rows += bench.measure(name, plan, count, where, ceilings[count], seconds)
    show(rows, report.sample_text(rows), ceilings, device, json_output)


@app.command
def data(
    *,
    count: int = 3000,
    image_size: int = 128,
    batch: int = 64,
    workers: int | None = None,
    seconds: float = 3.0,
    json_output: Json = False,
) -> None:
    """Pictures a second decoded into the store, fed from it, and what a rebuild costs; on pictures made for it.

    Example: leafwing bench data --count 3000

    Parameters
    ----------
    count
        Pictures in the made-up folder.
    image_size
        Their side in pixels; the store's are 64.
    batch
        Pictures a turn of the feed.
    workers
        Helper processes of the parallel build; one a core if left out.
    seconds
        Time for feeding.
    json_output
        Print JSON.
    """
    from leafwing.bench import data as bench
    from leafwing.bench import report
    from leafwing.core.progress import say

    refuse("--count", count, 2)
    refuse("--image-size", image_size, 8)
    refuse("--batch", batch, 1)
    refuse("--workers", workers, 1)
    refuse("--seconds", seconds, 0.1)
    say(f"writing and decoding {count:,} pictures of {image_size} px")
    rows = bench.measure(count, batch, image_size, seconds, workers)
    show(rows, report.data_text(rows), {}, "cpu", json_output)


@app.command
def coverage(
    *,
    recipe: Annotated[list[str] | None, Several] = None,
    on: Annotated[list[str] | None, Several] = None,
    steps: int | None = None,
    seeds: int = 1,
    samples: int | None = None,
    width: int = 128,
    mnist: Path | None = None,
    out: Path | None = None,
    settings: Overrides = None,
    device: str = "auto",
    json_output: Json = False,
) -> None:
    """Modes hit, share of good samples and KL where the truth is known, beside what the truth itself scores.

    Example: leafwing bench coverage --recipe dcgan r3gan --on ring-8 grid-25 --steps 5000 --seeds 3
    Example: leafwing bench coverage --recipe faces --on world:faces --steps 2000 --out sheets/

    Parameters
    ----------
    recipe
        Shipped recipes or TOML files; dcgan and r3gan if left out. On the mixtures a recipe lends its rules and
        optimisers to a fully connected pair.
    on
        ring-8, grid-25, stacked-mnist, world:faces; the mixtures if left out, and stacked-mnist where --mnist is given.
    steps
        Rounds of each training; 5,000 on the mixtures if left out, the recipe's own on pictures.
    seeds
        Trainings of each kind: seeds 0, 1, ...
    samples
        Measured; 2,500 on the mixtures, 26,000 on stacked-mnist and 2,000 on world:faces if left out.
    width
        Units of the hidden layers of the mixtures' G, twice those of its D; 400 in the literature.
    mnist
        The folder with MNIST's four idx files, for stacked-mnist. The first time, a digit classifier is trained on
        them, for some minutes.
    out
        A folder for a picture of every row's samples.
    settings
        Any setting of the recipes, as section.key=value; several may follow.
    device
        auto, cpu or cuda.
    json_output
        Print JSON.
    """
    from leafwing.bench import coverage_runs as bench
    from leafwing.bench.report import coverage_text

    refuse("--steps", steps, 1)
    refuse("--seeds", seeds, 1)
    refuse("--samples", samples, 2)
    refuse("--width", width, 2)
    worlds = on or bench.worlds_there(mnist)
    plan = bench.Plan(
        recipe or ["dcgan", "r3gan"], worlds, steps, seeds, samples, width, settings or [], device, mnist, out
    )
    rows, protocols = bench.run(plan)
    if json_output:
        print(json.dumps({"rows": [asdict(row) for row in rows], "protocols": protocols}, indent=2))
    else:
        print(coverage_text(rows, protocols))


@app.command
def zoo(
    *,
    recipe: Annotated[list[str] | None, Several] = None,
    data: str | None = None,
    image_size: int | None = None,
    features: str | None = None,
    images: int | None = None,
    seeds: int = 1,
    samples: int | None = None,
    out: Path = Path("bench-zoo"),
    settings: Overrides = None,
    device: str = "auto",
    json_output: Json = False,
) -> None:
    """Play every recipe, made small, where the truth is known: how much nearer it comes, which modes it keeps.

    Rows are kept in --out; the same command goes on where it was stopped, and writes zoo.md and zoo.json there.

    Example: leafwing bench zoo --recipe dcgan wgan-gp --images 64000 --seeds 3
    Example: leafwing bench zoo --data FACES.zip --features squeezenet=FILE --device cuda --recipe dcgan r3gan

    Parameters
    ----------
    recipe
        Shipped recipes or TOML files; every shipped one that draws single pictures if left out.
    data
        Pictures of one's own instead, a folder, .zip, .tar, .npz or idx file; fully connected recipes are left out.
    image_size
        With --data: side in pixels; 64 if left out.
    features
        With --data: pixels, squeezenet, inception, dinov2 or clip, as NAME or NAME=FILE, or a file of weights, as in
        `leafwing evaluate`.
    images
        Real pictures shown to D; 64,000 if left out.
    seeds
        Trainings of each recipe: seeds 0, 1, ...
    samples
        Measured, each time; 1,000 if left out.
    out
        The folder of rows, pictures and tables.
    settings
        Any setting of the recipes, as section.key=value; several may follow.
    device
        auto, cpu or cuda.
    json_output
        Print JSON.
    """
    from leafwing.bench import report
    from leafwing.bench import zoo_runs as bench
    from leafwing.bench.reduced import convolutional, of_pictures
    from leafwing.core.published import replace_file

    own = own_data(data, image_size, features)
    refuse("--images", images, 1)
    refuse("--seeds", seeds, 1)
    refuse("--samples", samples, 50)
    counts = images or bench.IMAGES, seeds, samples or bench.SAMPLES
    names = recipe or (convolutional() if own else of_pictures())
    found = bench.run(bench.Plan(names, *counts, settings or [], device, out, own))
    as_json = json.dumps(found.as_dict(), indent=2)
    replace_file(out / "zoo.json", as_json.encode())
    replace_file(out / "zoo.md", report.zoo_markdown(found).encode())
    print(as_json if json_output else report.zoo_text(found))


def own_data(data: str | None, image_size: int | None, features: str | None) -> Own | None:
    """Pictures of one's own for the zoo, if there are any.

    Raises:
        BadConfig: a side or features without them, or a side that is too small.
    """
    from leafwing.bench.zoo_pictures import SIDE, Own
    from leafwing.core.errors import BadConfig

    refuse("--image-size", image_size, 8)
    for option, value in (("--image-size", image_size), ("--features", features)):
        if data is None and value is not None:
            raise BadConfig(f"{option} {value} is about pictures of one's own: give --data too.")
    if data is None:
        return None
    source = data if data.startswith("world:") else str(Path(data).expanduser().resolve())
    return Own(source, image_size or SIDE, features)


def refuse(option: str, value: float | None, least: float) -> None:
    """Refuse what is given and too small."""
    from leafwing.core.errors import BadConfig

    if value is not None and value < least:
        raise BadConfig(f"{option} {value} cannot be: give at least {least}.")


def cores(threads: list[int] | None) -> list[int]:
    """The numbers of threads asked for, or torch's own."""
    import torch

    for count in threads or []:
        refuse("--threads", count, 1)
    return threads or [torch.get_num_threads()]


def shipped_unless(recipes: list[str] | None) -> list[str]:
    """The recipes asked for, or all shipped ones that draw pictures or films.

    Raises:
        BadConfig: one of those asked for does not.
    """
    from leafwing.core.errors import BadConfig
    from leafwing.recipe import load_recipe, shipped

    kinds = {name: load_recipe(name, check=False).data.kind for name in recipes or shipped()}
    for name in recipes or []:
        if kinds[name] == "replies":
            raise BadConfig(f"{name} cannot be benched: it is for replies, and this is about pictures.")
    return [name for name, kind in kinds.items() if kind != "replies"]


def probe(threads: list[int], device: str) -> dict[int, Ceiling]:
    """The machine's ceiling for each number of threads."""
    from leafwing.bench.clock import using
    from leafwing.bench.probe import measure
    from leafwing.core.progress import say
    from leafwing.prepare import choose_device

    say("probing the machine: a matrix product and a copy")
    ceilings = {}
    for count in dict.fromkeys(threads):
        with using(count):
            ceilings[count] = measure(choose_device(device))
    return ceilings


def show(rows: Sequence[Any], text: str, ceilings: dict[int, Ceiling], device: str, as_json: bool) -> None:
    """Print rows and machine as JSON or as text."""
    from leafwing.bench.report import ceiling_line
    from leafwing.prepare import choose_device
    from leafwing.run import environment

    machine = environment(choose_device(device))
    if as_json:
        limits = [{"threads": count, **asdict(ceiling)} for count, ceiling in ceilings.items()]
        print(json.dumps({"rows": [asdict(row) for row in rows], "ceilings": limits, "machine": machine}, indent=2))
        return
    print(f"torch {machine['torch']}, {machine['gpu'] or machine['device']}, {machine['cpus']} cores")
    for count, ceiling in ceilings.items():
        print(ceiling_line(count, ceiling))
    print(f"\n{text}")
