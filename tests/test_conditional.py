"""Conditional runs end to end: labels reach both players, the ranks, checkpoints and the sampler (R3-R5, R33)."""

from __future__ import annotations

import copy
import json
import math

import numpy as np
import pytest
import torch
from test_run import fingerprint
from torch import nn
from torch.nn import functional as F

from leafwing import api
from leafwing.cli.main import run
from leafwing.core.errors import BadConfig, BadRun
from leafwing.core.pictures import read_png_metadata
from leafwing.core.ranks import Ranks
from leafwing.core.vocabulary import Attribute, Vocabulary
from leafwing.data.conditions import Conditions
from leafwing.data.feed import Feed
from leafwing.data.labels import Labels, learn
from leafwing.game import Batch, judge
from leafwing.networks import discriminators, generators
from leafwing.networks.blocks import Join, Projection
from leafwing.networks.conditional_norm import ConditionalBatchNorm2d
from leafwing.prepare import prepare, read_store
from leafwing.recipe import Recipe, load_recipe
from leafwing.training import one_round
from leafwing.variants.acgan import ACGAN
from leafwing.watch.checkpoint import digest

SMALL = ["generator.width=4", "generator.most=8", "discriminator.width=4", "discriminator.most=8", "prior.dim=6",
         "data.image_size=16", "data.count=60", "train.batch=8", "train.precision=fp32", "watch.samples=24",
         "watch.checkpoint_every=4", "watch.alarms=false"]  # fmt: skip
CONDITIONAL = ["cgan", "acgan"]


def small(recipe: str = "cgan", *more: str) -> Recipe:
    """As narrow as it goes; other networks than the recipe's bring settings of their own."""
    kept = [s for s in SMALL if not s.startswith(("generator", "discriminator"))] if named(more) else SMALL
    return load_recipe(recipe, [*kept, *more])


def named(settings: tuple[str, ...]) -> bool:
    return any(s.startswith("generator.name=") for s in settings)


def training(recipe: Recipe):
    return prepare(recipe, read_store(recipe), torch.device("cpu"))


def two() -> Vocabulary:
    kinds = (Attribute("hair", ("a", "b", "c")), Attribute("mouth", mean=1.0, spread=2.0))
    return Vocabulary(kinds, np.zeros((1, 2), np.float32), np.ones(1, np.int64))


# ------------------------------------------------------------------------------------------------ formulas


def test_projection_is_an_inner_product_per_class():
    """Miyato & Koyama 2018, Eq. 3: y^T V phi(x), written out; zeros ask nothing."""
    ask = Projection(5, 3).double()
    features = torch.randn(4, 5, 2, 2, dtype=torch.float64)
    kinds = [2, 0, 1, 2]
    V = ask.embed.weight.detach()  # [f, k]
    by_hand = torch.tensor([sum(float(features[n, f].sum() * V[f, y]) for f in range(5)) for n, y in enumerate(kinds)])
    got = ask(features, torch.eye(3, dtype=torch.float64)[kinds])
    torch.testing.assert_close(got, by_hand.double())
    assert ask(features, torch.zeros(4, 3, dtype=torch.float64)).abs().max() == 0


def test_conditional_batchnorm_is_a_batchnorm_for_each_class():
    """de Vries et al. 2017: one normalisation for all, scale and shift by class; zeros leave it plain."""
    norm = ConditionalBatchNorm2d(4, 3).double()
    nn.init.normal_(norm.shift.weight)
    x, kinds = torch.randn(6, 4, 3, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 1, 0, 2])
    got = norm(x, torch.eye(3, dtype=torch.float64)[kinds])
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
    for n, kind in enumerate(kinds.tolist()):
        for f in range(4):
            scale = 1 + norm.scale.weight[f, kind]
            want = scale * (x[n, f] - mean[f]) / torch.sqrt(var[f] + 1e-5) + norm.shift.weight[f, kind]
            torch.testing.assert_close(got[n, f], want)
    plain = F.batch_norm(x, None, None, training=True)
    torch.testing.assert_close(norm(x, torch.zeros(6, 3, dtype=torch.float64)), plain)
    assert torch.autograd.gradcheck(norm, (x[:2].requires_grad_(), torch.eye(3, dtype=torch.float64)[:2]))


def test_a_joined_condition_changes_what_a_picture_is_worth():
    """Were there no kink after joining, the condition would add the same number for every picture."""
    D = discriminators.build("dcgan", {"width": 4, "asks": "concatenate"}, image_size=16, channels=1, condition_dim=3)
    nn.init.normal_(next(m for m in D.modules() if isinstance(m, Join)).mix[0].weight)
    pictures, kinds = torch.randn(8, 1, 16, 16), torch.eye(3)
    D.eval()
    by_kind = torch.stack([D(pictures, kinds[k].expand(8, 3)) for k in range(3)]).detach()
    apart = by_kind[0] - by_kind[1]
    assert float(apart.std()) > 1e-3 * float(by_kind.std())


def test_acgan_reads_classes_by_cross_entropy_and_numbers_by_squares():
    """Odena et al. 2017, Eq. 3, by hand; what is not known costs nothing; each player's terms have the right sign."""
    rules = ACGAN(d_weight=2.0, g_weight=0.5, vocabulary=two())
    assert rules.d_outputs == 1 + 3 + 2
    verdicts = torch.tensor([[9.0, 1.0, 2.0, 3.0, 0.5, 7.0], [9.0, 1.0, 1.0, 1.0, 0.5, 7.0]])
    condition = torch.tensor([[0.0, 0.0, 1.0, 2.0, 1.0], [0.0, 0.0, 0.0, 0.0, 0.0]])
    entropy = -math.log(math.exp(3) / (math.exp(1) + math.exp(2) + math.exp(3)))
    assert float(rules.misread(verdicts, condition)) == pytest.approx((entropy + (0.5 - 2) ** 2) / 2)
    assert float(rules.misread(verdicts, torch.zeros(2, 5))) == 0

    class Constant(nn.Module):
        def forward(self, pictures):
            return verdicts

    batch = Batch(torch.zeros(2, 1), condition)
    terms, _, _ = rules.d_terms(Constant(), batch, batch, 0)
    assert float(terms["class_real"]) == pytest.approx(2 * float(rules.misread(verdicts, condition)))
    assert float(terms["class_fake"]) == float(terms["class_real"])
    alone = ACGAN(d_on_fakes=0.0, vocabulary=two()).d_terms(Constant(), batch, batch, 0)[0]
    assert "class_fake" not in alone, "D learns classes from reals alone"
    assert float(rules.g_terms(Constant(), batch, batch)["class"]) == pytest.approx(float(terms["class_real"]) / 4)
    better = verdicts.clone()
    better[0, 3] += 1
    assert float(rules.misread(better, condition)) < float(rules.misread(verdicts, condition))


def test_classes_of_fakes_apart_from_those_of_reals():
    """ADC-GAN (Hou et al. 2022), by hand: one softmax over both kinds; where D is right, G's loss is KL(G, data)."""
    kinds = Vocabulary((Attribute("kind", ("a", "b", "c")),), np.zeros((1, 1), np.float32), np.ones(1, np.int64))
    rules = ACGAN(apart=True, g_weight=2.0, vocabulary=kinds)
    assert rules.d_outputs == 1 + 6
    scores = torch.tensor([[0.0, 1.0, 2.0, 3.0, 0.5, -1.0, 1.5]])
    told = torch.tensor([[0.0, 1.0, 0.0]])
    likely = scores[0, 1:].log_softmax(0)
    assert float(rules.misread(scores, told)) == pytest.approx(-float(likely[1]))
    assert float(rules.misread(scores, told, of_fakes=True)) == pytest.approx(-float(likely[4]))

    class Constant(nn.Module):
        def forward(self, pictures):
            return scores

    batch = Batch(torch.zeros(1, 1), told)
    terms, _, _ = rules.d_terms(Constant(), batch, batch, 0)
    assert [float(terms[key]) for key in ("class_real", "class_fake")] == pytest.approx(
        [-float(likely[1]), -float(likely[4])]
    )
    assert float(rules.g_terms(Constant(), batch, batch)["class"]) == pytest.approx(2 * float(likely[4] - likely[1]))
    of_reals = ACGAN(apart=True, apart_weight=0.0, g_weight=2.0, vocabulary=kinds)
    assert float(of_reals.g_terms(Constant(), batch, batch)["class"]) == pytest.approx(-2 * float(likely[1]))

    data, drawn = torch.tensor([0.2, 0.5, 0.3]), torch.tensor([0.6, 0.1, 0.3])  # chances of 3 pictures of one class
    best = torch.stack([data.log(), drawn.log()], 1)  # what a D that is right says of them, up to a constant
    loss = sum(
        float(p) * float(rules.misread(row, told) - rules.misread(row, told, of_fakes=True))
        for p, x in zip(drawn, best, strict=True)
        for row in [torch.tensor([[0.0, -50.0, float(x[0]), -50.0, -50.0, float(x[1]), -50.0]])]
    )
    assert loss == pytest.approx(float((drawn * (drawn / data).log()).sum()), rel=1e-5)
    with pytest.raises(BadConfig, match="variant.apart tells classes of fakes from those of reals"):
        load_recipe("acgan", ["variant.apart=true", "variant.d_on_fakes=0"])
    with pytest.raises(BadConfig, match=r"variant.apart_weight .* set variant.apart = true"):
        load_recipe("acgan", ["variant.apart_weight=0"])


def test_numbers_of_fakes_are_guessed_apart_too():
    rules = ACGAN(apart=True, vocabulary=two())
    verdicts = torch.tensor([[9.0, 0.0, 0.0, 0.0, 0.5, 7.0, 0.0, 0.0, 0.0, 1.5, 7.0]])
    condition = torch.tensor([[0.0, 0.0, 0.0, 2.0, 1.0]])
    assert float(rules.misread(verdicts, condition)) == pytest.approx(1.5**2)
    assert float(rules.misread(verdicts, condition, of_fakes=True)) == pytest.approx(0.5**2)


# ------------------------------------------------------------------------------------- conditions and players

WAYS = [["generator.meet=concatenate", "data.condition=hair,turn"],
        ["generator.meet=embed"], ["generator.meet=embed-add"],
        ["generator.meet=none", "generator.told=norms"], ["generator.told=norms", "discriminator.asks=concatenate"],
        ["prior.dim=12", "data.condition=hair", "generator.meet=add"]]  # fmt: skip


@pytest.mark.parametrize("ways", WAYS, ids=lambda ways: " ".join(ways))
@pytest.mark.parametrize("network", ["resize", "dcgan"])
def test_every_way_to_meet_reaches_both_players(network, ways):
    """R3-R5: the condition changes G's picture and D's score, at every z, from the first round on."""
    names = [f"generator.name={network}", f"discriminator.name={network}", "generator.width=4", "discriminator.width=4"]
    names += ["discriminator.norm=layer"] if network == "dcgan" else []  # R1 is about each picture alone
    game = training(small("cgan", *names, *ways))
    one_round(game)
    players, words = game.players, game.vocabulary
    rows = np.repeat(words.rows[:1], 3, axis=0)
    rows[:, 0] = [0, 1, np.nan]
    x = torch.from_numpy(words.encode(rows))
    z = players.prior.sample(1, np.random.default_rng(0)).expand(3, -1)
    players.G.eval(), players.D.eval()
    pictures = players.G(z, x)
    assert (pictures[0] - pictures[1]).abs().max() > 1e-4
    assert (pictures[0] - pictures[2]).abs().max() > 1e-4
    verdicts = judge(players.D, Batch(pictures[:1].expand(3, -1, -1, -1), x))
    assert len(set(verdicts.tolist())) == 3


def test_a_condition_that_enters_nowhere_or_does_not_fit_is_refused():
    with pytest.raises(BadConfig, match=r"meet = \"none\" hides the condition"):
        small("cgan", "generator.meet=none")
    with pytest.raises(Exception, match="Adding needs x and z of equal length, got z_dim=6 and x_dim=12"):
        training(small("cgan", "generator.meet=add", "data.condition=hair"))
    with pytest.raises(BadConfig, match="needs labels.*set data.condition"):
        load_recipe("acgan", ["data.condition=[]"])
    with pytest.raises(BadConfig, match="data.condition names none"):
        load_recipe("faces", ["data.condition_drop=0.1"])


def labelled(n: int = 20) -> Labels:
    return learn({"hair": ["red", "blue", "red", ""] * (n // 4), "eyes": ["x", "y"] * (n // 2)}, "test")


def test_conditions_go_with_their_pictures_on_every_rank():
    """One global batch of pictures and labels, however many ranks hold it, and the same ones hidden."""
    labels = labelled()
    pictures = np.arange(20, dtype=np.uint8)[:, None, None, None].repeat(8, 1).repeat(8, 2)
    for hide in (0.0, 0.4):
        whole = Conditions(labels, Feed(pictures, 8, 3), hide)
        parts = [Conditions(labels, Feed(pictures, 8, 3, ranks=Ranks(r, 2)), hide) for r in range(2)]
        for turn in range(4):
            got = whole(turn)
            assert torch.equal(got, torch.cat([part(turn) for part in parts]))
            assert torch.equal(got, whole(turn)), "a pure function of the turn"
            shown = ((whole.feed(turn)[:, 0, 0, 0] + 1) * 127.5).round().long()
            if not hide:
                assert torch.equal(got, torch.from_numpy(labels.vocabulary.encode(labels.codes[shown.numpy()])))
    many = torch.cat([Conditions(labels, Feed(pictures, 20, 3), 0.4)(turn) for turn in range(100)])
    assert float(many[:, 2:].sum(1).mean()) == pytest.approx(0.6, abs=0.03)


def test_fakes_are_judged_for_what_they_were_asked_for(monkeypatch):
    """G and D are called with the labels of the very reals of the turn."""
    game = training(small("cgan", "train.n_d=2", "train.share_fakes=false"))
    asked, told = [], []
    for net, seen in ((game.players.G, asked), (game.players.D, told)):
        net.register_forward_hook(lambda net, inputs, out, seen=seen: seen.append(inputs[1].clone()))
    one_round(game)
    first, second = game.conditions(0), game.conditions(1)
    assert all(torch.equal(a, b) for a, b in zip(asked, [first, second, second], strict=True))
    real_fake = [first, first, second, second, second]  # and R1 of both turns asks once more
    assert {tuple(map(tuple, t.tolist())) for t in told} == {tuple(map(tuple, t.tolist())) for t in real_fake}


@pytest.mark.parametrize("recipe", CONDITIONAL)
def test_micro_batches_are_the_same_conditional_step(recipe):
    """Networks without BatchNorm: pieces of 2 give the gradient of 8, so labels are cut with their pictures."""
    ends = []
    for size in ("8", "2"):
        torch.manual_seed(0)
        game = training(small(recipe, f"train.microbatch={size}", "generator.name=r3gan", "discriminator.name=r3gan",
                              "generator.width=4", "discriminator.width=4", "optimizer.generator.name=sgd",
                              "optimizer.discriminator.name=sgd"))  # fmt: skip
        for _ in range(2):
            one_round(game)
        ends.append([p.detach() for net in (game.players.G, game.players.D) for p in net.parameters()])
    for a, b in zip(*ends, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


# --------------------------------------------------------------------------------------------- whole runs


@pytest.mark.parametrize("recipe", CONDITIONAL)
def test_a_stopped_conditional_run_ends_as_the_whole_one(recipe, tmp_path):
    plan = small(recipe, "train.steps=6", "data.condition_drop=0.2")
    api.train(recipe=plan, out=tmp_path / "whole", device="cpu")
    api.train(recipe=plan.override(["train.steps=3"]), out=tmp_path / "parts", device="cpu")
    torch.manual_seed(5)
    api.resume(tmp_path / "parts", steps=6, device="cpu")
    assert fingerprint(tmp_path / "parts") == fingerprint(tmp_path / "whole")


def test_without_a_condition_nothing_is_changed():
    """R33: the same code plays both; no condition is no condition, whatever is known of the pictures."""
    game, other = training(small("cgan", "data.condition=[]")), training(small("cgan", "data.condition=[]"))
    store = read_store(small())
    assert store.labels is not None
    assert game.conditions is None
    assert game.vocabulary is None
    one_round(game)
    one_round(other)
    assert digest(game) == digest(other)
    assert digest(game) != digest(training(small()))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "cgan"
    api.train(recipe=small("cgan", "train.steps=2"), out=out, device="cpu")
    return out


def test_the_faces_of_a_conditional_generator_are_looked_at(trained, capsys):
    """Each sample is asked for what the data's faces have."""
    assert run(["faces", str(trained), "--count", "4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["subject"] == str(trained)


def test_whether_it_draws_what_was_asked_is_evaluated(trained, tmp_path, capsys, monkeypatch):
    """Issue 4, item 2: a classifier taught by half of the data, tried on the other half and on samples."""
    assert run(["evaluate", str(trained), "--data", "world:faces", "--count", "400", "--features", "faces", "--json",
                "--metrics", "accuracy"]) == 0  # fmt: skip
    found = json.loads(capsys.readouterr().out)["measures"]
    assert set(found) == {"accuracy[faces] hair", "accuracy[faces] eyes"}
    hair = found["accuracy[faces] hair"]
    assert hair["data"]["value"] > 0.9, "the factor network sees hair"
    assert hair["value"] < 0.5, "two rounds teach G nothing"
    unlabelled = tmp_path / "plain"
    assert run(["sample", str(trained), "--count", "60", "--out", str(unlabelled)]) == 0
    asked = ["evaluate", str(trained), "--data", str(unlabelled), "--features", "pixels"]
    assert run([*asked, "--metrics", "accuracy"]) == 2
    assert "data with labels" in capsys.readouterr().err
    assert run(asked) == 0, "data without labels is measured without it"
    assert "accuracy" not in capsys.readouterr().out


def test_a_generator_is_asked_without_its_data(trained, tmp_path):
    """Issue 6, item 8: --given by name, several at once, every value for one z; what was asked is in the file."""
    G = api.load(trained, device="cpu")
    x = G.ask("hair=blue", "eyes=red", count=3)
    assert G(G.prior.sample(3, np.random.default_rng(0)), x).shape == (3, 3, 16, 16)
    run(["sample", str(trained), "--given", "hair=blue", "eyes=red", "--count", "3", "--out", str(tmp_path / "many")])
    said = [read_png_metadata(tmp_path / "many" / f"{n:06}.png") for n in range(3)]
    assert [row["leafwing:condition"] for row in said] == ["hair=blue, eyes=red"] * 3
    assert len({row["leafwing:z"] for row in said}) == 3
    api.sample(trained, 2, 0, tmp_path / "all", given=["eyes=*"], device="cpu")
    rows = [read_png_metadata(path) for path in sorted((tmp_path / "all").iterdir())]
    assert len(rows) == 2 * 12
    assert len({row["leafwing:z"] for row in rows}) == 2, "the same z for every eye colour"
    eyes = [row["leafwing:condition"].split("eyes=")[1] for row in rows[:12]]
    assert eyes == list(G.vocabulary.attributes[1].classes)
    assert len({row["leafwing:condition"].split(",")[0] for row in rows[:12]}) == 1, "and the same hair"
    api.sample(trained, 5, 0, tmp_path / "free", device="cpu")
    with pytest.raises(BadConfig, match="--seed -1 cannot be"):
        api.sample(trained, 5, -1, tmp_path / "below", device="cpu")
    with pytest.raises(BadConfig, match="--seed -1 cannot be"):
        api.interpolate(trained, [3, -1], tmp_path / "below.png", device="cpu")
    free = [read_png_metadata(path)["leafwing:condition"] for path in sorted((tmp_path / "free").iterdir())]
    assert len(set(free)) > 1, "nothing named: drawn as in the data"


def test_sheets_walks_and_the_watchers_own_sheet(trained, tmp_path):
    for words in (["sample", "--given", "eyes=*", "--count", "2"], ["sample", "--given", "hair=red", "--count", "4"],
                  ["interpolate", "--given", "hair=red", "--seeds", "1,2"]):  # fmt: skip
        out = tmp_path / f"{len(list(tmp_path.iterdir()))}.png"
        assert run([words[0], str(trained), *words[1:], "--out", str(out)]) == 0
        assert read_png_metadata(out)["leafwing:given"] == words[2]
    about = read_png_metadata(trained / "samples" / "step-00000002.png")
    assert about["leafwing:lines"].split(", ") == list(api.load(trained, device="cpu").vocabulary.attributes[0].classes)
    assert about["leafwing:rows"] == "12"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [("eye=red", "'eyes'"), ("eyes=rad", "'red'"), ("eyes=any", "condition_drop"), ("red", "attribute=value")],
)
def test_a_bad_question_is_one_sentence_on_the_command_line(trained, tmp_path, capsys, given, sentence):
    assert run(["sample", str(trained), "--given", given, "--out", str(tmp_path / "x.png")]) == 2
    said = [row for row in capsys.readouterr().err.splitlines() if row.startswith("leafwing: ")]
    assert len(said) == 1
    assert sentence in said[0]
    assert not list(tmp_path.iterdir())
    assert run(["interpolate", str(trained), "--given", "eyes=*", "--seeds", "1,2", "--out", f"{tmp_path}/x.png"]) == 2


def test_an_unconditional_generator_cannot_be_asked(tmp_path, capsys):
    api.train(recipe=small("cgan", "data.condition=[]", "train.steps=1"), out=tmp_path / "run", device="cpu")
    assert "asked" not in json.loads((tmp_path / "run/generator/generator.json").read_text())
    assert run(["sample", str(tmp_path / "run"), "--given", "eyes=red", "--out", str(tmp_path / "x.png")]) == 2
    assert "trained without labels" in capsys.readouterr().err


def test_labels_that_changed_are_refused_at_resume(trained, tmp_path, monkeypatch):
    import shutil

    from leafwing.worlds.faces import Faces

    shutil.copytree(trained, tmp_path / "run")
    truth = Faces.labels
    monkeypatch.setattr(Faces, "labels", lambda self, index: truth(self, index + 1))
    with pytest.raises(BadRun, match="The labels changed"):
        api.resume(tmp_path / "run", steps=3, device="cpu")
    api.resume(tmp_path / "run", steps=3, device="cpu", accept_new_data=True)


def test_every_generator_takes_every_way():
    """R5: registry-wide; what a network offers as settings works with a condition."""
    for name in generators.names():
        schema = generators.settings(name, ("z_dim", "image_size", "channels", "condition_dim", "outputs", "fusion"))
        if "meet" not in schema.model_fields:
            continue
        for meet in ("concatenate", "embed", "embed-add"):
            options = {"meet": meet} | ({"width": 4} if "width" in schema.model_fields else {})
            G = generators.build(name, options, z_dim=5, image_size=16, channels=1, condition_dim=3)
            assert copy.deepcopy(G)(torch.randn(2, 5), torch.eye(3)[:2]).shape == (2, 1, 16, 16)


@pytest.mark.parametrize("recipe", CONDITIONAL)
def test_recorded_rounds_carry_their_conditions(recipe):
    """As tests/test_graphs.py: a replay computes with the labels of its own round, not with the recorded ones."""
    from test_graphs import Tape

    from leafwing.graphs import WARM_UP, GraphedRounds

    ends = []
    for graphs in (False, True):
        game = training(small(recipe, "variant.r1_every=1"))
        tape = Tape(game)
        if graphs:
            game.play = GraphedRounds(lambda step: True, tape)
        for _ in range(WARM_UP + 4):
            one_round(game)
        ends.append(digest(game))
    assert tape.replayed == 4
    assert ends[0] == ends[1]


# ------------------------------------------------------------------------------------- reals beside a wrong label


def test_a_wrong_label_is_wrong_in_one_known_attribute():
    labels = learn({"hair": ["red", "blue", "pink", ""] * 5, "turn": ["0.5", "", "1.5", "2"] * 5}, "test")
    pictures = np.zeros((20, 8, 8, 3), np.uint8)
    whole = Conditions(labels, Feed(pictures, 20, 3))
    parts = [Conditions(labels, Feed(pictures, 20, 3, ranks=Ranks(r, 2))) for r in range(2)]
    for turn in range(5):
        right, wrong = whole(turn), whole.wrong(turn)
        assert torch.equal(wrong, torch.cat([part.wrong(turn) for part in parts]))
        hair = (right[:, :3] != wrong[:, :3]).any(1)
        turned = (right[:, 3:] != wrong[:, 3:]).any(1)
        assert (hair ^ turned).all(), "exactly one attribute"
        assert torch.equal(right[:, :3].sum(1), wrong[:, :3].sum(1)), "what is not known stays so"
        assert torch.equal(right[:, 4], wrong[:, 4])
    nothing = learn({"hair": ["red", "blue", "", ""] * 5}, "test")
    only = Conditions(nothing, Feed(pictures, 20, 3))
    known = only(0).any(1)
    assert torch.equal((only(0) != only.wrong(0)).any(1), known)


@pytest.mark.parametrize("judge_kind", ["classification", "regression"])
def test_reed_s_third_kind_is_called_generated(judge_kind):
    """Reed et al. 2016, Alg. 1: D pays for calling a real with a wrong label real; others are free."""
    from leafwing.variants.gan import GAN

    class Told(nn.Module):
        def forward(self, pictures, condition):
            return condition[:, 0] * 3 - 1

    x = torch.tensor([[0.0], [0.0], [1.0]])
    batch = Batch(torch.zeros(3, 1), x, torch.tensor([[1.0], [0.0], [0.0]]))
    rules = GAN(judge_kind, mismatch=0.5, vocabulary=two())
    assert rules.wants_wrong
    got = float(rules.d_terms(Told(), batch, batch, 0)[0]["mismatched"])
    cost = (lambda s: math.log1p(math.exp(s))) if judge_kind == "classification" else (lambda s: s * s / 2)
    assert got == pytest.approx(0.5 * (cost(2) + 0 + cost(-1)) / 3)
    assert (
        "mismatched" not in GAN(judge_kind, vocabulary=two()).d_terms(Told(), batch._replace(wrong=None), batch, 0)[0]
    )


def test_the_third_kind_plays_and_resumes(tmp_path):
    plan = small("cgan", "train.steps=4", "variant.mismatch=0.5", "train.microbatch=4", "watch.log_every=1")
    api.train(recipe=plan, out=tmp_path / "whole", device="cpu")
    api.train(recipe=plan.override(["train.steps=2"]), out=tmp_path / "parts", device="cpu")
    api.resume(tmp_path / "parts", steps=4, device="cpu")
    assert fingerprint(tmp_path / "parts") == fingerprint(tmp_path / "whole")
    assert json.loads((tmp_path / "whole/metrics.jsonl").read_text().splitlines()[-1])["D/mismatched"] > 0
    with pytest.raises(BadConfig, match="mismatch is about labels"):
        load_recipe("faces", ["variant.mismatch=1"])


def test_a_conditional_run_is_measured(trained, capsys):
    """`leafwing evaluate` asks it for what the data is labelled with, along the path of a pair for one thing."""
    words = ["evaluate", str(trained), "--json", "--features", "pixels", "--count", "24", "--resamples", "2"]
    assert run([*words, "--metrics", "diversity", "path"]) == 0
    assert {"diversity[pixels]", "path[pixels]"} == set(json.loads(capsys.readouterr().out)["measures"])
