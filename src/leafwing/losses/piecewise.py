"""A discriminator that is linear between its kinks, run twice: once as it is, once with its kinks held.

A network of linear maps, biases and (leaky) ReLU is, near any picture x, an affine map: D(x') = A x' + b. `Recording`
runs it as it is and notes on which side of every kink the signal fell. `Replay` runs the very same program on another
picture u with those sides held and every constant (biases above all) multiplied by a number c a picture: it computes
A u + c b. For u = c x that is c D(x); for c = 0 it is the derivative of D along u; for u = c x + s g both, added.

Both watch torch's functions by name, whether they are called as modules, functions or methods. What is not known here
to be linear raises `NotPiecewiseLinear`: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

WEIGHTED = {"conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "linear"}
"""``f(x, weight, bias)``: linear in x and in the weight, plus a constant."""
KINKED = {"relu", "relu_", "leaky_relu", "leaky_relu_"}
"""A slope on either side of 0, held in the replay."""
PRODUCTS = {"mul", "mul_", "multiply", "matmul", "mm", "bmm", "mv", "einsum"}
"""Linear in the one operand that comes from the picture."""
QUOTIENTS = {"div", "div_", "divide", "true_divide"}
"""Linear in the picture where it is divided, not where it divides."""
SUMS = {"add", "add_", "sub", "sub_", "subtract", "rsub", "__rsub__", "cat", "concat", "concatenate", "stack"}
"""Linear, where operands that do not come from the picture are constants."""
LINEAR = {
    "neg", "sum", "mean", "interpolate", "upsample", "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d",
    "adaptive_avg_pool2d", "adaptive_avg_pool3d", "pixel_shuffle", "pixel_unshuffle", "flatten", "view",
    "reshape", "unflatten", "permute", "transpose", "movedim", "squeeze", "unsqueeze", "contiguous", "clone", "expand",
    "repeat", "flip", "roll", "rot90", "chunk", "split", "unbind", "select", "narrow", "__getitem__", "to", "float",
    "double", "half", "bfloat16", "type_as", "grid_sample",
}  # fmt: skip
"""Linear in the picture, with no constant."""
FACTS = {"size", "dim", "ndimension", "numel", "nelement", "stride", "__len__", "is_contiguous", "is_floating_point"}
"""Say something of a tensor's form, nothing of its values."""
CHANCE = {"rand", "randn", "randint", "rand_like", "randn_like", "randint_like", "bernoulli", "bernoulli_", "uniform_",
          "normal", "normal_", "multinomial", "randperm", "poisson", "exponential_"}  # fmt: skip
"""Would fall otherwise in the replay."""


class NotPiecewiseLinear(Exception):
    """A step of the network that is not known to be linear between kinks; the message names it."""


@dataclass
class Tape:
    """What a recording leaves for its replay, in the order of the program."""

    sides: list[Tensor | None] = field(default_factory=list)
    """What every kink saw, or gave: its sign says on which side the signal fell."""
    signals: list[Tensor | None] = field(default_factory=list)
    """For every step with parameters: d D(x_n) / d its output, filled in by the backward pass."""


def tensors_in(values: Any) -> Iterator[Tensor]:
    """Every tensor among arguments, also within lists and tuples."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, list | tuple):
        for value in values:
            yield from tensors_in(value)
    elif isinstance(values, dict):
        yield from tensors_in(list(values.values()))


def mark(values: Any) -> Any:
    """Note on tensors that they come from the picture."""
    for tensor in tensors_in(values):
        tensor._of_picture = True  # type: ignore[attr-defined]
    return values


def of_picture(tensor: Tensor) -> bool:
    """Whether a tensor comes from the picture."""
    return hasattr(tensor, "_of_picture")


class Watch(TorchFunctionMode):
    """Sorts every call of a torch function into the kinds above; subclasses say what to do with each."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()
        self.tape = tape

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Called by torch in place of ``func(*args, **kwargs)``."""
        kwargs, name = kwargs or {}, getattr(func, "__name__", str(func))
        given = list(tensors_in((args, kwargs)))
        if not any(of_picture(tensor) for tensor in given):
            if name in CHANCE:
                raise NotPiecewiseLinear(f"{name}, which draws at random")
            return func(*args, **kwargs)
        if name in FACTS:
            return func(*args, **kwargs)
        if name == "__get__":  # an attribute; fine where it is no tensor: .shape, .device, ...
            value = func(*args, **kwargs)
            if isinstance(value, Tensor):
                raise NotPiecewiseLinear("an attribute that is a tensor")
            return value
        check(name, args, kwargs)
        if name in KINKED:
            return mark(self.kink(func, name, args, kwargs))
        roots = [t for t in given if t.requires_grad and not of_picture(t)] if torch.is_grad_enabled() else []
        return mark(self.step(func, name, args, kwargs, roots))

    def kink(self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """A (leaky) ReLU."""
        raise NotImplementedError

    def step(
        self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any], roots: list[Tensor]
    ) -> Any:
        """A step that is linear in the picture; ``roots`` are parameters in it, or come from parameters."""
        raise NotImplementedError


def check(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
    """Raise unless this call is linear in the picture between kinks."""
    pictures = sum(of_picture(t) for t in tensors_in((list(args), kwargs)))
    first = pictures == 1 and isinstance(args[0], Tensor) and of_picture(args[0])  # the picture, and nothing else

    def option(key: str, place: int, default: Any) -> Any:
        return kwargs.get(key, args[place] if len(args) > place else default)

    known = (
        name in SUMS
        or (name in LINEAR | WEIGHTED and first)
        or (name == "pad" and first and not option("value", 3, None))
        or (name in KINKED and slope_of(name, args, kwargs) >= 0)
        or (name in PRODUCTS and pictures == 1)
        or (name in QUOTIENTS and first and not kwargs.get("rounding_mode"))
        or (name == "dropout" and first and not option("training", 2, True))
    )
    if not known:
        raise NotPiecewiseLinear(name)


def slope_of(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> float:
    """The slope left of 0."""
    if name.startswith("relu"):
        return 0.0
    return float(kwargs.get("negative_slope", args[1] if len(args) > 1 else 0.01))


class Recording(Watch):
    """Runs the program as it is; torch's own graph grows alongside, for one backward pass."""

    def kink(self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """Keep its input; where it is changed in place, its output, which has the same sign."""
        self.tape.sides.append(args[0].detach())  # with its graph, tape and hooks would hold each other for ever
        out: Tensor = func(*args, **kwargs)
        return out

    def step(
        self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any], roots: list[Tensor]
    ) -> Any:
        """Ask the backward pass for the signal at the output of steps with parameters."""
        out = func(*args, **kwargs)
        if roots:
            place = len(self.tape.signals)
            self.tape.signals.append(None)
            if not isinstance(out, Tensor):
                raise NotPiecewiseLinear(f"{name} with parameters and several results")

            def keep(signal: Tensor) -> None:
                self.tape.signals[place] = signal

            out.register_hook(keep)  # type: ignore[no-untyped-call]
        return out


class Replay(Watch):
    """Runs the program again with its kinks held and constants times ``scale``; gathers the parameters' gradients.

    Args:
        tape: of the recording, signals filled in; used up.
        scale: c [n], one number a picture.
    """

    def __init__(self, tape: Tape, scale: Tensor) -> None:
        super().__init__(tape)
        self.scale = scale
        self.kinks = self.steps = 0
        self.gradients: dict[int, tuple[Tensor, Tensor]] = {}
        """By the id of a root: the root and its gradient."""

    def kink(self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """The slope that held in the recording."""
        side, self.tape.sides[self.kinks] = self.tape.sides[self.kinks], None
        self.kinks += 1
        slope = slope_of(name, args, kwargs)
        with torch.no_grad():
            return torch.ops.aten.leaky_relu_backward(args[0], side, slope, False)  # type: ignore[no-any-return]

    def step(
        self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any], roots: list[Tensor]
    ) -> Any:
        """The step with its constants scaled; its parameters' gradient is that of <signal, output>."""
        if not roots:
            with torch.no_grad():
                return self.linear(func, name, args, kwargs)
        signal, self.tape.signals[self.steps] = self.tape.signals[self.steps], None
        self.steps += 1
        with torch.enable_grad():
            out: Tensor = self.linear(func, name, args, kwargs)
        if signal is not None:
            for root, gradient in zip(roots, torch.autograd.grad(out, roots, signal.to(out.dtype)), strict=True):
                before = self.gradients.get(id(root))
                self.gradients[id(root)] = (root, gradient if before is None else before[1] + gradient)
        return out.detach()

    def linear(self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The same call; constants in it are multiplied by the scale."""
        if name in SUMS:
            ndim = max(t.ndim for t in tensors_in((args, kwargs)) if of_picture(t))
            if isinstance(args[0], list | tuple):
                return func([self.scaled(part, ndim) for part in args[0]], *args[1:], **kwargs)
            return func(*(self.scaled(operand, ndim) for operand in args), **kwargs)
        bias = (args[2] if len(args) > 2 else kwargs.get("bias")) if name in WEIGHTED else None
        if bias is None:
            return func(*args, **kwargs)
        out: Tensor = func(*args[:2], None, *args[3:], **{k: v for k, v in kwargs.items() if k != "bias"})
        constant = bias if name == "linear" else bias[:, *[None] * (out.ndim - 2)]
        return out.add_(self.scaled(constant, out.ndim).to(out.dtype))

    def scaled(self, operand: Any, ndim: int) -> Any:
        """A constant times c, along the first axis; what comes from the picture stays."""
        if isinstance(operand, Tensor) and of_picture(operand):
            return operand
        return self.scale.view(-1, *[1] * (ndim - 1)) * operand
