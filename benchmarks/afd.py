"""Anime-face detection rate (AFD) of a run, or of a run trained in stages.

    python benchmarks/afd.py RUN --cascade lbpcascade_animeface.xml [--count 1000]
    python benchmarks/afd.py RUN --cascade FILE --train DATA --recipe dcgan --stages 100,500,1000,1500 [--set a.b=c ...]

The share of samples in which the cascade finds at least one face, by `leafwing.measure.anime`: no OpenCV is needed, the
cascade file is the user's. AFD is blind to variety, so the mean distance between two samples stands beside it.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np

from leafwing import api
from leafwing.core.pictures import to_uint8
from leafwing.data import open_data
from leafwing.explore.sample import draw
from leafwing.measure.anime import face_rate
from leafwing.measure.cascade import read_cascade
from leafwing.run import read_recipe


def samples(run: Path, count: int) -> np.ndarray:
    """uint8 pictures of the averaged generator, seed 1."""
    G = api.load(run)
    return np.concatenate([to_uint8(x) for _, x in draw(G.network, G.prior, count, seed=1)])


def main() -> None:
    """Print a line for each stage, and one for the data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--cascade", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--train", metavar="DATA")
    parser.add_argument("--recipe", default="dcgan")
    parser.add_argument("--stages", default="100,500,1000,1500")
    parser.add_argument("--set", nargs="*", default=[])
    options = parser.parse_args()
    cascade = read_cascade(options.cascade)
    stages = [int(stage) for stage in options.stages.split(",")] if options.train else [None]
    for stage, before in zip(stages, itertools.chain([None], stages), strict=False):
        if stage is not None and before is None:
            settings = [*options.set, f"train.steps={stage}"]
            api.train(options.train, options.recipe, out=options.run, settings=settings)
        elif stage is not None:
            api.resume(options.run, steps=stage)
        drawn = samples(options.run, options.count)
        data = read_recipe(options.run).data
        real = open_data(data.source, image_size=data.image_size, channels=3, count=data.count).pictures
        print(f"step {api.status(options.run)['step']}: {face_rate(drawn, cascade, real=real)}")
    print(f"data: {face_rate(real[: options.count], cascade)}")


if __name__ == "__main__":
    main()
