"""``leafwing explore``: look into a run: copies, the two players, where D looks, curves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

app = App(
    name="explore",
    help="Look into a run: is it a copy, who fools whom, where does D look, how did it go.",
    help_format="plaintext",
)
Json = Annotated[bool, Parameter(name="--json", negative=())]


@app.command
def neighbours(
    run: Path,
    /,
    *,
    data: str | None = None,
    count: int = 64,
    seed: int = 1,
    features: str | None = None,
    out: Path | None = None,
    device: str = "auto",
    json_output: Json = False,
) -> None:
    """Is a sample a copy? The nearest training pictures of new samples, beside what is usual among real ones.

    Example: leafwing explore neighbours runs/mine --count 256 --out neighbours.png

    Parameters
    ----------
    run
        The run folder.
    data
        The training pictures, if they are no longer where the run found them.
    count
        How many samples.
    seed
        Sample i depends on the seed and i alone, as for leafwing sample.
    features
        Compare what a network sees, as for leafwing evaluate: squeezenet=FILE, faces. All pixels if left out.
    out
        A .png file for a sheet of the nearest pairs.
    device
        auto, cpu or cuda.
    json_output
        Print JSON.
    """
    from leafwing.explore import of_run

    check_out(out, ".png")
    opened = of_run.look(run, data, device)
    found, samples = of_run.find_neighbours(opened, count, seed, features)
    facts = found.as_dict() | {
        "samples": count, "seed": seed, "features": features or "all pixels", "training_pictures": len(opened.store),
    }  # fmt: skip
    if out is not None:
        save(of_run.neighbours_sheet(opened, found, samples), out, facts)
    show(facts, [*found.sentences(), *written(out)], json_output)


@app.command
def rebuild(
    run: Path,
    /,
    *,
    data: str | None = None,
    count: int = 16,
    seed: int = 1,
    out: Path | None = None,
    device: str = "auto",
    json_output: Json = False,
) -> None:
    """Training pictures beside what G draws of their codes, where there is an encoder (recipe alpha-gan).

    Example: leafwing explore rebuild runs/mine --out rebuilt.png

    Parameters
    ----------
    run
        The run folder.
    data
        The training pictures, if they are no longer where the run found them.
    count
        How many pictures.
    seed
        Which ones.
    out
        A .png file: pictures above, rebuilt ones below, in turn.
    device
        auto, cpu or cuda.
    json_output
        Print JSON.
    """
    from leafwing.explore import of_run

    check_out(out, ".png")
    sheet, error = of_run.rebuilt(of_run.look(run, data, device), count, seed)
    facts = {"pictures": count, "seed": seed, "error": error}
    if out is not None:
        save(sheet, out, facts)
    show(facts, [f"mean error of a pixel, in -1..1: {error:.3f}", *written(out)], json_output)


@app.command
def codes(run: Path, /, *, out: Path, code: int = 1, count: int = 8, seed: int = 1, device: str = "auto") -> None:
    """What a code of z does: the same z with every value of one code, side by side (recipe infogan).

    Example: leafwing explore codes runs/mine --code 1 --out code.png

    Parameters
    ----------
    run
        A run folder or its generator/.
    out
        A .png file: a line for each z, a column for each value.
    code
        Which code, from 1: those of classes first, then the numbers.
    count
        How many z.
    seed
        Line i depends on the seed and i alone.
    device
        auto, cpu or cuda.
    """
    from leafwing.core.errors import BadConfig
    from leafwing.explore.codes import codes_sheet
    from leafwing.loading import load_generator

    check_out(out, ".png")
    if count < 1:
        raise BadConfig(f"--count {count} cannot be: it must be at least 1.")
    save(codes_sheet(load_generator(run, device), code, count, seed), out, {"code": code, "seed": seed})
    print(out)


@app.command
def players(
    run: Path,
    /,
    *,
    data: str | None = None,
    count: int = 256,
    out: Path | None = None,
    device: str = "auto",
    json_output: Json = False,
) -> None:
    """Every D of the run against every G: how often D takes a generated picture for the more real one.

    Needs the weights of several moments: train with --set watch.snapshots=true (the recipe faces does).

    Example: leafwing explore players runs/mine --out players.png

    Parameters
    ----------
    run
        The run folder.
    data
        The training pictures, if they are no longer where the run found them.
    count
        Pictures of each kind that D judges.
    out
        A .png file for the heat map.
    device
        auto, cpu or cuda.
    json_output
        Print JSON.
    """
    from leafwing.explore import of_run

    check_out(out, ".png")
    found = of_run.set_against(of_run.look(run, data, device), count)
    if out is not None:
        save(of_run.duels_map(found), out, found.as_dict())
    head = " ".join(["D after / G after".rjust(18), *(f"{step:>7,}" for step in found.steps)])
    rows = zip(found.steps, found.fooled, strict=True)
    lines = [head, *(" ".join([f"{step:>18,}", *(f"{v:7.2f}" for v in row)]) for step, row in rows)]
    show(found.as_dict(), [*lines, *found.sentences(), *written(out)], json_output)


@app.command
def gaze(
    run: Path,
    /,
    *,
    out: Path,
    data: str | None = None,
    count: int = 4,
    device: str = "auto",
) -> None:
    """Where D looks, at moments of the run: how strongly each pixel moves its score.

    Example: leafwing explore gaze runs/mine --out gaze.png

    Parameters
    ----------
    run
        The run folder.
    out
        A .png file.
    data
        The training pictures, if they are no longer where the run found them.
    count
        Real pictures, and as many generated ones.
    device
        auto, cpu or cuda.
    """
    from leafwing.explore import of_run

    check_out(out, ".png")
    save(of_run.gaze_sheet(of_run.look(run, data, device), count), out, {})
    print(out)


@app.command
def appearance(
    run: Path,
    /,
    *,
    cascade: Path | None = None,
    data: str | None = None,
    count: int = 128,
    device: str = "auto",
    json_output: Json = False,
) -> None:
    """After how many rounds faces appear: the share of pictures with a face, at each moment of the run.

    Example: leafwing explore appearance runs/mine --cascade lbpcascade_animeface.xml

    Parameters
    ----------
    run
        The run folder.
    cascade
        A detector's file; needed unless the run learns world:faces, whose faces are read without.
    data
        The training pictures, if they are no longer where the run found them.
    count
        Pictures of each moment.
    device
        auto, cpu or cuda.
    json_output
        Print JSON.
    """
    from leafwing.explore import of_run
    from leafwing.explore.appearance import appearance as look
    from leafwing.measure.cascade import read_cascade

    found = look(of_run.look(run, data, device), count, None if cascade is None else read_cascade(cascade))
    show(found.as_dict(), found.sentences(), json_output)


@app.command
def slopes(
    runs: Annotated[list[Path], Parameter(consume_multiple=True, negative=())],
    /,
    *,
    out: Path | None = None,
    count: int = 64,
    device: str = "auto",
    json_output: Json = False,
) -> None:
    """The norm of D's gradient in each of its layers: where it explodes or vanishes, D's first layers cannot learn.

    Example: leafwing explore slopes runs/clipped runs/penalised --out slopes.svg

    Parameters
    ----------
    runs
        One run, shown at all moments kept; or several, each at its last.
    out
        A .svg file for the chart, on a logarithmic scale.
    count
        Pictures of each kind that D judges.
    device
        auto, cpu or cuda.
    json_output
        Print JSON.
    """
    from leafwing.explore import of_run
    from leafwing.explore.charts import alone

    check_out(out, ".svg")
    found = {str(run): of_run.slopes(of_run.look(run, None, device), count) for run in runs}
    if len(runs) == 1:
        lines = [(f"after {step:,}", norms) for step, norms in found[str(runs[0])].items()]
    else:
        lines = [(Path(run).name, norms[max(norms)]) for run, norms in found.items()]
    if out is not None:
        write(out, alone([of_run.slopes_chart(lines[-8:])]))
    text = [f"{name}: " + ", ".join(f"{layer} {norm:.2e}" for layer, norm in norms) for name, norms in lines]
    show(found, [*text, *written(out)], json_output)


@app.command
def curves(run: Path, /, *, out: Path) -> None:
    """Curves of a run: what was measured, how often D is right on real and generated pictures, losses, gradients.

    Example: leafwing explore curves runs/mine --out curves.svg

    Parameters
    ----------
    run
        The run folder.
    out
        A .svg file, which every browser shows.
    """
    from leafwing.core.errors import BadRun
    from leafwing.explore import of_run
    from leafwing.explore.charts import alone
    from leafwing.explore.curves import charts, measured

    check_out(out, ".svg")
    look = of_run.look(run, device="cpu", of_pictures=False)
    drawn = measured(look.measures) + charts(look.rows)
    if not drawn:
        raise BadRun(f"{run} has no log yet: metrics.jsonl gets its first line after watch.log_every rounds.")
    write(out, alone(drawn))
    print(out)


def check_out(out: Path | None, ending: str) -> None:
    """Refuse a file of another kind before any work is done."""
    from leafwing.core.errors import BadConfig

    if out is not None and out.suffix.lower() != ending:
        raise BadConfig(f"--out {out} should end in {ending}.")


def save(image: Any, out: Path, facts: dict[str, Any]) -> None:
    """A picture with its numbers in its metadata."""
    from leafwing.core.pictures import save_png

    save_png(image, out, {"Software": "Leafwing", "leafwing:found": json.dumps(facts)})


def write(out: Path, text: str) -> None:
    """A text file, there whole or not at all."""
    from leafwing.core.published import replace_file

    out.parent.mkdir(parents=True, exist_ok=True)
    replace_file(out, text.encode())


def written(out: Path | None) -> list[str]:
    """A line on what was written, if anything was."""
    return [] if out is None else [str(out)]


def show(facts: Any, lines: list[str], json_output: bool) -> None:
    """JSON or lines."""
    print(json.dumps(facts, indent=2) if json_output else "\n".join(lines))
