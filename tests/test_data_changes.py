"""REL-R15, P23: a data set changed between save and resume is refused with counts; a moved or touched one is not.

There are no labels yet, so of the twelve mutations of RELIABILITY the two of labels cannot occur; order cannot
change either, as pictures are sorted by name.
"""

from __future__ import annotations

import io
import os
import shutil
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from leafwing.core.errors import BadRun
from leafwing.core.ranks import SOLO
from leafwing.data import open_data
from leafwing.data.changes import compared, since
from leafwing.run import check_same, facts

RNG = np.random.default_rng(4)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LEAFWING_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def png(pixels=None, **options):
    out = io.BytesIO()
    pixels = RNG.integers(0, 256, (16, 16, 3), np.uint8) if pixels is None else pixels
    Image.fromarray(pixels).save(out, "PNG", **options)
    return out.getvalue()


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "p"
    root.mkdir()
    for i in range(8):
        (root / f"{i}.png").write_bytes(png())
    return root


def packed(folder, names=None, **options):
    """The folder as a zip file beside it."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name in names or sorted(f.name for f in folder.iterdir()):
            archive.write(folder / name, name)
    return path


def reopened(before, source, accept=False):
    """What resume does: the facts kept in the checkpoint against those of the source now."""
    now = open_data(source, image_size=16, max_bad_share=0.5)
    here = torch.device("cpu")
    check_same(facts(before, here, SOLO), facts(now, here, SOLO), now, accept)


def reencoded(p):
    (p / "1.png").write_bytes(png(np.asarray(Image.open(p / "1.png")), compress_level=1))


def swapped(p):
    for one, other in (("1.png", "tmp"), ("2.png", "1.png"), ("tmp", "2.png")):
        (p / one).rename(p / other)


REFUSED = {
    "file added": (lambda p: (p / "new.png").write_bytes(png()), r"8 pictures then, 9 now: \+1 added \('new\.png'\)"),
    "file removed": (lambda p: (p / "3.png").unlink(), r"8 pictures then, 7 now: -1 removed \('3\.png'\)"),
    "renamed": (lambda p: (p / "3.png").rename(p / "x.png"), r"8 pictures then, 8 now: 1 renamed \('x\.png'\)"),
    "case-only rename": (lambda p: (p / "3.png").rename(p / "3.PNG"), r"8 now: 1 renamed \('3\.PNG'\)"),
    "re-encoded": (reencoded, r"8 now: ~1 changed \('1\.png'\)"),
    "content swapped": (swapped, r"8 now: ~2 changed \('1\.png', '2\.png'\)"),
    "one content replaced": (lambda p: (p / "5.png").write_bytes(png()), r"8 now: ~1 changed \('5\.png'\)"),
    "duplicate added": (lambda p: shutil.copy(p / "1.png", p / "1b.png"), r"9 now: \+1 added \('1b\.png'\)"),
    "a file damaged": (lambda p: (p / "1.png").write_bytes(b""), r"7 now: -1 removed \('1\.png'\)"),
    "moved into a subfolder": (
        lambda p: (p / "s").mkdir() or (p / "1.png").rename(p / "s" / "1.png"),
        r"8 now: 1 renamed \('s/1\.png'\)",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_rel_r15_changed_content_is_refused_with_counts_until_accepted(what, folder):
    do, says = REFUSED[what]
    before = open_data(folder, image_size=16)
    do(folder)
    with pytest.raises(BadRun, match=says + r"\): restore it, or go on with --accept-new-data\."):
        reopened(before, folder)
    reopened(before, folder, accept=True)


def moved(p):
    return p.rename(p.parent / "elsewhere")


def touched(p):
    for file in p.iterdir():
        os.utime(file, (1, 1))


ACCEPTED = {
    "path moved": moved,
    "mtime only": touched,
    "copied": lambda p: shutil.copytree(p, p.parent / "copy"),
    "packed into a zip": packed,
    "something that is no picture added": lambda p: (p / "notes.txt").write_text("x") and None,
}


@pytest.mark.parametrize("what", ACCEPTED)
def test_rel_r15_what_leaves_the_content_alone_is_no_alarm(what, folder):
    before = open_data(folder, image_size=16)
    reopened(before, ACCEPTED[what](folder) or folder)


def test_rel_r15_a_zip_rewritten(folder):
    before = open_data(packed(folder), image_size=16)
    names = sorted((f.name for f in folder.iterdir()), reverse=True)
    reopened(before, packed(folder, names, compression=zipfile.ZIP_DEFLATED))
    (folder / "4.png").write_bytes(png())
    with pytest.raises(BadRun, match=r"~1 changed \('4\.png'\)"):
        reopened(before, packed(folder))


def test_without_the_earlier_store_the_totals_are_said(folder):
    before = open_data(folder, image_size=16)
    (folder / "new.png").write_bytes(png())
    open_data(folder, image_size=16)
    shutil.rmtree(before.folder)
    with pytest.raises(BadRun, match=r"\(8 pictures then, 9 now\): restore"):
        reopened(before, folder)


def test_worlds_have_no_files_to_compare():
    few, more = (open_data("world:faces", image_size=16, count=n, workers=1) for n in (2, 3))
    assert since(more, few.fingerprint) is None


def test_changes_are_counted_once_each():
    before = {"a": b"1", "b": b"1", "c": b"2", "d": b"3", "e": b"4"}
    now = {"a": b"1", "x": b"1", "c": b"9", "y": b"5", "z": b"5"}
    found = compared(before, now)
    assert (found.added, found.removed, found.changed, found.renamed) == (["y", "z"], ["d", "e"], ["c"], ["x"])
    assert str(found) == "+2 added ('y', 'z'), -2 removed ('d', 'e'), ~1 changed ('c'), 1 renamed ('x')"
    assert not str(compared(before, dict(before)))
