"""Every shipped prior: its draws follow its formula, the formula is a density, bad settings are refused."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from leafwing.core.errors import BadConfig, BadNetwork
from leafwing.latents import (
    Binary,
    Categorical,
    Codes,
    Normal,
    Prior,
    Spherical,
    TruncatedNormal,
    Uniform,
    check_prior,
    truncated,
)

torch.set_num_threads(1)

PRIORS = [
    Normal(5),
    Uniform(5),
    Uniform(5, -math.sqrt(3), math.sqrt(3)),
    Binary(5),
    Binary(5, 0.2),
    Categorical(5),
    Categorical(5, dealt=True),
    TruncatedNormal(5),
    TruncatedNormal(5, 0.01),
    TruncatedNormal(5, 30.0),
    Spherical(5),
    Spherical(5, 3.0),
    Codes(5, (3,), 1),
    Codes(5, (3, 2), 0),
    Codes(5, (), 2),
]


def by_name(value: object) -> str:
    """The same id in every worker: an address in it would differ."""
    return getattr(value, "__name__", repr(value))


def draws(prior: Prior, n: int, seed: int = 0) -> Tensor:
    return prior.sample(n, np.random.default_rng(seed))


def normal_cdf(x: Tensor) -> Tensor:
    return torch.special.ndtr(x)


def truncated_cdf(x: Tensor, threshold: float) -> Tensor:
    low, high = normal_cdf(torch.tensor([-threshold, threshold], dtype=torch.float64))
    return (normal_cdf(x) - low) / (high - low)


# 1-D priors with a density, the distribution function that belongs to it, and where it lives.
CONTINUOUS = [
    (Normal(1), normal_cdf, (-12, 12)),
    (Uniform(1), lambda x: (x + 1) / 2, (-2, 2)),
    (Codes(1, (), 1), lambda x: (x + 1) / 2, (-2, 2)),
    (Uniform(1, 3.0, 10.0), lambda x: (x - 3) / 7, (0, 12)),
    (TruncatedNormal(1), lambda x: truncated_cdf(x, 2.0), (-4, 4)),
    (TruncatedNormal(1, 0.1), lambda x: truncated_cdf(x, 0.1), (-0.2, 0.2)),
    (TruncatedNormal(1, 30.0), normal_cdf, (-12, 12)),
]


@pytest.mark.parametrize(("prior", "cdf", "support"), CONTINUOUS, ids=by_name)
def test_r7_draws_follow_the_density(prior, cdf, support):
    """R7, by Kolmogorov-Smirnov: below 1.95 / sqrt(n) in 999 of 1000 honest samples."""
    n = 20_000
    x = draws(prior, n)[:, 0].double().sort().values
    steps = torch.arange(n, dtype=torch.float64) / n
    distance = torch.maximum((cdf(x) - steps).abs(), (cdf(x) - steps - 1 / n).abs()).max()
    assert distance < 1.95 / math.sqrt(n)


@pytest.mark.parametrize(("prior", "cdf", "support"), CONTINUOUS, ids=by_name)
def test_r7_density_integrates_to_its_distribution_function(prior, cdf, support):
    """R7: the integral of exp(log_prob) up to x is the CDF; over everything it is 1."""
    x = torch.linspace(*support, 200_001, dtype=torch.float64)
    area = torch.cumulative_trapezoid(prior.log_prob(x[:, None]).exp(), x)
    assert area[-1].item() == pytest.approx(1, abs=1e-4)
    assert (area - cdf(x[1:]).clamp(0, 1)).abs().max() < 1e-4


@pytest.mark.parametrize("prior", PRIORS, ids=by_name)
def test_r7_every_draw_is_possible_and_typed(prior):
    """R7: float32 [n, dim], and no draw outside the support, rounded ends included."""
    z = draws(prior, 5_000)
    assert z.dtype == torch.float32
    assert z.shape == (5_000, 5)
    density = prior.log_prob(z)
    assert density.dtype == torch.float64
    assert density.shape == (5_000,)
    assert density.isfinite().all()
    assert draws(prior, 0).shape == (0, 5)
    assert isinstance(check_prior(prior), Prior)


@pytest.mark.parametrize("prior", PRIORS, ids=by_name)
def test_r6_fresh_z_each_time_and_the_same_for_the_same_seed(prior):
    """R6: z is not fixed; equal seeds give equal bytes."""
    rng = np.random.default_rng(1)
    first, second = prior.sample(20, rng), prior.sample(20, rng)
    assert not torch.equal(first, second)
    assert torch.equal(first, draws(prior, 20, seed=1))


@pytest.mark.parametrize(
    "prior", [p for p in PRIORS if not isinstance(p, Categorical | Spherical | Codes)], ids=by_name
)
def test_r7_coordinates_are_independent(prior):
    z = draws(prior, 20_000).double()
    correlations = torch.corrcoef(z.T) - torch.eye(5)
    assert correlations.abs().max() < 4 / math.sqrt(20_000)
    joint, each = (
        prior.log_prob(z[:50]),
        [type(prior)(1, *settings(prior)).log_prob(z[:50, i : i + 1]) for i in range(5)],
    )
    assert torch.allclose(joint, sum(each))


def settings(prior: object) -> list[float]:
    return [value for name, value in vars(prior).items() if name != "dim"]


def test_r8_normal_is_the_default_and_has_the_normal_moments():
    """R8."""
    assert Normal() == Normal(100)
    z = draws(Normal(50), 4_000).double()
    assert z.mean().item() == pytest.approx(0, abs=0.01)
    assert z.var().item() == pytest.approx(1, abs=0.02)
    assert (z**4).mean().item() == pytest.approx(3, abs=0.1)
    at_zero = Normal(2).log_prob(torch.zeros(1, 2))
    assert at_zero.item() == pytest.approx(-math.log(2 * math.pi), rel=1e-15)


def test_r9_uniform_has_its_range_and_moments():
    """R9; with ends at +-sqrt(3) the variance is 1."""
    z = draws(Uniform(50), 4_000).double()
    assert z.abs().max() <= 1
    assert z.mean().item() == pytest.approx(0, abs=0.01)
    assert z.var().item() == pytest.approx(1 / 3, abs=0.01)
    unit = draws(Uniform(50, -math.sqrt(3), math.sqrt(3)), 4_000).double()
    assert unit.var().item() == pytest.approx(1, abs=0.02)


def test_r10_binary_is_a_fair_coin():
    """R10: values {0, 1}, half each by chi^2 (10.83: 1 in 1000), density 2^-dim."""
    z = draws(Binary(10), 10_000)
    ones, n = z.sum().item(), z.numel()
    assert set(z.unique().tolist()) == {0.0, 1.0}
    assert (ones - n / 2) ** 2 / (n / 4) < 10.83
    assert torch.allclose(Binary(10).log_prob(z), torch.tensor(-10 * math.log(2)).double())


def test_r10_unfair_coin_and_its_density():
    """R10: probabilities of all outcomes sum to 1 and match the counts (chi^2 of 3 degrees: 16.27)."""
    prior = Binary(2, 0.2)
    outcomes = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    expected = prior.log_prob(outcomes).exp()
    assert expected.tolist() == pytest.approx([0.64, 0.16, 0.16, 0.04], rel=1e-12)
    assert chi_square(draws(prior, 20_000), outcomes, expected) < 16.27


def test_dealt_classes_come_once_in_each_pack_and_each_place_takes_all_alike():
    prior = Categorical(8, dealt=True)
    drawn = prior.sample(8 * 500 + 3, np.random.default_rng(0)).argmax(1).numpy()
    packs = drawn[: 8 * 500].reshape(500, 8)
    assert (np.sort(packs, axis=1) == np.arange(8)).all()
    assert len(set(drawn[-3:])) == 3
    for place in range(8):
        counts = np.bincount(packs[:, place], minlength=8)
        assert ((counts - 62.5) ** 2 / 62.5).sum() < 24.3, "chi-squared, 7 degrees of freedom, one in a thousand"


def test_r7_categorical_takes_all_classes_alike():
    """R7: chi^2 of 9 degrees of freedom, 27.88 is exceeded once in 1000."""
    prior = Categorical(10)
    outcomes = torch.eye(10)
    expected = prior.log_prob(outcomes).exp()
    assert expected.tolist() == pytest.approx([0.1] * 10, rel=1e-12)
    assert chi_square(draws(prior, 20_000), outcomes, expected) < 27.88


def test_codes_are_independent_one_hot_vectors_and_then_uniform_numbers():
    """Chen et al. 2016, Sec. 7. All 6 pairs of classes alike: chi^2 of 5 degrees of freedom, 20.52 once in 1000."""
    prior = Codes(9, (3, 2), 1)
    assert (prior.read, prior.blocks) == (6, [slice(0, 3), slice(3, 5)])
    z = draws(prior, 20_000)
    pairs = torch.cat([torch.eye(3).repeat_interleave(2, 0), torch.eye(2).repeat(3, 1)], dim=1)
    assert chi_square(z[:, :5], pairs, torch.full((6,), 1 / 6)) < 20.52
    correlations = torch.corrcoef(z[:, [0, 1, 3, 5, 6, 7, 8]].T.double())  # one column of each class is a rest
    correlations[0, 1] = correlations[1, 0] = 0  # of one and the same code
    assert (correlations - torch.eye(7)).abs().max() < 4 / math.sqrt(20_000)
    rest = z[:, 5:]
    assert rest.abs().max() <= 1
    assert rest.var().item() == pytest.approx(1 / 3, abs=0.01)
    assert prior.log_prob(z)[0].item() == pytest.approx(-math.log(6) - 4 * math.log(2), rel=1e-12)
    assert Codes().read == 12


def chi_square(z: Tensor, outcomes: Tensor, probabilities: Tensor) -> float:
    counts = torch.stack([(z == outcome).all(dim=1).sum() for outcome in outcomes])
    expected = probabilities * len(z)
    return ((counts - expected) ** 2 / expected).sum().item()


def test_r7_sphere_has_one_length_and_all_directions():
    """R7: on the sphere of 3 dimensions each coordinate is uniform (Archimedes): KS as above."""
    n, radius = 20_000, 2.0
    z = draws(Spherical(3, radius), n).double()
    assert (z.norm(dim=1) - radius).abs().max() < 1e-6
    for axis in range(3):
        height = (z[:, axis].sort().values / radius + 1) / 2
        assert (height - torch.arange(n) / n).abs().max() < 1.95 / math.sqrt(n)


def test_r7_sphere_density_times_its_surface_is_one():
    """R7: circle 2 pi r, sphere 4 pi r^2, two points."""
    for dim, area in [(1, 2.0), (2, 2 * math.pi * 1.5), (3, 4 * math.pi * 1.5**2)]:
        prior = Spherical(dim, 1.5)
        density = prior.log_prob(draws(prior, 1)).exp().item()
        assert density * area == pytest.approx(1, rel=1e-12)
    assert draws(Spherical(64), 1).norm().item() == pytest.approx(8, rel=1e-6)  # radius None is sqrt(dim)


@pytest.mark.parametrize(
    ("prior", "outside"),
    [
        (Uniform(2), [[0.0, 1.001], [-1.001, 0.0]]),
        (Binary(2), [[0.5, 1.0], [0.0, 2.0]]),
        (Codes(2, (2,), 0), [[1.0, 1.0], [0.0, 0.0], [0.5, 0.5], [2.0, -1.0]]),
        (Codes(2, (), 1), [[0.0, 1.001], [-1.001, 0.0]]),
        (Categorical(2), [[1.0, 1.0], [0.0, 0.0], [0.5, 0.5], [2.0, -1.0]]),
        (TruncatedNormal(2, 1.0), [[0.0, 1.001], [-1.001, 0.0]]),
        (Spherical(2), [[0.0, 0.0], [1.0, 1.001], [0.9, 0.9]]),
    ],
    ids=by_name,
)
def test_r7_density_is_zero_outside(prior, outside):
    assert (prior.log_prob(torch.tensor(outside)) == -math.inf).all()
    assert (prior.log_prob(torch.full((1, 2), math.nan)) == -math.inf).all()


def test_r7_ends_that_float32_rounds_outwards_are_inside():
    """R7: float32(0.1) is above 0.1, and may be drawn."""
    ends = torch.tensor([[-0.1], [0.1]])
    for prior in (Uniform(1, -0.1, 0.1), TruncatedNormal(1, 0.1)):
        assert prior.log_prob(ends).isfinite().all()


def test_r7_normal_density_stays_exact_far_out():
    assert Normal(1).log_prob(torch.tensor([[40.0]])).item() == pytest.approx(-800.9189385332047, rel=1e-15)


@pytest.mark.parametrize("dim", [1, 50, 100, 512])
def test_r34_any_length(dim):
    """R34: 50, 100, any."""
    for kind in (Normal, Uniform, Binary, Categorical, TruncatedNormal, Spherical):
        assert draws(kind(dim), 2).shape == (2, dim)
    assert draws(Codes(dim, (), 1), 2).shape == (2, dim)


@pytest.mark.parametrize(
    ("kind", "arguments", "word"),
    [
        *[(kind, {"dim": 0}, "dim") for kind in (Normal, Uniform, Binary, Categorical, TruncatedNormal, Spherical)],
        (Uniform, {"low": 1.0, "high": 1.0}, "low"),
        (Uniform, {"high": math.inf}, "finite"),
        (Uniform, {"low": math.nan}, "low"),
        (Binary, {"p": 0.0}, "p must"),
        (Binary, {"p": 1.0}, "p must"),
        (TruncatedNormal, {"threshold": 0.0}, "threshold"),
        (TruncatedNormal, {"threshold": math.nan}, "threshold"),
        (Spherical, {"radius": -1.0}, "radius"),
        (Codes, {"dim": 0}, "dim must be at least 1"),
        (Codes, {"dim": 11}, "dim must be at least 12, the length of the codes; got 11"),
        (Codes, {"classes": (10, 1)}, "at least 2"),
        (Codes, {"numbers": -1}, "numbers"),
        (Codes, {"classes": (), "numbers": 0}, "there must be a code"),
    ],
)
def test_impossible_settings_are_refused(kind, arguments, word):
    with pytest.raises(ValueError, match=word):
        kind(**arguments)


def test_wrong_length_is_refused_by_the_density():
    for prior in PRIORS:
        with pytest.raises(ValueError, match=r"\[n, 5\]"):
            prior.log_prob(torch.zeros(3, 4))


def test_truncation_makes_the_normal_narrower():
    """BigGAN's trick: a smaller threshold holds, a larger one changes nothing."""
    assert truncated(Normal(7), 0.5) == TruncatedNormal(7, 0.5)
    assert truncated(TruncatedNormal(7, 2.0), 0.5) == TruncatedNormal(7, 0.5)
    assert truncated(TruncatedNormal(7, 0.5), 2.0) == TruncatedNormal(7, 0.5)
    assert draws(truncated(Normal(7), 0.5), 1_000).abs().max() <= 0.5


def test_truncation_is_refused_for_other_priors():
    with pytest.raises(BadConfig, match="normal priors only, not Uniform"):
        truncated(Uniform(7), 0.5)
    with pytest.raises(BadConfig, match="above 0"):
        truncated(Normal(7), 0.0)


class Triangle:
    """A user's prior: the sum of two uniforms. Nothing inherited, nothing registered."""

    def __init__(self, dim: int = 3) -> None:
        self.dim = dim

    def sample(self, n, rng):
        return torch.from_numpy(rng.uniform(-0.5, 0.5, (2, n, self.dim)).sum(0).astype(np.float32))

    def log_prob(self, z):
        return (1 - z.double().abs()).clamp(min=0).log().sum(1)


def test_r7_users_bring_their_own_prior():
    """R7."""
    prior = Triangle()
    assert isinstance(prior, Prior)
    assert check_prior(prior) is prior


class Broken(Triangle):
    def __init__(self, **parts):
        super().__init__()
        vars(self).update(parts)


@pytest.mark.parametrize(
    ("prior", "sentence"),
    [
        (object(), "has no dim"),
        (type("Dim", (), {"dim": 3})(), "has no sample"),
        (type("Half", (), {"dim": 3, "sample": Triangle.sample})(), "has no log_prob"),
        (Broken(dim=2.5), "dim=2.5"),
        (
            Broken(sample=lambda n, rng: torch.zeros(n, 4)),
            r"float32 of shape \[2, 3\]; got float32 of shape \[2, 4\]",
        ),
        (Broken(sample=lambda n, rng: torch.zeros(n, 3).double()), "got float64"),
        (Broken(sample=lambda n, rng: np.zeros((n, 3))), "got ndarray"),
        (Broken(sample=lambda n, rng: torch.rand(n, 3)), "two different z"),
        (Broken(log_prob=lambda z: z), r"log_prob \[2\] for 2 draws; got float32 of shape \[2, 3\]"),
        (Broken(log_prob=lambda z: 0.0), "got float"),
        (Broken(log_prob=lambda z: torch.full((2,), -math.inf)), "not finite"),
    ],
)
def test_a_bad_prior_is_named_in_one_sentence(prior, sentence):
    with pytest.raises(BadNetwork, match=sentence):
        check_prior(prior)
