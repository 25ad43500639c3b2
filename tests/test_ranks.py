"""Many ranks, one game: equal to one process up to the order of summation, and calm when a rank dies (REL-R6)."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from pathlib import Path

import pytest
import rank_program
import torch

from leafwing.core.errors import LeafwingError
from leafwing.core.ranks import SOLO, Ranks, connect, joined


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fork_ranks(count: int, play, timeout_s: str = "60") -> list[int]:
    """Forks ``count`` ranks that call ``play()``; returns their process ids. torch is imported already."""
    port, pids = str(free_port()), []
    for rank in range(count):
        pid = os.fork()
        if pid:
            pids.append(pid)
            continue
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count), "GROUP_RANK": "0",
                       "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}  # fmt: skip
        import leafwing.core.ranks

        leafwing.core.ranks.TIMEOUT_S = float(timeout_s)
        try:
            play()
        except LeafwingError as error:
            sys.stderr.write(f"leafwing: {error}\n")
            os._exit(error.exit_code)
        except BaseException as error:
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            os._exit(70)
        os._exit(0)
    return pids


def wait(pids: list[int], limit_s: float = 60) -> list[int]:
    """Exit codes, in order; fails the test if one hangs."""
    codes: dict[int, int] = {}
    end = time.monotonic() + limit_s
    while len(codes) < len(pids) and time.monotonic() < end:
        for pid in set(pids) - set(codes):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                codes[pid] = os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    for pid in set(pids) - set(codes):
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        codes[pid] = 999
    return [codes[pid] for pid in pids]


def result(count: int, folder: Path, norm: bool | str, rounds: int = 50) -> list[dict[str, torch.Tensor]]:
    folder.mkdir()
    if count == 1:
        rank_program.main(str(folder), rounds, norm)
    else:
        assert wait(fork_ranks(count, lambda: rank_program.main(str(folder), rounds, norm))) == [0] * count
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(count)]


def test_an_augmentation_that_follows_d_is_the_same_on_every_rank(tmp_path):
    """p moves by the verdicts of the whole batch; each rank draws changes of its own."""
    ends = result(2, tmp_path / "two", "ada", rounds=20)
    assert float(ends[0]["augment/p"]) != pytest.approx(0.3)
    for name, value in ends[0].items():
        assert torch.equal(value, ends[1][name]), name


@pytest.mark.parametrize(
    "norm", [False, True, "asked", "spectral"], ids=["plain", "batchnorm", "conditional", "spectral"]
)
def test_one_two_and_four_ranks_play_the_same_run(norm, tmp_path):
    """50 rounds: ranks bit-equal to each other, and equal to one process up to the order of summation."""
    one = result(1, tmp_path / "one", norm)[0]
    for count in (2, 4):
        many = result(count, tmp_path / str(count), norm)
        for other in many[1:]:
            assert all(torch.equal(many[0][name], other[name]) for name in one)
        for name, value in one.items():
            torch.testing.assert_close(many[0][name], value, rtol=2e-3, atol=2e-5, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("fault", ["kill", "exit", "raise", "stop"])
def test_rel_r6_a_lost_rank_ends_the_others_with_a_sentence(fault, tmp_path, capfd):
    """Five trials each: the survivor is out within 5 s of a death (of the time-out, if the rank is only silent)."""
    for trial in range(5):
        pids = fork_ranks(2, lambda: rank_program.main(str(tmp_path), 10**6, False, fault), timeout_s="2")
        begun = time.monotonic()
        while fault == "stop" and os.waitpid(pids[0], os.WNOHANG) == (0, 0) and time.monotonic() - begun < 30:
            time.sleep(0.02)
        if fault == "stop":
            os.kill(pids[1], 9)
            os.waitpid(pids[1], 0)
        else:
            codes = wait(pids, 30)
            assert codes[0] == 1, (trial, codes)
        assert time.monotonic() - begun < 15
        said = capfd.readouterr().err
        assert "Rank 0 stops: rank 1 died or did not answer" in said, said
        assert "leafwing resume" in said


def test_ranks_that_differ_are_refused(tmp_path, capfd):
    def play() -> None:
        with joined(torch.device("cpu")) as ranks:
            ranks.agree({"recipe": "x", "data": str(ranks.rank)})

    assert 2 in wait(fork_ranks(2, play))
    assert "Ranks 0 and 1 do not have the same data" in capfd.readouterr().err


def test_a_rank_that_drifts_is_named(capfd):
    """RELIABILITY P18."""

    def play() -> None:
        with joined(torch.device("cpu")) as ranks:
            connect(ranks)
            weight = torch.ones(5)
            ranks.stay_together({"G/weight": weight, "D/weight": weight})
            weight = weight + 1e-6 * ranks.rank
            ranks.stay_together({"G/weight": torch.ones(5), "D/weight": weight})

    assert wait(fork_ranks(2, play)) == [1, 1]
    assert "Rank 1 drifted apart from rank 0 in D/weight" in capfd.readouterr().err


def test_shares_of_a_batch_make_the_whole():
    rows = [Ranks(rank, 4).rows(12) for rank in range(4)]
    assert [list(range(12))[r] for r in rows] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]
    assert SOLO.rows(12) == slice(0, 12)


def test_files_go_from_rank_0_to_all(tmp_path, capfd):
    files = {"a": b"", "b": bytes(range(256)) * 40, "c": b"x"}

    def play() -> None:
        with joined(torch.device("cpu")) as ranks:
            connect(ranks)
            got = ranks.share(files if ranks.leads else None)
            assert got == files
            assert ranks.share(None) is None
            assert ranks.any(ranks.rank == 1)
            assert not ranks.any(False)

    assert wait(fork_ranks(3, play)) == [0, 0, 0], capfd.readouterr().err


CLI = ["generator.width=4", "discriminator.width=4", "data.image_size=16", "data.count=64", "watch.samples=4"]


def test_torchrun_trains_and_fewer_ranks_resume(tmp_path, monkeypatch, capfd):
    """`torchrun -m leafwing train` with two ranks; one process goes on with what they wrote, and the other way."""
    import subprocess

    from leafwing.cli.main import run

    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def torchrun(*words: str) -> subprocess.CompletedProcess[str]:
        launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
        port = ["--master-port", str(free_port())]
        command = [*launch, *port, "-m", "leafwing", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    out = tmp_path / "run"
    new = ["train", "world:faces", "--steps", "3", "--set", *CLI]
    done = torchrun(*new, "--out", str(out), "--batch", "8")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("3 rounds played") == 1, "rank 0 alone speaks"
    assert run(["resume", str(out), "--steps", "5"]) == 0
    assert "ranks 1 instead of 2" in capfd.readouterr().err
    done = torchrun("resume", str(out), "--steps", "7")
    assert done.returncode == 0, done.stderr
    last = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])
    assert (last["step"], last["images"]) == (7, 56)
    done = torchrun(*new, "--out", str(tmp_path / "odd"), "--batch", "5")
    assert "cannot be shared evenly by 2 ranks" in done.stderr
    assert not (tmp_path / "odd").exists()
