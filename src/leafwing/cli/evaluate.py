"""``leafwing evaluate``."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from cyclopts import Parameter


def evaluate(
    subject: str,
    /,
    *,
    data: str | None = None,
    metrics: Annotated[list[str] | None, Parameter(consume_multiple=True, negative=())] = None,
    features: str | None = None,
    count: int | None = None,
    seed: int = 0,
    resizer: Literal["clean", "legacy", "area"] | None = None,
    image_size: int | None = None,
    channels: Literal[1, 3] | None = None,
    nearest: int = 5,
    resamples: int = 20,
    device: str = "auto",
    download: Annotated[bool, Parameter(negative=())] = False,
    json_output: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> None:
    """How good is it, and how sure are we: samples against data, each number with its spread and its protocol.

    Example: leafwing evaluate runs/mine --data my_pictures/ --features squeezenet=FILE --count 2000

    Parameters
    ----------
    subject
        A run folder, its generator/, a folder of pictures, an archive or a world.
    data
        What to compare with; a run's own data if left out.
    metrics
        Some of frechet, frechet_inf, kernel, precision, recall, density, coverage, sliced, diversity, ms_ssim,
        sharpness, score, parzen, path; on Inception also fid, kid. All but score, parzen and path if left out.
    features
        pixels, faces, squeezenet, inception, dinov2 or clip, as NAME or NAME=FILE; or a file of weights.
    count
        Pictures of each side; all, at most 10,000, if left out.
    seed
        Which samples, and everything random in the measures.
    resizer
        Another than the network's own.
    image_size
        Bring folders of pictures to this side, in pixels.
    channels
        1 compares folders of pictures in grey.
    nearest
        k of precision, recall, density and coverage.
    resamples
        Draws with replacement for the spread.
    device
        auto, cpu or cuda.
    download
        Fetch Inception's weights (95.6 MB) if they are not here.
    json_output
        Print JSON.
    """
    from leafwing import api

    verdict = api.evaluate(
        subject, data, metrics=metrics, features=features, count=count, seed=seed, resizer=resizer,
        image_size=image_size, channels=channels, nearest=nearest, resamples=resamples,
        device=device, download=download,
    )  # fmt: skip
    print(json.dumps(verdict.as_dict(), indent=2) if json_output else verdict.text())
