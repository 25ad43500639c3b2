"""REL-R9: files harmed at random. No traceback, no hang, bounded memory, and never other pixels than Pillow's own."""

from __future__ import annotations

import io
import resource
import sys
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image, ImageOps

from leafwing.data import pictures
from leafwing.data.pictures import KINDS, BadPicture, Target, decode

SIZE = 32
FORMATS = {
    "JPEG": [{"quality": 90}, {"quality": 40, "progressive": True}, {"quality": 95, "subsampling": 0}],
    "PNG": [{}, {"optimize": True}, {"compress_level": 0}],
    "WEBP": [{"lossless": True}, {"quality": 60}, {"quality": 90, "method": 0}],
    "BMP": [{}],
    "TIFF": [{}, {"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"}],
    "GIF": [{}, {"interlace": 0}],
}
MODES = {
    "JPEG": ["RGB", "L", "CMYK"],
    "PNG": ["RGB", "L", "RGBA", "P", "LA", "1", "I;16"],
    "WEBP": ["RGB", "RGBA"],
    "BMP": ["RGB", "L", "1", "P"],
    "TIFF": ["RGB", "L", "RGBA", "CMYK", "I;16"],
    "GIF": ["P", "L"],
}


def seeds(kind, count=10):
    """So many good files of a kind, all different: mode, options, shape, an EXIF turn here and there."""
    rng = np.random.default_rng([KINDS.index(kind), 1])
    made = []
    for i in range(count):
        mode, options = MODES[kind][i % len(MODES[kind])], FORMATS[kind][i % len(FORMATS[kind])]
        coarse = Image.fromarray(rng.integers(0, 256, (7, 7, 4 if mode in ("RGBA", "LA") else 3), np.uint8))
        image = coarse.resize((40 + 5 * (i % 4), 40 + 3 * (i % 5)), Image.Resampling.BICUBIC)
        if mode == "I;16":
            image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
        else:
            image = image.quantize(40) if mode == "P" else image.convert(mode)
        exif = Image.Exif()
        exif[0x0112] = 1 + i % 8
        more = {"exif": exif} if kind in ("JPEG", "PNG", "WEBP") and i % 3 == 2 else {}
        out = io.BytesIO()
        image.save(out, kind, **options, **more)
        made.append(out.getvalue())
    return made


def mutant(good, rng):
    """Flip bits, overwrite bytes, cut, drop or repeat a piece, or splice two files of a kind."""
    data = bytearray(good[int(rng.integers(len(good)))])
    way = int(rng.integers(6))
    at, to = sorted(int(i) for i in rng.integers(0, len(data) + 1, 2))
    if way == 0:
        for _ in range(int(rng.integers(1, 9))):
            data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    elif way == 1:  # most likely to be understood and to lie: the header
        for _ in range(int(rng.integers(1, 4))):
            data[int(rng.integers(min(len(data), 64)))] = int(rng.integers(256))
    elif way == 2:
        del data[at:]
    elif way == 3:
        del data[at : min(to, at + 64)]
    elif way == 4:
        data[to:to] = data[at:to]
    else:
        other = good[int(rng.integers(len(good)))]
        data[at:] = other[min(at, len(other)) :]
    return summed(bytes(data)) if data.startswith(b"\x89PNG") and rng.random() < 0.7 else bytes(data)


def summed(raw):
    """A PNG with the right checksum on every chunk, so that the harm gets past them."""
    made, at = raw[:8], 8
    while at + 12 <= len(raw):
        length = int.from_bytes(raw[at : at + 4], "big")
        body = raw[at + 4 : at + 8 + length]
        made += raw[at : at + 4] + body + zlib.crc32(body).to_bytes(4, "big")
        at += 12 + length
    return made


def reference(raw):
    """The same conversion in other words, without any shortcut: uint8 [SIZE, SIZE, 3]."""
    with Image.open(io.BytesIO(raw), formats=KINDS) as opened:
        opened.load()
        image = opened.copy()
        with suppress(Exception):  # EXIF that cannot be read turns nothing
            image = ImageOps.exif_transpose(opened)
    if image.mode.startswith("I;16"):
        deep = np.asarray(image).astype(np.float64) / 257
        image = Image.fromarray(np.floor(deep + 0.5).astype(np.uint8))
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
    if image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    image = image.convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    if side != SIZE:
        square = square.resize((SIZE, SIZE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return np.asarray(square)


@dataclass
class Tally:
    """What became of the mutants."""

    decoded: int = 0
    refused: int = 0
    shrunk: int = 0
    untidy: int = 0
    slowest: float = 0.0


def try_all(kind, count, seed):
    """Decode so many mutants of a kind and compare each that comes out."""
    rng, good, tally = np.random.default_rng([KINDS.index(kind), seed]), seeds(kind), Tally()
    for number in range(count):
        raw = mutant(good, rng)
        begun = time.process_time()
        try:
            got = decode(raw, Target(SIZE))
        except BadPicture as bad:
            tally.refused += 1
            tally.untidy += "\n" in str(bad)
            continue
        finally:
            tally.slowest = max(tally.slowest, time.process_time() - begun)
        tally.decoded += 1
        if min(pictures.opened(raw).size) >= 4 * SIZE and kind == "JPEG":
            tally.shrunk += 1  # decoded at a half or less: close, not equal; its own test is in test_data_pictures
            continue
        np.testing.assert_array_equal(got, reference(raw), err_msg=f"{kind} mutant {number} of seed {seed}")
    return tally


def peak_mb():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def judge(kind, count, seed):
    before = peak_mb()
    with pictures.quiet():
        tally = try_all(kind, count, seed)
    assert not tally.untidy
    assert tally.slowest < 10, "seconds over one file"
    assert peak_mb() - before < 512
    assert tally.decoded + tally.refused == count
    assert tally.decoded > 0.02 * count, "these mutants say nothing about pixels"
    assert tally.refused > 0.05 * count, "these mutants do no harm"
    assert tally.shrunk < 0.1 * count


@pytest.mark.parametrize("kind", KINDS)
def test_rel_r9_the_seeds_are_good(kind):
    for raw in seeds(kind):
        np.testing.assert_array_equal(decode(raw, Target(SIZE)), reference(raw))


@pytest.mark.parametrize("kind", KINDS)
def test_rel_r9_a_thousand_mutants(kind):
    judge(kind, 170, seed=1)


@pytest.mark.proof
@pytest.mark.parametrize("kind", KINDS)
def test_rel_r9_ten_thousand_mutants(kind):
    judge(kind, 1700, seed=2)
