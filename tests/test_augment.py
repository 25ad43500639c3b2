"""What D looks through (issue 5, items 2 and 5): exact where nothing is drawn, invertible in distribution, led by D as
in the paper, differentiable as often as penalties want, saved and resumed, a switch on every recipe.
"""

from __future__ import annotations

import math

import pytest
import torch
from conftest import SmallD, small_players, small_reals
from test_run import pictures  # noqa: F401
from test_trust_resume import play, small
from torch import nn

from leafwing import api
from leafwing.augment import colour, geometry, moved
from leafwing.augment.ada import ADA
from leafwing.augment.colour import hue_turned, luma_flipped, painted, saturated, stronger
from leafwing.augment.diffaugment import DiffAugment, tinted
from leafwing.core import randomness
from leafwing.core.errors import BadConfig, BadNetwork
from leafwing.game import Batch, Looking, play_round
from leafwing.losses import penalties
from leafwing.recipe import load_recipe, shipped
from leafwing.training import Training, one_round
from leafwing.variants.gan import GAN
from leafwing.variants.r3gan import R3GAN
from leafwing.variants.wgan_gp import WGANGP

EVERYTHING = ("blit", "geometry", "colour", "noise", "cutout")


def some_pictures(n: int = 6, channels: int = 3, h: int = 12, w: int = 12) -> torch.Tensor:
    return torch.rand(n, channels, h, w) * 2 - 1


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("sides", [(12, 12), (7, 10), (1, 1)])
def test_at_p_0_nothing_changes_bit_for_bit_and_at_1_everything_does(channels, sides):
    x = some_pictures(64, channels, *sides)
    for at in (lambda p: ADA(EVERYTHING, p=p), lambda p: DiffAugment(p=p)):
        assert torch.equal(at(0.0)(x), x)
        changed = at(1.0)(x)
        assert changed.shape == x.shape
        assert changed.isfinite().all()
        assert (changed != x).flatten(1).any(1).float().mean() > 0.95


def test_about_p_of_the_pictures_are_changed_each_by_itself():
    x = some_pictures(1).expand(4000, -1, -1, -1)
    untouched = {
        "geometry": 0.7**4,  # scale, stretch, move, and two turns that count as one
        "colour": 0.7**4 * 0.85,  # a flip that was drawn may be none: half of them are
        "noise": 0.7,
        "cutout": 0.7,
    }
    for kind, share in untouched.items():
        found = (ADA((kind,), p=0.3)(x) != x).flatten(1).any(1).float().mean()
        assert float(found) == pytest.approx(1 - share, abs=0.03), kind


# ---- DiffAugment ----


def test_translation_moves_by_at_most_an_eighth_and_grey_comes_in():
    dot = torch.zeros(2000, 1, 16, 16)
    dot[:, :, 8, 8] = 1.0
    places = DiffAugment(("translation",))(dot).flatten(1).argmax(1)
    rows, columns = places // 16 - 8, places % 16 - 8
    for offset in (rows, columns):
        assert {int(o) for o in offset} == {-2, -1, 0, 1, 2}
        assert offset.float().mean().abs() < 0.12
    assert (rows - columns).float().var() == pytest.approx(4.0, rel=0.2), "both ways by themselves: 2 + 2"
    white = DiffAugment(("translation",))(torch.ones(200, 3, 16, 16))
    assert {0.0, 1.0} == {float(value) for value in white.unique()}


def test_cutout_is_a_box_of_half_the_side_anywhere():
    cut = DiffAugment(("cutout",))(torch.ones(3000, 3, 16, 16))
    gone = (cut == 0).float().mean(1)
    assert float(gone.sum((1, 2)).max()) == 64
    assert gone.sum((1, 2)).min() <= 16, "at a corner only part of it is inside"
    assert (gone.mean(0) > 0.05).all(), "every pixel is sometimes gone"
    assert (cut == cut[:, :1]).all(), "in all channels alike"


def test_colours_of_diffaugment_in_closed_form(monkeypatch):
    """With every draw at its upper end: +0.5, saturation doubled, contrast half again, in this order."""
    monkeypatch.setattr(torch, "rand", lambda *shape, **options: torch.ones(*shape, **options))
    x = some_pictures(2).double()
    brighter = x + 0.5
    grey = brighter.mean(1, keepdim=True)
    richer = 2 * brighter - grey
    mean = richer.flatten(1).mean(1)[:, None, None, None]
    torch.testing.assert_close(tinted(x), 1.5 * richer - 0.5 * mean)
    alpha = torch.cat([x, x[:, :1]], 1)
    assert torch.equal(tinted(alpha)[:, 3:], x[:, :1])


# ---- ADA's changes ----


def test_moves_by_whole_pixels_are_exact():
    x = some_pictures(3, 2, 5, 7)
    still, down, right = torch.tensor([0, 0, 0]), torch.tensor([2, -1, 9]), torch.tensor([0, 3, -20])
    assert torch.equal(moved(x, still, still, reflect=True), x)
    out = moved(x, down, torch.zeros(3), reflect=False)
    assert torch.equal(out[0, :, 2:], x[0, :, :-2])
    assert (out[0, :, :2] == 0).all()
    assert (out[2] == 0).all(), "moved out of the picture"
    mirrored = nn.functional.pad(x, (3, 3, 3, 3), mode="reflect")
    assert torch.equal(moved(x, down, right, reflect=True)[1], mirrored[1, :, 4:9, 0:7])


def test_the_filter_is_orthogonal_and_gives_back_what_it_doubled():
    taps = torch.tensor(geometry.SYM6, dtype=torch.float64)
    for shift in range(0, 12, 2):
        overlap = float((taps[shift:] * taps[: 12 - shift]).sum())
        assert overlap == pytest.approx(float(shift == 0), abs=1e-10)
    for side in (1, 2, 9, 32):
        there_and_back = geometry.halving(side) @ geometry.doubling(side)
        torch.testing.assert_close(there_and_back, torch.eye(side, dtype=torch.float64), atol=1e-9, rtol=0)
        ones = geometry.doubling(side).sum(1)
        torch.testing.assert_close(ones, torch.ones_like(ones), atol=1e-9, rtol=0)


def smooth(side: int = 32, channels: int = 3) -> torch.Tensor:
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, side, dtype=torch.float64)] * 2, indexing="ij")
    waves = [torch.exp(-((x - 0.2 * c) ** 2 + (y + 0.1) ** 2) / 0.3) for c in range(channels)]
    return torch.stack(waves)[None]


@pytest.mark.parametrize(
    ("map_of_plane", "expected"),
    [
        (geometry.moving(torch.tensor([-3.0]), torch.tensor([2.0])), lambda x: x.roll((-2, 3), (2, 3))),
        (geometry.turning(torch.tensor([math.pi / 2])), lambda x: x.rot90(1, (2, 3))),
        (geometry.turning(torch.tensor([math.pi])), lambda x: x.flip(2, 3)),
        (geometry.scaling(torch.tensor([-1.0]), torch.tensor([1.0])), lambda x: x.flip(3)),
    ],
    ids=["move", "quarter turn", "half turn", "mirror"],
)
def test_maps_of_the_plane_against_what_is_known_exactly(map_of_plane, expected):
    """``back`` says where each new pixel is taken from; a whole-pixel map must give whole pixels back."""
    x = smooth()
    inner = (..., slice(6, -6), slice(6, -6))
    torch.testing.assert_close(
        geometry.transformed(x, map_of_plane.double())[inner], expected(x)[inner], atol=3e-3, rtol=0
    )


def test_half_a_pixel_is_between_two():
    """Against the function itself, not against another interpolation."""
    side = 32
    x = smooth(side)
    back = geometry.moving(torch.tensor([0.5]), torch.tensor([0.0])).double()
    place = torch.linspace(-1, 1, side, dtype=torch.float64)
    true = torch.exp(-((place + 1 / (side - 1)) ** 2) / 0.3)[None, :] * torch.exp(-((place + 0.1) ** 2) / 0.3)[:, None]
    found = geometry.transformed(x, back)[0, 0]
    torch.testing.assert_close(found[4:-4, 4:-4], true[4:-4, 4:-4], atol=4e-3, rtol=0)


def test_sampling_is_differentiated_twice_and_more():
    """torch's own has no second derivative; ours against finite differences, in float64."""
    x = torch.randn(2, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    back = (
        geometry.turning(torch.tensor([0.3, -2.0])) @ geometry.scaling(torch.tensor([1.2, 0.7]), torch.ones(2))
    ).double()
    assert torch.autograd.gradcheck(lambda x: geometry.transformed(x, back), x)
    assert torch.autograd.gradgradcheck(lambda x: geometry.transformed(x, back).pow(3), x)


def test_changes_of_colour_by_hand():
    x = some_pictures(2).double()
    one = torch.ones(2, dtype=torch.float64)
    torch.testing.assert_close(painted(x, stronger(3 * one)), 3 * x)
    torch.testing.assert_close(
        painted(x, hue_turned(2 * math.pi / 3 * one)), x.roll(1, 1), msg="a third turn: R to G to B"
    )
    torch.testing.assert_close(painted(x, saturated(0 * one)), x.mean(1, keepdim=True).expand(-1, 3, -1, -1))
    grey = x[:, :1].expand(-1, 3, -1, -1)
    torch.testing.assert_close(painted(grey, luma_flipped(one)), -grey)
    torch.testing.assert_close(painted(painted(x, luma_flipped(one)), luma_flipped(one)), x)
    torch.testing.assert_close(painted(x[:, :1], luma_flipped(one)), -x[:, :1])


def orbits(policy: str, p: float, n: int, states: list[torch.Tensor]) -> torch.Tensor:
    """P[state j comes out | state i goes in], found by looking: [k, k]."""
    torch.manual_seed(4)
    table = torch.zeros(len(states), len(states))
    for i, state in enumerate(states):
        out = ADA((policy,), p=p)(state.expand(n, -1, -1, -1))
        for j, other in enumerate(states):
            table[i, j] = (out == other).flatten(1).all(1).float().mean()
    return table


def test_mirror_and_quarter_turns_are_invertible_in_distribution():
    """The eight ways a square can lie: at p = 0.8 each shows all eight, and what went in is computed back.

    A mixture of nothing (1 - p) and an even draw from a group has eigenvalues 1 and 1 - p; here two groups, in turn.
    """
    x = torch.zeros(1, 1, 2, 2)
    x[0, 0] = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    states = [y.rot90(k, (2, 3)) for y in (x, x.flip(3)) for k in range(4)]
    table = orbits("blit", 0.8, 20_000, states)
    torch.testing.assert_close(table.sum(1), torch.ones(8))  # 2x2: an eighth of the side is no whole pixel
    sizes = torch.linalg.svdvals(table)
    assert float(sizes[0]) == pytest.approx(1, abs=0.02)
    assert float(sizes[-1]) == pytest.approx(0.2 * 0.2, abs=0.02), "(1 - p) of both groups, and not 0"
    went_in = torch.tensor([0.4, 0.0, 0.1, 0.0, 0.3, 0.0, 0.0, 0.2])
    torch.testing.assert_close(torch.linalg.solve(table.T, went_in @ table), went_in, atol=1e-3, rtol=0)
    assert float(torch.linalg.svdvals(orbits("blit", 1.0, 20_000, states))[-1]) < 0.02, "at p = 1 it leaks"


@pytest.mark.parametrize("p", [0.3, 0.8])
@pytest.mark.parametrize(
    ("kind", "spread", "waves"),
    [
        ("normal", 0.2, (1.0, 5.0, 30.0)),
        ("log-normal", 0.5 * math.log(2), (1.0, 5.0, 30.0)),
        ("angle", math.pi, (1.0, 2.0, 3.0)),
    ],
)
def test_every_drawn_number_is_invertible_in_distribution(p, kind, spread, waves):
    """Numbers that act as a group (offsets, logarithms, angles add up): the characteristic function is nowhere 0.

    What p mixes is (1 - p) + p phi(w), with phi >= 0 for a normal draw and phi = 0 for an even angle: at least 1 - p.
    """
    augment = ADA(p=p)
    drawn = augment.number(torch.zeros(200_000, 1, 1, 1), kind, spread)
    place = drawn.log() if kind == "log-normal" else drawn
    for wave in waves:
        phi = torch.exp(1j * wave * place).mean()
        known = 0.0 if kind == "angle" else math.exp(-((wave * spread) ** 2) / 2)
        assert float(phi.real) == pytest.approx(1 - p + p * known, abs=0.01)
        assert abs(float(phi.imag)) < 0.01


def test_a_luma_flip_is_invertible_in_distribution():
    """Its eigenvalues are 1 and 1 - p."""
    flips = ADA(("colour",), p=0.8)
    marks = torch.stack([(flips.some(torch.zeros(20_000, 1, 1, 1)) & (torch.rand(20_000, 1, 1, 1) < 0.5)).float()])
    assert float(1 - 2 * marks.mean()) == pytest.approx(1 - 0.8, abs=0.02)


def whole_pixel_moves(p: float, n: int, monkeypatch: pytest.MonkeyPatch) -> tuple[torch.Tensor, torch.Tensor]:
    """How far each of n pictures of 16x16 went down and right, of those that `ADA` did not leave alone."""
    seen: list[torch.Tensor] = []

    def move(x: torch.Tensor, down: torch.Tensor, right: torch.Tensor, reflect: bool) -> torch.Tensor:
        seen.extend((down, right))
        return torch.ones_like(x)

    monkeypatch.setattr("leafwing.augment.ada.moved", move)
    torch.manual_seed(5)
    touched = ADA(("blit",), p=p)(torch.zeros(n, 1, 16, 16))[:, 0, 0, 0]
    return seen[0] * touched, seen[1] * touched


@pytest.mark.parametrize("p", [0.3, 0.8])
def test_whole_pixel_moves_are_invertible_in_distribution(p, monkeypatch):
    """On a ring of 16, moves of 0, +-1 (a quarter each) and +-2 (an eighth): 1 - p + p c (1 + c) / 2, c = cos(w).

    No frequency is wiped out, the lowest of them is 1 - p - p / 8; at p = 1 some would be.
    """
    for offsets in whole_pixel_moves(p, 20_000, monkeypatch):
        for wave in range(1, 9):
            c = math.cos(2 * math.pi * wave / 16)
            kept = float(torch.cos(2 * math.pi * wave * offsets / 16).mean())
            assert kept == pytest.approx(1 - p + p * c * (1 + c) / 2, abs=0.02)
            assert kept > 0.05
    leaking, _ = whole_pixel_moves(1.0, 20_000, monkeypatch)
    assert min(float(torch.cos(2 * math.pi * wave * leaking / 16).mean()) for wave in range(1, 9)) < 0


# ---- ADA's ranges: Karras et al. 2020, Appendix B ----


def drawn_normally(numbers: torch.Tensor, p: float, spread: float) -> None:
    """p of the numbers are no 0, and these are N(0, spread^2): mean, deviation, share within one deviation."""
    some = numbers[numbers.abs() > 1e-9]
    assert len(some) / len(numbers) == pytest.approx(p, abs=0.01)
    assert abs(float(some.mean())) < 0.03 * spread
    assert float(some.std()) == pytest.approx(spread, rel=0.03)
    assert float((some.abs() < spread).double().mean()) == pytest.approx(math.erf(0.5**0.5), abs=0.015)


def drawn_on_the_circle(angles: torch.Tensor, p: float) -> None:
    """p of the angles are no 0, and these are U(-pi, pi)."""
    some = angles[angles.abs() > 1e-9]
    assert len(some) / len(angles) == pytest.approx(p, abs=0.01)
    for wave in (0.5, 1, 2, 3):
        known = 2 / math.pi if wave == 0.5 else 0.0
        assert float(torch.cos(wave * some).mean()) == pytest.approx(known, abs=0.03)
        assert abs(float(torch.sin(wave * some).mean())) < 0.03


def maps_of(policy: str, p: float, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """The matrices that pictures would have gone through."""
    seen: list[torch.Tensor] = []
    module, name = {"geometry": (geometry, "transformed"), "colour": (colour, "painted")}[policy]
    monkeypatch.setattr(module, name, lambda x, matrix: seen.append(matrix) or x)
    ADA((policy,), p=p)(torch.zeros(shape, dtype=torch.float64))
    return seen[0]


@pytest.mark.parametrize("p", [0.3, 0.8])
def test_ranges_of_every_map_of_the_plane(p, monkeypatch):
    """Scale and stretch ln N(0, (0.2 ln 2)^2), turns U(-pi, pi) at 1 - sqrt(1 - p), moves N(0, 0.125^2) of a side.

    Read from ``back`` alone: a 2x2 matrix is two complex numbers, r e^(i t) cosh(s) and r e^(i u) sinh(s).
    """
    back = maps_of("geometry", p, (100_000, 1, 4, 8), monkeypatch)
    (a, b), (c, d) = ([back[:, i, j] for j in (0, 1)] for i in (0, 1))
    drawn_normally(-torch.log(a * d - b * c) / 2, p, 0.2 * math.log(2))
    even, odd = torch.complex(a + d, c - b), torch.complex(a - d, c + b)
    stretch = torch.atanh(odd.abs() / even.abs())
    sign = torch.where(torch.arange(len(back)) % 2 == 0, 1.0, -1.0)  # which side is longer depends on the turns
    drawn_normally(sign * stretch, p, 0.2 * math.log(2))
    drawn_on_the_circle(even.angle(), p)  # both turns together
    linear = back[stretch > 1e-9][:, :2, :2]
    linear = linear / linear.det().sqrt()[:, None, None]
    for seen in (linear @ linear.mT, linear.mT @ linear):  # diagonal without the turn before, or after, the stretch
        assert float((seen[:, 0, 1].abs() > 1e-9).double().mean()) == pytest.approx(1 - math.sqrt(1 - p), abs=0.01)
    moves = -torch.linalg.solve(back[:, :2, :2], back[:, :2, 2])  # the last step
    drawn_normally(moves[:, 0], p, 0.125 * 8)
    drawn_normally(moves[:, 1], p, 0.125 * 4)
    assert torch.equal(moves[:, 0].abs() > 1e-9, moves[:, 1].abs() > 1e-9), "one chance for both"


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("p", [0.3, 0.8])
def test_ranges_of_every_change_of_colour(p, channels, monkeypatch):
    """Brightness N(0, 0.2^2), contrast ln N(0, (0.5 ln 2)^2), flip 1/2, hue U(-pi, pi), saturation ln N(0, (ln 2)^2).

    Read from the matrix alone: greys are moved and multiplied, what is across them turned and multiplied.
    """
    matrix = maps_of("colour", p, (100_000, channels, 1, 1), monkeypatch)
    linear, offset = matrix[:, :3, :3], matrix[:, :3, 3]
    greys = linear.sum((1, 2)) / 3
    drawn_normally(offset.mean(1) / greys, p, 0.2)  # the first step
    drawn_normally(greys.abs().log(), p, 0.5 * math.log(2))
    assert float((greys < 0).double().mean()) == pytest.approx(p / 2, abs=0.01)
    across = (linear.det() / greys).sqrt()
    if channels == 1:
        torch.testing.assert_close(across, greys.abs())
        return
    drawn_normally((across / greys.abs()).log(), p, math.log(2))
    cos, sin = linear.diagonal(dim1=1, dim2=2).sum(1) - greys, (linear[:, 1, 0] - linear[:, 0, 1]) * 3**0.5
    drawn_on_the_circle(torch.atan2(sin, cos), p)


def test_ranges_of_whole_pixel_moves(monkeypatch):
    """U(-0.125, 0.125) of each side, rounded; one chance for both."""
    monkeypatch.setattr("leafwing.augment.ada.half", lambda x: torch.zeros(len(x), 1, 1, 1, dtype=torch.bool))
    n, p = 20_000, 0.6
    dot = torch.zeros(1, 1, 16, 24)
    dot[:, :, 8, 12] = 1.0
    places = ADA(("blit",), p=p)(dot.expand(n, -1, -1, -1)).flatten(1).argmax(1)
    down, right = places // 24 - 8, places % 24 - 12
    for offset, known in ((down, [1 / 4, 1 / 4, 1 / 8, 0]), (right, [1 / 6, 1 / 6, 1 / 6, 1 / 12])):
        for by in range(-3, 4):
            share = p * known[abs(by)] + (1 - p) * (by == 0)
            assert float((offset == by).float().mean()) == pytest.approx(share, abs=0.015)
    assert float(((down == 0) & (right == 0)).float().mean()) == pytest.approx(1 - p + p / 4 / 6, abs=0.015)


def test_ranges_of_noise_and_cutout():
    """Noise of a half-normal deviation, 0.1; a box of half the side."""
    deviation = ADA(("noise",), p=0.5)(torch.zeros(10_000, 1, 8, 8)).square().mean((1, 2, 3)).sqrt()
    some = deviation[deviation > 0]
    assert len(some) / 10_000 == pytest.approx(0.5, abs=0.03)
    assert float(some.square().mean().sqrt()) == pytest.approx(0.1, rel=0.05)
    assert float(some.mean()) == pytest.approx(0.1 * math.sqrt(2 / math.pi), rel=0.05)
    gone = (ADA(("cutout",), p=0.5)(torch.ones(3000, 1, 16, 24)) == 0).float().sum((1, 2, 3))
    assert float(gone.max()) == 8 * 12
    assert float((gone > 0).float().mean()) == pytest.approx(0.5, abs=0.05)


# ---- the feedback ----


def log_of(r_t: float) -> dict[str, torch.Tensor]:
    return {"D/real_accuracy": torch.tensor((1 + r_t) / 2)}


def test_p_follows_its_target_every_four_rounds_at_the_papers_speed():
    augment = ADA()
    for step in range(1, 9):
        p = float(augment.heed(log_of(1.0), step, 64)["augment/p"])
        assert p == pytest.approx((step // 4) * 4 * 64 / 500_000)
    for step in range(9, 13):
        augment.heed(log_of(0.5), step, 64)
    assert float(augment.p) == pytest.approx(4 * 64 / 500_000)
    for step in range(13, 41):
        augment.heed(log_of(-1.0), step, 64)
    assert float(augment.p) == 0, "never below"
    held = ADA(p=0.2, adapt=False)
    held.heed(log_of(1.0), 4, 10**9)
    assert float(held.p) == pytest.approx(0.2)
    full = ADA(most=0.7)
    full.heed(log_of(1.0), 4, 10**9)
    assert float(full.p) == pytest.approx(0.7)


def test_p_settles_where_d_is_as_sure_as_it_should_be():
    """A D whose r_t falls as p grows: 1 - p. Target 0.6 means p = 0.4, from either side."""
    for start in (0.0, 0.9):
        augment = ADA(p=start, kimg=20)
        for step in range(1, 2000):
            augment.heed(log_of(1 - float(augment.p)), step, 32)
        assert float(augment.p) == pytest.approx(0.4, abs=0.01)


def test_a_critic_is_followed_by_the_middle_between_its_means():
    """WGAN's and R3GAN's scores have no boundary of their own: r_t is the same wherever their zero lies."""
    for variant in (WGANGP(), R3GAN()):
        found = []
        for zero in (0.0, 50.0):
            players = small_players(variant)
            players.D.body[1] = nn.Identity()
            with torch.no_grad():
                players.D.body[5].bias += zero
            log = {name: float(v) for name, v in play_round(variant, players, [Batch(small_reals(0))], 0).items()}
            found.append((log["D/real_accuracy"], log["D/fake_accuracy"]))
            assert 0 < log["D/real_accuracy"] < 1
        assert found[0] == found[1]


# ---- in the game ----


class Doubled(nn.Module):
    """An augmentation that anyone can check: twice the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[torch.Tensor] = []

    def forward(self, x):
        self.seen.append(x.detach())
        return 2 * x


def test_reals_and_fakes_go_through_it_for_both_players_and_slopes_too():
    """D's R1 is about the picture before the change: twice the picture means twice the slope."""
    torch.manual_seed(0)
    D = nn.Sequential(nn.Flatten(), nn.Linear(192, 1, bias=False), nn.Flatten(0))
    looking = Looking(D, Doubled())
    x = torch.randn(4, 3, 8, 8)
    torch.testing.assert_close(looking(x), D(2 * x))
    plain, through = (float(penalties.zero_centred(net, x).detach()) for net in (D, looking))
    assert through == pytest.approx(4 * plain, rel=1e-5)

    players = small_players(GAN(r1_gamma=1.0))
    players.D.body[1] = players.D.body[3] = nn.Identity()
    players.augment = Doubled()
    reals = small_reals(0)
    play_round(GAN(r1_gamma=1.0), players, [Batch(reals)], 0)
    seen = players.augment.seen
    assert [torch.equal(x, reals) for x in seen] == [True, False, True, False]
    assert players.eye is players.eye, "variants remember what they found out about D"


def test_augmented_gradients_reach_g_and_the_penalty_can_be_descended():
    torch.manual_seed(0)
    D = SmallD()
    D.body[1] = D.body[3] = nn.Identity()
    for augment in (ADA(EVERYTHING, p=0.9), DiffAugment()):
        looking, fake = Looking(D, augment), torch.randn(4, 3, 8, 8, requires_grad=True)
        (slope,) = torch.autograd.grad(looking(fake).sum(), fake)
        assert (slope != 0).flatten(1).any(1).all()
        terms = WGANGP().penalties(lambda x, net=looking: net(x), Batch(small_reals(0)), Batch(small_reals(1)), 0)
        grads = torch.autograd.grad(sum(terms.values()), list(D.parameters()), allow_unused=True)
        assert all(g.isfinite().all() for g in grads if g is not None)
        assert (grads[0] != 0).any()


def test_draws_are_a_function_of_seed_and_step_and_differ_from_turn_to_turn():
    class Noting(ADA):
        def forward(self, x):
            seen.append(super().forward(torch.ones_like(x)))
            return x

    def turns(step: int, seed: int = 3) -> list[torch.Tensor]:
        import copy

        seen.clear()
        players = small_players()
        players.augment = Noting(("colour",), p=0.9)
        players.seed = seed
        training = Training(GAN(), players, small_reals, copy.deepcopy(players.G), 10, step=step)
        one_round(training)
        return list(seen)

    seen: list[torch.Tensor] = []
    first = turns(5)
    assert len(first) == 3
    assert all(torch.equal(a, b) for a, b in zip(first, turns(5), strict=True))
    assert not torch.equal(first[0], first[1]), "D's reals and fakes"
    assert not torch.equal(first[1], first[2]), "D's turn and G's"
    for other in (turns(6), turns(5, seed=4)):
        assert not torch.equal(first[0], other[0])
    randomness.seed_networks(0, 0)


@pytest.mark.parametrize("name", ["ada", "diffaugment"])
@pytest.mark.parametrize("recipe", sorted(shipped()))
def test_every_recipe_plays_with_either(recipe, name, pictures, tmp_path):  # noqa: F811
    """A switch on any recipe of pictures: every one plays with it; films and words are told before anything is read."""
    if load_recipe(recipe).data.kind != "pictures":
        with pytest.raises(BadConfig, match=r"augment.name cannot be together"):
            load_recipe(recipe, [f"augment.name={name}"])
        return
    plan = small(recipe, pictures, **{"augment.name": name, "train.steps": 4})
    plan = plan.override(["augment.p=0.4"])
    api.train(recipe=plan, out=tmp_path / "run", device="cpu")
    rows = (tmp_path / "run" / "metrics.jsonl").read_text()
    assert ("augment/p" in rows) == (name == "ada")


@pytest.mark.parametrize("recipe", ["faces", "cgan", "r3gan", "wgan-gp"])
def test_rel_r7_p_survives_a_resume_bit_for_bit(recipe, pictures, tmp_path):  # noqa: F811
    """Stopped in the middle of the four rounds whose verdicts move p; a p that was lost would be another run."""
    plan = small(recipe, pictures, **{"augment.name": "ada"}).override(["augment.p=0.5", "augment.kimg=1.0"])
    whole = play(plan, tmp_path / "whole")
    assert play(plan, tmp_path / "parts", 3, 6) == whole
    changed = plan.override(["augment.kimg=1.3"])
    assert play(changed, tmp_path / "other") != whole, "p matters"


def test_micro_batches_play_with_it_too(pictures, tmp_path):  # noqa: F811
    """Each piece draws its own changes, as it draws its own dropout: the run is another one, and resumes exactly."""
    plan = small("faces", pictures, **{"augment.name": "ada", "train.microbatch": 3}).override(["augment.p=0.4"])
    whole = play(plan, tmp_path / "whole")
    assert play(plan, tmp_path / "parts", 5) == whole


def test_what_cannot_be_augmented_is_said():
    for augment in (ADA(), DiffAugment()):
        with pytest.raises(BadNetwork, match=r"augment.name=none"):
            augment(torch.zeros(3, 2))
    for setting, words in {
        "augment.name=adda": "'ada'",
        "augment.policy=colour": "augment.policy",
        "augment.name=ada augment.policy=blur": "'geometry'",
        "augment.name=ada augment.p=1.5": "augment.p = 1.5",
        "augment.name=diffaugment augment.target=0.5": "augment.target",
    }.items():
        with pytest.raises(BadConfig, match=words):
            load_recipe("faces", setting.split())
    recipe = load_recipe("faces", ["augment.name=diffaugment", "augment.policy=colour, cutout"])
    assert recipe.augment.options.policy == ("colour", "cutout")


def test_a_recipe_tells_its_augmentation():
    recipe = load_recipe("faces", ["augment.name=ada"])
    assert "[augment]" in recipe.to_toml()
    assert recipe.as_dict()["augment"]["target"] == 0.6
