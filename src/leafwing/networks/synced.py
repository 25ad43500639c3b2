"""BatchNorm whose statistics are those of the whole batch, though each rank holds only a part of it."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class SumOverRanks(torch.autograd.Function):
    """The sum over ranks; its gradient is the sum of the ranks' gradients."""

    @staticmethod
    def forward(ctx: Any, local: Tensor) -> Tensor:
        """Sum."""
        total = local.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Tensor:
        """Sum again."""
        total = slope.contiguous().clone()
        dist.all_reduce(total)
        return total


def sum_over_ranks(local: Tensor) -> Tensor:
    """The sum of a tensor over the ranks, differentiable."""
    total: Tensor = SumOverRanks.apply(local)  # type: ignore[no-untyped-call]
    return total


class SyncedBatchNorm(nn.Module):
    """A BatchNorm layer of equal state that normalises with the mean and variance over all ranks.

    torch's own SyncBatchNorm needs a GPU. This one shares the layer's tensors, so that checkpoints are the same.
    Ranks must hold equally many samples. Source: Ioffe and Szegedy 2015, arXiv:1502.03167, Alg. 1.
    """

    alone = False
    """Whether to use this process's batch alone, as when rank 0 draws samples."""

    def __init__(self, layer: nn.modules.batchnorm._BatchNorm) -> None:
        super().__init__()
        self.eps, self.momentum = layer.eps, layer.momentum
        self.weight, self.bias = layer.weight, layer.bias
        for name, buffer in layer.named_buffers(recurse=False):
            self.register_buffer(name, buffer)

    def forward(self, x: Tensor) -> Tensor:
        """x [n, c, ...] -> the same shape."""
        shape = (1, -1, *[1] * (x.ndim - 2))
        if not self.training:
            mean, var = self.get_buffer("running_mean"), self.get_buffer("running_var")
        else:
            mean, var = self.over_all(x.float())
        scale = torch.rsqrt(var + self.eps)
        if self.weight is None or self.bias is None:  # plain: what scales and shifts it comes after
            return ((x - mean.view(shape)) * scale.view(shape)).to(x.dtype)
        return ((x - mean.view(shape)) * (scale * self.weight).view(shape) + self.bias.view(shape)).to(x.dtype)

    def over_all(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of each channel over all ranks; the running ones move as BatchNorm's do."""
        dims = [0, *range(2, x.ndim)]
        total, ranks = ((lambda t: t), 1) if self.alone else (sum_over_ranks, dist.get_world_size())
        n = x.numel() // x.shape[1] * ranks
        mean = total(x.sum(dims)) / n
        offset = x - mean.view(1, -1, *[1] * (x.ndim - 2))  # two passes: no cancellation of large squares
        var = total(offset.square().sum(dims)) / n
        with torch.no_grad():
            tracked = self.get_buffer("num_batches_tracked")
            tracked += 1
            share = 1 / float(tracked) if self.momentum is None else self.momentum
            self.get_buffer("running_mean").lerp_(mean.detach(), share)
            self.get_buffer("running_var").lerp_(var.detach() * n / (n - 1), share)
        return mean, var


def sync_batchnorm(net: nn.Module) -> nn.Module:
    """Replace every BatchNorm layer with running statistics by its synced form, in place."""
    for name, child in net.named_children():
        whole = isinstance(child, nn.modules.batchnorm._BatchNorm) and child.track_running_stats
        if whole:
            assert isinstance(child, nn.modules.batchnorm._BatchNorm)
            setattr(net, name, SyncedBatchNorm(child))
        else:
            sync_batchnorm(child)
    return net
