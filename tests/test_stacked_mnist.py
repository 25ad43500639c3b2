"""StackedMNIST: the user's idx files, the pictures of three digits, who reads them, and the bench on top."""

from __future__ import annotations

import gzip
import json
import struct

import numpy as np
import pytest
import torch

from leafwing.bench import digits, stacked
from leafwing.cli.main import run
from leafwing.core.errors import BadData
from leafwing.data import mnist, open_data
from leafwing.measure.digits import DigitReader, read_stacked


def some_digits(n: int, seed: int = 0) -> mnist.Digits:
    """A bar at a height that tells the digit, on faint noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, n).astype(np.uint8)
    pictures = rng.integers(0, 40, (n, 28, 28)).astype(np.uint8)
    for picture, label in zip(pictures, labels, strict=True):
        picture[4 + 2 * label : 6 + 2 * label, 6:22] = 255
    return mnist.Digits(pictures, labels)


def write_idx(folder, part: str, some: mnist.Digits, packed: bool) -> None:
    folder.mkdir(exist_ok=True)
    for name, array in ((f"{part}-images-idx3-ubyte", some.pictures), (f"{part}-labels-idx1-ubyte", some.labels)):
        raw = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
        (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(raw) if packed else raw)


class Heights(torch.nn.Module):
    """Reads a bar's height by hand: the brightest pair of rows."""

    def forward(self, pictures):
        return pictures[:, 0, 4:24].sum(2).unflatten(1, (10, 2)).sum(2)


@pytest.fixture
def folder(tmp_path):
    write_idx(tmp_path / "mnist", "train", some_digits(900), packed=True)
    write_idx(tmp_path / "mnist", "t10k", some_digits(300, 1), packed=False)
    return tmp_path / "mnist"


def test_idx_files_are_read_packed_or_not(folder):
    train, test = mnist.read_digits(folder, "train"), mnist.read_digits(folder, "test")
    assert np.array_equal(train.pictures, some_digits(900).pictures)
    assert np.array_equal(test.labels, some_digits(300, 1).labels)


@pytest.mark.parametrize("size", [28, 32])
def test_an_npz_of_stacked_digits_is_one_that_training_reads(folder, tmp_path, size, capsys):
    """Every colour holds the digit that the mode's figure names, in its place, pixel for pixel; black around it."""
    out = tmp_path / "stacked.npz"
    line = ["data", "render", "stacked-mnist", "--from", str(folder), "--out", str(out), "--count", "1500"]
    assert run([*line, "--image-size", str(size)]) == 0
    with np.load(out) as arrays:
        images, modes = arrays["images"], arrays["modes"]
    assert images.shape == (1500, size, size, 3)
    edge = (size - 28) // 2
    inner = images[:, edge : edge + 28, edge : edge + 28]
    assert images.sum() == inner.sum(), "black around"
    for colour, figure in enumerate((modes // 100, modes // 10 % 10, modes % 10)):
        bars = inner[..., colour][:, 4:24, 6:22].reshape(-1, 10, 2, 16)
        assert (bars.min(axis=(2, 3)).argmax(axis=1) == figure).all()
    train = some_digits(900)
    which = mnist.triples(train, 1500, 0)
    assert np.array_equal(inner, train.pictures[which].transpose(0, 2, 3, 1))
    store = open_data(out, image_size=size, channels=3)
    assert np.array_equal(store.pictures, images)
    pictures = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    assert np.array_equal(read_stacked(Heights(), pictures), modes)


def test_triples_are_a_function_of_the_seed():
    some = some_digits(50)
    assert np.array_equal(mnist.triples(some, 9, 1), mnist.triples(some, 9, 1))
    assert not np.array_equal(mnist.triples(some, 9, 1), mnist.triples(some, 9, 2))


def test_the_classifier_learns_to_read_and_is_kept(folder, monkeypatch, tmp_path):
    """Bars of ten heights; a second call reads the file, and other digits get another."""
    monkeypatch.setenv("LEAFWING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(digits, "SHIFT", 0)
    train = mnist.read_digits(folder, "train")
    trained = digits.train_reader(train, epochs=2)
    assert digits.accuracy(trained, mnist.read_digits(folder, "test")) > 0.95
    monkeypatch.setattr(digits, "train_reader", lambda *_, **__: trained)
    _, path = digits.the_reader(train)
    monkeypatch.setattr(digits, "train_reader", None)
    reader, again = digits.the_reader(train)
    assert path == again
    assert all(torch.equal(a, b) for a, b in zip(trained.parameters(), reader.parameters(), strict=True))
    assert digits.fingerprint(train) != digits.fingerprint(some_digits(900, 2))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(Exception, match="safetensors"):
        digits.the_reader(train)


def test_digits_are_moved_without_being_changed():
    one = torch.full((1, 1, 28, 28), -1.0)
    one[..., 10, 12] = 1.0
    seen = set()
    for seed in range(200):
        moved = digits.shifted(one, np.random.default_rng(seed))
        assert moved.shape == one.shape
        assert float((moved > 0).sum()) == 1
        seen.add(tuple(int(i) for i in (moved[0, 0] > 0).nonzero()[0]))
    assert seen == {(y, x) for y in range(8, 13) for x in range(10, 15)}


@pytest.fixture
def small_bench(monkeypatch, tmp_path):
    """A reader made by hand, few pictures, a cache of its own."""
    monkeypatch.setenv("LEAFWING_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(stacked, "the_reader", lambda train: (Heights(), tmp_path))
    monkeypatch.setattr(stacked, "TRIPLES", 3000)
    monkeypatch.setattr(stacked, "PICTURES", 500)
    monkeypatch.setattr(stacked, "TWINS", 100)


def test_the_bench_counts_stacked_modes(folder, tmp_path, small_bench, capsys):
    small = ["--recipe", "faces", "--steps", "1", "--set", "generator.width=2", "discriminator.width=2",
             "train.batch=4"]  # fmt: skip
    line = ["bench", "coverage", "--mnist", str(folder), "--on", "stacked-mnist", *small, "--out", str(tmp_path)]
    assert run([*line, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    truth, faces = found["rows"]
    modes = mnist.modes_of(some_digits(900), mnist.triples(some_digits(900), 3000, 0))[:500]
    assert truth["coverage"]["hit"] == len(np.unique(modes))
    assert truth["coverage"]["good"] == 1.0
    assert truth["twins_of"] == 100
    assert faces["coverage"]["hit"] < truth["coverage"]["hit"], "an untrained generator"
    assert sum(faces["coverage"]["counts"]) == 500
    assert "100.00% of MNIST's test digits" in found["protocols"][0]
    assert (tmp_path / "stacked-mnist-faces-0.png").is_file()
    assert run(line) == 0
    assert "of 1,000" in capsys.readouterr().out


def test_a_planted_collapse_of_digits_is_counted(folder, small_bench):
    """Pictures of 7 numbers over and over."""
    bench = stacked.open_stacked(folder)
    train = some_digits(900)
    which = mnist.triples(train, 7, 3)
    pictures = torch.from_numpy(mnist.stacked(train, which, 32)).permute(0, 3, 1, 2).float() / 127.5 - 1
    row, _ = bench.count("planted", 0, 1, iter(lambda: pictures, None), 70)
    expected = len(np.unique(mnist.modes_of(train, which)))
    assert row.coverage.hit == expected
    assert row.twins == 7 * (10 * 9 // 2), "each picture ten times"


BAD = {
    "bench coverage --on stacked-mnist": "--mnist FOLDER",
    "bench coverage --mnist {tmp}/nowhere": "is not a folder",
    "bench coverage --mnist {tmp}": "holds no train-images-idx3-ubyte",
    "data render stacked-mnist --out {tmp}/x.npz": "--from FOLDER",
    "data render faces --from {tmp} --out {tmp}/x": "--from is for stacked-mnist",
    "data render stacked-mnist --from {tmp} --out {tmp}/x.npz": "holds no train-images",
    "data render stacked-mnist --from {tmp} --out {tmp}/x.png": "should end in .npz",
    "data render stacked-mnist --from {tmp} --out {tmp}/x.npz --image-size 16": "--image-size 16",
    "data render stacked-mnist --from {tmp} --out {tmp}/x.npz --count 0": "--count 0",
}


@pytest.mark.parametrize("line", BAD)
def test_bad_input_is_one_sentence(line, tmp_path, capsys):
    (tmp_path / "a.txt").write_text("nothing of use")
    assert run([part.format(tmp=tmp_path) for part in line.split()]) == 2
    said = [row for row in capsys.readouterr().err.splitlines() if row.startswith("leafwing: ")]
    assert len(said) == 1
    assert BAD[line] in said[0]
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_file_that_exists_is_kept(folder, tmp_path):
    (tmp_path / "mine.npz").write_text("mine")
    with pytest.raises(BadData, match="exists already"):
        mnist.render_stacked(folder, tmp_path / "mine.npz", 5)
    assert (tmp_path / "mine.npz").read_text() == "mine"


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda raw: raw[:-1], "cut off"),
        (lambda raw: b"\0\0\x08\x03" + raw[4:], "is not an idx file"),
        (lambda raw: gzip.compress(raw)[:-9], "cannot be read"),
        (lambda raw: raw[:8] + b"\x0b" * (len(raw) - 8), "are not MNIST"),
        (lambda raw: b"", "is not an idx file"),
    ],
)
def test_damaged_labels_are_told(folder, spoil, sentence):
    path = folder / "t10k-labels-idx1-ubyte"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(BadData, match=sentence):
        mnist.read_digits(folder, "test")


def test_the_reader_is_as_large_as_it_says():
    assert (
        sum(p.numel() for p in DigitReader().parameters())
        == 16 * 25 + 9 * (16 * 32 + 32 * 32 + 32 * 64) + 2 * (16 + 32 + 32 + 64) + 64 * 9 * 10 + 10
    )
