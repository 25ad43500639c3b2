"""Train the factor network that is shipped with the package, and write how well it reads.

    python benchmarks/train_factors.py [--faces 40000] [--epochs 6] [--out FOLDER]

Draws its faces once (``--data``, an ignored folder), trains, then tests on faces of other seeds: as drawn, as a
generator might draw them (blurred, noisy, moved), broken ones, and faces with two eye colours. Writes
``factors.safetensors`` (16-bit floats) and ``factors.json``, by default to where the package looks for them. Seeded;
single-threaded.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from broken_faces import KINDS, UNSEEN, broken, eyes_of
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from leafwing.core.progress import counting
from leafwing.measure import faces_world, factors
from leafwing.measure.factors import NAMES, NUMBERS, FactorNetwork, Reading, split
from leafwing.worlds.faces import EYE_COLOURS, Faces, draw

TRAIN_SEED, TEST_SEED, ODD_SEED = 11, 12, 14
SHARE_BROKEN = 0.25
"""Of each batch."""
WEIGHTS = Path(factors.__file__).parent / "weights"


class FacesWithTruth:
    """Drawn faces, what they are, and where their eyes lie; kept in a folder, for the next time.

    Args:
        seed: of the world.
        count: how many.
        folder: where they are kept.
        odd_eyes: a share of faces that get a right eye of any colour; the left eye stays.
    """

    def __init__(self, seed: int, count: int, folder: Path, odd_eyes: float = 0.0) -> None:
        world, rng = Faces(seed), np.random.default_rng(seed)
        drawn = [world.factors(i) for i in range(count)]
        for i in np.flatnonzero(rng.random(count) < odd_eyes):
            drawn[i] = dataclasses.replace(drawn[i], right_eye=str(rng.choice(EYE_COLOURS)))
        path = folder / f"faces-v{world.version}-{seed}-{count}.npy"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(".draft")
            pictures = np.lib.format.open_memmap(draft, "w+", np.uint8, (count, factors.SIDE, factors.SIDE, 3))
            with counting(f"drawing {path.name}") as report:
                for i, face in enumerate(drawn):
                    pictures[i] = draw(face, factors.SIDE)
                    report(i + 1, count)
            pictures.flush()
            draft.rename(path)
        self.pictures: NDArray[np.uint8] = np.load(path)
        self.eyes = np.stack([eyes_of(face) for face in drawn])
        rows = [face.as_row() | {"eyes": "closed" if face.eyes_open < 0.2 else "open",
                                 "glasses": "with" if face.glasses else "without"} for face in drawn]  # fmt: skip
        self.names = {k: torch.tensor([names.index(str(row[k])) for row in rows]) for k, names in NAMES.items()}
        self.numbers = {k: torch.tensor([float(row[k]) for row in rows]) for k in NUMBERS}
        self.open = self.names["eyes"] == 0

    def __len__(self) -> int:
        return len(self.pictures)


def tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """As the network sees them: float [n, 3, 64, 64] in [-1, 1]."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def as_a_generator_might(x: Tensor, chance: torch.Generator) -> Tensor:
    """The same faces a little moved, enlarged, bent, blurred, noisy, tinted: what a good generator may do."""
    n = len(x)

    def uniform(*shape: int, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=chance)

    moved = torch.rand(n, generator=chance) < 0.7
    zoom, move = uniform(n, 1, 1, 1, low=0.94, high=1.06), uniform(n, 2, 1, 1, low=-0.09, high=0.09)  # up to 3 pixels
    bend = torch.randn(n, 2, 6, 6, generator=chance) * uniform(n, 1, 1, 1, low=0, high=0.03)  # up to 1 pixel
    line = torch.linspace(-1, 1, 6)
    coarse = torch.stack(torch.meshgrid(line, line, indexing="xy")) * zoom + move + bend
    grid = F.interpolate(coarse[moved], x.shape[2:], mode="bilinear", align_corners=True).permute(0, 2, 3, 1)
    x[moved] = F.grid_sample(x[moved], grid, padding_mode="border", align_corners=True)
    for some in torch.randperm(n, generator=chance)[: n // 2].split(max(1, n // 8)):  # half of them, by four amounts
        x[some] = blurred(x[some], float(uniform(1, low=0.3, high=1.4)))
    x *= uniform(n, 3, 1, 1, low=0.93, high=1.07)
    x += uniform(n, 3, 1, 1, low=-0.05, high=0.05)
    some = torch.rand(n, generator=chance) < 0.4
    noise = torch.randn(x[some].shape, generator=chance)
    x[some] += noise * uniform(len(noise), 1, 1, 1, low=0, high=0.1)
    return x.clamp_(-1, 1)


def blurred(x: Tensor, sigma: float) -> Tensor:
    """Gaussian blur by ``sigma`` pixels."""
    steps = torch.arange(-4, 5)
    kernel = torch.exp(-(steps**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(3, 1, 9)
    x = F.conv2d(F.pad(x, (4, 4, 0, 0), mode="replicate"), kernel[:, :, None], groups=3)
    return F.conv2d(F.pad(x, (0, 0, 4, 4), mode="replicate"), kernel[:, :, :, None], groups=3)


def loss(raw: Tensor, data: FacesWithTruth, rows: Tensor, breaks: Tensor) -> Tensor:
    """Cross entropy of each factor, squared error of each number, cross entropy of broken or not.

    A broken face has no factors to learn; closed eyes have no colour and no slant.
    """
    logits, numbers, is_broken = split(raw)
    whole = ~breaks
    seen = {name: whole & data.open[rows] if name in ("left_eye", "right_eye") else whole for name in NAMES}
    parts = [F.cross_entropy(logits[k][seen[k]], data.names[k][rows][seen[k]]) for k in NAMES]
    for name, (low, high) in NUMBERS.items():
        error = (numbers[name] - data.numbers[name][rows])[whole] / (high - low)
        parts.append((4 if name == "turn" else 2) * error.square().mean() * 4)
    parts.append(F.binary_cross_entropy_with_logits(is_broken, breaks.float()))
    return torch.stack(parts).sum()


def train(
    net: FactorNetwork, data: FacesWithTruth, epochs: int, rate: float = 3e-3, batch: int = 128, seed: int = 0
) -> None:
    """Passes over the faces; AdamW, one cycle of the learning rate."""
    chance, rng = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    net.to(memory_format=torch.channels_last)
    opt = torch.optim.AdamW(net.parameters(), rate, weight_decay=0.02)
    steps = epochs * (len(data) // batch)
    cycle = torch.optim.lr_scheduler.OneCycleLR(opt, rate, steps, pct_start=0.15)
    n_broken = round(batch * SHARE_BROKEN)
    with counting("training") as report:
        for step in range(steps):
            if step % (len(data) // batch) == 0:
                order = torch.randperm(len(data), generator=chance)
            rows = order[step % (len(data) // batch) * batch :][:batch]
            pictures = data.pictures[rows.numpy()]
            breaks = torch.arange(batch) < n_broken
            pictures[:n_broken] = broken(pictures[:n_broken], data.eyes[rows.numpy()][:n_broken], rng)
            x = as_a_generator_might(tensor(pictures), chance).to(memory_format=torch.channels_last)
            found = loss(net(x), data, rows, breaks)
            opt.zero_grad()
            found.backward()
            opt.step()
            cycle.step()
            report(step + 1, steps)
            if step % 100 == 0:
                print(f"step {step:5d}  loss {found.item():.3f}", file=sys.stderr, flush=True)


def scores(reading: Reading, data: FacesWithTruth) -> dict[str, float]:
    """Share of names read right, and mean absolute error of numbers; eye colours on open eyes."""
    found = {}
    for name in NAMES:
        right = (reading.indices(name) == data.names[name]).float()
        found[name] = float((right[data.open] if name in ("left_eye", "right_eye") else right).mean())
    errors = {name: float((reading.numbers[name] - data.numbers[name]).abs().mean()) for name in NUMBERS}
    return {name: round(value, 4) for name, value in (found | errors).items()}


def report_card(net: FactorNetwork, data: FacesWithTruth, odd: FacesWithTruth) -> dict[str, object]:
    """Everything that is known of the network, from faces that it never saw."""
    rng, chance = np.random.default_rng(1), torch.Generator().manual_seed(1)
    clean = factors.read(tensor(data.pictures), net)
    moved = factors.read(as_a_generator_might(tensor(data.pictures), chance), net)
    threshold = float(torch.quantile(clean.broken.double(), 0.99))
    caught = {
        name: factors.read(tensor(kind(data.pictures[:1000], data.eyes[:1000], rng)), net).broken > threshold
        for name, kind in (KINDS | UNSEEN).items()
    }
    return {
        "test_faces": len(data),
        "broken_faces_of_each_kind": min(1000, len(data)),
        "as_drawn": scores(clean, data),
        "as_a_generator_might": scores(moved, data),
        "odd_eyed_faces": odd_eyed_scores(net, odd),
        "broken": {
            "threshold": threshold,
            "true_faces_called_broken": round(float((clean.broken > threshold).float().mean()), 4),
            "moved_faces_called_broken": round(float((moved.broken > threshold).float().mean()), 4),
            "caught": {name: round(float(hits.float().mean()), 4) for name, hits in caught.items()},
            "not_trained_on": sorted(UNSEEN),
        },
        "odd_eyes_read": round(float(faces_world.odd_eyes(clean)[clean.open_eyes().numpy()].mean()), 4),
        "read_shares": {name: read_shares(clean, name) for name in (*NAMES, *NUMBERS)},
    }


def odd_eyed_scores(net: FactorNetwork, data: FacesWithTruth) -> dict[str, float]:
    """How the eyes of faces with two eye colours are read; closed eyes are left out."""
    which = torch.nonzero(data.open & (data.names["left_eye"] != data.names["right_eye"]))[:, 0]
    reading = factors.read(tensor(data.pictures[which.numpy()]), net)
    right = {k: float((reading.indices(k) == data.names[k][which]).float().mean()) for k in ("left_eye", "right_eye")}
    seen = {"seen_as_odd": float(faces_world.odd_eyes(reading).mean())}
    return {"faces": len(which)} | {name: round(value, 4) for name, value in (right | seen).items()}


def read_shares(reading: Reading, factor: str) -> list[float]:
    """What the network reads from true faces, by name or part of the range."""
    counts = faces_world.histogram(reading, factor)
    return [round(float(share), 5) for share in counts / counts.sum()]


def save(net: FactorNetwork, path: Path) -> dict[str, Tensor]:
    """Writes the weights as 16-bit floats, readable for all, and returns what was written."""
    state = {k: v.half().contiguous() if v.is_floating_point() else v for k, v in net.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path)
    path.chmod(0o644)
    return state


def main() -> None:
    """Draw, train, test, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=40_000)
    parser.add_argument("--test", type=int, default=5_000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--data", type=Path, default=Path("runs/factors"))
    parser.add_argument("--weights", type=Path, metavar="FILE", help="test these instead of training")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net, folder = FactorNetwork(), options.data
    if options.weights:
        net.load_state_dict(load_file(options.weights))
    else:
        train(net, FacesWithTruth(TRAIN_SEED, options.faces, folder), options.epochs)
    net.eval().requires_grad_(False)
    state = save(net, options.out / "factors.safetensors")
    net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})  # as it is shipped
    test = FacesWithTruth(TEST_SEED, options.test, folder)
    odd = FacesWithTruth(ODD_SEED, 1000, folder, odd_eyes=1.0)
    card = {
        "command": f"python benchmarks/train_factors.py --faces {options.faces} --epochs {options.epochs} "
        f"--test {options.test}",
        "world": f"faces, version {Faces.version}; seed {TRAIN_SEED} to train, {TEST_SEED} to test",
        "seed": 0,
        "parameters": sum(p.numel() for p in net.parameters()),
    } | report_card(net, test, odd)
    (options.out / "factors.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(card, indent=1))


if __name__ == "__main__":
    main()
