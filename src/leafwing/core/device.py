"""Tensors to where they are computed with, without making anyone wait."""

from __future__ import annotations

import torch
from torch import Tensor


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device. To a GPU it goes by page-locked memory, and the program does not wait for it."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def free_bytes(device: torch.device) -> int:
    """Bytes free on a GPU; 0 for a device that is none."""
    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else 0
