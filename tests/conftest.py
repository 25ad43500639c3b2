"""Small, seeded, single-threaded: two threads on a shared machine wait for each other longer than they work."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
import torch
from torch import nn

from leafwing import latents
from leafwing.game import Batch, Players, Variant
from leafwing.training import Training
from leafwing.variants.gan import GAN

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


SLOW = ("test_trust_", "test_ranks", "test_r3gan", "test_estimate")
"""Files that go first, so that no worker is left alone with a long test at the end."""


def pytest_configure(config):
    """Tests are of the CPU also where there is a GPU, whose last digits are others; those of the GPU: `-m gpu`."""
    if "gpu" not in config.option.markexpr:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: not item.path.name.startswith(SLOW))


@pytest.fixture(autouse=True)
def _quiet(tmp_path_factory, monkeypatch):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    cache = os.environ.get("LEAFWING_TEST_CACHE") or tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("LEAFWING_CACHE", str(cache))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture(autouse=True)
def _signals_as_at_a_terminal():
    """A shell's background job, or `nohup`, has some of these ignored, which a run obeys and its children inherit."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class SmallG(nn.Module):
    """z [n, 6] -> pictures [n, 3, 8, 8], with BatchNorm, so that buffers exist."""

    def __init__(self, z_dim: int = 6) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(z_dim, 4 * 16), nn.Unflatten(1, (4, 4, 4)), nn.BatchNorm2d(4), nn.ReLU(),
            nn.ConvTranspose2d(4, 3, 4, 2, 1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, z, condition=None):
        return self.body(z)


class SmallD(nn.Module):
    """pictures [n, 3, 8, 8] -> [n] (or [n, outputs]), with BatchNorm and dropout."""

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 4, 2, 1), nn.BatchNorm2d(8), nn.LeakyReLU(0.2), nn.Dropout(0.1),
            nn.Flatten(), nn.Linear(8 * 16, outputs),
        )  # fmt: skip

    def forward(self, pictures, condition=None):
        verdicts = self.body(pictures)
        return verdicts.squeeze(1) if verdicts.shape[1] == 1 else verdicts


def small_players(variant: Variant | None = None, optimizer=torch.optim.Adam, lr: float = 1e-2, **options) -> Players:
    torch.manual_seed(1)
    G, D = SmallG(), SmallD((variant or GAN()).d_outputs)
    opts = (optimizer(net.parameters(), lr=lr, **options) for net in (G, D))
    return Players(G, D, *opts, latents.Normal(6), seed=3)


def small_reals(turn: int, n: int = 8) -> torch.Tensor:
    """Bright squares on dark ground, somewhere."""
    rng = np.random.default_rng(turn)
    pictures = np.full((n, 3, 8, 8), -1.0, dtype=np.float32)
    for picture, (x, y) in zip(pictures, rng.integers(0, 4, (n, 2)), strict=True):
        picture[:, y : y + 4, x : x + 4] = 1.0
    return torch.from_numpy(pictures)


def small_training(variant: Variant | None = None, goal: int = 10, **players) -> Training:
    import copy

    variant = variant or GAN()
    table = small_players(variant, **players)
    return Training(variant, table, small_reals, copy.deepcopy(table.G), goal)


def state_of(net: nn.Module, opt: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Every parameter, buffer and optimiser slot, copied."""
    state = {f"net/{name}": value.clone() for name, value in net.state_dict().items()}
    for number, slots in opt.state_dict()["state"].items():
        state |= {f"opt/{number}/{name}": torch.as_tensor(value).clone() for name, value in slots.items()}
    return state


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def batch(n: int = 8) -> Batch:
    return Batch(small_reals(0, n))
