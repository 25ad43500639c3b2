"""Issue 6, item 9 (R2, R25): questions with several right answers, networks of words, BLEU, `leafwing chat`."""

from __future__ import annotations

import gzip
import io
import json
import math
import sys

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import leafwing
from leafwing import api
from leafwing.cli.main import run
from leafwing.core.errors import BadConfig, BadData, BadRun
from leafwing.core.lexicon import LONGEST, Lexicon, plain, split
from leafwing.data.conversations import KEPT, open_conversations
from leafwing.explore.chat import different
from leafwing.explore.replies import questions
from leafwing.latents import Uniform
from leafwing.losses import words
from leafwing.measure.replies import bleu, distinct_grams, judge_replies, single_bleu
from leafwing.networks.replies import ReplyCritic, ReplyGenerator, choose, over
from leafwing.recipe import load_recipe
from leafwing.worlds.replies import FEWEST, MOST, Replies

TINY = ["generator.width=8", "discriminator.width=8", "train.batch=8", "watch.samples=8", "data.count=200"]


# ---- the world ----


def test_every_question_has_three_to_eight_right_answers_and_the_world_never_changes():
    world = Replies(seed=3, names=5)
    assert all(FEWEST <= len(set(q.right)) == len(q.right) <= MOST for q in world.questions)
    texts = [q.text for q in world.questions]
    assert len(set(texts)) == len(texts) == 5 * 3 * 3
    right = {q.text: q for q in world.questions}
    pairs = [world.pair(i) for i in range(300)]
    assert all(reply in right[question].right and right[question].seen for question, reply in pairs)
    assert pairs == [Replies(seed=3, names=5).pair(i) for i in range(300)]
    assert {q.text for q in Replies(4, 5).questions} == set(texts)
    assert any(q.right != right[q.text].right for q in Replies(4, 5).questions), "another seed is another world"


def test_each_right_answer_is_as_likely_as_the_others_and_phrasings_share_them():
    world = Replies(names=1)
    said = [world.pair(i) for i in range(3000)]
    for question in world.seen:
        counts = np.array([said.count((question.text, reply)) for reply in question.right])
        expected = counts.sum() / len(counts)
        assert ((counts - expected) ** 2 / expected).sum() < 25, "chi squared with at most 7 degrees of freedom"
    who = [q.right for q in world.questions if q.text in ("who is akiso ?", "do you know who akiso is ?")]
    assert who[0] == who[1]


def test_some_phrasings_are_kept_from_training_but_never_every_one_of_a_thing():
    world = Replies()
    unseen = [q for q in world.questions if not q.seen]
    assert 5 <= len(unseen) <= len(world.questions) / 4
    assert {q.right for q in unseen} <= {q.right for q in world.seen}
    words_seen = {word for q in world.seen for word in q.text.split()}
    assert all(set(q.text.split()) <= words_seen for q in unseen)


# ---- words ----


def lexicon(*texts: str, most: int = 100) -> Lexicon:
    return Lexicon.learn([(text, text) for text in texts], most, 10, 10)


def test_words_become_numbers_and_come_back():
    known = lexicon("Who is Élan?", "who's there")
    rows = known.encode(["WHO is élan ?", "there"], 6)
    assert known.decode(rows) == ["who is élan ?", "there"]
    assert (rows[1, 1:] == 0).all(), "0 is no word"
    assert plain("who is élan ?") == "who is élan?"
    assert split("Don't stop,me") == ["don", "'", "t", "stop", ",", "me"]
    assert Lexicon.from_dict(json.loads(json.dumps(known.as_dict()))) == known
    for damaged in ({}, None, {"words": [], "question": 1, "reply": 1}, {"words": ["", 3], "question": 1, "reply": 1}):
        with pytest.raises(BadRun, match="damaged"):
            Lexicon.from_dict(damaged)


def test_the_rarest_words_become_one():
    known = lexicon("a a a b b c d", most=3)
    assert known.open
    assert known.words == ("", "<rare>", "a", "b")
    assert known.decode(known.encode(["a c d"], 3)) == ["a <rare> <rare>"]
    assert not lexicon("a b").open
    assert known.understand("a zebra").tolist()[:2] == [2, 1], "understood as a word left out"


BAD = {
    "": "empty",
    "   \n": "empty",
    "?!": "empty",
    "кто это": "letters that this run never saw",
    "誰ですか": "letters that this run never saw",
    "who is elam ?": "Did you mean 'elan'",
    "qqq": "never saw 'qqq'",
    "who " * 11: "at most 4",
    "who is elan ?" * LONGEST: "more than 10,000 characters",
    "a" * 9999: "never saw",
    "\udcff\x00who": "never saw",
}


@pytest.mark.parametrize("question", BAD)
def test_what_cannot_be_asked_is_one_short_sentence(question):
    with pytest.raises(BadConfig, match=BAD[question]) as said:
        lexicon("who is elan ?").understand(question)
    assert len(str(said.value)) < 250
    assert str(said.value).count("\n") == 0


# ---- files ----


def test_the_two_forms_of_a_file(tmp_path):
    """The second is DailyDialog's with several references; a turn that nobody answered is left out."""
    rows = [{"question": f"is it {word} ?", "replies": ["yes", "no it is not"]} for word in "abcdefghijklmnop"]
    plain_form = tmp_path / "simple.jsonl"
    plain_form.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    data = open_conversations(str(plain_form), 100, 8, 8)
    assert [some.seen for some in data.exchanges].count(False) == len(rows) // KEPT
    assert len(data) == 2 * (len(rows) - 1)
    assert not data.complete
    dialogue = {"dialogue": [{"text": r["question"], "responses": r["replies"]} for r in rows[:5]] + [{"text": "bye"}]}
    packed = tmp_path / "dialogues.jsonl.gz"
    packed.write_bytes(gzip.compress(json.dumps(dialogue).encode()))
    again = open_conversations(str(packed), 100, 8, 8)
    assert [some.question for some in again.exchanges] == [r["question"] for r in rows[:5]]
    assert again.fingerprint != data.fingerprint


def test_what_is_too_long_is_left_out_and_said(tmp_path):
    path = tmp_path / "x.jsonl"
    rows = [{"question": "a b", "replies": ["c", "d d d d", "e"]}, {"question": "a " * 9, "replies": ["c"]}]
    path.write_text("\n".join(map(json.dumps, rows)))
    data = open_conversations(str(path), 100, 4, 3)
    assert len(data) == 2
    assert data.lexicon.reply == 1
    assert data.lexicon.question == 2
    (said,) = data.remarks
    assert said.startswith("2 of 4 replies are left out")


def test_damaged_and_endless_lines_are_left_out_and_said(tmp_path, capsys):
    """Ten million characters in a line are skipped, and the line after it is read."""
    path = tmp_path / "x.jsonl"
    rows = [json.dumps({"question": f"q{n}", "replies": ["yes", "no"]}) for n in range(30)]
    path.write_text("\n".join([rows[0], "{", *rows[1:], json.dumps({"question": "a" * 10**7, "replies": ["b"]}), "{}"]))
    data = open_conversations(str(path), 100, 4, 3)
    assert len(data.exchanges) == len(rows)
    (said,) = data.remarks
    assert said.startswith("3 of 33 lines of")
    assert "x.jsonl" in said
    assert said.endswith("first: line 2 is not JSON in UTF-8.")
    options = [*TINY, "train.steps=1"]
    sets = [word for option in options for word in ("--set", option)]
    assert run(["train", str(path), "--recipe", "chat-gan", *sets, "--out", str(tmp_path / "run")]) == 0
    assert said in " ".join(capsys.readouterr().err.split())
    path.write_text("\n".join(rows))
    assert open_conversations(str(path), 100, 4, 3).remarks == []


BROKEN = {
    b"": "is empty: give a line",
    b"\n \n": "is empty: give a line",
    b"{": "line 1 is not JSON",
    b"\n\n{": "line 3 is not JSON",
    b"\xff\xfe\n": "line 1 is not JSON",
    b"[" * 100_000: "line 1 is not JSON",
    b"[]": "no object",
    b'{"question": "a"}': "no list of replies",
    b'{"question": "", "replies": ["a"]}': "empty question",
    b'{"question": "a", "replies": [3]}': "empty question or reply",
    b'{"question": "' + b"a" * 2_000_000 + b'"}\n{"question": "a"}': "line 1 is longer than",
    b'{"question": "a", "replies": ["b"]}': "1 replies of at most",
    b"\x1f\x8bnot gzip": "cannot be read",
}


@pytest.mark.parametrize("content", BROKEN)
def test_files_that_cannot_be_used_are_one_sentence(content, tmp_path):
    path = tmp_path / "broken.jsonl"
    path.write_bytes(content)
    with pytest.raises(BadData, match=BROKEN[content]) as said:
        open_conversations(str(path), 100, 8, 8)
    assert "\n" not in str(said.value)


def test_a_dry_run_refuses_a_file_that_the_run_refuses(tmp_path, capsys):
    path = tmp_path / "broken.jsonl"
    path.write_text("{")
    assert run(["train", str(path), "--recipe", "chat-gan", "--dry-run"]) == 2
    said = capsys.readouterr()
    assert "line 1 is not JSON" in said.err
    assert said.out == ""


def test_no_file_and_a_world_of_pictures(tmp_path):
    with pytest.raises(BadData, match="is no file"):
        open_conversations(str(tmp_path / "nothing.jsonl"), 100, 8, 8)
    with pytest.raises(BadData, match="draws pictures"):
        open_conversations("world:faces", 100, 8, 8)


def test_the_world_as_a_file_is_the_world(tmp_path, capsys):
    out = tmp_path / "replies.jsonl"
    assert run(["data", "render", "replies", "--out", str(out), "--seed", "2"]) == 0
    found = open_conversations(str(out), 128, 8, 12).exchanges
    assert [(some.question, some.replies) for some in found] == [(q.text, q.right) for q in Replies(2).questions]
    assert run(["data", "render", "replies", "--out", str(out)]) == 2
    assert "new .jsonl" in capsys.readouterr().err
    other = ["data", "render", "replies", "--out", str(tmp_path / "other.jsonl")]
    for wish in (["--count", "5"], ["--image-size", "64"], ["--seed", "-1"]):
        assert run([*other, *wish]) == 2
        assert wish[0] in capsys.readouterr().err
    assert not (tmp_path / "other.jsonl").exists()


def test_questions_go_with_their_replies_in_every_turn():
    data = open_conversations("world:replies", 128, 8, 12, count=50)
    right = {some.question: some.replies for some in data.exchanges}
    replies, asked = data.serve(batch=8, seed=1)
    for turn in (0, 5, 7):
        rows, said = asked(turn), replies(turn)
        assert said.shape == (8, *data.shape)
        assert torch.equal(said.sum(2), torch.ones(8, data.lexicon.reply))
        for question, reply in zip(
            data.lexicon.decode(rows.numpy()), data.lexicon.decode(said.argmax(2).numpy()), strict=True
        ):
            assert reply in right[question]
        assert torch.equal(asked.wrong(turn), rows.roll(1, 0))
    assert torch.equal(replies(3), data.serve(batch=8, seed=1)[0](3)), "a function of the turn alone"


# ---- measures ----


def w(text: str) -> list[str]:
    return text.split()


def test_bleu_of_the_papers_examples():
    """Papineni et al. 2002, Sec. 2.1: clipped unigrams 2/7, then 17/18 of candidate 1 of the second example."""
    cat = [[w("the cat is on the mat"), w("there is a cat on the mat")]]
    assert bleu([["the"] * 7], cat, most=1) == pytest.approx(2 / 7)
    party = [
        w("it is a guide to action that ensures that the military will forever heed party commands"),
        w(
            "it is the guiding principle which guarantees the military forces always being under the command of the "
            "party"
        ),
        w("it is the practical guide for the army always to heed the directions of the party"),
    ]
    first = w("it is a guide to action which ensures that the military always obeys the commands of the party")
    second = w("it is to insure the troops forever hearing the activity guidebook that party direct")
    assert bleu([first], [party], most=1) == pytest.approx(17 / 18)
    assert bleu([first], [party], most=2) == pytest.approx(math.sqrt(17 / 18 * 10 / 17))
    assert bleu([second], [party], most=1) == pytest.approx(8 / 14 * math.exp(1 - 16 / 14)), "and too short"
    assert bleu([second], [party], most=2) == pytest.approx(math.sqrt(8 / 14 * 1 / 13) * math.exp(1 - 16 / 14))


def test_bleu_by_hand():
    ref = [[w("a b c d e f")]]
    assert bleu([w("a b c d e f")], ref) == pytest.approx(1)
    assert bleu([w("a b c d")], ref) == pytest.approx(math.exp(1 - 6 / 4)), "too short, all right"
    assert bleu([w("a b c d e g")], ref) == pytest.approx((5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25)
    assert bleu([w("a b c")], ref) == 0, "no run of four words"
    two = [[w("a b c"), w("a b c d e")]]
    assert bleu([w("a b c d")], two, most=1) == pytest.approx(1), "of two as near, the shorter: no penalty"
    corpus = bleu([w("a b"), w("c x")], [[w("a b")], [w("c d")]], most=2)
    assert corpus == pytest.approx(math.sqrt(3 / 4 * 1 / 2)), "counts of the whole corpus, not a mean of sentences"


def test_several_references_are_kinder_than_one():
    """R25: of the same answers, the score against all right ones is no lower than against one."""
    world = Replies(names=4)
    right = [[reply.split() for reply in q.right] for q in world.questions]
    said = [some[1] for some in right]
    assert bleu(said, right) == pytest.approx(1)
    assert single_bleu(said, right) < 0.8
    assert single_bleu(said, [[some[1]] for some in right]) == pytest.approx(1)


def test_valid_coverage_distinct_by_hand():
    found = judge_replies([["a", "a", "b", "x"], ["c", "c", "c", "c"]], [["a", "b", "d", "e"], ["c"]])
    assert (found.valid, found.coverage, found.distinct) == ((3 / 4 + 1) / 2, (2 / 4 + 1) / 2, 2)
    assert distinct_grams([["a", "b"], ["a", "b", "c"]], 1) == pytest.approx(3 / 5)
    assert distinct_grams([["a", "b"], ["a", "b", "c"]], 2) == pytest.approx(2 / 3)
    assert distinct_grams([["a"]], 2) == 0


# ---- networks ----


KNOWN = Lexicon(("", "a", "b", "c", "d"), question=3, reply=4)


def test_a_number_chooses_the_word_that_it_falls_on():
    chances = torch.tensor([[0.0, 0.25, 0.0, 0.75, 0.0]]).repeat(5, 1)
    numbers = torch.tensor([0.0, 0.2499, 0.25, 0.999, 1.0])[:, None]
    assert choose(chances, numbers).tolist() == [1, 1, 3, 3, 3], "never one without any chance"
    z = torch.from_numpy(Uniform(1, 0.0, 1.0).sample(20_000, np.random.default_rng(0)).numpy())
    p = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    shares = choose(p.expand(len(z), -1), z).bincount(minlength=4) / len(z)
    assert torch.allclose(shares, p[0], atol=0.015)


def test_g_says_what_it_says_it_would():
    """Words drawn follow the chances that `told` states, nothing follows the end, and greedy takes the likeliest."""
    torch.manual_seed(0)
    G = ReplyGenerator(4, KNOWN, width=8)
    torch.nn.init.normal_(G.score.out.weight, 0, 1.0)
    question = torch.tensor([[1, 2, 0]])
    z = torch.from_numpy(np.random.default_rng(0).random((4000, 4), np.float32))
    said = G(z, question.expand(4000, -1))
    assert torch.equal(said.detach().sum(2), torch.ones(4000, 4))
    rows = said.argmax(2)
    assert not rows[over(rows)].any()
    replies, counts = rows.unique(dim=0, return_counts=True)
    told = G.told(F.one_hot(replies, 5).float(), question.expand(len(replies), -1))
    likely = (told * F.one_hot(replies, 5)).sum((1, 2)).exp()
    assert likely.sum() <= 1 + 1e-5
    assert torch.allclose(counts / 4000, likely, atol=0.03)
    (best,) = G.greedy(question)
    assert told[(replies == best).all(1).nonzero()[0, 0], 0].argmax() == best[0]
    assert torch.equal(G(z[:9], question.expand(9, -1)), G(z[:9], question.expand(9, -1))), "the same z, the same reply"


def test_all_replies_of_one_place_have_chances_that_sum_to_one():
    """Enumerated: the chances of all 4-word replies over 2 words, ended ones too, are a distribution."""
    torch.manual_seed(1)
    small = Lexicon(("", "a", "b"), question=2, reply=3)
    G = ReplyGenerator(3, small, width=8).double()
    every = torch.cartesian_prod(*[torch.arange(3)] * 3)
    ended = every.masked_fill(over(every), 0).unique(dim=0)
    one = F.one_hot(ended, 3).double()
    chances = (G.told(one, torch.tensor([[1, 2]]).expand(len(ended), -1)) * one).sum((1, 2)).exp()
    assert chances.sum().item() == pytest.approx(1, abs=1e-6)
    loss = words.negative_log_likelihood(G.told(one, torch.tensor([[1, 2]]).expand(len(ended), -1)), one)
    assert loss.item() == pytest.approx(-chances.log().mean().item())


def test_the_critics_slope_is_the_score_of_every_other_word():
    """D is linear in each word, the words before it held: its slope at the last place says what another would score."""
    torch.manual_seed(2)
    D = ReplyCritic(KNOWN, width=8).double()
    question, reply = torch.tensor([[1, 2, 3]]), torch.tensor([[1, 4, 2, 3]])
    x = F.one_hot(reply, 5).double().requires_grad_()
    (slope,) = torch.autograd.grad(D(x, question).sum(), x)
    for word in range(1, 5):
        other = F.one_hot(torch.tensor([[1, 4, 2, word]]), 5).double()
        change = (D(other, question) - D(x, question)).item()
        assert change == pytest.approx((slope[0, 3, word] - slope[0, 3, 3]).item(), abs=1e-9)
    short = F.one_hot(torch.tensor([[1, 0, 2, 3]]), 5).double()
    assert torch.equal(D(short, question), D(F.one_hot(torch.tensor([[1, 0, 4, 4]]), 5).double(), question))


def test_gradients_reach_every_weight_of_both():
    torch.manual_seed(3)
    G, D = ReplyGenerator(4, KNOWN, width=8), ReplyCritic(KNOWN, width=8)
    question = torch.randint(1, 5, (16, 3))
    D(G(torch.rand(16, 4), question), question).sum().backward()
    for net in (G, D):
        assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in net.parameters())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["prior.dim=3"], "prior.dim = 3 is too short"),
        (["data.reply_words=0"], "is for replies: set data.reply_words"),
        (["data.history=3"], "cannot be together"),
        (["variant.name=infogan"], "it gives one verdict"),
        (["generator.name=dcgan"], "knows no words"),
        (["data.condition=hair"], "cannot be together"),
        (["watch.measure_every=5"], "cannot be together"),
    ],
)
def test_recipes_that_cannot_be(settings, said):
    if settings[0].startswith("variant"):
        plan = load_recipe("chat-gan", check=False).as_dict()
        plan["variant"] = {"name": "infogan"}
        recipe = leafwing.api.Recipe.from_dict(plan)
    elif settings[0].startswith("generator"):
        plan = load_recipe("chat-gan", check=False).as_dict()
        plan["generator"] = {"name": "dcgan"}
        recipe = leafwing.api.Recipe.from_dict(plan)
    else:
        recipe = load_recipe("chat-gan", settings, check=False)
    with pytest.raises(BadConfig, match=said):
        recipe.check()


# ---- runs ----


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run that has learnt next to nothing."""
    folder = tmp_path_factory.mktemp("chat") / "run"
    api.train(recipe=load_recipe("chat-gan", [*TINY, "train.steps=3"]), out=folder, device="cpu")
    return folder


def test_a_run_says_what_it_says(trained):
    sheet = (trained / "samples" / "step-00000003.txt").read_text(encoding="utf-8")
    assert sheet.count("> ") == 1
    assert len(sheet.splitlines()) == 1 + 8
    card = json.loads((trained / "generator" / "generator.json").read_text())
    assert card["lexicon"]["words"][0] == ""


def test_the_same_seed_is_the_same_talk_and_answers_differ(trained):
    def talk(seed: int) -> list[str]:
        chat = leafwing.chat(trained, seed=seed, device="cpu")
        return [chat.answer(q) for q in ["who is fenna?", "Who is FENNA ?", "where does pimu live?", "who is fenna?"]]

    with pytest.raises(BadConfig, match="pimu"):
        talk(1)
    chat = leafwing.chat(trained, seed=1, device="cpu")
    said = [chat.answer("who is fenna?") for _ in range(20)]
    assert len(set(said)) == 20, "an untrained network never runs out of nonsense"
    again = leafwing.chat(trained, seed=1, device="cpu")
    assert [again.answer("Who is Fenna ?") for _ in range(20)] == said
    assert [leafwing.chat(trained, seed=2, device="cpu").answer("who is fenna?")] != said[:1]


def test_slips_come_last():
    assert different(["a", "b", "c", "a", "c", "d"]) == ["a", "c", "b", "d"]


def test_chat_answers_on_the_command_line(trained, capsys, monkeypatch):
    """A line that cannot be answered costs itself alone."""
    assert run(["chat", str(trained), "--ask", "who is fenna?", "--count", "2", "--seed", "4"]) == 0
    first = capsys.readouterr().out
    assert run(["chat", str(trained), "--ask", "who is fenna?", "--count", "2", "--seed", "4"]) == 0
    assert capsys.readouterr().out == first
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(
        b"who is fenna ?\n\nwho is fena ?\n" + b"x" * 10_000_000 + b"\n\xff\xfe\nwho is fenna ?"
    )))  # fmt: skip
    assert run(["chat", str(trained), "--seed", "4"]) == 2
    said = capsys.readouterr()
    assert said.out == first
    assert [line[:16] for line in said.err.splitlines()] == [f"leafwing: line {n}" for n in (2, 3, 4, 5)]
    for part in ("empty", "Did you mean 'fenna'", "more than 10,000 characters", "empty"):
        assert part in said.err


def test_what_is_for_pictures_says_so(trained, tmp_path, capsys):
    to = ["--out", f"{tmp_path}/x.png"]
    for command in (["sample", *to], ["evaluate"], ["faces"], ["explore", "players"], ["report"]):
        command.insert(-2 if "--out" in command else len(command), str(trained))
        assert run(command) == 2
        assert "leafwing chat" in capsys.readouterr().err
    few = ["generator.width=4", "discriminator.width=4", "train.batch=4", "data.count=8", "watch.samples=1"]
    faces = load_recipe("dcgan", [*few, "data.image_size=16", "train.steps=1"])
    api.train(recipe=faces, out=tmp_path / "pictures", device="cpu")
    with pytest.raises(BadConfig, match="draws pictures"):
        leafwing.chat(tmp_path / "pictures", device="cpu")
    assert run(["bench", "sample", "--recipe", "chat-gan"]) == 2
    assert "for replies" in capsys.readouterr().err
    assert run(["chat", str(tmp_path / "nothing"), "--ask", "who"]) == 2
    assert "no run" in capsys.readouterr().err


def test_a_run_is_measured_beside_the_truth(trained, capsys):
    assert run(["chat", str(trained), "--measure", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["of"], one["seen"]) for one in found] == [
        ("run", True),
        ("truth", True),
        ("run", False),
        ("truth", False),
    ]
    assert [one["valid"] for one in found[1::2]] == [1, 1]
    assert all(one["coverage"] > 0.98 for one in found[1::2]), "fifty draws meet nearly all of up to eight"
    assert found[0]["valid"] < 0.1
    assert run(["chat", str(trained), "--measure"]) == 0
    assert "unseen" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (["--measure", "--ask", "who is fenna ?"], "leave --ask and --count out"),
        (["--measure", "--count", "3"], "leave --ask and --count out"),
        (["--json", "--ask", "who is fenna ?"], "--json goes with --measure"),
        (["--seed", "-1", "--ask", "who is fenna ?"], "--seed -1 cannot be"),
        (["--seed", "-1", "--measure"], "--seed -1 cannot be"),
        (["--count", "0"], "--count 0 cannot be"),
    ],
)
def test_options_that_would_do_nothing_are_refused(trained, wish, words, capsys):
    assert run(["chat", str(trained), *wish]) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert said.out == ""


def test_questions_that_were_kept_are_asked_where_their_words_are_known():
    data = open_conversations("world:replies", 128, 8, 12)
    assert {some.question for some in questions(data, False)} == {q.text for q in Replies().questions if not q.seen}


def test_maximum_likelihood_lowers_the_loss(tmp_path):
    """The supervised baseline in the game's clothes: G's loss falls, D is nobody."""
    settings = ["watch.log_every=10", "data.count=200"]
    recipe = load_recipe("chat-mle", [*settings, "generator.width=32", "train.steps=60", "optimizer.generator.lr=1e-2"])
    api.train(recipe=recipe, out=tmp_path / "run", device="cpu")
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [row["G/likelihood"] for row in rows]
    assert losses[-1] < 0.6 * losses[0]
    assert losses[0] == pytest.approx(8 * math.log(105), rel=0.25), "at first every word is as likely"


@pytest.mark.proof
def test_the_chatbot_gives_right_answers_and_all_of_them(tmp_path):
    """Targets of the issue, on the shipped recipe, seed 0: valid 95 %, coverage 90 % over 50 draws of seed 0."""
    api.train(recipe="chat-gan", out=tmp_path / "run", seed=0, device="cpu")
    found = api.measure_replies(tmp_path / "run", draws=50, seed=0, device="cpu")[0]
    assert (found.seen, found.draws) == (True, 50)
    assert found.valid >= 0.95
    assert found.coverage >= 0.90
