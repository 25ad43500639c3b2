"""Work of a piece of code, counted operator by operator as torch dispatches them.

FLOPs: one multiply-add is 2; convolutions and matrix products, forward, backward and double backward, nothing else
(activations and norms are bandwidth, not arithmetic). torch's own counter cannot be used: it fails under
``torch.autograd.grad``, and its rule for the weight gradient of a grouped convolution counts it ``groups`` times over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten
Rule: TypeAlias = Callable[..., int]


def products(x: Tensor, y: Tensor) -> int:
    """[..., n, k] @ [..., k, m]: 2 n k m each."""
    return 2 * x.numel() * y.shape[-1]


def added_products(_: Tensor, x: Tensor, y: Tensor) -> int:
    """A matrix product with something added; the addition is not counted."""
    return products(x, y)


def convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    out: Tensor,
) -> int:
    """Every weight meets every place of the output once; of the input, if transposed.

    A weight is [out, in / groups, ...] (transposed: [in, out / groups, ...]), so groups are counted in it already.
    """
    return through(x if transposed else out, weight)


def convolution_backward(
    slope: Tensor,
    x: Tensor,
    weight: Tensor,
    bias_sizes: Sequence[int] | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    wanted: Sequence[bool],
    out: object,
) -> int:
    """The gradient of the input and that of the weight cost one forward pass each, groups or not."""
    return (bool(wanted[0]) + bool(wanted[1])) * through(x if transposed else slope, weight)


def through(places: Tensor, weight: Tensor) -> int:
    """2 FLOPs for every weight at every place of a [n, c, *side] map."""
    return 2 * places.shape[0] * places.shape[2:].numel() * weight.numel()


RULES: dict[Any, Rule] = {
    aten.mm: lambda x, y, out: products(x, y),
    aten.bmm: lambda x, y, out: products(x, y),
    aten.mv: lambda x, y, out: 2 * x.numel(),
    aten.dot: lambda x, y, out: 2 * x.numel(),
    aten.addmm: lambda c, x, y, out: added_products(c, x, y),
    aten.baddbmm: lambda c, x, y, out: added_products(c, x, y),
    aten.addmv: lambda c, x, y, out: 2 * x.numel(),
    aten.convolution: convolution,
    aten.convolution_backward: convolution_backward,
}

FREE = {aten._unsafe_view, aten.empty, aten.empty_like, aten.empty_strided, aten.new_empty, aten.new_empty_strided}
"""Operators that move nothing although they are no views by name."""


class Work(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts while it is entered: ``with Work() as work: ...``.

    Attributes:
        flops: of convolutions and matrix products.
        bytes: read and written by every operator that is not a mere view; as if there were no caches.
        by_operator: FLOPs of each operator.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0
        self.by_operator: dict[str, int] = {}

    @property
    def flops(self) -> int:
        """Of all operators."""
        return sum(self.by_operator.values())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count, then do."""
        kwargs = kwargs or {}
        rule = RULES.get(func.overloadpacket)
        if rule is None and func is not torch.ops.prim.device.default:
            with self:  # an operator made of others, as linear is in inference mode
                parts = func.decompose(*args, **kwargs)
                if parts is not NotImplemented:
                    return parts
        out = func(*args, **kwargs)
        if rule is not None:
            fixed = {key: value for key, value in kwargs.items() if key not in ("alpha", "beta", "out")}
            name = func.overloadpacket.__name__
            self.by_operator[name] = self.by_operator.get(name, 0) + rule(*args, **fixed, out=out)
        if not func.is_view and func.overloadpacket not in FREE:
            tensors = [x for x in tree_leaves((args, kwargs, out)) if isinstance(x, Tensor)]
            self.bytes += sum(x.numel() * x.element_size() for x in tensors)
        return out
