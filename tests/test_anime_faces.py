"""AFD by our own evaluator: the same finds as OpenCV's, and known answers on planted pictures and cascades."""

from __future__ import annotations

import numpy as np
import pytest

from leafwing.core.errors import BadData
from leafwing.measure import anime
from leafwing.measure.bootstrap import wilson
from leafwing.measure.cascade import detect, equalised, grey, grouped, read_cascade, resized


def word(patterns) -> str:
    """Eight signed 32-bit words with a bit for each of the given patterns."""
    bits = np.zeros(256, np.uint8)
    bits[list(patterns)] = 1
    return " ".join(str(w) for w in np.packbits(bits, bitorder="little").view("<i4"))


def write_cascade(path, stages, blocks):
    """A cascade file: stages are (threshold, [(feature, words, left value, right value)])."""
    xml = ["<?xml version='1.0'?><opencv_storage><cascade><stageType>BOOST</stageType><featureType>LBP</featureType>"]
    xml += [f"<height>24</height><width>24</width><stageParams><boostType>GAB</boostType><minHitRate>0.99</minHitRate>"
            f"<maxFalseAlarm>0.5</maxFalseAlarm><weightTrimRate>0.95</weightTrimRate><maxDepth>1</maxDepth>"
            f"<maxWeakCount>9</maxWeakCount></stageParams><featureParams><maxCatCount>256</maxCatCount>"
            f"<featSize>1</featSize></featureParams><stageNum>{len(stages)}</stageNum><stages>"]  # fmt: skip
    for threshold, stumps in stages:
        xml.append(f"<_><maxWeakCount>{len(stumps)}</maxWeakCount><stageThreshold>{threshold}</stageThreshold>")
        xml.append("<weakClassifiers>")
        for feature, words, left, right in stumps:
            xml.append(f"<_><internalNodes>0 -1 {feature} {words}</internalNodes>")
            xml.append(f"<leafValues>{left} {right}</leafValues></_>")
        xml.append("</weakClassifiers></_>")
    xml.append("</stages><features>")
    xml += [f"<_><rect>{x} {y} {w} {h}</rect></_>" for x, y, w, h in blocks]
    xml.append("</features></cascade></opencv_storage>")
    path.write_text("\n".join(xml), encoding="utf-8")
    return path


@pytest.fixture
def dark_dot(tmp_path):
    """Finds a dark middle in a light surrounding: the pattern in which all eight blocks are at least as light.

    Alone that pattern is also even ground, so a second block, half in the dot, must be lighter on its left.
    """
    lighter_left = word([p for p in range(256) if p & 1 and not p & 16])
    stages = [(0.5, [(0, word([255]), 1.0, -1.0)]), (0.5, [(1, lighter_left, 1.0, -1.0)])]
    return read_cascade(write_cascade(tmp_path / "dot.xml", stages, [(0, 0, 8, 8), (0, 8, 4, 4)]))


def dots(places, side=64, half=4):
    pictures = np.full((len(places), side, side, 3), 220, np.uint8)
    for picture, place in zip(pictures, places, strict=True):
        if place is not None:
            x, y = place
            picture[y - half : y + half, x - half : x + half] = 30
    return pictures


def test_a_planted_dot_is_found_where_it_is_and_nothing_elsewhere(dark_dot):
    pictures = dots([(20, 30), None, (44, 28), None])
    finds = detect(grey(pictures), dark_dot, neighbours=0)
    assert [len(rects) > 0 for rects in finds] == [True, False, True, False]
    for rects, (x, y) in ((finds[0], (20, 30)), (finds[2], (44, 28))):
        middle = np.median(rects[:, :2] + rects[:, 2:] / 2, axis=0)
        assert np.abs(middle - (x, y)).max() <= 4
    assert anime.faces_found(pictures, dark_dot).tolist() == [True, False, True, False]


def test_candidates_in_one_place_are_one_find():
    cluster = [[10, 10, 24, 24], [11, 10, 24, 24], [12, 11, 24, 24], [10, 12, 26, 26]]
    finds = grouped(np.array([*cluster, [50, 50, 24, 24]]), neighbours=3)
    assert finds.tolist() == [[11, 11, 24, 24]]
    assert len(grouped(np.array(cluster), neighbours=4)) == 0, "more candidates than this are needed, not as many"


def random_cascade(path, rng, stages=3):
    """Stumps that pass about half of what they see, so that many windows come through."""
    blocks = []
    for _ in range(12):
        w, h = rng.integers(1, 8, 2)
        blocks.append((int(rng.integers(0, 25 - 3 * w)), int(rng.integers(0, 25 - 3 * h)), int(w), int(h)))
    made = []
    for _ in range(stages):
        stumps = [(int(rng.integers(0, 12)), word(np.flatnonzero(rng.random(256) < 0.5)), *rng.normal(0, 1, 2).round(4))
                  for _ in range(4)]  # fmt: skip
        made.append((-1.0, stumps))
    return write_cascade(path, made, blocks)


def smooth_pictures(rng, n, height, width):
    coarse = rng.integers(0, 256, (n, 9, 9, 3)).astype(np.uint8)
    return np.stack([resized(coarse[..., i], height, width) for i in range(3)], -1)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (48, 48), (61, 83), (80, 72)])
def test_finds_are_those_of_opencv(tmp_path, height, width):
    """A second implementation, OpenCV's own: the same rectangles, each of them, grouped and not."""
    cv2 = pytest.importorskip("cv2")
    if not hasattr(cv2, "CascadeClassifier"):
        pytest.skip("this OpenCV has no cascade classifier")
    rng = np.random.default_rng(64)
    path = random_cascade(tmp_path / "random.xml", rng)
    ours, theirs = read_cascade(path), cv2.CascadeClassifier(str(path))
    assert not theirs.empty()
    pictures = smooth_pictures(rng, 4, height, width)
    prepared = equalised(grey(pictures))
    reference = np.stack([cv2.equalizeHist(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY)) for p in pictures])
    assert np.array_equal(prepared, reference)
    total = 0
    for neighbours in (0, 2, 5):
        for picture, rects in zip(prepared, detect(prepared, ours, neighbours=neighbours), strict=True):
            wanted = theirs.detectMultiScale(picture, 1.1, neighbours, minSize=(24, 24))
            wanted = sorted(map(tuple, np.asarray(wanted).reshape(-1, 4).tolist()))
            assert sorted(map(tuple, rects.tolist())) == wanted
            total += len(wanted)
    assert total > 100, "enough windows came through to tell"


def test_the_rate_states_its_scale_and_stands_beside_variety(dark_dot):
    same = np.repeat(dots([(32, 32)]), 6, 0)
    result = anime.face_rate(same, dark_dot, side=96, real=dots([(20, 30), (40, 20), (30, 44)]))
    assert result.spread == 0
    assert result.spread_of_data > 0
    text = str(result)
    assert "at 96 px (scaled from 64)" in text
    assert "differ by 0.0 levels, 0.00 of the data's" in text
    assert "at 64 px;" in str(anime.face_rate(same, dark_dot))


def test_wilson_interval():
    """Agresti and Coull 1998: for 0 of 10 the upper end is z^2 / (n + z^2)."""
    low, high = wilson(0.0, 10)
    assert low == 0
    assert high == pytest.approx(3.8414588 / 13.8414588, rel=1e-6)
    low, high = wilson(0.85, 100)
    assert low < 0.85 < high
    assert wilson(0.85, 1000)[0] > low, "more pictures, narrower"


def test_symmetry_sees_what_is_crooked_and_forgives_what_is_aside():
    rng = np.random.default_rng(0)
    half = rng.integers(0, 256, (3, 64, 32, 3)).astype(np.uint8)
    whole = np.concatenate([half, half[:, :, ::-1]], 2)
    assert anime.asymmetry(whole).max() == 0
    assert anime.asymmetry(np.roll(whole, 2, 2)).max() < 12, "a little aside"
    crooked = whole.copy()
    crooked[:, 20:40, 5:20] = 0
    assert anime.asymmetry(crooked).min() > 5


@pytest.mark.parametrize(
    "text", ["", "no xml", "<opencv_storage><cascade/></opencv_storage>", "<a><b><stages/></b></a>"]
)
def test_what_is_no_cascade_is_said(tmp_path, text):
    path = tmp_path / "bad.xml"
    path.write_text(text)
    with pytest.raises(BadData, match=r"bad\.xml"):
        read_cascade(path)
    with pytest.raises(BadData, match="missing"):
        read_cascade(tmp_path / "missing.xml")


def test_damaged_cascades_are_said(tmp_path):
    good = write_cascade(tmp_path / "good.xml", [(0.5, [(0, word([255]), 1.0, -1.0)])], [(0, 0, 8, 8)]).read_text()
    for wrong in (("0 -1 0 ", "0 -1 7 "), ("<rect>0 0 8 8", "<rect>0 0 9 9"), ("LBP", "HAAR"), ("0 -1 0 ", "0 -1 ")):
        (tmp_path / "bad.xml").write_text(good.replace(*wrong))
        with pytest.raises(BadData, match="LBP stumps"):
            read_cascade(tmp_path / "bad.xml")


def test_pictures_too_small_are_said(dark_dot):
    with pytest.raises(BadData, match="16x16"):
        anime.face_rate(np.zeros((4, 16, 16, 3), np.uint8), dark_dot)
    with pytest.raises(BadData, match="at least 2"):
        anime.face_rate(np.zeros((1, 64, 64, 3), np.uint8), dark_dot)
