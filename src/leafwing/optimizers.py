"""The gradient-descent optimisers a recipe can name. Any other works as well: pass it to the players yourself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import torch
from pydantic import Field

from leafwing.core.config import Settings
from leafwing.core.schedules import burn_in, fall


class OptimizerSettings(Settings):
    """One player's optimiser."""

    name: Literal["adam", "rmsprop", "sgd"] = "adam"
    """adam, rmsprop or sgd."""
    lr: Annotated[float, Field(gt=0)] = 2e-4
    """Learning rate."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.5, 0.999)
    """Adam's decay rates of the first and second moment; Radford et al. 2016, Sec. 4: 0.5, 0.999."""
    eps: Annotated[float, Field(gt=0, lt=1)] = 1e-8
    """What Adam adds to the root of the second moment, against division by nothing; 1e-6 in BigGAN."""
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """So much of every weight is added to its gradient: the penalty on squared weights of Adam and sgd as they were
    first used; 1e-5 in the DCGAN paper's code."""
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
    fall_from: Annotated[int, Field(ge=0)] = 0
    """Round from which the learning rate falls along a line, to 0 at round ``fall_to``."""
    fall_to: Annotated[int, Field(ge=1)] | None = None
    """Round at which the learning rate is 0, and stays so; it does not fall where this is not set."""
    burn_in_kimg: Annotated[float, Field(ge=0)] = 0.0
    """Thousand real images over which ``lr_to`` and ``beta2_to`` are reached, along half a cosine."""
    lr_to: Annotated[float, Field(gt=0)] | None = None
    """The learning rate after the burn-in; from 2e-4 to 5e-5 in R3GAN."""
    beta2_to: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Adam's second decay rate after the burn-in; from 0.9 to 0.99 in R3GAN."""

    def build(self, parameters: Iterable[torch.nn.Parameter], recorded: bool = False) -> torch.optim.Optimizer:
        """The torch optimiser for these parameters; ``recorded`` if its steps go into CUDA graphs.

        The learning rate of a recorded Adam is a tensor, read anew at every replay.
        """
        lr, decay = self.lr, self.weight_decay
        if self.name == "adam":
            parameters = list(parameters)
            rate = torch.tensor(lr, device=parameters[0].device) if recorded else lr
            return torch.optim.Adam(
                parameters, lr=rate, weight_decay=decay, fused=True, capturable=recorded, betas=self.betas, eps=self.eps
            )
        if self.name == "rmsprop":
            return torch.optim.RMSprop(parameters, lr=lr, weight_decay=decay, capturable=recorded)
        return torch.optim.SGD(parameters, lr=lr, momentum=self.momentum, weight_decay=decay, fused=True)

    @property
    def can_be_recorded(self) -> bool:
        """Whether a step asks nothing of the processor: fused ones skip a bad step by themselves."""
        return self.name != "rmsprop"

    def settled(self, step: int, images: int) -> bool:
        """Whether from this round on nothing moves that a recording would hold fast; Adam's learning rate may."""
        moving = self.name != "adam" and (
            (self.lr_shrink > 1 and self.lr * self.lr_shrink ** -float(step) > self.lr_least)
            or (self.fall_to is not None and step >= self.fall_from)  # a recording of before would not do after
            or (self.lr_to is not None and images < self.burn_in_kimg * 1000)
        )
        growing = self.momentum_to is not None and step < self.momentum_rounds
        return not (moving or growing or (self.beta2_to is not None and images < self.burn_in_kimg * 1000))

    def set_schedule(self, optimizer: torch.optim.Optimizer, step: int, images: int = 0) -> None:
        """Set what changes over the run; a pure function of rounds played and images shown: nothing needs saving.

        A beta2 that grows is used as R3GAN uses it: torch's Adam corrects its second moment by the *present* beta2
        to the power of all steps so far, which is 1 but for the first hundreds of them.
        """
        over = self.burn_in_kimg * 1000
        for group in optimizer.param_groups:
            if self.lr_shrink > 1:
                set_rate(group, max(self.lr_least, self.lr * self.lr_shrink ** -float(step)))
            if self.lr_to is not None:
                set_rate(group, burn_in(self.lr, self.lr_to, images, over))
            if self.fall_to is not None:
                set_rate(group, self.lr * fall(step, self.fall_from, self.fall_to))
            if self.beta2_to is not None:
                group["betas"] = (self.betas[0], burn_in(self.betas[1], self.beta2_to, images, over))
            if self.momentum_to is not None:
                share = min(1.0, step / self.momentum_rounds)
                group["momentum"] = self.momentum + share * (self.momentum_to - self.momentum)


def set_rate(group: dict[str, Any], lr: float) -> None:
    """The learning rate of an optimiser's group, in place where it is a tensor that a recording reads."""
    if isinstance(group["lr"], torch.Tensor):
        group["lr"].fill_(lr)
    else:
        group["lr"] = lr
