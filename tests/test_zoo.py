"""The index of names (R27 to R30), starts for what is not here, and the page of each recipe (issue 5, item 9)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
from test_run import pictures  # noqa: F401
from test_trust_resume import small

from leafwing import api
from leafwing.cli.main import run
from leafwing.core.errors import BadConfig
from leafwing.explain import NOBODY, as_text, explain
from leafwing.explain.page import pages
from leafwing.explain.words import plain
from leafwing.losses import adversarial, penalties
from leafwing.recipe import FILE, load_recipe, shipped
from leafwing.zoo import families, names

SGANS = ["1611.08207", "1612.04357", "1703.05502", "1712.02330", "1804.04366", "1807.07144"]


def out_of(capsys, *arguments: str) -> str:
    assert run(["zoo", *arguments]) == 0
    return capsys.readouterr().out


def test_the_index_is_the_zoo_of_october_2018():
    """R27, B4: 501 names, by year as counted in the original file; every row whole."""
    assert names.years() == {2014: 2, 2015: 4, 2016: 48, 2017: 226, 2018: 221}
    assert len(names.index()) == 501
    for one in names.index():
        assert 1 <= one.month <= 12
        assert one.link.startswith("http")
        assert all(text == " ".join(text.split()) and text for text in (one.name, one.title))
    assert sum(one.arxiv is None for one in names.index()) == 5, "papers elsewhere"
    assert [one.name for one in names.find("https://arxiv.org/abs/1406.2661v1")] == ["GAN"]


def test_the_index_carries_its_licence():
    licence = names.files("leafwing.zoo").joinpath("index", "LICENSE").read_text(encoding="utf-8")
    assert "MIT License" in licence
    assert "Avinash Hindupur" in licence


def test_sgan_is_six_gans_and_none_is_picked(capsys):
    """R28."""
    out = out_of(capsys, "show", "sgan")
    assert out.startswith("6 GANs answer to 'sgan'. Which one?")
    assert [number for number in SGANS if number in out] == SGANS
    told = json.loads(out_of(capsys, "show", "SGAN", "--json"))
    assert [one["arxiv"] for one in told["names"]] == SGANS
    assert "Which one" not in out_of(capsys, "show", "1712.02330")


@pytest.mark.parametrize(("name", "count"), [("VGAN", 3), ("tgan", 3), ("ac-gan", 4), ("SeGAN", 3)])
def test_other_collisions_ask_too(name, count, capsys):
    assert out_of(capsys, "show", name).startswith(f"{count} GANs answer to {name!r}. Which one?")
    assert len(names.find(name)) == count


def test_a_recipe_among_namesakes_is_marked_before_its_page(capsys):
    out = out_of(capsys, "show", "acgan")
    assert "1610.09585  AC-GAN" in out
    assert out.index("[recipe acgan]") < out.index("D minimises")
    assert "1712.06951" in out, "hiding information is another ACGAN"


@pytest.mark.parametrize("name", ["alpha-gan", "α-GAN", "Alpha GAN", "1706.04987"])
def test_alpha_gan_carries_its_naming_note(name, capsys):
    """R29."""
    out = out_of(capsys, "show", name)
    assert all(word in out for word in ("Greek", "AEGAN", "AGAN", "1706.04987"))
    assert out.count("Greek") == 1


def test_softmax_gan_is_no_recipe_of_the_paper_of_that_name(capsys):
    """The lecture's two-class D (R53) is shown under its name, but not as Lin 2017, whose softmax is over a batch."""
    out = out_of(capsys, "show", "softmax-gan")
    assert "1704.06191" in out
    assert "[recipe" not in out
    assert "Not the recipe softmax-gan" in out
    assert "softmax_d" in out


def test_names_are_listed_from_a_to_z(capsys):
    """R30: the letters share the index out, Greek ones as they are spelled."""
    letters = Counter(names.key(one.name)[0] for one in names.index())
    assert sum(len(names.listed(letter=letter)) for letter in letters) == 501
    a = [one.name for one in names.listed(letter="A")]
    assert "α-GAN" in a
    assert names.listed(letter="α") == names.listed(letter="a")
    s = [names.key(one.name) for one in names.listed(2017, "s")]
    assert s == sorted(s)
    assert {one.year for one in names.listed(2017, "s")} == {2017}
    assert "SalGAN" in out_of(capsys, "list", "--year", "2017", "--letter", "S")


def test_list_names_recipes_first_and_counts_the_index(capsys):
    out = out_of(capsys, "list")
    assert [line.split()[0] for line in out.splitlines()[: len(shipped())]] == list(shipped())
    assert "501 GANs: 2 of 2014, 4 of 2015, 48 of 2016, 226 of 2017, 221 of 2018" in out
    told = json.loads(out_of(capsys, "list", "--json"))
    assert told["count"] == 501
    assert {one["name"] for one in told["recipes"]} == set(shipped())


def test_the_index_is_read_without_torch():
    code = "import sys; from leafwing.cli.main import run; run(['zoo', 'show', 'sgan']); run(['zoo', 'list'])"
    code += "; run(['zoo', 'like', 'sgan']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_every_word_narrows_the_search(capsys):
    both, one = names.search(["wasserstein", "image"]), names.search(["wasserstein"])
    assert set(both) < set(one)
    assert all("wasser" in found.title.lower() for found in one)
    assert "WGAN-GP" in [found.name for found in names.search(["wgan gp"])]
    assert [found["name"] for found in json.loads(out_of(capsys, "search", "1704.00028", "--json"))["names"]] == [
        "WGAN-GP"
    ]


def test_ours_are_papers_of_the_index_and_only_shipped_ones_are_marked():
    assert set(names.OURS) <= {one.id for one in names.index()}
    assert len(set(names.OURS.values())) == len(names.OURS)
    marked = {one.recipe for one in names.index()} - {None}
    assert {"dcgan", "gan-2014", "cgan", "acgan", "infogan"} <= marked <= set(shipped())


def test_starts_are_recipes_that_can_be_trained(capsys):
    """Every start of the table, for all 501, is a shipped recipe whose settings exist and build."""
    starts = {one: families.like(one) for one in names.index()}
    for recipe, settings in {(start.recipe, start.settings) for start in starts.values()}:
        load_recipe(recipe, settings)
    assert {family.recipes[-1] for family in families.FAMILIES if not family.settings} <= {
        *shipped(), *names.OURS.values()
    }  # fmt: skip
    assert {start.recipe for start in starts.values()} <= set(shipped())


def test_a_start_that_shares_no_idea_is_marked_as_general(capsys):
    """Every one of the 501 has a start; the general one is said to be that, after what no recipe here does."""
    starts = [families.like(one) for one in names.index()]
    assert len(starts) == 501
    general = [start for start in starts if start.general]
    assert {start.recipe for start in general} == {families.GENERAL}
    assert all(start.as_dict()["general"] and start.as_dict()["command"] for start in general)
    assert all(bool(start.ideas) != start.general for start in starts)
    assert sum(not start.gaps for start in general) < 50, "most that share nothing are about something else"
    said = out_of(capsys, "like", "CycleGAN")
    assert said.index("pictures made from pictures: no recipe here does that") < said.index("A general start")
    assert "Shared" not in said
    assert "--recipe faces" in said
    assert "general" not in out_of(capsys, "like", "MMD-GAN").lower()
    (told,) = json.loads(out_of(capsys, "like", "CycleGAN", "--json"))
    assert told["start"]["general"]


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("MMD-GAN", "wgan-gp"), ("Cramèr GAN", "wgan-gp"), ("Sobolev GAN", "wgan-gp"), ("f-GAN", "wgan-gp"),
        ("Fisher GAN", "wgan-gp"), ("OT-GAN", "wgan-gp"), ("Geometric GAN", "sngan"), ("1704.03817", "sngan"),
        ("LAPGAN", "progan"), ("1612.04357", "progan"), ("StackGAN", "progan"), ("GAN-CLS", "cgan"),
        ("PacGAN", "faces"), ("MAD-GAN", "faces"), ("Dropout-GAN", "faces"), ("ClusterGAN", "infogan"),
        ("MoCoGAN", "video-gan"), ("MaliGAN", "chat-gan"), ("Triple-GAN", "acgan"),
    ],
)  # fmt: skip
def test_a_shared_idea_picks_the_recipe(name, recipe):
    start = like(name)
    assert (start.recipe, start.general) == (recipe, False)


@pytest.mark.parametrize(
    ("name", "gap"),
    [
        ("CycleGAN", "pictures made from pictures"), ("WaveGAN", "sound"), ("C-RNN-GAN", "sound"),
        ("PassGAN", "attacks and secrets"), ("DPGAN", "privacy or fairness"), ("MolGAN", "graphs, tables, series or"),
        ("GraspGAN", "actions"), ("SalGAN", "a task other"), ("MaliGAN", "words beyond"),
        ("TP-GAN", "pictures made from pictures"),
    ],
)  # fmt: skip
def test_what_no_recipe_does_is_said_first(name, gap, capsys):
    lines = out_of(capsys, "like", name).splitlines()
    assert gap in lines[1]
    assert "no recipe here does that" in lines[1]
    assert "leafwing train" in lines[2]


@pytest.mark.parametrize("name", ["Context-RNN-GAN", "DNA-GAN", "DeblurGAN"])
def test_a_word_within_another_is_no_gap(name):
    """Contextual is no text, DNA-GAN no biology, motion blur no film."""
    assert not {"words beyond short replies", "whole films at once", "graphs, tables, series or measurements"} & {
        *like(name).gaps
    }


def like(name: str) -> families.Start:
    (one,) = names.find(name)
    return families.like(one)


def test_starts_are_honest(capsys):
    assert like("1610.09585") == families.Start("acgan", (), ("the very paper",), ())
    assert like("IcGAN").recipe == "cgan"
    assert like("RaGAN").recipe == "r3gan"
    assert like("B-DCGAN").recipe == "dcgan"
    assert like("SeqGAN").recipe == "chat-gan"
    assert "words beyond short replies" in like("StackGAN").gaps
    assert "things in three dimensions" in like("3D-GAN").gaps
    assert not like("TextureGAN").gaps or "words beyond short replies" not in like("TextureGAN").gaps
    assert "pictures made from pictures" in like("Conditional cycleGAN").gaps, "a start, and what is missing"
    told = json.loads(out_of(capsys, "like", "sgan", "--json"))
    assert len(told) == 6
    assert out_of(capsys, "like", "r3gan").strip().endswith("leafwing train --recipe r3gan")


def test_a_known_idea_without_a_recipe_yet_is_said(monkeypatch):
    monkeypatch.setattr(families, "shipped", lambda: {"dcgan": None})
    start = like("RWGAN")
    assert (start.general, start.absent) == (True, ("the Wasserstein distance, D as a critic",))
    monkeypatch.setattr(families, "shipped", lambda: {"wgan": None})
    assert like("RWGAN").recipe == "wgan"


@pytest.mark.parametrize("recipe", sorted(shipped()))
def test_every_recipe_explains_itself(recipe):
    """Terms are those its game plays; each formula has words; every setting of its file is there with its value."""
    told = explain(recipe, load_recipe(recipe))
    assert "not yet" not in told.expect
    assert re.search(r"\d+ %|\d (of|to|times|minutes|hours|images)|\d+ s ", told.expect), (
        "what is to be expected, in numbers"
    )
    assert told.d_formulas or load_recipe(recipe).discriminator.name == "none"
    assert told.g_formulas
    assert all(formula.text for formula in told.d_formulas + told.g_formulas)
    shown = {section.name: {one.name: one.value for one in section.settings} for section in told.sections}
    written = tomllib.loads(shipped()[recipe].read_text(encoding="utf-8"))
    written |= {f"optimizer.{who}": table for who, table in written.pop("optimizer", {}).items()}
    for table, values in written.items():
        if table == "title":
            continue
        for key, value in values.items():
            if key != "name" or table.startswith("optimizer"):
                found = shown[table][key]
                assert (list(found) if isinstance(found, tuple) else found) == value
    assert all(section.source for section in told.sections if section.name == "variant")
    text = as_text(told)
    assert max(map(len, text.splitlines())) <= 120
    assert "$" not in text
    assert "\\" not in text


NOT_TERMS = {"grad_norm", "skipped", "real_score", "fake_score", "real_accuracy", "fake_accuracy", "path_length"}
"""What is logged beside the terms; the path length is what the term `path` wants to be everywhere the same."""


@pytest.mark.parametrize("recipe", sorted(shipped()))
def test_the_terms_of_a_page_are_those_that_training_logs(recipe, pictures, tmp_path):  # noqa: F811
    """One real round with the recipe's own networks; of a D that is none nothing is claimed."""
    plan = small(recipe, pictures).override(["train.steps=1", "watch.log_every=1"])
    api.train(recipe=plan, out=tmp_path / "run", device="cpu")
    row = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])
    logged = {who: {name[2:] for name in row if name.startswith(f"{who}/")} - NOT_TERMS for who in "DG"}
    told = explain(recipe, load_recipe(recipe))
    nobody = load_recipe(recipe).discriminator.name == "none"
    assert set(told.d_terms) == (set() if nobody else logged["D"])
    assert set(told.g_terms) == logged["G"]
    assert (NOBODY in as_text(told)) == nobody


@pytest.mark.parametrize("recipe", sorted(shipped()))
def test_every_network_of_a_recipe_has_a_source_and_no_text_breaks_off(recipe):
    told = explain(recipe, load_recipe(recipe))
    for section in told.sections:
        if section.name in ("generator", "discriminator") and section.part != "none":
            assert re.search(r"arXiv:\d{4}\.\d{4,5}", section.source), f"{section.part} comes from somewhere"
    formulas = told.d_formulas + told.g_formulas
    texts = [told.idea, told.expect, *(formula.text for formula in formulas)]
    texts += [text for section in told.sections for text in (section.about, section.source, section.published)]
    texts += [setting.text for section in told.sections for setting in section.settings]
    assert not [text for text in texts if text.rstrip().endswith((":", ","))], "something should follow"


def test_ideas_are_of_the_recipe_not_only_of_rules_that_several_share():
    """Two of R3GAN and two of the film GAN are one idea at two sizes; all others say what is theirs."""
    told = {recipe: explain(recipe, load_recipe(recipe)) for recipe in shipped()}
    assert all("Source" in one.idea for one in told.values())
    assert all("Idea:" not in one.expect for one in told.values())
    same = [set(pair) for pair in combinations(told, 2) if told[pair[0]].idea == told[pair[1]].idea]
    assert same == [{"r3gan", "r3gan-ffhq64"}, {"video-gan", "video-gan-maze"}]


def test_the_published_networks_of_a_file_are_listed(tmp_path):
    """SNGAN's four, of which no row and no rule is lost on the way to terminal and page."""
    text = as_text(explain("sngan", load_recipe("sngan")))
    (page,) = pages(tmp_path, ["sngan"])
    for shown in (text, page.read_text("utf-8")):
        assert shown.count("The published networks, by these settings:") == 1
        assert "128        the defaults             the defaults                                   32,150,787" in shown


def heard(recipe: str, *settings: str) -> tuple[list[str], list[str]]:
    told = explain(recipe, load_recipe(recipe, settings))
    return [one.name for one in told.d_formulas], [one.name for one in told.g_formulas]


def test_formulas_are_those_of_the_settings():
    """Another judge, another formula: nothing is copied by hand."""
    assert heard("dcgan") == (["logistic_d"], ["nonsaturating_g"])
    assert heard("dcgan", "variant.judge=regression") == (["squares_d"], ["squares_g"])
    assert heard("dcgan", "variant.g_objective=minimax") == (["logistic_d"], ["minimax_g"])
    assert heard("faces") == (["logistic_d", "zero_centred"], ["nonsaturating_g"])
    assert heard("r3gan") == (["relativistic_d", "zero_centred"], ["relativistic_g"])
    assert heard("r3gan", "variant.gradient=autograd") == heard("r3gan")
    assert heard("infogan") == (["logistic_d", "zero_centred", "reading"], ["nonsaturating_g", "reading"])
    assert heard("video-gan") == (["relativistic_d", "zero_centred"], ["relativistic_g", "energy_score"]), "reads no z"
    assert heard("video-gan", "variant.reading_weight=1")[1] == ["relativistic_g", "reading", "energy_score"]
    assert heard("video-gan-maze")[1] == ["relativistic_g", "energy_score", "log_score"]
    assert heard("chat-gan")[1] == ["relativistic_g", "negative_log_likelihood"]
    assert heard("chat-mle") == ([], ["negative_log_likelihood"])
    assert heard("acgan") == (["logistic_d", "misread", "zero_centred"], ["nonsaturating_g", "misread"])
    told = explain("faces", load_recipe("faces"))
    assert told.d_terms == ("adversarial", "r1")
    assert told.d_formulas[0].text == plain(adversarial.logistic_d.__doc__)
    assert "‖∇_x D(x)‖" in told.d_formulas[1].text
    assert "1801.04406" in plain(penalties.zero_centred.__doc__)


def test_settings_show_value_default_and_meaning(capsys):
    told = explain("faces", load_recipe("faces", ["train.batch=7"]))
    (train,) = [section for section in told.sections if section.name == "train"]
    (batch,) = [setting for setting in train.settings if setting.name == "batch"]
    assert (batch.value, batch.default, batch.text) == (7, 64, "Pictures a turn.")
    assert "batch = 7 (default 64)  Pictures a turn." in as_text(told)
    (G,) = [section for section in told.sections if section.name == "generator"]
    assert all(setting.text for setting in G.settings), "from the class's Args"
    assert "1511.06434" in out_of(capsys, "show", "dcgan")


def test_a_recipe_as_a_file(tmp_path, capsys):
    """`--toml` gives a file that trains the same; a file is explained like a shipped one."""
    mine = tmp_path / "mine.toml"
    mine.write_text("# Mine: something.\n" + out_of(capsys, "show", "faces", "--toml"), encoding="utf-8")
    assert load_recipe(str(mine)) == load_recipe("faces")
    assert "  Mine: something." in out_of(capsys, "show", str(mine)).splitlines()
    told = json.loads(out_of(capsys, "show", "faces", "--json"))
    assert told["papers"] == []
    assert told["g_formulas"][0]["name"] == "nonsaturating_g"
    assert run(["zoo", "show", "faces", "--json", "--toml"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "give --toml or --json, not both" in shown.err


RULES = """
from leafwing.losses import adversarial, frames, penalties
from leafwing.game import Variant

class Picky(Variant):
    def d_terms(self, D, real, fake, step):
        return {"adversarial": adversarial.hinge_d(D.body(real), D.body(fake))}, real, fake

    def g_terms(self, D, real, fake):
        return {"near": frames.lp(fake.pictures, real.pictures, 1)} | penalties.R1(1).terms(D, real.pictures, 0)
"""


def test_rules_that_the_stand_in_cannot_play_show_all_that_they_name(tmp_path):
    (tmp_path / "picky.py").write_text(RULES, encoding="utf-8")
    name = f"{tmp_path}/picky{FILE}Picky"
    told = explain("dcgan", load_recipe("dcgan", [f"variant.name={json.dumps(name)}"]))
    assert [one.name for one in told.d_formulas] == ["hinge_d", "lp", "zero_centred"]
    assert told.d_terms == ()
    assert "a choice of these" in as_text(told)


@pytest.mark.parametrize("wrong", ["sgam", "wgan-gq", "dcgam"])
def test_unknown_names_get_the_nearest(wrong):
    assert "Did you mean" in str(names.unknown(wrong))
    with pytest.raises(BadConfig, match="Look with"):
        raise names.unknown("zzzzqqq")


def test_a_page_a_recipe_with_the_lines_beside_the_formulas(tmp_path, capsys):
    """Issue 5, docs: idea, formulas beside the lines, source, settings, pictures where they are."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "wgan-gp.png").touch()
    assert run(["zoo", "pages", "--out", str(tmp_path)]) == 0
    assert {path.stem for path in tmp_path.glob("*.md")} == {*shipped(), "README"}
    text = (tmp_path / "wgan-gp.md").read_text("utf-8")
    for words in (
        "![samples of wgan-gp](images/wgan-gp.png)",
        "Source: Gulrajani et al. 2017, arXiv:1704.00028",
        "$E(\\|\\nabla_x D(x)\\|_2 - 1)^2$",
        "    return (steepness - 1).square().mean()",
        "| `variant.gp_lambda` | 10.0 |",
        "| `train.n_d` | 5 (default 1) |",
    ):
        assert words in text
    assert "Args:" not in text
    assert "[wgan-gp](wgan-gp.md)" in (tmp_path / "README.md").read_text("utf-8")
    assert run(["zoo", "pages", "wgan-qp", "--out", str(tmp_path)]) == 2
    assert "wgan-gp" in capsys.readouterr().err


def test_the_pages_in_the_docs_are_those_of_the_code(tmp_path):
    """After a change: leafwing zoo pages --out docs/zoo."""
    docs = Path(__file__).parent.parent / "docs" / "zoo"
    (tmp_path / "images").symlink_to(docs / "images")
    fresh = {path.name: path.read_text("utf-8") for path in pages(tmp_path)}
    assert fresh == {path.name: path.read_text("utf-8") for path in docs.glob("*.md")}
