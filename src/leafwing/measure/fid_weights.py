"""FID's weights: read from the user's file and checked, or downloaded when asked for, never silently."""

from __future__ import annotations

import os
import pickle
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from leafwing.core.errors import BadData, StorageFailed
from leafwing.data import cache_root
from leafwing.measure.inception import DIM, SIDE, Inception, prepared
from leafwing.measure.network import Network, read_tensors, sha256_of

FILE = "pt_inception-2015-12-05-6726825d.pth"
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
BYTES = 95_628_359
URL = f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{FILE}"
MARK = "Mixed_7c.branch3x3dbl_3b.conv.weight"
"""A weight that only Inception-v3 has."""

UNVERIFIED = "inception-unverified"
"""The name of Inception with weights that cannot be told to be FID's: its distances are not called FID."""


def load(path: Path, device: torch.device | str = "cpu") -> Network:
    """Inception with the weights of a file.

    Args:
        path: the published ``.pth``, whose hash must be right; or a safetensors file with the same names, which
            cannot be checked and makes the network ``inception-unverified``.
        device: where it computes.

    Raises:
        BadData: no such file, the wrong hash, or other weights.
    """
    digest = sha256_of(path)
    checked = path.suffix != ".safetensors"
    if checked and digest != SHA256:
        raise BadData(
            f"{path} is not FID's Inception: its sha256 is {digest[:12]}… instead of {SHA256[:12]}…; get {FILE} "
            "again, e.g. with --download."
        )
    net = Inception()
    try:
        state = _read_pth(path) if checked else read_tensors(path)
        wanted = net.state_dict().keys()
        state = {name: value for name, value in state.items() if name in wanted}
        missing = [name for name in net.load_state_dict(state, strict=False).missing_keys if "num_batches" not in name]
    except RuntimeError as error:
        raise BadData(f"{path} does not hold FID's Inception-v3: {' '.join(str(error).split())[:120]}.") from None
    if missing:
        raise BadData(f"{path} does not hold FID's Inception-v3: {missing[0]} is missing.")
    net = net.eval().requires_grad_(False).to(device)
    return Network(
        name="inception" if checked else UNVERIFIED,
        dim=DIM,
        side=SIDE,
        resizer="legacy",
        compute=lambda x: net(prepared(x)),
        head=net.logits,
        weights=digest,
        preprocessing="RGB, (x - 128) / 128",
        standard=checked,
        device=torch.device(device),
    )


def _read_pth(path: Path) -> dict[str, Tensor]:
    """Tensors only: nothing in the file is executed."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise BadData(f"{path} cannot be read as weights: {' '.join(str(error).split())[:120]}.") from None
    return dict(state)


def kept() -> Path:
    """Where the weights are looked for by name, and where a download goes."""
    return cache_root() / "features" / FILE


def download(progress: Callable[[int, int], None] | None = None, url: str = URL) -> Path:
    """Fetch the weights into the cache, unless they are there; kept only if their hash is right.

    Raises:
        BadData: the network, or what came, was wrong.
        StorageFailed: the disk refused.
    """
    target = kept()
    if target.is_file() and sha256_of(target) == SHA256:
        return target
    draft = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(url, timeout=30) as answer, draft.open("wb") as file:
            done = 0
            while piece := answer.read(2**20):
                file.write(piece)
                done += len(piece)
                if progress:
                    progress(done, max(done, BYTES))
        if (found := sha256_of(draft)) != SHA256:
            raise BadData(f"What {url} sent is not FID's Inception (sha256 {found[:12]}…): nothing was kept.")
        draft.replace(target)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise BadData(
            f"{url} cannot be reached ({getattr(error, 'reason', error)}): fetch it on another machine and give it as "
            "--features inception=FILE."
        ) from None
    except OSError as error:
        raise StorageFailed(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        draft.unlink(missing_ok=True)
    return target
