"""A generator of next frames whose pixels are picked from the past and a palette (issue 6, item 4; R19)."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from leafwing.contract import check_players
from leafwing.core.errors import LeafwingError
from leafwing.explore import sure
from leafwing.explore.predict import roll_out
from leafwing.latents import Categorical
from leafwing.networks.pixels import log_likelihood, one_each, painted, palette_of
from leafwing.networks.unet import FrameUNet, MeetZ
from leafwing.recipe import load_recipe

COLOURS = ("#000010", "#fadc3c", "#ffffff")
PALETTE = torch.tensor([[0, 0, 16], [250, 220, 60], [255, 255, 255]]) / 127.5 - 1


def network() -> FrameUNet:
    torch.manual_seed(0)
    net = FrameUNet(4, 3, 2, width=16, colours=COLOURS)
    torch.nn.init.normal_(net.out.bias)  # votes that differ
    return net


def test_every_pixel_is_one_of_the_past_or_of_the_palette_however_long_it_walks():
    """Nothing fades: after twelve steps each pixel is still exactly a colour of the first frames or the palette."""
    net = network().eval()
    past = PALETTE[torch.randint(0, 3, (2, 2, 20, 24))].movedim(-1, 2).flatten(1, 2)
    for _ in range(12):
        with torch.no_grad():
            frame = net(torch.randn(2, 4), past)
        past = torch.cat([past[:, 3:], frame], 1)
    apart = (frame.movedim(1, -1)[..., None, :] - PALETTE).abs().sum(-1)
    assert frame.shape == (2, 3, 20, 24)
    assert float(apart.amin(-1).max()) < 1e-6
    assert len(frame.movedim(1, -1).reshape(-1, 3).unique(dim=0)) > 1


def test_in_training_it_is_the_mixture_by_shares_of_votes_and_has_a_gradient():
    found = [torch.randn(2, 3, 5, 5) for _ in range(3)]
    votes = torch.randn(2, 6, 5, 5, requires_grad=True)
    everything = torch.stack([*found, *(c[None, :, None, None].expand(2, 3, 5, 5) for c in PALETTE)], 1)
    by_hand = (everything * F.softmax(votes, 1)[:, :, None]).sum(1)
    torch.testing.assert_close(painted(found, PALETTE, votes.softmax(1)), by_hand)
    one = everything.gather(1, votes.argmax(1)[:, None, None].expand(-1, 1, 3, -1, -1))[:, 0]
    torch.testing.assert_close(painted(found, PALETTE, one_each(votes)), one)
    painted(found, PALETTE, votes.softmax(1)).square().sum().backward()
    assert votes.grad is not None
    assert bool((votes.grad.abs().sum(1) > 0).all())


def test_the_likelihood_is_that_of_picking_every_pixel_by_its_shares():
    """Against a loop; two places of the same colour count together, and what cannot be picked is unlikely, not -inf."""
    found = [PALETTE[torch.randint(0, 3, (1, 4, 5))].movedim(-1, 1) for _ in range(2)]
    votes, truth = torch.randn(3, 5, 4, 5), PALETTE[torch.randint(0, 3, (1, 4, 5))].movedim(-1, 1)
    shares = votes.softmax(1)
    for answer, told in zip(shares, log_likelihood(found, PALETTE, shares, truth), strict=True):
        by_hand = 0.0
        for y in range(4):
            for x in range(5):
                colours = [frame[0, :, y, x] for frame in found] + list(PALETTE)
                right = [torch.equal(colour, truth[0, :, y, x]) for colour in colours]
                by_hand += float(answer[:, y, x][torch.tensor(right)].sum().log())
        assert float(told) == pytest.approx(by_hand, rel=1e-4)
    strange = log_likelihood(found, PALETTE, shares, torch.full_like(truth, 0.5))
    assert strange.isfinite().all()
    assert bool((strange < -800).all())


def test_answers_are_what_it_says_one_by_one_each_with_its_likelihood():
    """What z does not touch is computed once a question; that changes nothing of the answers."""
    net = network()
    past, z = torch.rand(2, 6, 20, 24) * 2 - 1, torch.randn(6, 4)
    truth = PALETTE[torch.randint(0, 3, (2, 20, 24))].movedim(-1, 1)
    frames, likelihood = net.answers(z, past, truth)
    alone = net(z, past.repeat_interleave(3, 0))
    torch.testing.assert_close(frames, alone, atol=1e-5, rtol=1e-5)
    one, likely = net.answers(z[4:5], past[1:], truth[1:])
    torch.testing.assert_close(likelihood[4:5], likely, atol=1e-2, rtol=1e-4)
    assert one.shape == (1, 3, 20, 24)
    likelihood.sum().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_grey_and_transparent_frames_have_the_same_colours():
    """A grey is what PIL makes of the colour; a fourth channel is opaque."""
    colours = ("#283cc8", "#fadc3c")
    grey = [Image.new("RGB", (1, 1), colour).convert("L").getpixel((0, 0)) for colour in colours]
    assert ((palette_of(colours, 1) + 1) * 127.5).round().flatten().tolist() == grey
    assert palette_of(colours, 4)[:, 3].tolist() == [1, 1]
    assert torch.equal(palette_of(colours, 4)[:, :3], palette_of(colours, 3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (['generator.colours=["#000010","yellow"]'], "'yellow' is no colour; write red, green and blue"),
        (['generator.colours=["#00001"]'], "'#00001' is no colour"),
    ],
)
def test_what_is_no_colour_is_said(settings, message):
    with pytest.raises(LeafwingError, match=message):
        load_recipe("video-gan-maze").override(settings).check()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["generator.colours=[]"], "Only where pixels are picked has a frame a likelihood: set generator.colours"),
        (["generator.name=multiscale"], "needs a generator whose pixels are picked"),
    ],
)
def test_a_likelihood_is_asked_only_of_who_has_one(settings, message):
    recipe = load_recipe("video-gan", ["variant.likelihood_weight=1", "generator.width=4", *settings])
    with pytest.raises(LeafwingError, match=message):
        check_players(
            *recipe.build_networks(None), recipe.build_variant(None), recipe.build_prior(), (3, 40, 40),
            torch.zeros(4, 9, 40, 40),
        )  # fmt: skip


class Hesitating(nn.Module):
    """Draws z's first number as a frame of one pixel, and is as sure as z's second says."""

    def __init__(self, is_picking: bool = True) -> None:
        super().__init__()
        self.is_picking = is_picking

    def said(self, z: torch.Tensor, past: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return z[:, :1, None, None] + past, z[:, 1]

    def forward(self, z: torch.Tensor, past: torch.Tensor) -> torch.Tensor:
        return z[:, :1, None, None] + past


def test_where_g_hesitates_another_z_is_drawn_and_the_first_sure_one_taken():
    """Sure at once; at the third try; of one in four, or never: then the first, for the future is open. A G that cannot
    tell takes frames as they come."""
    z = torch.tensor([
        [[1, 0.5], [2, 0.0], [3, 0.0], [4, 0.0]],
        [[1, 9.0], [2, 5.0], [3, 0.1], [4, 0.0]],
        [[1, 9.0], [2, 5.0], [3, 0.1], [4, 2.0]],
        [[1, 9.0], [2, 3.0], [3, 4.0], [4, 2.0]],
    ]) * torch.tensor([1, sure.SURE])  # fmt: skip
    past = torch.tensor([0.0, 10.0, 20.0, 30.0])[:, None, None, None]
    assert sure.frames(Hesitating(), z, past).flatten().tolist() == [1, 13, 21, 31]
    assert sure.frames(Hesitating(), z[:, :1], past).flatten().tolist() == [1, 11, 21, 31]
    assert sure.frames(Hesitating(is_picking=False), z, past).flatten().tolist() == [1, 11, 21, 31]


def test_the_network_is_as_sure_as_its_own_frame_is_likely_and_says_the_frame_of_evaluation():
    net = network().eval()
    past, z = PALETTE[torch.randint(0, 3, (2, 2, 20, 24))].movedim(-1, 2).flatten(1, 2), torch.randn(2, 4)
    with torch.no_grad():
        frame, certain = net.said(z, past)
        assert torch.equal(frame, net(z, past))
        torch.testing.assert_close(certain, torch.cat([net.answers(z[i : i + 1], past[i : i + 1], frame[i : i + 1])[1]
                                                       for i in range(2)]), atol=1e-3, rtol=1e-4)  # fmt: skip
        assert bool((certain <= 0).all())
        net.out.bias[0:] = 0
        net.out.bias[: net.fold**2] = 1e4  # all votes for the oldest frame: sure
        assert torch.equal(net.said(z, past)[1], torch.zeros(2))
    assert net.is_picking
    assert not FrameUNet(4, 3, 2, width=16).is_picking
    with pytest.raises(LeafwingError, match="generator.colours"):
        FrameUNet(4, 3, 2, width=16).said(z, past)


def test_walks_with_one_try_and_with_several_begin_alike_where_g_is_sure():
    """Future j at step i has the same first z however many may be tried."""
    net = network().eval()
    past = PALETTE[torch.randint(0, 3, (3, 2, 20, 24))].movedim(-1, 2).flatten(1, 2)
    prior = Categorical(4, dealt=True)
    with torch.no_grad():
        net.out.bias[: net.fold**2] = 1e4
    one, several = (roll_out(net, prior, past, 3, seed=0, tries=tries) for tries in (1, 4))
    assert torch.equal(one, several)


def test_futures_of_one_past_get_each_a_card_of_their_own():
    """Eight futures by eight cards give all eight frames; whoever asks for fewer gets the first of them."""

    class Shows(nn.Module):
        def forward(self, z, past):
            return z.argmax(1).view(-1, 1, 1, 1) / 8 + 0 * past

    prior, past = Categorical(8, dealt=True), torch.zeros(8, 1, 1, 1)
    frames = roll_out(Shows(), prior, past, 2, seed=3)
    for step in (0, 1):
        assert sorted((8 * frames[:, step].flatten()).tolist()) == list(range(8))
    assert torch.equal(roll_out(Shows(), prior, past[:3], 2, seed=3), frames[:3])


@pytest.mark.parametrize("width", [16, 64, 160])
def test_z_begins_equally_loud_beside_any_number_of_maps(width):
    """Another card changes what it meets by as large a share in a wide network as in a narrow one."""
    torch.manual_seed(0)
    net = FrameUNet(8, 3, 4, width=width, colours=COLOURS)
    cards = torch.eye(8).repeat(8, 1)
    for meets in (layer for layer in net.modules() if isinstance(layer, MeetZ)):
        maps = torch.randn(64, meets.mix.out_channels, 4, 4)
        with torch.no_grad():
            one, other = meets(maps, cards), meets(maps, cards.roll(1, 0))
        assert 0.45 < float((one - other).std() / one.std()) < 0.7
