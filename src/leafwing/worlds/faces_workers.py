"""Processes that draw faces. Each is a fresh interpreter that knows nothing of the caller's program.

Python's own pools either fork (which freezes the child if the caller holds threads of torch) or import the
caller's main program again (which runs a script without ``if __name__ == "__main__"`` a second time, and
fails for a program read from a pipe). Drawing needs neither: a job is a few numbers, its result plain bytes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from typing import IO

import numpy as np
from numpy.typing import NDArray

from leafwing.worlds.faces_draw import draw
from leafwing.worlds.faces_factors import draw_factors

_PROGRAM = "from leafwing.worlds.faces_workers import serve; serve()"


def draw_chunk(seed: int, size: int, indices: list[int]) -> NDArray[np.uint8]:
    """Draws some faces of a world, uint8 [n, size, size, 3]."""
    return np.stack([draw(draw_factors(seed, index), size) for index in indices])


def draw_chunks(
    seed: int, size: int, chunks: list[list[int]], workers: int
) -> Generator[NDArray[np.uint8], None, None]:
    """Draws the chunks in order, with the given number of processes; with one worker, in this process."""
    if workers == 1:
        yield from (draw_chunk(seed, size, chunk) for chunk in chunks)
        return
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for worker in range(workers):
            processes.append(_start(seed, size, chunks[worker::workers]))
        # the chunks go round: while one is read here, the other workers draw theirs
        for k, chunk in enumerate(chunks):
            yield _receive(processes[k % workers], (len(chunk), size, size, 3))
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _start(seed: int, size: int, chunks: list[list[int]]) -> subprocess.Popen[bytes]:
    """Starts one worker and gives it all of its work."""
    # one core each: a worker's matrices are far too small to share
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-c", _PROGRAM]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with _pipe(process.stdin) as pipe:
        pipe.write(json.dumps({"seed": seed, "size": size, "chunks": chunks}).encode())
    process.stdin = None
    return process


def _receive(process: subprocess.Popen[bytes], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Reads one chunk of pictures from a worker."""
    wanted = int(np.prod(shape))
    received = _pipe(process.stdout).read(wanted)
    if len(received) != wanted:
        raise RuntimeError("A process that draws faces ended early (see its message above); try workers=1.")
    return np.frombuffer(received, np.uint8).reshape(shape)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None, "the worker was started with pipes"
    return pipe


def serve() -> None:
    """A worker's whole life: read the work from stdin, write the pictures' bytes to stdout."""
    work = json.load(sys.stdin)
    try:
        for chunk in work["chunks"]:
            sys.stdout.buffer.write(draw_chunk(work["seed"], work["size"], chunk).tobytes())
            sys.stdout.buffer.flush()
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(1)  # the caller has gone or wants to: nothing is left to say
