"""Do the measures order good and bad? Fresh faces, blurred ones and noisy ones against other faces.

python benchmarks/measures_order.py --features squeezenet=FILE --count 2000
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

import leafwing
from leafwing.core.progress import counting
from leafwing.worlds.render import render_folder


def spoiled(fresh: Path, root: Path, blur: float, noise: float) -> dict[str, Path]:
    """The same pictures blurred (radius in pixels) and with normal noise (deviation in grey levels)."""
    folders = {name: root / name for name in ("blurred", "noisy")}
    for folder in folders.values():
        folder.mkdir()
    rng = np.random.default_rng(0)
    for path in sorted(fresh.glob("*.png")):
        image = Image.open(path).convert("RGB")
        image.filter(ImageFilter.GaussianBlur(blur)).save(folders["blurred"] / path.name)
        pixels = np.asarray(image) + rng.normal(0, noise, np.asarray(image).shape)
        Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8)).save(folders["noisy"] / path.name)
    return {"fresh": fresh, **folders}


def main() -> None:
    """Draw, spoil, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", default="pixels")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--blur", type=float, default=1.0)
    parser.add_argument("--noise", type=float, default=15.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        with counting("drawing") as progress:
            render_folder("faces", Path(root) / "fresh", asked.count, 64, 1, progress)
        for name, folder in spoiled(Path(root) / "fresh", Path(root), asked.blur, asked.noise).items():
            verdict = leafwing.evaluate(folder, "world:faces", features=asked.features, count=asked.count)
            print(f"{name}\n{verdict.text()}\n", flush=True)


if __name__ == "__main__":
    main()
