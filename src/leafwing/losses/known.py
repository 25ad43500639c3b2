"""A term whose gradient is known already: ``backward`` hands it over instead of computing it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from leafwing.core.types import Scalar


class _Known(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, gradients: list[Tensor], *parameters: Tensor) -> Tensor:
        ctx.gradients = gradients
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, incoming: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *(incoming * gradient for gradient in ctx.gradients)


def known(value: Scalar, parameters: Sequence[Tensor], gradients: Sequence[Tensor]) -> Scalar:
    """``value`` as a term whose gradient by ``parameters`` is ``gradients``, of the same shapes."""
    term: Tensor = _Known.apply(value.detach(), list(gradients), *parameters)  # type: ignore[no-untyped-call]
    return term
