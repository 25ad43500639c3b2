"""Pictures and curves for the pages of the recipes, from finished rows of `leafwing bench zoo`; then the pages.

    leafwing bench zoo --out bench-zoo
    python benchmarks/zoo_pages.py bench-zoo [MORE ...] --out docs/zoo

Of several rows of a recipe, the one that was shown the most pictures is taken.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from PIL import Image

from leafwing.bench.reduced import SOONER
from leafwing.explain.page import pages
from leafwing.explore.charts import Line, alone, chart


def best_rows(folders: list[Path]) -> dict[str, tuple[dict[str, Any], Path]]:
    """Recipe -> its longest row, and its picture."""
    found: dict[str, tuple[dict[str, Any], Path]] = {}
    for path in sorted(file for folder in folders for file in (folder / "rows").glob("*.json")):
        row = json.loads(path.read_text())["row"]
        if row["problem"] or not row["points"] or not path.with_suffix(".png").exists():
            continue
        before = found.get(row["recipe"])
        if before is None or row["points"][-1]["images"] > before[0]["points"][-1]["images"]:
            found[row["recipe"]] = row, path.with_suffix(".png")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    images = asked.out / "images"
    images.mkdir(parents=True, exist_ok=True)
    for name, (row, picture) in best_rows(asked.folders).items():
        Image.open(picture).convert("RGB").quantize(256).save(images / f"{name}.png", optimize=True)
        points = row["points"]
        line = Line(name, [p["images"] / 1000 for p in points], [p["distance"] for p in points])
        drawn = chart([line], f"{row['on']}: distance from the truth", x_title="thousand real images shown to D")
        (images / f"{name}.svg").write_text(alone([drawn]), encoding="utf-8")
        own = "".join(f", {setting}" for setting in SOONER.get(name, []))
        (images / f"{name}.txt").write_text(
            f"Made small by `leafwing bench zoo`{own} (G {row['generator']:,} weights, D {row['discriminator']:,}), on "
            f"{row['on']}, seed {row['seed']}, {row['rounds']:,} rounds, {points[-1]['images']:,} images: distance "
            f"{points[0]['distance']:.3g} at the start, {row['end']['distance']:.3g} at the end, "
            f"{row['end']['modes']} of {row['modes']} modes.\n",
            encoding="utf-8",
        )
    for path in pages(asked.out):
        print(path)


if __name__ == "__main__":
    main()
