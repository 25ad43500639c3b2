"""Draw from G and walk between its pictures: same seed, same pictures; ends exact; nothing kept."""

import gc
import inspect
import math
import tracemalloc
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from leafwing.core.errors import BadConfig, BadData, BadNetwork
from leafwing.explore.sample import draw, generate, latent_from_text, latent_to_text, latents_at
from leafwing.explore.walk import lerp, slerp, strip, walk
from leafwing.latents import Normal, Uniform

torch.set_num_threads(1)
PRIOR = Normal(8)


def tiny(side: int = 8, condition_dim: int = 0) -> nn.Module:
    """A convolutional G with BatchNorm and dropout, so that its mode matters."""
    torch.manual_seed(0)
    body = nn.Sequential(
        nn.Linear(8 + condition_dim, 16 * side * side // 4),
        nn.BatchNorm1d(16 * side * side // 4),
        nn.ReLU(),
        nn.Dropout(),
        nn.Unflatten(1, (16, side // 2, side // 2)),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(16, 3, 3, padding=1),
        nn.Tanh(),
    )
    body(torch.randn(32, 8 + condition_dim))  # statistics that are not 0 and 1
    return Asked(body) if condition_dim else body


class Asked(nn.Module):
    """G with a condition."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, z, condition):
        return self.body(torch.cat([z, condition], dim=1))


def all_of(G, count, seed=0, **options):
    z, pictures = zip(*draw(G, PRIOR, count, seed, **options), strict=True)
    return torch.cat(z), torch.cat(pictures)


# ----------------------------------------------------------------------------------------------------- draw


@pytest.mark.parametrize("chunk", [1, 7, 16, 64, 100])
def test_r6_z_depends_on_seed_and_index_alone(chunk):
    """R6: any count, any chunk: the same z bit for bit, the same pictures to rounding."""
    G = tiny()
    z, pictures = all_of(G, 130)
    z_again, again = all_of(G, 70, chunk=chunk)
    assert torch.equal(z_again, z[:70])
    assert (again - pictures[:70]).abs().max() < 1e-5


@pytest.mark.parametrize("count", [1, 5, 16, 17, 70])
def test_r6_pictures_do_not_depend_on_the_count(count):
    """R6: bit for bit, since the last chunk is filled up."""
    G = tiny()
    assert torch.equal(all_of(G, count)[1], all_of(G, 130)[1][:count])


def test_r6_other_seeds_give_other_pictures():
    """R6, R36."""
    z, pictures = all_of(tiny(), 100)
    other, _ = all_of(tiny(), 100, seed=1)
    assert not torch.equal(z, other)
    assert len(torch.unique(z, dim=0)) == 100
    assert len(torch.unique(pictures, dim=0)) == 100


def test_z_of_any_stretch():
    whole = latents_at(PRIOR, 3, 0, 300)
    for start, stop in [(0, 1), (63, 65), (64, 128), (100, 300), (200, 200)]:
        assert torch.equal(latents_at(PRIOR, 3, start, stop), whole[start:stop])


def test_drawing_leaves_g_as_it_was():
    """Evaluation mode while it draws, each part's own mode between and afterwards; no gradients."""
    G = tiny()
    G.train()
    G[1].eval()  # a part that its user holds still
    before = {name: value.clone() for name, value in G.state_dict().items()}
    grads = []
    for _z, pictures in draw(G, PRIOR, 40, 0):
        grads.append(pictures.requires_grad)
        assert G.training
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
    assert grads == [False] * 3
    assert [part.training for part in G] == [True, False, *[True] * 6]
    assert all(torch.equal(value, before[name]) for name, value in G.state_dict().items())
    assert torch.equal(all_of(G, 5)[1], all_of(G.eval(), 5)[1])


def test_g_is_restored_after_its_failure():
    G = tiny()
    with pytest.raises(RuntimeError):
        generate(G, torch.zeros(2, 5))
    assert G.training


def test_r11_one_condition_for_all_or_one_for_each():
    """R11: sample(x, n); rows follow their samples through the chunks."""
    G, hot = tiny(condition_dim=3), torch.eye(3)
    rows = hot[torch.arange(40) % 3]
    _, each = all_of(G, 40, condition=rows)
    for k in range(3):
        _, alike = all_of(G, 40, condition=hot[k : k + 1])
        assert torch.equal(alike[k::3], each[k::3])
        assert not torch.equal(alike[(k + 1) % 3 :: 3], each[(k + 1) % 3 :: 3])
    with pytest.raises(BadNetwork, match=r"1 row or 40, one a sample; got \[3, 3\]"):
        draw(G, PRIOR, 40, 0, condition=hot)


def test_truncation_narrows_z():
    z, _ = all_of(tiny(), 50, truncation=0.5)
    narrower, _ = all_of(tiny(), 50, truncation=0.25)
    assert z.abs().max() <= 0.5
    assert (z.sign() == narrower.sign()).all()  # the same draw, moved towards 0
    assert (narrower.abs() <= z.abs()).all()
    with pytest.raises(BadConfig):
        draw(tiny(), Uniform(8), 1, 0, truncation=0.5)


def test_impossible_counts_are_refused_at_the_call():
    assert list(draw(tiny(), PRIOR, 0, 0)) == []
    for count, chunk in [(-1, 16), (1, 0)]:
        with pytest.raises(ValueError, match="count must be"):
            draw(tiny(), PRIOR, count, 0, chunk=chunk)


class Watched(nn.Module):
    """Notes the size of each batch."""

    def __init__(self, G: nn.Module) -> None:
        super().__init__()
        self.G, self.batches = G, []

    def forward(self, z):
        self.batches.append(len(z))
        return self.G(z)


def test_memory_does_not_grow_with_the_count():
    """Ten thousand pictures of 49 kB, 490 MB in all; never more than two chunks of 100 are alive."""
    G = Watched(nn.Sequential(nn.Linear(8, 12288), nn.Unflatten(1, (3, 64, 64))))
    alive: list[weakref.ref[torch.Tensor]] = []
    most, seen = 0, 0
    gc.collect()
    tracemalloc.start()
    for z, pictures in draw(G, PRIOR, 10_000, 0, chunk=100):
        seen += len(z)
        alive = [ref for ref in alive if ref() is not None] + [weakref.ref(pictures)]
        most = max(most, len(alive))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seen == 10_000
    assert set(G.batches) == {100}
    assert most <= 2  # the one in hand and the one being made
    assert peak < 5e6


def test_r85_the_true_z_travels_as_text():
    """R85: readable, and back bit for bit."""
    z = torch.cat([PRIOR.sample(1, np.random.default_rng(0))[0], torch.tensor([0.0, -0.0, 1e-38, 1 / 3])])
    text = latent_to_text(z)
    assert text.endswith(", 0.0, -0.0, 1e-38, 0.33333334]")
    assert torch.equal(latent_from_text(text).view(torch.int32), z.view(torch.int32))
    for bad in ("", "[1, 2", '["a"]', "[[1]]", "[NaN]", "{}", "3"):
        with pytest.raises(BadData, match="metadata"):
            latent_from_text(bad)


def test_r85_z_gives_the_picture_again():
    """R85: the vector beside the picture is the one that made it."""
    G = tiny()
    for z, pictures in draw(G, PRIOR, 40, 0, chunk=1):
        assert torch.equal(generate(G, latent_from_text(latent_to_text(z[0]))[None]), pictures)


# ----------------------------------------------------------------------------------------------------- walk


def pair(seed: int = 0, n: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    z = PRIOR.sample(2 * n, np.random.default_rng(seed))
    return z[:n], z[n:]


@pytest.mark.parametrize("step", [lerp, slerp])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_r83_ends_are_exact(step, dtype):
    """R83: t = 0 and t = 1 give the ends bit for bit, the sign of zero too."""
    z0, z1 = (z.to(dtype) for z in pair())
    z0[0, 0], z1[0, 0] = -0.0, -0.0
    for t, end in [(0.0, z0), (1.0, z1), (torch.zeros(5), z0), (torch.ones(5), z1)]:
        got = step(z0, z1, t)
        assert got.dtype == dtype
        assert torch.equal(got, end)
        assert torch.equal(got.signbit(), end.signbit())


def test_r83_the_line_is_straight():
    """R83."""
    z0, z1 = pair()
    assert torch.allclose(lerp(z0, z1, 0.25), 0.75 * z0 + 0.25 * z1)
    each = lerp(z0, z1, torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]))
    assert torch.equal(each[1], lerp(z0[1], z1[1], 0.25))


def test_r83_the_arc_turns_evenly_and_keeps_the_length():
    """R83: angle t * omega from the start, in the plane of both; lengths between those of the ends."""
    z0, z1 = (z.double() for z in pair())
    cos = nn.functional.cosine_similarity
    omega = torch.acos(cos(z0, z1))
    for t in (0.1, 0.5, 0.9):
        z = slerp(z0, z1, t)
        assert torch.allclose(torch.acos(cos(z0, z)), t * omega)
        assert torch.allclose(torch.acos(cos(z, z1)), (1 - t) * omega)
        assert torch.allclose(z.norm(dim=1), (1 - t) * z0.norm(dim=1) + t * z1.norm(dim=1))


def test_the_middle_of_a_quarter_circle():
    z = slerp(torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0]), 0.5)
    assert z.tolist() == pytest.approx([math.sqrt(2)] * 2)


@pytest.mark.parametrize("factor", [1.0, 3.0, -1.0, -3.0, 0.0, 1 + 1e-7])
def test_parallel_opposite_and_zero_vectors_take_the_straight_line(factor):
    z0, _ = pair()
    z1 = z0 * factor
    for t in (0.0, 0.3, 0.5, 1.0):
        for a, b, share in [(z0, z1, t), (z1, z0, t)]:
            got = slerp(a, b, share)
            assert got.isfinite().all()
            assert torch.allclose(got, lerp(a, b, share), atol=1e-6)


def test_a_small_angle_is_accurate():
    """Just above the switch to the straight line, both agree."""
    z0 = torch.tensor([1.0, 0.0], dtype=torch.float64)
    z1 = torch.tensor([math.cos(2e-6), math.sin(2e-6)], dtype=torch.float64)
    assert torch.allclose(slerp(z0, z1, 0.3), torch.tensor([math.cos(6e-7), math.sin(6e-7)]).double(), atol=1e-14)


def test_ends_of_different_shape_are_refused():
    for step in (lerp, slerp):
        with pytest.raises(ValueError, match="same shape"):
            step(torch.zeros(2, 8), torch.zeros(1, 8), 0.5)


@pytest.mark.parametrize("kind", ["spherical", "linear"])
@pytest.mark.parametrize(("k", "between"), [(1, 4), (2, 0), (2, 6), (4, 3)])
def test_r83_a_walk_passes_through_every_z(kind, k, between):
    """R83: each z bit for bit, steps of equal size, closed walks come home without repeating."""
    zs = PRIOR.sample(k, np.random.default_rng(0))
    path = walk(zs, between, kind)
    assert path.shape == (k + (k - 1) * between, 8)
    assert torch.equal(path[:: between + 1], zs)
    loop = walk(zs, between, kind, closed=True)
    assert loop.shape == (k * (1 + between), 8)
    assert torch.equal(loop[: len(path)], path)
    if k > 1 and between:
        step = slerp if kind == "spherical" else lerp
        assert torch.equal(loop[-1], step(zs[-1], zs[0], between / (between + 1)))


def test_r84_every_step_of_a_walk_is_small():
    """R84: a straight walk has equal steps, a walk on the sphere nearly equal ones; no jumps."""
    zs = PRIOR.sample(3, np.random.default_rng(0))
    for kind, spread in [("linear", 1e-4), ("spherical", 0.5)]:
        for leg in walk(zs, 9, kind).unfold(0, 11, 10).transpose(1, 2):
            steps = leg.diff(dim=0).norm(dim=1)
            assert steps.max() <= steps.min() * (1 + spread)


def test_impossible_walks_are_refused():
    zs = torch.zeros(2, 8)
    for arguments, word in [((zs[:0], 3), "got 0 z"), ((zs, -1), "-1 frames")]:
        with pytest.raises(ValueError, match=word):
            walk(*arguments)
    with pytest.raises(ValueError, match="'cubic'"):
        inspect.unwrap(walk)(zs, 3, "cubic")  # where annotations are enforced they would refuse it first
    with pytest.raises(ValueError, match="at least 2"):
        strip(tiny(), zs, 1)


@pytest.mark.parametrize("kind", ["spherical", "linear"])
@pytest.mark.parametrize("steps", [2, 3, 8])
def test_r83_a_strip_ends_at_the_pictures_of_its_ends(kind, steps):
    """R83: bit for bit, for each z on the way; G keeps its mode."""
    G, zs = tiny(), PRIOR.sample(3, np.random.default_rng(0))
    pictures = strip(G, zs, steps, kind)
    assert pictures.shape == (3 + 2 * (steps - 2), 3, 8, 8)
    assert G.training
    G.eval()
    with torch.no_grad():
        for i, z in enumerate(zs):
            assert torch.equal(pictures[i * (steps - 1)], G(z[None])[0])


def test_r83_a_conditional_strip():
    """R83: the condition stays the same all along."""
    G, x = tiny(condition_dim=3), torch.eye(3)[:1]
    zs = PRIOR.sample(2, np.random.default_rng(0))
    pictures = strip(G, zs, 5, condition=x)
    assert torch.equal(pictures[-1], generate(G, zs[1:], x)[0])
