"""D's gradient without double backward equals the one with it, or is not used."""

from __future__ import annotations

import copy
import gc
import weakref
from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from leafwing.game import Batch, asking
from leafwing.losses import adversarial, analytic
from leafwing.losses.known import known
from leafwing.losses.penalties import score_and_slope
from leafwing.losses.piecewise import NotPiecewiseLinear
from leafwing.networks import discriminators
from leafwing.variants.r3gan import R3GAN


class Mixed(nn.Module):
    """Residual, strided, grouped, transposed, pooled, shuffled; functional ReLU; a free bias, a gain, tied weights."""

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.b = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4, bias=False)
        self.c = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.bias, self.gain = nn.Parameter(torch.randn(8, 1, 1)), nn.Parameter(torch.rand(4, 1, 1) + 1)
        self.d, self.e = nn.Linear(64, 12), nn.Linear(12, 12)
        self.last = nn.Linear(12, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = 1.0 - (x * 6 - 0.5) / 3
        x = F.leaky_relu(self.a(x), 0.3)
        x = x + F.relu(self.b(x) + self.bias)
        x = x - 0.5 * F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bilinear")
        x = self.gain * torch.relu(self.c(x))
        x = F.pixel_shuffle(F.pixel_unshuffle(F.adaptive_avg_pool2d(x, 4), 2), 2)
        x = F.leaky_relu_(self.d(x.flatten(1)), 0.1)
        x = F.relu(self.e(F.relu(self.e(x))), inplace=True)
        return self.last(x).squeeze(1)


class Scaled(nn.Module):
    """Weights that are computed from parameters, as an equalised learning rate does."""

    def __init__(self) -> None:
        super().__init__()
        self.v = nn.Parameter(torch.randn(6, 3, 3, 3))
        self.w = nn.utils.parametrizations.weight_norm(nn.Linear(6 * 64, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.w(F.leaky_relu(F.conv2d(x, self.v * 0.1, padding=1), 0.2).flatten(1)).squeeze(1)


def build(name: str) -> nn.Module:
    torch.manual_seed(4)
    if name == "dcgan":
        return discriminators.build(name, {"width": 8, "norm": "none"}, image_size=8, channels=3)
    if name == "r3gan":
        return discriminators.build(name, {"width": 8, "group": 4, "blocks": 1}, image_size=8, channels=3)
    return {"mixed": Mixed, "scaled": Scaled}[name]()


def pictures(n: int = 5, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(2, n, 3, 8, 8, generator=torch.Generator().manual_seed(1)).to(dtype)


def usual(judge, loss, real, fake, gammas) -> torch.Tensor:
    (on_real, at_real), (on_fake, at_fake) = (score_and_slope(judge, x) for x in (real, fake))
    slopes = (gamma / 2 * slope.square().sum(1).mean() for gamma, slope in zip(gammas, (at_real, at_fake), strict=True))
    return loss(on_real, on_fake) + sum(slopes)


def gradients(D, judge, loss, gammas, n: int = 5) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Of every parameter: by the formulas, by double backward."""
    weights = list(D.parameters())
    real, fake = pictures(n, weights[0].dtype)
    sides = (analytic.Side(judge, x, gamma) for x, gamma in zip((real, fake), gammas, strict=True))
    terms, _, _ = analytic.terms(weights, loss, *sides)
    expected = usual(judge, loss, real, fake, gammas)
    assert float(sum(terms.values()).detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    return [
        [torch.zeros_like(p) if g is None else g for g, p in zip(found, weights, strict=True)]
        for found in (torch.autograd.grad(way, weights, allow_unused=True) for way in (sum(terms.values()), expected))
    ]


def apart(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> float:
    """Relative difference of the whole gradient."""
    ours, theirs = (torch.cat([g.flatten() for g in found]) for found in (ours, theirs))
    return float((ours - theirs).norm() / theirs.norm())


def flip_shift_brighten(x: torch.Tensor) -> torch.Tensor:
    """An augmentation that is affine in the picture."""
    x = torch.cat([x[:2].flip(3), x[2:]])
    x = F.pad(x.roll(1, 2)[..., 1:], (1, 0))
    return 0.8 * x + 0.3


LOSSES = {
    "relativistic": adversarial.relativistic_d,
    "logistic": adversarial.logistic_d,
    "squares": adversarial.squares_d,
}


@pytest.mark.parametrize("name", ["dcgan", "r3gan", "mixed", "scaled"])
@pytest.mark.parametrize(
    ("loss", "gammas"),
    [
        ("relativistic", (2.0, 2.0)),
        ("relativistic", (3.0, 0.0)),
        ("relativistic", (0.0, 0.7)),
        ("logistic", (3.0, 0.0)),
        ("squares", (1.0, 2.0)),
    ],
)
def test_the_whole_gradient_is_that_of_double_backward(name, gammas, loss):
    """1e-5 in fp32, 1e-10 in fp64, with and without an augmentation."""
    D = build(name)
    analytic.stir(D)
    for precise, limit in ((False, 1e-5), (True, 1e-10)):
        D = D.double() if precise else D
        for judge in (D, lambda x, D=D: D(flip_shift_brighten(x))):
            ours, theirs = gradients(D, judge, LOSSES[loss], gammas)
            assert apart(ours, theirs) < limit
            if precise:  # each by itself, also where sums cancel to nearly 0
                least = 1e-3 * float(torch.stack([g.norm() for g in theirs]).norm())
                for a, b in zip(ours, theirs, strict=True):
                    assert float((a - b).norm()) <= 1e-8 * max(float(b.norm()), least)


def test_layout_and_single_pictures_change_nothing():
    D = build("r3gan").to(memory_format=torch.channels_last)
    analytic.stir(D)
    for n in (1, 5):
        assert apart(*gradients(D, D, adversarial.relativistic_d, (2.0, 2.0), n)) < 1e-5


def test_a_condition_met_by_projection():
    for name, options in (("dcgan", {"width": 4, "norm": "none"}), ("r3gan", {"width": 8})):
        D = discriminators.build(name, options, image_size=8, channels=3, condition_dim=4).double()
        analytic.stir(D)
        judge = asking(D, torch.eye(4, dtype=torch.float64)[torch.tensor([0, 1, 1, 2, 3])])
        # game.judge gives float32 verdicts
        assert apart(*gradients(D, judge, adversarial.relativistic_d, (2.0, 2.0))) < 1e-6


def test_bf16_stays_close_and_gives_gradients_in_fp32():
    D = build("r3gan")
    analytic.stir(D)
    real, fake = pictures()
    weights = list(D.parameters())
    found = []
    for autocast in (torch.autocast("cpu", torch.bfloat16), nullcontext()):
        with autocast:
            terms, _, _ = analytic.terms(
                weights, adversarial.relativistic_d, *(analytic.Side(asking(D, None), x, 0.1) for x in (real, fake))
            )
        found.append(torch.autograd.grad(sum(terms.values()), weights))
    assert all(g.dtype == torch.float32 for g in found[0])
    assert apart(*found) < 0.05


def test_parameters_that_do_not_learn_are_left_out():
    D = build("mixed")
    D.a.weight.requires_grad_(False)
    variant = R3GAN()
    real, fake = (Batch(x) for x in pictures())
    terms, _, _ = variant.d_terms(D, real, fake, 0)
    sum(terms.values()).backward()
    assert variant._suits[D]
    assert D.a.weight.grad is None
    assert D.a.bias.grad is not None


class Wrapped(nn.Module):
    """A network with one step more."""

    def __init__(self, step) -> None:
        super().__init__()
        self.conv, self.step, self.last = nn.Conv2d(3, 6, 3, padding=1), step, nn.Linear(6 * 64, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.step(self.conv(x)).flatten(1)).squeeze(1)


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, signal):
        return 2 * ctx.saved_tensors[0] * signal


UNFIT = {
    "batch norm": (nn.BatchNorm2d(6), "batch_norm"),
    "instance norm": (nn.InstanceNorm2d(6), "instance_norm"),
    "silu": (nn.SiLU(), "silu"),
    "gelu": (nn.GELU(), "gelu"),
    "functional tanh": (torch.tanh, "tanh"),
    "method sigmoid": (lambda x: x.sigmoid(), "sigmoid"),
    "dropout": (nn.Dropout(0.5), "dropout"),
    "noise": (lambda x: x + torch.randn(6, 1, 1), "randn"),
    "self-gating": (lambda x: x * x, "mul"),
    "max": (nn.MaxPool2d(2, padding=1), "max_pool2d"),
    "through data": (lambda x: x * x.data.mean(), "attribute"),
    "through a number": (lambda x: x * float(x.detach().mean()), "detach"),
    "another's autograd": (Square.apply, "mul"),
    "between pictures": (lambda x: x - x.mean(0, keepdim=True), "depend on each other"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_is_not_linear_between_kinks_takes_double_backward_and_says_so_once(name, capsys):
    step, word = UNFIT[name]
    D, variant = Wrapped(step), R3GAN()
    if name == "max":
        D.last = nn.Linear(6 * 25, 1)
    before, chance = copy.deepcopy(D.state_dict()), torch.get_rng_state()
    assert not variant._suits
    real, fake = (Batch(x) for x in pictures())
    assert not analytic.agrees(
        D, *(lambda net, way=way: way(net, real, fake)[0] for way in (variant.by_formula, variant.by_autograd))
    )
    assert torch.equal(torch.get_rng_state(), chance), "the trial draws nothing"
    assert all(torch.equal(value, D.state_dict()[key]) for key, value in before.items())
    said = capsys.readouterr().err
    assert word in said
    assert "usual double backward" in said
    torch.manual_seed(0)
    for _ in range(2):
        terms, _, _ = variant.d_terms(D, real, fake, 0)
    assert capsys.readouterr().err.count("\n") == 1
    torch.autograd.grad(sum(terms.values()), list(D.parameters()), allow_unused=True)
    assert variant._suits[D] is False


def test_pictures_that_autocast_left_in_bf16_do_not_upset_the_trial(capsys):
    """G's are, in a run in bf16; the trial is in fp32, where weights and pictures must be alike."""
    D, variant = build("r3gan"), R3GAN()
    real, fake = (Batch(x) for x in pictures())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        variant.d_terms(D, real, fake._replace(pictures=fake.pictures.bfloat16()), 0)
    assert variant._suits[D]
    assert "double backward" not in capsys.readouterr().err


def test_the_trial_notices_a_wrong_gradient():
    """Planted faults: a wrong weight of a term, a lost gradient, a batch that is averaged otherwise."""
    D, variant = build("r3gan"), R3GAN()
    real, fake = (Batch(x) for x in pictures())

    def good(net):
        return variant.by_formula(net, real, fake)[0]

    def louder(net):
        return {name: term * 1.01 for name, term in good(net).items()}

    def without_r2(net):
        sides = (analytic.Side(asking(net, None), b.pictures, g) for b, g in ((real, 2.0), (fake, 0.0)))
        return analytic.terms(list(net.parameters()), adversarial.relativistic_d, *sides)[0]

    def right(net):
        return variant.by_autograd(net, real, fake)[0]

    assert not analytic.difference(D, good, right)
    assert analytic.difference(D, louder, right)
    assert analytic.difference(D, without_r2, right)


def test_the_exception_names_the_step():
    with pytest.raises(NotPiecewiseLinear, match="silu"):
        analytic.forward_and_back(analytic.Side(Wrapped(nn.SiLU()), pictures()[0], 1.0))


def test_a_known_term_hands_over_its_gradient():
    p, q = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))
    term = known(torch.tensor(5.0), [p, q], [torch.tensor([1.0, 2.0]), torch.full((3,), 3.0)])
    (0.5 * term + p.sum()).backward()
    assert float(term.detach()) == 5
    assert p.grad.tolist() == [1.5, 2.0]
    assert q.grad.tolist() == [1.5] * 3


class Products(TorchDispatchMode):
    """Counts multiply-adds of convolutions and matrix products, backward ones included."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        name = func._schema.name
        if name == "aten::convolution":
            self.count += out.numel() * args[1][0].numel()
        elif name == "aten::convolution_backward":
            signal, weight, transposed, wanted = args[0], args[2], args[7], args[10]
            assert not transposed
            self.count += signal.numel() * weight[0].numel() * sum(wanted[:2])
        elif name in ("aten::mm", "aten::addmm"):
            self.count += out.numel() * args[-1].shape[0]
        return out


def test_it_costs_eight_passes_of_d():
    """F = a pass forward through one batch: 4 F for reals and 4 F for fakes; double backward takes 12, or nearly."""
    D = discriminators.build("r3gan", {"width": 32, "widths": (32, 32, 32)}, image_size=16, channels=3)
    real, fake = torch.randn(2, 4, 3, 16, 16)
    weights = list(D.parameters())

    def passes(play) -> float:
        with Products() as counted:
            play()
        with Products() as once, torch.no_grad():
            D(real)
        return counted.count / once.count

    sides = [analytic.Side(D, x, 2.0) for x in (real, fake)]
    assert 7.5 < passes(lambda: analytic.terms(weights, adversarial.relativistic_d, *sides)) <= 8.0
    both = (2.0, 2.0)
    assert passes(lambda: usual(D, adversarial.relativistic_d, real, fake, both).backward()) > 10.5


def test_a_tape_that_is_dropped_is_freed():
    """If it held torch's graph, whose hooks hold the tape, neither would ever go: 1 GB more with every round."""
    D, held = build("r3gan"), []

    def note(module, given, out):
        held.append(weakref.ref(out))

    D.body[1].branch[0].register_forward_hook(note)
    gc.disable()
    try:
        passed = analytic.forward_and_back(analytic.Side(D, pictures()[0], 2.0))
        assert len(passed.tape.sides) > 1
        del passed
        assert [ref() for ref in held] == [None]
    finally:
        gc.enable()
