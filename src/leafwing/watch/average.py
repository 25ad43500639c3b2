"""The averaged generator: a running mean of G's weights, which draws cleaner pictures than G itself."""

from __future__ import annotations

import copy

import torch
from torch import nn

from leafwing.core import randomness
from leafwing.core.schedules import burn_in
from leafwing.game import Terms, call
from leafwing.networks.synced import SyncedBatchNorm
from leafwing.training import Training, Watcher


class Average(Watcher):
    """Exponential moving average with a half-life counted in images, shorter early on.

    Source: Karras et al. 2018, arXiv:1710.10196, Sec. 2 (averaged weights); the half-life in images and its ramp are
    StyleGAN2's (Karras et al. 2020). Floating buffers (BatchNorm statistics) are averaged alike, others copied.

    Args:
        halflife_images: real images after which a weight's influence halves; 0 copies G each round.
        ramp: early on, the half-life is at most this share of the images seen.
        burn_in_images: images over which the half-life grows from 0 along half a cosine (R3GAN's, Huang et al. 2024,
            arXiv:2501.05441); 0 for the whole of it from the start.
    """

    def __init__(self, halflife_images: float, ramp: float, burn_in_images: float = 0.0) -> None:
        self.halflife, self.ramp, self.burn_in = halflife_images, ramp, burn_in_images
        self._images = 0

    def start(self, training: Training) -> None:
        """Note where we stand; at step 0 the average is G itself."""
        self._images = training.images

    @torch.no_grad()
    def after_round(self, training: Training, log: Terms) -> None:
        """Move the average a little towards G."""
        before, self._images = self._images, training.images
        shown = training.images - before
        halflife = min(burn_in(0.0, self.halflife, before, self.burn_in), self.ramp * training.images)
        keep = 0.5 ** (shown / halflife) if halflife > 0 else 0.0
        move(training.average, training.players.G, 1 - keep)


def move(average: nn.Module, towards: nn.Module, share: float) -> None:
    """``average += share * (towards - average)`` for floating tensors; the others are copied."""
    old = [*average.parameters(), *average.buffers()]
    new = [*towards.parameters(), *towards.buffers()]
    floats = [(a, b) for a, b in zip(old, new, strict=True) if a.is_floating_point()]
    torch._foreach_lerp_([a for a, _ in floats], [b for _, b in floats], share)
    for a, b in zip(old, new, strict=True):
        if not a.is_floating_point():
            a.copy_(b)


def standing(training: Training, pictures: int = 256, batch: int = 32) -> nn.Module:
    """The averaged generator with BatchNorm statistics measured anew, ready for sampling; itself if it has none.

    Averaged statistics are those of many different generators, none of which is the average. So before sampling they
    are taken from the average's own activations over fresh z: "standing statistics", Brock et al. 2019,
    arXiv:1809.11096, Appendix D. A copy, and a pure function of the weights: what is saved stays as it was.

    Args:
        training: whose average; asked for what is said of the run's first real pictures.
        pictures: how many are drawn for it.
        batch: so many at a time; statistics are averaged over the batches.
    """
    G = copy.deepcopy(training.average).eval()
    norms = [m for m in G.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm | SyncedBatchNorm)]
    if not norms:
        return G
    for norm in norms:
        if isinstance(norm, SyncedBatchNorm):
            norm.alone = True
        for name, value in (("running_mean", 0), ("running_var", 1), ("num_batches_tracked", 0)):
            if getattr(norm, name, None) is not None:
                norm.get_buffer(name).fill_(value)
        norm.momentum = None  # the plain mean over all batches
        norm.train()
    device = next(G.parameters()).device
    prior, seed = training.players.prior, training.players.seed
    with torch.no_grad():
        for number in range(max(1, pictures // batch)):
            z = prior.sample(batch, randomness.stream(seed, 0, "standing", number)).to(device)
            rows = number * batch, (number + 1) * batch
            call(G, z, training.asked(*rows))
            if hasattr(G, "encode"):  # an encoder has statistics of its own, of real pictures
                call(G.encode, training.shown(*rows).to(device), training.asked(*rows))  # type: ignore[arg-type]
    return G.eval()
