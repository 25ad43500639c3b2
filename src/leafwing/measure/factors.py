"""The factor network: reads from a picture of `world:faces` what was drawn, whoever drew it.

A small network of our own, trained on drawn faces by ``benchmarks/train_factors.py`` and shipped with the package, so
that hair, eyes and the turn of the head can be read from a generator's samples without a download. It also says how
broken a face looks, and its 128 numbers before the last layer serve as features for distances. What it scored on faces
that it never saw stands in ``weights/factors.json``. It knows drawn faces only: of other pictures it says little.

Shape legend: n pictures, h height, w width, k names of a factor.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leafwing.core.errors import BadData
from leafwing.worlds import faces

SIDE = 64
"""Side of the pictures that it reads; others are resized."""

FEATURES = 128
"""Numbers before the last layer."""

NAMES: dict[str, tuple[str, ...]] = {
    "hair_colour": faces.HAIR_COLOURS,
    "hair_style": faces.HAIR_STYLES,
    "bangs": faces.BANGS,
    "left_eye": faces.EYE_COLOURS,
    "right_eye": faces.EYE_COLOURS,
    "eyes": ("open", "closed"),
    "skin": faces.SKINS,
    "glasses": ("without", "with"),
    "ornament": faces.ORNAMENTS,
    "outfit": faces.OUTFITS,
    "outfit_colour": faces.COLOURS,
    "background": faces.BACKGROUNDS,
    "background_colour": faces.COLOURS,
}
"""Factors that are one of several names. ``left_eye`` is the eye on the left side of the picture."""

NUMBERS: dict[str, tuple[float, float]] = {
    "turn": (-1, 1),
    "mouth": (0, 1),
    "eyes_open": (0, 1),
    "blush": (0, 1),
    "tilt": (-10, 10),
    "hair_tone": (-1, 1),
    "eye_slant": (-1, 1),
}
"""Factors that are a number, with the range in which the world draws them; see ``worlds.faces.Face``."""

_SIZES = [*(len(names) for names in NAMES.values()), len(NUMBERS), 1]


class FactorNetwork(nn.Module):
    """Four convolutions with stride, then one hidden layer, then one linear head for everything."""

    def __init__(self) -> None:
        super().__init__()
        widths = (24, 48, 96, 128)
        layers: list[nn.Module] = []
        for index, (inner, outer) in enumerate(zip((3, *widths), widths, strict=False)):
            size = 4 if index == 0 else 3
            layers += [nn.Conv2d(inner, outer, size, 2, 1, bias=False), nn.BatchNorm2d(outer), nn.ReLU()]
        spread = nn.Linear(widths[-1] * 4 * 4, FEATURES, bias=False)
        self.body = nn.Sequential(*layers, nn.Flatten(), spread, nn.BatchNorm1d(FEATURES), nn.ReLU())
        self.head = nn.Linear(FEATURES, sum(_SIZES))

    def features(self, pictures: Tensor) -> Tensor:
        """Pictures [n, 3, 64, 64] in [-1, 1] -> [n, 128], each 0 or more."""
        features: Tensor = self.body(pictures)
        return features

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures [n, 3, 64, 64] in [-1, 1] -> raw outputs, to be read by :func:`split`."""
        raw: Tensor = self.head(self.features(pictures))
        return raw


def split(raw: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
    """Raw outputs as logits by factor [n, k], numbers by factor [n] in their own units, and the broken logit [n]."""
    *logits, numbers, broken = torch.split(raw, _SIZES, dim=1)
    in_units = {
        name: low + (high - low) * (numbers[:, i] + 1) / 2 for i, (name, (low, high)) in enumerate(NUMBERS.items())
    }
    return dict(zip(NAMES, logits, strict=True)), in_units, broken[:, 0]


@dataclass(frozen=True)
class Reading:
    """What the network read from n pictures, on the CPU.

    Attributes:
        chances: for each factor of `NAMES`, the probability of each name, [n, k].
        numbers: for each factor of `NUMBERS`, its value in the world's units, [n].
        broken: probability that the face is broken, [n]; see :meth:`is_broken`.
        features: the numbers before the last layer, [n, 128].
    """

    chances: dict[str, Tensor]
    numbers: dict[str, Tensor]
    broken: Tensor
    features: Tensor

    def __len__(self) -> int:
        return len(self.broken)

    def indices(self, factor: str) -> Tensor:
        """The likeliest name of each picture as its place in ``NAMES[factor]``, int64 [n]."""
        return self.chances[factor].argmax(1)

    def names(self, factor: str) -> list[str]:
        """The likeliest name of each picture."""
        return [NAMES[factor][i] for i in self.indices(factor).tolist()]

    def open_eyes(self) -> Tensor:
        """Whether the eyes are open, so that their colours can be seen: bool [n]."""
        return self.indices("eyes") == 0

    def is_broken(self) -> Tensor:
        """Whether the face looks more broken than 99 in 100 of the true ones: bool [n]."""
        return self.broken > float(card()["broken"]["threshold"])


@cache
def card() -> dict[str, Any]:
    """How the shipped network was trained and what it scored on faces it never saw."""
    text = (files("leafwing.measure") / "weights" / "factors.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def digest() -> str:
    """sha256 of the shipped weights, 64 hex digits: names them in caches."""
    return hashlib.sha256(_weights()).hexdigest()


def _weights() -> bytes:
    return (files("leafwing.measure") / "weights" / "factors.safetensors").read_bytes()


@cache
def load(device: str = "cpu") -> FactorNetwork:
    """The shipped network, in evaluation mode, its weights frozen; one for each device."""
    from safetensors.torch import load as unpack

    weights = unpack(_weights())
    net = FactorNetwork()
    net.load_state_dict({name: w.float() if w.is_floating_point() else w for name, w in weights.items()})
    return net.eval().requires_grad_(False).to(device)


def fitted(pictures: Tensor) -> Tensor:
    """Pictures [n, 3, h, w] in [-1, 1] of any size, as the network wants them: float32 [n, 3, 64, 64].

    Raises:
        BadData: not pictures in colour, or values that are not numbers.
    """
    if pictures.ndim != 4 or pictures.shape[1] != 3 or not pictures.is_floating_point():
        raise BadData(
            "The factor network reads pictures in colour, [n, 3, h, w] in [-1, 1]; "
            f"got {str(pictures.dtype).removeprefix('torch.')} {list(pictures.shape)}."
        )
    x = pictures.detach().float()
    if not bool(x.isfinite().all()):
        raise BadData("Some pixels are not numbers (NaN), so there are no factors to read.")
    if x.shape[2:] != (SIDE, SIDE):
        x = F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
    return x.clamp(-1, 1)


def eye_chances(pictures: Tensor, net: FactorNetwork) -> dict[str, Tensor]:
    """Each eye's colour by itself, from pictures as the network wants them: [n, 11] by factor.

    In the world 97 of 100 faces have two eyes alike, so the network reads the two together and takes an odd one for its
    fellow. Therefore it is shown each half of the picture beside its own mirror image: both eyes are now that one.
    """
    left, right = pictures[..., : SIDE // 2], pictures[..., SIDE // 2 :]
    halves = {"left_eye": [left, left.flip(-1)], "right_eye": [right.flip(-1), right]}
    found = {}
    for name, (one, other) in halves.items():
        logits = split(net(torch.cat([one, other], -1)))[0]
        found[name] = (logits["left_eye"].softmax(1) + logits["right_eye"].softmax(1)) / 2
    return found


@torch.inference_mode()
def read(pictures: Tensor | Iterable[Tensor], net: FactorNetwork | None = None, chunk: int = 256) -> Reading:
    """Read the factors of pictures.

    Args:
        pictures: [n, 3, h, w] in [-1, 1], on any device; or batches of such, one after another, in bounded memory.
        net: a network of your own training; the shipped one if not given.
        chunk: pictures read at once.

    Raises:
        BadData: no pictures, or not pictures in colour.
    """
    batches = [pictures] if isinstance(pictures, Tensor) else pictures
    found: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    for batch in batches:
        reader = net or load(str(batch.device))
        for piece in torch.split(batch, chunk):
            x = fitted(piece)
            features, eyes = reader.features(x), eye_chances(x, reader)
            parts = features, reader.head(features), eyes["left_eye"], eyes["right_eye"]
            found.append((parts[0].cpu(), parts[1].cpu(), parts[2].cpu(), parts[3].cpu()))
    if not sum(len(parts[0]) for parts in found):
        raise BadData("There are no pictures to read factors from.")
    features, raw, left, right = (torch.cat(part) for part in zip(*found, strict=True))
    logits, numbers, broken = split(raw)
    numbers = {name: value.clamp(*NUMBERS[name]) for name, value in numbers.items()}
    chances = {name: part.softmax(1) for name, part in logits.items()} | {"left_eye": left, "right_eye": right}
    return Reading(chances, numbers, broken.sigmoid(), features)
