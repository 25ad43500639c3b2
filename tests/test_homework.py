"""R94: the course's archive, and a validator that refuses what the course would."""

from __future__ import annotations

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from leafwing.cli.main import run
from leafwing.core.errors import BadConfig, BadData
from leafwing.homework import archive
from leafwing.homework.course import COUNT, MOST_BYTES


def faces(side: int = 16, noisy: bool = False):
    rng = np.random.default_rng(0)
    for n in range(COUNT):
        pixels = np.full((side, side, 3), n % 251, np.uint8)
        pixels[: n % 16, :, 1] = rng.integers(0, 256, (n % 16, side)) if noisy else 90 + n // 251
        yield Image.fromarray(pixels)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("course") / "images.tgz"
    assert archive.write(faces(), path, lambda n: f"sample {n - 1}") == 95
    return path


def test_the_archive_is_as_the_course_asks(good, tmp_path):
    """Independent reading: 1.jpg to 1000.jpg in order, no folder, under 2 MB, each says it was generated."""
    with tarfile.open(good, "r:gz") as tar:
        assert tar.getnames() == [f"{n}.jpg" for n in range(1, 1001)]
        file = tar.extractfile("7.jpg")
        assert file is not None
        image = Image.open(io.BytesIO(file.read()))
        assert (image.format, image.size, image.info["comment"]) == ("JPEG", (16, 16), b"sample 6")
    assert good.stat().st_size < MOST_BYTES
    found = archive.check(good)
    assert (found.problems, found.pictures) == ([], 1000)
    archive.write(faces(), tmp_path / "again.tgz", lambda n: f"sample {n - 1}")
    assert (tmp_path / "again.tgz").read_bytes() == good.read_bytes()


def test_pictures_are_read_back_in_order(good):
    pixels = archive.read(good)
    assert pixels.shape == (1000, 16, 16, 3)
    for n, made in enumerate(faces()):
        if n % 97 == 0:
            assert np.abs(pixels[n].astype(int) - np.asarray(made)).mean() < 8


def test_quality_gives_way_until_it_fits(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "COUNT", 40)
    shots = [Image.effect_noise((64, 64), 80) for _ in range(40)]
    sizes = {q: len(archive.pack([s.convert("RGB") for s in shots], q, str)) for q in (95, 50, 30)}
    monkeypatch.setattr(archive, "MOST_BYTES", sizes[50] + 1)
    assert archive.write(shots, tmp_path / "a.tgz", str) == 50
    monkeypatch.setattr(archive, "MOST_BYTES", 100)
    with pytest.raises(BadConfig, match="do not fit into 2 MB"):
        archive.write(shots, tmp_path / "b.tgz", str)
    with pytest.raises(BadConfig, match="40 pictures; got 39"):
        archive.write(shots[1:], tmp_path / "b.tgz", str)
    with pytest.raises(BadConfig, match=r"\.tgz"):
        archive.write(shots, tmp_path / "b.zip", str)
    assert [p.name for p in tmp_path.iterdir()] == ["a.tgz"]


def repack(good, path, change):
    """The good archive with its members passed through ``change(name, bytes) -> [(name, bytes)]``."""
    with tarfile.open(good) as old, tarfile.open(path, "w:gz", compresslevel=1) as new:
        for member in old:
            for name, content in change(member.name, old.extractfile(member).read()):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                new.addfile(info, io.BytesIO(content))
    return path


def png(content: bytes) -> bytes:
    file = io.BytesIO()
    Image.open(io.BytesIO(content)).save(file, "PNG")
    return file.getvalue()


WRONG = {
    "999 pictures are missing": lambda n, c: [(n, c)] * (n == "5.jpg"),
    "lies in a folder: images/1.jpg and 999 more": lambda n, c: [(f"images/{n}", c)],
    "is none of 1.jpg to 1000.jpg: 0.jpg": lambda n, c: [(n, c)] + [("0.jpg", c)] * (n == "1.jpg"),
    "1 pictures are missing: 1.jpg": lambda n, c: [("1.jpeg" if n == "1.jpg" else n, c)],
    "is there twice: 3.jpg": lambda n, c: [(n, c)] * (2 if n == "3.jpg" else 1),
    "cannot be read as a picture: 8.jpg": lambda n, c: [(n, c[:100] if n == "8.jpg" else c)],
    "is PNG under the name of a JPEG: 9.jpg": lambda n, c: [(n, png(c) if n == "9.jpg" else c)],
    "and must have less than 2,000,000": lambda n, c: [(n, c)] + [("x", bytes(0))] * 0 + (
        [("pad.bin", np.random.default_rng(0).bytes(2_000_000))] if n == "1.jpg" else []),
}  # fmt: skip


@pytest.mark.parametrize("said", WRONG)
def test_what_the_course_would_refuse_is_said(said, good, tmp_path):
    found = archive.check(repack(good, tmp_path / "bad.tgz", WRONG[said]))
    assert any(said in problem for problem in found.problems), found.problems


def test_files_that_are_no_archive(good, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(archive, "LARGEST", 2 << 20)
    (tmp_path / "cut.tgz").write_bytes(good.read_bytes()[:5000])
    (tmp_path / "text.tgz").write_text("hello")
    with tarfile.open(tmp_path / "link.tgz", "w:gz") as tar:
        link = tarfile.TarInfo("1.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with tarfile.open(tmp_path / "bomb.tgz", "w:gz") as tar:
        info = tarfile.TarInfo("1.jpg")
        info.size = 3 << 20
        tar.addfile(info, io.BytesIO(bytes(3 << 20)))
    for name, said in [("cut", "gzipped tar"), ("text", "gzipped tar"), ("link", "links"), ("bomb", "far more")]:
        assert any(said in problem for problem in archive.check(tmp_path / f"{name}.tgz").problems), name
    with pytest.raises(BadData, match="does not exist"):
        archive.check(tmp_path / "none.tgz")
    assert run(["homework", "check", str(tmp_path / "text.tgz"), "--json"]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)["pictures"] == 0
    assert "not what the course asks" in err
    assert run(["homework", "check", str(good)]) == 0
    assert run(["homework", "thresholds"]) == 0
    assert "8,200" in capsys.readouterr().out


def test_collapse_is_remarked(good, tmp_path):
    with tarfile.open(good) as tar:
        first = tar.extractfile("1.jpg").read()
    found = archive.check(repack(good, tmp_path / "same.tgz", lambda n, c: [("./" + n, first)]))
    assert not found.problems
    assert "999 pictures are copies" in " ".join(found.remarks)
    assert "./" in " ".join(found.remarks)
