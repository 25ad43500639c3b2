"""What can be asked of a generator, and what its conditions are then (issue 6, item 8; R24)."""

from __future__ import annotations

import json

import numpy as np
import pytest

from leafwing.core import asking
from leafwing.core.errors import BadConfig, BadRun
from leafwing.core.vocabulary import Attribute, Vocabulary
from leafwing.data.labels import learn

NAN = np.nan


def vocabulary(open_: bool = False) -> Vocabulary:
    """Hair of three colours, eyes of two (red eyes never with blue hair), and how far the mouth is open."""
    rows = np.array([[0, 0, 0.2], [1, 0, 0.4], [1, 1, 0.4], [2, 1, 0.6]], np.float32)
    kinds = (Attribute("hair", ("Blue", "green", "pink"), open=open_), Attribute("eyes", ("black", "red")),
             Attribute("mouth", mean=0.4, spread=0.1))  # fmt: skip
    return Vocabulary(kinds, rows, np.array([10, 30, 30, 30]), pictures=100)


def rows(*given: str, count: int = 400, seed: int = 0, open_: bool = False):
    words = vocabulary(open_)
    return asking.draw(words, asking.understand(words, given), seed, 0, count)


def test_conditions_are_blocks_and_zeros_for_any():
    codes = np.array([[2, NAN, 0.6], [NAN, 0, NAN]], np.float32)
    np.testing.assert_allclose(vocabulary().encode(codes), [[0, 0, 1, 0, 0, 2, 1], [0, 0, 0, 1, 0, 0, 0]], atol=1e-6)
    assert vocabulary().show(codes[0]) == "hair=pink, eyes=any, mouth=0.6"
    assert [(a.name, b) for a, b in vocabulary().blocks] == [
        ("hair", slice(0, 3)), ("eyes", slice(3, 5)), ("mouth", slice(5, 7))
    ]  # fmt: skip


def test_a_vocabulary_survives_json():
    saved = json.loads(json.dumps(vocabulary(True).as_dict()))
    again = Vocabulary.from_dict(saved)
    assert again.attributes == vocabulary(True).attributes
    assert np.array_equal(again.rows, vocabulary().rows)
    assert np.array_equal(again.counts, vocabulary().counts)
    hidden = Vocabulary(vocabulary().attributes, np.array([[0, NAN, 0.2]], np.float32), np.array([3]))
    assert np.isnan(Vocabulary.from_dict(json.loads(json.dumps(hidden.as_dict()))).rows[0, 1])
    for broken in (None, {}, saved | {"counts": [1]}, saved | {"rows": "x"}, saved | {"attributes": [{"nome": "x"}]}):
        with pytest.raises(BadRun, match="damaged"):
            Vocabulary.from_dict(broken)


def test_what_is_not_named_is_drawn_as_in_the_data():
    """Red eyes go with green and pink hair alike, never with blue; and everything is drawn as often as it occurs."""
    red = rows("eyes=red", count=4000)
    assert set(red[:, 1]) == {1}
    assert set(red[:, 0]) == {1, 2}
    assert (red[:, 0] == 1).mean() == pytest.approx(0.5, abs=0.03)
    assert (rows(count=4000)[:, 0] == 0).mean() == pytest.approx(0.1, abs=0.02)
    assert np.array_equal(rows("eyes=red", "eyes=red"), rows("eyes=red")), "said twice is no contradiction"
    both = rows("eyes=red", "hair=blue")
    assert (both[:, :2] == [0, 1]).all(), "what the data never has together can still be asked for"
    assert set(both[:, 2]) <= {np.float32(v) for v in (0.2, 0.4, 0.6)}
    assert set(rows("mouth=0.9")[:, 2]) == {np.float32(0.9)}
    assert np.isnan(rows("hair=any", open_=True)[:, 0]).all()


def test_row_i_depends_on_seed_and_i_alone():
    words = vocabulary()
    question = asking.understand(words, ["eyes=red"])
    whole = asking.draw(words, question, 5, 0, 300)
    assert np.array_equal(whole[130:200], asking.draw(words, question, 5, 130, 200))
    assert not np.array_equal(whole, asking.draw(words, question, 6, 0, 300))


def test_every_value_for_the_same_rest():
    words = vocabulary()
    question = asking.understand(words, ["hair=*"])
    base = asking.draw(words, question, 0, 0, 4)
    swept = asking.sweep(words, question, base)
    assert swept.shape == (12, 3)
    assert swept[:, 0].tolist() == [0, 1, 2] * 4
    assert np.array_equal(swept[:, 1:], np.repeat(base[:, 1:], 3, axis=0))
    number = asking.understand(words, ["mouth=*"])
    np.testing.assert_allclose(asking.values(words, number.every), np.linspace(0.2, 0.6, 9), rtol=1e-5)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["eye=red"], "knows no 'eye'. Did you mean 'eyes'?"),
        (["eyes=rad"], "no eyes is called 'rad'. Did you mean 'red'?"),
        (["wings=4"], "knows no 'wings'. There is: eyes, hair, mouth."),
        (["eyes=red", "eyes=black"], "contradicts itself: eyes cannot be both red and black"),
        (["eyes=red", "hair=blue", "eyes=black"], "contradicts itself"),
        (["eyes"], "not of the form attribute=value, e.g. --given hair=Blue"),
        (["=red"], "not of the form"),
        (["eyes="], "not of the form"),
        (["eyes=*", "hair=*"], "only one attribute"),
        (["eyes=any"], "always told the eyes"),
        (["mouth=wide"], "mouth is a number, e.g. 0.4"),
        (["mouth=nan"], "mouth is a number"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(given, sentence):
    with pytest.raises(BadConfig) as caught:
        asking.understand(vocabulary(), given)
    assert sentence in str(caught.value)


def test_what_was_never_seen_together_is_drawn_and_said():
    """A contradiction across attributes cannot be told from what is rare, so who asks is told."""
    words = vocabulary(open_=True)

    def said(*given: str) -> str | None:
        return asking.never_seen(words, asking.understand(words, given))

    sentence = said("hair=blue", "eyes=red", "mouth=0.3")
    assert sentence is not None
    assert "None of the 100 pictures that this generator learned from has hair=Blue and eyes=red:" in sentence
    for fine in ((), ("eyes=red",), ("hair=pink", "eyes=red"), ("hair=any", "eyes=red"), ("mouth=9",), ("hair=*",)):
        assert said(*fine) is None


def test_a_sample_of_the_data_is_not_called_all_of_it():
    """Of very many different rows only some are kept, the second picture's not: its class is no contradiction."""
    columns = {"x": [f"{n + 0.5}" for n in range(10_000)], "rare": ["no", "yes", *["no"] * 9998]}
    words = learn(columns, "x").vocabulary
    question = asking.understand(words, ["rare=yes"])
    sentence = asking.never_seen(words, question)
    assert sentence is not None
    assert sentence.startswith("None of 4,096 of the 10,000 pictures that this generator learned from has rare=yes:")
    saved = json.loads(json.dumps(words.as_dict()))
    assert asking.never_seen(Vocabulary.from_dict(saved), question) == sentence
    del saved["pictures"]
    of_an_older_run = asking.never_seen(Vocabulary.from_dict(saved), question)
    assert of_an_older_run is not None
    assert of_an_older_run.startswith("None of 4,096 of the pictures that this generator learned from has rare=yes:")


@pytest.mark.parametrize(
    "given", [["{}"], ["{}=red"], ["eyes={}"], ["mouth={}"], ["eyes=red", "eyes={}"], ["={}"]], ids=str
)
def test_endless_words_are_not_said_back(given):
    with pytest.raises(BadConfig) as caught:
        asking.understand(vocabulary(), [text.format("long\n" * 20_000) for text in given])
    assert len(str(caught.value)) < 250
    assert "\n" not in str(caught.value)


def test_case_is_forgiven_and_many_classes_are_not_all_listed():
    assert vocabulary().attributes[0].read("blue") == 0
    many = Attribute("who", tuple(f"person {n}" for n in range(5000)))
    with pytest.raises(BadConfig) as caught:
        many.read("Zorro")
    assert len(str(caught.value)) < 200
    words = Vocabulary((many,), np.zeros((1, 1), np.float32), np.ones(1, np.int64))
    with pytest.raises(BadConfig, match="5,000 classes are too many"):
        asking.understand(words, ["who=*"])


def test_a_sheet_goes_through_the_first_attribute():
    codes, columns = asking.tour(vocabulary(), 64, seed=0)
    assert (len(codes), columns) == (63, 21)
    assert codes[::columns, 0].tolist() == [0, 1, 2]
    codes, columns = asking.tour(vocabulary(), 4, seed=0)
    assert (len(codes), columns) == (4, 2), "fewer lines where there is no room"
