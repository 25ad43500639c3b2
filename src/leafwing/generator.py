"""A trained generator by itself: network + prior, in a folder of safetensors and JSON that needs no trainer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from leafwing.core import asking, tensors
from leafwing.core.disk import DISK, Disk
from leafwing.core.errors import BadConfig, BadNetwork, BadRun, StorageFailed
from leafwing.core.lexicon import Lexicon
from leafwing.core.published import replace_file
from leafwing.core.vocabulary import Vocabulary
from leafwing.game import call
from leafwing.latents import Prior
from leafwing.latents import truncated as narrowed

WEIGHTS, CARD = "model.safetensors", "generator.json"
FORMAT = 1


@dataclass
class Generator:
    """A network that outputs a distribution: call it with z, and with a condition if it was built for one.

    Attributes:
        network: the module, in evaluation mode.
        prior: where z comes from.
        card: what is known of it: recipe, step, seed, data fingerprint.
        vocabulary: what can be asked of it; None if nothing.
        lexicon: the words that it knows, where it answers questions.
    """

    network: nn.Module
    prior: Prior
    card: dict[str, Any]
    vocabulary: Vocabulary | None = None
    lexicon: Lexicon | None = None

    @torch.inference_mode()
    def __call__(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """z [n, z_dim] (and a condition [n, k]) -> pictures [n, c, h, w] in [-1, 1]."""
        if z.ndim != 2 or z.shape[1] != self.prior.dim:
            raise BadNetwork(f"z should be [n, {self.prior.dim}]; got {list(z.shape)}.")
        device = next(self.network.parameters()).device
        return call(self.network, z.to(device), None if condition is None else condition.to(device))

    @torch.inference_mode()
    def encode(self, pictures: Tensor, condition: Tensor | None = None) -> Tensor:
        """Pictures [n, c, h, w] in [-1, 1] (and a condition [n, k]) -> their z [n, z_dim], where there is an encoder.

        Raises:
            BadNetwork: there is none; alpha-gan has one.
        """
        if not hasattr(self.network, "encode"):
            raise BadNetwork("This generator has no encoder: train one by --recipe alpha-gan.")
        device = next(self.network.parameters()).device
        told = None if condition is None else condition.to(device)
        return call(self.network.encode, pictures.to(device), told)  # type: ignore[arg-type]

    def reconstruct(self, pictures: Tensor, condition: Tensor | None = None) -> Tensor:
        """What G draws of the pictures' z: [n, c, h, w] in [-1, 1]; see :meth:`encode`."""
        return self(self.encode(pictures, condition), condition)

    def ask(self, *given: str, count: int = 1, seed: int = 0) -> Tensor:
        """Conditions [count, k] for ``G(z, condition)``: ``G.ask("hair=blue", "eyes=red", count=16)``.

        What is not named is drawn as in the data, row i by (seed, i) alone.

        Raises:
            BadConfig: it cannot be asked that; the nearest is named.
        """
        vocabulary = self.knows(given)
        if vocabulary is None:
            raise BadConfig("This generator was trained without labels: it takes z alone.")
        question = asking.understand(vocabulary, given)
        rows = asking.draw(vocabulary, question, seed, 0, count)
        rows = rows if question.every is None else asking.sweep(vocabulary, question, rows)
        return torch.from_numpy(vocabulary.encode(rows))

    def knows(self, given: Sequence[str]) -> Vocabulary | None:
        """The vocabulary; None if there is none and nothing is asked.

        Raises:
            BadConfig: something is asked of a generator without labels.
        """
        if self.lexicon is not None:
            raise BadConfig("This run answers questions and draws no pictures: ask it by `leafwing chat RUN`.")
        if given and self.vocabulary is None:
            raise BadConfig(
                f"This generator was trained without labels, so it cannot be asked for {given[0]}: "
                "train one with --set data.condition=..., see docs/conditional.md."
            )
        return self.vocabulary


def truncated(network: nn.Module, prior: Prior, truncation: float | None) -> tuple[nn.Module, Prior]:
    """A generator and its z with less variety and better pictures, by whichever trick the network is made for.

    Args:
        network: one with a method ``truncated(psi) -> nn.Module`` draws its styles towards their mean (StyleGAN).
        prior: of all others; narrowed as BigGAN narrows it, see `leafwing.latents.truncated`.
        truncation: psi, or the largest value in z; None changes nothing.

    Raises:
        BadConfig: a number that cannot be, or a prior that cannot be narrowed.
    """
    if truncation is None:
        return network, prior
    by_style = getattr(network, "truncated", None)
    return (by_style(truncation), prior) if by_style else (network, narrowed(prior, truncation))


def save_generator(folder: Path, network: nn.Module, card: dict[str, Any], disk: Disk = DISK) -> None:
    """Write the folder anew; each file is replaced whole, so a reader never sees half a file."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be made: {error.strerror or error}.") from error
    facts = {"format": FORMAT, **card}
    state = {name: value.detach() for name, value in network.state_dict().items()}
    replace_file(folder / WEIGHTS, tensors.to_pieces(state, {"leafwing": json.dumps(facts)}), disk)
    replace_file(folder / CARD, json.dumps(facts, indent=2).encode(), disk)


def generator_folder(path: Path) -> Path:
    """The folder that holds the weights: ``path`` itself, or the ``generator/`` of a run."""
    for folder in (path, path / "generator"):
        if (folder / WEIGHTS).is_file() and (folder / CARD).is_file():
            return folder
    if not path.exists():
        raise BadRun(f"There is no run or generator at {path}.")
    what = "has no generator yet: it is written with the first checkpoint"
    raise BadRun(f"{path} {what}." if (path / "run.toml").is_file() else f"{path} is not a run or generator folder.")


def is_generator(path: Path) -> bool:
    """Whether a path is a run folder or a generator's, and not pictures."""
    return (path / "run.toml").is_file() or ((path / WEIGHTS).is_file() and (path / CARD).is_file())


def load_weights(folder: Path, network: nn.Module) -> None:
    """Copy the folder's weights into ``network``; names and shapes must match exactly."""
    path = folder / WEIGHTS
    state = tensors.from_bytes(path.read_bytes(), str(path))
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        detail = " ".join(str(error).split())
        raise BadRun(f"The weights in {path} do not fit this network: {detail}") from None


def read_card(folder: Path) -> dict[str, Any]:
    """The JSON card of a generator folder."""
    path = folder / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        newer = card["format"] > FORMAT
    except (ValueError, KeyError, TypeError):
        raise BadRun(f"{path} is damaged: it is not a generator's card.") from None
    if newer:
        raise BadRun(f"{path} was written by a newer Leafwing (format {card['format']}): upgrade to read it.")
    if not isinstance(card.get("recipe"), dict):
        raise BadRun(f"{path} is damaged: it does not say how to build the network.")
    return dict(card)
