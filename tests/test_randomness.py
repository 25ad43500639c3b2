"""Streams: pure functions of their address, on any machine, at any time."""

from __future__ import annotations

import numpy as np

from leafwing.core import randomness


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
