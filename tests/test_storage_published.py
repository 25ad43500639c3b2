"""Damage to a published folder is always found, and named; the newest sound one is found behind it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from leafwing.core.contents import sha256
from leafwing.core.errors import BadRun
from leafwing.core.housekeeping import prune, sweep
from leafwing.core.published import FORMAT, _canonical, newest, publish, read, verify

FILES = {"g.safetensors": random.Random(0).randbytes(20_000), "d.safetensors": b"d" * 5_000, "state.json": b"{}"}


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    for step in (1, 2):
        publish(tmp_path, f"step-{step:08d}", FILES, meta={"step": step})
    return tmp_path


def _reseal(folder: Path, **changes: object) -> None:
    """Change the manifest and give it a fitting checksum, as a liar would."""
    manifest = json.loads((folder / "manifest.json").read_text())
    body = {key: value for key, value in manifest.items() if key != "sha256"} | changes
    (folder / "manifest.json").write_bytes(_canonical({**body, "sha256": sha256(_canonical(body))}))


def test_what_is_published_is_read_back(tmp_path: Path):
    meta = {"step": 7, "kimg": 0.1, "betas": (0.0, 0.99), 3: None, "name": "Blätter"}
    folder = publish(tmp_path / "a" / "b", "step-00000007", FILES, meta=meta)
    files, told = read(folder)
    assert files == FILES
    assert told == {"step": 7, "kimg": 0.1, "betas": [0.0, 0.99], "3": None, "name": "Blätter"}
    assert verify(folder)["format"] == FORMAT
    assert sorted(os.listdir(folder)) == sorted([*FILES, "manifest.json"])


def test_a_sound_folder_is_never_overwritten(parent: Path):
    publish(parent, "step-00000002", {"other": b"bytes"})
    assert read(parent / "step-00000002")[0] == FILES


def test_damaged_folders_are_moved_aside_and_kept(parent: Path):
    for k in (1, 2, 3):
        (parent / "step-00000002" / "g.safetensors").write_bytes(b"damage %d" % k)
        publish(parent, "step-00000002", FILES)
        assert (parent / f"step-00000002.damaged-{k}" / "g.safetensors").read_bytes() == b"damage %d" % k
    assert newest(parent) == (parent / "step-00000002", [])


def test_rel_r3_every_flipped_bit_is_found(parent: Path):
    rng = random.Random(1)
    folder = parent / "step-00000002"
    names = sorted(os.listdir(folder))
    for trial in range(300):
        path = folder / names[trial % len(names)]
        whole = path.read_bytes()
        bit = rng.randrange(8 * len(whole))
        path.write_bytes(whole[: bit // 8] + bytes([whole[bit // 8] ^ (1 << bit % 8)]) + whole[bit // 8 + 1 :])
        found, skipped = newest(parent)
        assert found == parent / "step-00000001"
        assert len(skipped) == 1
        assert str(folder) in skipped[0]
        assert path.name in skipped[0]
        with pytest.raises(BadRun, match=path.name):
            read(folder)
        path.write_bytes(whole)
    verify(folder)


def test_rel_r3_every_truncation_is_found(parent: Path):
    folder = parent / "step-00000002"
    for name in os.listdir(folder):
        whole = (folder / name).read_bytes()
        for length in {*range(0, len(whole), 997), len(whole) - 1}:
            (folder / name).write_bytes(whole[:length])
            with pytest.raises(BadRun, match=name):
                verify(folder)
        (folder / name).write_bytes(whole)
    verify(folder)


def test_rel_r3_swapped_missing_and_extra_files_are_found(parent: Path):
    old, new = parent / "step-00000001", parent / "step-00000002"
    publish(parent, "step-00000003", {**FILES, "g.safetensors": FILES["g.safetensors"][::-1]})
    (parent / "step-00000003" / "g.safetensors").replace(new / "g.safetensors")  # same name, same size
    with pytest.raises(BadRun, match=r"step-00000002 is damaged: the sha256 of g\.safetensors"):
        verify(new)
    with pytest.raises(BadRun, match=r"g\.safetensors is missing"):
        verify(parent / "step-00000003")
    (old / "extra.bin").write_bytes(b"")
    with pytest.raises(BadRun, match=r"extra\.bin is an extra file"):
        verify(old)
    (old / "extra.bin").replace(old / ".DS_Store")  # a look with Finder is no damage
    verify(old)
    (old / "manifest.json").unlink()
    with pytest.raises(BadRun, match=r"incomplete: manifest\.json"):
        verify(old)
    assert newest(parent)[0] is None
    assert len(newest(parent)[1]) == 3


def test_rel_r3_two_files_of_one_folder_swapped_are_found(tmp_path: Path):
    folder = publish(tmp_path, "x", {"a": b"1" * 99, "b": b"2" * 99})
    (folder / "a").rename(folder / "c")
    (folder / "b").rename(folder / "a")
    (folder / "c").rename(folder / "b")
    with pytest.raises(BadRun, match="the sha256 of a is not"):
        read(folder)


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"null", b"7", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"format": "leafwing.folder"}']
)
def test_a_manifest_that_is_none(raw: bytes, parent: Path):
    folder = parent / "step-00000002"
    (folder / "manifest.json").write_bytes(raw)
    with pytest.raises(BadRun, match=r"step-00000002 is damaged: manifest\.json"):
        verify(folder)


@pytest.mark.parametrize(
    "lie",
    [
        {"files": []},
        {"files": {"g.safetensors": 3}},
        {"files": {"g.safetensors": {"size": "9", "sha256": "0"}}},
        {"files": {"../../x": {"size": 1, "sha256": "0"}}},
        {"meta": [1]},
        {"version": "1.0", "files": None},
        {"format": "other"},
    ],
)
def test_a_manifest_that_lies_with_a_fitting_checksum(lie: dict[str, object], parent: Path):
    _reseal(parent / "step-00000002", **lie)
    with pytest.raises(BadRun, match="step-00000002 is damaged"):
        verify(parent / "step-00000002")


def test_a_newer_version_says_so(parent: Path):
    _reseal(parent / "step-00000002", version=9)
    with pytest.raises(BadRun, match=r"newer Leafwing .*version 9.*upgrade"):
        verify(parent / "step-00000002")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_does_not_hang_the_reader(parent: Path):
    (parent / "step-00000002" / "state.json").unlink()
    os.mkfifo(parent / "step-00000002" / "state.json")
    with pytest.raises(BadRun, match=r"state\.json cannot be read: not a regular file"):
        verify(parent / "step-00000002")


def test_missing_folders(tmp_path: Path):
    assert newest(tmp_path / "nothing") == (None, [])
    with pytest.raises(BadRun, match="nothing cannot be read"):
        verify(tmp_path / "nothing")
    sweep(tmp_path / "nothing")
    prune(tmp_path / "nothing", "step-", 1)
    (tmp_path / "file").write_text("")
    with pytest.raises(BadRun, match="file cannot be listed"):
        newest(tmp_path / "file")


def test_order_is_by_number_not_by_clock_or_alphabet(tmp_path: Path):
    for name in ("step-9", "step-10", "step-00000002", "best-99", "step-x", "step-11.damaged-1"):
        publish(tmp_path, name, {"a": b"1"})
    os.utime(tmp_path / "step-00000002", (2**31, 2**31))
    os.utime(tmp_path / "step-10", (0, 0))
    os.utime(tmp_path / "step-10" / "manifest.json", (0, 0))
    assert newest(tmp_path) == (tmp_path / "step-10", [])
    assert newest(tmp_path, "best-")[0] == tmp_path / "best-99"


@pytest.mark.parametrize(("keep", "left"), [(0, [5, 6]), (1, [5, 6]), (3, [4, 5, 6]), (9, [1, 2, 3, 4, 5, 6])])
def test_prune_keeps_the_newest(keep: int, left: list[int], tmp_path: Path):
    for step in range(1, 7):
        publish(tmp_path, f"step-{step}", {"a": b"1"})
    publish(tmp_path, "best-1", {"a": b"1"})
    prune(tmp_path, "step-", keep)
    assert sorted(os.listdir(tmp_path)) == ["best-1", *[f"step-{step}" for step in left]]


def test_prune_never_goes_below_two_sound_ones(tmp_path: Path):
    for step in range(1, 7):
        publish(tmp_path, f"step-{step}", {"a": b"1"})
    for step in (6, 5, 3):
        (tmp_path / f"step-{step}" / "a").write_bytes(b"2")
    prune(tmp_path, "step-", 2)
    assert sorted(os.listdir(tmp_path)) == ["step-2", "step-3", "step-4", "step-5", "step-6"]


def test_prune_does_not_follow_links(parent: Path, tmp_path_factory: pytest.TempPathFactory):
    precious = tmp_path_factory.mktemp("elsewhere")
    (precious / "thesis.txt").write_text("x")
    (parent / "step-00000000").symlink_to(precious, target_is_directory=True)
    (parent / ".old-step-00000000").symlink_to(precious, target_is_directory=True)
    prune(parent, "step-", 2)
    assert not (parent / "step-00000000").is_symlink()
    assert os.listdir(parent) == ["step-00000001", "step-00000002"] or len(os.listdir(parent)) == 2
    assert os.listdir(precious) == ["thesis.txt"]


def test_sweep_removes_only_what_is_dead(parent: Path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    gone = [f"step-3.tmp-{dead.pid}", f"step-3.tmp-{10**30}", f"step-3.tmp-{os.getpid()}", ".old-step-00000000"]
    kept = [f"step-3.tmp-{os.getppid()}", "step-3.tmp-", "notes.txt"]
    for name in gone + kept:
        (parent / name / "inner").mkdir(parents=True)
        (parent / name / "inner" / "file").write_text("x")
    sweep(parent)
    assert sorted(os.listdir(parent)) == sorted([*kept, "step-00000001", "step-00000002"])


@pytest.mark.parametrize(
    "files",
    [
        {"../x": b""},
        {"a/b": b""},
        {"": b""},
        {"manifest.json": b""},
        {"A": b"", "a": b""},
        {".hidden": b""},
        {"a\n": b""},
    ],
)
def test_names_that_are_no_plain_names(files: dict[str, bytes], tmp_path: Path):
    with pytest.raises(ValueError, match="name"):
        publish(tmp_path, "x", files)
    with pytest.raises(ValueError, match="plain name"):
        publish(tmp_path, next(iter(files)) + "/..", {})
    assert os.listdir(tmp_path) == []


def test_meta_that_json_cannot_say_is_refused_before_writing(tmp_path: Path):
    for meta in ({"loss": float("nan")}, {"x": object()}):
        with pytest.raises((ValueError, TypeError)):
            publish(tmp_path, "x", {}, meta=meta)
    assert os.listdir(tmp_path) == []


def test_saving_works_where_no_thread_can_be_had(tmp_path, monkeypatch):
    """Memory that is short refuses threads first; each file is still written once, whole, and verified."""
    import threading

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    files = {f"{n}.bin": bytes([n]) * 1000 for n in range(6)}
    publish(tmp_path, "step-00000001", files)
    assert read(tmp_path / "step-00000001")[0] == files
