"""One picture: every kind of RELIABILITY's table is either right to the pixel or refused by name."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress

import numpy as np
import PIL
import pytest
from PIL import Image, ImageCms, ImageOps, features

from leafwing.data import pictures
from leafwing.data.pictures import BadPicture, Target, decode

SIZE = 32
T = Target(SIZE)
RNG = np.random.default_rng(7)


def smooth(height=48, width=48, channels=3):
    """A picture with big shapes, so that JPEG hardly changes it: uint8 [h, w, c]."""
    coarse = RNG.integers(0, 256, (6, 6, channels), np.uint8)
    planes = [
        Image.fromarray(coarse[:, :, c]).resize((width, height), Image.Resampling.BICUBIC) for c in range(channels)
    ]
    return np.stack([np.asarray(p) for p in planes], axis=-1)


FINE = {"quality": 98, "subsampling": 0}
OPTIONS = {"WEBP": {"lossless": True}, "JPEG": FINE}
RGB = smooth()
PICTURE = Image.fromarray(RGB)


def encoded(image, kind="PNG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def reference(image):
    """What should come out for an upright RGB picture: centre square, LANCZOS."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    return np.asarray(square.resize((SIZE, SIZE), Image.Resampling.LANCZOS))


def same(got, wanted, tolerance=0):
    assert got.shape == wanted.shape
    assert got.dtype == np.uint8
    assert np.abs(got.astype(int) - wanted.astype(int)).max() <= tolerance


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ],
)
def test_lossless_kinds_come_out_exactly(kind, options):
    same(decode(encoded(PICTURE, kind, **options), T), reference(PICTURE))


def test_jpeg_equals_pillow_and_draft_stays_close():
    raw = encoded(PICTURE, "JPEG", quality=95)
    same(decode(raw, T), reference(Image.open(io.BytesIO(raw)).convert("RGB")))
    large = Image.fromarray(smooth(512, 640))
    raw = encoded(large, "JPEG", quality=95)
    got = decode(raw, T).astype(float)
    wanted = reference(Image.open(io.BytesIO(raw)).convert("RGB")).astype(float)
    assert 10 * np.log10(255**2 / np.mean((got - wanted) ** 2)) > 40


@pytest.mark.parametrize(
    ("size", "target", "least"), [((640, 512), 32, 64), ((4096, 300), 128, 256), ((300, 4096), 100, 200)]
)
@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_draft_never_goes_below_twice_the_target(size, target, least, fit):
    image = Image.open(io.BytesIO(encoded(Image.new("RGB", size), "JPEG")))
    before = image.size
    image.draft(None, pictures._draft_size(image, Target(target, fit=fit)))
    side = min if fit == "crop" else max
    assert side(image.size) >= min(least, side(before))


def test_grey_and_one_bit():
    grey = Image.fromarray(smooth(channels=1)[:, :, 0])
    same(decode(encoded(grey), T), np.repeat(reference(grey)[:, :, None], 3, axis=2))
    same(decode(encoded(grey), Target(SIZE, 1)), reference(grey)[:, :, None])
    bits = grey.convert("1")
    same(decode(encoded(bits), T), np.repeat(reference(bits.convert("L"))[:, :, None], 3, axis=2))


def test_palette_goes_through_the_palette():
    palette = PICTURE.quantize(16)
    same(decode(encoded(palette), T), reference(palette.convert("RGB")))
    same(decode(encoded(palette, "GIF"), T), reference(palette.convert("RGB")))


def test_transparency_shows_the_background():
    alpha = np.zeros((48, 48), np.uint8)
    alpha[:, 24:] = 255
    clear = Image.fromarray(np.dstack([RGB, alpha]))
    wanted = RGB.copy()
    wanted[:, :24] = (10, 200, 30)
    same(decode(encoded(clear), Target(SIZE, background=(10, 200, 30))), reference(Image.fromarray(wanted)))
    wanted[:, :24] = 255
    same(decode(encoded(clear, "WEBP", lossless=True, exact=True), T), reference(Image.fromarray(wanted)))
    grey = clear.convert("LA")
    assert decode(encoded(grey), T)[:, 0].min() == 255
    rgba = decode(encoded(clear), Target(SIZE, 4))
    assert rgba.shape == (SIZE, SIZE, 4)
    assert rgba[0, 0, 3] == 0
    assert rgba[0, -1, 3] == 255


def test_palette_and_rgb_with_a_transparent_colour():
    indices = np.zeros((48, 48), np.uint8)
    indices[:, 24:] = 1
    image = Image.frombytes("P", (48, 48), indices.tobytes())
    image.putpalette([255, 0, 0, 0, 0, 255])
    for kind in ("PNG", "GIF"):
        got = decode(encoded(image, kind, transparency=0), T)
        assert tuple(got[5, 2]) == (255, 255, 255), kind
        assert tuple(got[5, -3]) == (0, 0, 255), kind
    red = Image.new("RGB", (48, 48), (255, 0, 0))
    assert decode(encoded(red, transparency=(255, 0, 0)), T).min() == 255


def test_opaque_pictures_get_an_opaque_alpha():
    assert decode(encoded(PICTURE), Target(SIZE, 4))[:, :, 3].min() == 255


def test_sixteen_bit_grey_is_scaled_not_cut():
    ramp = np.linspace(0, 65535, SIZE * SIZE).reshape(SIZE, SIZE).astype(np.uint16)
    wanted = np.rint(ramp / 257).astype(np.uint8)
    for kind in ("PNG", "TIFF"):
        same(decode(encoded(Image.fromarray(ramp), kind), Target(SIZE, 1))[:, :, 0], wanted)
        same(decode(encoded(Image.fromarray(ramp), kind), T)[:, :, 2], wanted)


def png(width, height, depth, colour, rows):
    """Write a PNG by hand: Pillow cannot write 16-bit RGB."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_sixteen_bit_rgb_keeps_its_upper_bits():
    deep = RNG.integers(0, 65536, (SIZE, SIZE, 3)).astype(">u2")
    raw = png(SIZE, SIZE, 16, 2, b"".join(b"\0" + row.tobytes() for row in deep))
    same(decode(raw, T), np.rint(deep / 257).astype(np.uint8), tolerance=1)


def test_cmyk_and_ycck_become_rgb():
    cmyk = PICTURE.convert("CMYK")
    same(decode(encoded(cmyk, "TIFF"), T), reference(cmyk.convert("RGB")))
    same(decode(encoded(cmyk, "JPEG", **FINE), T), reference(PICTURE), tolerance=12)
    if int(PIL.__version__.split(".")[0]) >= 13:  # those before take such a TIFF for cut off
        same(decode(encoded(PICTURE.convert("YCbCr"), "TIFF"), T), reference(PICTURE), tolerance=4)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_turns_are_obeyed(kind, turn):
    tall = Image.fromarray(smooth(64, 40))
    exif = Image.Exif()
    exif[0x0112] = turn
    raw = encoded(tall, kind, exif=exif, **OPTIONS.get(kind, {}))
    wanted = reference(ImageOps.exif_transpose(Image.open(io.BytesIO(raw))).convert("RGB"))
    same(decode(raw, T), wanted)
    by_hand = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}[turn]
    turned = tall if by_hand is None else tall.transpose(Image.Transpose(by_hand))
    same(decode(raw, T), reference(turned), tolerance=14 if kind == "JPEG" else 0)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage" * 9, b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0"]
)
def test_nonsense_exif_is_ignored(exif):
    with pictures.quiet():
        same(decode(encoded(PICTURE, "JPEG", exif=exif, **FINE), T), reference(PICTURE), tolerance=12)


def test_colour_profiles_and_appended_bytes_do_no_harm():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"garbage" * 20):
        same(decode(encoded(PICTURE, icc_profile=profile), T), reference(PICTURE))
    same(decode(encoded(PICTURE) + b"PK\x03\x04 a zip perhaps", T), reference(PICTURE))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_of_an_animation(kind):
    frames = [Image.new("RGB", (48, 48), c) for c in ((200, 10, 10), (10, 200, 10), (10, 10, 200))]
    raw = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **OPTIONS.get(kind, {}))
    same(decode(raw, T), np.full((SIZE, SIZE, 3), (200, 10, 10), np.uint8), tolerance=2)


def test_fit_pad_keeps_everything():
    wide = Image.new("RGB", (64, 32), (0, 0, 255))
    got = decode(encoded(wide), Target(SIZE, fit="pad", background=(9, 8, 7)))
    assert (got[8:24] == (0, 0, 255)).all()
    assert (got[:8] == (9, 8, 7)).all()
    assert (got[24:] == (9, 8, 7)).all()
    assert decode(encoded(wide), Target(SIZE, 4, "pad"))[0, 0, 3] == 0
    grey = decode(encoded(wide), Target(SIZE, 1, "pad", (255, 0, 0)))
    assert grey[0, 0, 0] == np.asarray(Image.new("RGB", (1, 1), (255, 0, 0)).convert("L"))[0, 0]


def test_resize_is_antialiased():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255  # finer than the target can show: must become grey, not stripes
    got = decode(encoded(Image.fromarray(stripes)), T)
    assert abs(got[:, 4:-4].astype(int) - 127).max() <= 4


JPEG = encoded(PICTURE, "JPEG")
PNG = encoded(PICTURE)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"", "empty file"),
        (RNG.bytes(900), "unknown kind"),
        (b"<html><body>404</body></html>", "unknown kind: a web page"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "unknown kind: SVG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "unknown kind: PostScript"),
        (JPEG[: len(JPEG) // 2], "cut off or damaged"),
        (PNG[: len(PNG) // 2], "cut off or damaged"),
        (PNG[:20], "unknown kind|cut off or damaged"),
        (PNG[:29] + b"\0\0\0\0" + PNG[33:], "unknown kind|cut off or damaged"),
        (PNG[:200] + bytes([PNG[200] ^ 0xFF]) + PNG[201:], "cut off or damaged"),
        (encoded(PICTURE, "WEBP")[:90], "unknown kind|cut off or damaged"),
        (png(0, 48, 8, 2, b""), "unknown kind|cut off or damaged"),
        (png(100_000, 100_000, 8, 2, b""), "too many pixels"),
        (png(20_000, 20_000, 8, 2, b""), "too many pixels"),
        (png(12_000, 12_000, 8, 2, zlib.compress(b"")), "too many pixels: 12000×12000 is 144 million, the cap is 89"),
        (encoded(Image.new("RGB", (1, 1))), "too small: 1×1"),
        (encoded(Image.new("RGB", (5000, 1))), "too small: 5000×1"),
        (encoded(Image.fromarray(np.zeros((48, 48), np.float32)), "TIFF"), "colours not read: floating point"),
        (encoded(Image.fromarray(np.zeros((48, 48), np.int32)), "TIFF"), "colours not read: 32-bit"),
        (encoded(Image.new("LAB", (48, 48)), "TIFF"), "colours not read: LAB"),
        (
            encoded(PICTURE, "BMP")[:10] + b"\xff\xff\xff\x7f" + encoded(PICTURE, "BMP")[14:],
            "unknown kind|cut off or damaged",
        ),
        (encoded(PICTURE, "ICO"), "unknown kind"),
        (encoded(PICTURE, "PPM"), "unknown kind"),
    ],
)
def test_what_is_refused_and_why(raw, kind):
    with pictures.quiet(), pytest.raises(BadPicture, match=f"^({kind})"):
        decode(raw, T)


def test_other_kinds_are_refused_even_when_pillow_knows_them():
    if not features.check("avif"):
        pytest.skip("this Pillow cannot write AVIF")
    with pytest.raises(BadPicture, match="unknown kind: AVIF"):
        decode(encoded(PICTURE, "AVIF"), T)


def test_text_bombs_cost_little():
    data = b"Comment\0\0" + zlib.compress(bytes(100 * 2**20), 9)
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    with pytest.raises(BadPicture, match=r"^(unknown kind|cut off or damaged)"):
        decode(PNG[:33] + chunk + PNG[33:], T)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_mutants_never_escape(kind):
    seed = bytearray(encoded(PICTURE, kind))
    with pictures.quiet():
        for _ in range(60):
            mutant = bytearray(seed)
            for _ in range(int(RNG.integers(1, 6))):
                mutant[int(RNG.integers(len(mutant)))] = int(RNG.integers(256))
            if RNG.random() < 0.3:
                del mutant[int(RNG.integers(len(mutant))) :]
            with suppress(BadPicture):
                assert decode(bytes(mutant), T).shape == (SIZE, SIZE, 3)


def test_channel_changes_match_pillow():
    got = pictures.with_channels(RGB, 1)
    same(got[:, :, 0], np.asarray(PICTURE.convert("L")))
    assert pictures.with_channels(got, 3).shape == (48, 48, 3)
    assert pictures.with_channels(got, 4)[..., 3].min() == 255
    same(pictures.with_channels(pictures.with_channels(RGB, 4), 3), RGB)


def test_grey_with_alpha_and_back():
    """Two channels: grey as Pillow makes it, and the alpha there was; opaque where there was none (issue 5, item 4)."""
    grey = pictures.with_channels(RGB, 1)
    two = pictures.with_channels(RGB, 2)
    same(two[..., :1], grey)
    assert two[..., 1].min() == 255
    alpha = np.random.default_rng(0).integers(0, 256, (48, 48, 1), np.uint8)
    clear = np.concatenate([RGB, alpha], axis=-1)
    two = pictures.with_channels(clear, 2)
    same(two, np.concatenate([grey, alpha], axis=-1))
    same(pictures.with_channels(two, 1), grey)
    same(pictures.with_channels(two, 3), np.repeat(grey, 3, axis=-1))
    same(pictures.with_channels(two, 4), np.concatenate([np.repeat(grey, 3, axis=-1), alpha], axis=-1))


def test_pictures_are_decoded_to_grey_with_alpha():
    """LA, RGBA and RGB by file; what is around a padded picture is transparent."""
    side = RGB.shape[0]
    alpha = np.full((side, side, 1), 128, np.uint8)
    for pixels, wanted in (
        (np.concatenate([RGB, alpha], axis=-1), 128),
        (np.concatenate([RGB[..., :1], alpha], axis=-1), 128),
        (RGB, 255),
    ):
        found = decode(encoded(Image.fromarray(pixels)), Target(side, 2))
        assert found.shape == (side, side, 2)
        same(found, pictures.with_channels(pixels, 2))
        assert (found[..., 1] == wanted).all()
    wide = decode(encoded(Image.fromarray(RGB[: side // 2])), Target(side, 2, "pad"))
    assert (wide[0, :, 1] == 0).all()
    assert (wide[side // 2, :, 1] == 255).all()
