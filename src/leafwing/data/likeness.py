"""How alike and how sharp pictures are: perceptual hash, near duplicates among many, blur."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HASH_BITS = 3
"""Near duplicates differ in at most so many of the 64 bits of their hashes …"""
TINT = 6.0
"""… and by at most this root mean square difference, 0..255, of their 16×16 thumbnails."""
CROWD = 512
"""A group of equal bits larger than this is split by more bits before its pairs are compared."""

_BAND = 0xFFFF
_RESIZE = Image.Resampling.BOX


def dhash(image: Image.Image) -> int:
    """64 bits: is each pixel of an 8×8 grey thumbnail darker than its right neighbour?"""
    grey = np.asarray(image.convert("L").resize((9, 8), _RESIZE), np.int16)
    return int.from_bytes(np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes(), "big")


def thumbnail(image: Image.Image) -> bytes:
    """16×16 RGB, 768 bytes: what candidates for near duplicates are compared by."""
    return image.convert("RGB").resize((16, 16), _RESIZE).tobytes()


def sharpness(grey: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian of a grey picture [h, w]; low = blurred or flat."""
    g = grey.astype(np.float32)
    edges = g[:-2, 1:-1] + g[2:, 1:-1] + g[1:-1, :-2] + g[1:-1, 2:] - 4 * g[1:-1, 1:-1]
    return float(edges.var())


def near_duplicates(hashes: NDArray[np.uint64], thumbnails: NDArray[np.uint8]) -> list[list[int]]:
    """Group pictures that are the same but for size, compression or a touch of light.

    Two hashes that differ in at most 3 of 64 bits agree in at least one of four bands of 16 bits, so
    only pictures that share a band are compared. A band shared by a crowd (a white border, say) is
    split by the next band too, which may miss a pair: the price of staying fast.

    Args:
        hashes: n values of :func:`dhash`.
        thumbnails: uint8 [n, 768] of :func:`thumbnail`.

    Returns:
        Groups of two or more indices, each sorted, in order of their first.
    """
    leader = np.arange(len(hashes))
    for members in _neighbourhoods(hashes):
        for position, first in enumerate(members[:-1]):
            rest = members[position + 1 :]
            rest = rest[np.bitwise_count(hashes[rest] ^ hashes[first]) <= HASH_BITS]
            for other in _of_one_tint(thumbnails, first, rest):
                _join(leader, int(first), int(other))
    groups: dict[int, list[int]] = defaultdict(list)
    for index in range(len(leader)):
        groups[_root(leader, index)].append(index)
    return [group for group in groups.values() if len(group) > 1]


def _neighbourhoods(hashes: NDArray[np.uint64]) -> Iterator[NDArray[np.int64]]:
    """Indices that agree in a band, at most ``CROWD`` at a time."""
    for band in range(4):
        crowd = np.arange(len(hashes))
        for width in (1, 2, 4):
            mask = 0
            for step in range(width):
                mask |= _BAND << 16 * ((band + step) % 4)
            small, crowd = _split(crowd, hashes[crowd] & np.uint64(mask))
            yield from small
        for start in range(0, len(crowd), CROWD):  # all bits equal: neighbours in order will do
            yield crowd[start : start + CROWD]


def _split(members: NDArray[np.int64], keys: NDArray[np.uint64]) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """Part members by key: groups of 2 to ``CROWD``, and all members of larger groups together."""
    order = np.argsort(keys, kind="stable")
    members, keys = members[order], keys[order]
    runs = np.split(members, np.flatnonzero(keys[1:] != keys[:-1]) + 1)
    small = [run for run in runs if 2 <= len(run) <= CROWD]
    large = [run for run in runs if len(run) > CROWD]
    return small, np.concatenate(large) if large else members[:0]


def _of_one_tint(thumbnails: NDArray[np.uint8], first: np.int64, rest: NDArray[np.int64]) -> NDArray[np.int64]:
    if not len(rest):
        return rest
    difference = thumbnails[rest].astype(np.float32) - thumbnails[first]
    alike: NDArray[np.int64] = rest[np.sqrt((difference**2).mean(axis=1)) <= TINT]
    return alike


def _root(leader: NDArray[np.int64], index: int) -> int:
    while leader[index] != index:
        leader[index] = leader[leader[index]]
        index = int(leader[index])
    return index


def _join(leader: NDArray[np.int64], one: int, other: int) -> None:
    one, other = _root(leader, one), _root(leader, other)
    leader[max(one, other)] = min(one, other)
