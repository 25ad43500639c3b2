"""``leafwing data``: look at pictures, prepare them, draw a world."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

app = App(name="data", help="Check a data set, prepare it, or draw one by program.", help_format="plaintext")


@app.command
def check(
    data: str,
    /,
    *,
    image_size: int = 64,
    count: int | None = None,
    json_output: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> None:
    """The dataset doctor: sizes, modes, corrupt files, duplicates, blur, and what would be done with each.

    Example: leafwing data check my_pictures/

    Parameters
    ----------
    data
        A folder, .zip, .tar, .npz or idx file, or a world.
    image_size
        The side that training would use, in pixels.
    count
        Look only at so many.
    json_output
        Print JSON.
    """
    from leafwing.core.progress import counting
    from leafwing.data import check as examine

    with counting("checking") as progress:
        report = examine(data, image_size=image_size, count=count, progress=progress)
    print(json.dumps(report.as_dict(), indent=2) if json_output else report.text())


@app.command
def build(
    data: str,
    /,
    *,
    image_size: int = 64,
    channels: Literal[1, 2, 3, 4] = 3,
    fit: Literal["crop", "pad"] = "crop",
    count: int | None = None,
) -> None:
    """Decode a data set once, so that training starts at once.

    Example: leafwing data build my_pictures/ --image-size 64

    Parameters
    ----------
    data
        A folder, .zip, .tar, .npz or idx file, or a world.
    image_size
        Side of the stored squares in pixels.
    channels
        1 grey, 3 colour, 2 and 4 the same with alpha.
    fit
        crop cuts the centre square, pad fills up.
    count
        Only so many; for worlds, draw so many.
    """
    from leafwing.core.progress import counting
    from leafwing.data import open_data

    with counting("reading pictures") as progress:
        store = open_data(data, image_size=image_size, channels=channels, fit=fit, count=count, progress=progress)
    print(f"{len(store):,} pictures ready in {store.folder}; {len(store.bad)} files skipped")


@app.command
def render(
    world: str,
    /,
    *,
    out: Path,
    count: int | None = None,
    image_size: int | None = None,
    seed: int = 0,
    source: Annotated[Path | None, Parameter(name="--from")] = None,
) -> None:
    """Draw a world's pictures as PNG files, with their factors in labels.csv; or stack MNIST's digits in an .npz.

    Example: leafwing data render faces --count 1000 --out faces/
    Example: leafwing data render maze --count 8000 --out maze.npz
    Example: leafwing data render stacked-mnist --from mnist/ --out stacked.npz

    Parameters
    ----------
    world
        faces, corner, maze (frames, 80 an episode), stacked-mnist: three digits in the three
        colours of a picture, or replies: questions with their right answers.
    out
        A new folder; for replies a new .jsonl file; for stacked-mnist, and if you like for maze, a new .npz file, which
        leafwing train reads.
    count
        How many pictures; 1,000, or 128,000 stacked digits, if left out.
    image_size
        Side in pixels: for faces at least 16, 64 if left out; for maze 40; for stacked-mnist at least 28, usually 32.
    seed
        Which instance of the world.
    source
        For stacked-mnist: the folder with MNIST's idx files.
    """
    from leafwing.core.errors import BadConfig
    from leafwing.core.progress import counting
    from leafwing.data.conversations import render_replies
    from leafwing.data.mnist import TRIPLES, render_stacked
    from leafwing.worlds.render import render_folder

    stacked = world.removeprefix("world:") == "stacked-mnist"
    if stacked != (source is not None):
        what = (
            "stacked-mnist needs --from FOLDER, the folder with MNIST's idx files"
            if stacked
            else "--from is for stacked-mnist"
        )
        raise BadConfig(f"{what}.")
    if world.removeprefix("world:") == "replies":
        if count is not None or image_size is not None:
            raise BadConfig("--count and --image-size are for pictures; every question of world:replies is written.")
        print(render_replies(out, seed))
        return
    count = count if count is not None else TRIPLES if stacked else 1000
    with counting("drawing") as progress:
        if source is not None:
            print(render_stacked(source, out, count, image_size or 32, seed, progress))
        else:
            print(render_folder(world, out, count, image_size, seed, progress))


@app.command
def play(
    world: Literal["maze"] = "maze", /, *, record: Path | None = None, seed: int | None = None, fps: float = 6
) -> None:
    """Play the maze with the keyboard (arrows or WASD, q to stop) and record it: films that leafwing train reads.

    Example: leafwing data play maze --record films/

    Parameters
    ----------
    world
        maze.
    record
        A folder; each game becomes a file of its own, play-000.npz and so on.
    seed
        Which maze; another one for every recorded game if left out.
    fps
        Frames a second.
    """
    from leafwing.core.errors import BadConfig
    from leafwing.worlds import maze_play

    if not 0 < fps <= 60:
        raise BadConfig(f"--fps {fps} cannot be: above 0, at most 60.")
    played = len(list(record.glob("play-*.npz"))) if record else 0
    frames = maze_play.in_terminal(played if seed is None else seed, fps)
    if record and len(frames) < 2:
        print("nothing played, nothing recorded")
    else:
        print(maze_play.record(frames, record) if record else f"{len(frames)} frames played")


@app.command
def ambiguity(
    file: Path,
    /,
    *,
    inputs: str = "inputs",
    outputs: str = "outputs",
    seed: int = 0,
    json_output: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> None:
    """When do you need a generator at all? Tells from pairs whether the same input has one right output or several.

    Example: leafwing data ambiguity pairs.npz --inputs frames --outputs next_frame
    Of a game whose states are known, each state's visits and turns: leafwing data ambiguity world:maze

    Parameters
    ----------
    file
        An .npz file with two arrays of numbers, one row a pair: at least 60 pairs; or world:maze, or the folder or
        file that `leafwing data render maze` wrote.
    inputs
        Name of the array of inputs.
    outputs
        Name of the array of outputs; one column of whole numbers is read as classes.
    seed
        Which pairs are looked at, where there are many.
    json_output
        Print JSON.
    """
    from leafwing.core.errors import BadData
    from leafwing.measure.ambiguity import ambiguity as look
    from leafwing.measure.ambiguity import read_pairs
    from leafwing.measure.visits import holds_states, of_maze, of_rows, read_rows

    is_world = str(file).startswith("world:")
    if is_world and str(file) != "world:maze":
        raise BadData(f"{file} has no moments that follow each other: try world:maze, or an .npz file of pairs.")
    if is_world or holds_states(file):
        states = of_maze(seed=seed) if is_world else of_rows(read_rows(file))
        print(json.dumps(states.as_dict(), indent=2) if json_output else states.text())
        return
    found = look(*read_pairs(file, inputs, outputs), seed=seed)
    print(json.dumps(found.as_dict(), indent=2) if json_output else found.sentence())
