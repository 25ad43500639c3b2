"""REL-R7, REL-R8: a resumed run is the unbroken run for every recipe, nothing saved is idle, and a seed is a run."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from test_recipe import TINY
from test_run import SETTINGS, fingerprint, pictures  # noqa: F401

from leafwing import api, run
from leafwing.core import published
from leafwing.core.errors import BadConfig, BadRun
from leafwing.prepare import read_store
from leafwing.recipe import Recipe, shipped

EPOCH = 5  # rounds: 40 pictures, 8 a turn
STEPS = 12
SMALL = ["generator.width=4", "discriminator.width=4", "data.channels=1"]


def small(recipe: str, pictures: Path, **wishes: object) -> Recipe:  # noqa: F811
    """Any shipped recipe on 16-pixel pictures, as narrow as it goes; new ones need no entry in a table."""
    if api.plan(None, recipe, None, None, None, (), check=False).data.reply_words:
        settings = [*TINY[recipe], "data.count=40", "train.batch=8", "watch.samples=8"]
        return api.make_recipe(
            None, recipe, steps=STEPS, settings=[*settings, *(f"{k}={v}" for k, v in wishes.items())]
        )
    wanted = [*TINY.get(recipe, SMALL), *SETTINGS[2:], "data.channels=1", "watch.samples=1"]
    settings = [f"{key}={value}" for key, value in wishes.items()]
    try:
        return api.make_recipe(pictures, recipe, steps=STEPS, settings=[*wanted, *settings])
    except BadConfig:
        kept = api.make_recipe(None, recipe).as_dict()
        parts = ("generator", "discriminator", "prior")
        names = {f"{part}.{name}" for part in parts for name in kept[part]}
        wanted = [w for w in wanted if w.partition(".")[0] not in parts or w.split("=")[0] in names]
        return api.make_recipe(pictures, recipe, steps=STEPS, settings=[*wanted, *settings])


def play(recipe: Recipe, out: Path, *stops: int) -> str:
    """Train with pauses after these rounds, other random state at each start; the fingerprint of the end."""
    goals = [*stops, recipe.train.steps]
    api.train(recipe=recipe.override([f"train.steps={goals[0]}"]), out=out, device="cpu")
    for goal in goals[1:]:
        torch.manual_seed(goal)
        api.resume(out, steps=goal, device="cpu")
    return fingerprint(out)


@pytest.mark.parametrize("recipe", sorted(shipped()))
def test_rel_r7_resume_is_no_interruption(recipe, pictures, tmp_path):  # noqa: F811
    """Stopped within an epoch (3), at its end (5), in every phase of a penalty taken each third round (3, 4, 5)."""
    lazy = {"variant.r1_every": 3} if small(recipe, pictures).as_dict()["variant"].get("r1_gamma") else {}
    plan = small(recipe, pictures, **lazy)
    whole = play(plan, tmp_path / "whole")
    assert play(plan, tmp_path / "parts", 3, 4, EPOCH, 2 * EPOCH) == whole
    assert play(plan, tmp_path / "one", 7) == whole


def state_items(state: dict[str, object]) -> list[tuple[str, ...]]:
    """Every saved item of state.json, and each of what the watchers and the facts keep."""
    deep = [(key, inner) for key in ("watchers", "facts") for inner in state[key]]  # type: ignore[attr-defined]
    return [*[(key,) for key in state], *deep]


NOT_OF_THE_PLAY = {("watchers", "meter"), ("watchers", "alarms")}
"""Seconds of training so far and what was said already; like the facts, which are compared, they move no weight."""


def test_rel_r7_each_saved_item_is_needed(pictures, tmp_path, capsys):  # noqa: F811
    """Each file and item is taken out in turn: the checkpoint is refused, or the end is another one."""
    plan = small("faces", pictures, **{"variant.r1_every": 3, "average.halflife_kimg": 0.1})
    whole = play(plan, tmp_path / "whole")
    api.train(recipe=plan.override(["train.steps=7"]), out=tmp_path / "half", device="cpu")
    source = tmp_path / "half" / "checkpoints" / "step-00000007"
    files, meta = published.read(source)
    state = json.loads(files["state.json"])
    trials: list[tuple[str, dict[str, bytes]]] = []
    for name in files:
        trials.append((name, {other: data for other, data in files.items() if other != name}))
        if name.endswith(".safetensors"):
            older = published.read(source.with_name("step-00000005"))[0]
            trials.append((f"{name} of step 5", files | {name: older[name]}))
    for path in state_items(state):
        changed = copy.deepcopy(state)
        table = changed
        for key in path[:-1]:
            table = table[key]
        del table[path[-1]]
        trials.append(("/".join(path), files | {"state.json": json.dumps(changed, sort_keys=True).encode()}))
    idle, refused = set(), set()
    for number, (what, mutant) in enumerate(trials):
        out = tmp_path / str(number)
        out.mkdir()
        (out / "run.toml").write_text(plan.to_toml())
        published.publish(out / "checkpoints", source.name, mutant, meta=meta)  # a fitting manifest: hashes say nothing
        try:
            api.resume(out, device="cpu")
        except BadRun:
            refused.add(what)
            continue
        if fingerprint(out) == whole:
            idle.add(what)
    needed = {"/".join(path) for path in state_items(state) if path not in NOT_OF_THE_PLAY and path[0] != "facts"}
    assert not idle & needed, idle & needed
    assert not idle & {what for what, _ in trials if "safetensors" in what}
    assert set(files) <= refused, "a file that is gone is always refused"
    assert needed <= refused


CHILD = """
import sys, torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_run import fingerprint
from leafwing import api
from leafwing.core.config import read_toml
from leafwing.recipe import Recipe
for name in sys.argv[3:]:
    plan, out = Recipe.from_dict(read_toml(Path(sys.argv[2]) / f"{name}.toml")), Path(sys.argv[2]) / name
    api.train(recipe=plan, out=out, device="cpu")
    print(name, fingerprint(out))
"""


def test_rel_r8_the_same_seed_is_the_same_run_in_any_process(pictures, tmp_path):  # noqa: F811
    """Every recipe in two fresh processes, in another order; another seed is another run."""
    names = sorted(shipped())
    found = []
    for turn, order in enumerate((names, names[::-1])):
        place = tmp_path / str(turn)
        place.mkdir()
        for name in names:
            (place / f"{name}.toml").write_text(small(name, pictures, **{"train.steps": 4}).to_toml())
        command = [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(place), *order]
        done = subprocess.run(command, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stderr
        found.append(dict(line.split() for line in done.stdout.splitlines()))
    assert found[0] == found[1]
    assert set(found[0]) == set(names)
    for name in names:
        other = small(name, pictures, **{"train.steps": 4, "train.seed": 1})
        assert play(other, tmp_path / f"other {name}") != found[0][name]
    assert len(set(found[0].values())) == len(names)


def test_rel_r7_facts_that_changed_are_said(pictures, tmp_path, capsys):  # noqa: F811
    """Data, torch, device, threads: saved not to be restored but to be compared."""
    plan = small("dcgan", pictures)
    api.train(recipe=plan.override(["train.steps=3"]), out=tmp_path / "run", device="cpu")
    state = json.loads(published.read(tmp_path / "run/checkpoints/step-00000003")[0]["state.json"])
    store = read_store(plan)
    for name in state["facts"]:
        now = dict(state["facts"]) | {name: "another"}
        if name == "pictures":
            continue  # for the sentence alone: the fingerprint covers their number
        if name == "data":
            with pytest.raises(BadRun, match="The data changed"):
                run.check_same(state["facts"], now, store, False)
            continue
        run.check_same(state["facts"], now, store, False)
        assert name in capsys.readouterr().err
