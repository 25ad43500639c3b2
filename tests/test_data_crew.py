"""Helpers that are killed, crash or hang: replaced, or the file named; never a hang, never a lost picture."""

from __future__ import annotations

import io
import json
import os
import signal
import time
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from leafwing.core.errors import BadData
from leafwing.data import crew, open_data, pictures, reading, tasks
from leafwing.data.crew import Helper
from leafwing.data.pictures import BadPicture, Target, decode
from leafwing.data.reading import work_through

RNG = np.random.default_rng(2)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """All work but the first chunk goes to helpers, and they are looked after often."""
    monkeypatch.setenv("LEAFWING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(reading, "FIRST_LOOK", 0)
    monkeypatch.setattr(reading, "WORTH_A_CREW", 0)
    monkeypatch.setattr(crew, "LOOK", 0.05)


@dataclass
class Troubled:
    """Doubles numbers, but for number 30, over which something happens; ``once`` is a file that remembers."""

    trouble: str
    once: str = ""
    patience: float = 0.3

    def __call__(self, piece):
        if piece == 30 and not (self.once and os.path.exists(self.once)):
            if self.once:
                open(self.once, "w").close()
            self.happens()
        return 2 * piece

    def happens(self):
        if self.trouble == "spins":
            while True:
                pass
        if self.trouble == "sleeps":
            time.sleep(600)
        if self.trouble == "exits":
            os._exit(1)
        os.kill(os.getpid(), getattr(signal, self.trouble))

    def crashed(self, piece, why):
        return piece, why


def number(value):
    return lambda: value


def results(task):
    return list(work_through(map(number, range(64)), task, 64, workers=2))


@pytest.mark.parametrize("trouble", ["SIGKILL", "exits"])
def test_rel_p14_a_helper_killed_once_is_replaced_and_nothing_is_missing(tmp_path, trouble):
    assert sorted(results(Troubled(trouble, str(tmp_path / "once")))) == [2 * i for i in range(64)]


REASONS = {
    "SIGSEGV": "crashed the decoder: its process died twice",
    "spins": "took too long: more than 0 s of computing",
    "sleeps": "took too long: more than 4 s",
}


@pytest.mark.parametrize("trouble", REASONS)
def test_rel_p14_p15_a_piece_that_kills_or_hangs_its_helper_is_named(trouble):
    begun = time.monotonic()
    found = results(Troubled(trouble))
    assert time.monotonic() - begun < 30
    assert sorted(r for r in found if isinstance(r, int)) == [2 * i for i in range(64) if i != 30]
    assert [r for r in found if not isinstance(r, int)] == [(30, REASONS[trouble])]


def test_rel_p15_a_disk_that_does_not_answer_is_named():
    class Dead:
        def __call__(self):
            time.sleep(20)

        def __str__(self):
            return "'far/away.png'"

    begun = time.monotonic()
    with pytest.raises(BadData, match=r"Reading 'far/away\.png' has taken more than 2 s: its disk or network share"):
        list(work_through([*map(number, range(20)), Dead(), number(1)], Troubled("none", patience=0.2), 22, workers=2))
    assert time.monotonic() - begun < 15


def test_rel_p14_killing_a_helper_from_outside_changes_nothing(tmp_path, monkeypatch):
    """As somebody's ``kill``, or the system short of memory, would."""
    folder = tmp_path / "p"
    folder.mkdir()
    arrays = RNG.integers(0, 256, (200, 16, 16, 3), np.uint8)
    for i, pixels in enumerate(arrays):
        Image.fromarray(pixels).save(folder / f"{i:03}.png")
    helpers, start = [], Helper._start

    def note(self):
        process = start(self)
        helpers.append(process)
        return process

    monkeypatch.setattr(Helper, "_start", note)

    def kill(done, total):
        if done in (32, 96):
            helpers[done == 96].kill()

    store = open_data(folder, image_size=16, workers=2, progress=kill)
    assert len(helpers) > 2
    assert not store.bad
    np.testing.assert_array_equal(store.pictures, arrays)


def test_rel_r9_44_a_file_that_hangs_the_decoder_is_skipped_and_named(tmp_path, monkeypatch):
    """The whole way: a decoder without end in a helper, the store built, the file in ``bad_files.jsonl``."""
    folder = tmp_path / "p"
    folder.mkdir()
    for i in range(40):
        Image.fromarray(RNG.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / f"{i:03}.png")
    monkeypatch.setattr(tasks, "DecodeInto", Hanging)
    monkeypatch.setattr("leafwing.data.build.DecodeInto", Hanging)
    store = open_data(folder, image_size=16, workers=2)
    assert len(store) == 39
    assert [(b.name, b.reason) for b in store.bad] == [("030.png", "took too long: more than 0 s of computing")]
    assert json.loads((store.folder / "bad_files.jsonl").read_text())["name"] == "030.png"


@dataclass
class Hanging(tasks.DecodeInto):
    """The real task, but for candidate 30 of another process than the parent's."""

    patience: float = 0.3

    def __call__(self, piece):
        while piece[0] == 30:
            pass
        return super().__call__(piece)


def with_scans(repeat, side=1000):
    """A progressive JPEG whose last pass is said so many times more."""
    out = io.BytesIO()
    Image.new("RGB", (side, side), (200, 100, 50)).save(out, "JPEG", progressive=True)
    raw = out.getvalue()
    return raw[:-2] + raw[raw.rindex(b"\xff\xda") : -2] * repeat + b"\xff\xd9"


def test_rel_r9_44_progressive_jpegs_are_read_and_bombs_of_scans_refused():
    assert abs(decode(with_scans(0), Target(16)).astype(int) - (200, 100, 50)).max() < 4
    assert decode(with_scans(90), Target(16)).shape == (16, 16, 3)
    begun = time.process_time()
    with pytest.raises(BadPicture, match=r"^too many scans: 50010 passes over 1000×1000 pixels"):
        decode(with_scans(50_000), Target(16))
    assert time.process_time() - begun < 1
    assert pictures.MAX_SCANNED > 12 * pictures.MAX_PIXELS, "no common file comes near"
