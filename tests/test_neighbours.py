"""R82: a planted copy is flagged, new pictures are not; distances agree with brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from leafwing.measure import neighbours
from leafwing.measure.neighbours import find, nearest, pixels


def noise(n: int, seed: int) -> np.ndarray:
    """Smooth random pictures, uint8 [n, 16, 16, 3]."""
    coarse = np.random.default_rng(seed).integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)
    return coarse.repeat(4, axis=1).repeat(4, axis=2)


def floats(pictures: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def test_nearest_is_brute_force_in_any_blocks(monkeypatch):
    """Far from zero, where the inner-product form loses its digits, twins and ties included."""
    torch.manual_seed(0)
    rows = torch.randn(300, 24) + 100
    rows[200] = rows[7]  # equal distances: the lower index first
    queries = torch.cat([rows[[7, 40]] + 1e-4, torch.randn(5, 24) + 100])
    monkeypatch.setattr(neighbours, "BLOCK", 64)
    found = nearest(queries, rows, 4)
    exact = (queries.double()[:, None] - rows.double()).square().sum(2).sqrt()
    order = exact.argsort(dim=1, stable=True)[:, :4]
    assert torch.equal(found.which, order)
    torch.testing.assert_close(found.distance, exact.gather(1, order), rtol=1e-12, atol=0)
    assert found.which[0, :2].tolist() == [7, 200]
    without = nearest(queries, rows, 1, but=torch.full((7, 1), 40))
    assert without.which[1, 0] != 40


def test_a_planted_copy_is_flagged_and_new_pictures_are_not():
    real, new = noise(400, 1), noise(20, 2)
    noisy = np.clip(real[33].astype(int) + np.random.default_rng(0).integers(-6, 7, real[33].shape), 0, 255)
    planted = np.stack([real[11], real[22][:, ::-1], noisy.astype(np.uint8)])
    found = find(floats(np.concatenate([new, planted])), real, k=2)
    assert found.copies.tolist() == [False] * 20 + [True] * 3
    assert found.nearest.which[20:, 0].tolist() == [11, 22, 33]
    assert not found.authentic[20:].any()
    assert found.nearest.distance[20, 0] < 1e-5
    assert found.closeness[:20].min() > 0.5
    assert not find(floats(planted), real, mirror=False).copies[1], "without mirroring it is another picture"


def test_authenticity_of_new_draws_is_that_of_real_ones_and_of_memory_zero():
    """On a line two thirds of points are nearest to each other (Cox 1981), so a third of new draws is authentic."""
    real, new = noise(1000, 3), floats(noise(500, 4))
    line = find(new, real, features=lambda p: p.mean((1, 2, 3))[:, None], references=500)
    assert line.authenticity == pytest.approx(1 / 3, abs=0.07)
    assert line.authenticity_of_real == pytest.approx(1 / 3, abs=0.07)
    pictures = find(new[:300], real, references=300)
    assert pictures.authenticity == pytest.approx(pictures.authenticity_of_real, abs=0.12)
    assert find(floats(real[:50]), real).authenticity == 0


def test_authenticity_is_the_papers_by_a_second_implementation():
    """Alaa et al. 2022: nearest real of the sample, against that one's nearest other real."""
    real, some = noise(60, 5), noise(15, 6)
    found = find(floats(some), real, mirror=False)
    r, g = floats(real).flatten(1).double().numpy(), floats(some).flatten(1).double().numpy()
    for j, sample in enumerate(g):
        apart = np.linalg.norm(r - sample, axis=1)
        i = apart.argmin()
        others = np.linalg.norm(np.delete(r, i, 0) - r[i], axis=1)
        assert bool(found.authentic[j]) == (apart[i] > others.min())


def test_any_features_are_compared_and_computed_once():
    """Mean colours as features; a file without a name keeps them."""
    real, calls = noise(700, 7), []

    def mean_colour(pictures):
        calls.append(len(pictures))
        return pictures.mean((2, 3))

    found = find(floats(real[[5, 600]]), real, features=mean_colour)
    assert found.nearest.which[:, 0].tolist() == [5, 600]
    assert sum(calls[:2]) == 700, "the whole store once, in blocks"
    assert calls.count(512) == 1
    assert pixels(torch.zeros(2, 3, 4, 4)).shape == (2, 48)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="samples' shape"):
        find(torch.zeros(2, 3, 8, 8), noise(10, 0))
