"""The course's archive from a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from torch import nn

from leafwing._version import __version__
from leafwing.core import pictures
from leafwing.core.progress import counting, say
from leafwing.explore.asked import Asking
from leafwing.homework import archive
from leafwing.homework.course import COUNT, SIDE
from leafwing.loading import load_generator


def export(
    run: Path,
    out: Path,
    *,
    seed: int = 1,
    truncation: float | None = None,
    device: str = "auto",
    generator: nn.Module | None = None,
) -> int:
    """Write 1,000 samples as the course asks; picture i is sample i - 1 of ``leafwing sample --seed``.

    Args:
        run: a run folder or its ``generator/``.
        out: ends in .tgz.
        seed: of z.
        truncation: as for `leafwing.api.sample`.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        generator: the module given to ``train``, if one was.

    Returns:
        The JPEG quality taken, 10 to 95: the best that keeps the archive under 2 MB.
    """
    G = load_generator(run, device, generator)

    def shots() -> Iterator[Image.Image]:
        with counting("drawing") as report:
            done = 0
            for some in Asking(G).draw(COUNT, seed, truncation):
                for pixels in pictures.to_uint8(some.pictures):
                    yield pictures.to_image(pixels)
                done += len(some.pictures)
                report(done, COUNT)

    def note(number: int) -> str:
        return f"Leafwing {__version__}: made by a generator, seed {seed}, sample {number - 1}"

    side = G.card["recipe"]["data"]["image_size"]
    if side != SIDE:
        say(f"These pictures are {side} x {side}; the course's are {SIDE} x {SIDE}.")
    return archive.write(shots(), out, note)
