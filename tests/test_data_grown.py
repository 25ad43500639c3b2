"""A rebuilt or grown source costs only what changed, and is to the byte what a fresh build makes (issue 3 item 6)."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import zipfile

import numpy as np
import pytest
from PIL import Image

from leafwing.data import folders, open_data, pictures, reading, records
from leafwing.data.records import settled

RNG = np.random.default_rng(11)
N = 30


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LEAFWING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(records, "RACY_NS", -(10**12))  # files need not be two seconds old here
    return tmp_path / "cache"


def png():
    out = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (20, 16, 3), np.uint8)).save(out, "PNG", compress_level=0)
    return out.getvalue()


@pytest.fixture
def folder(tmp_path):
    """Thirty pictures, two of them in a subfolder, and a file that is none."""
    root = tmp_path / "p"
    (root / "sub").mkdir(parents=True)
    for i in range(N):
        (root / ("sub" if i < 2 else "") / f"{i:03d}.png").write_bytes(png())
    (root / "bad.png").write_bytes(b"no picture")
    return root


@pytest.fixture
def counted(monkeypatch):
    """Counts of pictures decoded and files read."""
    counts = {"decoded": 0, "read": 0}

    def counting(key, function):
        def call(*args):
            counts[key] += 1
            return function(*args)

        return call

    monkeypatch.setattr(pictures, "decode", counting("decoded", pictures.decode))
    monkeypatch.setattr(folders, "read_regular", counting("read", folders.read_regular))
    return counts


def build(source, **options):
    return open_data(source, image_size=16, workers=1, max_bad_share=0.3, **options)


def content(store):
    """Everything that a fresh build must equal."""
    meta = {k: v for k, v in store.meta.items() if k not in ("source", "place")}
    return meta, *((store.folder / f).read_bytes() for f in ("pictures.u8", "names.json", "bad_files.jsonl"))


def is_as_fresh(store, source, tmp_path):
    fresh = build(source, cache=tmp_path / "another")
    return not store.reused and content(store) == content(fresh)


def add(root):
    (root / "005b.png").write_bytes(png())
    (root / "zz.png").write_bytes(png())


def change(root):
    (root / "007.png").write_bytes(png())


def swap(root):
    for one, other in (("003.png", "tmp"), ("004.png", "003.png"), ("tmp", "004.png")):
        (root / one).rename(root / other)


def everything(root):
    add(root), change(root), swap(root)
    (root / "010.png").unlink()
    (root / "011.png").rename(root / "sub" / "new name.png")
    (root / "twin.png").write_bytes((root / "012.png").read_bytes())
    (root / "bad.png").write_bytes(png())
    (root / "013.png").write_bytes(b"broken now")


CHANGES = {  # what is done: pictures decoded, files read by the next build (the bad file is looked at every time)
    "added": (add, 2 + 1, 2 + 1),
    "removed": (lambda root: (root / "005.png").unlink(), 0 + 1, 0 + 1),
    "renamed": (lambda root: (root / "005.png").rename(root / "zzz.png"), 0 + 1, 1 + 1),
    "only the case renamed": (lambda root: (root / "005.png").rename(root / "005.PNG"), 0 + 1, 1 + 1),
    "changed": (change, 1 + 1, 1 + 1),
    "two swapped": (swap, 0 + 1, 2 + 1),
    "touched": (lambda root: [os.utime(f, (1, 1)) for f in root.rglob("*.png")], 0 + 1, N + 1),
    "everything at once": (everything, 5, 2 + 1 + 2 + 1 + 1 + 2),
}


@pytest.mark.parametrize("what", CHANGES)
def test_only_what_changed_is_decoded_and_nothing_else_is_read(what, folder, tmp_path, counted):
    do, decoded, read = CHANGES[what]
    build(folder)
    do(folder)
    counted.update(decoded=0, read=0)
    store = build(folder)
    assert counted == {"decoded": decoded, "read": read}
    assert is_as_fresh(store, folder, tmp_path)


def test_a_chain_of_changes_stays_exact(folder, tmp_path, counted):
    build(folder)
    for i in range(5):
        (folder / f"00{i}x.png").write_bytes(png())
        (folder / f"02{i}.png").unlink()
        counted.update(decoded=0)
        store = build(folder)
        assert counted["decoded"] == 2
    assert is_as_fresh(store, folder, tmp_path)


def test_another_place_or_kind_with_the_same_content_decodes_nothing(folder, tmp_path, counted):
    build(folder)
    shutil.copytree(folder, tmp_path / "copy")
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, file.relative_to(folder))
    for source in (tmp_path / "copy", tmp_path / "p.zip"):
        counted.update(decoded=0)
        store = build(source)
        assert counted["decoded"] == 1  # the bad one
        assert is_as_fresh(store, source, tmp_path)


@pytest.mark.parametrize("grown", [False, True])
def test_arrays_take_over_their_rows_too(tmp_path, monkeypatch, grown):
    rows = RNG.integers(0, 256, (12, 20, 20, 3), np.uint8)
    np.savez(tmp_path / "a.npz", images=rows)
    build(tmp_path / "a.npz")
    rows = np.concatenate([rows[3:], rows[:1] // 2]) if grown else rows[::-1]
    np.savez(tmp_path / "a.npz", images=rows)
    made, fitted = [], pictures.fitted
    monkeypatch.setattr(pictures, "fitted", lambda *args: made.append(1) or fitted(*args))
    store = build(tmp_path / "a.npz")
    assert len(made) == int(grown)
    assert is_as_fresh(store, tmp_path / "a.npz", tmp_path)


@pytest.mark.parametrize("options", [{"channels": 1}, {"fit": "pad"}, {"background": (0, 0, 0)}, {"image_size": 32}])
def test_another_target_takes_over_nothing(folder, counted, options):
    build(folder)
    counted.update(decoded=0)
    open_data(folder, **{"image_size": 16, **options})
    assert counted["decoded"] == N + 1


def test_another_decoder_takes_over_nothing(folder, counted, monkeypatch):
    build(folder)
    add(folder)
    monkeypatch.setattr(records, "decoder", lambda: "Pillow of tomorrow")
    counted.update(decoded=0)
    build(folder)
    assert counted["decoded"] == N + 3


def flip_a_pixel(store):
    with (store / "pictures.u8").open("r+b") as file:
        file.seek(5 * 16 * 16 * 3 + 100)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))


HARMS = {  # what is done to the old store: how many are decoded again (with the two added and the bad one)
    "one row damaged": (flip_a_pixel, 4),
    "pixels cut": (lambda s: os.truncate(s / "pictures.u8", 16 * 16 * 3 * 9), N + 3),
    "records cut": (lambda s: os.truncate(s / "records.bin", 100), N + 3),
    "records gone": (lambda s: (s / "records.bin").unlink(), N + 3),
    "names damaged": (lambda s: (s / "names.json").write_text("["), 3),  # found by content instead
    "meta damaged": (lambda s: (s / "meta.json").write_text('{"format": 1}'), N + 3),
    "gone": (shutil.rmtree, N + 3),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_harmed_store_gives_no_wrong_row(harm, folder, tmp_path, counted):
    do, decoded = HARMS[harm]
    do(build(folder).folder)
    add(folder)
    counted.update(decoded=0)
    store = build(folder)
    assert counted["decoded"] == decoded
    assert is_as_fresh(store, folder, tmp_path)


def test_a_file_written_to_in_the_last_two_seconds_is_read_again(folder, counted, monkeypatch):
    """As in git's index: written twice in one tick of the clock, it would look unchanged."""
    monkeypatch.setattr(records, "RACY_NS", 2 * 10**9)
    facts = np.array([[9, 100, 50, 1], [9, 50, 10**10, 2], [9, 10**10, 50, 3], [9, 10**10 - 2 * 10**9, 50, 4]])
    assert settled(facts, 10**10)[:, 0].tolist() == [9, -1, -1, 9]
    build(folder)
    add(folder)
    counted.update(decoded=0, read=0)
    build(folder)
    assert counted == {"decoded": 3, "read": N + 3}


KILLED = """
import os, sys
from leafwing.data import open_data, records, reading
records.RACY_NS = -(10**12)
if sys.argv[2] == "crew":
    reading.FIRST_LOOK = reading.WORTH_A_CREW = 0
def die(done, total):
    if done >= int(sys.argv[3]): os.kill(os.getpid(), 9)
open_data(sys.argv[1], image_size=16, workers=2, max_bad_share=0.3, progress=die)
"""


@pytest.mark.parametrize(("way", "when"), [("here", 28), ("here", 31), ("crew", 48)])
def test_killed_while_growing_loses_nothing(folder, tmp_path, cache, counted, way, when):
    before = build(folder)
    kept = content(before)
    for i in range(40 if way == "crew" else 3):
        (folder / f"new{i}.png").write_bytes(png())
    command = [sys.executable, "-c", KILLED, str(folder), way, str(when)]
    assert subprocess.run(command, timeout=60, check=False).returncode == -signal.SIGKILL
    assert content(before) == kept
    counted.update(decoded=0)
    store = build(folder)
    assert counted["decoded"] == (41 if way == "crew" else 4)
    assert is_as_fresh(store, folder, tmp_path)
    assert not list((cache / "data").glob("*.tmp-*"))


def test_several_grow_at_once(folder, tmp_path):
    build(folder)
    everything(folder)
    stores, gate = [], threading.Barrier(3)

    def run():
        gate.wait()
        stores.append(build(folder))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fresh = content(build(folder, cache=tmp_path / "another"))
    assert [content(store) == fresh for store in stores] == [True] * 3


def test_helpers_take_over_rows_by_content(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "FIRST_LOOK", 0)
    monkeypatch.setattr(reading, "WORTH_A_CREW", 0)
    build(folder)
    shutil.move(folder, tmp_path / "q")
    store = open_data(tmp_path / "q", image_size=16, workers=2, max_bad_share=0.3)
    assert is_as_fresh(store, tmp_path / "q", tmp_path)


def test_the_same_records_however_it_was_built(folder, tmp_path):
    """What a grown store remembers serves the next one as well as what a fresh one remembers."""
    build(folder)
    everything(folder)
    grown, fresh = build(folder), build(folder, cache=tmp_path / "another")
    assert (grown.folder / "records.bin").read_bytes() == (fresh.folder / "records.bin").read_bytes()
    assert json.loads((grown.folder / "names.json").read_text()) == sorted(grown.names)
