"""The feed: the same batches whatever happened before, in bounded memory, and never from a file that was changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from leafwing.core import randomness
from leafwing.core.errors import BadData
from leafwing.data import feed as feeding
from leafwing.data import mapped as mapped_file
from leafwing.data.feed import Feed

RNG = np.random.default_rng(3)
SHAPE = (50, 8, 8, 3)


@pytest.fixture
def mapped(tmp_path):
    """A store's file, memory-mapped."""
    path = tmp_path / "store" / "pictures.u8"
    path.parent.mkdir()
    RNG.integers(0, 256, SHAPE, dtype=np.uint8).tofile(path)
    return np.memmap(path, np.uint8, "r", shape=SHAPE)


def plainly(pictures, batch, seed, turn):
    """What a batch is, written without any care for speed."""
    epochs = [randomness.stream(seed, e, "order").permutation(len(pictures)) for e in range(9)]
    which = np.concatenate(epochs)[turn * batch : (turn + 1) * batch]
    mirrored = randomness.stream(seed, turn, "flip").random(batch) < 0.5
    rows = [pictures[i][:, ::-1] if m else pictures[i] for i, m in zip(which, mirrored, strict=True)]
    return torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2).float() * (2 / 255) - 1


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("resident", [False, True])
def test_every_batch_is_what_the_plain_words_say_bit_for_bit(channels, resident, monkeypatch):
    monkeypatch.setattr(feeding, "CHUNK", 3 * 8 * 6 * channels)  # a resident store is copied in several pieces
    pictures = RNG.integers(0, 256, (20, 8, 6, channels), dtype=np.uint8)
    kept = pictures.copy()
    feed = Feed(pictures, 7, seed=5, flip=True, resident=resident)
    for turn in (0, 1, 2, 11, 2):  # across the ends of epochs, and back
        got = feed(turn)
        assert torch.equal(got, plainly(pictures, 7, 5, turn))
        assert got.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(pictures, kept)


@pytest.mark.parametrize(("free", "resident"), [(4 * 9600, True), (4 * 9600 - 1, False)])
def test_a_gpu_keeps_a_store_that_takes_a_quarter_of_its_free_memory(free, resident, monkeypatch):
    """By stand-ins for the GPU: the decision alone."""
    monkeypatch.setattr(feeding, "free_bytes", lambda device: free)
    monkeypatch.setattr(feeding, "to_device", lambda rows, device: torch.from_numpy(rows))
    feed = Feed(np.zeros(SHAPE, dtype=np.uint8), 7, seed=5, device="cuda")
    assert (feed._resident is not None) == resident


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_store_on_a_gpu_gives_the_same_batches_without_waiting(mapped):
    ours, theirs = Feed(mapped, 8, seed=1, flip=True), Feed(mapped, 8, seed=1, flip=True, device="cuda")
    assert theirs._resident is not None
    for turn in (0, 6, 7):
        torch.testing.assert_close(theirs(turn).cpu(), ours(turn), rtol=0, atol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of being new
        torch.cuda.set_sync_debug_mode("error")
    try:
        theirs(8)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("flip", [False, True])
def test_a_batch_handed_out_is_never_overwritten(mapped, flip):
    feed = Feed(mapped, 8, seed=1, flip=flip)
    first = feed(0)
    kept = first.clone()
    for turn in range(1, 12):
        feed(turn)
    assert torch.equal(first, kept)
    first.zero_()  # and what is done to it does not reach the store
    assert torch.equal(feed(0), kept)


def cut(path):
    os.truncate(path, 1000)


def emptied(path):
    path.write_bytes(b"")


def rewritten(path):
    with path.open("r+b") as file:
        file.write(bytes(5000))
    facts = path.stat()
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 10**7))  # clocks of file systems are coarse


def grown(path):
    with path.open("ab") as file:
        file.write(b"more")


@pytest.mark.parametrize("harm", [cut, emptied, rewritten, grown])
def test_a_store_changed_under_a_run_is_said_instead_of_a_bus_error(mapped, tmp_path, harm):
    """Issue 3, bad input: a store changed under a running training."""
    feed = Feed(mapped, 8, seed=1)
    feed(0)
    harm(tmp_path / "store" / "pictures.u8")
    with pytest.raises(BadData, match=r"pictures\.u8' were (cut from 9,600 to|written to).* in use: delete the folder"):
        feed(1)


def gone(folder):
    shutil.rmtree(folder)


def replaced(folder):
    folder.rename(folder.with_name("aside"))
    folder.mkdir()
    (folder / "pictures.u8").write_bytes(b"another store")


def meta_changed(folder):
    (folder / "meta.json").write_text("{}")


@pytest.mark.parametrize("harm", [gone, replaced, meta_changed])
def test_what_does_not_touch_the_mapped_file_does_not_stop_a_run(mapped, tmp_path, harm):
    kept = np.array(mapped)
    feed = Feed(mapped, 8, seed=1)
    harm(tmp_path / "store")
    assert torch.equal(feed(3), Feed(kept, 8, seed=1)(3))


FED = """
import json, sys
import numpy as np, torch
from leafwing.data.feed import Feed
torch.set_num_threads(1)

def anonymous():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024

shape = (int(sys.argv[2]), 8, 8, 3)
Feed(np.zeros((64, 8, 8, 3), np.uint8), 64, seed=0, flip=True)(0)  # what torch keeps for itself
before = anonymous()
feed = Feed(np.memmap(sys.argv[1], np.uint8, "r", shape=shape), 64, seed=0, flip=True)
sums = [float(feed(turn).sum()) for turn in range(200)]
print(json.dumps([anonymous() - before, len(sums)]))
"""


def test_asking_ahead_for_the_rows_of_a_large_store_changes_nothing(mapped, monkeypatch):
    kept, asked = np.array(mapped), []
    monkeypatch.setattr(mapped_file, "LARGE", 1)
    feed = Feed(mapped, 8, seed=1)
    expect = feed._file.expect
    monkeypatch.setattr(feed._file, "expect", lambda rows: asked.extend(rows) or expect(rows))
    for turn in range(14):  # every row, the last of the file too
        assert torch.equal(feed(turn), Feed(kept, 8, seed=1)(turn))
    assert set(asked) == set(range(50))


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads Linux' figures")
def test_many_pictures_cost_no_memory_each(tmp_path):
    """Issue 3 item 6: 100,000 pictures; the permutation is 0.8 MB, an object a picture would be 10 MB."""
    path = tmp_path / "pictures.u8"
    with path.open("wb") as file:
        file.truncate(100_000 * 8 * 8 * 3)  # sparse
    command = [sys.executable, "-c", FED, str(path), "100000"]
    out = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    grown_mb, turns = json.loads(out.stdout)
    assert turns == 200
    assert grown_mb < 8
