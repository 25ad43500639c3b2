"""α-GAN: an auto-encoder in the game. Four networks: encoder E and G on one side, D and the code's D on the other.

Players are two, as always: G holds the encoder, D holds the code discriminator C, so each turn moves two networks and
freezes the other two. D tells reals from G(z) and from G(E(x)); C tells z of the prior from E(x). E and G want x back
from G(E(x)), both kinds of pictures called real, and E(x) called z of the prior.

Source: Rosca et al. 2017, arXiv:1706.04987: the likelihood of a picture is replaced by what D says of it, beside a
Laplace likelihood of weight lambda, and the unknown posterior by what C says of the code. The losses of C and its
use by E are here as they must be for codes to become like the prior: version 1 of the paper prints prior and posterior
the other way round in Eq. 16 and 17, a slip its authors confirmed. Differs: the two networks of a player step together
(the authors move all four one by one; D and C share nothing, so for them it is the same); every term is a mean over
pictures and pixels, so that lambda is about a pixel; verdicts on samples and on rebuilt pictures are averaged, so D's
reals weigh as much as both kinds of fakes together. The averages and ``objective = "fool"`` are a public port's as well
(victor-shepardson/alpha-GAN, MIT).
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from leafwing.core.errors import BadNetwork
from leafwing.game import Batch, Terms, Variant, call, judge
from leafwing.losses import adversarial
from leafwing.variants import variants


@variants.register("alpha-gan")
class AlphaGAN(Variant):
    """The classifying game twice, of pictures and of codes, and a reconstruction.

    Args:
        rebuild_weight: lambda, of the mean absolute error of a pixel of G(E(x)).
        objective: what E and G pay for a verdict: ``"ratio"`` (-log D + log(1 - D), which is minus the logit, as in
            the paper) or ``"fool"`` (-log D, the non-saturating loss).
    """

    def __init__(
        self,
        rebuild_weight: Annotated[float, Field(ge=0)] = 10.0,
        objective: Literal["ratio", "fool"] = "ratio",
    ) -> None:
        self.rebuild_weight, self.objective = rebuild_weight, objective

    def fakes(self, G: nn.Module, z: Tensor, real: Batch) -> Batch:
        """G(z), and E(x) and G(E(x)) of the reals x."""
        if not hasattr(G, "encode"):
            raise BadNetwork("alpha-gan needs a generator with an encoder: use --set generator.name=alpha-gan.")
        code = call(G.encode, real.pictures, real.condition)  # type: ignore[arg-type]
        if code.shape != z.shape:
            raise BadNetwork(f"The encoder should give {list(z.shape)}, as long as z; it gives {list(code.shape)}.")
        return super().fakes(G, z, real)._replace(code=code, rebuilt=call(G, code, real.condition))

    def d_loss(self, real: Tensor, fake: Tensor) -> Terms:
        """Tell real from generated; C's verdicts on z of the prior and on codes are met the same way."""
        return {"adversarial": adversarial.logistic_d(real, fake)}

    def g_loss(self, fake: Tensor, real: Tensor | None = None) -> Terms:
        """Raise D's verdict; C's is met the same way."""
        return {"adversarial": self.likeness(fake)}

    def likeness(self, verdicts: Tensor) -> Tensor:
        """R of the paper: what E and G pay for D's verdict on a picture, or for C's on a code."""
        return (adversarial.score_g if self.objective == "ratio" else adversarial.nonsaturating_g)(verdicts)

    def d_terms(self, D: nn.Module, real: Batch, fake: Batch, step: int) -> tuple[Terms, Tensor, Tensor]:
        """D's term, reals against both kinds of fakes; C's term, z of the prior against codes."""
        on_real, on_fakes = judge(D, real), verdicts_on_both(D, fake)
        terms = both(*(self.d_loss(on_real, on_fake) for on_fake in on_fakes))
        terms["code"] = adversarial.logistic_d(judge_code(D, fake.z), judge_code(D, fake.code))
        return terms, on_real, torch.cat(on_fakes)

    def g_terms(self, D: nn.Module, real: Batch, fake: Batch) -> Terms:
        """G's and E's terms: fool D, rebuild x, and hide from C that a code is one."""
        terms = both(*(self.g_loss(on_fake) for on_fake in verdicts_on_both(D, fake)))
        terms["rebuild"] = self.rebuild(fake.rebuilt, real.pictures)
        return terms | {"code": self.likeness(judge_code(D, fake.code))}

    def rebuild(self, rebuilt: Tensor | None, pictures: Tensor) -> Tensor:
        r"""$\lambda\,E|x - G(E(x))|$ over pictures and pixels: minus a Laplace log-likelihood, but for constants.

        Source: Rosca et al. 2017, arXiv:1706.04987.
        """
        assert rebuilt is not None, "made in fakes"
        return self.rebuild_weight * (rebuilt.float() - pictures).abs().mean()


def verdicts_on_both(D: nn.Module, fake: Batch) -> tuple[Tensor, Tensor]:
    """D's verdicts [n] on G(z), and on G(E(x))."""
    assert fake.rebuilt is not None, "made in fakes"
    return judge(D, fake), judge(D, fake._replace(pictures=fake.rebuilt))


def both(on_samples: Terms, on_rebuilt: Terms) -> Terms:
    """The mean of each term over both kinds of pictures."""
    return {name: (term + on_rebuilt[name]) / 2 for name, term in on_samples.items()}


def judge_code(D: nn.Module, code: Tensor | None) -> Tensor:
    """C's logits [n] for codes [n, z_dim]."""
    verdicts: Tensor = D.judge_code(code)  # type: ignore[operator]
    return verdicts.float()
