"""InfoGAN: codes that are part of the prior, read back by D, and shown one at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image
from test_recipe import light

from leafwing.cli.main import run
from leafwing.core.errors import BadConfig
from leafwing.explore.codes import STEPS, swept
from leafwing.game import Batch
from leafwing.latents import Codes
from leafwing.recipe import load_recipe
from leafwing.variants.infogan import InfoGAN


def test_infogan_reads_the_codes_of_the_prior():
    """Classes by cross-entropy, numbers by a Gaussian of unit variance; the noise behind them is not read."""
    prior, rng = Codes(9, (3, 2), 2), np.random.default_rng(0)
    rules, z = InfoGAN(kind="prior", prior=prior, weight=2.0), prior.sample(6, rng).double()
    assert rules.d_outputs == 1 + 7
    verdicts = torch.from_numpy(rng.standard_normal((6, 8)))
    likelihood = torch.distributions.Normal(verdicts[:, 6:], 1.0).log_prob(z[:, 5:7]).sum(1) + math.log(2 * math.pi)
    for read, code in ((verdicts[:, 1:4], z[:, :3]), (verdicts[:, 4:6], z[:, 3:5])):
        likelihood += torch.distributions.Categorical(logits=read).log_prob(code.argmax(1))
    torch.testing.assert_close(rules.reading(verdicts, z), -2 * likelihood.mean())
    z[:, 7:] = 0
    torch.testing.assert_close(rules.reading(verdicts, z), -2 * likelihood.mean())


def test_infogan_wants_codes_to_read():
    load_recipe("infogan", ["prior.classes=[4,3]", "prior.numbers=0", "prior.dim=50"])
    with pytest.raises(BadConfig, match=r"variant 'infogan' cannot be built: .* set prior.name to codes"):
        load_recipe("dcgan", ["variant.name=infogan", "variant.kind=prior"])
    with pytest.raises(BadConfig, match=r"dim must be at least 12, the length of the codes; got 10"):
        load_recipe("infogan", ["prior.dim=10"])


def test_both_players_descend_the_reading_and_d_reads_fakes_alone():
    """Eq. 6: min over G and Q, max over D; the gradient of the reading reaches G's picture and D's body."""
    recipe = load_recipe("infogan", light)
    torch.manual_seed(0)
    G, D = recipe.build_networks()
    rules, z = recipe.build_variant(), recipe.build_prior().sample(8, np.random.default_rng(0))
    real, fake = Batch(torch.rand(8, 3, 32, 32) * 2 - 1), Batch(G(z), z=z)
    terms, on_real, on_fake = rules.d_terms(D, real, Batch(fake.pictures.detach(), z=z), 0)
    assert on_real.shape == on_fake.shape == (8, 1 + 12)
    assert set(terms) == {"adversarial", "reading", "r1"}
    assert float(terms["reading"].detach()) == pytest.approx(float(rules.reading(on_fake, z).detach()))
    assert float(terms["reading"].detach()) == pytest.approx(math.log(10) + 1 / 3, abs=0.8), "untrained: chance"
    found = torch.autograd.grad(rules.g_terms(D, real, fake)["reading"], next(G.parameters()))[0]
    assert float(found.abs().max()) > 0


def test_every_value_of_one_code_for_the_same_z():
    prior = Codes(9, (3, 2), 2)
    zs = prior.sample(4, np.random.default_rng(0))
    for code, block, count in (
        (1, slice(0, 3), 3),
        (2, slice(3, 5), 2),
        (3, slice(5, 6), STEPS),
        (4, slice(6, 7), STEPS),
    ):
        names, rows = swept(prior, code, zs)
        assert rows.shape == (4, count, 9)
        assert len(names) == count
        assert prior.log_prob(rows.flatten(0, 1)).isfinite().all(), "each is a z that may be drawn"
        assert len(rows[0].unique(dim=0)) == count
        others = [i for i in range(9) if not block.start <= i < block.stop]
        assert torch.equal(rows[:, :, others], zs[:, None, others].expand(-1, count, -1))
    assert (swept(prior, 3, zs)[0][0], swept(prior, 3, zs)[0][-1]) == ("-1.00", "+1.00")
    for wrong in (0, 5):
        with pytest.raises(BadConfig, match="codes 1 to 4"):
            swept(prior, wrong, zs)


def test_codes_of_a_run_on_a_sheet(tmp_path, capsys):
    tiny = [*light, "data.count=64", "train.batch=8", "data.image_size=16", "watch.samples=4"]
    for name, recipe in (("coded", "infogan"), ("plain", "faces")):
        options = ["train", "--recipe", recipe, "--steps", "2", "--out", str(tmp_path / name), "--set", *tiny]
        assert run(options) == 0
    sheet = tmp_path / "code.png"
    assert run(["explore", "codes", str(tmp_path / "coded"), "--count", "3", "--out", str(sheet)]) == 0
    with Image.open(sheet) as image:
        assert image.width == 10 * (64 + 2 * 2), "a column a class, each with its margin"
        assert image.height > 3 * 64
    capsys.readouterr()
    for wrong, words in (
        ([str(tmp_path / "plain")], "no codes (its prior is Normal)"),
        ([str(tmp_path / "coded"), "--code", "4"], "codes 1 to 3"),
        ([str(tmp_path / "coded"), "--count", "0"], "--count 0"),
    ):
        assert run(["explore", "codes", *wrong, "--out", str(sheet)]) == 2
        assert words in capsys.readouterr().err


def test_binary_codes_are_zeros_and_ones():
    """Cross-entropy against other numbers has no lower bound."""
    with pytest.raises(BadConfig, match="kind = 'binary' wants codes of 0 and 1: set prior.name to binary"):
        load_recipe("infogan", ["variant.kind=binary", "prior.name=normal"])
    assert isinstance(load_recipe("infogan", ["variant.kind=binary", "prior.name=binary"]).build_variant(None), InfoGAN)
