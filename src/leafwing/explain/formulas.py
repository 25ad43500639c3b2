"""The formulas of a recipe: docstrings of the losses that its rules really call when they are played once."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import pkgutil
import re
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from leafwing import losses
from leafwing.core.errors import LeafwingError
from leafwing.core.randomness import stream
from leafwing.core.vocabulary import Vocabulary
from leafwing.explain.words import plain
from leafwing.game import Batch, Terms, Variant
from leafwing.losses import penalties
from leafwing.recipe import REGISTRIES, Recipe

LOSSES = str(Path(str(losses.__file__)).parent) + os.sep
MACHINERY = {"analytic.py", "known.py", "piecewise.py", "score_and_slope", "input_gradient"}
"""Files and functions among the losses that compute gradients and hold no formula of a game."""
BY_TERM = {"r1": penalties.zero_centred, "r2": penalties.zero_centred}
"""Penalties that may be computed another way than by the function that says what they are."""
MODULES = [found.name for found in pkgutil.iter_modules(losses.__path__) if f"{found.name}.py" not in MACHINERY]
"""Of the losses, as rules name them: ``adversarial.hinge_d``."""


@dataclass(frozen=True)
class Formula:
    """One loss or penalty: the function, what its docstring says (as text, and with its LaTeX), and its lines."""

    name: str
    text: str
    marked: str
    code: str

    @classmethod
    def of(cls, name: str, function: Any) -> Formula:
        """Read from the function."""
        said = (inspect.getdoc(function) or "").split("\nArgs:")[0].split("\nShape:")[0].strip()
        return cls(name, plain(inspect.getdoc(function) or ""), said, lines_of(function))


def lines_of(function: Any) -> str:
    """A function's source without its docstring; empty where there is none."""
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return ""
    defined = ast.parse(source).body[0]
    lines = source.rstrip().splitlines()
    if isinstance(defined, ast.FunctionDef) and ast.get_docstring(defined) is not None:
        said = defined.body[0]
        lines[said.lineno - 1 : said.end_lineno] = []
    return "\n".join(lines)


def formulas_of(recipe: Recipe) -> tuple[tuple[str, ...], tuple[Formula, ...], tuple[str, ...], tuple[Formula, ...]]:
    """Terms and formulas of D, terms and formulas of G: as played, or else all that the rules' source names.

    Of a D that is none, no terms and no formulas: what it minimises has no effect on anything.
    """
    try:
        d_terms, d_formulas, g_terms, g_formulas = played(recipe)
    except LeafwingError:
        raise
    except Exception:  # rules that ask more of D than the stand-in has
        d_formulas = g_formulas = named_in_source(recipe)
        d_terms = g_terms = ()
    if getattr(REGISTRIES["discriminator"].get(recipe.discriminator.name), "absent", False):
        d_terms, d_formulas = (), ()
    return d_terms, d_formulas, g_terms, g_formulas


def played(recipe: Recipe) -> tuple[tuple[str, ...], tuple[Formula, ...], tuple[str, ...], tuple[Formula, ...]]:
    """Play the recipe's rules once, with the smallest players on 4 pictures, and listen which losses they call."""
    stand_in = recipe.stand_in()
    vocabulary = stand_in if isinstance(stand_in, Vocabulary) else None
    rules: Variant = recipe.build_variant(vocabulary)
    rules.set_schedule(0)
    n = 4 * rules.many
    pictures = torch.linspace(-1, 1, n * 4).reshape(n, 1, 2, 2)
    z = recipe.build_prior().sample(n, stream(0, 0, "explain"))
    asked = torch.eye(vocabulary.size)[[0, 1] * (n // 2)] if vocabulary else pictures if recipe.data.history else None
    wrong = asked.flip(0) if asked is not None and rules.wants_wrong else None
    D, G, real = StandIn(rules.d_outputs), StandInG(z.shape[1]), Batch(pictures, asked, wrong)
    fake = rules.fakes(G, z, real)
    with Listening(rules) as to_d:
        d_terms, _, _ = rules.d_terms(D, real, fake, 0)
    with Listening(rules) as to_g:
        own = rules.g_penalties(G, fake, 0)
        g_terms = rules.g_terms(D, real, fake) | {name: term for name, term in own.items() if term.requires_grad}
    return tuple(d_terms), to_d.formulas(d_terms), tuple(g_terms), to_g.formulas(g_terms)


def named_in_source(recipe: Recipe) -> tuple[Formula, ...]:
    """Every function of `leafwing.losses` that the file of the rules names, whatever the settings choose."""
    source = inspect.getsource(inspect.getmodule(REGISTRIES["variant"].get(recipe.variant.name)))  # type: ignore[arg-type]
    found: dict[str, Formula] = {}
    for module, name in re.findall(rf"\b({'|'.join(MODULES)})\.(\w+)", source):
        named = getattr(importlib.import_module(f"leafwing.losses.{module}"), name, None)
        function = BY_TERM.get(name.lower(), named)  # penalties.R1 says when; the penalty's own function says what
        if inspect.isfunction(function):
            found[function.__name__] = Formula.of(function.__name__, function)
    return tuple(found.values())


class StandIn(nn.Module):
    """The smallest D: one linear map of the pixels, deaf to conditions."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.layer = nn.Linear(4, outputs)

    def forward(self, pictures: Tensor, condition: Tensor | None = None) -> Tensor:
        """[n, 1, 2, 2] -> [n] or [n, outputs]."""
        verdicts: Tensor = self.layer(pictures.flatten(1))
        return verdicts[:, 0] if self.outputs == 1 else verdicts

    def judge_code(self, code: Tensor) -> Tensor:
        """[n, z] -> [n]."""
        return code.sum(1)


class StandInG(nn.Module):
    """The smallest G with all that rules ask of one: z is its only style, and a picture is linear in it."""

    def __init__(self, z_dim: int) -> None:
        super().__init__()
        self.z_dim, self.layer = z_dim, nn.Linear(z_dim or 1, 4)  # torch warns of empty weights

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """[n, z] -> [n, 1, 2, 2]."""
        return self.draw(self.styles(z))

    def styles(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """[n, z] -> [n, 1, z]."""
        return z[:, None].clone().requires_grad_()

    def draw(self, styles: Tensor) -> Tensor:
        """[n, 1, z] -> [n, 1, 2, 2]."""
        z = styles[:, 0] if self.z_dim else styles.new_zeros(len(styles), 1)
        pictures: Tensor = self.layer(z)
        return pictures.view(-1, 1, 2, 2)

    def encode(self, pictures: Tensor, condition: Tensor | None = None) -> Tensor:
        """[n, 1, 2, 2] -> [n, z]."""
        return pictures.flatten(1) @ self.layer.weight

    def told(self, reply: Tensor, question: Tensor | None = None) -> Tensor:
        """[n, 1, 2, 2] -> [n, 1, 2, 2]."""
        return self.layer.bias.view(1, 2, 2).expand(reply.shape)

    def answers(self, z: Tensor, history: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        """[a * n, z], [n, 1, 2, 2], [n, 1, 2, 2] -> [a * n, 1, 2, 2], [a * n]."""
        drawn = self(z)
        return drawn, drawn.flatten(1).sum(1)


class Listening:
    """While it listens, it notes which losses are called: functions of `leafwing.losses`, and the rules' own methods.

    Of nested losses only the outermost is noted; a method of the rules only if it calls no loss itself.

    Args:
        rules: what is played; methods that every variant has are no formulas.
    """

    def __init__(self, rules: Variant) -> None:
        self.heard: dict[str, Any] = {}
        self.inside: list[tuple[str, bool]] = []  # names of the losses being computed, and whether each is a method
        self.own = {name for name in dir(type(rules)) if not name.startswith("_")} - set(dir(Variant))
        self.rules = rules

    def __enter__(self) -> Listening:
        self.before = sys.getprofile()
        sys.setprofile(self.note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self.before)

    def note(self, frame: FrameType, event: str, value: Any) -> None:
        """Called by Python at each call and return, with what is returned."""
        name, file = frame.f_code.co_name, frame.f_code.co_filename  # thousands of calls: nothing slow here
        method = name in self.own and frame.f_locals.get("self") is self.rules
        function = "<" not in name and "." not in frame.f_code.co_qualname
        of_losses = function and file.startswith(LOSSES) and not MACHINERY & {file[len(LOSSES) :], name}
        if event not in ("call", "return") or not (method or of_losses):
            return
        if event == "return":
            self.inside.pop()
            if method and isinstance(value, dict) and not value:  # weighs 0 here: no term
                self.heard.pop(name, None)
        elif method:
            self.heard.setdefault(name, getattr(self.rules, name))
            self.inside.append((name, True))
        else:
            if all(is_method for _, is_method in self.inside):
                self.heard.setdefault(name, frame.f_globals.get(name))
            for outer, is_method in self.inside:
                if is_method:
                    self.heard.pop(outer, None)
            self.inside.append((name, False))

    def formulas(self, terms: Terms) -> tuple[Formula, ...]:
        """What was heard, in order, and penalties among the terms that were found another way."""
        known = {BY_TERM[term].__name__: BY_TERM[term] for term in terms if term in BY_TERM}
        told = self.heard | known
        return tuple(Formula.of(name, function) for name, function in told.items())
