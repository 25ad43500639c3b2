"""REL-R1, REL-R5: killed or stopped at random moments, a run loses at most an interval and ends bit for bit the same.

Forked trainers: torch is imported once, each trial is a fork that trains tiny networks and is shot at a random time.
"""

from __future__ import annotations

import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from test_run import SETTINGS, fingerprint, pictures  # noqa: F401

from leafwing import api
from leafwing.cli.main import catch_signals
from leafwing.cli.main import run as command
from leafwing.core import housekeeping
from leafwing.recipe import Recipe
from leafwing.watch.meter import read_rows

STEPS, EVERY = 24, 3
WISHES = [*SETTINGS, f"watch.checkpoint_every={EVERY}", "watch.log_every=1", "watch.samples=1", "train.batch=4"]

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here"),
    pytest.mark.timeout(3600),
]


@pytest.fixture
def room() -> Iterator[Path]:
    """A folder in memory where there is one: what a kill leaves is the same, and a save takes no disk's time."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


def sitting(recipe: Recipe, out: Path) -> int:
    """Start or resume in a fork; returns its pid."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.dup2(2, 1)
        torch.set_num_threads(1)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        catch_signals()
        if (out / "run.toml").exists():
            code = command(["resume", str(out), "--device", "cpu"])
        else:
            (out.parent / "my.toml").write_text(recipe.to_toml())
            shutil.rmtree(out, ignore_errors=True)
            code = command(["train", "--recipe", str(out.parent / "my.toml"), "--out", str(out), "--device", "cpu"])
    except SystemExit as error:
        code = int(error.code or 0)
    finally:
        os._exit(code)


def reached(out: Path) -> tuple[int, int]:
    """The newest checkpoint's step and the newest step in the log."""
    found = [int(p.name[5:]) for p in (out / "checkpoints").glob("step-*") if p.name[5:].isdigit()]
    log = out / "metrics.jsonl"
    return max(found, default=0), max((int(row["step"]) for row in read_rows(log)), default=0) if log.exists() else 0


def play_through(recipe: Recipe, out: Path) -> float:
    """The run that nobody disturbs; returns its seconds."""
    start = time.perf_counter()
    _, status = os.waitpid(sitting(recipe, out), 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return time.perf_counter() - start


def shoot(recipe: Recipe, room: Path, kills: int) -> None:
    """Kill at U(0.02 s, 0.7 T), resume until the run is done, again until so many kills have hit."""
    (room / "whole").mkdir()
    length = play_through(recipe, room / "whole" / "run")
    wanted, rng = fingerprint(room / "whole" / "run"), random.Random(8)
    hits = chains = midway = 0
    while hits < kills:
        chains += 1
        place = room / "shot"
        place.mkdir()
        out = place / "run"
        code = -signal.SIGKILL
        for _ in range(200):
            child = sitting(recipe, out)
            if hits < kills:
                time.sleep(rng.uniform(0.02, 0.7 * length))
                os.kill(child, signal.SIGKILL)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if code == 0:
                break
            assert code == -signal.SIGKILL
            hits += 1
            saved, logged = reached(out)
            assert logged - saved <= EVERY, f"{logged - saved} rounds lost"
            midway += bool(list((out / "checkpoints").glob("*.tmp-*"))) if out.exists() else 0
        assert code == 0, "never done"
        assert fingerprint(out) == wanted
        left = {p.name for p in (out / "checkpoints").iterdir()}
        assert len(left) == 2
        assert not [p for p in out.rglob("*") if ".tmp-" in p.name]
        shutil.rmtree(place)
    print(
        f"{hits} kills in {chains} runs, {midway} of them within a save: 0 lost, so with 95 % less than {3 / hits:.2%}"
    )
    assert chains > 1


def recipe_for(pictures: Path) -> Recipe:  # noqa: F811
    return api.make_recipe(pictures, "dcgan", steps=STEPS, settings=WISHES)


def test_rel_r1_one_hundred_random_kills_lose_nothing(pictures, room):  # noqa: F811
    """0 of 100: with 95 % confidence less than 3 % of kills lose a run, more than an interval, or one bit."""
    shoot(recipe_for(pictures), room, 100)


def test_rel_r1_a_kill_between_saving_and_deleting_leaves_nothing_for_ever(room, pictures, monkeypatch):  # noqa: F811
    """The last save of a run was whole, and the trainer died before it deleted the oldest: the next start does."""
    with monkeypatch.context() as dead:
        dead.setattr(housekeeping, "prune", lambda *args, **options: None)
        api.train(pictures, out=room / "run", steps=9, settings=[*WISHES, "train.precision=fp32"])
    left = sorted(p.name for p in (room / "run" / "checkpoints").iterdir())
    assert len(left) > 2
    api.resume(room / "run")
    assert sorted(p.name for p in (room / "run" / "checkpoints").iterdir()) == left[-2:]


@pytest.mark.proof
def test_rel_r1_one_thousand_random_kills_lose_nothing(pictures, room):  # noqa: F811
    """0 of 1,000: with 95 % confidence less than 0.3 %."""
    shoot(recipe_for(pictures), room, 1_000)


STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def interrupt(recipe: Recipe, room: Path, trials: int) -> None:
    """Ask to stop at random times; exit code 128 + n, quickly, and what is left goes on to the same end."""
    (room / "whole").mkdir()
    length = play_through(recipe, room / "whole" / "run")
    wanted, rng = fingerprint(room / "whole" / "run"), random.Random(5)
    delays, stopped = [], 0
    for trial in range(trials):
        number = STOPS[trial % 3]
        place = room / str(trial)
        place.mkdir()
        began = time.perf_counter()
        child = sitting(recipe, place / "run")
        time.sleep(rng.uniform(0.02, 0.9 * length))
        asked = time.perf_counter()
        os.kill(child, number)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        delays.append(time.perf_counter() - asked)
        assert code in (128 + number, 0), code
        stopped += code != 0
        if code == 0:  # too late: a run takes less than it seemed to, as the machine has grown faster
            length = min(length, time.perf_counter() - began)
        if code and (place / "run" / "run.toml").exists() and (place / "run" / "metrics.jsonl").exists():
            saved, logged = reached(place / "run")
            assert saved == logged, "asked to stop, it saves where it stands"
        if trial % 5 == 0:
            play_through(recipe, place / "run")
            assert fingerprint(place / "run") == wanted
        assert not [p for p in place.rglob("*") if ".tmp-" in p.name]
        shutil.rmtree(place)
    delays.sort()
    print(f"{trials} signals, {stopped} before the end; slowest {delays[-1]:.2f} s, median {delays[trials // 2]:.3f} s")
    assert stopped > trials / 2
    assert delays[-1] < 5


def test_rel_r5_fifty_signals_at_random_times(pictures, room):  # noqa: F811
    interrupt(recipe_for(pictures), room, 50)


@pytest.mark.proof
def test_rel_r5_two_hundred_signals_at_random_times(pictures, room):  # noqa: F811
    interrupt(recipe_for(pictures), room, 200)


def family(pid: int) -> set[int]:
    """The children of a process and theirs, as far as the system tells."""
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        try:
            children = Path(f"/proc/{waiting[0]}/task/{waiting.pop(0)}/children").read_text().split()
        except OSError:
            continue
        waiting += map(int, children)
        found |= {int(child) for child in children}
    return found


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


SUBPROCESS = "from leafwing.__main__ import main; main()"


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no /proc here")
@pytest.mark.parametrize("number", STOPS, ids=lambda number: number.name)
def test_rel_r5_a_signal_while_reading_in_or_drawing_data_leaves_no_one_behind(number, room):
    """During import: no traceback. While helpers draw faces: they end too, and no half store stays."""
    environment = os.environ | {"LEAFWING_CACHE": str(room / "cache")}
    command = [
        sys.executable,
        "-c",
        SUBPROCESS,
        "train",
        "world:faces",
        "--recipe",
        "faces",
        "--out",
        str(room / "run"),
    ]
    for wait_for_helpers in (False, True):
        process = subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        deadline, helpers = time.monotonic() + 60, set[int]()
        if wait_for_helpers:
            while not helpers and time.monotonic() < deadline:
                helpers = family(process.pid)
                time.sleep(0.02)
            time.sleep(0.3)
            helpers |= family(process.pid)
            assert helpers
        else:
            time.sleep(0.5)
        os.kill(process.pid, number)
        _, said = process.communicate(timeout=30)
        assert process.returncode in (128 + number, -number), said
        assert not wait_for_helpers or process.returncode == 128 + number
        assert "Traceback" not in said
        while any(map(lives, helpers)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not [pid for pid in helpers if lives(pid)]
        assert not [p for p in room.rglob("*") if ".tmp-" in p.name]
        assert not (room / "run").exists()


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no terminals here")
def test_rel_r5_a_closed_terminal_window_saves(pictures, room):  # noqa: F811
    """SIGHUP, and nobody left to read what is said: the run is saved all the same, exit code 129."""
    import pty

    (room / "my.toml").write_text(recipe_for(pictures).override(["train.steps=100000"]).to_toml())
    arguments = ["train", "--recipe", str(room / "my.toml"), "--out", str(room / "run"), "--device", "cpu"]
    child, terminal = pty.fork()
    if child == 0:
        try:
            torch.set_num_threads(1)
            code = command(arguments)
        finally:
            os._exit(code)
    while reached(room / "run")[1] < 5:
        if select.select([terminal], [], [], 0)[0]:
            os.read(terminal, 1 << 16)
        time.sleep(0.02)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 129
    saved, logged = reached(room / "run")
    assert saved == logged >= 5
