"""The memory estimate beside the process's real peak: a child plays two rounds, and the kernel tells its peak.

python benchmarks/estimate.py [--threads 1]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

TINY = {
    "gan-2014": ["generator.hidden=8", "discriminator.units=4"],
    "dcgan": ["generator.width=2", "discriminator.width=2"],
    "faces": ["generator.width=2", "generator.most=4", "discriminator.width=2", "discriminator.most=4"],
}
CASES = [("gan-2014", 512), ("gan-2014", 8192), ("dcgan", 32), ("dcgan", 128), ("faces", 32), ("faces", 128)]


def child(name: str, batch: int, threads: int) -> None:
    """Peak memory of two rounds, over what importing and the first operations took."""
    import torch

    from leafwing import api, estimate, prepare
    from leafwing.training import one_round

    torch.set_num_threads(threads)
    cpu = torch.device("cpu")
    recipe = prepare.settle(api.make_recipe(None, name, batch=batch), cpu)
    tiny = prepare.settle(api.make_recipe(None, name, batch=2, settings=TINY[name]), cpu)
    one_round(prepare.prepare(tiny, estimate.Noise(tiny, 4), cpu))  # libraries load and allocate on first use
    pictures = estimate.Noise(recipe, batch)
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = status("VmRSS")
    training = prepare.prepare(recipe, pictures, cpu)
    for _ in range(2):
        one_round(training)
    print(status("VmHWM") - before)


def status(name: str) -> int:
    """Bytes, from Linux."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--child", nargs=2)
    parser.add_argument("--case", nargs=2, action="append", metavar=("RECIPE", "BATCH"))
    options = parser.parse_args()
    if options.child:
        return child(options.child[0], int(options.child[1]), options.threads)
    import torch

    from leafwing import api, estimate

    torch.set_num_threads(options.threads)
    print("recipe     batch   estimate   measured   estimate/measured")
    for name, batch in [(n, int(b)) for n, b in options.case or []] or CASES:
        found = estimate.estimate(api.make_recipe(None, name, batch=batch), "cpu", seconds=0)
        command = [sys.executable, __file__, "--threads", str(options.threads), "--child", name, str(batch)]
        real = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        guess = found.memory.kept + found.memory.round(batch)
        print(f"{name:10} {batch:5} {guess / 1e6:7.0f} MB {real / 1e6:7.0f} MB   {guess / real:.2f}", flush=True)
    return None


if __name__ == "__main__":
    main()
