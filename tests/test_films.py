"""Films (issue 6, items 3 to 5; R13, R14, R16, R18): doors, windows, predictors, recipes, roll-outs, bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from leafwing import api, worlds
from leafwing.cli.main import run as command
from leafwing.core.errors import BadConfig, BadData, BadNetwork, BadRun, LeafwingError
from leafwing.core.pictures import read_film, save_gif, save_mp4, to_uint8
from leafwing.data.films import Films, open_films, standstill
from leafwing.data.windows import TRIES, Windows, movement
from leafwing.networks import discriminators
from leafwing.networks.multiscale import MultiScale, MultiScaleJudge
from leafwing.networks.unet import FrameUNet
from leafwing.recipe import load_recipe
from leafwing.worlds.maze import Maze

SIDE = 24


def film(frames: int, seed: int = 0, side: int = SIDE) -> np.ndarray:
    """A bright square that goes its way over a dark ground: no two frames alike."""
    out = np.full((frames, side, side, 3), 10, np.uint8)
    for t in range(frames):
        x, y = (t * 3 + seed) % (side - 6), (t * 5 // 4 + 2 * seed) % (side - 6)
        out[t, y : y + 6, x : x + 6] = (250, 200 - t, 40 + seed)
    return out


def frame_folder(place: Path, frames: np.ndarray) -> None:
    place.mkdir(parents=True)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(place / f"{number}.png")


def stored(frames: list[np.ndarray]) -> Films:
    films = Films(Path(), {"lengths": [len(f) for f in frames], "still": [standstill(f) for f in frames]}, True)
    films.meta["source"] = "here"
    films.pictures = np.concatenate(frames)
    return films


# ---- doors ----


def test_every_door_gives_the_same_films(tmp_path):
    """R13, R14: folders of frames (frame 10 after frame 9), npz with episodes, GIF and MP4, whole and exact."""
    parts = [film(12), film(9, 3)]
    for number, part in enumerate(parts):
        frame_folder(tmp_path / "frames" / f"episode {number}", part)
    np.savez(tmp_path / "ids.npz", frames=np.concatenate(parts), episode=np.repeat([7, 8], [12, 9]))
    np.savez(tmp_path / "done.npz", frames=np.concatenate(parts), done=np.isin(np.arange(21), [11, 20]))
    frame_folder(tmp_path / "mixed" / "a", parts[0])
    np.savez(tmp_path / "mixed" / "b.npz", frames=parts[1])
    for source in ("frames", "ids.npz", "done.npz", "mixed"):
        films = open_films(tmp_path / source)
        assert films.lengths == [12, 9]
        assert np.array_equal(films.pictures, np.concatenate(parts)), source
    np.savez(tmp_path / "even.npz", frames=np.stack([parts[0][:9], parts[1]]))
    assert open_films(tmp_path / "even.npz").lengths == [9, 9]
    images = [Image.fromarray(frame.repeat(2, 0).repeat(2, 1)) for frame in parts[0]]
    save_gif(images, tmp_path / "a.gif", fps=10)
    save_mp4(images, tmp_path / "a.mp4", fps=10)
    for name in ("a.gif", "a.mp4"):
        read = open_films(tmp_path / name)
        assert read.lengths == [12]
        assert np.abs(read.pictures[:, 1::2, 1::2].astype(int) - parts[0]).mean() < 6


def test_films_are_built_once_and_anew_when_something_changed(tmp_path):
    frame_folder(tmp_path / "f", film(8))
    first = open_films(tmp_path / "f")
    again = open_films(tmp_path / "f")
    assert (first.reused, again.reused) == (False, True)
    assert not again.pictures.flags.writeable
    Image.fromarray(film(9)[8]).save(tmp_path / "f" / "8.png")
    grown = open_films(tmp_path / "f")
    assert grown.lengths == [9]
    assert grown.fingerprint != first.fingerprint


def test_the_maze_is_a_film():
    films = open_films("world:maze", count=100)
    assert films.lengths == [80, 80]
    assert np.array_equal(films.pictures[80:], Maze(0).film(1))
    grey = open_films("world:maze", count=10, channels=1)
    assert grey.pictures.shape == (80, 40, 40, 1)


def bad_one_frame(place: Path) -> Path:
    frame_folder(place / "x", film(1))
    return place / "x"


def bad_all_one_frame(place: Path) -> Path:
    np.savez(place / "x.npz", frames=film(3), episode=np.arange(3))
    return place / "x.npz"


def bad_changing(place: Path) -> Path:
    frame_folder(place / "x", film(4))
    Image.fromarray(film(1, side=30)[0]).save(place / "x" / "9.png")
    return place / "x"


def bad_changing_between(place: Path) -> Path:
    np.savez(place / "a.npz", frames=film(4))
    np.savez(place / "b.npz", frames=film(4, side=30))
    return place


def bad_array(place: Path) -> Path:
    np.savez(place / "x.npz", pictures=film(4))
    return place / "x.npz"


def bad_floats(place: Path) -> Path:
    np.savez(place / "x.npz", frames=film(4).astype(float))
    return place / "x.npz"


def bad_text(place: Path) -> Path:
    (place / "x.mp4").write_text("not a film")
    return place / "x.mp4"


def bad_still(place: Path) -> Path:
    frame_folder(place / "x", film(4))
    (place / "x" / "2.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    return place / "x"


def bad_empty(place: Path) -> Path:
    (place / "x").mkdir()
    return place / "x"


def bad_missing(place: Path) -> Path:
    return place / "nowhere"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (bad_one_frame, "x' holds one frame"),
        (bad_all_one_frame, "^Each of the 3 episodes of '.*x.npz' holds one frame"),
        (bad_changing, "changing size: '9.png' is 30×30, the first one 24×24"),
        (bad_changing_between, "changing size: 'b.npz' is 30×30"),
        (bad_array, "no array 'frames' but pictures"),
        (bad_floats, "uint8"),
        (bad_text, "cannot be read as a film"),
        (bad_still, "'.*2.png'"),
        (bad_empty, "holds no films"),
        (bad_missing, "does not exist"),
    ],
)
def test_films_that_cannot_be_are_one_sentence(make, words, tmp_path, monkeypatch):
    """And nothing of them is left in the cache, where good ones are kept."""
    monkeypatch.setenv("LEAFWING_CACHE", str(tmp_path / "cache"))
    (place := tmp_path / "source").mkdir()
    with pytest.raises(LeafwingError, match=words) as caught:
        open_films(make(place))
    assert "\n" not in str(caught.value)
    films = tmp_path / "cache" / "films"
    assert not list(films.glob("*"))
    frame_folder(place / "good", film(4))
    open_films(place / "good")
    assert len(list(films.glob("*"))) == 1


def short_films(place: Path) -> Path:
    np.savez(place / "x.npz", frames=film(9), episode=np.repeat([0, 1, 2], 3))
    return place / "x.npz"


@pytest.mark.parametrize(
    ("make", "size", "words"),
    [
        (
            short_films,
            SIDE,
            "the longest episode has 3 frames in which something moves, but a window is 3 frames and the n",
        ),
        (bad_one_frame, SIDE, "holds one frame"),
        (bad_changing_between, SIDE, "frames of changing size"),
        (
            lambda place: np.savez(place / "x.npz", frames=film(9)),
            32,
            "data.image_size = 32 cannot be: the frames are 24",
        ),
    ],
    ids=["short", "one frame", "changing size", "smaller than patches"],
)
def test_a_dry_run_refuses_what_the_run_refuses(make, size, words, tmp_path, capsys):
    (place := tmp_path / "films").mkdir()
    films = str(make(place) or place / "x.npz")
    tiny = ["generator.width=4", "discriminator.width=4", f"data.image_size={size}", "train.batch=8"]
    line = ["train", films, "--recipe", "video-gan", "--set", *tiny]
    said = []
    for more in (["--dry-run"], ["--out", str(tmp_path / "run")]):
        assert command([*line[:4], *more, *line[4:]]) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        said.append(shown.err.splitlines()[-1])
    assert said[0] == said[1]
    assert words in said[0]


def test_a_dry_run_says_what_is_left_out_as_the_run_does(tmp_path, capsys):
    (films := tmp_path / "films").mkdir()
    for name, frames in (("a", film(9)), ("b", film(2))):
        np.savez(films / f"{name}.npz", frames=frames)
    tiny = ["generator.width=4", "discriminator.width=4", f"data.image_size={SIDE}", "train.batch=8"]
    for more in (["--dry-run"], ["--out", str(tmp_path / "run"), "--steps", "1"]):
        assert command(["train", str(films), "--recipe", "video-gan", *more, "--set", *tiny]) == 0
        assert "1 of 2 episodes are left out, too short for 3 frames and the next one: first" in capsys.readouterr().err


def test_worlds_of_single_pictures_are_no_films():
    """For films only worlds of films are named: those that play."""
    with pytest.raises(BadData, match=r"world:faces has no films.*world:maze"):
        open_films("world:faces")
    with pytest.raises(BadData, match=r"world:replies has no films.*world:maze"):
        open_films("world:replies")
    with pytest.raises(BadData) as caught:
        open_films("world:xyz")
    assert str(caught.value) == "There is no world called 'xyz'. There is: maze."
    assert set(worlds.FILMS) == {name for name in worlds.PICTURES if hasattr(worlds.build(name, 0), "film")}


@pytest.mark.parametrize(
    ("world", "recipe", "words"),
    [
        ("xyz", "dcgan", "There is no world called 'xyz'. There is: corner, faces, maze, replies."),
        ("xyz", "video-gan", "There is no world called 'xyz'. There is: maze."),
        ("xyz", "chat-gan", "There is no world called 'xyz'. There is: replies."),
        (
            "replies",
            "dcgan",
            "world:replies has no pictures, but questions and replies: train on it by --recipe chat-gan, or",
        ),
        ("replies", "video-gan", "world:replies has no films"),
        ("maze", "chat-gan", "world:maze draws pictures, not replies"),
    ],
)
def test_worlds_that_cannot_be_trained_on_are_told_from_those_that_can(world, recipe, words, tmp_path, capsys):
    line = ["train", f"world:{world}", "--recipe", recipe]
    for more in (["--out", str(tmp_path / "run")], ["--dry-run"]):
        assert command([*line, *more]) == 2
        assert words in capsys.readouterr().err


# ---- windows ----


def test_windows_never_cross_an_episodes_end():
    """R14: every window lies in one episode, every frame with enough before it is a target, of any history length."""
    parts = [film(12), film(5, 3), film(3, 5)]
    for history, targets in ((1, 11 + 4 + 2), (3, 9 + 2), (4, 8 + 1)):
        windows = Windows(stored(parts), history, SIDE, targets, seed=1)
        assert len(windows.targets) == targets
        seen = set()
        for window, target in zip(windows.cut(0), windows.indices(0), strict=True):
            part, start = next((p, s) for p, s in zip(parts, (0, 12, 17), strict=True) if s <= target < s + len(p))
            assert np.array_equal(window, part[target - start - history : target - start + 1])
            seen.add(int(target))
        assert len(seen) == targets, "an epoch shows each once"


def test_what_is_given_is_the_past_and_what_is_drawn_is_next():
    part = film(8)
    windows = Windows(stored([part]), 3, SIDE, 4, seed=0)
    past, following = windows.past(2), windows(2)
    assert past.shape == (4, 9, SIDE, SIDE)
    for row, target in enumerate(windows.indices(2)):
        levels = ((torch.cat([past[row], following[row]]) + 1) * 127.5).round().byte().view(4, 3, SIDE, SIDE)
        assert np.array_equal(levels.permute(0, 2, 3, 1).numpy(), part[target - 3 : target + 1])


def test_a_batch_is_a_function_of_the_turn_alone_and_may_repeat_its_questions():
    films = stored([film(30)])
    one, other = (Windows(films, 2, 16, 8, seed=4, many=2, noise=0.2, flip=True) for _ in range(2))
    expected = one.past(5), one(5)
    for turn in (0, 7):
        other(turn)
    assert torch.equal(other.past(5), expected[0])
    assert torch.equal(other(5), expected[1])
    for rows in expected:
        assert torch.equal(rows[::2], rows[1::2]), "each question comes twice, with the same noise, patch and mirror"
        assert not torch.equal(rows[:2], rows[2:4])
    clean = Windows(films, 2, 16, 8, seed=4, many=2, flip=True)
    assert torch.equal(clean(5), expected[1]), "what followed has no noise"
    assert 0.01 < float((clean.past(5) - expected[0]).std()) < 0.2


def test_r18_patches_are_cut_where_something_moves():
    part = np.full((12, 120, 100, 3), 10, np.uint8)
    for t in range(12):
        part[t, 60:68, 10 + 4 * t : 18 + 4 * t] = 250
    windows = Windows(stored([part]), 3, 32, 64, seed=0)
    cut = windows.cut(0)
    assert cut.shape == (64, 4, 32, 32, 3)
    assert np.mean([movement(window) > 100 for window in cut]) > 0.85
    assert TRIES == 100


def test_the_standstill_at_the_beginning_is_left_out():
    """R14: a still picture, a blinking loop and a loop under compression's noise are waits; play is not."""
    play = film(10)
    still, loop = np.repeat(play[:1], 7, 0), np.tile(film(4, 9), (5, 1, 1, 1))
    noise = np.random.default_rng(0).integers(-5, 6, (20, SIDE, SIDE, 3))
    for wait in (still, loop, np.clip(loop.astype(int) + noise, 0, 255).astype(np.uint8)):
        whole = np.concatenate([wait, play])
        assert abs(standstill(whole) - len(wait)) <= 1
        targets = stored([whole]).targets(3)
        assert targets.min() >= len(wait) + 2
        assert len(stored([whole]).targets(3, drop_still=False)) == len(whole) - 3
    assert standstill(play) == 0
    assert standstill(still) == 0, "what never moves is kept whole"


def test_episodes_too_short_for_a_window_cost_only_themselves_and_are_named(tmp_path):
    parts = {"long": film(9), "one": film(1, 2), "short": film(3, 5), "waits": np.repeat(film(1), 5, 0)}
    for name, part in parts.items():
        frame_folder(tmp_path / "films" / name, part)
    films = open_films(tmp_path / "films")
    assert films.lengths == [9, 1, 3, 5]
    assert "1 of 4 episodes are left out, too short for 1 frames and the next one: first 'one/'." in films.remarks[0]
    films.history = 3
    assert "2 of 4 episodes are left out, too short for 3 frames" in films.remarks[0]
    assert films.targets(3).tolist() == [3, 4, 5, 6, 7, 8, 16, 17]
    assert stored([film(9)]).remarks == []


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"history": 12}, "longest episode has 12 frames.*window is 12 frames and the next"),
        ({"size": 32}, "data.image_size = 32.*24×24"),
        ({"many": 3}, "train.batch = 4.*multiple of 3"),
    ],
)
def test_windows_that_cannot_be(facts, words):
    given = {"history": 3, "size": SIDE, "batch": 4, "seed": 0} | facts
    with pytest.raises(LeafwingError, match=words):
        Windows(stored([film(12), film(4)]), **given)


# ---- predictors ----


@pytest.mark.parametrize("z_dim", [0, 5])
@pytest.mark.parametrize("enters", ["concatenate", "add", "modulate"])
@pytest.mark.parametrize("network", [FrameUNet, MultiScale])
def test_the_predictor_answers_at_any_size(network, enters, z_dim):
    """R18: the same weights on patches and on whole frames of 210x160; every weight gets a gradient; z matters."""
    torch.manual_seed(0)
    G = network(z_dim, 3, 3, width=4, enters=enters)
    z, past = torch.randn(4, z_dim), torch.rand(4, 9, 32, 32) * 2 - 1
    frames = G(z, past)
    (frames * torch.randn_like(frames)).sum().backward()
    assert frames.shape == (4, 3, 32, 32)
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in G.parameters())
    G.eval()
    with torch.no_grad():
        assert G(z[:1], torch.randn(1, 9, 210, 160)).shape == (1, 3, 210, 160)
        assert G(z, 3 * past).abs().max() <= 1
        if z_dim:
            assert not torch.equal(G(z, past[:1].expand(4, -1, -1, -1))[0], G(z, past[:1].expand(4, -1, -1, -1))[1])
    with pytest.raises(BadNetwork, match="leafwing predict"):
        G(z)


def test_what_moves_can_be_taken_from_the_last_frame():
    """A step to the right is a way by itself: with that way alone, the next frame is the last one moved, exactly."""
    from leafwing.networks.pixels import mixed, places

    past = torch.rand(1, 9, 16, 16)
    ways = torch.full((1, 3 + 4, 16, 16), -1e4)
    ways[:, 5] = 1e4  # after three frames as they are: up, down, left, right
    moved = mixed(places(past, 3, (4,)), ways)
    assert torch.equal(moved[..., 4:], past[:, 6:, :, :-4])
    ways[:, 5], ways[:, 0] = -1e4, 1e4
    assert torch.equal(mixed(places(past, 3, (4,)), ways), past[:, :3])


@pytest.mark.parametrize("name", ["unet", "multiscale"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_d_sees_the_past_and_the_frame(name, outputs):
    D = discriminators.build(name, {"width": 4}, channels=3, history=2, outputs=outputs, image_size=32)
    frame, past = torch.randn(3, 3, 32, 32), torch.randn(3, 6, 32, 32)
    verdicts = D(frame, past)
    assert verdicts.shape == ((3,) if outputs == 1 else (3, outputs))
    verdicts.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in D.parameters())
    assert not torch.equal(verdicts, D(frame, past.flip(0)))
    with pytest.raises(BadNetwork, match="those before"):
        D(frame)


def convolutions(net: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]


def test_the_multi_scale_network_is_the_cited_programs():
    """B2: four scales of these maps and kernels at width 128, and the residual form of the paper."""
    G, D = MultiScale(0, 3, 4), MultiScaleJudge(3, 4)
    maps = [[layer.out_channels for layer in convolutions(scale)] for scale in G.scales]
    assert maps == [[128, 256, 128, 3]] * 2 + [[128, 256, 512, 256, 128, 3]] * 2
    kernels = [[layer.kernel_size[0] for layer in convolutions(scale)] for scale in G.scales]
    assert kernels == [[3, 3, 3, 3], [5, 3, 3, 5], [5, 3, 3, 3, 3, 5], [7, 5, 5, 5, 5, 7]]
    assert [scale.first.in_channels for scale in G.scales] == [12, 15, 15, 15]
    layers = [[m for m in judge if isinstance(m, nn.Conv2d | nn.Linear)] for judge in D.judges]
    assert [[len(m.weight) for m in some] for some in layers] == [
        [64, 512, 256, 1], [64, 128, 128, 1024, 512, 1],
        [128, 256, 256, 1024, 512, 1], [128, 256, 512, 128, 1024, 512, 1]
    ]  # fmt: skip
    for scale in G.scales:
        scale.last.weight.data.zero_()
    still = torch.rand(1, 3, 1, 1).expand(1, 3, 32, 32) * 2 - 1
    drawn = G.eval()(torch.empty(1, 0), still.repeat(1, 4, 1, 1))
    assert torch.allclose(drawn, still, atol=1e-6), "no correction: what was there stays"
    with pytest.raises(ValueError, match="at least 32"):
        MultiScaleJudge(3, 4, image_size=24)


# ---- recipes, whole runs, roll-outs ----

SMALL = ["generator.width=4", "data.count=160", "train.precision=fp32", "watch.samples=16", "watch.log_every=2"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "gan"
    api.train(None, "video-gan", out=out, steps=3, batch=4, settings=[*SMALL, "discriminator.width=4"], device="cpu")
    return out


def test_a_run_writes_moments_with_their_futures(run):
    with Image.open(run / "samples" / "step-00000000.png") as sheet:
        assert sheet.size == (8 * 42 + 2, 2 * 42 + 2), "two moments: last frame, what followed, six answers"
        pixels = np.asarray(sheet)
    windows = Windows(open_films("world:maze", count=160), 3, 40, 4, 0, many=2, noise=0.1)
    assert np.array_equal(pixels[2:42, 2:42], to_uint8(windows.past(0)[:1, 6:])[0]), "as it was given"
    assert np.array_equal(pixels[2:42, 44:84], windows.cut(0)[0, -1])
    assert np.array_equal(pixels[44:84, 44:84], windows.cut(0)[2, -1])


@pytest.mark.parametrize("network", ["unet", "multiscale"])
def test_r18_patches_are_learnt_from_and_whole_frames_drawn_in_pieces_of_a_batch(network, tmp_path):
    """32x32 patches of 40x40 frames, in micro-batches; the same weights walk on in the whole frame."""
    names = [f"{who}.{key}" for who in ("generator", "discriminator") for key in (f"name={network}", "width=4")]
    wishes = [*names, *SMALL[1:], "data.image_size=32", "train.microbatch=2"]
    api.train(None, "video-gan", out=tmp_path / "p", steps=2, batch=4, settings=wishes, device="cpu")
    found = api.predict(tmp_path / "p", "world:maze", tmp_path / "p.png", steps=2, samples=2)
    assert found["frames"] == 2
    G = api.load(tmp_path / "p", device="cpu")
    assert G(torch.zeros(1, 4), torch.zeros(1, 9, 40, 40)).shape == (1, 3, 40, 40)


def test_r16_the_supervised_baseline_is_a_command_and_uses_no_judge(tmp_path, capsys):
    api.train(None, "video-supervised", out=tmp_path / "s", steps=4, batch=4, settings=SMALL, device="cpu")
    rows = [json.loads(line) for line in (tmp_path / "s" / "metrics.jsonl").read_text().splitlines()]
    assert {"G/lp", "G/gradient_difference"} <= rows[-1].keys()
    assert "G/adversarial" not in rows[-1]
    assert "no longer change" not in capsys.readouterr().err, "an empty seat is no alarm"
    found = api.predict(tmp_path / "s", "world:maze", tmp_path / "s.png", steps=3, samples=2)
    drawn = api.predict(tmp_path / "s", "world:maze", tmp_path / "t.png", steps=3, samples=2, seed=9)
    assert found["psnr"] == drawn["psnr"], "no z: one answer, whatever the seed"


def test_roll_outs_go_on_from_their_own_frames(run, tmp_path):
    """R19: future j is the same however many are asked for; film, GIF and sheet; the past is the truth's."""
    from leafwing.explore.predict import predict, roll_out

    G = api.load(run, device="cpu")
    more, fewer = (predict(G, "world:maze", 5, k, seed=1, episode=1, start=10) for k in (3, 2))
    assert more.drawn.shape == (3, 5, 40, 40, 3)
    assert np.abs(more.drawn[:2].astype(int) - fewer.drawn).max() <= 1
    assert np.array_equal(more.past, Maze(0).film(1)[10:13])
    assert np.array_equal(more.truth, Maze(0).film(1)[13:18])
    past = torch.rand(2, 9, 40, 40) * 2 - 1
    two = roll_out(G.network, G.prior, past, 2, seed=0)
    z = G.prior.sample(1, np.random.default_rng(0))
    assert not torch.equal(two[:, 0], two[:, 1])
    assert z.shape == (1, 4)
    for name, size in (("f.gif", 8), ("f.mp4", 8)):
        api.predict(run, "world:maze", tmp_path / name, steps=5, samples=2)
        assert len(read_film(tmp_path / name)) == size
    api.predict(run, "world:maze", tmp_path / "f.png", steps=5, samples=2)
    assert (tmp_path / "f.png").stat().st_size > 0


def test_the_command_says_how_to_go_on_and_predicts(tmp_path, monkeypatch, capsys):
    """`leafwing train`, then the line it prints: R13 on the command line."""
    monkeypatch.chdir(tmp_path)
    np.savez("FRAMES", frames=Maze(0).film(0)[:30])
    line = ["train", "FRAMES.npz", "--recipe", "video-gan", "--out", "mine", "--steps", "2", "--batch", "4", "--set"]
    assert command([*line, *SMALL, "discriminator.width=4"]) == 0
    said = capsys.readouterr().out.splitlines()[-1].split("leafwing ")[1].replace("FRAMES", "FRAMES.npz")
    assert command([*said.replace("64", "4").split(), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 4
    assert len(read_film("futures.gif")) == 7


def test_predictions_beyond_the_end_have_no_truth(run, tmp_path):
    np.savez(tmp_path / "short.npz", frames=Maze(0).film(0)[:5])
    found = api.predict(run, tmp_path / "short.npz", tmp_path / "x.gif", steps=4, samples=1)
    assert found["frames"] == 2
    np.savez(tmp_path / "past.npz", frames=Maze(0).film(0)[:3])
    assert api.predict(run, tmp_path / "past.npz", tmp_path / "y.png", steps=2, samples=1)["frames"] == 0


def test_an_episode_shorter_than_what_is_given_is_named(run, tmp_path):
    """And one that waits nearly to its end is gone on from, with what it has."""
    np.savez(tmp_path / "two.npz", frames=Maze(0).film(0)[:2])
    with pytest.raises(BadConfig, match=r"two.npz.*episode 0 has 2 frames, but 3 are given"):
        api.predict(run, tmp_path / "two.npz", tmp_path / "x.png", steps=2, samples=1)
    frames = Maze(0).film(0)
    np.savez(tmp_path / "waits.npz", frames=np.concatenate([np.repeat(frames[:1], 6, 0), frames[1:2]]))
    assert open_films(tmp_path / "waits.npz").still == [5]
    assert api.predict(run, tmp_path / "waits.npz", tmp_path / "x.png", steps=2, samples=1)["frames"] == 0


def test_of_a_world_only_the_episode_that_is_asked_for_is_drawn(run, tmp_path, monkeypatch):
    """Each depends on its number alone, so the ten thousandth is there as soon as the first, and nothing is kept."""
    monkeypatch.setenv("LEAFWING_CACHE", str(tmp_path / "cache"))
    frames = Maze(0).film(10_000)
    np.savez(tmp_path / "films.npz", frames=frames)
    drawn = list[int]()
    film_of = Maze.film
    monkeypatch.setattr(Maze, "film", lambda self, index: drawn.append(index) or film_of(self, index))
    of_world = api.predict(run, "world:maze", tmp_path / "a.png", steps=2, samples=1, episode=10_000)
    assert drawn == [10_000]
    assert not (tmp_path / "cache").exists()
    assert api.predict(run, tmp_path / "films.npz", tmp_path / "a.png", steps=2, samples=1) == of_world


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"episode": -1}, "--episode -1"),
        ({"seed": -1}, "--seed -1 cannot be"),
        ({"steps": 0}, "--steps 0"),
        ({"samples": 0}, "--samples 0"),
        ({"episode": 99}, "--episode 99"),
        ({"start": 78}, "--start 78.*80 frames"),
        ({"out": "x.jpg"}, "should end in"),
        ({"fps": 0}, "--fps 0"),
    ],
)
def test_predictions_that_cannot_be(run, wish, words, tmp_path):
    np.savez(tmp_path / "f.npz", frames=Maze(0).film(0))
    with pytest.raises(BadConfig, match=words):
        api.predict(run, tmp_path / "f.npz", **({"out": "x.png"} | wish))


def test_generators_of_pictures_do_not_predict_and_those_of_frames_do_not_sample(run, tmp_path):
    with pytest.raises(BadNetwork, match="leafwing predict"):
        api.sample(run, 4, 0, tmp_path / "x.png")
    settings = ["generator.width=4", "discriminator.width=4", "data.image_size=16", "data.count=32", "watch.samples=4"]
    api.train("world:faces", "dcgan", out=tmp_path / "faces", steps=1, batch=4, settings=settings, device="cpu")
    with pytest.raises(BadRun, match="video-gan"):
        api.predict(tmp_path / "faces", "world:maze", tmp_path / "x.png")


@pytest.mark.parametrize(
    ("recipe", "wish", "words"),
    [
        ("video-gan", "data.history=0", "set data.history"),
        ("video-gan", "data.condition=hair", "cannot be together"),
        ("video-gan", "generator.name=dcgan", "'dcgan' does not look at frames before"),
        ("dcgan", "data.history=2", "'dcgan' does not look at frames before"),
        ("video-gan", "variant.many=1", "variant.many"),
        ("video-gan", "train.microbatch=3", "multiple of 2"),
        ("video-gan", "augment.name=diffaugment", "cannot be together"),
        ("dcgan", "variant.name=video", "set data.history"),
    ],
)
def test_recipes_that_cannot_be(recipe, wish, words):
    wishes = [wish, "generator.width=8"] if "dcgan" not in wish else [wish]
    with pytest.raises(BadConfig, match=words):
        load_recipe(recipe, wishes)
