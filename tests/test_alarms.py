"""REL-R13: planted failures are flagged within two looks, healthy runs are silent, and nothing is said twice."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from leafwing import latents
from leafwing.core import randomness
from leafwing.game import Players, Variant
from leafwing.training import Training, fit
from leafwing.variants.gan import GAN
from leafwing.watch import alarms
from leafwing.watch.alarms import ADVICE, Alarms, ringing
from leafwing.watch.meter import Meter, Row, read_rows
from leafwing.watch.soundness import Diverged
from leafwing.watch.variety import reference

LOOK, BATCH, COUNT = 10, 16, 256
WARM = 560  # rounds after which the small game draws as varied pictures as its data


def discs() -> Tensor:
    """A disc of one colour on a ground of another, 8x8: [256, 3, 8, 8]."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:8, :8]
    pictures = np.empty((COUNT, 3, 8, 8), np.float32)
    for picture in pictures:
        (cx, cy), r = rng.uniform(1, 6, 2), rng.uniform(1.5, 3.5)
        ground, disc = rng.uniform(-1, 1, (2, 3, 1, 1))
        picture[:] = ground + (disc - ground) / (1 + np.exp(2 * (np.hypot(x - cx, y - cy) - r)))
    return torch.from_numpy(pictures)


PICTURES = discs()


def reals(turn: int) -> Tensor:
    epoch, place = divmod(turn, COUNT // BATCH)
    order = np.random.default_rng(epoch).permutation(COUNT)
    return PICTURES[order[place * BATCH : (place + 1) * BATCH]]


class DenseG(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.head = nn.Linear(64, 192)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        return torch.tanh(self.head(self.body(z))).unflatten(1, (3, 8, 8))


class DenseD(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(192, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2))
        self.head = nn.Linear(64, 1)

    def forward(self, pictures: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.head(self.body(pictures.flatten(1))).squeeze(1)


def game(seed: int, variant: Variant | None = None) -> Training:
    randomness.seed_networks(seed, -1)
    G, D = DenseG(), DenseD()
    opts = (torch.optim.Adam(net.parameters(), lr=2e-3, betas=(0.5, 0.99)) for net in (G, D))
    players = Players(G, D, *opts, latents.Normal(12), seed=seed)
    return Training(variant or GAN(r1_gamma=0.1), players, reals, copy.deepcopy(G), 0)


def play(training: Training, watch: Alarms, looks: int) -> list[Row]:
    rows: list[Row] = []
    training.goal = training.step + looks * LOOK
    fit(training, [watch, Meter(LOOK, [watch.look, lambda row, _: rows.append(row)])])
    return rows


def said(rows: list[Row]) -> list[tuple[str, bool]]:
    return [(change["name"], change["on"]) for row in rows for change in row.get("alarms", [])]


@pytest.fixture(autouse=True)
def _pictures_at_every_look(monkeypatch):
    monkeypatch.setattr(alarms, "SPARING", 0)


@pytest.fixture(scope="module")
def warm() -> tuple[dict, list[Row]]:
    """A healthy game that has found its variety, once for all tests: its state, and what its alarms said."""
    torch.set_num_threads(1)
    training, watch = game(0), Alarms(COUNT)
    rows = play(training, watch, WARM // LOOK)
    p = training.players
    state = {"G": p.G, "D": p.D, "opt_G": p.opt_G, "opt_D": p.opt_D}
    kept = {name: copy.deepcopy(part.state_dict()) for name, part in state.items()}
    return kept | {"watch": json.loads(json.dumps(watch.state_dict()))}, rows


def go_on(warm: dict, seed: int = 0, variant: Variant | None = None) -> tuple[Training, Alarms]:
    """The warm game at its last round, to be played on with another seed, its alarms as they were."""
    training, watch = game(seed, variant), Alarms(COUNT)
    for name in ("G", "D", "opt_G", "opt_D"):
        getattr(training.players, name).load_state_dict(copy.deepcopy(warm[name]))
    training.step, training.images = WARM, WARM * BATCH
    watch.load_state_dict(warm["watch"])
    return training, watch


def test_twenty_healthy_seeds_are_silent(warm, capsys):
    """Twenty runs that go on from the warm game by their own z, data order and weights, and the warm-up itself."""
    state, rows = warm
    assert said(rows) == []
    for seed in range(1, 21):
        training, watch = go_on(state, seed)
        rows = play(training, watch, 3)
        assert said(rows) == [], seed
        assert all(math.isfinite(row["sheet/spread"]) for row in rows)
    assert "leafwing" not in capsys.readouterr().err


@pytest.mark.parametrize("seed", range(3))
def test_a_young_game_is_silent(seed):
    assert said(play(game(seed), Alarms(COUNT), 12)) == []


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(20))
def test_a_whole_healthy_run_is_silent(seed):
    assert said(play(game(seed), Alarms(COUNT), 150)) == []


def rates(training: Training, G: float, D: float) -> None:
    for opt, factor in ((training.players.opt_G, G), (training.players.opt_D, D)):
        for group in opt.param_groups:
            group["lr"] *= factor


def hundredfold_rate(training: Training) -> None:
    rates(training, 100, 100)


def saturated(training: Training) -> None:
    """No R1, a G that hardly moves: what D becomes after a while."""
    training.variant = GAN()
    training.players.D.head.weight.data *= 3
    rates(training, 1e-3, 5)
    training.goal = training.step + 300
    fit(training, [])


def saturated_minimax(training: Training) -> None:
    """Goodfellow et al. 2014, Sec. 3: log(1 - D(G(z))) saturates when D rejects with confidence."""
    saturated(training)
    training.variant = GAN(g_objective="minimax")
    training.players.D.head.weight.data *= 5
    training.players.D.head.bias.data *= 5


def zeroed_head(training: Training) -> None:
    def zero(step: int) -> None:
        with torch.no_grad():
            training.players.G.head.weight.zero_()

    training.before_round = zero


class Fixed(nn.Module):
    """One of k pictures, chosen by z; the weights are carried along without effect."""

    def __init__(self, G: nn.Module, pictures: Tensor, noise: float = 0.0) -> None:
        super().__init__()
        self.G, self.noise = G, noise
        self.register_buffer("pictures", pictures)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        which = (z.abs().sum(1) * 1e4).long() % len(self.pictures)
        return (self.pictures[which] + self.noise * z[:, :1, None, None].clamp(-2, 2) + 0 * self.G(z)).clamp(-1, 1)


def of_its_own(k: int, noise: float = 0.0) -> Callable[[Training], None]:
    def plant(training: Training) -> None:
        with torch.no_grad():
            z = training.players.prior.sample(k, randomness.stream(9, 9, "modes"))
            training.players.G = Fixed(training.players.G, training.players.G(z), noise)

    return plant


def memorised(training: Training) -> None:
    training.players.G = Fixed(training.players.G, PICTURES[:50])


def mirrored(training: Training) -> None:
    training.players.G = Fixed(training.players.G, PICTURES.flip(-1))


class Blind(nn.Module):
    """D without its eyes: the same verdict on everything."""

    def __init__(self, D: nn.Module) -> None:
        super().__init__()
        self.D = D

    def forward(self, pictures: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.D(pictures * 0)


def blind(training: Training) -> None:
    training.players.D = Blind(training.players.D)


def no_rate(training: Training) -> None:
    rates(training, 1, 0)


def dead_loss(training: Training) -> None:
    """Both losses cut off from the networks, as by a wrong detach."""

    class Dead(GAN):
        def d_loss(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
            return {"adversarial": 1.4 + 0 * real.sum()}

        def g_loss(self, fake: Tensor, real: Tensor | None = None) -> dict[str, Tensor]:
            return {"adversarial": 0.7 + 0 * fake.sum()}

    training.variant = Dead()


def blown_up(training: Training) -> None:
    training.players.D.head.weight.data *= 1e4


def infinite_gradient(training: Training) -> None:
    training.players.D.head.weight.register_hook(lambda gradient: gradient * float("inf"))


PLANTED = {
    "learning rate x 100": (hundredfold_rate, {"exploding", "collapse", "saturated", "no gradient"}),
    "D saturated": (saturated, {"saturated"}),
    "D saturated, minimax": (saturated_minimax, {"no gradient"}),
    "G's last layer zero": (zeroed_head, {"collapse"}),
    "G constant": (of_its_own(1), {"collapse"}),
    "2 pictures": (of_its_own(2), {"collapse"}),
    "4 pictures": (of_its_own(4), {"collapse"}),
    "8 pictures": (of_its_own(8), {"collapse"}),
    "8 pictures, a little changed": (of_its_own(8, 0.02), {"collapse"}),
    "50 training pictures": (memorised, {"copying"}),
    "mirrored training pictures": (mirrored, {"copying"}),
    "D constant": (blind, {"no gradient"}),
    "D does not move": (no_rate, {"stuck"}),
    "dead loss": (dead_loss, {"stuck"}),
    "D blown up": (blown_up, {"exploding"}),
    "infinite gradient": (infinite_gradient, {"not a number"}),
}


@pytest.mark.parametrize("failure", PLANTED)
def test_planted_failures_are_flagged_within_two_looks(failure, warm, capsys):
    plant, expected = PLANTED[failure]
    training, watch = go_on(warm[0])
    plant(training)
    rows: list[Row] = []
    training.goal = training.step + 2 * LOOK
    try:
        fit(training, [watch, Meter(LOOK, [watch.look, lambda row, _: rows.append(row)])])
    except Diverged:
        assert "not a number" in dict(said(rows))
    on = {name for name, is_on in said(rows) if is_on}
    assert on & (expected | {"not a number"} if failure.startswith("learning") else expected), (on, rows)
    err = capsys.readouterr().err
    assert all(ADVICE[name] in err for name in on)


def row(step: int, loss: float = 1.0, norm: float = 1.0) -> Row:
    terms = {"D/adversarial": loss, "G/adversarial": loss, "D/grad_norm": norm, "G/grad_norm": norm}
    return {"step": step, "D/real_accuracy": 1.0, "D/fake_accuracy": 1.0} | terms


def test_an_alarm_speaks_once_when_it_comes_and_once_when_it_goes(capsys):
    """Two looks to come, two to go; a resumed run neither repeats nor forgets it."""
    training, watch = game(0), Alarms(0)
    told = []
    for step in range(1, 13):
        if step == 6:  # stopped and resumed while it stands
            state, watch = json.loads(json.dumps(watch.state_dict())), Alarms(0)
            watch.load_state_dict(state)
        watch.start(training)
        with torch.no_grad():
            training.players.G.head.bias += 1e-3
            training.players.D.head.bias += 1e-3
        line = row(step, 1.0 + 0.01 * step, 1.0 if step < 3 or step > 8 else 1e3 + step)
        watch.look(line, training)
        told += [(step, change["name"], change["on"]) for change in line.get("alarms", [])]
        assert ringing([line]) == [change["name"] for change in line.get("alarms", []) if change["on"]]
    assert told == [(4, "exploding", True), (10, "exploding", False)]
    said = capsys.readouterr().err
    assert said.count("many times what it was") == 1
    assert said.count("The alarm 'exploding' is over.") == 1


def test_looking_changes_nothing_of_the_game():
    """Watched and unwatched, the same weights bit for bit."""
    from leafwing.watch.checkpoint import digest

    watched, alone = game(4), game(4)
    play(watched, Alarms(COUNT), 4)
    alone.goal = watched.goal
    fit(alone, [])
    assert digest(watched) == digest(alone)


def test_a_run_keeps_its_alarms_in_its_log_and_its_checkpoint(tmp_path, monkeypatch, capsys):
    """Every reader of ``metrics.jsonl`` goes on reading; ``watch.alarms = false`` is silence."""
    from PIL import Image
    from test_run import SETTINGS, fingerprint

    from leafwing import api

    (tmp_path / "data").mkdir()
    for number, picture in enumerate(PICTURES[:40]):
        pixels = ((picture.permute(1, 2, 0) + 1) * 127.5).round().byte().numpy()
        Image.fromarray(pixels).resize((16, 16)).save(tmp_path / "data" / f"{number}.png")
    settings = [*SETTINGS, "optimizer.generator.name='sgd'", "optimizer.generator.lr=1e-30"]

    def train(name: str, steps: int, *more: str) -> None:
        api.train(tmp_path / "data", out=tmp_path / name, steps=steps, settings=[*settings, *more], device="cpu")

    train("whole", 12)
    train("parts", 6)
    api.resume(tmp_path / "parts", steps=12, device="cpu")
    assert capsys.readouterr().err.count("no longer change at all") == 2, "once a run"
    assert fingerprint(tmp_path / "parts") == fingerprint(tmp_path / "whole")
    for name in ("whole", "parts"):
        rows = read_rows(tmp_path / name / "metrics.jsonl")
        assert said(rows) == [("stuck", True)]
        assert {"sheet/spread", "sheet/twins", "sheet/nearest", "sheet/copies"} <= rows[-1].keys()
        assert api.status(tmp_path / name)["alarms"] == ["stuck"]
    train("off", 4, "watch.alarms=false")
    assert "no longer change" not in capsys.readouterr().err
    assert api.status(tmp_path / "off")["alarms"] == []
    assert fingerprint(tmp_path / "off") != ""


def test_tensorboard_is_given_numbers_only(tmp_path, monkeypatch):
    import sys
    import types

    from leafwing.watch.meter import tensorboard

    written = []

    class SummaryWriter:
        def __init__(self, folder):
            pass

        def add_scalar(self, name, value, step):
            written.append(name)

        def flush(self):
            pass

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", types.SimpleNamespace(SummaryWriter=SummaryWriter))
    tensorboard(tmp_path)({"step": 1, "G/adversarial": 0.5, "alarms": [{"name": "stuck"}]}, game(0))
    assert written == ["G/adversarial"]


def test_the_bar_is_not_torn_by_a_sentence(monkeypatch):
    """On a terminal a line said during training stands above the bar, on a line of its own."""
    import io
    import sys

    from rich.console import Console

    from leafwing.core.progress import say
    from leafwing.watch.console import TrainingBar

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    bar, training = TrainingBar(), game(0)
    assert isinstance(bar._console, Console)
    assert bar._console.is_terminal
    training.goal = 5
    bar.start(training)
    say("D is right about every picture.")
    bar.close()
    lines = [line for line in screen.getvalue().splitlines() if "every picture" in line]
    assert len(lines) == 1
    assert lines[0].endswith("leafwing: D is right about every picture.")
    assert "training" not in lines[0].replace("\x1b[2K", "").split("leafwing:")[1]


def test_too_few_or_odd_pictures_are_left_unwatched():
    assert reference(reals, 1, 32) is None
    few = reference(lambda turn: PICTURES[:2], 2, 32)
    assert few is not None
    assert math.isfinite(few.compare(PICTURES[:32]).spread)
    vectors = reference(lambda turn: torch.randn(16, 2), 64, 8)
    assert vectors is not None
    assert vectors.compare(torch.randn(8, 2)).spread == pytest.approx(1, abs=0.7)
    assert vectors.compare(torch.zeros(8, 2)).spread == 0


def test_real_pictures_pass_for_real_and_large_data_is_read_in_part(monkeypatch):
    """Pictures as varied as the data measure 1 and are no copies; with a part of the data, copies are still found."""
    from leafwing.watch import variety

    monkeypatch.setattr(variety, "REFERENCE", 128)
    some = reference(reals, COUNT, 32)
    assert some is not None
    assert len(some.thumbnails) == 128
    found = some.compare(PICTURES[torch.randperm(COUNT)[:32]])
    assert found.spread == pytest.approx(1, abs=0.15)
    assert found.copies > 0.5
    assert found.twins < 0.2
    strangers = some.compare(0.7 * PICTURES[:32].roll(1, 2) + 0.1)
    assert strangers.copies < 0.2
