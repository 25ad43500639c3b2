"""One trainer a run folder, whatever became of the last one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from leafwing.core import lock as lock_module
from leafwing.core.errors import BadRun
from leafwing.core.lock import LOCK_FILE, RunLock

HOLD = """
import os, sys, time
from leafwing.core.lock import RunLock
RunLock(sys.argv[1]).acquire()
print('held', flush=True)
time.sleep(60)
"""
RACE = """
import sys, time
from leafwing.core.errors import BadRun
from leafwing.core.lock import RunLock
print('ready', flush=True)
sys.stdin.readline()
try:
    with RunLock(sys.argv[1]):
        print('won', flush=True)
        sys.stdin.readline()
except BadRun:
    print('refused', flush=True)
"""
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def _start(code: str, folder: Path) -> subprocess.Popen[str]:
    source = str(Path(lock_module.__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": source},
    )


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_the_second_trainer_is_refused_until_the_first_is_killed(tmp_path: Path):
    first = _start(HOLD, tmp_path)
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(BadRun) as refusal, RunLock(tmp_path):
            pass
        assert f"process {first.pid}" in str(refusal.value)
        assert str(tmp_path) in str(refusal.value)
        assert "choose another folder" in str(refusal.value)
    finally:
        _end(first)  # kill -9
    assert json.loads((tmp_path / LOCK_FILE).read_text())["pid"] == first.pid  # stale, and no obstacle
    with RunLock(tmp_path):
        assert json.loads((tmp_path / LOCK_FILE).read_text())["pid"] == os.getpid()
    assert (tmp_path / LOCK_FILE).read_text() == ""


def test_one_of_many_wins_the_race(tmp_path: Path):
    (tmp_path / LOCK_FILE).write_text('{"pid": 1, "boot_id": "of last week"}')
    racers = [_start(RACE, tmp_path) for _ in range(6)]
    try:
        for racer in racers:
            assert racer.stdout is not None
            assert racer.stdout.readline() == "ready\n"
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("go\n")
            racer.stdin.flush()
        said = [racer.stdout.readline() for racer in racers if racer.stdout]
        assert sorted(said) == ["refused\n"] * 5 + ["won\n"]
    finally:
        for racer in racers:
            _end(racer)


def test_one_process_cannot_hold_it_twice(tmp_path: Path):
    first = RunLock(tmp_path)
    with first:
        for other in (first, RunLock(tmp_path)):
            with pytest.raises(BadRun, match=str(os.getpid())):
                other.acquire()
    first.release()
    with RunLock(tmp_path):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"pid": 1}', '{"pid": "x"}', "[" * 4000, "\0" * 9])
def test_a_stale_or_senseless_file_is_taken_over(text: str, tmp_path: Path):
    (tmp_path / LOCK_FILE).write_text(text)
    with RunLock(tmp_path):
        assert json.loads((tmp_path / LOCK_FILE).read_text())["pid"] == os.getpid()


def test_no_folder_no_lock(tmp_path: Path):
    with pytest.raises(BadRun, match="no run folder"):
        RunLock(tmp_path / "typo").acquire()
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_surviving_worker_does_not_keep_the_folder_taken(tmp_path: Path):
    """A data loader's forked worker outlives its killed trainer by seconds."""
    fork_then_wait = HOLD.replace("time.sleep(60)", "os.fork(); time.sleep(60)")
    first = _start(fork_then_wait, tmp_path)
    assert first.stdout is not None
    assert first.stdout.readline() == "held\n"
    children = Path(f"/proc/{first.pid}/task/{first.pid}/children")
    worker = 0
    try:
        if not children.exists():
            pytest.skip("this system does not list children")
        for _ in range(100):
            worker = int((children.read_text().split() or ["0"])[0])
            if worker:
                break
            time.sleep(0.02)
        assert worker
        time.sleep(0.05)
        with pytest.raises(BadRun):  # the worker's letting go has not freed it
            RunLock(tmp_path).acquire()
        first.kill()
        first.wait()
        os.kill(worker, 0)  # still there
        with RunLock(tmp_path):
            pass
    finally:
        if worker:
            os.kill(worker, 9)
        _end(first)


@pytest.mark.parametrize("alive", [True, False])
def test_a_disk_without_locks_goes_by_the_file(alive: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fcntl = pytest.importorskip("fcntl")

    def no_locks(fd: int, operation: int) -> None:
        raise OSError(lock_module.errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    note = {"pid": os.getppid() if alive else 2**22 + 1, "boot_id": lock_module._boot_id()}
    (tmp_path / LOCK_FILE).write_text(json.dumps(note))
    if alive:
        with pytest.raises(BadRun, match=str(os.getppid())):
            RunLock(tmp_path).acquire()
        (tmp_path / LOCK_FILE).write_text(json.dumps({**note, "boot_id": "another boot"}))
    with RunLock(tmp_path):
        pass
