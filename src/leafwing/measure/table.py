"""Pictures through a network once, into a table on disk; those of a data set are kept in the cache.

A table is a memory-mapped file of float32 [n, d], so 50,000 pictures take the memory of one batch. A kept one is found
again by (fingerprint of the data, which pictures, how they were prepared, network, weights, resizer), with the mean and
scatter of its features beside it.

Shape legend: n pictures, b pictures of a batch, d features, h height, w width, c channels.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from leafwing.core import tensors
from leafwing.core.errors import BadData, BadRun
from leafwing.core.progress import say
from leafwing.data import cache_root
from leafwing.data.cache import building, discard, storing, write_synced
from leafwing.measure import statistics
from leafwing.measure.network import Network
from leafwing.measure.rows import blocks
from leafwing.measure.statistics import Moments

FORMAT = 1
FEATURES, STATISTICS, META = "features.f32", "statistics.safetensors", "meta.json"

Batches: TypeAlias = Iterable[NDArray[np.uint8]]
"""Pictures uint8 [b, h, w, c], a batch at a time."""
Progress: TypeAlias = Callable[[int, int], None]


@dataclass
class Table:
    """Features of n pictures.

    Attributes:
        rows: float32 [n, d], memory-mapped.
        kept: the moments, where they came from the cache.
    """

    rows: NDArray[np.float32]
    kept: Moments | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def moments(self) -> Moments:
        """Mean and scatter, in float64 on the CPU."""
        return self.kept or statistics.stream(x for _, x in blocks(self.rows))


def extract(batches: Batches, n: int, network: Network, title: str, progress: Progress | None = None) -> Table:
    """The features of a stream of n pictures, in a file that vanishes with the table.

    Args:
        batches: the pictures.
        n: how many they are.
        network: what reads them.
        title: where they come from, for messages.
        progress: called with (done, n).

    Raises:
        BadData: features that are not finite, or another number of pictures.
        StorageFailed: no room in the cache.
    """
    root = cache_root()
    with storing(root, n * network.dim * 4):
        root.mkdir(parents=True, exist_ok=True)
        file = tempfile.TemporaryFile(dir=root)  # noqa: SIM115 - closed below, where its map keeps it alive
    with file:
        _write(batches, n, network, title, file, progress)
        return Table(np.memmap(file, np.float32, "r", shape=(n, network.dim)))


def kept(
    identity: dict[str, Any],
    batches: Callable[[], Batches],
    n: int,
    network: Network,
    title: str,
    progress: Progress | None = None,
) -> Table:
    """Like :func:`extract`, from the cache where it is there.

    Args:
        identity: all that determines the pictures, as plain JSON: fingerprint, size, which of them.
        batches: makes the stream, if it is needed.
        n: how many pictures.
        network: what reads them.
        title: where they come from.
        progress: called with (done, n).
    """
    about = {"format": FORMAT, "n": n, "pictures": identity, "network": network.protocol()}
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]
    final = cache_root() / "measures" / f"{network.name}-{digest}"
    if final.exists():
        found = _read(final, n, network.dim)
        if found is not None:
            return found
        say(f"The cached features in {final} are damaged: they are computed again.")
        discard(final)
    with building(final) as folder:
        with storing(final.parent, n * network.dim * 4), (folder / FEATURES).open("wb") as file:
            _write(batches(), n, network, title, file, progress)
        rows = np.memmap(folder / FEATURES, np.float32, "r", shape=(n, network.dim))
        moments = statistics.stream(x for _, x in blocks(rows))
        state = {"mean": moments.mean, "scatter": moments.scatter}
        write_synced(folder / STATISTICS, tensors.to_bytes(state, {"n": str(n)}))
        write_synced(folder / META, json.dumps(about, indent=2))
    return _read(final, n, network.dim) or Table(rows, moments)


def _read(folder: Path, n: int, d: int) -> Table | None:
    """A kept table, or None when a file is missing, empty, cut or does not fit."""
    try:
        json.loads((folder / META).read_text("utf-8"))
        if (folder / FEATURES).stat().st_size != n * d * 4:
            return None
        state = tensors.from_bytes((folder / STATISTICS).read_bytes(), STATISTICS)
        moments = Moments(n, state["mean"], state["scatter"])
    except (OSError, ValueError, KeyError, BadRun):
        return None
    if moments.mean.shape != (d,) or moments.scatter.shape != (d, d) or not bool(moments.scatter.isfinite().all()):
        return None
    return Table(np.memmap(folder / FEATURES, np.float32, "r", shape=(n, d)), moments)


@torch.inference_mode()
def _write(batches: Batches, n: int, network: Network, title: str, file: IO[bytes], progress: Progress | None) -> None:
    done = 0
    for batch in batches:
        pictures = torch.from_numpy(np.array(batch)).permute(0, 3, 1, 2)
        features = network(pictures).cpu()
        wrong = (~features.isfinite().all(1)).nonzero()
        if len(wrong):
            raise BadData(
                f"The {network.name} features of picture {done + int(wrong[0])} of {title} are not finite (NaN): "
                "the weights are damaged or the preprocessing does not fit."
            )
        with storing(cache_root(), n * network.dim * 4):
            file.write(features.contiguous().numpy().data)
        done += len(features)
        if progress:
            progress(done, n)
    if done != n:
        raise BadData(f"{title} gave {done} pictures instead of {n}.")
    with storing(cache_root()):
        file.flush()
