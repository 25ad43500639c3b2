"""`leafwing evaluate`: of runs, folders and data; the order of good and bad; bad input in one sentence."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torch import nn

import leafwing
from leafwing.cli.main import run
from leafwing.measure import fid_weights
from leafwing.measure.network import sha256_of
from leafwing.worlds.faces import Faces


@pytest.fixture(scope="module")
def pictures():
    """160 drawn faces, uint8 [160, 32, 32, 3]."""
    return Faces(5).render(range(160), size=32, workers=1)


def save(folder, pictures, change=lambda image: image):
    folder.mkdir()
    for i, picture in enumerate(pictures):
        change(Image.fromarray(picture)).save(folder / f"{i:04}.png")
    return str(folder)


@pytest.fixture
def faces(pictures, tmp_path):
    return save(tmp_path / "faces", pictures[:80])


@pytest.fixture
def others(pictures, tmp_path):
    return save(tmp_path / "others", pictures[80:])


def sentence(arguments, capsys):
    assert run([str(a) for a in arguments]) == 2
    said = [row for row in capsys.readouterr().err.splitlines() if row.startswith("leafwing: ")]
    assert len(said) == 1
    assert "Traceback" not in said[0]
    return said[0]


def test_two_folders_as_a_table_and_as_json(faces, others, capsys):
    asked = ["evaluate", faces, "--data", others, "--json", "--features", "pixels", "--resamples", "2"]
    assert run(asked) == 0
    first = json.loads(capsys.readouterr().out)
    assert set(first["measures"]["frechet[pixels]"]) == {"value", "spread", "better"}
    assert {"precision[pixels]", "kernel[pixels]", "sliced[pixels]", "ms_ssim", "sharpness"} <= first["measures"].keys()
    assert all(line["spread"] is not None for line in first["measures"].values())
    assert first["measures"]["sharpness"]["data"]["value"] > 0
    protocol = first["protocol"]
    assert (protocol["network"], protocol["samples"], protocol["pictures"], protocol["seed"]) == ("pixels", 80, 80, 0)
    assert protocol["resizer"] == "clean"
    assert run(asked) == 0
    assert json.loads(capsys.readouterr().out) == first  # to the last digit
    assert run(["evaluate", faces, "--data", others, "--metrics", "kernel,recall", "--features", "pixels"]) == 0
    text = capsys.readouterr().out
    assert "kernel[pixels]" in text
    assert "frechet" not in text
    assert "±" in text
    assert "fid" not in text.lower().replace("this is not fid", "").split("protocol")[0]
    assert "--features inception" in text  # how to get the real one


def test_blur_and_noise_are_farther_than_fresh_faces(pictures, faces, others, tmp_path):
    noisy = np.clip(pictures[80:] + np.random.default_rng(0).normal(0, 40, pictures[80:].shape), 0, 255).astype(
        np.uint8
    )
    sets = {
        "fresh": others,
        "blurred": save(tmp_path / "blurred", pictures[80:], lambda image: image.filter(ImageFilter.GaussianBlur(2))),
        "noisy": save(tmp_path / "noisy", noisy),
    }
    asked = {"metrics": ["frechet", "sharpness"], "features": "pixels", "resamples": 0}
    found = {name: leafwing.evaluate(folder, faces, **asked).measures for name, folder in sets.items()}
    far = {name: measures["frechet[pixels]"].samples.value for name, measures in found.items()}
    assert far["fresh"] < far["blurred"]
    assert far["fresh"] < far["noisy"]
    sharp = {name: measures["sharpness"].samples.value for name, measures in found.items()}
    assert sharp["blurred"] < sharp["fresh"] < sharp["noisy"]


def test_identical_folders_have_no_distance(faces, capsys):
    assert run(["evaluate", faces, "--data", faces, "--json", "--features", "pixels", "--resamples", "0"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["measures"]["frechet[pixels]"]["value"] == pytest.approx(0, abs=1e-9)
    assert found["measures"]["sliced[pixels]"]["value"] == 0
    assert found["measures"]["precision[pixels]"]["value"] == 1
    assert "very same pictures" in found["warnings"][0]


def test_a_run_against_its_own_data_and_against_a_folder(tmp_path, monkeypatch, capsys, faces):
    monkeypatch.chdir(tmp_path)
    small = ["generator.width=4", "discriminator.width=4", "data.image_size=32", "data.count=64", "watch.samples=4"]
    assert run(["train", "world:faces", "--out", "mine", "--steps", "2", "--batch", "8", "--set", *small]) == 0
    capsys.readouterr()
    asked = ["--json", "--features", "pixels", "--metrics", "frechet,path,diversity", "--resamples", "0"]
    assert run(["evaluate", "mine", *asked]) == 0
    own = json.loads(capsys.readouterr().out)
    assert own["protocol"]["pictures_of"] == "world:faces"
    assert own["protocol"]["samples"] == own["protocol"]["pictures"] == 64
    assert own["protocol"]["samples_of"] == "mine (step 2)"
    assert own["measures"]["path[pixels]"]["value"] > 0
    assert run(["evaluate", "mine/generator", "--data", faces, *asked]) == 0
    other = json.loads(capsys.readouterr().out)
    assert other["protocol"]["pictures"] == 80
    # the samples of a seed are those that `sample` writes
    assert run(["sample", "mine", "--count", "64", "--seed", "0", "--out", "drawn"]) == 0
    assert run(["evaluate", "drawn", "--data", "world:faces", "--count", "64", "--json", "--features", "pixels",
                "--metrics", "frechet", "--resamples", "0"]) == 0  # fmt: skip
    drawn = json.loads(capsys.readouterr().out.partition("\n")[2])
    assert drawn["measures"]["frechet[pixels]"]["value"] == pytest.approx(own["measures"]["frechet[pixels]"]["value"])


def test_nine_pictures_are_too_few_for_a_frechet_distance(pictures, faces, tmp_path, capsys):
    few = save(tmp_path / "few", pictures[:9])
    said = sentence(["evaluate", few, "--data", faces, "--features", "pixels"], capsys)
    assert "at least 50 pictures on each side, and there are 9" in said
    assert run(["evaluate", few, "--data", faces, "--metrics", "sharpness", "--features", "pixels"]) == 0


def test_different_sizes_are_not_scaled_silently(pictures, faces, tmp_path, capsys):
    larger = save(tmp_path / "larger", pictures[80:], lambda image: image.resize((48, 48)))
    said = sentence(["evaluate", larger, "--data", faces], capsys)
    assert "48×48" in said
    assert "--image-size 32" in said
    asked = ["--features", "pixels", "--metrics", "sliced", "--json"]
    assert run(["evaluate", larger, "--data", faces, "--image-size", "32", *asked]) == 0
    capsys.readouterr()
    Image.fromarray(pictures[0]).resize((40, 32)).save(tmp_path / "faces" / "odd.png")
    assert "different sizes (32×32 to 40×32)" in sentence(["evaluate", faces, "--data", larger], capsys)


def test_greyscale_against_colour(pictures, faces, tmp_path, capsys):
    grey = save(tmp_path / "grey", pictures[80:], lambda image: image.convert("L"))
    said = sentence(["evaluate", grey, "--data", faces, "--features", "pixels"], capsys)
    assert f"{grey} is greyscale" in said
    assert "--channels 1" in said
    asked = ["--features", "pixels", "--metrics", "frechet", "--resamples", "0", "--json"]
    assert run(["evaluate", grey, "--data", faces, "--channels", "1", *asked]) == 0
    in_grey = json.loads(capsys.readouterr().out)["measures"]["frechet[pixels]"]["value"]
    assert run(["evaluate", str(tmp_path / "grey"), "--data", grey, *asked]) == 0  # grey against grey needs no word
    assert in_grey > 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--count", "500"], "holds 80 pictures"),
        (["--count", "1"], "--count 1"),
        (["--nearest", "0"], "--nearest 0"),
        (["--resamples", "-1"], "--resamples -1"),
        (["--metrics", "path"], "needs a run"),
        (["--metrics", "score"], "names nothing"),
        (["--metrics", "kid"], "Inception"),
        (["--metrics", "accuracy"], "trained with classes"),
        (["--metrics", ","], "at least one measure"),
        (["--nearest", "80", "--metrics", "recall"], "at least 81 pictures"),
    ],
)
def test_options_that_cannot_be(options, said, faces, others, capsys):
    assert said in sentence(["evaluate", faces, "--data", others, "--features", "pixels", *options], capsys)


def test_with_the_standard_weights_it_is_called_fid(faces, others, tmp_path, monkeypatch, capsys):
    """The file is told by its hash; a small network stands in for Inception here, its hash for the published one."""

    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 5)

        def forward(self, x):
            return x.mean((2, 3))

        def logits(self, features):
            return 9 * self.fc(features)

    path = tmp_path / fid_weights.FILE
    torch.save(Small().state_dict(), path)
    for name, value in {"Inception": Small, "DIM": 3, "SIDE": 40, "SHA256": sha256_of(path)}.items():
        monkeypatch.setattr(fid_weights, name, value)
    asked = ["evaluate", faces, "--data", others, "--features", f"inception={path}", "--resamples", "2"]
    assert run(asked) == 0
    text = capsys.readouterr().out
    assert {"fid", "kid", "inception_score", "recall[inception]"} <= {row.split()[0] for row in text.split("\n") if row}
    assert "This is not FID" not in text
    assert "legacy" in text
    assert run([*asked, "--resizer", "clean", "--metrics", "fid", "kid", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["measures"]) == ["fid[clean]", "kid[clean]"]
    assert found["protocol"]["resizer"] == "clean"
    path.write_bytes(path.read_bytes() + b"0")
    assert "sha256" in sentence(asked, capsys)
