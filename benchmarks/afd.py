"""Anime-face detection rate (AFD) of a run, or of a run trained in stages.

    python benchmarks/afd.py RUN --cascade lbpcascade_animeface.xml [--count 1000]
    python benchmarks/afd.py RUN --cascade FILE --train DATA --recipe dcgan --stages 100,500,1000,1500 [--set a.b=c ...]

The share of samples in which the cascade finds at least one face, with the settings of REQUIREMENTS.md C1: grey,
equalised, scaleFactor 1.1, minNeighbors 5, minSize 24, at the pictures' own size. Needs opencv-python<5 (OpenCV 5 has
no cascade classifier) and the cascade file, neither of which this project ships. AFD is blind to variety: a generator
that always draws one good face scores 1. So the mean distance between two samples, over that of two real pictures,
stands beside it.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import cv2
import numpy as np
import torch

from leafwing import api
from leafwing.core.pictures import to_uint8
from leafwing.data import open_data
from leafwing.explore.sample import draw
from leafwing.run import read_recipe


def detection_rate(pictures: np.ndarray, cascade: cv2.CascadeClassifier) -> float:
    """The share of uint8 RGB pictures [n, h, w, 3] with at least one detected face."""
    found = 0
    for picture in pictures:
        grey = cv2.equalizeHist(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY))
        found += len(cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=5, minSize=(24, 24))) > 0
    return found / len(pictures)


def spread(pictures: np.ndarray) -> float:
    """Mean distance of two pictures, per number, in grey levels; over the first 200."""
    flat = torch.from_numpy(np.ascontiguousarray(pictures[:200])).flatten(1).float()
    return float(torch.pdist(flat).mean()) / flat.shape[1] ** 0.5


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
    cascade = cv2.CascadeClassifier(str(options.cascade))
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
        ratio = spread(drawn) / spread(real)
        step = api.status(options.run)["step"]
        print(
            f"step {step}: AFD {detection_rate(drawn, cascade):.3f} of {len(drawn)}, spread {ratio:.2f} of the data's"
        )
    real = real[: options.count]
    print(f"data: AFD {detection_rate(real, cascade):.3f} of {len(real)}")


if __name__ == "__main__":
    main()
