"""AC-GAN: D is not told what was asked for; it has to find out, beside telling real from generated.

D has one output more than the condition has numbers: the first is the score, the others say which class each attribute
of the picture is (or how large its number). D learns both on reals and on fakes; G wants to be taken for real and to be
recognised as what it was asked for.

Source: Odena et al. 2017, arXiv:1610.09585, Eq. 2 and 3: L_S is the game of `gan`, L_C the log-likelihood of the right
class, on reals and fakes alike; D maximises L_S + L_C, G maximises L_C - L_S. Differs: several attributes at once,
whose L_C are added; what is not known of a picture adds nothing; the weights of L_C may be chosen.

Where G only wants to be recognised, it draws what is easily recognised: pink eyes before pink walls. With ``apart``, D
knows each class twice, of real and of generated pictures, and G wants to be taken for the first and not for the second.
What it ties to a class, and the data does not, is then a sign of the second. Source: ADC-GAN, Hou et al. 2022,
arXiv:2107.10060; against the best D, G's loss is the divergence of G's joint distribution of picture and class from the
data's.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from leafwing.core.vocabulary import Vocabulary
from leafwing.game import Batch, Terms, judge
from leafwing.variants import variants
from leafwing.variants.reader import Reader

Weight = Annotated[float, Field(ge=0)]


@variants.register("acgan")
class ACGAN(Reader):
    """The classifying game with an auxiliary classifier.

    Args:
        d_weight: of D's L_C; 1 in the paper.
        d_on_fakes: of the part of it that is on fakes; 1 in the paper. At 0 D learns classes from reals alone, so that
            G cannot agree with D on signs of its own.
        apart: whether a class of reals and the same class of fakes are two.
        apart_weight: then, of G's wish not to be taken for its class of fakes; 1 in ADC-GAN. At 0 it wants to be taken
            for that of reals, and that is all.
        g_weight: of G's L_C; 1 in the paper.
        r1_gamma: weight of the R1 penalty on the slope of D's score at reals; 0 for none, as in the paper.
        r1_every: rounds between penalties, each then weighted so many times.
        vocabulary: what can be asked for; from the data.
    """

    d_sees_condition = False

    def __init__(
        self,
        d_weight: Weight = 1.0,
        d_on_fakes: Weight = 1.0,
        g_weight: Weight = 1.0,
        apart: bool = False,
        apart_weight: Weight = 1.0,
        r1_gamma: Weight = 0.0,
        r1_every: Annotated[int, Field(ge=1)] = 1,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        if vocabulary is None:
            raise ValueError("it needs labels to learn from: set data.condition, e.g. to hair or folder")
        if apart and not d_on_fakes:
            raise ValueError(
                "variant.apart tells classes of fakes from those of reals: set variant.d_on_fakes, e.g. to 1"
            )
        if apart_weight != 1 and not apart:
            raise ValueError("variant.apart_weight is about classes of fakes of their own: set variant.apart = true")
        super().__init__(vocabulary.size * (1 + apart), r1_gamma, r1_every)
        self.apart, self.apart_weight = apart, apart_weight
        self.d_weight, self.d_on_fakes, self.g_weight, self.vocabulary = d_weight, d_on_fakes, g_weight, vocabulary

    def d_terms(self, D: nn.Module, real: Batch, fake: Batch, step: int) -> tuple[Terms, Tensor, Tensor]:
        """Minus L_S, minus L_C on both kinds, and R1."""
        on_real, on_fake = judge(D, Batch(real.pictures)), judge(D, Batch(fake.pictures))
        found = self.d_loss(on_real, on_fake)
        found["class_real"] = self.d_weight * self.misread(on_real, real.condition)
        if self.d_on_fakes:
            found["class_fake"] = self.d_weight * self.d_on_fakes * self.misread(on_fake, fake.condition, self.apart)
        return found | self.penalties(lambda p: judge(D, Batch(p)), real, fake, step), on_real, on_fake

    def g_terms(self, D: nn.Module, real: Batch, fake: Batch) -> Terms:
        """Be taken for real, and for what was asked for."""
        on_fake = judge(D, Batch(fake.pictures))
        found = self.g_loss(on_fake)
        found["class"] = self.g_weight * self.misread(on_fake, fake.condition)
        if self.apart:
            of_fakes = self.misread(on_fake, fake.condition, of_fakes=True)
            found["class"] = found["class"] - self.g_weight * self.apart_weight * of_fakes
        return found

    def misread(self, verdicts: Tensor, condition: Tensor | None, of_fakes: bool = False) -> Tensor:
        """Minus L_C: cross-entropy of each class attribute, squared error of each number; a mean over the pictures.

        Args:
            verdicts: D's outputs [n, 1 + k]; [n, 1 + 2 k] if fakes have classes of their own.
            condition: what is true, [n, k]; blocks of 0s add nothing.
            of_fakes: whether the classes of fakes are the right ones, where they are apart.
        """
        assert condition is not None, "acgan is built with a vocabulary, so its pictures come with conditions"
        halves, loss = torch.split(verdicts[:, 1:], self.vocabulary.size, dim=1), verdicts.new_zeros(())
        for attribute, block in self.vocabulary.blocks:
            guesses, truth = [half[:, block] for half in halves], condition[:, block]
            if attribute.classes:
                likely = F.log_softmax(torch.cat(guesses, 1), dim=1).chunk(len(guesses), dim=1)[of_fakes]
                loss = loss - (truth * likely).sum(1).mean()
            else:
                loss = loss + (truth[:, 1] * (guesses[of_fakes][:, 0] - truth[:, 0]).square()).mean()
        return loss
