"""The three ways to tell G of a choice that benchmarks/choices.py compares (issue 6, item 9): each is what it says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from leafwing.core.lexicon import Lexicon
from leafwing.game import Batch
from leafwing.networks import generators
from leafwing.variants import variants

PATH = Path(__file__).parents[1] / "benchmarks" / "choices.py"


@pytest.fixture(scope="module")
def choices():
    spec = importlib.util.spec_from_file_location("choices", PATH)
    found = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "choices", found)
        spec.loader.exec_module(found)
        yield found
    for registry, name in ((generators, "replies-gumbel"), (variants, "chat-policy")):
        registry._parts.pop(name)


@pytest.fixture
def lexicon() -> Lexicon:
    return Lexicon(("", "?", "who", "me", "you"), question=3, reply=2)


def test_gumbel_words_come_as_often_as_their_chance_and_z_chooses(choices, lexicon):
    """Jang et al. 2017, Eq. 1: the largest of scores and Gumbel noise is drawn by the softmax of the scores."""
    torch.manual_seed(0)
    G = choices.GumbelReplies(12, lexicon, width=8)
    with torch.no_grad():
        G.score.out.bias.copy_(torch.tensor([0.0, 1.0, -1.0, 0.5, 0.2]))
    question = torch.tensor([[2, 1, 0]]).expand(20_000, -1)
    z = torch.rand(20_000, 12)
    said = G(z, question)
    expected = G.score.after(said.argmax(2), question)[0, 0].softmax(0)
    assert torch.allclose(said[:, 0].mean(0), expected, atol=0.012)
    assert torch.equal(G(z[:5], question[:5]), said[:5])
    words = said.detach()[:, 0].argmax(1)
    assert (said.detach()[words == 0, 1].argmax(1) == 0).all(), "nothing is said after the end"
    said[:, 0, 3].sum().backward()
    assert float(G.score.out.bias.grad.abs().sum()) > 0


def test_policy_makes_likelier_what_fooled_d(choices):
    class Likes(nn.Module):
        def forward(self, pictures, condition):
            return pictures[:, 0, 0]

    likelihood = torch.zeros(4, requires_grad=True)
    fake = Batch(torch.tensor([3.0, 1.0, -1.0, -3.0]).view(4, 1, 1), likelihood=likelihood)
    choices.Policy().g_terms(Likes(), Batch(torch.zeros(4, 1, 1)), fake)["policy"].backward()
    slope = -likelihood.grad
    assert slope.sum() == pytest.approx(0, abs=1e-6)
    assert slope.tolist() == sorted(slope.tolist(), reverse=True)
    assert slope[0] > 0 > slope[3]
