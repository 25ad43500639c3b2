"""``leafwing chat``."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

from cyclopts import Parameter

if TYPE_CHECKING:
    from leafwing.explore.replies import Quality


def chat(
    run: Path,
    /,
    *,
    ask: str | None = None,
    measure: Annotated[bool, Parameter(negative=())] = False,
    json_output: Annotated[bool, Parameter(name="--json", negative=())] = False,
    count: int = 1,
    seed: int | None = None,
    device: str = "auto",
) -> int:
    """Answer questions: each line read is one, and whoever asks the same again gets another answer.

    Example: leafwing chat runs/chat
    Several answers to one question: leafwing chat runs/chat --ask "who is fenna?" --count 5 --seed 1

    Parameters
    ----------
    run
        A run folder or its generator/, of a recipe such as chat-gan.
    ask
        One question instead of those that are typed, or come in by a pipe.
    count
        Answers to each question, all different where there are so many.
    measure
        Judge its answers to the questions of its own data, those seen in training and those kept from it.
    json_output
        With --measure: print JSON.
    seed
        The same seed and questions give the same answers; if left out, 0 for --ask and pipes, and in the terminal
        another one each time.
    device
        auto, cpu or cuda.
    """
    from leafwing import api
    from leafwing.core.errors import BadConfig

    if count < 1:
        raise BadConfig(f"--count {count} cannot be: ask for at least 1 answer.")
    if measure and (ask is not None or count != 1):
        raise BadConfig(
            "--measure asks the questions of the run's own data, 50 times each: leave --ask and --count out."
        )
    if json_output and not measure:
        raise BadConfig("--json goes with --measure: answers are printed as they are, a line each.")
    if measure:
        found = api.measure_replies(run, seed=seed or 0, device=device)
        print(json.dumps([one.as_dict() for one in found], indent=2) if json_output else table(found))
        return 0
    talks = ask is None and sys.stdin.isatty()
    if seed is None:
        seed = secrets.randbelow(2**32) if talks else 0
    talk = api.chat(run, seed=seed, device=device)
    if ask is not None:
        for _ in range(count):
            print(talk.answer(ask))
        return 0
    if talks:
        print("Ask in words it knows; an empty line ends.", file=sys.stderr)
    return converse(talk.answer, count, talks)


def table(found: list[Quality]) -> str:
    """For people."""
    names = ("valid", "coverage", "distinct", "bleu", "single_bleu", "distinct_1", "distinct_2")
    rows = [["questions", "answered by", "asked", *(name.replace("_", " ") for name in names)]]
    for one in found:
        cells = [getattr(one, name) for name in names]
        numbers = ["-" if cell is None else f"{cell:.1%}" for cell in cells]
        numbers[names.index("distinct")] = f"{one.distinct:.1f}"
        rows.append(["seen" if one.seen else "unseen", one.of, f"{one.questions} x {one.draws}", *numbers])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)


def converse(answer: Callable[[str], str], count: int, talks: bool) -> int:
    """Answer line by line until the end; what cannot be understood is said to stderr and costs that line alone.

    Returns:
        0; 2 if a line that came in by a pipe could not be answered.
    """
    from leafwing.cli.main import fail
    from leafwing.core.errors import LeafwingError

    code = 0
    for number, line in enumerate(lines(sys.stdin.buffer, "> " if talks else ""), 1):
        if talks and not line.strip():
            break
        try:
            for _ in range(count):
                print(answer(line), flush=True)
        except LeafwingError as problem:
            code = fail(str(problem) if talks else f"line {number}: {problem}", problem.exit_code)
    return 0 if talks else code


def lines(file: BinaryIO, prompt: str) -> Iterator[str]:
    """Lines as text; of one that is too long to be a question only the beginning, the rest of it skipped."""
    from leafwing.core.lexicon import LONGEST

    most = 4 * LONGEST + 4  # bytes that any question of so many characters fits into
    while True:
        print(prompt, end="", file=sys.stderr, flush=True)
        line = file.readline(most)
        if not line:
            return
        end = line
        while not end.endswith(b"\n") and (end := file.readline(most)):
            pass
        yield line.decode("utf-8", "replace")
