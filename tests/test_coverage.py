"""Modes whose truth is known: counts, divergences and the birthday paradox against closed forms; a game that learns."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from leafwing.bench.drawn_faces import DrawnFaces, row_of
from leafwing.cli.main import run
from leafwing.core.errors import BadConfig
from leafwing.data import open_data
from leafwing.data.feed import to_pictures
from leafwing.measure.coverage import NO_MODE, cover, jensen_shannon, kl, kl_of_chance, nearest_modes
from leafwing.measure.support import equal_pairs, near_pairs, nearest_pair, support
from leafwing.networks.mlp import PointDiscriminator, PointGenerator
from leafwing.worlds.mixtures import MIXTURES, find_mixture, ring


def rng(seed: int = 0):
    return np.random.default_rng(seed)


# ---- mixtures ----


@pytest.mark.parametrize(("name", "modes", "gap"), [("ring-8", 8, 2 * math.sin(math.pi / 8)), ("grid-25", 25, 2.0)])
def test_truth_itself_is_good_as_often_as_the_normal_distribution_says(name, modes, gap):
    """R11. In the plane a point is within 3 standard deviations with probability 1 - exp(-9/2)."""
    mixture = find_mixture(name)
    n = 40_000
    found = cover(nearest_modes(mixture.sample(n, rng()), mixture.means, mixture.std), modes)
    expected = 1 - math.exp(-4.5)
    assert found.hit == found.modes == modes
    assert abs(found.good - expected) < 4 * math.sqrt(expected * (1 - expected) / n)
    assert found.kl == pytest.approx(kl_of_chance(modes, n), abs=4 * kl_of_chance(modes, n))
    apart = np.linalg.norm(mixture.means[:, None] - mixture.means[None], axis=2)
    assert apart[apart > 0].min() == pytest.approx(gap)
    assert np.abs(mixture.means.mean(axis=0)).max() < 1e-12


def test_the_same_seed_draws_the_same_points_and_another_others():
    mixture = MIXTURES["grid-25"]
    assert np.array_equal(mixture.sample(9, rng(1)), mixture.sample(9, rng(1)))
    assert not np.array_equal(mixture.sample(9, rng(1)), mixture.sample(9, rng(2)))
    with pytest.raises(BadConfig, match="ring-8"):
        find_mixture("ring-9")


# ---- modes ----


def test_a_planted_collapse_is_counted_exactly():
    """Three of 25 modes in known shares, and known broken points."""
    mixture = MIXTURES["grid-25"]
    inside, outside = np.array([2.9 * 0.05, 0.0]), np.array([0.0, 3.1 * 0.05])
    points = np.concatenate([
        np.tile(mixture.means[4] + inside, (50, 1)), np.tile(mixture.means[11] - inside, (25, 1)),
        np.tile(mixture.means[20], (25, 1)), np.tile(mixture.means[3] + outside, (60, 1)), np.full((40, 2), np.nan),
    ]).astype(np.float32)  # fmt: skip
    labels = nearest_modes(points, mixture.means, mixture.std)
    assert (labels == NO_MODE).sum() == 100
    found = cover(labels, 25)
    assert (found.hit, found.good, found.samples) == (3, 0.5, 200)
    assert {m: c for m, c in enumerate(found.counts) if c} == {4: 50, 11: 25, 20: 25}
    assert found.kl == pytest.approx(math.log(25) - 1.5 * math.log(2))  # ln k minus the entropy of 1/2, 1/4, 1/4


def test_no_good_sample_is_no_number_rather_than_a_wrong_one():
    found = cover(np.full(10, NO_MODE), 8)
    assert (found.hit, found.good, found.kl, found.js) == (0, 0.0, None, None)
    for bad in (np.array([], dtype=int), np.array([8]), np.array([-2])):
        with pytest.raises(ValueError, match="labels"):
            cover(bad, 8)


def test_divergences_by_closed_forms():
    p, q = np.array([0.5, 0.5, 0.0, 0.0]), np.full(4, 0.25)
    assert kl(p, q) == pytest.approx(math.log(2))
    assert kl(q, p) == math.inf
    assert kl(q, q) == jensen_shannon(q, q) == 0
    assert jensen_shannon(p, p[::-1].copy()) == pytest.approx(math.log(2)), "nothing in common: its largest value"
    m = (p + q) / 2
    assert jensen_shannon(p, q) == pytest.approx(0.5 * (p[:2] @ np.log(p[:2] / m[:2]) + q @ np.log(q / m)))
    truth = np.array([0.7, 0.2, 0.1])
    assert cover(np.repeat([0, 1, 2], [70, 20, 10]), 3, truth).kl == pytest.approx(0, abs=1e-12)


def test_chance_alone_gives_the_divergence_it_is_said_to_give():
    """26,000 true samples of 1,000 modes: StackedMNIST's marks lie little above this."""
    drawn = [cover(rng(seed).integers(0, 1000, 26_000), 1000).kl for seed in range(20)]
    assert np.mean(drawn) == pytest.approx(kl_of_chance(1000, 26_000), rel=0.03)
    assert kl_of_chance(1000, 26_000) == pytest.approx(0.0192, abs=1e-4)


# ---- birthdays ----


def test_birthdays_of_a_class():
    """23 people, 365 days: as many expected pairs as make a shared birthday as likely as not, ln 2."""
    expected_pairs = 23 * 22 / 2 / 365
    assert expected_pairs == pytest.approx(math.log(2), rel=1e-4)
    found = support(1, 23)
    assert found.size == 253
    assert found.low < 365 < found.high


@pytest.mark.parametrize("size", [50, 1000, 20_000])
def test_support_of_known_size_is_found_within_its_interval(size):
    inside = 0
    for seed in range(100):
        found = support(equal_pairs(rng(seed).integers(0, size, 800)), 800)
        inside += found.low <= size <= found.high
    assert inside >= 88, "95 of 100, give or take three standard deviations"


def test_unequal_shares_count_as_fewer():
    """1 / sum p^2: two of three samples from one thing, the rest from one other."""
    labels = (rng().random(4000) < 1 / 3).astype(int)
    assert support(equal_pairs(labels), 4000).size == pytest.approx(9 / 5, rel=0.03)


def test_no_pair_is_a_lower_bound_only():
    found = support(0, 100)
    assert found.size == found.high == math.inf
    assert found.low == pytest.approx(4950 / -math.log(0.025), rel=0.01), "the exact bound of a count of 0"
    for pairs, samples in ((0, 1), (-1, 5), (11, 5)):
        with pytest.raises(ValueError, match="pairs"):
            support(pairs, samples)


@pytest.mark.parametrize("chunk", [1, 7, 512])
def test_near_pairs_agree_with_counting_by_hand(chunk):
    """Pictures far from the origin; copies are at a distance of exactly 0."""
    pictures = rng().normal(100, 1, (40, 3, 4, 4)).astype(np.float32)
    pictures[33] = pictures[5]
    flat = pictures.reshape(40, -1).astype(np.float64)
    by_hand = [float(np.linalg.norm(flat[i] - flat[j])) for i in range(40) for j in range(i)]
    within = float(np.median(by_hand))
    assert near_pairs(pictures, within, chunk) == sum(d <= within for d in by_hand)
    assert near_pairs(pictures, 0.0, chunk) == 1
    assert nearest_pair(pictures, chunk) == 0.0
    assert nearest_pair(pictures[:33], chunk) == pytest.approx(min(d for d in by_hand if d), rel=1e-6)


# ---- the pair for points ----


def test_the_pair_has_the_published_sizes():
    """PacGAN's released configuration, by hand: bias-free 2-400-400-400-400 with BatchNorm, then 2; maxout 5 x 200."""
    G, D = PointGenerator(), PointDiscriminator()
    assert sum(p.numel() for p in G.parameters()) == 2 * 400 + 3 * 400 * 400 + 4 * 800 + 400 * 2 + 2
    assert sum(p.numel() for p in D.parameters()) == 2 * 1000 + 1000 + 2 * (200 * 1000 + 1000) + 200 + 1
    weights = torch.cat([p.detach().flatten() for name, p in D.named_parameters() if name.endswith("weight")])
    assert float(weights.std(correction=0)) == pytest.approx(0.02, rel=0.02)
    assert D(G(torch.randn(5, 2))).shape == (5,)
    assert PointDiscriminator(outputs=2)(torch.zeros(5, 2)).shape == (5, 2)


# ---- the bench ----


def bench(capsys, *more: str):
    line = ["bench", "coverage", "--on", "ring-8", "--recipe", "dcgan", "--width", "32", *more, "--json"]
    assert run(line) == 0
    return json.loads(capsys.readouterr().out)


def test_a_short_game_on_the_ring_comes_nearer_the_truth(capsys, tmp_path, monkeypatch):
    """Through the game itself, on modes five times as wide; an untrained generator puts everything between them."""
    monkeypatch.setitem(MIXTURES, "ring-8", ring(8, 1.0, 0.05))
    both = [
        f"optimizer.{who}.{what}" for who in ("generator", "discriminator") for what in ("lr=1e-3", "betas=[0,0.9]")
    ]
    fast = ["--set", *both, "variant.r1_gamma=0.01", "train.precision=fp32"]  # elsewhere bf16 puts a point on a mode
    early, late = (bench(capsys, "--steps", steps, "--out", str(tmp_path), *fast) for steps in ("1", "200"))
    (truth, before), (_, after) = early["rows"], late["rows"]
    assert truth["recipe"] == "the truth"
    assert truth["coverage"]["hit"] == 8
    assert truth["effective_modes"] == pytest.approx(8, rel=0.05)
    assert before["coverage"]["hit"] == 0
    assert before["effective_modes"] is None
    assert after["coverage"]["hit"] >= 6
    assert after["coverage"]["kl"] < 0.6
    assert after["rounds"] == 200
    assert "3 standard deviations" in late["protocols"][0]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ring-8-dcgan-0.png", "ring-8-truth.png"]


def test_equal_seeds_give_equal_rows_and_the_table_shows_the_spread(capsys):
    one, again = (bench(capsys, "--steps", "3", "--samples", "100", "--seeds", "2") for _ in range(2))
    assert one == again
    assert [r["seed"] for r in one["rows"]] == [0, 0, 1]
    short = "--on ring-8 --recipe r3gan --steps 2 --samples 50 --seeds 2 --width 8"
    assert run(["bench", "coverage", *short.split()]) == 0
    said, progress = capsys.readouterr()
    assert progress.count("of 8, good") == 2, "every row as soon as it is known"
    assert "8 of 8" in said
    assert " +- " in said
    assert "PacGAN" in said


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("--on ring-9", "'ring-8'"),
        ("--recipe dcgam", "'dcgan'"),
        ("--steps 0", "--steps 0"),
        ("--seeds 0", "--seeds 0"),
        ("--samples 1", "--samples 1"),
        ("--set train.bach=3", "train.bach"),
    ],
)
def test_bad_input_is_one_sentence(line, part, capsys):
    assert run(["bench", "coverage", *line.split()]) == 2
    said = [row for row in capsys.readouterr().err.splitlines() if row.startswith("leafwing: ")]
    assert len(said) == 1
    assert part in said[0]


# ---- world:faces ----


def test_the_true_faces_have_every_factor_as_the_truth_and_nothing_collapses():
    """Issue 4, item 3: the world's own faces, read at 32 px, are the first row and score as true faces do."""
    store = open_data("world:faces", image_size=32, channels=3, fit="crop", count=600, max_bad_share=0.1)
    found = DrawnFaces(store).truth(600)
    assert found.recipe == "the truth"
    assert found.coverage.modes == 12 * 11
    assert found.coverage.hit > 0.95 * 132 * (1 - (1 - 1 / 132) ** 560)
    assert found.faces is not None
    assert found.faces.broken.value < 0.04
    assert [name for name, fit in found.faces.factors.items() if fit.distance > 1.5 * fit.true_high] == []


def test_one_face_again_and_again_is_one_combination():
    """A collapsed generator: one mode, hair as far from the truth as can be, and the divergence ln 132."""
    store = open_data("world:faces", image_size=32, channels=3, fit="crop", count=600, max_bad_share=0.1)
    face = to_pictures(torch.from_numpy(np.array(store.pictures[:1])), channels_last=False)
    found = row_of("stuck", 0, 5, face.repeat(200, 1, 1, 1))
    assert (found.coverage.hit, found.coverage.kl) == (1, pytest.approx(math.log(132)))
    assert found.effective_modes == pytest.approx(1)
    assert found.faces is not None
    assert found.faces.factors["hair_colour"].distance == pytest.approx(11 / 12)
    assert found.faces.factors["hair_colour"].differs


def test_a_recipe_that_is_asked_for_hair_plays_on_the_faces(capsys, tmp_path):
    """JSON with every factor, a sheet of samples, and the protocol beside the table."""
    line = ["bench", "coverage", "--on", "world:faces", "--recipe", "cgan", "--steps", "2", "--samples", "60"]
    line += ["--out", str(tmp_path), "--set", "data.count=128", "generator.width=8", "discriminator.width=8"]
    assert run([*line, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    truth, played = found["rows"]
    assert (truth["recipe"], played["recipe"], played["rounds"]) == ("the truth", "cgan", 2)
    assert set(played["faces"]["factors"]) == set(truth["faces"]["factors"]) >= {"hair_colour", "left_eye", "turn"}
    assert played["faces"]["broken"]["value"] > truth["faces"]["broken"]["value"]
    assert "132 combinations of hair and eye colour" in found["protocols"][0]
    assert (tmp_path / "faces-cgan-0.png").exists()
    assert run(line) == 0
    table = capsys.readouterr().out
    assert "cgan, seed 0: " in table
    assert "hair_colour 0." in table
