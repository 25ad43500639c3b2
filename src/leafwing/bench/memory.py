"""Peak memory of a loop: on a CPU in a process of its own, on a GPU by torch's own books."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from leafwing.bench.clock import Play
from leafwing.bench.loops import Name, build
from leafwing.core.progress import say
from leafwing.recipe import Recipe

MB = 1e6


@dataclass(frozen=True)
class Peak:
    """MB (10^6 bytes) of the process, or on a GPU of torch's memory there; ``idle`` is before the loop is built."""

    peak: float
    idle: float


def measure(name: Name, recipe: Recipe, device: torch.device, threads: int, steps: Iterable[int]) -> Peak | None:
    """Play these rounds, on a CPU in a child process; None, and a sentence on stderr, if that could not be."""
    if device.type == "cuda":
        return on_gpu(name, recipe, device, steps)
    job = {"name": name, "recipe": recipe.as_dict(), "device": str(device), "threads": threads, "steps": list(steps)}
    code = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from leafwing.bench import memory; memory.serve()"
    command = [sys.executable, "-c", code, json.dumps(sys.path)]
    done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, check=False)
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
        return Peak(**answer)
    except (IndexError, ValueError, TypeError):
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        say(f"The memory of the {name} loop was not measured: its process ended with code {done.returncode} ({last}).")
        return None


def on_gpu(name: Name, recipe: Recipe, device: torch.device, steps: Iterable[int]) -> Peak:
    """What the loop adds to what torch holds on the GPU; the loop is gone afterwards."""
    gc.collect()
    torch.cuda.reset_peak_memory_stats(device)
    idle = torch.cuda.memory_allocated(device) / MB
    twice(build(name, recipe, device), steps)
    return Peak(torch.cuda.max_memory_allocated(device) / MB, idle)


def twice(play: Play, steps: Iterable[int]) -> None:
    """Every round twice: the optimisers' state and the gradients are there the second time."""
    for step in 2 * list(steps):
        play(step)


def serve() -> None:
    """The child's life: read the job, play, answer on the last line of stdout."""
    job = json.load(sys.stdin)
    torch.set_num_threads(job["threads"])
    idle = peak()
    twice(build(job["name"], Recipe.from_dict(job["recipe"]), torch.device(job["device"])), job["steps"])
    sys.stdout.write("\n" + json.dumps({"peak": peak(), "idle": idle}) + "\n")


def peak() -> float:
    """The most memory this process ever held, in MB.

    Linux hands a parent's ``ru_maxrss`` down to its children, even through exec; VmHWM starts anew with the program.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")) / MB
    except (OSError, StopIteration):
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MB
