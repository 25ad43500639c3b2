"""Every door gives the same pictures, and nothing hostile gets through one."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from leafwing.core.errors import BadData
from leafwing.data import open_data
from leafwing.data.doors import find_door

RNG = np.random.default_rng(3)
ARRAYS = RNG.integers(0, 256, (9, 16, 16, 3), np.uint8)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LEAFWING_CACHE", str(tmp_path / "cache"))


def png(pixels):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


FILES = {f"{'ab'[i % 2]}/{i:03d}.png": png(ARRAYS[i]) for i in range(len(ARRAYS))}
JUNK = {"labels.csv": b"file,hair\n", ".hidden.png": b"x", "__MACOSX/._000.png": b"x", "a/README": b"hello"}


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "pictures"
    for name, raw in {**FILES, **JUNK}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    return root


def packed_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
    return path


def packed_tar(path, files, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, raw in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    return path


SHUFFLED = dict(reversed({**JUNK, **FILES}.items()))
ARCHIVES = {
    "some.zip": lambda p: packed_zip(p, SHUFFLED),
    "some.tar": lambda p: packed_tar(p, SHUFFLED),
    "some.tar.gz": lambda p: packed_tar(p, SHUFFLED, "w:gz"),
    "some.tgz": lambda p: packed_tar(p, {f"./{n}": r for n, r in SHUFFLED.items()}, "w:gz"),
    "wrong-name.jpg": lambda p: packed_zip(p, SHUFFLED),
    "no name at all": lambda p: packed_tar(p, SHUFFLED, "w:xz"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_equal_the_folder(name, folder, tmp_path):
    plain = open_data(folder, image_size=16)
    packed = open_data(ARCHIVES[name](tmp_path / name), image_size=16)
    assert plain.names == packed.names == sorted(FILES)
    np.testing.assert_array_equal(plain.pictures, packed.pictures)
    np.testing.assert_array_equal(plain.pictures, ARRAYS[[int(n[2:5]) for n in sorted(FILES)]])
    assert plain.fingerprint == packed.fingerprint
    assert packed.meta["not_pictures"] == 4
    assert not packed.bad


@pytest.mark.parametrize("count", [2, 4])
def test_count_takes_the_first_names(count, folder, tmp_path):
    for source in (folder, packed_tar(tmp_path / "x.tar", SHUFFLED), packed_zip(tmp_path / "x.zip", SHUFFLED)):
        assert open_data(source, image_size=16, count=count).names == sorted(FILES)[:count]


HOSTILE = ["../../outside.png", "/absolute.png", "C:\\windows.png", "a\\..\\..\\b.png"]


def test_hostile_zip_members_are_named_and_nothing_is_written(tmp_path):
    path = packed_zip(tmp_path / "x.zip", {**FILES, **dict.fromkeys(HOSTILE, PNG)})
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/hostname")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a/000.png", png(ARRAYS[1]))
    before = sorted(p.name for p in tmp_path.rglob("*"))
    store = open_data(path, image_size=16, max_bad_share=1, cache=tmp_path / "cache")
    kinds = {b.name: b.kind for b in store.bad}
    assert kinds == {
        **dict.fromkeys(HOSTILE, "unsafe name"),
        "link.png": "not a regular file",
        "a/000.png": "name twice",
    }
    np.testing.assert_array_equal(store.pictures[0], ARRAYS[1])  # the later one, as unpacking would have it
    assert not [p for p in tmp_path.rglob("*") if p.name not in before and "cache" not in str(p)]


PNG = png(ARRAYS[0])


def test_members_that_lie_about_themselves(tmp_path):
    path = packed_zip(tmp_path / "x.zip", {**FILES, "big.png": PNG, "secret.png": PNG, "crc.png": PNG})
    raw = bytearray(path.read_bytes())
    directory = raw.index(b"PK\x01\x02")
    big = raw.index(b"big.png", directory) - 46
    raw[big + 24 : big + 28] = struct.pack("<I", 3 * 2**30)  # claims 3 GB
    secret = raw.index(b"secret.png", directory) - 46
    raw[secret + 8] |= 1  # encrypted
    crc = raw.index(b"crc.png", directory) - 46
    raw[crc + 16 : crc + 20] = b"\0\0\0\0"
    path.write_bytes(raw)
    store = open_data(path, image_size=16, max_bad_share=0.5)
    assert {b.name: b.kind for b in store.bad} == {
        "big.png": "too many bytes",
        "secret.png": "encrypted",
        "crc.png": "cannot be read",
    }
    assert len(store) == 9


def test_hostile_tar_members(tmp_path):
    path = packed_tar(tmp_path / "x.tar", {**FILES, "../up.png": PNG, "/abs.png": PNG})
    with tarfile.open(path, "a") as archive:
        for name, kind in (
            ("l.png", tarfile.SYMTYPE),
            ("h.png", tarfile.LNKTYPE),
            ("d.png", tarfile.CHRTYPE),
            ("f.png", tarfile.FIFOTYPE),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/hostname"
            archive.addfile(member)
        later = tarfile.TarInfo("a/000.png")
        later.size = len(png(ARRAYS[1]))
        archive.addfile(later, io.BytesIO(png(ARRAYS[1])))
    store = open_data(path, image_size=16, max_bad_share=1)
    assert {b.name: b.kind for b in store.bad} == {
        "../up.png": "unsafe name",
        "/abs.png": "unsafe name",
        "a/000.png": "name twice",
        **dict.fromkeys(["l.png", "h.png", "d.png", "f.png"], "not a regular file"),
    }
    np.testing.assert_array_equal(store.pictures[0], ARRAYS[1])


@pytest.mark.parametrize(("name", "keep"), [("x.zip", 0.6), ("x.tar", 0.5), ("x.tgz", 0.6)])
def test_archives_cut_off(name, keep, tmp_path):
    noise = {f"{i}.png": png(RNG.integers(0, 256, (64, 64, 3), np.uint8)) for i in range(9)}
    whole = (
        packed_zip(tmp_path / name, noise)
        if name == "x.zip"
        else (packed_tar(tmp_path / name, noise, "w:gz" if name == "x.tgz" else "w"))
    )
    raw = whole.read_bytes()
    whole.write_bytes(raw[: int(len(raw) * keep)])
    with pytest.raises(BadData, match=r"damaged .* archive.*again"):
        open_data(whole, image_size=16)


def idx(arrays):
    return struct.pack(f">BBBB{arrays.ndim}I", 0, 0, 8, arrays.ndim, *arrays.shape) + arrays.tobytes()


def test_array_doors_agree(tmp_path):
    grey = ARRAYS[:, :, :, 0].copy()
    mnist = tmp_path / "mnist"
    mnist.mkdir()
    (mnist / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(grey)))
    (mnist / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"\0\0\x08\x01" + bytes(13)))
    (tmp_path / "plain.idx").write_bytes(idx(grey))
    (tmp_path / "packed.gz").write_bytes(gzip.compress(idx(grey)))
    np.savez(tmp_path / "a.npz", images=grey, labels=np.arange(9))
    np.savez_compressed(tmp_path / "b.npz", grey[:, :, :, None])
    np.savez(tmp_path / "c.npz", x=grey[:, None])
    np.savez(tmp_path / "d.npz", odd_name=grey, y=np.arange(9))
    np.savez(tmp_path / "e.npz", images=(grey / 255).astype(np.float32), range=[0, 1])
    np.savez(tmp_path / "f.npz", images=grey.astype(np.uint16) * 257)
    np.save(tmp_path / "g.npy", grey)
    for name in ("mnist", "plain.idx", "packed.gz", *(f"{c}.npz" for c in "abcdef"), "g.npy"):
        store = open_data(tmp_path / name, image_size=16, channels=1)
        np.testing.assert_array_equal(store.pictures[..., 0], grey, err_msg=name)
        assert store.names[:2] == ["0", "1"]


def test_colour_arrays_in_both_orders(tmp_path):
    np.savez(tmp_path / "last.npz", images=ARRAYS)
    np.savez(tmp_path / "first.npz", images=np.ascontiguousarray(ARRAYS.transpose(0, 3, 1, 2)))
    np.savez(tmp_path / "float.npz", pictures=ARRAYS / 127.5 - 1, range=[-1, 1])
    for name in ("last", "first", "float"):
        np.testing.assert_array_equal(open_data(tmp_path / f"{name}.npz", image_size=16).pictures, ARRAYS)


def test_floats_out_of_their_range_are_bad_one_by_one(tmp_path):
    values = (ARRAYS / 255).astype(np.float32)
    values[3, 2, 2, 0], values[5, 1, 1, 1] = np.nan, 7
    np.savez(tmp_path / "x.npz", images=values, range=[0, 1])
    store = open_data(tmp_path / "x.npz", image_size=16, max_bad_share=0.5)
    assert {b.name: b.kind for b in store.bad} == {"3": "not finite", "5": "outside the stated range"}
    np.testing.assert_array_equal(store.pictures, ARRAYS[[0, 1, 2, 4, 6, 7, 8]])


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"images": np.zeros((4, 16, 16), np.float32)}, "without a stated range"),
        ({"images": np.zeros((4, 16, 16), np.float32), "range": [1, 0]}, "two rising numbers"),
        ({"images": np.zeros((4, 16, 16), np.int64)}, "save it as uint8"),
        ({"images": np.zeros((4, 16, 16, 7), np.uint8)}, r"has the shape \[4, 16, 16, 7\]"),
        ({"images": np.zeros((4, 3, 16, 3), np.uint8)}, "has the shape"),
        ({"p": np.zeros((4, 16, 16), np.uint8), "q": np.zeros((4, 16, 16), np.uint8)}, "rename the pictures' array"),
        ({"labels": np.zeros(4)}, "rename the pictures' array"),
        ({"images": np.asfortranarray(np.zeros((4, 16, 16), np.uint8))}, "Fortran"),
        ({"images": np.array([{}, []], dtype=object)}, "Python objects"),
    ],
)
def test_arrays_that_are_refused(arrays, says, tmp_path):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(BadData, match=says):
        open_data(tmp_path / "x.npz", image_size=16)


def test_headers_that_promise_too_much(tmp_path):
    np.save(tmp_path / "x.npy", ARRAYS)
    raw = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(raw.replace(b"(9, 16", b"(8, 99"))
    with pytest.raises(BadData, match="cut off at picture"):
        open_data(tmp_path / "x.npy", image_size=16)
    (tmp_path / "x.idx").write_bytes(idx(ARRAYS[..., 0])[:-5])
    with pytest.raises(BadData, match="cut off at picture 8 of 9"):
        open_data(tmp_path / "x.idx", image_size=16)
    (tmp_path / "y.idx").write_bytes(struct.pack(">BBBB3I", 0, 0, 8, 3, 2**31, 2**15, 2**15))
    with pytest.raises(BadData, match="more than it can hold"):
        open_data(tmp_path / "y.idx", image_size=16)


@pytest.mark.timeout(20)
def test_links_fifos_and_devices_neither_hang_nor_leak(folder, tmp_path):
    (tmp_path / "outside.png").write_bytes(PNG)
    (folder / "inside.png").symlink_to(folder / "a" / "000.png")
    (folder / "out.png").symlink_to(tmp_path / "outside.png")
    (folder / "etc.png").symlink_to("/etc/hostname")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "gone.png").symlink_to("nowhere")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "around").symlink_to(folder, target_is_directory=True)
    (folder / "folder.png").mkdir()
    os.mkfifo(folder / "fifo.png")
    os.mkfifo(folder / "pipe")
    store = open_data(folder, image_size=16, max_bad_share=0.5)
    assert {b.name: b.kind for b in store.bad} == {
        **dict.fromkeys(["out.png", "etc.png", "zero.png"], "link"),
        **dict.fromkeys(["gone.png", "loop.png"], "cannot be opened"),
        "fifo.png": "not a regular file",
    }
    assert "inside.png" in store.names
    assert len(store) == 10


@pytest.mark.timeout(20)
def test_a_fifo_or_device_as_the_source(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for source in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(BadData, match="not a regular file"):
            open_data(source)


def test_content_counts_and_not_the_name(tmp_path):
    root = tmp_path / "p"
    root.mkdir()
    out = io.BytesIO()
    Image.fromarray(ARRAYS[0]).save(out, "BMP")
    for name, raw in {
        "a.jpg": PNG,
        "b": PNG,
        "c.JPG": out.getvalue(),
        "d.dat": out.getvalue(),
        "e.txt": b"BMW is a car",
    }.items():
        (root / name).write_bytes(raw)
    store = open_data(root, image_size=16)
    assert store.names == ["a.jpg", "b", "c.JPG", "d.dat"]
    assert store.meta["not_pictures"] == 1
    assert all((p == ARRAYS[0]).all() for p in store.pictures)


def test_too_many_bytes_is_refused_unread(folder):
    with (folder / "huge.png").open("wb") as file:
        file.truncate(300 * 2**20)
    store = open_data(folder, image_size=16)
    assert [b.reason for b in store.bad] == ["too many bytes: 300 MB, the cap is 256 MB"]


def test_odd_names(tmp_path):
    root = tmp_path / "with space" / "图片"
    root.mkdir(parents=True)
    names = [b"a\nb.png", b"\xff\xfe.png", "眼 睛.png".encode(), b"plain.png"]
    for name in names:
        (root / os.fsdecode(name)).write_bytes(PNG)
    (root / os.fsdecode(b"bad\n\xff.png")).write_bytes(b"")
    store = open_data(root, image_size=16, max_bad_share=0.5)
    assert sorted(map(os.fsencode, store.names)) == sorted(names)
    with pytest.raises(BadData) as error:
        open_data(root, image_size=16, max_bad_share=0)
    assert r"'bad\n\xff.png' empty file" in str(error.value)
    str(error.value).encode("utf-8")


def test_one_sentence_for_each_mistake(tmp_path, folder):
    (tmp_path / "text.txt").write_text("hello\n")
    (tmp_path / "blob").write_bytes(b"\x7fELF\0\0\0" + bytes(600))
    (tmp_path / "zero.zip").write_bytes(b"")
    (tmp_path / "one.png").write_bytes(PNG)
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("x")
    (tmp_path / "single").mkdir()
    (tmp_path / "single" / "a.png").write_bytes(PNG)
    packed_zip(tmp_path / "none.zip", {"a.txt": b"x"})
    wanted = {
        tmp_path / "picturs": "does not exist. Did you mean '.*/pictures'",
        tmp_path / "picturs" / "train": "does not exist. Did you mean '.*/pictures'",
        tmp_path / "zzz": "does not exist: give a folder",
        tmp_path / "text.txt": "is a text file: give",
        tmp_path / "blob": "of a kind that is not read: give",
        tmp_path / "zero.zip": "is an empty file",
        tmp_path / "one.png": "is one picture: give the folder",
        tmp_path / "empty": "holds no pictures, nothing: give",
        tmp_path / "texts": "holds no pictures, only 1 file of other kinds: give",
        tmp_path / "none.zip": "holds no pictures",
        tmp_path / "single": "holds 1 usable picture: at least 2",
        folder / "labels.csv": "is a text file",
    }
    for source, says in wanted.items():
        with pytest.raises(BadData, match=says) as error:
            open_data(source)
        assert "\n" not in str(error.value)
        assert str(error.value).endswith((".", "?"))


@pytest.mark.parametrize(("name", "kind"), [("pictures", "folder"), ("x.zip", "zip"), ("x.tar", "tar")])
def test_doors_are_found(name, kind, folder, tmp_path):
    packed_zip(tmp_path / "x.zip", FILES)
    packed_tar(tmp_path / "x.tar", FILES)
    assert find_door(tmp_path / name).kind == kind
