"""What comes next: a generator of frames walks on its own predictions, several futures of one past beside each other.

Shape legend: k futures, h frames of history, c channels, t steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from leafwing.core import pictures, randomness
from leafwing.core.errors import BadConfig, BadRun
from leafwing.data.drawn import is_world
from leafwing.data.feed import to_pictures
from leafwing.data.films import find_played, open_films, standstill
from leafwing.data.names import shown
from leafwing.data.pictures import with_channels
from leafwing.explore import places, sure
from leafwing.explore.sample import device_of
from leafwing.generator import Generator
from leafwing.latents import Prior
from leafwing.measure import video
from leafwing.worlds.maze import Frame

SHOWN = 16
"""Steps on a sheet at most, spread so that the first ones are close."""
FRAME_SIDE = 160
"""Small frames are enlarged towards this many pixels in a film."""


@dataclass(frozen=True)
class Futures:
    """A past, what really followed as far as it is known, and what was drawn instead.

    Attributes:
        past: uint8 [h, height, width, c].
        truth: what followed, at most t frames.
        drawn: uint8 [k, t, height, width, c].
    """

    past: Frame
    truth: Frame
    drawn: Frame

    def measured(self) -> dict[str, Any]:
        """PSNR, SSIM and sharpness against the truth; JSON-able. None where the truth is not known."""
        n = min(len(self.truth), self.drawn.shape[1])
        if not n:
            return {"frames": 0}
        true, drawn = self.truth[:n], self.drawn[:, :n]
        each = [video.psnr(some, true) for some in drawn]
        return {
            "frames": n,
            "psnr_first": float(np.mean([row[0] for row in each])),
            "psnr": float(np.mean(each)),
            "psnr_best": video.best_of(list(drawn), true),
            "ssim": float(np.mean([video.ssim(some, true) for some in drawn])) if min(true.shape[1:3]) >= 11 else None,
            "sharpness": float(np.mean([video.sharp(some) for some in drawn])),
            "sharpness_true": float(video.sharp(true).mean()),
        }


def roll_out(
    G: nn.Module,
    prior: Prior,
    past: Tensor,
    steps: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
    tries: int = sure.TRIES,
    patch: int | None = None,
) -> Tensor:
    """Walk on: each drawn frame becomes the newest of the history for the next one.

    Args:
        G: (z, history) -> the next frame.
        prior: of z; that of future j at step i depends on (seed, i, j) alone; if dealt, futures get different ones.
        past: [k, h * c, height, width] in [-1, 1], one for each future.
        steps: t.
        seed: of z.
        progress: called with (done, t).
        tries: z drawn for a frame that G is not sure of, at most, or for a frame of many places.
        patch: side of what G learned from. In larger frames each place decides for itself, but for the first frame
            drawn, so that futures of one past begin by different z.

    Returns:
        [k, t, c, height, width] in [-1, 1], on the CPU.
    """
    device, drawn = device_of(G), list[Tensor]()
    history = past.to(device)
    large = patch is not None and max(past.shape[2:]) > patch
    apart = large and tries > 1 and prior.dim > 0 and isinstance(G, sure.Sure) and G.is_picking
    for step in range(steps):
        answer = of_places if apart and step else of_frame
        frame = answer(G, prior, history, tries, seed, step).clamp(-1, 1)
        history = torch.cat([history[:, frame.shape[1] :], frame], 1)
        drawn.append(frame.cpu().float())
        if progress is not None:
            progress(step + 1, steps)
    return torch.stack(drawn, 1)


def of_frame(G: nn.Module, prior: Prior, history: Tensor, tries: int, seed: int, step: int) -> Tensor:
    """The next frame of each past, by one z, or by another where G is not sure, [k, c, height, width]."""
    first = prior.sample(len(history), randomness.stream(seed, step, "predict"))
    more = [prior.sample(tries - 1, randomness.stream(seed, step, "predict/again", j)) for j in range(len(history))]
    return sure.frames(G, torch.cat([first[:, None], torch.stack(more)], 1).to(history.device), history)


def of_places(G: nn.Module, prior: Prior, history: Tensor, tries: int, seed: int, step: int) -> Tensor:
    """The next frame of each past, each of its places by one of several z, [k, c, height, width]."""
    rngs = [randomness.stream(seed, step, "predict/places", j) for j in range(len(history))]
    z = torch.stack([prior.sample(tries, rng) for rng in rngs])
    return places.frames(G, z.to(history.device), history, rngs)


def history_of(G: Generator) -> int:
    """How many frames the generator wants to see.

    Raises:
        BadRun: it draws pictures, not frames.
    """
    history = int(G.card["recipe"].get("data", {}).get("history", 0))
    if not history:
        raise BadRun("This generator does not draw what comes next in a film: train one by --recipe video-gan.")
    return history


def predict(
    G: Generator,
    source: str,
    steps: int,
    samples: int,
    seed: int,
    episode: int = 0,
    start: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    tries: int = sure.TRIES,
) -> Futures:
    """Several futures of one moment of a film.

    Args:
        G: a generator of next frames.
        source: films, as for training.
        steps: frames to draw.
        samples: futures.
        seed: of z.
        episode: which one, from 0.
        start: the first frame of the history; where play begins if left out, or the last frames of a short episode.
        progress: called with (done, steps).
        tries: z drawn for a frame that G is not sure of, at most, or for a frame larger than those it learned
            from, each place of which decides for itself; 1 takes frames as they come.

    Raises:
        BadConfig: an episode or a start that is not there, an episode shorter than the history, or numbers below 1.
        BadRun: a generator of pictures.
    """
    history, channels = history_of(G), int(G.card["recipe"]["data"]["channels"])
    if min(steps, samples, tries) < 1:
        raise BadConfig(f"--steps {steps}, --samples {samples}, --tries {tries} cannot be: at least 1 of each.")
    frames, first = one_episode(source, episode, channels)
    if len(frames) < history:
        raise BadConfig(
            f"{shown(source)}: episode {episode} has {len(frames)} frames, but {history} are given to this generator: "
            "take a longer one by --episode, or other films."
        )
    first = min(first, len(frames) - history) if start is None else start
    if not 0 <= first <= len(frames) - history:
        raise BadConfig(
            f"--start {first} cannot be: the episode has {len(frames)} frames, of which {history} are given from there."
        )
    past, truth = frames[first : first + history], frames[first + history : first + history + steps]
    given = to_pictures(torch.from_numpy(past.copy()), channels_last=False).flatten(0, 1)
    patch = int(G.card["recipe"]["data"]["image_size"])
    drawn = roll_out(G.network, G.prior, given[None].repeat(samples, 1, 1, 1), steps, seed, progress, tries, patch)
    pixels = pictures.to_uint8(drawn.flatten(0, 1))
    return Futures(past, truth, pixels.reshape(samples, steps, *pixels.shape[1:]))


def one_episode(source: str, number: int, channels: int) -> tuple[Frame, int]:
    """The frames of an episode, and where play begins in it; of a world, which has any number, that one is drawn."""
    if number < 0:
        raise BadConfig(f"--episode {number} cannot be: episodes are counted from 0.")
    if is_world(source):
        frames = find_played(source, 0).film(number)
        return with_channels(frames, channels), standstill(frames)
    films = open_films(source, channels=channels)
    if number >= len(films.lengths):
        raise BadConfig(f"--episode {number} cannot be: there are {len(films.lengths)}, counted from 0.")
    start = sum(films.lengths[:number])
    return np.asarray(films.pictures[start : start + films.lengths[number]]), films.still[number]


def show(futures: Futures, out: Path, fps: float, about: dict[str, str]) -> None:
    """Write a film (.gif, .mp4) of all futures beside the truth, or a sheet (.png) with a line for each."""
    zoom = max(1, FRAME_SIDE // futures.past.shape[1])
    names = ["truth", *(f"future {n + 1}" for n in range(len(futures.drawn)))]
    rows = [np.concatenate([futures.past, futures.truth]), *(np.concatenate([futures.past, f]) for f in futures.drawn)]
    h, length = len(futures.past), futures.drawn.shape[1] + len(futures.past)
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix.lower() == ".png":
        steps = sorted({*range(h), *(h - 1 + int(s) for s in np.geomspace(1, length - h, SHOWN).round())})
        lines = [strip(row, steps) for row in rows]
        sheets = [
            (name, pictures.sheet(line, len(steps), scale=max(1, 80 // line.shape[1])))
            for name, line in zip(names, lines, strict=True)
        ]
        words = f"truth; steps {', '.join(str(s - h + 1) for s in steps)} (1 is the first one drawn)"
        pictures.save_png(pictures.captioned([(words, sheets[0][1]), *sheets[1:]], 1), out, about)
        return
    shots = []
    for step in range(length):
        parts = [
            (name, enlarged(row[min(step, len(row) - 1)] if len(row) > step else row[-1] // 3, zoom))
            for name, row in zip(names, rows, strict=True)
        ]
        shots.append(pictures.captioned(parts, min(5, len(parts))))
    (pictures.save_gif if out.suffix.lower() == ".gif" else pictures.save_mp4)(shots, out, fps)


def strip(row: Frame, steps: list[int]) -> Frame:
    """These steps of a film; dark where it has ended."""
    return np.stack([row[step] if step < len(row) else row[-1] // 3 for step in steps])


def enlarged(frame: Frame, zoom: int) -> Image.Image:
    """Whole pixels, so that small frames stay exact."""
    return pictures.to_image(frame.repeat(zoom, 0).repeat(zoom, 1))
