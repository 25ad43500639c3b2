"""Labels by every door, and one sentence for each table that cannot be (issue 5, item 3)."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from leafwing.core.errors import BadData
from leafwing.data import open_data
from leafwing.data.label_doors import read_labels
from leafwing.data.labels import classes
from leafwing.prepare import read_store
from leafwing.recipe import load_recipe
from leafwing.worlds.faces import Faces

HAIR = ["blue", "red", "blue", "red", "blue", "red"]


def draw(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Six pictures, their hair in labels.csv, in folders a and b."""
    root = tmp_path / "faces 图"
    for number in range(6):
        draw(root / "ab"[number % 2] / f"{number}.png", number)
    return root


def table(root: Path, rows: list[str], name: str = "labels.csv", **how) -> Path:
    (root / name).write_text("\n".join(rows) + "\n", **({"encoding": "utf-8"} | how))
    return root


def six(values=HAIR, column: str = "hair") -> list[str]:
    return [f"file,{column}", *[f"{'ab'[n % 2]}/{n}.png,{value}" for n, value in enumerate(values)]]


def labels(source, *wanted: str, **options):
    return read_labels(open_data(source, image_size=16), wanted, **options)


def words(found, place: int = 0) -> list[str]:
    return [found.vocabulary.attributes[place].show(float(row[place])) for row in found.codes]


def test_sub_folders_and_columns_of_a_table(folder):
    found = labels(table(folder, six()), "folder", "hair")
    order = [0, 2, 4, 1, 3, 5]  # sorted by name: a/0 a/2 a/4 b/1 b/3 b/5
    assert words(found, 0) == ["a", "a", "a", "b", "b", "b"]
    assert words(found, 1) == [HAIR[n] for n in order]
    assert found.vocabulary.size == 4
    assert found.vocabulary.encode(found.codes[:1]).tolist() == [[1, 0, 1, 0]]


@pytest.mark.parametrize("kind", ["zip", "tar", "nested zip"])
def test_archives_hold_their_table(folder, tmp_path, kind):
    table(folder, six())
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    top = "all/" if kind.startswith("nested") else ""
    target = tmp_path / f"x.{kind.split()[-1]}"
    if "zip" in kind:
        with zipfile.ZipFile(target, "w") as archive:
            for path in files:
                archive.write(path, top + str(path.relative_to(folder)))
    else:
        with tarfile.open(target, "w") as archive:
            for path in files:
                archive.add(path, str(path.relative_to(folder)))
    assert words(labels(target, "hair")) == ["blue", "blue", "blue", "red", "red", "red"]
    assert words(labels(target, "folder")) == ["a", "a", "a", "b", "b", "b"]


def test_a_vector_of_floats_is_numbers_whole_or_not_and_what_tells_nothing_is_left_out(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8)
    vector = np.stack([np.arange(8) % 4, np.full(8, 3.0), np.arange(8) / 7], 1).astype(np.float32)
    np.savez(tmp_path / "x.npz", images=pictures, vector=vector, counts=np.arange(8.0) % 2, same=np.ones((8, 2)))
    found = labels(tmp_path / "x.npz", "vector", "counts")
    assert found.vocabulary.names == ["vector.0", "vector.2", "counts"]
    assert [kind.classes for kind in found.vocabulary.attributes] == [(), (), ("0.0", "1.0")]
    assert found.remarks[0] == "1 of the 3 numbers of 'vector' are the same for all: left out."
    with pytest.raises(BadData, match=r"Every picture has the same 'same.0'"):
        labels(tmp_path / "x.npz", "same")


def test_five_thousand_classes_come_in_by_a_table(tmp_path):
    """Ten thousand pictures in a zip with their labels.csv: read, said to be thin, and both players can be asked."""
    picture = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), 99, np.uint8)).save(picture, "png")
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as file:
        for n in range(10_000):
            file.writestr(f"{n}.png", picture.getvalue())
        file.writestr("labels.csv", "file,who\n" + "".join(f"{n}.png,{n % 5000}\n" for n in range(10_000)))
    found = read_labels(open_data(tmp_path / "many.zip", image_size=8), ["who"])
    assert found.codes.shape == (10_000, 1)
    assert found.remarks == ["'who' has 5,000 classes with 2.0 pictures each: few to learn from."]
    small = ["data.condition=['who']", "data.image_size=8", "generator.width=4", "discriminator.width=4"]
    G, D = load_recipe("cgan", [*small, "generator.meet=embed"]).build_networks(found.vocabulary)
    x = torch.from_numpy(found.vocabulary.encode(found.codes[:2]))
    assert D(G(torch.zeros(2, load_recipe("cgan").prior.options.dim), x), x).shape == (2,)


def test_arrays_digits_and_worlds(tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)
    np.savez(
        tmp_path / "x.npz", images=pictures, labels=[10, 9, 10, 9, 10, 9], place=np.linspace(0, 1, 12).reshape(6, 2)
    )
    found = labels(tmp_path / "x.npz", "labels", "place")
    assert found.vocabulary.names == ["labels", "place.0", "place.1"]
    assert found.vocabulary.attributes[0].classes == ("9", "10"), "whole numbers by size"
    assert found.vocabulary.attributes[1].classes == (), "others are numbers"
    encoded = found.vocabulary.encode(found.codes)
    assert encoded.shape == (6, 6)
    np.testing.assert_allclose(encoded[:, 2].mean(), 0, atol=1e-6)
    np.testing.assert_allclose(encoded[:, 2].std(), 1, atol=1e-6)
    idx = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (6, 16, 16)) + pictures[..., 0].tobytes()
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx)
    with pytest.raises(BadData, match="train-labels-idx1-ubyte"):
        labels(tmp_path, "label")
    raw = b"\0\0\x08\x01" + (6).to_bytes(4, "big") + bytes([7, 1, 7, 1, 7, 1])
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(raw))
    assert words(labels(tmp_path, "label")) == ["7", "1", "7", "1", "7", "1"]
    found = read_labels(open_data("world:faces", image_size=16, count=60), ["hair", "eyes", "turn"])
    truth = [Faces().factors(n) for n in range(60)]
    assert words(found, 0) == [face.hair_colour for face in truth]
    eyes = [face.left_eye if face.left_eye == face.right_eye else "odd" for face in truth]
    assert words(found, 1) == eyes
    np.testing.assert_allclose(found.codes[:, 2], [face.turn for face in truth], rtol=1e-6)


def test_empty_cells_are_any_and_said(folder):
    found = labels(table(folder, six(["blue", "", "any", "red", "blue", "red"])), "hair")
    assert words(found) == ["blue", "any", "blue", "any", "red", "red"]
    assert found.vocabulary.encode(found.codes)[1].tolist() == [0, 0]
    assert found.vocabulary.attributes[0].open
    assert found.remarks == ["'hair' has 2 classes with 2.0 pictures each: few to learn from.",
                             "2 of 6 pictures have no label of 'hair': they teach what 'any' looks like."]  # fmt: skip


def test_one_class_of_a_single_picture_does_not_hide_that_all_have_few():
    remarks: list[str] = []
    classes("kind", [str(n // 3) for n in range(121)], "labels.csv", remarks)
    assert "1 class has a single picture ('40')" in remarks[0]
    assert "41 classes with 3.0 pictures each: few to learn from" in remarks[1]


def test_what_is_thin_about_labels_is_said(folder):
    rows = six(["blue", "red", "blue", "red", "blue", "green"])
    said = " ".join(labels(table(folder, [*rows, "c/9.png,red", "c/8.png,red"]), "hair").remarks)
    assert "names 2 files that are not among the pictures ('c/9.png', 'c/8.png')" in said
    assert "'hair': 1 class has a single picture ('green')" in said
    assert "c/9" not in " ".join(labels(folder, "hair", whole=False).remarks), "data.count leaves pictures out"


@pytest.mark.parametrize(("count", "said"), [(None, True), (10_000, True), (6, False), (5, False)])
def test_names_that_are_no_pictures_are_said_unless_the_count_left_some_out(count, said, folder):
    """The recipes cgan and acgan ask for 10,000 pictures: where there are fewer, all were read."""
    table(folder, [*six(), "c/9.png,red"])
    asked = [f"data.source={json.dumps(str(folder))}", "data.image_size=16", "data.condition=hair"]
    recipe = load_recipe("cgan", [*asked, *([f"data.count={count}"] if count else [])])
    recipe = recipe if count else replace(recipe, data=recipe.data.model_copy(update={"count": None}))
    remarks = " ".join(read_store(recipe).labels.remarks)
    assert ("names 1 file that is not among the pictures ('c/9.png')" in remarks) == said


BAD = {
    "no such attribute": (six(), "hari", "no label called 'hari'. Did you mean 'hair'?"),
    "one value": (six(["red"] * 6), "hair", "the same 'hair' (red)"),
    "all empty": (six([""] * 6), "hair", "no picture with a label of 'hair'"),
    "a name for each": (six([f"n{n}" for n in range(6)]), "hair", "6 classes for 6 pictures"),
    "unknown files": (["file,hair", "x.png,red"], "hair", "labels none of the pictures (its first file is 'x.png')"),
    "a cell too many": ([*six(), "a/0.png,red,blue"], "hair", "line 8, has 3 cells, but the header has 2"),
    "twice": ([*six(), "a/0.png,red"], "hair", "labels 'a/0.png' twice, differently: lines 2 and 8"),
    "no rows": (["file,hair"], "hair", "holds no labels"),
    "no columns": (["file", "a/0.png"], "hair", "holds no labels"),
    "a column twice": (["file,hair,hair", "a/0.png,red,red"], "hair", "two columns of one name"),
    "an open quote": ([*six(), 'a/0.png,"' + "x" * 200_000], "hair", "line 8, cannot be read"),
}


@pytest.mark.parametrize("what", BAD)
def test_tables_that_cannot_be_are_one_sentence(what, folder):
    rows, wanted, sentence = BAD[what]
    with pytest.raises(BadData) as caught:
        labels(table(folder, rows), wanted)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_labels_at_all(folder, tmp_path):
    for wanted in ("hair", "folder"):
        plain = tmp_path / "plain"
        for number in range(3):
            draw(plain / "one" / f"{number}.png", number)
        with pytest.raises(BadData, match="has no (labels|sub-folders).*leave data.condition empty"):
            labels(plain, wanted)
    with pytest.raises(BadData, match="not text in UTF-8"):
        labels(table(folder, ["file,hair", "a/0.png,ü"], encoding="latin-1"), "hair")
    np.savez(tmp_path / "x.npz", images=np.zeros((4, 16, 16), np.uint8) + np.arange(4, dtype=np.uint8)[:, None, None])
    with pytest.raises(BadData, match="no labels, but data.condition asks"):
        labels(tmp_path / "x.npz", "labels")


def test_tables_of_spreadsheets(folder):
    """A byte order mark, semicolons, Windows' line ends, spaces, ./ before names, other order of columns."""
    rows = ["hair;file", *[f"{value} ; ./{'ab'[n % 2]}/{n}.png" for n, value in enumerate(HAIR)]]
    (folder / "labels.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode())
    assert words(labels(folder, "hair")) == ["blue", "blue", "blue", "red", "red", "red"]


def test_five_thousand_classes():
    """They are taken, and it is said how few pictures each has; fewer than two each are refused."""
    from leafwing.data.labels import learn

    many = [str(n % 5000) for n in range(15_000)]
    found = learn({"who": many}, "x")
    assert found.vocabulary.size == 5000
    assert found.remarks == ["'who' has 5,000 classes with 3.0 pictures each: few to learn from."]
    assert len(found.vocabulary.rows) <= 4096
    with pytest.raises(BadData, match="5,000 classes for 7,000 pictures, fewer than two"):
        learn({"who": [str(n % 5000) for n in range(7000)]}, "x")


def test_a_changed_label_changes_the_fingerprint(folder):
    before = labels(table(folder, six()), "hair").fingerprint
    assert labels(folder, "hair").fingerprint == before
    assert labels(table(folder, six(["red", *HAIR[1:]])), "hair").fingerprint != before
    assert labels(table(folder, six([h.upper() for h in HAIR])), "hair").fingerprint != before
