"""Measures against closed forms, and to the digit against the reference implementations where these are installed."""

from __future__ import annotations

import math
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from references import reference

from leafwing.core.errors import BadData
from leafwing.measure import bootstrap, diversity, frechet, kernel, manifold, sliced, statistics
from leafwing.measure.accuracy import accuracy, discriminant, recognised
from leafwing.measure.inception_score import score


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def features(n: int, d: int = 12, seed: int = 0, shift: float = 0.0) -> torch.Tensor:
    """Skewed and correlated, as a network's are after ReLU."""
    made = rng(seed)
    x = np.maximum(made.standard_normal((n, d)) @ made.standard_normal((d, d)) + shift, 0)
    return torch.from_numpy(x)


# ---------------------------------------------------------------------------------------------- statistics


def test_moments_of_parts_are_those_of_the_whole():
    x = features(1000, 7) + 1e4  # far from 0, where a sum of squares would lose its digits
    parts = statistics.stream([x[:1], x[1:400], x[400:400], x[400:]])
    assert parts.n == 1000
    np.testing.assert_allclose(parts.mean, x.mean(0), rtol=1e-14)
    np.testing.assert_allclose(parts.covariance, np.cov(x.numpy(), rowvar=False), rtol=1e-9, atol=1e-11)


def test_weighted_moments_are_those_of_repeated_rows():
    x, times = features(60, 5), torch.tensor([0, 2, 1] * 20)
    weighted, repeated = statistics.of(x, times), statistics.of(x.repeat_interleave(times, 0))
    assert weighted.n == repeated.n == 60
    torch.testing.assert_close(weighted.scatter, repeated.scatter, rtol=1e-12, atol=1e-12)


# ------------------------------------------------------------------------------------------------- Fréchet


def test_frechet_of_two_gaussians_with_commuting_covariances():
    """|m1 - m2|² + sum (s1 - s2)², in any rotated frame."""
    d = 20
    made = rng(1)
    turn, _ = np.linalg.qr(made.standard_normal((d, d)))
    s1, s2, m1, m2 = (made.uniform(0.1, 3, d) for _ in range(4))
    c1, c2 = (torch.from_numpy(turn @ np.diag(s**2) @ turn.T) for s in (s1, s2))
    truth = ((m1 - m2) ** 2).sum() + ((s1 - s2) ** 2).sum()
    assert frechet.between_gaussians(torch.from_numpy(m1), c1, torch.from_numpy(m2), c2) == pytest.approx(
        truth, rel=1e-12
    )


@pytest.mark.parametrize("n", [6, 30])
def test_frechet_stays_exact_when_covariances_are_singular(n):
    """Fewer pictures than features: the root's trace is the sum of singular values of the centred cross products."""
    x, y = features(n, 40, 1), features(n, 40, 2)
    a, b = (z - z.mean(0) for z in (x, y))
    overlap = np.linalg.svd((a @ b.T).numpy(), compute_uv=False).sum() / (n - 1)
    apart = float((x.mean(0) - y.mean(0)).square().sum())
    truth = apart + float(a.square().sum() + b.square().sum()) / (n - 1) - 2 * overlap
    assert frechet.between(statistics.of(x), statistics.of(y)) == pytest.approx(truth, rel=1e-9)
    assert frechet.between(statistics.of(x), statistics.of(x)) == pytest.approx(0, abs=1e-9)


def test_frechet_agrees_with_scipy_torch_fidelity_and_torchmetrics():
    x, y = features(3000, 24, 1), features(2500, 24, 2, shift=0.3)
    ours = frechet.distance(x, y, rng(), resamples=0).value
    linalg = pytest.importorskip("scipy.linalg")
    c1, c2 = (np.cov(z.numpy(), rowvar=False) for z in (x, y))
    m = (x.mean(0) - y.mean(0)).numpy()
    assert ours == pytest.approx(m @ m + np.trace(c1 + c2 - 2 * linalg.sqrtm(c1 @ c2).real), rel=1e-9)
    fidelity = reference("torch_fidelity.metric_fid")
    theirs = [{"mu": z.mean(0).numpy(), "sigma": c} for z, c in ((x, c1), (y, c2))]
    said = fidelity.fid_statistics_to_metric(*theirs, verbose=False)["frechet_inception_distance"]
    assert ours == pytest.approx(said, rel=1e-6)
    image_fid = reference("torchmetrics.image.fid")
    args = [torch.from_numpy(a) for a in (x.mean(0).numpy(), c1, y.mean(0).numpy(), c2)]
    assert ours == pytest.approx(float(image_fid._compute_fid(*args)), rel=1e-6)


def test_frechet_agrees_with_clean_fid():
    fid = reference("cleanfid.fid")
    x, y = features(2000, 16, 1), features(2000, 16, 2)
    gaussians = [part for z in (x.numpy(), y.numpy()) for part in (z.mean(0), np.cov(z, rowvar=False))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        said = fid.frechet_distance(*gaussians)
    assert frechet.distance(x, y, rng(), 0).value == pytest.approx(said, rel=1e-6)


def test_the_bootstrap_tells_how_much_the_distance_moves_between_fresh_sets():
    def pair(seed):
        made = rng(seed)
        return (torch.from_numpy(made.standard_normal((400, 4)) + shift) for shift in (0.0, 0.5))

    values = [frechet.distance(*pair(seed), rng(), 0).value for seed in range(200)]
    spreads = [frechet.distance(*pair(seed), rng(seed), 40).spread for seed in range(5)]
    assert np.mean(spreads) == pytest.approx(np.std(values), rel=0.25)


def test_extrapolation_removes_the_bias_of_few_pictures():
    """Equal distributions: 0 with infinitely many; with 600 of 32 features the plain distance is far above."""
    plain, ends = [], []
    for seed in range(8):
        made = rng(seed)
        x, y = (torch.from_numpy(made.standard_normal((600, 32))) for _ in range(2))
        plain.append(frechet.distance(x, y, rng(), 0).value)
        ends.append(frechet.extrapolated(x, y, made))
    assert min(plain) > 0.7
    assert abs(np.mean([end.value for end in ends])) < 0.15 * np.mean(plain)
    assert np.mean([end.spread for end in ends]) == pytest.approx(np.std([end.value for end in ends]), rel=0.6)


def test_the_line_is_the_weighted_least_squares_line():
    x, y, w = np.array([1.0, 2.0, 3.0, 4.0]), np.array([3.1, 4.9, 7.2, 8.8]), np.array([4.0, 2.0, 1.0, 1.0])
    design = np.stack([np.ones(4), x], 1) * np.sqrt(w)[:, None]
    solution, residual, *_ = np.linalg.lstsq(design, y * np.sqrt(w), rcond=None)
    error = math.sqrt(residual[0] / 2 * np.linalg.inv(design.T @ design)[0, 0])
    end = frechet._end_of_line(x, y, w)
    assert (end.value, end.spread) == (pytest.approx(solution[0]), pytest.approx(error))


def test_nine_pictures_are_refused_and_few_are_warned_of():
    with pytest.raises(BadData, match="at least 50 pictures on each side, and there are 9"):
        frechet.distance(features(9), features(100), rng())
    assert "singular" in frechet.too_few(512, 512)
    assert "10,240" in frechet.too_few(10_000, 2048)
    assert not frechet.too_few(10_240, 2048)


def test_features_with_nan_are_refused():
    x = features(100)
    x[3, 2] = math.nan
    with pytest.raises(BadData, match="not finite"):
        frechet.distance(x, features(100), rng(), 0)


# -------------------------------------------------------------------------------------------------- kernel


def test_kernel_distance_by_hand():
    """x in {1, -1}, y in {2, 0}, d = 1: k(1,-1) = 0, k(2,0) = 1; k(x,y) = 27, 1, -1, 1, mean 7."""
    x, y = torch.tensor([[1.0], [-1.0]]), torch.tensor([[2.0], [0.0]])
    assert kernel.mmd2(x, y) == pytest.approx(0 + 1 - 2 * 7)


def test_kernel_distance_of_equal_distributions_is_zero_on_average():
    """Without bias at any n: 400 sets of 20, within four standard errors of 0; the biased form is far off."""
    made = rng(5)
    values = [kernel.mmd2(*(torch.from_numpy(made.standard_normal((20, 3))) for _ in range(2))) for _ in range(400)]
    assert abs(np.mean(values)) < 4 * np.std(values) / 20
    assert np.std(values) / 20 < 0.1


def test_kernel_distance_agrees_with_torch_fidelity_and_torchmetrics():
    fidelity = reference("torch_fidelity.metric_kid")
    x, y = features(300, 16, 1), features(260, 16, 2)
    ours = kernel.distance(x, y, np.random.RandomState(2020), subsets=7, size=100)
    said = fidelity.kid_features_to_metric(x, y, kid_subsets=7, kid_subset_size=100, rng_seed=2020, verbose=False)
    assert ours.value == pytest.approx(said["kernel_inception_distance_mean"], rel=1e-6)
    assert ours.spread == pytest.approx(said["kernel_inception_distance_std"], rel=1e-6)
    image_kid = reference("torchmetrics.image.kid")
    assert kernel.mmd2(x[:200], y[:200]) == pytest.approx(float(image_kid.poly_mmd(x[:200], y[:200])), rel=1e-6)


# ------------------------------------------------------------------------------------------------ manifold


def test_a_set_against_itself_is_precise_complete_and_dense_as_it_should_be():
    x = features(300)
    found = manifold.measure(x, x, k=5, size=64)
    assert [found.precision.value, found.recall.value, found.coverage.value] == [1, 1, 1]
    assert found.density.value == pytest.approx(1)  # each ball holds its centre and k - 1 points strictly inside


def test_one_good_picture_over_and_over_is_precise_and_not_diverse():
    data = features(300)
    found = manifold.measure(data, data[:1].repeat(200, 1))
    assert found.precision.value == 1
    assert found.recall.value == 0
    assert found.coverage.value < 0.1


def test_far_away_samples_have_nothing():
    found = manifold.measure(features(100), features(100, seed=1) + 1e3)
    values = [getattr(found, n).value for n in ("precision", "recall", "density", "coverage")]
    assert values == [0, 0, 0, 0]


@pytest.mark.parametrize("k", [3, 5])
def test_manifold_agrees_with_prdc_whatever_the_blocks(k):
    prdc = reference("prdc")
    data, samples = features(400, 16, 1).numpy(), features(333, 16, 2, 0.2).numpy()
    said = prdc.compute_prdc(data, samples, nearest_k=k)
    for size in (50, 2048):
        found = manifold.measure(data, samples, k, size=size)
        for name in ("precision", "recall", "density", "coverage"):
            assert getattr(found, name).value == pytest.approx(said[name], rel=1e-6), name


def test_manifold_agrees_with_a_plain_reading_of_the_papers():
    data, samples, k = features(90, 6, 1).numpy(), features(70, 6, 2).numpy(), 3

    def apart(a, b):
        return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))

    ball, ball_s = (np.sort(apart(z, z), 1)[:, k] for z in (data, samples))
    inside = apart(data, samples) < ball[:, None]
    found = manifold.measure(data, samples, k, size=32)
    assert found.precision.value == pytest.approx(inside.any(0).mean())
    assert found.recall.value == pytest.approx((apart(data, samples) < ball_s[None]).any(1).mean())
    assert found.density.value == pytest.approx(inside.sum() / (k * len(samples)))
    assert found.coverage.value == pytest.approx(inside.any(1).mean())


# ------------------------------------------------------------------------------------------------- the rest


def test_sliced_distance_of_a_shifted_set_is_the_mean_shift_along_the_directions():
    x = features(500, 5)
    shift = torch.tensor([3.0, 0.0, 4.0, 0.0, 0.0], dtype=torch.float64)
    ours = sliced.distance(x, x + shift, rng(7), k=2000, resamples=0).value
    u = sliced.directions(5, 2000, rng(7))
    assert ours == pytest.approx(float((shift @ u).abs().mean()), rel=1e-12)
    mean_cosine = math.gamma(2.5) / (math.sqrt(math.pi) * math.gamma(3))  # E |u_1| on the sphere in five dimensions
    assert ours == pytest.approx(5 * mean_cosine, rel=0.05)


@pytest.mark.parametrize(("n", "m"), [(50, 50), (50, 30), (7, 200), (1, 9)])
def test_one_dimensional_wasserstein_agrees_with_scipy(n, m):
    stats = pytest.importorskip("scipy.stats")
    x, y = rng(1).standard_normal(n), rng(2).standard_normal(m) ** 2
    ours = sliced.wasserstein(torch.from_numpy(x)[:, None], torch.from_numpy(y)[:, None])
    assert float(ours) == pytest.approx(stats.wasserstein_distance(x, y), rel=1e-12)


def test_one_dimensional_wasserstein_of_unequal_sets_by_repetition():
    """Each value of 6 repeated twice and of 4 three times are two sets of 12, whose sorted values are paired."""
    x, y = rng(1).standard_normal((6, 3)), rng(2).standard_normal((4, 3)) ** 2
    paired = np.abs(np.sort(np.repeat(x, 2, 0), 0) - np.sort(np.repeat(y, 3, 0), 0)).mean(0)
    np.testing.assert_allclose(sliced.wasserstein(torch.from_numpy(x), torch.from_numpy(y)), paired, rtol=1e-12)


def test_inception_score_of_sure_and_evenly_spread_answers_is_the_number_of_classes():
    sure = 200.0 * torch.eye(7).repeat(30, 1)
    assert score(sure, splits=1).value == pytest.approx(7)
    assert score(torch.zeros(100, 7)).value == pytest.approx(1)
    assert score(200.0 * torch.eye(7)[:1].repeat(40, 1)).value == pytest.approx(1)


def test_inception_score_agrees_with_torch_fidelity():
    fidelity = reference("torch_fidelity.metric_isc")
    logits = 3 * features(500, 20, 4)
    said = fidelity.isc_features_to_metric(logits, splits=10, shuffle=False)
    ours = score(logits)
    assert ours.value == pytest.approx(said["inception_score_mean"], rel=1e-6)
    assert ours.spread == pytest.approx(said["inception_score_std"], rel=1e-6)
    assert score(logits, rng=rng()).value == pytest.approx(ours.value, rel=0.2)


def test_diversity_of_one_picture_is_zero_and_of_unrelated_ones_the_root_of_two():
    assert diversity.mean_distance(features(1).repeat(40, 1), rng()).value == pytest.approx(0, abs=1e-12)
    unrelated = torch.from_numpy(rng().standard_normal((400, 3000)))
    assert diversity.mean_distance(unrelated, rng()).value == pytest.approx(math.sqrt(2), rel=0.01)


def test_no_picture_is_in_two_pairs():
    first, second = diversity.pairs(11, rng())
    assert len(np.unique(np.concatenate([first, second]))) == 10


def test_accuracy_counts_and_says_how_sure_it_is():
    logits = torch.eye(3)[torch.tensor([0, 1, 2, 0] * 25)]
    measured = accuracy(logits, torch.tensor([0, 1, 2, 1] * 25))
    assert measured.value == 0.75
    assert measured.spread == pytest.approx(math.sqrt(0.75 * 0.25 / 100))
    with pytest.raises(BadData):
        accuracy(logits, torch.zeros(3))


def test_the_spread_of_a_mean_is_what_many_resamples_show():
    x = features(300, 1)[:, 0]
    drawn = bootstrap.spread(lambda i: float(x[torch.from_numpy(i)].mean()), 300, 3000, rng())
    assert bootstrap.mean(x).spread == pytest.approx(drawn, rel=0.05)
    assert all(times.sum() == 30 for times in bootstrap.resampled(30, 3, rng()))


LARGE = """
import resource
import numpy as np
from leafwing.measure import diversity, frechet, kernel, manifold, sliced

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # MB

made = np.random.default_rng(0)
x, y = (made.standard_normal((50_000, 16), dtype=np.float32) + shift for shift in (0, 0.1))
manifold.measure(x[:3000], y[:3000])
before = peak()
found = [frechet.distance(x, y, made, 2).value, kernel.distance(x, y, made, 5).value, sliced.distance(x, y, made).value,
         diversity.mean_distance(x, made).value, manifold.measure(x, y).precision.value]
assert np.isfinite(found).all()
print(peak() - before)
"""


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_fifty_thousand_against_fifty_thousand_in_bounded_memory():
    """All their distances at once would be 20 GB."""
    done = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 400  # MB


def test_fishers_discriminant_is_bayes_rule_for_gaussians_of_one_covariance():
    """Hastie et al. 2009, Sec. 4.3: log p1/p0 = log pi1/pi0 - (m1+m0)S(m1-m0)/2 + x S(m1-m0), S the precision."""
    rng = torch.Generator().manual_seed(0)
    root = torch.tensor([[2.0, 0.0], [1.0, 0.5]], dtype=torch.float64)
    means = torch.tensor([[0.0, 0.0], [3.0, -1.0]], dtype=torch.float64)
    classes = (torch.rand(200_000, generator=rng) < 0.25).long()
    x = means[classes] + torch.randn(200_000, 2, generator=rng, dtype=torch.float64) @ root.T
    found = discriminant(x, classes, 3, ridge=0)(x[:50])
    precision, apart = torch.linalg.inv(root @ root.T), means[1] - means[0]
    true = np.log(0.25 / 0.75) - (means.sum(0) @ precision @ apart) / 2 + x[:50] @ precision @ apart
    assert (found[:, 1] - found[:, 0]).numpy() == pytest.approx(true.numpy(), abs=0.2, rel=0.03)
    assert (found[:, 2] == -torch.inf).all(), "a class without pictures is never chosen"


def test_what_was_asked_is_recognised_and_the_mark_is_held_out():
    rng = torch.Generator().manual_seed(0)
    of_data = torch.arange(4).repeat(100).float()
    data = torch.nn.functional.one_hot(of_data.long()).float() * 9 + torch.randn(400, 4, generator=rng)
    of_data[:8] = torch.nan
    asked = torch.tensor([0.0, 1.0, 2.0, torch.nan])
    samples = torch.eye(4)[[0, 1, 3, 3]] * 9
    order = torch.randperm(400, generator=rng)
    own, mark = recognised(data[order], of_data[order], samples, asked, 4)
    assert own.value == pytest.approx(2 / 3)
    assert mark.value == 1
    _, chance = recognised(torch.randn(400, 300, generator=rng), of_data, samples.repeat(1, 75), asked, 4)
    assert chance.value < 0.5, "what the classifier learnt by heart is no mark"
    with pytest.raises(BadData, match="two classes"):
        recognised(data, torch.zeros(400), samples, asked, 4)
