"""What a network must do to play, checked before the first round, explained where it does not.

G and D may be anything their author likes; only what goes in and comes out has to fit.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from leafwing.core import randomness
from leafwing.core.errors import BadNetwork
from leafwing.freeze import frozen
from leafwing.game import Batch, Variant, call, judge
from leafwing.latents import Prior
from leafwing.networks.synced import SyncedBatchNorm


def check_players(
    G: nn.Module,
    D: nn.Module,
    variant: Variant,
    prior: Prior,
    shape: tuple[int, ...],
    condition: Tensor | None = None,
    device: torch.device | str = "cpu",
    layout: torch.memory_format = torch.contiguous_format,
) -> None:
    """Try both networks on a few samples, in the modes they will be used in. Nothing of them changes.

    Args:
        G: ``z [n, z_dim] (, condition) -> samples [n, *shape]``, in [-1, 1] unless it has a true ``unbounded``.
        D: ``samples (, condition) -> [n]``, ``[n, 1]`` or ``[n, variant.d_outputs]``.
        variant: the rules, which say how many outputs D needs.
        prior: gives z.
        shape: of one sample: ``(c, h, w)`` for pictures.
        condition: what is asked of 4 samples, [4, ...]; None where nothing is.
        device: where the networks are.
        layout: memory format in which real pictures will come.

    Raises:
        BadNetwork: one sentence: what was expected, what came, what to do.
    """
    refuse_batch_norm(D, variant)
    n = 4
    z = prior.sample(n, randomness.stream(0, 0, "contract")).to(device)
    condition = None if condition is None else condition.to(device)
    for who, net in (("generator", G), ("discriminator", D)):
        if not any(p.requires_grad for p in net.parameters()):
            raise BadNetwork(f"The {who} has no parameters to train.")
    with frozen(G), torch.no_grad():
        pictures = attempt("generator", G, z, condition)
        check_pictures(pictures, n, shape, bounded=not getattr(G, "unbounded", False))
        if varies(z) and not varies(pictures):
            raise BadNetwork("The generator gives the same picture for every z: is z used at all?")
    with frozen(D), torch.no_grad():
        about = condition if variant.d_sees_condition else None
        attempt("discriminator", D, pictures, about)
        if pictures.ndim == 4:  # as the data door will hand them over
            attempt("discriminator", D, pictures.contiguous(memory_format=layout), about)
        check_verdicts(judge(D, Batch(pictures, about)), n, variant.d_outputs)
    with frozen(G, D), torch.no_grad():
        check_code(variant.fakes(G, z, Batch(pictures, condition)), D)


def settle_sizes(
    G: nn.Module, D: nn.Module, variant: Variant, prior: Prior, shape: tuple[int, ...], condition: Tensor | None = None
) -> None:
    """Give layers that learn their size from their first input (``nn.LazyLinear``) that input, before anything else.

    Args:
        G: on the CPU, as it was built; untouched, as D is, if it has no such layers.
        D: likewise.
        variant: says whether D sees the condition.
        prior: gives z.
        shape: of one sample.
        condition: what is asked of 4 samples; None where nothing is.

    Raises:
        BadNetwork: a network fails, or does not use such a layer.
    """
    z = prior.sample(4, randomness.stream(0, 0, "contract"))
    about = condition if variant.d_sees_condition else None
    for who, net, x, told in (("generator", G, z, condition), ("discriminator", D, torch.zeros(4, *shape), about)):
        if not waiting(net):
            continue
        modes = {layer: layer.training for layer in net.modules()}
        net.eval()  # so that no running mean moves
        with torch.no_grad():
            attempt(who, net, x, told)
        for layer, training in modes.items():
            layer.training = training
        if waiting(net):
            raise BadNetwork(
                f"The {who} does not use {waiting(net)[0]}, a layer that learns its size from its first input: remove "
                "it, or give its sizes."
            )


def waiting(net: nn.Module) -> list[str]:
    """Names of the layers whose size is not known yet."""
    lazy = (nn.parameter.UninitializedParameter, nn.parameter.UninitializedBuffer)
    named = (*net.named_parameters(), *net.named_buffers())
    return [name.rpartition(".")[0] or type(net).__name__ for name, tensor in named if isinstance(tensor, lazy)]


def check_code(fake: Batch, D: nn.Module) -> None:
    """Where G has an encoder, D has a judge for codes."""
    if fake.code is not None and not hasattr(D, "judge_code"):
        raise BadNetwork(
            "The generator has an encoder, so the discriminator needs a judge_code for codes: use --set "
            "discriminator.name=alpha-gan."
        )


def refuse_batch_norm(D: nn.Module, variant: Variant) -> None:
    """A penalty on D's slope at single pictures wants a D that judges each picture by itself.

    Source: Gulrajani et al. 2017, arXiv:1704.00028, Sec. 4, "No critic batch normalization".
    """
    mixes = (nn.modules.batchnorm._BatchNorm, SyncedBatchNorm)
    if variant.per_picture and any(isinstance(layer, mixes) for layer in D.modules()):
        raise BadNetwork(
            "The discriminator has BatchNorm, under which a picture's score depends on the others of its batch, but "
            "this variant's gradient penalty is about each picture alone: use one without, e.g. "
            "--set discriminator.norm=layer for dcgan."
        )


def attempt(who: str, net: nn.Module, x: Tensor, condition: Tensor | None) -> Tensor:
    """Run the network; whatever it raises becomes one sentence."""
    try:
        out = call(net, x, condition)
    except BadNetwork:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise BadNetwork(f"The {who} fails on an input of shape {list(x.shape)}: {reason}") from error
    if not isinstance(out, Tensor):
        raise BadNetwork(f"The {who} should return a tensor; it returned {type(out).__name__}.")
    return out


def check_pictures(pictures: Tensor, n: int, shape: tuple[int, ...], bounded: bool = True) -> None:
    """G's output has the data's shape, is floating, finite and, unless G says otherwise, within [-1, 1]."""
    if tuple(pictures.shape) != (n, *shape):
        raise BadNetwork(
            f"The generator should turn z of {n} into {[n, *shape]}, the shape of the data; it gives "
            f"{list(pictures.shape)}. Change its output layer, or data.image_size and data.channels."
        )
    if not pictures.is_floating_point() or not bool(pictures.isfinite().all()):
        raise BadNetwork("The generator should give finite floating-point numbers.")
    if bounded and len(shape) == 3 and float(pictures.abs().max()) > 1.001:
        raise BadNetwork(
            f"The generator gives values up to {float(pictures.abs().max()):.3g}; pictures lie in [-1, 1] here: "
            "end it with tanh, or give the class `unbounded = True` if it cuts them in eval mode alone."
        )


def varies(pictures: Tensor) -> bool:
    """Whether different z gave different pictures."""
    return bool((pictures[1:] != pictures[:1]).any())


def check_verdicts(verdicts: Tensor, n: int, outputs: int) -> None:
    """D's output is one logit a picture, or as many as the variant asks for."""
    wanted = [n] if outputs == 1 else [n, outputs]
    if list(verdicts.shape) != wanted:
        raise BadNetwork(
            f"The discriminator should give {wanted} for {n} pictures, a score each; it gives {list(verdicts.shape)}. "
            "Flatten its last layer's output."
        )
    if not verdicts.is_floating_point() or not bool(verdicts.isfinite().all()):
        raise BadNetwork("The discriminator should give finite floating-point numbers.")
