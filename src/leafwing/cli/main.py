"""Finds the command, and turns every mistake into one sentence and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from types import FrameType

from cyclopts import App, CycloptsError

from leafwing._version import __version__
from leafwing.cli import bench, chat, data, demo, draw, evaluate, explore, faces, homework, predict, report, train, zoo
from leafwing.core.errors import LeafwingError

app = App(
    name="leafwing",
    help="Train a network to be a generator by the adversarial game, look at what it learned, and use it.",
    help_epilogue="Begin with:  leafwing demo\nYour own pictures:  leafwing train path/to/folder --out runs/mine",
    version=__version__,
    help_format="plaintext",
)
app.command(train.train)
app.command(train.resume)
app.command(train.status)
app.command(draw.sample)
app.command(draw.interpolate)
app.command(predict.predict)
app.command(chat.chat)
app.command(evaluate.evaluate)
app.command(explore.app)
app.command(report.report)
app.command(report.compare)
app.command(homework.app)
app.command(faces.faces)
app.command(data.app)
app.command(zoo.app)
app.command(demo.app)
app.command(bench.app)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; never returns normally without an exit code."""
    catch_signals()
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def catch_signals() -> None:
    """Let Ctrl-C, SIGTERM and SIGHUP unwind what is going on, so that helpers end and half a store is removed.

    A training takes them over while it plays (see ``run.stoppable``); what is ignored, as under ``nohup``, stays so.
    """
    if signal.getsignal(signal.SIGINT) in (signal.SIG_DFL, signal.default_int_handler):
        signal.signal(signal.SIGINT, interrupt)
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, leave)


CAUGHT: list[int] = []
"""Signals that came: a library that swallows one while it is imported fails later, for no reason of ours."""


def interrupt(number: int, frame: FrameType | None) -> None:
    """Ctrl-C, as Python does it, and noted."""
    note(number)
    raise KeyboardInterrupt


def leave(number: int, frame: FrameType | None) -> None:
    """End with the code that a shell gives to a process ended by this signal."""
    note(number)
    raise SystemExit(128 + number)


def note(number: int) -> None:
    """Remember the signal; while torch is imported, end at once: its parts in C++ swallow what a handler raises.

    Nothing is lost by that: no work begins before the imports are done.
    """
    CAUGHT.append(number)
    spec = getattr(sys.modules.get("torch"), "__spec__", None)
    if getattr(spec, "_initializing", False):
        os._exit(fail("Stopped.", 128 + number))


def run(arguments: list[str]) -> int:
    """The exit code: 0 done, 1 our fault, 2 the user's mistake, 128 + n stopped by signal n."""
    try:
        code = app(arguments or ["--help"], exit_on_error=False, print_error=False, result_action="return_value")
        return code if isinstance(code, int) else 0
    except CycloptsError as error:
        return fail(" ".join(str(error).split()) + " See --help.", 2)
    except LeafwingError as error:
        return fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return fail("Stopped.", 130)
    except BrokenPipeError:  # the reader of our output left, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return fail(f"{error.filename or 'The disk'}: {error.strerror or error}.", 2)
    except Exception as error:
        if CAUGHT:
            return fail("Stopped.", 128 + CAUGHT[-1])
        if type(error).__name__ in ("OutOfMemoryError", "MemoryError") or "can't allocate memory" in str(error):
            return fail("Out of memory: lower train.batch, the networks' widths or data.image_size.", 1)
        if os.environ.get("LEAFWING_DEBUG"):
            raise
        hint = "This is a defect of Leafwing; LEAFWING_DEBUG=1 shows where."
        return fail(f"{type(error).__name__}: {' '.join(str(error).split())} {hint}", 1)


def fail(sentence: str, code: int) -> int:
    """Say it to stderr, escaped so that one message is one line."""
    printable = "".join(c if c.isprintable() or c == " " else repr(c)[1:-1] for c in sentence)
    with suppress(OSError):  # nobody is there to read it
        print(f"leafwing: {printable}".encode("utf-8", "backslashreplace").decode(), file=sys.stderr)
    return code
