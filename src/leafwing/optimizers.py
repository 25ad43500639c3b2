"""The gradient-descent optimisers a recipe can name. Any other works as well: pass it to the players yourself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

import torch
from pydantic import Field

from leafwing.core.config import Settings


class OptimizerSettings(Settings):
    """One player's optimiser."""

    name: Literal["adam", "rmsprop", "sgd"] = "adam"
    """adam, rmsprop or sgd."""
    lr: Annotated[float, Field(gt=0)] = 2e-4
    """Learning rate."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.5, 0.999)
    """Adam's decay rates of the first and second moment; Radford et al. 2016, Sec. 4: 0.5, 0.999."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Momentum of sgd."""
    momentum_to: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Momentum of sgd grows linearly to this, over ``momentum_rounds``."""
    momentum_rounds: Annotated[int, Field(ge=1)] = 1
    """Rounds over which the momentum grows."""
    lr_shrink: Annotated[float, Field(ge=1)] = 1.0
    """The learning rate is divided by this every round, down to ``lr_least`` (1.000004 in the 2014 GAN)."""
    lr_least: Annotated[float, Field(ge=0)] = 0.0
    """The learning rate never falls below this."""

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The torch optimiser for these parameters."""
        if self.name == "adam":
            return torch.optim.Adam(parameters, lr=self.lr, betas=self.betas, fused=True)
        if self.name == "rmsprop":
            return torch.optim.RMSprop(parameters, lr=self.lr)
        return torch.optim.SGD(parameters, lr=self.lr, momentum=self.momentum)

    def set_schedule(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        """Set what changes over the rounds; a pure function of the step, so nothing needs saving."""
        if self.lr_shrink > 1:
            rate = max(self.lr_least, self.lr * self.lr_shrink ** -float(step))
            for group in optimizer.param_groups:
                group["lr"] = rate
        if self.momentum_to is not None:
            share = min(1.0, step / self.momentum_rounds)
            for group in optimizer.param_groups:
                group["momentum"] = self.momentum + share * (self.momentum_to - self.momentum)
