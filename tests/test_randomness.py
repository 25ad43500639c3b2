"""Streams: pure functions of their address, on any machine, at any time."""

from __future__ import annotations

import numpy as np
import pytest

from leafwing.cli.main import run
from leafwing.core import randomness
from leafwing.core.errors import BadConfig


def test_a_stream_is_philox_with_the_address_as_its_key():
    """Bit for bit the generator that numpy makes of the key by itself."""
    for address in [(0, 0, "z/D0", 0), (2**62, 50_000, "sample", 7), (1, 1, "", 0)]:
        ours = randomness.stream(*address)
        theirs = np.random.Generator(np.random.Philox(key=randomness.key(*address)))
        assert (ours.integers(0, 2**63, 1000) == theirs.integers(0, 2**63, 1000)).all()
        assert (ours.standard_normal(7, dtype=np.float32) == theirs.standard_normal(7, dtype=np.float32)).all()


def test_numbers_never_change_from_version_to_version():
    """A picture's seed is for ever."""
    drawn = randomness.stream(3, 5, "sample", 2).standard_normal(3)
    np.testing.assert_allclose(drawn, EXPECTED, rtol=0, atol=0)


EXPECTED = [0.013121768309315945, -1.566997174204012, -0.6118755953760042]


def test_seeds_below_0_are_refused_wherever_they_are_given(capsys):
    """By whoever draws first, so that no command has to remember it; steps below 0 are addresses like others."""
    randomness.stream(0, -1, "z")
    with pytest.raises(BadConfig, match="--seed -1 cannot be"):
        randomness.stream(-1, 0, "z")
    assert run(["data", "ambiguity", "world:maze", "--seed", "-1"]) == 2
    assert "--seed -1 cannot be: it is a whole number from 0 on." in capsys.readouterr().err
