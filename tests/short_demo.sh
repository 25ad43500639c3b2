#!/bin/sh
# Plays a shortened demo to the end and opens its pictures. Usage: short_demo.sh BIN
set -eu
bin=$1
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
LEAFWING_CACHE="$out/cache" "$bin/leafwing" demo --out "$out/demo" --steps 20
"$bin/python" - "$out/demo" <<'PY'
import sys
from pathlib import Path

import numpy as np
from PIL import Image

out = Path(sys.argv[1])
for name, frames in (("faces.png", 1), ("interpolation.png", 1), ("interpolation.gif", 26),
                     ("run/samples/timeline.png", 1), ("run/samples/timeline.gif", 3)):
    with Image.open(out / name) as picture:
        assert getattr(picture, "n_frames", 1) >= frames, (name, picture.n_frames)
        assert np.asarray(picture.convert("RGB")).std() > 5, f"{name} is empty"
        print(f"{name}: {picture.size[0]} x {picture.size[1]}, {getattr(picture, 'n_frames', 1)} frame(s)")
PY
