"""What the zoo asks of every GAN's rules, to be asked of your own: ``leafwing zoo check my_gan.py:MyGAN``.

The tests of this project ask it of each shipped variant; a file of yours passes the same or is told what is wrong.
"""

from __future__ import annotations

import inspect
import io
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from leafwing import api
from leafwing.bench.reduced import narrowed, shortened
from leafwing.core import published
from leafwing.core.errors import BadConfig
from leafwing.freeze import Buffers, frozen
from leafwing.game import Batch, Players, Terms, Variant, fakes_on_demand, turn_of_d, turn_of_g
from leafwing.prepare import prepare, read_store
from leafwing.recipe import Recipe, load_recipe
from leafwing.training import Training
from leafwing.zoo import shipped

SIDE, PICTURES, ROUNDS = 16, 32, 2
"""Side of the pictures that are played with, how many there are, and rounds of the run that is stopped and resumed."""
BATCH = 8
NARROW = {"width": 8, "most": 16, "hidden": 16, "units": 16, "blocks": 1, "dim": 8, "depth": 1}


class Broken(Exception):
    """A promise that is not kept, in a sentence."""


@dataclass(frozen=True)
class Check:
    """One promise: what it is, and why it is not kept; empty if it is."""

    promise: str
    problem: str = ""


def accept(name: str, recipe: str | None = None, settings: Sequence[str] = ()) -> Iterator[Check]:
    """Ask everything of a variant.

    Args:
        name: ``FILE.py:Class``, or a registered name.
        recipe: whose networks and optimisers it plays with; the first shipped one of this variant if not given, else
            DCGAN's networks without BatchNorm in D.
        settings: of the recipe, ``section.key=value``.

    Yields:
        Each promise, as soon as it was tried.

    Raises:
        BadConfig: there is no such variant or recipe, or a setting that cannot be.
    """
    plan = small(name, recipe, settings)
    yield tried("it says what it is and where its formulas come from", lambda: documented(plan))
    yield tried("descending D's loss raises reals and lowers fakes, descending G's raises fakes", lambda: signs(plan))
    yield tried("losses are finite where D is very sure", lambda: extremes(plan))
    yield tried("terms are single numbers, verdicts one score a picture", lambda: shapes(plan))
    yield tried("each turn moves its own player, and leaves the other bit for bit as it was", lambda: turns(plan))
    yield tried("a run that was stopped and resumed is the run that was not", lambda: resumes(plan))


def tried(promise: str, check: Callable[[], None]) -> Check:
    """Whether a check goes through; whatever it raises is the answer."""
    try:
        with redirect_stderr(io.StringIO()):  # what runs say of themselves
            check()
    except Broken as found:
        return Check(promise, str(found))
    except Exception as error:  # a person's own code may raise anything
        return Check(promise, " ".join(f"{type(error).__name__}: {error}".split()))
    return Check(promise)


def small(name: str, recipe: str | None, settings: Sequence[str]) -> Recipe:
    """The recipe to play with: narrow, at 16x16, on a few drawn faces."""
    known = {one: load_recipe(one, check=False) for one in shipped()}
    playing = [one for one, its in known.items() if its.variant.name == name]
    playing.sort(key=lambda one: len(known[one].data.condition))  # rather without a condition
    base = recipe or next(iter(playing), None)
    plan = load_recipe(base or "dcgan", check=False)
    if plan.variant.name != name:
        plan = plan.override([f"variant.name={json.dumps(name)}"])
    if base is None:
        plan = plan.override(["discriminator.norm=layer"])
    facts = [f"train.batch={BATCH}", "watch.samples=1", f"train.steps={ROUNDS}", f"data.count={PICTURES}"]
    if plan.data.kind == "pictures":  # films and replies keep their own world
        facts += ["data.source=world:faces", f"data.image_size={SIDE}"]
    plan = narrowed(shortened(plan, seed=0).override(facts), NARROW, settings).override(settings)
    plan.check()
    return plan


def seat(plan: Recipe) -> Training:
    """The players at the table."""
    return prepare(plan, read_store(plan), torch.device("cpu"))


def documented(plan: Recipe) -> None:
    """A docstring of the class, and a source in it or in its file."""
    made = type(rules_of(plan))
    text = f"{inspect.getdoc(made) or ''}\n{inspect.getdoc(inspect.getmodule(made)) or ''}"
    if not inspect.getdoc(made) or inspect.getdoc(made) == inspect.getdoc(Variant):
        raise Broken(f"{made.__name__} has no docstring of its own")
    if "Source:" not in text:
        raise Broken("neither the class nor its file has a line that begins with Source:")


def rules_of(plan: Recipe) -> Variant:
    """The variant, built."""
    return seat(plan).variant


def verdicts(rules: Variant, at: float) -> Tensor:
    """Verdicts that lie around a score, as a leaf: [6] or [6, outputs]."""
    shape = (6,) if rules.d_outputs == 1 else (6, rules.d_outputs)
    some = torch.zeros(shape) if rules.d_outputs > 1 else torch.full(shape, rules.boundary or 0.0)
    some = some + 0.1 * torch.linspace(-1, 1, some.numel()).reshape(shape)
    if rules.d_outputs == 1:
        some += at
    else:
        some[:, 0] += at
    return some.requires_grad_()


def total(terms: Terms) -> Tensor:
    """Their sum."""
    if not terms:
        raise Broken('a loss has no terms: return {"adversarial": ...}, to be minimised')
    return torch.stack(list(terms.values())).sum()


def of_g(rules: Variant, fake: Tensor, real: Tensor) -> Tensor:
    """G's loss of verdicts."""
    return total(rules.g_loss(fake, real.detach()) if rules.g_sees_reals else rules.g_loss(fake))


def along_score(rules: Variant, loss: Tensor, leaf: Tensor) -> Tensor:
    """How the loss changes for each picture as its score grows, [n]."""
    (slope,) = torch.autograd.grad(loss, leaf, retain_graph=True)
    (score,) = torch.autograd.grad(rules.score(leaf).sum(), leaf)
    return (slope * score).reshape(len(leaf), -1).sum(1)


def signs(plan: Recipe) -> None:
    """At verdicts near the boundary."""
    rules = rules_of(plan)
    real, fake = verdicts(rules, 0.05), verdicts(rules, -0.05)
    d = total(rules.d_loss(real, fake))
    for what, slope, sign in (
        ("D's loss does not fall as reals score higher", along_score(rules, d, real), -1),
        ("D's loss does not fall as fakes score lower", along_score(rules, d, fake), 1),
        ("G's loss does not fall as fakes score higher", along_score(rules, of_g(rules, fake, real), fake), -1),
    ):
        if not bool((sign * slope > 0).all()):
            raise Broken(f"{what}: in this project a higher score means more real, and both players minimise")


def extremes(plan: Recipe) -> None:
    """At scores of +-100."""
    rules = rules_of(plan)
    for at in (-100.0, 100.0):
        real, fake = verdicts(rules, at), verdicts(rules, -at)
        for who, loss in (("D", total(rules.d_loss(real, fake))), ("G", of_g(rules, fake, real))):
            slopes = torch.autograd.grad(loss, [real, fake], allow_unused=True)
            known = [slope for slope in slopes if slope is not None]
            if not all(bool(x.isfinite().all()) for x in (loss.detach(), *known)):
                raise Broken(f"{who}'s loss or its slope is not finite at scores of +-100: use logits, not logarithms")


def a_batch(training: Training, turn: int = 0) -> Batch:
    """Reals, with what is said of them where something is."""
    parts = (training.reals, training.conditions, training.wrong)
    return Batch(*(part(turn) if part else None for part in parts))  # type: ignore[arg-type]


def shapes(plan: Recipe) -> None:
    """Of what both players' terms are."""
    training = seat(plan)
    rules, players, real = training.variant, training.players, a_batch(training)
    rules.set_schedule(0)
    fake = fakes_on_demand(rules, players, real, 0, "D0")(slice(None))
    of_d, on_real, on_fake = rules.d_terms(players.D, real, fake.detached(), 0)
    for who, terms in (("D", of_d), ("G", rules.g_terms(players.D, real, fake))):
        for name, term in terms.items():
            if term.ndim or not bool(term.isfinite()):
                raise Broken(f"{who}'s term {name!r} should be one finite number; it is {list(term.shape)}")
    if len(on_real) != len(real.pictures) or rules.score(on_real).ndim != 1 or rules.score(on_fake).ndim != 1:
        raise Broken("d_terms should return D's verdicts on the reals and on the fakes, and score one number for each")


def turns(plan: Recipe) -> None:
    """A turn of each, with the other frozen and compared afterwards."""
    training = seat(plan)
    rules, players = training.variant, training.players
    rules.set_schedule(0)
    for step in range(2):
        real = a_batch(training, step)
        with Moves(players, "D"), frozen(players.G):
            turn_of_d(rules, players, real, fakes_on_demand(rules, players, real, step, "D0"), step)
        with Moves(players, "G"), frozen(players.D):
            fakes = fakes_on_demand(rules, players, real, step, "G0")
            turn_of_g(rules, players, real, fakes, Buffers(players.G), step)


class Moves:
    """Around a turn: its player's parameters change, nothing of the other's does."""

    def __init__(self, players: Players, who: str) -> None:
        self.nets = {"G": players.G, "D": players.D}
        self.who = who

    def __enter__(self) -> None:
        self.before = {name: state(net) for name, net in self.nets.items()}

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is not None:
            return
        for name, net in self.nets.items():
            same = all(torch.equal(a, b) for a, b in zip(state(net), self.before[name], strict=True))
            if same == (name == self.who):
                raise Broken(f"{name} {'does not learn' if same else 'changes'} in {self.who}'s turn")


def state(net: nn.Module) -> list[Tensor]:
    """Every parameter and buffer, copied."""
    return [value.detach().clone() for value in net.state_dict().values()]


def resumes(plan: Recipe) -> None:
    """Whole, and in two parts: the same bytes at the end."""
    with tempfile.TemporaryDirectory() as folder:
        whole, parts = Path(folder) / "whole", Path(folder) / "parts"
        api.train(recipe=plan, out=whole, device="cpu")
        api.train(recipe=plan.override([f"train.steps={ROUNDS // 2}"]), out=parts, device="cpu")
        torch.manual_seed(ROUNDS)  # what was left in torch's generator must not matter
        api.resume(parts, steps=ROUNDS, device="cpu")
        ends = []
        for run in (whole, parts):
            newest, _ = published.newest(run / "checkpoints", "step-")
            assert newest is not None, "a run keeps a checkpoint at its end"
            files, _ = published.read(newest)
            ends.append({name: data for name, data in files.items() if name.endswith(".safetensors")})
    wrong = [name for name in ends[0] if ends[0][name] != ends[1].get(name)]
    if wrong:
        raise Broken(
            f"{', '.join(wrong)} differ: what is random has to follow from the step (torch's generator is seeded "
            "before each round), and what is kept between rounds has to be a function of set_schedule"
        )


def raise_if_broken(name: str, recipe: str | None = None, settings: Sequence[str] = ()) -> None:
    """For a test of your own: the first broken promise as an error.

    Raises:
        BadConfig: a promise is not kept.
    """
    for check in accept(name, recipe, settings):
        if check.problem:
            raise BadConfig(f"{name}: not kept: {check.promise}. {check.problem}.")
