r"""D's whole gradient with R1 and R2, without a graph of a graph. Read it beside two formulas.

For pictures $x_n$ with $D$ linear between kinks (`leafwing.losses.piecewise`), slope $g_n = \nabla_x D(x_n)$, and at a
layer with weights $W$: $a_n$ its input, $\delta_n$ the backward signal of $D(x_n)$ at its output, $t_n$ its input's
derivative when the picture moves along $g_n$:

.. math::
    \nabla_W L = \sum_n c_n\,\delta_n \otimes a_n, \qquad c_n = \partial L / \partial D(x_n)

    \nabla_W \frac{\gamma}{2N} \sum_n \|g_n\|^2 = \frac{\gamma}{N} \sum_n \delta_n \otimes t_n

The second holds because $\|g_n\|^2 = \langle g_n, \nabla_x D(x_n)\rangle$, where both factors change alike: hold one,
double. Both have the same $\delta_n$, so their sum needs one product a layer, of $\delta_n$ with
$u_n = c_n a_n + \frac{\gamma}{N} t_n$; and $u$ is what the layers make of $c_n x_n + \frac{\gamma}{N} g_n$ with kinks
held and biases times $c_n$. In all: a pass forward, a pass back to the picture, a pass forward again, a product a
layer; 4 passes a picture, where double backward takes 6.

Source: derived here. It needs nothing of autograd but a first derivative, so that it can be captured in a CUDA graph.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from leafwing.core.progress import say
from leafwing.losses.known import known
from leafwing.losses.piecewise import NotPiecewiseLinear, Recording, Replay, Tape, mark, of_picture

Judge = Callable[[Tensor], Tensor]
"""Pictures [n, ...] -> D's scores [n]."""


class Side(NamedTuple):
    """One kind of pictures."""

    judge: Judge
    """D, with all that comes before it (an augmentation that is linear in the picture) and after it."""
    pictures: Tensor
    """[n, ...]."""
    gamma: float
    """Weight of the penalty on D's slope at these pictures: R1's at reals, R2's at generated ones; 0 for none."""


class Passed(NamedTuple):
    """A side after its pass forward and its pass back."""

    scores: Tensor
    slope: Tensor
    tape: Tape


def terms(
    parameters: Sequence[Tensor], loss: Callable[[Tensor, Tensor], Tensor], real: Side, fake: Side
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    r"""$L(D(x), D(G(z))) + \frac{\gamma}{2}(R_1 + R_2)$ with its gradient known.

    Args:
        parameters: of D, those that learn.
        loss: of the scores of reals and of generated pictures, a mean over pictures.
        real: the real pictures.
        fake: the generated ones.

    Returns:
        The terms ``adversarial``, ``r1`` and ``r2`` (those with a weight), where the first carries the gradient of
        all; the scores of both sides, detached.

    Raises:
        NotPiecewiseLinear: where D has another kind of step.
    """
    passed = [forward_and_back(side) if side.gamma else None for side in (real, fake)]
    graphs = [one.scores if one else side.judge(side.pictures) for one, side in zip(passed, (real, fake), strict=True)]
    on_real, on_fake = (scores.detach().requires_grad_() for scores in graphs)
    with torch.enable_grad():
        value = loss(on_real, on_fake)
    by_score = torch.autograd.grad(value, (on_real, on_fake))
    gradients = [torch.zeros_like(p) for p in parameters]
    found = {"adversarial": value}
    for name, side, one, scores, c in zip(("r1", "r2"), (real, fake), passed, graphs, by_score, strict=True):
        if one is None:
            add(gradients, torch.autograd.grad(scores, list(parameters), c, allow_unused=True))
        else:
            found[name] = side.gamma / 2 * one.slope.float().square().sum() / len(one.slope)
            add(gradients, forward_again(side, one, c, parameters))
    found["adversarial"] = known(value, parameters, gradients)
    return found, on_real.detach(), on_fake.detach()


def add(sums: list[Tensor], more: Sequence[Tensor | None]) -> None:
    """Add gradients to gradients, in the sums' own precision."""
    for total, part in zip(sums, more, strict=True):
        if part is not None:
            total += part


def forward_and_back(side: Side) -> Passed:
    """Passes 1 and 2: scores, the slope g, and on the tape the kinks' sides and every delta."""
    tape = Tape()
    with torch.enable_grad():
        pictures: Tensor = mark(side.pictures.detach().clone().requires_grad_())
        with Recording(tape):
            scores = side.judge(pictures)
        if not of_picture(scores):
            raise NotPiecewiseLinear("a function that torch does not name")
        (slope,) = torch.autograd.grad(scores.sum(), pictures)
    return Passed(scores.detach(), slope, tape)


def forward_again(side: Side, passed: Passed, c: Tensor, parameters: Sequence[Tensor]) -> list[Tensor | None]:
    """Pass 3, and with it a product a layer: u through the layers, the gradient of every parameter on the way."""
    n = len(side.pictures)
    each = c.view(-1, *[1] * (side.pictures.ndim - 1))
    u: Tensor = mark(each * side.pictures + side.gamma / n * passed.slope)
    replay = Replay(passed.tape, c)
    with replay:
        side.judge(u)
    found: list[Tensor | None] = [replay.gradients.pop(id(p), (p, None))[1] for p in parameters]
    made = [(root, signal) for root, signal in replay.gradients.values() if root.grad_fn is not None]
    if made:  # weights that are computed from parameters: back from them to those
        roots, signals = zip(*made, strict=True)
        outer = torch.autograd.grad(roots, list(parameters), signals, allow_unused=True)
        sums: list[Tensor | None] = []
        for inner, more in zip(found, outer, strict=True):
            sums.append(inner if more is None else more if inner is None else inner + more)
        found = sums
    return found


def agrees(
    D: nn.Module,
    quick: Callable[[nn.Module], Mapping[str, Tensor]],
    usual: Callable[[nn.Module], Mapping[str, Tensor]],
) -> bool:
    """Whether D's gradient comes out the same both ways, tried on a copy of D; says so where it does not.

    Args:
        D: the discriminator; stays as it is, and so does the random state.
        quick: D -> its terms by the formulas above.
        usual: D -> its terms by double backward.
    """
    reason = difference(D, quick, usual)
    if reason:
        say(f"D's penalty takes the usual double backward: {type(D).__name__} has {reason}.")
    return not reason


def difference(
    D: nn.Module,
    quick: Callable[[nn.Module], Mapping[str, Tensor]],
    usual: Callable[[nn.Module], Mapping[str, Tensor]],
) -> str:
    """What keeps the formulas from being D's gradient; empty for nothing."""
    devices = {p.device for p in D.parameters() if p.is_cuda}
    try:
        twin = copy.deepcopy(D)
        stir(twin)
        parameters = [p for p in twin.parameters() if p.requires_grad]
        off = torch.autocast(parameters[0].device.type, enabled=False)
        exact = torch.backends.cudnn.flags(enabled=False)  # its convolutions round fp32 to tf32 unless told otherwise
        with torch.random.fork_rng(list(devices)), torch.enable_grad(), off, exact:
            ours, theirs = (
                torch.autograd.grad(sum(way(twin).values(), torch.zeros(())), parameters, allow_unused=True)
                for way in (quick, usual)
            )
    except NotPiecewiseLinear as step:
        return f"a step that is not linear between kinks ({step})"
    except Exception as error:  # a user's network may raise anything; the usual way will say it better
        return f"a step that cannot be replayed ({type(error).__name__})"
    whole = torch.stack([t.norm() for t in theirs if t is not None]).norm()
    for a, b in zip(ours, theirs, strict=True):
        b = torch.zeros_like(a) if b is None else b
        if not bool((a - b).norm() <= 1e-3 * b.norm() + 1e-5 * whole):
            return "a gradient that comes out otherwise (do pictures of a batch depend on each other?)"
    return ""


@torch.no_grad()
def stir(net: nn.Module) -> None:
    """Move every weight a little, so that none is 0 and hides what stands before it."""
    rng = torch.Generator().manual_seed(0)
    for p in net.parameters():
        noise = torch.randn(p.shape, generator=rng) * (0.3 / p[0].numel() ** 0.5 if p.ndim else 0.3)
        p.add_(noise.to(p))
