"""Holding a network still while its opponent learns, and the guard that sees every breach."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from leafwing.core.errors import RuleBroken


class Buffers:
    """The buffers of a network (BatchNorm statistics, power-iteration vectors) as they stood, to be put back."""

    def __init__(self, net: nn.Module) -> None:
        self.kept = [(module, name, buffer.clone()) for module, name, buffer in buffers(net)]

    @torch.no_grad()
    def put_back(self, where: Tensor) -> None:
        """Put them back if the one-number tensor ``where`` is true, or if one of them is no longer finite.

        Asked on the device, so that nothing waits for a GPU.
        """
        if not self.kept:
            return
        now = [module.get_buffer(name) for module, name, _ in self.kept]
        spoilt = where | ~torch.stack([torch.isfinite(b).all() for b in now]).all()
        if spoilt.device.type == "cpu" and not spoilt:
            return
        for buffer, (_, _, kept) in zip(now, self.kept, strict=True):
            buffer.copy_(torch.where(spoilt, kept, buffer))


def buffers(*nets: nn.Module) -> list[tuple[nn.Module, str, Tensor]]:
    """Each buffer with the module that holds it and its name there."""
    return [(m, name, b) for net in nets for m in net.modules() for name, b in m._buffers.items() if b is not None]


@contextmanager
def frozen(*nets: nn.Module) -> Iterator[None]:
    """Hold networks still: gradients may pass THROUGH them, never INTO them.

    Parameters neither ask for gradients nor may change; a change raises :class:`RuleBroken`. Buffers (BatchNorm
    statistics, power-iteration vectors) may be used and moved by a forward pass, but are put back: a frozen
    BatchNorm network normalises with the batch it sees and remembers nothing of it. The guard watches optimisers
    and torch's version counters, which costs nothing; only a write through ``.data`` escapes it.
    """
    params = [p for net in nets for p in net.parameters()]
    wanted = [p.requires_grad for p in params]
    before = [(p._version, p.data_ptr()) for p in params]
    held = buffers(*nets)
    for p in params:
        p.requires_grad_(False)
    for module, name, buffer in held:
        module._buffers[name] = buffer.clone()  # to be used and moved; graphs of before keep theirs as they were
    watch = register_optimizer_step_pre_hook(refuse_to_move({id(p) for p in params}))
    try:
        yield
        thawed = any(p.requires_grad for p in params)
        if thawed or before != [(p._version, p.data_ptr()) for p in params]:
            what = "asked for gradients again" if thawed else "was changed"
            raise RuleBroken(f"A frozen network {what} in its opponent's turn: the game is hacked (see frozen).")
    finally:
        watch.remove()
        for p, want in zip(params, wanted, strict=True):
            p.requires_grad_(want)
        for module, name, buffer in held:
            module._buffers[name] = buffer


def refuse_to_move(held: set[int]) -> Callable[..., None]:
    """A hook for optimisers: none may step a parameter that is held still."""

    def check(optimizer: torch.optim.Optimizer, *_: object) -> None:
        stepped = (p for group in optimizer.param_groups for p in group["params"] if p.grad is not None)
        if any(id(p) in held for p in stepped):
            raise RuleBroken("An optimiser tried to move a frozen network in its opponent's turn: the game is hacked.")

    return check
