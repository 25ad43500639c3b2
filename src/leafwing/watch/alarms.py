"""Alarms: when a run goes wrong in one of the known ways, say so once, with advice, and once when it is over.

Numbers come from the meter's rows, which are read from the device anyway; pictures from the sheet's fixed z through G
as it stands (not its average, which would hide a fresh collapse), compared with real ones (`leafwing.watch.variety`).
Nothing here touches the game.

The thresholds come from measured rounds (`benchmarks/alarms.py`): 20 seeds of tiny networks, and single runs of `faces`
and `dcgan` on world:faces and of `gan-2014` on digits, looked at every 20 rounds. What was healthy stays well on the
quiet side of each:

* D's loss over an undecided D's: 0.01 in the first 300 rounds of `dcgan`, which then goes on learning.
* Gradient norms: within a factor 12 of their running mean, both ways.
* Spread beside real pictures: 0.7 to 0.9 for `faces` from round 20 on. `dcgan` begins at 0.03 and needs hundreds of
  rounds, hence collapse counts only for a G that has been varied before, has had 1,000 rounds, or is constant.
* Twins beyond real pictures': 0.00; copies: 0.00.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from leafwing.core import randomness
from leafwing.core.progress import say
from leafwing.freeze import frozen
from leafwing.game import Variant, call
from leafwing.training import Training, Watcher
from leafwing.watch.meter import Row
from leafwing.watch.variety import Reference, Variety, reference

ADVICE = {
    "saturated": "D is right about every picture and sure of it, so it teaches G little: "
    "lower optimizer.discriminator.lr, or raise variant.r1_gamma.",
    "no gradient": "Next to no gradient reaches G, so it stands still: set variant.g_objective = 'fool', "
    "lower optimizer.discriminator.lr, and see that D's verdict depends on the picture.",
    "exploding": "D's loss or a gradient is many times what it was: lower optimizer.*.lr, or raise variant.r1_gamma.",
    "stuck": "The losses or a player's weights no longer change at all: raise optimizer.*.lr, "
    "and see that each network uses its input.",
    "collapse": "G draws (nearly) the same few pictures for different z, which is mode collapse: go back to an earlier "
    "checkpoint, lower optimizer.generator.lr, or raise variant.r1_gamma.",
    "copying": "G draws copies of training pictures: use more pictures or data.flip, a smaller D, or stop earlier.",
    "not a number": "A loss, a gradient or a picture is no longer a number: lower optimizer.*.lr, "
    "and use train.precision = 'fp32'.",
}
"""name -> one sentence: what is wrong, what to do."""

SATURATED = 2e-3  # of the loss of an undecided D
EXPLODED = 10.0  # times the loss of an undecided D
LEAP = 100.0  # times the usual gradient norm
FAINT, GONE = 1e-4, 1e-8  # of the usual gradient norm of G; absolute, as no gradient that low moves a weight
STUCK = 1e-5  # relative change of every loss from look to look; float32 keeps about 1e-7
VARIED, COLLAPSED, CONSTANT = 0.6, 0.3, 0.002  # spread of a G that has variety; has lost it; never had any
TWINS, COPIES = 0.5, 0.5  # shares of the sheet
PATIENCE = 1_000  # rounds that a G without variety is given
MEMORY = 0.9  # of the running mean of gradient norms, per look
LOOKS = 2  # looks in a row that it takes to enter or leave a state …
AT_ONCE = {"stuck", "not a number"}  # … but not to enter these: they do not come and go by chance
PICTURES = 32
SPARING = 40  # a picture is drawn for at least so many real ones shown: below 1 % of the time


class Alarms(Watcher):
    """Looks at each row of the meter before it is written; put :meth:`look` before all other sinks.

    What changed is kept in the row as ``alarms``: a list of ``{"name", "on", "sentence"}``. The numbers behind it are
    ``sheet/spread``, ``sheet/twins``, ``sheet/nearest`` and ``sheet/copies`` (see `Variety`), in rows where pictures
    were looked at.

    Args:
        pictures: training pictures there are; fewer than 2 leave the pictures unwatched.
    """

    def __init__(self, pictures: int) -> None:
        self.pictures = pictures
        self._signs: dict[str, int] = {}  # looks in a row with (positive) or without (negative) the sign
        self._on: set[str] = set()
        self._usual: dict[str, float] = {}  # natural logarithm of the gradient norms, running mean
        self._before: dict[str, float] = {}  # losses at the last look
        self._varied, self._looked = False, 0
        self._weights: dict[str, Tensor] = {}
        self._reference: Reference | None = None

    def start(self, training: Training) -> None:
        """Look at real pictures, and at what an undecided D would pay."""
        ranks = training.players.ranks.count
        self._reference = reference(training.reals, self.pictures, PICTURES, ranks) if self.pictures > 1 else None
        self._undecided = undecided(training.variant)
        self._weights = {who: lengths(net) for who, net in both(training)}

    def look(self, row: Row, training: Training) -> None:
        """A sink for the meter's rows: notes alarms, says them and keeps them in the row."""
        signs = self._numbers(row) | {"stuck": self._stuck(row, training)}
        shown = training.images / max(training.step, 1)
        if self._reference and (training.step - self._looked) * shown >= SPARING * PICTURES:
            self._looked = training.step
            found = self._reference.compare(draw(training))
            row |= {f"sheet/{name}": value for name, value in vars(found).items()}
            signs |= self._variety(found, training.step)
        skipped = row.get("D/skipped", 0.0) + row.get("G/skipped", 0.0) > 0
        signs["stuck"] &= not skipped  # refused steps move nothing, and that has a name of its own
        signs["not a number"] = skipped or not all(math.isfinite(value) for value in numbers(row))
        changes = [change for name, sign in signs.items() if (change := self._take(name, sign))]
        for change in changes:
            say(f"step {training.step}: {change['sentence']}")
        if changes:
            row["alarms"] = changes

    def _numbers(self, row: Row) -> dict[str, bool]:
        """Signs in losses, accuracies and gradient norms."""
        loss = sum(row.get(name, 0.0) for name in self._undecided)
        doubt = sum(self._undecided.values())
        sure = min(row.get("D/real_accuracy", 0.0), row.get("D/fake_accuracy", 0.0)) > 0.99
        leaps, faint = [], False
        for name in ("D/grad_norm", "G/grad_norm"):
            norm = row.get(name, math.nan)
            if not math.isfinite(norm):
                continue
            level = math.log(max(norm, 1e-30))
            usual = self._usual.setdefault(name, level)
            leaps.append(level - usual > math.log(LEAP))
            fell = norm < GONE or level - usual < math.log(FAINT)
            faint = faint or (name == "G/grad_norm" and fell)
            if not leaps[-1] and not fell:
                self._usual[name] = MEMORY * usual + (1 - MEMORY) * level
        return {
            "saturated": sure and 0 <= loss < SATURATED * doubt,
            "exploding": any(leaps) or 0 < EXPLODED * doubt < loss,
            "no gradient": faint,
        }

    def _stuck(self, row: Row, training: Training) -> bool:
        """Whether every loss, or every weight of a player, is what it was at the last look."""
        losses = {name: row[name] for name in [*self._undecided, "G/adversarial"] if name in row}
        before, self._before = self._before, losses
        same = bool(before) and all(
            abs(value - before.get(name, math.inf)) <= STUCK * abs(value) for name, value in losses.items()
        )
        still = False
        if getattr(training.players.D, "absent", False):
            same = False  # the loss of a seat that nobody takes
        for who, net in both(training):
            weights = lengths(net)
            still |= torch.equal(weights, self._weights[who])
            self._weights[who] = weights
        return same or still

    def _variety(self, found: Variety, step: int) -> dict[str, bool]:
        """Signs in the sheet's pictures."""
        few = found.spread < COLLAPSED or found.twins > TWINS
        self._varied |= found.spread > VARIED and not few
        counts = self._varied or step >= PATIENCE or found.spread < CONSTANT
        return {"collapse": few and counts, "copying": found.copies > COPIES}

    def _take(self, name: str, sign: bool) -> dict[str, Any] | None:
        """Count a sign; what to say if its alarm goes on or off with it."""
        count = self._signs.get(name, 0)
        count = max(count, 0) + 1 if sign else min(count, 0) - 1
        self._signs[name] = max(-LOOKS, min(count, LOOKS))
        if name not in self._on and count >= (1 if name in AT_ONCE else LOOKS):
            self._on.add(name)
            return {"name": name, "on": True, "sentence": ADVICE[name]}
        if name in self._on and count <= -LOOKS:
            self._on.remove(name)
            return {"name": name, "on": False, "sentence": f"The alarm '{name}' is over."}
        return None

    def state_dict(self) -> dict[str, Any]:
        """What stands, and the memory behind it."""
        return {
            "on": sorted(self._on),
            "signs": self._signs,
            "usual": self._usual,
            "before": self._before,
            "varied": self._varied,
            "looked": self._looked,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the run stopped; nothing is said a second time."""
        self._on, self._signs, self._usual = set(state["on"]), dict(state["signs"]), dict(state["usual"])
        self._before, self._varied, self._looked = dict(state["before"]), state["varied"], state["looked"]


def undecided(variant: Variant) -> dict[str, float]:
    """What a D that sits on the fence pays, by the names of the log; all 0 for losses without such a point."""
    shape = (2,) if variant.d_outputs == 1 else (2, variant.d_outputs)
    fence = torch.full(shape, float((variant.boundary or 0.0) if variant.d_outputs == 1 else 0))
    return {f"D/{name}": float(term) for name, term in variant.d_loss(fence, fence).items()}


def draw(training: Training) -> Tensor:
    """The sheet's z through G as it stands in the game: training mode, frozen, nothing remembered."""
    players = training.players
    z = players.prior.sample(PICTURES, randomness.stream(players.seed, 0, "sheet"))
    device = next(players.G.parameters()).device
    with frozen(players.G), torch.no_grad(), players.precision():
        return call(players.G, z.to(device), training.asked(0, PICTURES)).float()


def both(training: Training) -> list[tuple[str, nn.Module]]:
    """Both networks with their names; a D that is not there has no weights to look at."""
    pair = [("G", training.players.G), ("D", training.players.D)]
    return [(who, net) for who, net in pair if not getattr(net, "absent", False)]


def lengths(net: nn.Module) -> Tensor:
    """The length of each weight tensor: a cheap fingerprint that any real step changes."""
    return torch.stack(torch._foreach_norm([p.detach() for p in net.parameters()])).float()


def numbers(row: Row) -> Iterable[float]:
    """The terms and measures of a row, without what is only told of the machine."""
    return (value for name, value in row.items() if "/" in name and isinstance(value, float))


def ringing(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of the alarms that are on after these rows of ``metrics.jsonl``."""
    on: dict[str, bool] = {}
    for row in rows:
        on |= {change["name"]: change["on"] for change in row.get("alarms", [])}
    return [name for name, is_on in on.items() if is_on]
