"""Colours that are followed through the given frames and go on as a whole (R14, R18, R24)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from leafwing import api
from leafwing.core.errors import BadNetwork
from leafwing.explore.predict import predict
from leafwing.networks.pixels import palette_of
from leafwing.networks.sprites import Sprites, voted
from leafwing.networks.tracks import REACH, STEPS, edges_of, lined_up, planes_of, steps_of

COLOURS = ("#000000", "#ffffff", "#c84848")
PALETTE = palette_of(COLOURS, 3)
SIDE = 4


def film(places: list[tuple[int, int] | None], size: int = 32, tall: int = 6, broad: int = 5) -> Tensor:
    """A red block on black, in the last column of places (row, column) or nowhere: [1, h * 3, size, size]."""
    frames = PALETTE[0][:, None, None].expand(3, size, size).repeat(len(places), 1, 1, 1)
    for frame, place in zip(frames, places, strict=True):
        if place is not None:
            y, x = place
            frame[:, y : y + tall, x : x + broad] = PALETTE[2][:, None, None]
    return frames.flatten(0, 1)[None]


def network(history: int = 4, z_dim: int = 4, **more) -> Sprites:
    torch.manual_seed(0)
    return Sprites(z_dim, 3, history, COLOURS, width=16, levels=1, **more).eval()


def test_each_pixel_belongs_to_the_colour_nearest_to_it():
    noisy = film([(4, 4), (4, 7)]) + 0.1 * torch.randn(1, 6, 32, 32, generator=torch.Generator().manual_seed(0))
    planes = planes_of(noisy, PALETTE)
    assert planes.shape == (1, 2, 3, 32, 32)
    assert torch.equal(planes.sum(2), torch.ones(1, 2, 32, 32))
    assert torch.equal(planes, planes_of(film([(4, 4), (4, 7)]), PALETTE))
    assert planes[0, 1, 2, 4:10, 7:12].all()
    assert planes[0, 1, 2].sum() == 30


def test_edges_are_counted_from_the_middle_of_each_place():
    edges, there = edges_of(planes_of(film([(8, 12)]), PALETTE), SIDE)
    y, x = 2, 3  # rows 8 to 11, columns 12 to 15: its middle is 9.5, 13.5
    assert edges[0, 0, 2, :, y, x].tolist() == [16 - 13.5, 12 - 13.5, 13 - 9.5, 8 - 9.5]
    assert there[0, 0, 2].all()
    assert not there[0, 0, 1].any()


def test_what_is_out_of_reach_is_not_there():
    there = edges_of(planes_of(film([(0, 0)], size=64), PALETTE), SIDE)[1][0, 0, 2]
    cells = (6 + REACH) // SIDE
    assert there[:cells, :cells].all()
    assert not there[cells + 2 :].any()
    assert not there[:, cells + 2 :].any()


def test_steps_are_told_one_by_one_and_none_where_a_colour_is_hidden():
    edges, there = edges_of(planes_of(film([(8, 8), (8, 11), None, (8, 16)]), PALETTE), SIDE)
    told = steps_of(edges, there)
    assert told.shape == (1, 3, 3 * 4 * len(STEPS) + 4 + 4, 8, 8)
    steps = told[0, 2, : 3 * 4 * len(STEPS), 3, 3].view(3, 4, len(STEPS))
    assert [steps[0, edge].argmax().item() for edge in range(4)] == [STEPS.index(3)] * 2 + [STEPS.index(0)] * 2
    assert steps[0].sum() == 4
    assert steps[1:].sum() == 0
    assert told[0, 2, 108:112, 3, 3].tolist() == [1, 1, 0, 1]


def test_shapes_of_all_frames_are_lined_up_where_the_colour_was_last():
    """Also one that is hidden now: it blinks, and comes back near where it was."""
    planes = planes_of(film([(8, 4), (8, 7), (10, 9), None]), PALETTE)
    lined = lined_up(planes, *edges_of(planes, SIDE), SIDE)[0, :, 2]
    block = torch.zeros(32, 32)
    block[10:16, 9:14] = 1
    assert all(torch.equal(one, block) for one in lined[:3])
    assert not lined[3].any()


def test_votes_of_a_place_are_for_what_comes_to_its_pixels():
    torch.manual_seed(0)
    ways, votes = torch.randn(2, 3, 5, 8, 12), torch.randn(2 * 4, 3, 5, 2, 3)
    each = F.interpolate(votes.flatten(1, 2), scale_factor=SIDE).view(2, 4, 3, 5, 8, 12)
    torch.testing.assert_close(voted(ways, votes, SIDE), (ways[:, None] * each).sum(3).flatten(0, 1))


def test_r18_frames_of_any_size_are_of_the_films_colours_and_answers_depend_on_z():
    G = network()
    past = film([(3, 4), (3, 7), (3, 10), (3, 12)], size=32)
    for height, width in ((32, 32), (21, 30)):
        drawn = G(torch.eye(4), past[:, :, :height, :width].repeat(4, 1, 1, 1))
        assert drawn.shape == (4, 3, height, width)
        assert torch.cdist(drawn.movedim(1, -1).flatten(0, 2), PALETTE).amin(1).max() == 0
    votes = G.votes(torch.eye(4), past)[1]
    assert all((votes[0] - one).abs().max() > 1e-3 for one in votes[1:])


def test_before_it_learns_the_last_frame_is_shown_again():
    past = film([(3, 4), (3, 7), (3, 10), (3, 12)])
    frames, likelihood = network().said(torch.eye(4), past)
    assert (frames == past[:, -3:]).float().mean() > 0.95
    assert likelihood.shape == (4,)
    assert (likelihood < 0).all()


def test_a_film_that_is_moved_is_answered_moved():
    G, z = network(), torch.eye(4)[:1]
    past = film([(40, 40), (40, 43), (40, 46), (40, 48)], size=96)
    moved = torch.roll(past, (SIDE, 2 * SIDE), (2, 3))
    (_, votes), (_, again) = G.votes(z, past), G.votes(z, moved)
    there = slice(40, 60)  # far from the borders, which are seen, too
    torch.testing.assert_close(
        again[:, :, there, there], torch.roll(votes, (SIDE, 2 * SIDE), (2, 3))[:, :, there, there]
    )


def test_answers_to_several_questions_are_each_its_own():
    G = network()
    pasts = torch.cat([film([(3, 4), (3, 7), (3, 10), (3, 12)]), film([(9, 9), (9, 9), (9, 8), (9, 6)])])
    together = G.votes(torch.eye(4).repeat(2, 1), pasts)[1]
    apart = torch.cat([G.votes(torch.eye(4), one[None])[1] for one in pasts])
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-5)


def test_r18_it_is_trained_by_the_game_and_walks_on(tmp_path):
    small = [
        "generator.name=sprites",
        "generator.width=8",
        "generator.levels=1",
        "discriminator.width=8",
        "prior.dim=4",
    ]
    small += ["variant.many=4", "train.batch=8", "data.count=200", "data.image_size=32", "watch.samples=2"]
    small += ['generator.colours=["#000010","#283cc8","#fadc3c","#fabeaa","#e63232","#3cd2c8","#ffffff"]']
    api.train("world:maze", "video-gan-maze", out=tmp_path / "run", steps=2, settings=small, device="cpu")
    futures = predict(api.load(tmp_path / "run"), "world:maze", 3, 4, seed=0)
    assert futures.drawn.shape == (4, 3, 40, 40, 3)


def test_it_takes_frames_however_they_lie_in_memory():
    G = network()
    past = film([(3, 4), (3, 7), (3, 10), (3, 12)]).repeat(2, 1, 1, 1)
    torch.testing.assert_close(
        G.votes(torch.eye(4), past.to(memory_format=torch.channels_last))[1], G.votes(torch.eye(4), past)[1]
    )
    assert Sprites(0, 3, 4, COLOURS, width=16, levels=1)(torch.empty(2, 0), past).shape == (2, 3, 32, 32)


def test_without_colours_or_a_coarser_level_it_is_refused():
    for wrong in ({"colours": ()}, {"colours": COLOURS, "levels": 0}):
        with pytest.raises(BadNetwork, match=r"generator\.colours"):
            Sprites(4, 3, 4, **wrong)


def test_it_learns_a_pace():
    """3, 2, 3, 2 pixels in turn: which comes next is to be read from the steps before, and is, where it was not met."""
    torch.manual_seed(0)
    G = Sprites(1, 3, 4, COLOURS, width=16, levels=1).train()
    adam = torch.optim.Adam(G.parameters(), 3e-3)

    def clip(first: int, odd: int, row: int) -> Tensor:
        at = [first]
        for n in range(4):
            at.append(at[-1] + (3 if (n + odd) % 2 else 2))
        return film([(row, x) for x in at])

    def loss(rows: range) -> Tensor:
        clips = torch.cat([clip(first, odd, row) for first in (2, 7) for odd in (0, 1) for row in rows])
        past, true = clips[:, :12], clips[:, 12:]
        return -G.answers(torch.ones(len(past), 1), past, true)[1].mean()

    for _ in range(60):
        adam.zero_grad()
        loss(range(0, 24, 8)).backward()
        adam.step()
    assert loss(range(3, 21, 6)).item() < 3  # nats a frame; a guess between two steps costs 12 ln 2 = 8.3
