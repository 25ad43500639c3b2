"""``leafwing predict``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def predict(
    run: Path,
    frames: str,
    /,
    *,
    out: Path,
    steps: int = 64,
    samples: int = 8,
    seed: int = 0,
    episode: int = 0,
    start: int | None = None,
    fps: float = 8,
    tries: int = 8,
    device: str = "auto",
    json_output: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> None:
    """Let a generator of frames go on from a moment of a film: several futures of the same past, beside what followed.

    Example: leafwing predict runs/video-gan-1 world:maze --steps 64 --samples 8 --out futures.gif

    Parameters
    ----------
    run
        A run of video-gan or video-supervised, or its generator/.
    frames
        Films: frames in folders, an .npz, .gif or .mp4, or world:maze.
    out
        A .gif or .mp4 film, or a .png sheet.
    steps
        Frames to draw, each from those drawn before.
    samples
        Futures.
    seed
        Future j at step i depends on the seed, i and j alone.
    episode
        Which episode of the films, from 0.
    start
        The first frame that is given; where play begins if left out.
    fps
        Frames a second of the film.
    tries
        z drawn for a frame that the generator is not sure of, at most, where it picks pixels and can tell; in frames
        larger than those it learned from, each open place takes an answer of its own; 1 takes frames as they come.
    device
        auto, cpu or cuda.
    json_output
        Print PSNR, SSIM and sharpness against what followed as JSON.
    """
    from leafwing import api

    found = api.predict(
        run,
        frames,
        out,
        steps=steps,
        samples=samples,
        seed=seed,
        episode=episode,
        start=start,
        fps=fps,
        tries=tries,
        device=device,
    )
    print(json.dumps(found, indent=2) if json_output else found["out"])
