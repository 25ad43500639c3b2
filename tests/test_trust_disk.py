"""REL-R2, R3, R4: a whole save of a run (checkpoint, pruning, exported generator) killed, unplugged or refused."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import shutil
from pathlib import Path

import pytest
from conftest import small_training
from test_storage_crash import (  # noqa: F401
    Counting,
    FailAt,
    KillAt,
    Lost,
    PowerLoss,
    _small_and_quick,
    tmp_path,
)

from leafwing.core import published
from leafwing.core.disk import DISK, Disk
from leafwing.generator import load_weights, read_card, save_generator
from leafwing.training import Training, one_round
from leafwing.watch.checkpoint import PREFIX, Checkpoints, digest, restore
from leafwing.watch.meter import JsonLines, Meter, read_rows

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here"),
]
ERRNOS = [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.ESTALE]


def saver(root: Path, disk: Disk = DISK) -> Checkpoints:
    """The watcher that saves, as a run sets it up."""

    def export(training: Training) -> None:
        save_generator(root / "generator", training.average, {"recipe": {}, "step": training.step}, disk)

    return Checkpoints(root / "checkpoints", 1, 2, {"meter": Meter(1, [])}, {"data": "x"}, export, disk)


class Plan:
    """Three rounds: two saved in peace, the third while something happens."""

    def __init__(self, template: Path) -> None:
        self.template, self.digests = template, dict[int, str]()
        self.training, self.again = small_training(goal=100), small_training(goal=100)
        template.mkdir()
        watch = saver(template)
        watch.start(self.training)
        for _ in range(2):
            log = one_round(self.training)
            watch.after_round(self.training, log)
            self.digests[self.training.step] = digest(self.training)
        self.log = one_round(self.training)
        self.digests[3] = digest(self.training)

    def run(self, root: Path, disk: Disk) -> None:
        """Save the third round."""
        watch = saver(root, disk)
        watch._saved, watch._published = 2, {"step-00000001", "step-00000002"}
        watch.after_round(self.training, self.log)

    def length(self, root: Path) -> int:
        """Disk operations of an undisturbed save."""
        disk = Counting()
        self.run(self.laid(root), disk)
        shutil.rmtree(root)
        return disk.count

    def laid(self, root: Path) -> Path:
        """A run with two checkpoints."""
        return Path(shutil.copytree(self.template, root))

    def check(self, root: Path, least: int = 2) -> int:
        """The newest checkpoint resumes, the exported generator loads, and a next save leaves nothing over."""
        found, _ = published.newest(root / "checkpoints", PREFIX)
        assert found is not None
        step = restore(self.again, published.read(found)[0], root)["step"]
        assert step >= least
        assert digest(self.again) == self.digests[step]
        load_weights(root / "generator", self.again.average)
        assert read_card(root / "generator")["step"] in (2, 3)
        watch = saver(root)
        watch.start(self.again)
        watch.save(self.training)
        assert read_card(root / "generator")["step"] == 3
        assert sorted(os.listdir(root / "generator")) == ["generator.json", "model.safetensors"]
        assert sorted(os.listdir(root / "checkpoints")) == ["step-00000002", "step-00000003"]
        assert published.newest(root / "checkpoints", PREFIX) == (root / "checkpoints" / "step-00000003", [])
        return int(step)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:  # noqa: F811
    return Plan(tmp_path / "template")


def test_rel_r2_a_kill_at_any_operation_of_a_save(plan: Plan, tmp_path: Path) -> None:  # noqa: F811
    last, seen = plan.length(tmp_path / "count"), set()
    for k in range(1, last + 1):
        root = plan.laid(tmp_path / str(k))
        child = os.fork()
        if child == 0:
            try:
                plan.run(root, KillAt(k))
            finally:
                os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9
        seen.add(plan.check(root))
        shutil.rmtree(root)
    assert seen == {2, 3}
    assert last > 60


@pytest.mark.parametrize("mode", ["drop", "keep", "tear"])
def test_rel_r2_a_power_loss_at_any_operation_of_a_save(mode: str, plan: Plan, tmp_path: Path) -> None:  # noqa: F811
    last = plan.length(tmp_path / "count")
    for k in range(1, last + 2):
        root = plan.laid(tmp_path / "run")
        disk = PowerLoss(root, k)
        try:
            plan.run(root, disk)
            done = True
        except Lost:
            done = False
        for fd in disk.open_files:
            try:
                os.close(fd)
            except OSError:
                continue
        disk.restart(mode, random.Random(k))
        plan.check(root, 3 if done else 2)
        shutil.rmtree(root)


@pytest.mark.parametrize("number", ERRNOS, ids=lambda number: errno.errorcode[number])
def test_rel_r4_any_refused_operation_costs_a_sentence(
    number: int,
    plan: Plan,
    tmp_path: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No checkpoint lost; path, needed and free bytes said in one line; training goes on, and the next save works."""
    said_of = set()
    for k in range(1, plan.length(tmp_path / "count") + 1):
        root = plan.laid(tmp_path / str(k))
        plan.run(root, FailAt(k, number))
        said = capsys.readouterr().err
        if said:
            assert said.count("\n") == 1
            assert re.search(r"needs [0-9,]+ bytes, ([0-9,]+|an unknown number of) bytes are free", said)
            assert str(root) in said
            assert os.strerror(number) in said
            assert "Training goes on; the next try is in 1 steps." in said
            said_of.add(re.search(r"Cannot write (\S+):", said)[1].rpartition("/")[2])
        plan.check(root)
        shutil.rmtree(root)
    assert said_of == {"step-00000003", "model.safetensors", "generator.json"}


def test_rel_r4_a_disk_that_stays_full_costs_no_checkpoint(plan: Plan, tmp_path: Path) -> None:  # noqa: F811
    for k in range(1, plan.length(tmp_path / "count") + 1):
        root = plan.laid(tmp_path / str(k))
        plan.run(root, FailAt(k, errno.ENOSPC, lasting=True))
        plan.check(root)
        shutil.rmtree(root)


def test_rel_r4_a_log_on_a_full_disk_or_with_a_torn_line_is_no_hindrance(
    tmp_path: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "metrics.jsonl"
    rows = [json.dumps({"step": step, "x": 0.5}) for step in range(1, 6)]
    path.write_bytes("\n".join([*rows, "7", "[" * 9999, '{"x": 1}']).encode() + b'\n{"step": 6, "x\xff')
    assert [row["step"] for row in read_rows(path)] == [1, 2, 3, 4, 5]
    JsonLines(path, 3)
    assert path.read_text() == "\n".join(rows[:3]) + "\n"

    def full(self: Disk, fd: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Disk, "write", full)
    log = JsonLines(path, 2)
    assert "No space left on device" in capsys.readouterr().err
    assert len(read_rows(path)) == 3, "unhurt"
    log({"step": 3}, small_training())
    assert os.listdir(tmp_path) == ["metrics.jsonl"]


def flip(folder: Path, rng: random.Random, trials: int) -> None:
    """Single bits of a real checkpoint: all found, and the one before it taken up."""
    names = sorted(os.listdir(folder))
    sizes = [(folder / name).stat().st_size for name in names]
    for _ in range(trials):
        path = folder / rng.choices(names, sizes)[0]
        whole = path.read_bytes()
        bit = rng.randrange(8 * len(whole))
        path.write_bytes(whole[: bit // 8] + bytes([whole[bit // 8] ^ (1 << bit % 8)]) + whole[bit // 8 + 1 :])
        found, skipped = published.newest(folder.parent, PREFIX)
        assert found == folder.with_name("step-00000001")
        assert path.name in skipped[0]
        path.write_bytes(whole)
    published.verify(folder)


def test_rel_r3_one_thousand_flipped_bits_of_a_checkpoint(plan: Plan) -> None:
    """0 of 1,000 unnoticed: with 95 % confidence less than 0.3 %."""
    flip(plan.template / "checkpoints" / "step-00000002", random.Random(3), 1_000)


@pytest.mark.proof
def test_rel_r3_ten_thousand_flipped_bits_of_a_checkpoint(plan: Plan) -> None:
    """0 of 10,000: with 95 % confidence less than 0.03 %."""
    flip(plan.template / "checkpoints" / "step-00000002", random.Random(4), 10_000)


def test_rel_r3_every_997th_truncation_of_a_checkpoint(plan: Plan) -> None:
    folder = plan.template / "checkpoints" / "step-00000002"
    for name in os.listdir(folder):
        whole = (folder / name).read_bytes()
        for length in {*range(0, len(whole), 997), len(whole) - 1}:
            (folder / name).write_bytes(whole[:length])
            found, skipped = published.newest(folder.parent, PREFIX)
            assert found == folder.with_name("step-00000001")
            assert name in skipped[0]
        (folder / name).write_bytes(whole)
