"""Processes that draw faces. Each is a fresh interpreter that knows nothing of the caller's program.

Python's own pools either fork (which freezes the child if the caller holds threads of torch) or import the
caller's main program again (which runs a script without ``if __name__ == "__main__"`` a second time, and
fails for a program read from a pipe). Drawing needs neither: a job is a few numbers, its result plain bytes.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from typing import IO

import numpy as np
from numpy.typing import NDArray

from leafwing.worlds.faces_draw import draw
from leafwing.worlds.faces_factors import draw_factors

AHEAD = 4
"""Chunks that each worker may be ahead of the reader."""

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
    idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
    threads = ThreadPoolExecutor(workers)

    def draw_elsewhere(chunk: list[int]) -> NDArray[np.uint8]:
        process = idle.get()
        pictures = _ask(process, seed, size, chunk)
        idle.put(process)
        return pictures

    try:
        for _ in range(workers):
            processes.append(_start())
            idle.put(processes[-1])
        # whichever worker is idle draws the next chunk, so that a slow one holds up nobody; a few chunks ahead
        # of the reader are enough for that and keep the memory small
        ahead: deque[Future[NDArray[np.uint8]]] = deque()
        for chunk in chunks:
            ahead.append(threads.submit(draw_elsewhere, chunk))
            if len(ahead) > AHEAD * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        for process in processes:
            process.kill()
        threads.shutdown(cancel_futures=True)
        for process in processes:
            process.communicate()


def _start() -> subprocess.Popen[bytes]:
    """Starts one worker."""
    # one core each: a worker's matrices are far too small to share
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-c", _PROGRAM]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _ask(process: subprocess.Popen[bytes], seed: int, size: int, indices: list[int]) -> NDArray[np.uint8]:
    """Has a worker draw some faces, uint8 [n, size, size, 3]."""
    shape = (len(indices), size, size, 3)
    received = b""
    with suppress(BrokenPipeError):  # a worker that has ended answers nothing, which is told below
        pipe = _pipe(process.stdin)
        pipe.write(json.dumps({"seed": seed, "size": size, "indices": indices}).encode() + b"\n")
        pipe.flush()
        received = _pipe(process.stdout).read(math.prod(shape))
    if len(received) != math.prod(shape):
        raise RuntimeError("A process that draws faces ended early (see its message above); try workers=1.")
    return np.frombuffer(received, np.uint8).reshape(shape)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None, "the worker was started with pipes"
    return pipe


def serve() -> None:
    """A worker's whole life: read requests from stdin, a line each; write the pictures' bytes to stdout."""
    try:
        for line in sys.stdin:
            work = json.loads(line)
            sys.stdout.buffer.write(draw_chunk(work["seed"], work["size"], work["indices"]).tobytes())
            sys.stdout.buffer.flush()
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(1)  # the caller has gone or wants to: nothing is left to say
