"""``leafwing train``, ``resume`` and ``status``."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from leafwing.run import Outcome

Overrides = Annotated[list[str] | None, Parameter(name="--set", consume_multiple=True, negative=())]


def train(
    data: str | None = None,
    /,
    *,
    recipe: str = "dcgan",
    out: Path | None = None,
    steps: int | None = None,
    batch: int | None = None,
    seed: int | None = None,
    settings: Overrides = None,
    device: str = "auto",
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    json_output: Annotated[bool, Parameter(name="--json", negative=())] = False,
    resume: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Train a generator on a folder of pictures, an archive, or a world.

    Example: leafwing train my_pictures/ --recipe faces --out runs/mine --set train.batch=32 data.flip=true

    Parameters
    ----------
    data
        Folder, .zip, .tar, .npz or idx file, or world:faces. The recipe's own if left out.
    recipe
        A shipped recipe (see: leafwing zoo list) or a TOML file.
    out
        The run folder; runs/RECIPE-1 and so on if left out.
    steps
        Rounds to play; one round is one update of the generator.
    batch
        Pictures a turn.
    seed
        Everything random follows from it.
    settings
        Any setting of the recipe, as section.key=value; several may follow.
    device
        auto, cpu or cuda.
    dry_run
        Print the resolved recipe, the networks' layers, and what memory and time it needs, then stop. Films and
        questions are read, so that what a run would refuse is refused here.
    json_output
        With --dry-run: print JSON.
    resume
        Go on with --out if it already holds a run.
    """
    from leafwing import api
    from leafwing.core.errors import BadConfig

    if settings == []:
        raise BadConfig("--set needs at least one section.key=value, e.g. --set train.batch=32.")
    plan = api.make_recipe(data, recipe, steps=steps, batch=batch, seed=seed, settings=settings or [])
    if dry_run:
        asked = plan.data.condition
        api.try_source(plan)
        labelled = api.try_labels(plan) if asked else False
        found = api.estimate(plan, device=device)
        if json_output:
            more = {"labels_read": labelled} if asked else {}
            print(json.dumps({"recipe": plan.as_dict(), **found.as_dict(), **more}, indent=2))
            return 0
        print(plan.to_toml())  # with the rest as comments: the whole output is a recipe again
        for line in found.lines():
            print(f"# {line}")
        if labelled:
            print(f"# labels: {', '.join(asked)} can be read; layers are counted for as many classes as z has numbers")
        elif asked:
            print(f"# labels: not read here; {', '.join(asked)} should be known of the pictures")
        return 0
    if resume and out is None:
        raise BadConfig("--resume needs --out, the run to go on with.")
    if resume and out is not None and (out / "run.toml").exists():
        if batch is not None or seed is not None or settings:
            raise BadConfig(
                f"--resume goes on with the settings of {out / 'run.toml'}: edit that file instead of --set."
            )
        return report(api.resume(out, steps=steps, device=device))
    folder = out if out is not None else api.free_folder(Path(recipe).stem)
    return report(api.train(recipe=plan, out=folder, device=device))


def resume(run: Path, /, *, steps: int | None = None, device: str = "auto", accept_new_data: bool = False) -> int:
    """Go on with a run where it stopped, bit-identically on the same machine.

    Example: leafwing resume runs/mine --steps 20000

    Parameters
    ----------
    run
        The run folder.
    steps
        A new goal, in rounds from the beginning.
    device
        auto, cpu or cuda.
    accept_new_data
        Go on although the pictures changed since the checkpoint.
    """
    from leafwing import api

    return report(api.resume(run, steps=steps, device=device, accept_new_data=accept_new_data))


def report(outcome: Outcome) -> int:
    """Say where the results are; the exit code tells whether a signal stopped the run."""
    if not outcome.leads:
        return 128 + outcome.stopped_by if outcome.stopped_by is not None else 0
    print(f"{outcome.folder}: {outcome.step:,} rounds played")
    if outcome.stopped_by is not None:
        print(f"stopped and saved; go on with: leafwing resume {shlex.quote(str(outcome.folder))}")
        return 128 + outcome.stopped_by
    folder = shlex.quote(str(outcome.folder))
    if outcome.talks:
        print(f"what it said: {outcome.folder / 'samples'}")
        print(f"ask it by: leafwing chat {folder}")
        return 0
    print(f"sheets and time-lapse: {outcome.folder / 'samples'}")
    if outcome.foresees:
        print(f"let it go on by: leafwing predict {folder} FRAMES --steps 64 --samples 8 --out futures.gif")
        return 0
    print(f"draw more with: leafwing sample {folder} --count 64 --seed 1 --out sheet.png")
    return 0


def status(run: Path, /, *, json_output: Annotated[bool, Parameter(name="--json", negative=())] = False) -> None:
    """Show how far a run is.

    Example: leafwing status runs/mine

    Parameters
    ----------
    run
        The run folder.
    json_output
        Print JSON.
    """
    from leafwing import api

    facts = api.status(run)
    if json_output:
        print(json.dumps(facts, indent=2))
        return
    last = facts.pop("last")
    for key, value in [*facts.items(), *last.items()]:
        print(f"{key:18} {value:.4g}" if isinstance(value, float) else f"{key:18} {value}")
