"""``bench zoo --data``: the small recipes on pictures of one's own, which stand for the truth themselves."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from leafwing.bench import zoo_runs
from leafwing.bench.reduced import convolutional, of_pictures, reduced
from leafwing.bench.zoo_pictures import CLUSTERS, Own, Pictures
from leafwing.cli.main import run
from leafwing.core import randomness
from leafwing.core.errors import BadConfig, BadData
from leafwing.measure import clusters

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of 400 pictures of 16 by 16 in 20 colours, with noise."""
    folder = tmp_path_factory.mktemp("coloured")
    rng = np.random.default_rng(0)
    colours = rng.integers(20, 236, (CLUSTERS, 1, 1, 3))
    for i in range(400):
        pixels = colours[i % CLUSTERS] + rng.integers(-20, 20, (16, 16, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i:03}.png")
    return folder


@pytest.fixture(scope="module")
def world(pictures):
    return Pictures(Own(str(pictures), 16), 200, CPU)


def blobs(k: int, each: int) -> torch.Tensor:
    """Features [k each, 5] around k corners of a grid."""
    corners = torch.tensor([[i % 4, i // 4 % 4, i // 16, 0, 0] for i in range(k)], dtype=torch.float64)
    noise = torch.from_numpy(np.random.default_rng(1).normal(0, 0.02, (k * each, 5)))
    return corners.repeat(each, 1) + noise


def test_clusters_are_found_the_same_every_time():
    rows = blobs(20, 25)
    one, again = (clusters.find(rows, 20, randomness.stream(0, 0, "test")) for _ in range(2))
    assert torch.equal(one.centres, again.centres)
    assert one.shares.tolist() == pytest.approx([1 / 20] * 20)
    assert one.kept(blobs(20, 2), 0.25) == 20
    assert one.kept(rows[::20], 0.25) == 1
    assert one.kept(torch.cat([rows[::20], rows[1:2]]).repeat(2, 1), 0.9) == 1, "too seldom"


def test_an_empty_cluster_is_never_kept():
    found = clusters.find(torch.eye(3).repeat(10, 1), 5, randomness.stream(0, 0, "test"))
    assert (found.shares > 0).sum() == 3
    assert found.kept(torch.eye(3), 0.25) == 3


def test_clusters_of_too_few_or_broken_features_are_refused():
    with pytest.raises(BadData, match="20 clusters need"):
        clusters.find(torch.rand(5, 3), 20, randomness.stream(0, 0, "test"))
    with pytest.raises(BadData, match="not finite"):
        clusters.find(torch.full((30, 3), torch.nan), 20, randomness.stream(0, 0, "test"))


def test_other_real_pictures_keep_all_modes_and_a_collapse_one(world):
    """The measure itself: of the truth all is good and near; one picture again and again is one mode; noise is bad."""
    true = world.true()
    assert true.modes >= CLUSTERS - 1
    assert true.good > 0.7
    assert true.obeyed is None
    one = torch.from_numpy(world.store.pictures[:1].copy()).permute(0, 3, 1, 2) / 127.5 - 1
    collapsed = world.see(one.expand(200, -1, -1, -1), None)
    assert collapsed.modes == 1
    assert collapsed.good == 1
    assert collapsed.distance > 5 * true.distance
    noise = world.see(torch.rand(200, 3, 16, 16) * 2 - 1, None)
    assert noise.good == 0


def test_reals_and_truth_are_disjoint(world):
    known = {tuple(row) for row in world.reals.tolist()}
    assert len(known) == 200
    assert not known & {tuple(row) for row in world.others.tolist()}


def test_another_source_side_or_network_is_another_row(world, pictures, tmp_path):
    recipe, plan = reduced("dcgan", [], 0), zoo_runs.Plan(["dcgan"], 64, 1, 50, [], "cpu", tmp_path)
    small = Pictures(Own(str(pictures), 8), 50, CPU)
    faces = Pictures(Own(str(pictures), 16, "faces"), 50, CPU)
    prints = {zoo_runs.fingerprint(recipe, plan, one.identity) for one in (world, small, faces)}
    assert len(prints | {zoo_runs.fingerprint(recipe, plan)}) == 4
    assert world.fitted(recipe, 64).data.source == str(pictures)


def test_rows_are_made_and_what_cannot_be_played_says_why(pictures, tmp_path, capsys):
    """On the command line; a second call plays nothing; the row of unlabelled data says what is missing."""
    line = ["bench", "zoo", "--data", str(pictures), "--image-size", "16", "--images", "16", "--samples", "50"]
    line += ["--recipe", "dcgan", "cgan", "gan-2014", "--out", str(tmp_path / "z"), "--set", "train.batch=8"]
    assert run([*line, "--json"]) == 0
    out = capsys.readouterr()
    told = json.loads(out.out)
    assert "pictures of one's own" not in out.err
    rows = {row["recipe"]: row for row in told["rows"]}
    assert rows["dcgan"]["end"]["distance"] > 0
    assert rows["dcgan"]["modes"] == CLUSTERS
    assert rows["cgan"]["end"] is None
    assert "data.condition" in rows["cgan"]["problem"]
    assert "leave --data out" in rows["gan-2014"]["problem"]
    assert told["data"] | {"features": 0, "source": 0} == {
        "source": 0, "pictures": 400, "image_size": 16, "features": 0, "clusters": CLUSTERS, "nearest": 3
    }  # fmt: skip
    assert told["data"]["features"]["network"] == "pixels"
    assert set(told["truths"]) == {pictures.name}
    saved = (tmp_path / "z" / "rows" / "dcgan-0.json").stat().st_mtime_ns
    assert run(line) == 0
    assert (tmp_path / "z" / "rows" / "dcgan-0.json").stat().st_mtime_ns == saved
    text = capsys.readouterr().out
    assert "768 features of pixels" in text
    assert "50 pictures are few for 768 features" in text
    assert f"of {CLUSTERS} clusters" in text


def test_conditional_recipes_play_with_the_labels_that_are_there(pictures, tmp_path, capsys):
    for i, path in enumerate(sorted(pictures.iterdir())[:100]):
        folder = tmp_path / "own" / str(i % 2)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder)
    line = ["bench", "zoo", "--data", str(tmp_path / "own"), "--image-size", "16", "--images", "16", "--samples", "50"]
    line += ["--recipe", "cgan", "--out", str(tmp_path / "z"), "--set", "train.batch=8", "data.condition=folder"]
    assert run([*line, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["problem"] == ""
    assert row["end"]["obeyed"] is None


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (["--image-size", "32"], "--image-size 32 is about pictures of one's own: give --data too."),
        (["--features", "pixels"], "--features pixels is about pictures of one's own"),
        (["--data", "PICTURES", "--features", "squeezenets"], "No features are called 'squeezenets'. Did you mean"),
        (["--data", "PICTURES", "--samples", "300"], "give --samples 200."),
        (["--data", "PICTURES", "--image-size", "4"], "--image-size 4 cannot be"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_is_one_sentence(line, sentence, pictures, tmp_path, capsys):
    line = [str(pictures) if word == "PICTURES" else word for word in line]
    assert run(["bench", "zoo", *line, "--recipe", "dcgan", "--out", str(tmp_path / "z")]) == 2
    said = [row for row in capsys.readouterr().err.splitlines() if row.startswith("leafwing: ")]
    assert len(said) == 1
    assert sentence in said[0]


def test_a_side_that_a_recipe_cannot_make_is_its_row(pictures, tmp_path):
    plan = zoo_runs.Plan(["sngan"], 16, 1, 50, [], "cpu", tmp_path, Own(str(pictures), 20))
    (row,) = zoo_runs.run(plan).rows
    assert row.end is None
    assert "data.image_size" in row.problem


def test_only_convolutional_recipes_are_usual():
    assert set(of_pictures()) - set(convolutional()) == {"gan-2014"}


def test_a_side_that_cannot_be_stored_is_refused(pictures):
    with pytest.raises(BadConfig):
        Pictures(Own(str(pictures), 5000), 50, CPU)
