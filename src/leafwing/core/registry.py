"""Names for parts: a registry finds a part by name, by file, or from another installed package.

Registering is one decorator. The folder that holds a registry's own parts is scanned on first use, so adding a
part means adding a file. A taken name raises; a miss answers with the nearest names. A part's settings are the
arguments of its constructor: one declaration gives validation, ``--help``, and the saved recipe.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import pkgutil
import sys
import typing
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, create_model

from leafwing.core.errors import BadConfig, did_you_mean
from leafwing.core.progress import say

T = TypeVar("T")
SETTABLE = (bool, int, float, str, list, tuple, type(None))
"""Kinds of values that a recipe can hold; other arguments with a default are left to it."""


class Registry(Generic[T]):
    """Parts of one kind by name.

    Args:
        kind: what a part is, as a person would say it: ``"generator"``.
        package: the package whose modules register parts when imported.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self._package = package
        self._parts: dict[str, Callable[..., T]] = {}
        self._scanned = False

    def register(self, name: str) -> Callable[[Callable[..., T]], Callable[..., T]]:
        """Give a class a name. A name that is taken raises ``ValueError``: no part silently hides another.

        The same class of the same file, imported once more under another module's name, is no other part.
        """

        def note(part: Callable[..., T]) -> Callable[..., T]:
            if name in self._parts and origin(self._parts[name]) != origin(part):
                raise ValueError(f"two {self.kind}s are called {name!r}: {self._parts[name]} and {part}")
            self._parts[name] = part
            return part

        return note

    def names(self) -> list[str]:
        """All names, sorted."""
        self._scan()
        return sorted(self._parts)

    def get(self, name: str) -> Callable[..., T]:
        """The part called ``name``, or the class in ``FILE.py:Class``. A miss raises :class:`BadConfig`."""
        if ".py:" in name:
            return self._from_file(*name.rsplit(":", 1))
        self._scan()
        if name not in self._parts:
            raise BadConfig(f"No {self.kind} is called {name!r}.{did_you_mean(name, self._parts)}")
        return self._parts[name]

    def settings(self, name: str, given: Iterable[str] = ()) -> type[BaseModel]:
        """The part's constructor arguments as a typed schema, without those the toolkit gives by itself."""
        return settings_of(self.get(name), frozenset(given))

    def build(self, name: str, options: dict[str, Any], **given: Any) -> T:
        """Construct the part from its validated options and those ``given`` facts it asks for."""
        part = self.get(name)
        wanted = inspect.signature(part).parameters
        facts = {key: value for key, value in given.items() if key in wanted}
        return part(**options, **facts)

    def _scan(self) -> None:
        if self._scanned:
            return
        self._scanned = True  # before the imports, which may ask for names themselves
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(getattr(package, "__path__", [])):
            importlib.import_module(f"{self._package}.{module.name}")
        for entry in entry_points(group=f"leafwing.{self.kind}s"):
            if entry.name not in self._parts:
                try:
                    self._parts[entry.name] = entry.load()
                except Exception as error:  # whatever another package raises: what does not need it goes on
                    owner = entry.dist.name if entry.dist else entry.value
                    say(f"The {self.kind} {entry.name!r} of {owner} is left out: {type(error).__name__}: {error}")

    def _from_file(self, file: str, name: str) -> Callable[..., T]:
        path = Path(file).resolve()
        if not path.is_file():
            raise BadConfig(f"{self.kind}.name points at {file}, which is not a file.")
        module_name = f"leafwing_user_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
        if module_name not in sys.modules:
            spec = importlib.util.spec_from_file_location(module_name, path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[module_name] = module
            try:
                spec.loader.exec_module(module)
            except (Exception, SystemExit) as error:  # whatever a user's file raises, it is the user's to mend
                del sys.modules[module_name]
                raise BadConfig(f"{file} could not be imported: {type(error).__name__}: {error}") from error
        module = sys.modules[module_name]
        if not hasattr(module, name):
            raise BadConfig(f"{file} holds no {name!r}.{did_you_mean(name, public_classes(module))}")
        part: Callable[..., T] = getattr(module, name)
        if not callable(part):
            raise BadConfig(f"{name!r} in {file} is no class.{did_you_mean(name, public_classes(module))}")
        return part


def origin(part: Callable[..., Any]) -> tuple[str, str]:
    """The file a part is written in, and its name there."""
    file = getattr(sys.modules.get(part.__module__), "__file__", None) or part.__module__
    return str(Path(file).resolve()), part.__qualname__


def public_classes(module: object) -> list[str]:
    """Names of the classes a module shows."""
    return [name for name, value in vars(module).items() if inspect.isclass(value) and not name.startswith("_")]


@cache
def settings_of(part: Callable[..., Any], given: frozenset[str] = frozenset()) -> type[BaseModel]:
    """A frozen pydantic model of ``part``'s keyword arguments, unknown keys refused."""
    hints = typing.get_type_hints(part.__init__ if inspect.isclass(part) else part, include_extras=True)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(part).parameters.items():
        if name in given or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        default = ... if parameter.default is parameter.empty else parameter.default
        if default is not ... and not isinstance(default, SETTABLE):
            continue  # a module or a class as default: nothing a recipe could say
        fields[name] = (hints.get(name, Any), default)
    config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    return create_model(getattr(part, "__name__", "Part"), __config__=config, **fields)
