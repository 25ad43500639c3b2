"""Real Ms. Pac-Man: supervised network and generator on 32x32 patches, judged on whole frames of unseen episodes.

    python benchmarks/mspacman.py FOLDER --out runs/mspacman --rounds 8000

FOLDER holds one .npz an episode, with ``frames`` [t, 210, 160, 3]; the last two are held out. Nothing of it is kept but
numbers. The supervised network (`video-supervised`) and the generator (`video-gan-maze`, its colours those of the film)
are trained for as many rounds, learning rates falling over all of them; then every network draws the next frame at 48
moments, and walks on by itself for 16 steps from several; the supervised one has one answer, the generator eight.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from leafwing import api
from leafwing.core.progress import say
from leafwing.data.films import open_films
from leafwing.explore.predict import Futures, history_of, predict
from leafwing.measure import video
from leafwing.worlds.maze import Frame

COLOURS = {
    "hero": (210, 164, 74),
    "red ghost": (200, 72, 72),
    "pink ghost": (198, 89, 179),
    "cyan ghost": (84, 184, 153),
    "orange ghost": (180, 122, 48),
}
PATCHES = ["data.image_size=32", "data.history=4", "data.count=100000"]
MOST = 32
"""Colours that a film may have."""
STEPS, HELD_OUT = (1, 5, 16), 2
PLAYERS = ("generator", "discriminator")


def split(folder: Path, out: Path) -> tuple[Path, list[Path]]:
    """A folder of links to the episodes to learn from, and those held out."""
    files = sorted(folder.glob("*.npz"))
    if len(files) <= HELD_OUT:
        raise SystemExit(f"{folder} holds {len(files)} episodes: more than {HELD_OUT} are needed.")
    train = out / "films"
    train.mkdir(parents=True, exist_ok=True)
    for file in files[:-HELD_OUT]:
        link = train / file.name
        if not link.exists():
            link.symlink_to(file.resolve())
    return train, files[-HELD_OUT:]


def settings(
    name: str, films: Path, rounds: int, more: list[str], own: Sequence[str] = (), batch: int = 32
) -> list[str]:
    """What differs from the recipe as it is; ``more`` for both, ``own`` and ``batch`` for the generator."""
    if name == "video-supervised":
        own, batch, players = ["data.history_noise=0.02", "generator.moves=[1,2,4]"], 16, ("generator",)
    else:
        own, players = [f"generator.colours={json.dumps(colours_of(films))}", *own], PLAYERS
    burn_in = [f"optimizer.{who}.burn_in_kimg={rounds * batch / 1000}" for who in players]
    return [*PATCHES, *own, f"train.batch={batch}", *burn_in, *more]


def colours_of(films: Path) -> list[str]:
    """All that are in the films, as #rrggbb."""
    found = set[int]()
    for file in films.iterdir():
        red, green, blue = np.moveaxis(np.load(file)["frames"].astype(np.int32), -1, 0)
        found |= set(np.unique(red << 16 | green << 8 | blue).tolist())
    if len(found) > MOST:
        raise SystemExit(f"{films} has {len(found)} colours: this is about films of few, at most {MOST}.")
    return [f"#{colour:06x}" for colour in sorted(found)]


def judged(run: Path, episodes: list[Path], moments: int) -> dict[str, float]:
    """Means over moments of unseen episodes."""
    G, rows = api.load(run), []
    samples = 8 if G.prior.dim else 1
    for path in episodes:
        films = open_films(path)
        starts = np.linspace(films.still[0], films.lengths[0] - history_of(G) - max(STEPS) - 1, moments).astype(int)
        for start in starts:
            rows.append(row(predict(G, str(path), max(STEPS), samples, seed=0, start=int(start))))
    return {key: float(np.mean([one[key] for one in rows])) for key in rows[0]}


def one_step(run: Path, episodes: list[Path]) -> dict[str, float]:
    """Squared error of the next frame, true pasts given, over that of the last frame once more, over all moments."""
    G = api.load(run)
    answers = G.prior.dim or 1  # a card each
    found, still = np.zeros(3), 0.0
    for path in episodes:
        films = open_films(path)
        for start in np.linspace(films.still[0] + 8, films.lengths[0] - 2, 24).astype(int) - history_of(G):
            futures = predict(G, str(path), 1, answers, seed=0, start=int(start), tries=1)
            drawn, true = futures.drawn[:, 0].astype(np.float64), futures.truth[0].astype(np.float64)
            each = np.square(drawn - true).sum((1, 2, 3))
            found += each.mean(), each.min(), np.square(drawn.mean(0) - true).sum()
            still += float(np.square(futures.past[-1] - true).sum())
    mean, nearest, average = (found / still).tolist()
    several = {f"nearest of {answers}": nearest, "their average": average} if answers > 1 else {}
    return {f"error over still's, one step: {name}": value for name, value in ({"mean": mean} | several).items()}


def row(futures: Futures) -> dict[str, float]:
    """Of one moment: quality after so many steps, best of the samples over so many steps, sprites that are right."""
    found: dict[str, float] = {}
    for step in STEPS:
        true, drawn = futures.truth[:step], futures.drawn[:, :step]
        found[f"PSNR best of {len(drawn)}, {step} steps"] = video.best_of(list(drawn), true)
        found[f"PSNR step {step}"] = float(np.mean([video.psnr(some[-1:], true[-1:]) for some in drawn]))
        found[f"SSIM step {step}"] = float(np.mean([video.ssim(some[-1:], true[-1:]) for some in drawn]))
        found[f"sharpness step {step}"] = float(
            np.mean([video.sharp(s[-1:]) for s in drawn]) / video.sharp(true[-1:])[0]
        )
        found[f"sharpness difference step {step}"] = float(
            np.mean([video.sharpness_difference(s[-1:], true[-1:]) for s in drawn])
        )
    found["pixels that change in a step, over the truth's"] = changed(futures.drawn) / changed(futures.truth[None])
    last = len(futures.truth) - 1
    for name, colour in COLOURS.items():
        real = video.sprites(futures.truth[last], colour)
        counts = [video.sprites(some[last], colour) for some in futures.drawn]
        found[f"{name}: sprites off, step {last + 1}"] = float(np.mean(np.abs(np.array(counts) - real)))
    return found


def changed(films: Frame) -> float:
    """Pixels that are not as in the frame before, of films [k, t, h, w, 3]."""
    return float((films[:, 1:] != films[:, :-1]).any(-1).mean())


def main() -> None:
    """Train what is not there yet, judge both, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/mspacman"))
    parser.add_argument("--rounds", type=int, default=8000)
    parser.add_argument("--moments", type=int, default=8, help="of each unseen episode")
    parser.add_argument("--set", nargs="*", default=[], metavar="a.b=c", help="settings of both recipes")
    parser.add_argument(
        "--moves", nargs="*", type=int, default=[], help="the generator's: pixels a thing may have moved"
    )
    parser.add_argument("--cards", type=int, default=8, help="the generator's: answers to a question in training")
    parser.add_argument("--batch", type=int, default=32, help="the generator's: answers in a round")
    parser.add_argument("--network", default="unet", help="the generator's: unet or sprites")
    args = parser.parse_args()
    own = [f"generator.name={args.network}", f"generator.moves={args.moves}"]
    own += [f"prior.dim={args.cards}", f"variant.many={args.cards}"]
    films, unseen = split(args.folder, args.out)
    found = {}
    for name in ("video-supervised", "video-gan-maze"):
        run = args.out / name
        if not (run / "generator").is_dir():
            chosen = settings(name, films, args.rounds, args.set, own, args.batch)
            api.train(films, name, out=run, steps=args.rounds, settings=chosen)
        say(f"judging {name}")
        found[name] = one_step(run, unseen) | judged(run, unseen, args.moments)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
