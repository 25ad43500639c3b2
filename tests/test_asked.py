"""The table of asked faces (issue 6, item 8; R24): a copier, a forgetter and one who ties hair to eyes are caught."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from leafwing import api
from leafwing.recipe import load_recipe
from leafwing.worlds.faces import Faces

PATH = Path(__file__).parents[1] / "benchmarks" / "asked.py"
SIDE, EACH = 48, 24


@pytest.fixture(scope="module")
def asked():
    spec = importlib.util.spec_from_file_location("asked", PATH)
    found = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "asked", found)  # where dataclasses look themselves up
        spec.loader.exec_module(found)
    return found


def faces(asked, world_seed: int, fits, count: int = EACH):
    """So many true faces whose labels fit."""
    world = Faces(world_seed)
    which = [index for index in range(4000) if fits(world.labels(index))][:count]
    return asked.as_floats(world.render(which, SIDE, workers=1))


def red(labels) -> bool:
    return labels["eyes"] == "red"


def test_r24_what_is_asked_is_not_all(asked):
    judge = asked.Judge(asked.read_factors, {}, odd=True)
    true = faces(asked, 1, red, 2 * EACH)
    row = asked.judged(judge, "eyes", "red", faces(asked, 2, red), true)
    assert row.right > 0.85
    assert row.variety == pytest.approx(1, abs=0.1)
    assert row.odd < 0.15
    copied = asked.judged(judge, "eyes", "red", true[:1].expand(EACH, -1, -1, -1), true)
    assert copied.right in (0, 1)
    assert copied.variety < 0.01, "one red-eyed face again and again is no generator"
    tied = asked.judged(
        judge, "eyes", "red", faces(asked, 2, lambda labels: red(labels) and labels["hair"] == "pink", 12), true
    )
    assert tied.right > 0.8
    assert tied.rest["hair"][0] > row.rest["hair"][0] + 0.3, "red eyes do not fix the hair"
    assert np.mean([tied.rest[name][0] for name in tied.rest]) < 0.45, "nor anything else"
    bare = asked.judged(
        judge, "eyes", "red", faces(asked, 2, lambda labels: red(labels) and not labels["glasses"], 12), true
    )
    assert bare.rest["glasses"][0] >= row.rest["glasses"][0]
    assert set(row.rest) == {"hair", "hair_style", "bangs", "shut eyes", "skin", "glasses", "ornament", "outfit",
                             "outfit_colour", "background", "background_colour"}  # fmt: skip
    deaf = asked.judged(judge, "eyes", "red", faces(asked, 3, lambda labels: labels["eyes"] != "red"), true)
    assert deaf.right < 0.15
    odd = asked.judged(judge, "eyes", "red", faces(asked, 2, lambda labels: labels["eyes"] == "odd"), true)
    assert odd.odd > 0.6, "odd eyes that nobody asked for are told"


def test_shares_in_closed_form(asked):
    assert asked.unevenness(["a", "a", "b", None], ["b", "b", "b"]) == pytest.approx(2 / 3)
    assert asked.unevenness(["a"], ["a", None]) == 0
    rows = {"red": asked.Row(2, 1, 1, 1, 0.2, 0, {"hair": (0, 0.5)}),
            "odd": asked.Row(4, 0, 1, 1, 1, 1, {"hair": (1, 0.1)})}  # fmt: skip
    mean = asked.mean_of(rows)
    assert (mean.n, mean.right, mean.odd, mean.odd_true) == (6, 0.5, 0.2, 0)
    assert mean.rest["hair"] == pytest.approx((0.5, 0.3))
    assert asked.Row(1, 1, 1, 1, np.nan, np.nan, {}).cells().split()[4:] == ["-"] * 4, "nothing is said of no factors"


def test_the_same_table_for_labelled_pictures_of_ones_own(asked, tmp_path, capsys, monkeypatch):
    """A classifier learnt from half of them reads the other half; a run that learnt nothing gives what is not asked."""
    world = Faces(0)
    (tmp_path / "faces").mkdir()
    table = ["file,shade"]
    for index in range(240):
        pixels = world.picture(index, 16)
        dark = index % 2
        (tmp_path / "faces" / f"{index}.png").write_bytes(png(np.where(dark, pixels // 3, pixels).astype(np.uint8)))
        table.append(f"{index}.png,{'dark' if dark else 'bright'}")
    (tmp_path / "faces" / "labels.csv").write_text("\n".join(table))
    settings = ["data.condition=['shade']", "data.image_size=16", "generator.width=4", "discriminator.width=4",
                "train.batch=8", "train.steps=1", "watch.samples=4"]  # fmt: skip
    api.train(tmp_path / "faces", recipe=load_recipe("cgan", settings), out=tmp_path / "run", device="cpu")
    monkeypatch.setattr(sys, "argv", ["asked", str(tmp_path / "run"), "--each", "30", "--data", str(tmp_path / "faces"),
                                      "--features", "pixels"])  # fmt: skip
    asked.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line] == ["shade", "bright", "dark", "mean"]
    n, right, right_true, variety, *_ = lines[3].split()[1:]
    assert n == "60"
    assert float(right_true.rstrip("%")) > 90
    assert 30 < float(right.rstrip("%")) < 70, "both are given the same answer"
    assert float(variety) > 0


def png(pixels: np.ndarray) -> bytes:
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()
