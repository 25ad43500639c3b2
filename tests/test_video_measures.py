"""Measures of predicted frames, by hand and on frames whose answer is known (issue 6, item 6; R19)."""

from __future__ import annotations

import numpy as np
import pytest

from leafwing.measure import video


def films(t: int = 3, side: int = 16) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return tuple(rng.integers(0, 256, (t, side, side, 3), dtype=np.uint8) for _ in range(2))  # type: ignore[return-value]


def test_psnr_by_hand_and_100_db_for_equal_frames():
    drawn, true = films()
    by_hand = [10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)) for a, b in zip(drawn, true, strict=True)]
    assert video.psnr(drawn, true) == pytest.approx(by_hand)
    assert video.psnr(true, true).tolist() == [video.MOST_DB] * 3
    one_off = true.copy()
    one_off[0, 0, 0, 0] ^= 255
    assert video.psnr(one_off, true)[0] < video.psnr(one_off, true)[1] == video.MOST_DB


def test_best_of_takes_one_future_over_all_its_frames():
    """The best future, not the best frame of each; frames beyond what is known of the truth are left out."""
    drawn, true = films()
    half = np.concatenate([true[:1], drawn[1:]])
    other = np.concatenate([drawn[:1], true[1:]])
    assert video.best_of([half, other, drawn], true) == pytest.approx(float(video.psnr(other, true).mean()))
    assert video.best_of([np.concatenate([true, drawn])], true) == video.MOST_DB


def test_ssim_is_1_for_equal_frames_and_falls_with_noise():
    drawn, true = films()
    near = np.clip(true.astype(int) + np.random.default_rng(1).integers(-9, 10, true.shape), 0, 255).astype(np.uint8)
    assert video.ssim(true, true) == pytest.approx([1, 1, 1])
    assert (video.ssim(near, true) < 1).all()
    assert (video.ssim(drawn, true) < video.ssim(near, true)).all()


def test_blur_is_less_sharp_and_its_edges_differ():
    _, true = films()
    wide = np.pad(true.astype(float), ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    blurred = np.mean([wide[:, y : y + 16, x : x + 16] for y in range(3) for x in range(3)], axis=0).astype(np.uint8)
    assert (video.sharp(blurred) < video.sharp(true) / 4).all()
    assert (video.sharpness_difference(blurred, true) < video.sharpness_difference(true, true)).all()
    lighter = np.full((1, 4, 4, 3), 10, np.uint8), np.full((1, 4, 4, 3), 90, np.uint8)
    assert video.sharpness_difference(*lighter)[0] == pytest.approx(video.MOST_DB), "edges, not levels"


def test_sprites_are_connected_spots_of_a_colour_that_are_large_enough():
    frame = np.zeros((30, 40, 3), np.uint8)
    frame[2:6, 2:6] = (210, 164, 74)
    frame[6:9, 6:9] = (205, 170, 80)  # joined by a corner, nearly the colour
    frame[20:24, 20:24] = (210, 164, 74)
    frame[20:22, 30:32] = (210, 164, 74)  # four pixels: a spot of a picture, no sprite
    frame[10:20, 30:40] = (200, 72, 72)
    assert video.sprites(frame, (210, 164, 74)) == 2
    assert video.sprites(frame, (210, 164, 74), least=4) == 3
    assert video.sprites(frame, (200, 72, 72)) == 1
    assert video.sprites(frame, (84, 184, 153)) == 0
