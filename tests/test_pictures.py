"""Pictures at the door: bytes, sheets, captions, PNGs that know their origin, films."""

import importlib.util
import math
import os
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from leafwing.core.errors import BadData, BadNetwork, StorageFailed
from leafwing.core.pictures import (
    VideoUnavailable,
    captioned,
    read_film,
    read_png_metadata,
    save_gif,
    save_mp4,
    save_png,
    sheet,
    to_image,
    to_uint8,
)

torch.set_num_threads(1)
needs_av = pytest.mark.skipif(importlib.util.find_spec("av") is None, reason="PyAV is not installed")


def colours(n: int, h: int = 16, w: int = 16) -> np.ndarray:
    """n plain pictures of distinct colours."""
    levels = np.linspace(30, 220, n).astype(np.uint8)
    stack = np.stack([levels, levels[::-1], np.full(n, 90, np.uint8)], axis=1)
    return np.broadcast_to(stack[:, None, None, :], (n, h, w, 3)).copy()


def film(n: int, side: int = 32) -> list[Image.Image]:
    return [to_image(p) for p in colours(n, side, side)]


# ------------------------------------------------------------------------------------------------- to_uint8


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_bytes_make_the_round_trip(channels):
    """R35: [n, c, h, w] to [n, h, w, c]; every level comes back."""
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).repeat(2, channels, 1, 1)
    back = to_uint8(levels.float() / 127.5 - 1)
    assert back.dtype == np.uint8
    assert back.shape == (2, 16, 16, channels)
    assert np.array_equal(back, levels.permute(0, 2, 3, 1).numpy())


def test_values_go_to_the_nearest_level():
    x = torch.tensor([-1.0, 1.0, 0.0, -2.0, 7.0, -math.inf, math.inf, 0.49 / 127.5 - 1, 2.51 / 127.5 - 1])
    assert to_uint8(x.reshape(1, 1, 1, -1)).ravel().tolist() == [0, 255, 128, 0, 255, 0, 255, 0, 3]
    assert to_uint8(torch.zeros(1, 1, 1, 1, dtype=torch.bfloat16)).item() == 128


def test_a_halfway_level_does_not_go_to_the_even_neighbour():
    """Only x whose level is k + 1/2 exactly, in float32: torch.round would send half of them down."""
    candidates = torch.linspace(-1, 1, 511)
    levels = (candidates + 1) * 127.5
    halves = candidates[(levels - levels.floor()) == 0.5]
    assert len(halves) > 50
    expected = ((halves + 1) * 127.5 + 0.5).long().tolist()
    assert to_uint8(halves.reshape(1, 1, 1, -1)).ravel().tolist() == expected


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (torch.full((1, 3, 2, 2), math.nan), "NaN"),
        (torch.zeros(1, 5, 4, 4), r"1 to 4 channels; got float32 \[1, 5, 4, 4\]"),
        (torch.zeros(3, 4, 4), r"\[n, c, h, w\]"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), "floating point"),
    ],
)
def test_what_is_no_picture_is_refused(x, sentence):
    with pytest.raises(BadNetwork, match=sentence):
        to_uint8(x)


def test_graphs_and_layouts_do_not_matter():
    x = (torch.rand(2, 3, 8, 8, requires_grad=True) * 2 - 1).to(memory_format=torch.channels_last)
    kept = x.detach().clone()
    assert np.array_equal(to_uint8(x), to_uint8(kept.contiguous()))
    assert torch.equal(x, kept)  # nothing is done in place


# ------------------------------------------------------------------------------------------ sheet, captions


def test_r72_sixty_four_pictures_make_a_square():
    """R72: 8 x 8, gaps white, each picture in its place."""
    stack = colours(64, 10, 12)
    page = np.asarray(sheet(stack))
    assert page.shape == (8 * 12 + 2, 8 * 14 + 2, 3)
    assert (page[:2] == 255).all()
    for i in (0, 7, 8, 63):
        top, left = 2 + i // 8 * 12, 2 + i % 8 * 14
        assert np.array_equal(page[top : top + 10, left : left + 12], stack[i])


@pytest.mark.parametrize(
    ("n", "columns", "grid"),
    [(1, None, (1, 1)), (3, None, (2, 2)), (7, None, (3, 3)), (7, 3, (3, 3)), (2, 9, (1, 2))],
)
@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_any_number_fits_on_a_sheet(n, columns, grid, channels, mode):
    image = sheet(np.zeros((n, 5, 4, channels), np.uint8), columns, gap=1)
    assert image.mode == mode
    assert image.size == (grid[1] * 5 + 1, grid[0] * 6 + 1)


def test_scale_makes_squares_of_pixels():
    picture = np.random.default_rng(0).integers(0, 256, (1, 3, 3, 3), dtype=np.uint8)
    big = np.asarray(sheet(picture, gap=0, scale=4))
    assert big.shape == (12, 12, 3)
    assert np.array_equal(big[::4, ::4], picture[0])
    assert np.array_equal(big[3::4, 3::4], picture[0])


def test_impossible_sheets_are_refused():
    one = colours(1)
    for arguments in ({"columns": 0}, {"gap": -1}, {"scale": 0}):
        with pytest.raises(ValueError, match="a sheet needs"):
            sheet(one, **arguments)
    with pytest.raises(ValueError, match="got 0 pictures"):
        sheet(one[:0])
    with pytest.raises(ValueError, match="captioned needs"):
        captioned([], 1)


def test_r72_a_timeline_has_its_captions():
    """R72: black letters above each image, images whole and unharmed, the widest caption fits."""
    images = [(f"step {step:,}", film(1, 20)[0]) for step in (100, 1000, 2000, 5000, 10_000, 20_000, 50_000)]
    page = captioned(images, columns=4)
    pixels = np.asarray(page)
    colour = np.asarray(images[0][1])[0, 0]
    assert (pixels == colour).all(axis=2).sum() == 7 * 20 * 20
    assert (pixels.max(axis=2) < 60).sum() > 7 * 20  # ink
    assert (pixels[:, -8:] == 255).all()  # no caption runs off the page
    assert captioned([("a long caption over a narrow image", images[0][1])], 1).width > 200


def test_transparent_images_lie_on_white_paper():
    clear = Image.new("RGBA", (30, 30), (255, 0, 0, 0))
    assert (np.asarray(captioned([("", clear)], 1)) == 255).all()


# ----------------------------------------------------------------------------------------------------- PNGs


def test_r81_a_png_carries_its_origin(tmp_path):
    """R81, R85: any text comes back, the pixels too."""
    path, facts = (
        tmp_path / "new" / "face.png",
        {"Software": "Leafwing", "z": "[0.1, -2]", "note": "蝶 naïve\n2nd", "e": ""},
    )
    image = to_image(np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8))
    save_png(image, path, facts)
    assert read_png_metadata(path) == facts
    with Image.open(path) as back:
        assert np.array_equal(np.asarray(back), np.asarray(image))
    assert [p.name for p in path.parent.iterdir()] == ["face.png"]


def test_a_png_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    save_png(film(1)[0], path, {"which": "old"})

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    os.link(path, tmp_path / "reader")  # who has the old file open keeps it
    save_png(film(1)[0], path, {"which": "newer"})
    assert read_png_metadata(tmp_path / "reader") == {"which": "old"}
    (tmp_path / "reader").unlink()

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(StorageFailed, match=r"a\.png cannot be written: No space left"):
        save_png(film(1)[0], path, {"which": "new"})
    assert read_png_metadata(path) == {"which": "newer"}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("keyword", ["", "x" * 80, "蝶", "a\nb"])
def test_impossible_keywords_are_refused(tmp_path, keyword):
    with pytest.raises(ValueError, match="keyword"):
        save_png(film(1)[0], tmp_path / "a.png", {keyword: "text"})
    assert not list(tmp_path.iterdir())


def test_what_is_no_png_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"GIF89a, but not really")
    for name in ("a.png", "none.png"):
        with pytest.raises(BadData, match=f"{name} cannot be read as a PNG"):
            read_png_metadata(tmp_path / name)


# ---------------------------------------------------------------------------------------------------- films


def distance(a: Image.Image, b: Image.Image) -> float:
    """Mean difference in levels over what both show."""
    a, b = (np.asarray(image.convert("RGB")).astype(float) for image in (a, b))
    h, w = min(a.shape[0], b.shape[0]), min(a.shape[1], b.shape[1])
    return float(np.abs(a[:h, :w] - b[:h, :w]).mean())


def test_r83_a_gif_has_every_frame_and_loops(tmp_path):
    """R83: count, order, colours, pause at the end."""
    frames, path = film(12), tmp_path / "walk.gif"
    save_gif(frames, path, fps=20.0, hold_last_s=2.0)
    back = read_film(path)
    assert len(back) == 12
    assert max(distance(a, b) for a, b in zip(back, frames, strict=True)) < 8
    with Image.open(path) as gif:
        assert gif.info["loop"] == 0
        assert gif.info["duration"] == 50
        gif.seek(11)
        assert gif.info["duration"] == 2000


def test_a_gif_of_one_frame_and_of_grey_or_clear_frames(tmp_path):
    for mode in ("L", "RGB", "RGBA"):
        save_gif([Image.new(mode, (8, 8))], tmp_path / "one.gif", fps=100.0)
        assert len(read_film(tmp_path / "one.gif")) == 1


@needs_av
@pytest.mark.parametrize("side", [32, 33])
def test_r83_an_mp4_has_every_frame(tmp_path, side):
    """R83: count, order, colours; an odd side gains a pixel."""
    frames, path = film(12, side), tmp_path / "walk.mp4"
    save_mp4(frames, path, fps=24.0)
    back = read_film(path)
    assert len(back) == 12
    assert back[0].size == (side + side % 2,) * 2
    assert max(distance(a, b) for a, b in zip(back, frames, strict=True)) < 6
    last = np.asarray(back[0]).astype(int)
    assert np.abs(last[-1] - last[-2]).max() < 12  # no black edge
    assert list(tmp_path.iterdir()) == [path]


@needs_av
def test_an_mp4_plays_in_browsers(tmp_path):
    import av

    save_mp4(film(5), tmp_path / "a.mp4", fps=12.5)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.codec_context.name in ("h264", "mpeg4")
        assert float(stream.average_rate) == pytest.approx(12.5)


@needs_av
def test_without_h264_there_is_still_a_film(tmp_path, monkeypatch):
    import av

    has = av.Codec
    missing = av.codec.codec.UnknownCodecError

    def without(name: str, mode: str) -> object:
        if name == "libx264":
            raise missing(name)
        return has(name, mode)

    monkeypatch.setattr(av, "Codec", without)
    frames = film(12)
    save_mp4(frames, tmp_path / "a.mp4", fps=24.0)
    back = read_film(tmp_path / "a.mp4")
    assert len(back) == 12
    assert max(distance(a, b) for a, b in zip(back, frames, strict=True)) < 6


def test_without_pyav_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(VideoUnavailable, match=r'pip install "leafwing\[video\]"'):
        save_mp4(film(2), tmp_path / "a.mp4", fps=10.0)
    assert VideoUnavailable.exit_code == 2


@pytest.mark.parametrize("save", [save_gif, save_mp4])
def test_impossible_films_are_refused(tmp_path, save):
    for frames, fps, word in [
        ([], 10.0, "one size"),
        (film(1) + film(1, 8), 10.0, "one size"),
        (film(2), 0.0, "fps"),
    ]:
        with pytest.raises(ValueError, match=word):
            save(frames, tmp_path / "a", fps)
    with pytest.raises(ValueError, match="hold_last_s"):
        save_gif(film(2), tmp_path / "a", 10.0, hold_last_s=-1.0)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.gif", pytest.param("a.mp4", marks=needs_av)])
def test_what_is_no_film_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"no film")
    for path in (tmp_path / name, tmp_path / f"none-{name}"):
        with pytest.raises(BadData, match="cannot be read as a film"):
            read_film(path)
