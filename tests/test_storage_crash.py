"""Fail, kill or lose power at the k-th disk operation of a save, for every k: no checkpoint may be lost."""

from __future__ import annotations

import errno
import os
import random
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path

import pytest

from leafwing.core import contents, published
from leafwing.core.disk import Disk
from leafwing.core.errors import StorageFailed
from leafwing.core.housekeeping import prune, sweep
from leafwing.core.published import newest, publish, read, verify

ERRNOS = [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.EFBIG]
RARER = [errno.ENAMETOOLONG, errno.ESTALE]
OPERATIONS = ["create", "write", "fsync", "close", "fsync_dir", "mkdir", "replace", "unlink", "rmdir"]
OPERATIONS += ["listdir", "size", "read", "free", "open", "read_some"]
OLD = {"g.safetensors": b"old generator"}
NEW = {"g.safetensors": bytes(range(256)) * 40, "empty.bin": b""}

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


class Counting(Disk):
    """Calls ``self.trouble(operation)`` before the k-th operation; counts them all."""

    def __init__(self, k: int = 0, *, lasting: bool = False) -> None:
        self.k, self.lasting, self.count = k, lasting, 0

    def trouble(self, operation: str) -> None:
        """What goes wrong; nothing, here."""


def _counted(operation: str) -> Callable[..., object]:
    real = getattr(Disk, operation)

    def call(self: Counting, *args: object) -> object:
        self.count += 1
        if self.count == self.k or (self.lasting and 0 < self.k <= self.count):
            self.trouble(operation)
        return real(self, *args)

    return call


for _operation in OPERATIONS:
    setattr(Counting, _operation, _counted(_operation))


class FailAt(Counting):
    """The k-th operation (and, if lasting, all that follow) is refused with an errno."""

    def __init__(self, k: int, number: int, *, lasting: bool = False) -> None:
        super().__init__(k, lasting=lasting)
        self.number = number

    def trouble(self, operation: str) -> None:
        raise OSError(self.number, os.strerror(self.number))


class KillAt(Counting):
    """The process is killed instead of the k-th operation."""

    def trouble(self, operation: str) -> None:
        os.kill(os.getpid(), 9)


class InTurn(Executor):
    """No threads: the operations come in the same order in every trial."""

    def submit(self, work, /, *arguments, **options):  # type: ignore[no-untyped-def]
        done: Future[object] = Future()
        try:
            done.set_result(work(*arguments, **options))
        except Exception as error:
            done.set_exception(error)
        return done


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder in memory where there is one: a thousand saves are made in it."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture(autouse=True)
def _small_and_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "CHUNK", 4096)  # several writes a file
    monkeypatch.setattr(os, "fsync", lambda fd: None)  # counted and modelled above it; the real one is slow
    monkeypatch.setattr(published, "helpers", InTurn)


def _old_run(folder: Path) -> Path:
    parent = folder / "checkpoints"
    publish(parent, "step-00000001", OLD, meta={"step": 1})
    publish(parent, "step-00000002", OLD, meta={"step": 2})
    return parent


def _damaged_run(folder: Path) -> Path:
    parent = _old_run(folder)
    (parent / "step-00000003").mkdir()
    (parent / "step-00000003" / "g.safetensors").write_bytes(b"half of")
    return parent


def _save(parent: Path, disk: Disk) -> None:
    publish(parent, "step-00000003", NEW, meta={"step": 3}, disk=disk)
    prune(parent, "step-", 2, disk=disk)


def _length(build: Callable[[Path], Path], folder: Path) -> int:
    disk = Counting()
    _save(build(folder), disk)
    shutil.rmtree(folder)
    return disk.count


BUILDS = pytest.mark.parametrize("build", [_old_run, _damaged_run])


@pytest.mark.parametrize("lasting", [False, True])
@BUILDS
def test_rel_r4_a_refused_operation_loses_nothing(build: Callable[[Path], Path], lasting: bool, tmp_path: Path) -> None:
    last = _length(build, tmp_path / "count")
    refused = 0
    for k in range(1, last + 1):
        for number in ERRNOS if not lasting else ERRNOS[:2] + RARER:
            parent = build(tmp_path / f"{k}-{number}")
            step, said = 3, ""
            try:
                _save(parent, FailAt(k, number, lasting=lasting))
            except StorageFailed as error:
                step, said = 2, str(error)
                refused += 1
                assert str(parent / "step-00000003") in said
                # "free" itself fails for good in the lasting case: then it says that it does not know.
                free = "an unknown number of" if lasting else "[0-9,]+"
                assert re.search(rf"needs [0-9,]+ bytes, {free} bytes are free", said)
                assert os.strerror(number) in said or "reads back wrong" in said
                assert "\n" not in said
            found, _ = newest(parent)
            assert found is not None
            assert int(found.name[5:]) >= step
            for name in os.listdir(parent) if not lasting else []:
                assert ".tmp-" not in name
            if step == 2:
                verify(parent / "step-00000001")
            verify(parent / "step-00000002")
            assert publish(parent, "step-00000003", NEW) == parent / "step-00000003"  # the next try works
            assert read(newest(parent)[0] or parent)[0] == NEW
            shutil.rmtree(parent)
    assert refused > 100
    assert last > 20


@BUILDS
def test_rel_r2_a_kill_anywhere_leaves_the_old_or_the_new(build: Callable[[Path], Path], tmp_path: Path) -> None:
    last = _length(build, tmp_path / "count")
    seen = set()
    for k in range(1, last + 1):
        parent = build(tmp_path / str(k))
        child = os.fork()
        if child == 0:
            try:
                _save(parent, KillAt(k))
            finally:
                os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status)
        assert os.WTERMSIG(status) == 9
        found, _ = newest(parent)
        assert found is not None
        seen.add(found.name)
        for step in (1, 2):  # whole, or gone: never half deleted
            if (parent / f"step-0000000{step}").exists():
                verify(parent / f"step-0000000{step}")
        sweep(parent)
        assert not [n for n in os.listdir(parent) if ".tmp-" in n or n.startswith(".old-")]
        _save(parent, Disk())
        assert sum(n in ("step-00000002", "step-00000003") for n in os.listdir(parent)) == 2
        assert read(parent / "step-00000003") == (NEW, {"step": 3})
    assert seen == {"step-00000002", "step-00000003"}


# --------------------------------------------------------------------------------------------- power loss


class Lost(BaseException):
    """The power is gone."""


class Node:
    """A file or a folder: what the running system sees, and what is on the medium."""

    def __init__(self, now: bytes | dict[str, Node], safe: bytes | dict[str, Node]) -> None:
        self.now, self.safe = now, safe
        self.pending: list[tuple[str | None, str | None, Node]] = []  # (name gone, name come, node)

    @staticmethod
    def of(path: Path) -> Node:
        """The tree as it lies on the disk, all of it on the medium."""
        if path.is_dir():
            children = {name: Node.of(path / name) for name in os.listdir(path)}
            return Node(dict(children), dict(children))
        return Node(path.read_bytes(), path.read_bytes())


class PowerLoss(Counting):
    """Keeps books of what was fsynced; at the k-th operation everything else is dropped, kept or torn.

    A folder's unsynced changes of names may reach the medium in any subset; a rename counts as one change.
    """

    def __init__(self, root: Path, k: int) -> None:
        super().__init__(k, lasting=True)
        self.root, self.tree, self.open_files = root, Node.of(root), dict[int, Node]()

    def trouble(self, operation: str) -> None:
        raise Lost

    def node(self, path: Path) -> Node:
        node = self.tree
        for part in path.relative_to(self.root).parts:
            assert isinstance(node.now, dict)
            node = node.now[part]
        return node

    def change(self, folder: Path, gone: str | None, come: str | None, node: Node) -> None:
        parent = self.node(folder)
        parent.pending.append((gone, come, node))
        _apply(parent.now, gone, come, node)

    def create(self, path: Path) -> int:
        fd = super().create(path)
        self.open_files[fd] = Node(b"", b"")
        self.change(path.parent, None, path.name, self.open_files[fd])
        return fd

    def write(self, fd: int, data: memoryview) -> int:
        written = super().write(fd, data)
        self.open_files[fd].now = bytes(self.open_files[fd].now) + data[:written].tobytes()
        return written

    def fsync(self, fd: int) -> None:
        super().fsync(fd)
        self.open_files[fd].safe = self.open_files[fd].now

    def fsync_dir(self, folder: Path) -> None:
        super().fsync_dir(folder)
        node = self.node(folder)
        assert isinstance(node.now, dict)
        node.safe, node.pending = dict(node.now), []

    def mkdir(self, folder: Path) -> None:
        super().mkdir(folder)
        self.change(folder.parent, None, folder.name, Node({}, {}))

    def replace(self, old: Path, new: Path) -> None:
        super().replace(old, new)
        assert old.parent == new.parent
        self.change(old.parent, old.name, new.name, self.node(old))

    def unlink(self, path: Path) -> None:
        super().unlink(path)
        self.change(path.parent, path.name, None, self.node(path))

    def rmdir(self, folder: Path) -> None:
        super().rmdir(folder)
        self.change(folder.parent, folder.name, None, self.node(folder))

    def restart(self, mode: str, rng: random.Random) -> None:
        """Lay out what the medium holds after the power came back."""
        shutil.rmtree(self.root)
        _lay(self.tree, self.root, mode, rng)


def _apply(names: object, gone: str | None, come: str | None, node: Node) -> None:
    assert isinstance(names, dict)
    if gone is not None:
        names.pop(gone, None)
    if come is not None:
        names[come] = node


def _lay(node: Node, path: Path, mode: str, rng: random.Random) -> None:
    kept = node.now if mode == "keep" else node.safe
    if isinstance(kept, bytes):
        assert isinstance(node.now, bytes)
        if mode == "tear" and node.now != node.safe:
            kept = node.now[: rng.randrange(len(node.now) + 1)]
        path.write_bytes(kept)
        return
    names = dict(kept)
    if mode == "tear":
        for change in node.pending:
            if rng.random() < 0.5:
                _apply(names, *change)
    path.mkdir()
    for name, child in names.items():
        _lay(child, path / name, mode, rng)


def _lose_power(root: Path, parent: Path, k: int, mode: str, seed: int, kind: type[PowerLoss]) -> str:
    """Save until the power goes; return what was promised by then: "", "published" or "pruned"."""
    disk, promised = kind(root, k), ""
    try:
        publish(parent, "step-00000003", NEW, meta={"step": 3}, disk=disk)
        promised = "published"
        prune(parent, "step-", 2, disk=disk)
        promised = "pruned"
    except Lost:
        pass
    for fd in disk.open_files:
        try:
            os.close(fd)
        except OSError:
            continue
    disk.restart(mode, random.Random(f"{k}/{seed}"))
    return promised


def _trials(last: int) -> list[tuple[int, str, int]]:
    plain = [(k, mode, 0) for k in range(1, last + 2) for mode in ("drop", "keep")]
    return plain + [(k, "tear", seed) for k in range(1, last + 2) for seed in range(3)]


@BUILDS
def test_rel_r2_no_power_loss_loses_a_checkpoint(build: Callable[[Path], Path], tmp_path: Path) -> None:
    last = _length(build, tmp_path / "count")
    for k, mode, seed in _trials(last):
        root = tmp_path / "run"
        parent = build(root)
        promised = _lose_power(root, parent, k, mode, seed, PowerLoss)
        found, _ = newest(parent)
        assert found is not None, (k, mode)
        assert found.name == "step-00000003" or (found.name == "step-00000002" and not promised), (k, mode)
        assert read(found)[0] == (NEW if found.name == "step-00000003" else OLD)
        sweep(parent)
        _save(parent, Disk())
        assert newest(parent) == (parent / "step-00000003", [])
        shutil.rmtree(root)


class RefusingOnce(PowerLoss):
    """Refuses to push the first renaming of a checkpoint to the medium."""

    refused = False

    def fsync_dir(self, folder: Path) -> None:
        if not self.refused and folder.name == "checkpoints":
            self.refused = True
            raise OSError(errno.EIO, "Input/output error")
        super().fsync_dir(folder)


def test_rel_r2_a_second_try_makes_safe_what_the_first_only_renamed(tmp_path: Path) -> None:
    root = tmp_path / "run"
    parent = _old_run(root)
    disk = RefusingOnce(root, 0)
    with pytest.raises(StorageFailed):
        publish(parent, "step-00000003", NEW, disk=disk)
    publish(parent, "step-00000003", NEW, disk=disk)
    disk.restart("drop", random.Random(0))
    assert newest(parent) == (parent / "step-00000003", [])


class Forgetful(PowerLoss):
    """A disk whose fsync does nothing, to see that the test above would notice."""

    def fsync(self, fd: int) -> None:
        pass


class ForgetfulFolders(PowerLoss):
    """A disk whose folder fsync does nothing."""

    def fsync_dir(self, folder: Path) -> None:
        pass


@pytest.mark.parametrize("kind", [Forgetful, ForgetfulFolders])
def test_rel_r2_the_power_loss_test_notices_a_missing_fsync(kind: type[PowerLoss], tmp_path: Path) -> None:
    root = tmp_path / "run"
    parent = _old_run(root)
    assert _lose_power(root, parent, 10_000, "drop", 0, kind) == "pruned"
    found, _ = newest(parent)
    assert found is None or found.name != "step-00000003"


# ----------------------------------------------------------------------------------- disks of other kinds


class ShortWrites(Disk):
    """Takes seven bytes at a time, as a disk may."""

    def write(self, fd: int, data: memoryview) -> int:
        return super().write(fd, data[:7])


class Tiny(Disk):
    """Has this many bytes left."""

    def __init__(self, left: int) -> None:
        self.left, self.wrote = left, False

    def free(self, folder: Path) -> int:
        return self.left

    def mkdir(self, folder: Path) -> None:
        self.wrote = True
        super().mkdir(folder)


class Rotting(Disk):
    """Changes a bit of what is written, as bad memory would."""

    def write(self, fd: int, data: memoryview) -> int:
        rotten = bytearray(data)
        rotten[0] ^= 1
        return super().write(fd, memoryview(rotten))


def test_short_writes_are_continued(tmp_path: Path) -> None:
    assert read(publish(tmp_path, "x", NEW, disk=ShortWrites()))[0] == NEW


def test_rel_r4_too_little_room_is_said_before_writing(tmp_path: Path) -> None:
    disk = Tiny(10_500)  # more than the files, less than 1.2 times as much
    with pytest.raises(StorageFailed, match=r"step-1: no space left .*needs 1[0-9],\d+ bytes, 10,500 bytes"):
        publish(tmp_path, "step-1", NEW, disk=disk)
    assert not disk.wrote
    assert os.listdir(tmp_path) == []


def test_what_reads_back_wrong_is_not_called_saved(tmp_path: Path) -> None:
    _old_run(tmp_path)
    with pytest.raises(StorageFailed, match="reads back wrong"):
        publish(tmp_path / "checkpoints", "step-00000003", NEW, disk=Rotting())
    found, skipped = newest(tmp_path / "checkpoints")
    assert found == tmp_path / "checkpoints" / "step-00000002"
    assert skipped == []


def test_rel_r4_a_limit_on_file_size_is_a_storage_failure(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))
            publish(tmp_path, "x", NEW)
        except StorageFailed as error:
            code = 0 if os.strerror(errno.EFBIG) in str(error) and os.listdir(tmp_path) == [] else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
