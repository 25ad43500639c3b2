"""REL-R12: whatever stops being a number is caught in its step, never applied, never averaged, never saved."""

from __future__ import annotations

import pytest
import torch
from conftest import small_reals, small_training

from leafwing.core.errors import BadRun
from leafwing.game import step_if
from leafwing.training import Training, Watcher, fit
from leafwing.variants.gan import GAN
from leafwing.watch.average import Average
from leafwing.watch.checkpoint import Checkpoints, capture
from leafwing.watch.soundness import Diverged, Soundness

VALUES = [float("nan"), float("inf"), float("-inf"), 1e38]


def poison(value: float, tensor: torch.Tensor) -> torch.Tensor:
    spoilt = tensor.clone()
    spoilt.view(-1)[0] = value
    return spoilt


class Spoiler(Watcher):
    """Arms one site for one round."""

    def __init__(self, site: str, value: float, step: int) -> None:
        self.site, self.value, self.step, self.armed = site, value, step, False

    def start(self, training: Training) -> None:
        players = training.players
        for who, net in (("D", players.D), ("G", players.G)):
            net.body[0].register_forward_hook(lambda m, i, out, at=f"{who} activation": self.maybe(at, out))
            next(net.parameters()).register_hook(lambda grad, at=f"{who} gradient": self.maybe(at, grad))
        d_loss, g_loss = training.variant.d_loss, training.variant.g_loss
        training.variant.d_loss = lambda *a: {k: self.maybe("D loss", v) for k, v in d_loss(*a).items()}
        training.variant.g_loss = lambda *a: {k: self.maybe("G loss", v) for k, v in g_loss(*a).items()}
        training.reals = lambda turn: self.maybe("reals", small_reals(turn))
        self.armed = self.step == 0

    def after_round(self, training: Training, log) -> None:
        self.armed = training.step == self.step

    def maybe(self, site: str, tensor: torch.Tensor) -> torch.Tensor:
        return poison(self.value, tensor) if self.armed and site == self.site else tensor


class Clean(Watcher):
    """After every round everything that is kept is finite."""

    def __init__(self) -> None:
        self.skipped = 0.0

    def after_round(self, training: Training, log) -> None:
        files, _ = capture(training)
        bad = [
            f"{f}/{n}" for f, table in files.items() for n, t in table.items() if not torch.isfinite(t.float()).all()
        ]
        assert not bad
        self.skipped += float(log["D/skipped"] + log["G/skipped"])


SITES = ["reals", "D loss", "G loss", "D gradient", "G gradient", "D activation", "G activation"]


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("step", [0, 1, 4])
def test_rel_r12_one_bad_number_costs_a_step_and_nothing_else(site, value, step):
    clean = Clean()
    training = small_training(goal=7)
    fit(training, [Spoiler(site, value, step), Soundness(1), Average(100.0, 0.5), clean])
    assert training.step == 7
    assert clean.skipped >= 1 or value == 1e38


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("who", ["D", "G"])
def test_rel_r12_a_spoilt_optimiser_ends_the_run_with_a_sentence(who, value):
    training = small_training(goal=40)
    fit_some = Training(**{**vars(training), "goal": 3})
    fit(fit_some, [])
    training = Training(**{**vars(fit_some), "goal": 40})
    opt = training.players.opt_D if who == "D" else training.players.opt_G
    name = {"D": "discriminator", "G": "generator"}[who]
    next(iter(opt.state.values()))["exp_avg"].view(-1)[0] = value
    with pytest.raises(Diverged, match=f"step 11: the {name} could not move for 8 rounds, its optimiser's memory"):
        fit(training, [Soundness(1)])
    assert all(torch.isfinite(p).all() for p in training.players.G.parameters())


@pytest.mark.parametrize("value", VALUES[:3])
@pytest.mark.parametrize("where", ["average", "generator"])
def test_rel_r12_a_spoilt_average_or_weight_is_never_saved(where, value, tmp_path):
    training = small_training()
    net = training.average if where == "average" else training.players.G
    with torch.no_grad():
        next(net.parameters()).view(-1)[0] = value
    saver = Checkpoints(tmp_path, 10, 2, {}, {}, lambda t: None)
    with pytest.raises(BadRun, match=f"{where}.* no longer a number"):
        saver.save(training)
    assert list(tmp_path.iterdir()) == []


def test_rel_r12_the_sentence_names_the_network_and_the_term(capsys):
    class Broken(GAN):
        def penalties(self, judge, real, fake, step):
            return {"r1": judge(real.pictures).sum() * float("nan")} if step >= 2 else {}

    with pytest.raises(Diverged, match="discriminator could not move for 8 rounds, its r1"):
        fit(small_training(Broken(), goal=30), [Soundness(1)])
    said = capsys.readouterr().err
    assert said.count("the discriminator was not moved") == 1, "said once, not every round"


@pytest.mark.parametrize("sound", [True, False])
def test_a_fused_optimiser_can_decide_by_itself(sound, monkeypatch):
    """What a GPU does without waiting, played on the CPU: the fused kernel skips, its step count too."""

    class Elsewhere:
        type = "cuda"

    class Far(torch.Tensor):
        device = Elsewhere()

    p = torch.nn.Parameter(torch.ones(3))
    opt = torch.optim.Adam([p], fused=True)
    p.grad = torch.full((3,), 1.0 if sound else float("nan"))
    step_if(opt, torch.tensor(sound).as_subclass(Far))
    assert torch.isfinite(p).all()
    assert torch.equal(p.detach(), torch.ones(3)) is not sound
    assert float(opt.state[p]["step"]) == (1.0 if sound else 0.0)
    assert not hasattr(opt, "found_inf")
