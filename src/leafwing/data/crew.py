"""Helper processes that run one task on what they are sent.

Why not threads: a picture is a dozen short calls that let go of Python's lock and take it again. Measured on
18,000 WebP files of 64 px and two busy cores: one process 2,500 a second, two threads 1,900 to 2,400, two
helpers 3,400. Why not ``multiprocessing``: its spawned processes run the user's script once more unless it is
guarded, and forked ones inherit torch's locks. A helper here is a plain ``python -c`` that knows nothing of the
script, reads chunks from its standard input and answers on its standard output. It ends by itself when the
parent is gone.
"""

from __future__ import annotations

import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

X = TypeVar("X")
T = TypeVar("T")
X_in = TypeVar("X_in", contravariant=True)
T_out = TypeVar("T_out", covariant=True)

Fetch: TypeAlias = Callable[[], X]
"""Brings one piece of work; called in the parent process, in any thread."""

_BOOT = "import json,sys; sys.path[:] = json.loads(sys.argv[1]); from leafwing.data.crew import serve; serve()"


class _Died(Exception):  # not an error yet: the piece is found and the work goes on
    """A helper ended in the middle of a question."""


class Task(Protocol[X_in, T_out]):
    """What is done with each piece."""

    def __call__(self, piece: X_in, /) -> T_out:
        """Do the work; must not raise for a bad piece."""
        ...

    def crashed(self, piece: X_in, /) -> T_out:
        """What stands for a piece that killed the process working on it."""
        ...


class Helper(Generic[X, T]):
    """One helper process and the pipe to it."""

    def __init__(self, task: Task[X, T]) -> None:
        self.task = task
        self.wanted = True
        self.process = self._start()

    def do(self, pieces: list[X]) -> list[T]:
        """Have the pieces done. When the helper dies over them, find out over which one."""
        try:
            return self._ask(pieces)
        except _Died:
            self.stop()
        return [self._alone(piece) for piece in pieces if self.wanted]

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(OSError):  # closing flushes what the dead helper never read
                    pipe.close()

    def _alone(self, piece: X) -> T:
        try:
            if self.process.returncode is not None:
                self.process = self._start()
            return self._ask([piece])[0]
        except _Died:
            self.stop()
            return self.task.crashed(piece)

    def _ask(self, pieces: list[X]) -> list[T]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            pickle.dump(pieces, self.process.stdin, protocol=5)
            self.process.stdin.flush()
            answer, failure = pickle.load(self.process.stdout)  # our own child's, not a file's
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            raise _Died from error
        if failure is not None:
            raise failure
        return list(answer)

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", _BOOT, json.dumps(sys.path)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # died at once: the first question will say so
            pickle.dump(self.task, process.stdin, protocol=5)
        return process


def with_crew(chunks: Iterator[list[Fetch[X]]], task: Task[X, T], workers: int) -> Iterator[list[T]]:
    """Yield the results of each chunk, in the order in which helpers finish them.

    One thread a helper fetches, sends and waits; it holds Python's lock only for moments.
    """
    answers: queue.SimpleQueue[list[T] | BaseException | None] = queue.SimpleQueue()
    turn, crew = threading.Lock(), [Helper(task) for _ in range(workers)]

    def drive(helper: Helper[X, T]) -> None:
        try:
            while True:
                with turn:
                    chunk = next(chunks, None)
                if chunk is None:
                    answers.put(None)
                    return
                answers.put(helper.do([fetch() for fetch in chunk]))
        except BaseException as error:  # carried to the caller's thread and raised there
            answers.put(error)

    threads = [threading.Thread(target=drive, args=(helper,), daemon=True) for helper in crew]
    try:
        for thread in threads:
            thread.start()
        working = workers
        while working:
            answer = answers.get()
            if isinstance(answer, BaseException):
                raise answer
            if answer is None:
                working -= 1
            else:
                yield answer
    finally:  # also when the caller stops early or Ctrl-C arrives
        chunks = iter(())
        for helper in crew:
            helper.wanted = False
            helper.process.kill()
        for thread in threads:
            thread.join(timeout=5)  # a slow disk may hold one longer; it is a daemon
        for helper in crew:
            helper.stop()


def serve() -> None:
    """The helper's life: take the task, then answer chunks until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    questions = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    from leafwing.data.pictures import quiet

    with suppress(EOFError, BrokenPipeError), quiet():
        task: Task[Any, Any] = pickle.load(questions)
        while True:
            pickle.dump(_answer(task, pickle.load(questions)), answers, protocol=5)
            answers.flush()


def _answer(task: Task[Any, Any], pieces: list[Any]) -> tuple[list[Any], BaseException | None]:
    try:
        return [task(piece) for piece in pieces], None
    except Exception as error:
        return [], error
