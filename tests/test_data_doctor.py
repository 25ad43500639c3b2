"""The dataset doctor on a set with planted faults, and at size."""

from __future__ import annotations

import io
import json
import time

import numpy as np
import pytest
from PIL import Image, ImageFilter

from leafwing.core.errors import BadData
from leafwing.data import check, drawn
from leafwing.data.likeness import near_duplicates, sharpness

RNG = np.random.default_rng(11)


def scene(width=96, height=96):
    """A sharp picture with shapes of all sizes."""
    total = np.zeros((height, width, 3))
    for cells in (3, 8, 24, 60):
        coarse = Image.fromarray(RNG.integers(0, 256, (cells, cells, 3), np.uint8))
        total += np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)) / 4
    return Image.fromarray(total.astype(np.uint8))


def test_planted_faults_are_found(tmp_path):
    scenes = [scene() for _ in range(20)]
    for i, image in enumerate(scenes):
        image.save(tmp_path / f"{i:02d}.png")
    scenes[0].save(tmp_path / "copy.bmp")
    scenes[1].save(tmp_path / "compressed.jpg", quality=80)
    scenes[1].resize((80, 80)).save(tmp_path / "smaller.png")
    scenes[2].filter(ImageFilter.GaussianBlur(5)).save(tmp_path / "blurred.png")
    Image.new("RGB", (64, 64), (9, 9, 9)).save(tmp_path / "flat.png")
    Image.new("RGB", (64, 64), (200, 9, 9)).save(tmp_path / "flat2.png")
    scene(120, 60).save(tmp_path / "wide.png")
    out = io.BytesIO()
    scene().save(out, "JPEG")
    (tmp_path / "named.png").write_bytes(out.getvalue())
    (tmp_path / "cut.jpg").write_bytes(out.getvalue()[:700])
    Image.new("RGB", (2, 2)).save(tmp_path / "tiny.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    scene().save(tmp_path / "lying.jpg", exif=exif)
    clear = scene()
    clear.putalpha(Image.linear_gradient("L").resize((96, 96)))
    clear.save(tmp_path / "clear.png")
    scene().save(tmp_path / "moving.gif", save_all=True, append_images=[scene()])
    (tmp_path / "labels.csv").write_text("a,b")

    report = check(tmp_path, image_size=64)
    assert report.used == 31
    assert report.not_pictures == 1
    assert {b.name: b.kind for b in report.bad} == {"cut.jpg": "cut off or damaged", "tiny.png": "too small"}
    assert report.bad_reasons == {"cut off or damaged": 1, "too small": 1}
    assert report.exact_duplicates == [["00.png", "copy.bmp"]]
    assert report.near_duplicates == [["01.png", "compressed.jpg", "smaller.png"]]
    assert [name for name, _ in report.blurred] == ["blurred.png"]
    assert report.blurriest[0][0] == "blurred.png"
    assert report.constant == ["flat.png", "flat2.png"]
    assert report.misnamed == [["named.png", "JPEG"]]
    assert (report.rotated, report.transparent, report.animated) == (1, 1, 1)
    assert report.not_square == {"count": 1, "median": 0.5, "most": 0.5}
    assert (report.smallest, report.median, report.largest) == ([64, 64], [96, 96], [96, 96])
    assert report.common_sizes[0] == [96, 96, 27]
    assert report.formats["PNG"] == 26
    assert report.modes["RGBA"] == 1
    fates = dict(report.fates)
    assert fates["tiny.png"] == fates["cut.jpg"] == ["skipped"]
    assert fates["lying.jpg"] == ["turned upright", "shrunk"]
    assert fates["wide.png"] == ["cropped to a square", "enlarged"]
    assert fates["flat.png"] == ["used as it is"]
    assert fates["clear.png"] == ["laid over the background", "shrunk"]
    assert fates["moving.gif"][0] == "first frame taken"
    assert len(fates) == 33
    assert report.actions["skipped"] == 2
    assert report.verdict == "31 pictures will be used, 2 skipped, 1 of them exact copies, 1 blurred, 1 enlarged."
    text = report.text()
    for piece in ("'00.png' = 'copy.bmp'", "'named.png' is JPEG", "'flat.png'", report.verdict, "one colour only"):
        assert piece in text
    made = json.loads(json.dumps(report.as_dict(each=True)))
    assert made["bad"][0]["name"] == "cut.jpg"
    assert len(made["fates"]) == 33
    assert "fates" not in report.as_dict()


def test_arrays_and_worlds_are_checked_too(tmp_path, monkeypatch):
    arrays = np.stack([np.asarray(scene(32, 32)) for _ in range(8)])
    arrays[5] = arrays[2]
    np.savez(tmp_path / "x.npz", images=arrays)
    report = check(tmp_path / "x.npz")
    assert report.exact_duplicates == [["2", "5"]]
    assert report.verdict == "8 pictures will be used, 1 of them exact copies, 8 enlarged."

    class Scenes:
        name, version, channels, min_size = "scenes", 1, 3, 8

        def render(self, indices, size=64, workers=None, out=None, progress=None):
            return arrays[[i % 8 for i in indices]]

    monkeypatch.setitem(drawn.MORE, "scenes", lambda seed: Scenes())
    report = check("world:scenes", image_size=32, count=5)
    assert (report.kind, report.used, report.source) == ("world", 5, "world:scenes")


def test_nothing_to_use_is_a_verdict_and_no_source_is_an_error(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    report = check(tmp_path)
    assert report.verdict == "0 pictures can be used: at least 2 are needed."
    assert "other files" in report.text()
    with pytest.raises(BadData, match="does not exist"):
        check(tmp_path / "nothing")


def test_links_and_other_refusals_have_a_fate(tmp_path):
    for i in range(3):
        scene().save(tmp_path / f"{i}.png")
    (tmp_path / "out.png").symlink_to("/etc/hostname")
    report = check(tmp_path)
    assert dict(report.fates)["out.png"] == ["skipped"]
    assert "More than 10% cannot be used" in report.verdict


def test_near_duplicates_among_many_and_with_crowds():
    count = 30_000
    hashes = RNG.integers(0, 2**63, count).astype(np.uint64)
    hashes[: count // 2] &= np.uint64(0xFFFFFFFFFFFF)  # half share a band, as pictures with a white border do
    thumbnails = RNG.integers(0, 256, (count, 768), np.uint8)
    planted = [(3, 20_000), (5, 29_999), (100, 200)]
    for first, second in planted:
        hashes[second] = hashes[first] ^ np.uint64(0b101)
        thumbnails[second] = np.clip(thumbnails[first].astype(int) + RNG.integers(-3, 4, 768), 0, 255)
    hashes[400] = hashes[401]  # alike in light and dark, but of other colours
    start = time.monotonic()
    assert near_duplicates(hashes, thumbnails) == [list(pair) for pair in planted]
    assert time.monotonic() - start < 10


def test_sharpness_orders_blur():
    image = scene().convert("L")
    values = [sharpness(np.asarray(image.filter(ImageFilter.GaussianBlur(r)))) for r in (0, 1, 2, 4)]
    assert values == sorted(values, reverse=True)
    assert sharpness(np.full((64, 64), 9, np.uint8)) == 0
