"""The sizes of a source's pictures, from the headers of some of them."""

from __future__ import annotations

import os

from leafwing.data.doors import find_door
from leafwing.data.pictures import BadPicture, opened, orientation

LOOKED_AT = 256
"""Pictures spread over the source."""


def sizes_of(source: str | os.PathLike[str]) -> set[tuple[int, int]]:
    """Width and height, upright, of up to 256 pictures; those that cannot be read are passed over.

    Raises:
        BadData: nothing there, or nothing that could hold pictures.
    """
    door = find_door(source)
    total = len(door.listing.names)
    wanted = {round(i * (total - 1) / (LOOKED_AT - 1)) for i in range(LOOKED_AT)}  # the first and the last among them
    found = set()
    for index, load in door.loads(total):
        if index not in wanted:
            continue
        try:
            raw = load()
            if not isinstance(raw, bytes):
                found.add((raw.shape[1], raw.shape[0]))
                continue
            image = opened(raw)
            found.add(image.size if orientation(image) < 5 else image.size[::-1])
        except BadPicture:
            continue
    return found
