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
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from leafwing.core.errors import BadData

X = TypeVar("X")
T = TypeVar("T")
X_in = TypeVar("X_in", contravariant=True)
T_out = TypeVar("T_out", covariant=True)

Fetch: TypeAlias = Callable[[], X]
"""Brings one piece of work; called in the parent process, in any thread."""

_BOOT = "import json,sys; sys.path[:] = json.loads(sys.argv[1]); from leafwing.data.crew import serve; serve()"


LOOK = 1.0
"""Seconds without an answer after which the helpers are looked after."""
LATE = 12
"""Times its patience that a piece may take by the clock: it may wait for a core or a disk, but not for ever."""


class _Died(Exception):  # not an error yet: the piece is found and the work goes on
    """A helper ended in the middle of a question."""


class Task(Protocol[X_in, T_out]):
    """What is done with each piece."""

    patience: float
    """Seconds of computing after which a piece is given up, so that no file can hang a build."""

    def __call__(self, piece: X_in, /) -> T_out:
        """Do the work; must not raise for a bad piece."""
        ...

    def crashed(self, piece: X_in, why: str, /) -> T_out:
        """What stands for a piece that ended the process working on it, or would not end; ``why`` says which."""
        ...


class Helper(Generic[X, T]):
    """One helper process and the pipe to it.

    Attributes:
        wanted: cleared when the work is over: nothing is tried again then.
        at: what it does since when, for the one who watches: None, a fetch, or the piece with the helper.
    """

    def __init__(self, task: Task[X, T]) -> None:
        self.task = task
        self.wanted, self.late = True, False
        self.at: tuple[float, Fetch[X] | None] | None = None
        self.process = self._start()

    def fetch(self, fetches: list[Fetch[X]]) -> list[X]:
        """Bring the pieces, saying which one is being brought."""
        pieces = []
        for fetch in fetches:
            self.at = time.monotonic(), fetch
            pieces.append(fetch())
        self.at = None
        return pieces

    def do(self, pieces: list[X]) -> list[T]:
        """Have the pieces done.

        A helper that dies is replaced and goes on with the piece at which it died; one that kills two helpers, or
        takes too long, is given up. So nothing is lost when somebody ends a helper from outside.
        """
        results: list[T] = []
        strikes = (-1, 0)  # over which piece, how often
        while len(results) < len(pieces) and self.wanted:
            try:
                for result in self._ask(pieces[len(results) :]):
                    results.append(result)
            except _Died:
                self.stop()
                here = len(results)
                strikes = here, strikes[1] + 1 if strikes[0] == here else 1
                why = self._why_given_up(strikes[1])
                if why:
                    results.append(self.task.crashed(pieces[here], why))
        return results

    def watch(self) -> None:
        """End a helper that hangs over a piece.

        Raises:
            BadData: it is not the helper but the disk that does not answer.
        """
        at, limit = self.at, self.task.patience * LATE
        if at is None or time.monotonic() - at[0] < limit:
            return
        if at[1] is not None:
            raise BadData(
                f"Reading {at[1]} has taken more than {limit:.0f} s: its disk or network share does not answer; "
                "try again when it does."
            )
        self.late = True
        self.process.kill()

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(OSError):  # closing flushes what the dead helper never read
                    pipe.close()

    def _why_given_up(self, strikes: int) -> str:
        """Why no other helper should try this piece again; empty when one should."""
        late, self.late = self.late, False
        if late:
            return f"took too long: more than {self.task.patience * LATE:.0f} s"
        if self.process.returncode == -getattr(signal, "SIGPROF", 0):
            return f"took too long: more than {self.task.patience:.0f} s of computing"
        return "crashed the decoder: its process died twice" if strikes > 1 else ""

    def _ask(self, pieces: list[X]) -> Iterator[T]:
        """Send all pieces, then yield the answers as they come."""
        if self.process.returncode is not None:
            self.process = self._start()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.at = time.monotonic(), None
            pickle.dump(pieces, self.process.stdin, protocol=5)
            self.process.stdin.flush()
        except OSError as error:
            raise _Died from error
        for _ in pieces:
            self.at = time.monotonic(), None
            try:
                answer, failure = pickle.load(self.process.stdout)  # our own child's, not a file's
            except (OSError, EOFError, pickle.UnpicklingError) as error:
                raise _Died from error
            finally:
                self.at = None
            if failure is not None:
                raise failure
            yield answer

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
                answers.put(helper.do(helper.fetch(chunk)))
        except BaseException as error:  # carried to the caller's thread and raised there
            answers.put(error)

    threads = [threading.Thread(target=drive, args=(helper,), daemon=True) for helper in crew]
    try:
        for thread in threads:
            thread.start()
        working = workers
        while working:
            try:
                answer = answers.get(timeout=LOOK)
            except queue.Empty:
                for helper in crew:
                    helper.watch()
                continue
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
            for piece in pickle.load(questions):
                pickle.dump(_answer(task, piece), answers, protocol=5)
                answers.flush()


def _answer(task: Task[Any, Any], piece: Any) -> tuple[Any, BaseException | None]:
    with _timed(task.patience):
        try:
            return task(piece), None
        except Exception as error:
            return None, error


@contextmanager
def _timed(seconds: float) -> Iterator[None]:
    """Let the system end this process after so much computing: no decoder can hold a signal off.

    Where there is no such timer (Windows), only the parent's clock watches.
    """
    if not hasattr(signal, "setitimer"):
        yield
        return
    signal.setitimer(signal.ITIMER_PROF, seconds)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)
