"""Settings as people write them: TOML files, dotted overrides, and error sentences that name the key."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError

from leafwing.core.errors import BadConfig, did_you_mean


class Settings(BaseModel):
    """Base of all typed settings: frozen, unknown keys refused, nothing infinite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


MAX_BYTES, MAX_DOTS = 1 << 20, 100
"""No recipe is longer, or has more dots in a line; tomllib takes minutes over a key of ten thousand."""
TOO_DEEP = "nested too deeply"


def one_or_more(value: Any) -> Any:
    """A single name is a list of one; names may be parted by commas; an empty text is none."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file; one sentence naming the file and the line when it is not TOML."""
    where = shown(path)
    try:
        data = path.read_bytes() if path.stat().st_size <= MAX_BYTES else b"\xff"
        text = data.decode("utf-8-sig")
        if any(line.count(".") > MAX_DOTS for line in text.splitlines()):
            raise RecursionError
        return tomllib.loads(text)
    except FileNotFoundError:
        raise BadConfig(f"There is no recipe file {where}.") from None
    except (UnicodeDecodeError, IsADirectoryError):
        raise BadConfig(f"{where} is not a recipe: it is not a text file in TOML.") from None
    except OSError as error:
        raise BadConfig(f"The recipe file {where} cannot be read: {error.strerror or error}.") from None
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(f"{where} is not valid TOML: {explain_toml(str(error))}.") from None
    except RecursionError:
        raise BadConfig(f"{where} is not a recipe: it is {TOO_DEEP}.") from None
    except ValueError as error:  # a number of thousands of digits, a NUL in the path
        raise BadConfig(f"{where} is not valid TOML: {str(error).split(':')[0].lower()}.") from None


def shown(value: object, most: int = 120) -> str:
    """``value`` as a person wrote it, the middle left out when it is long."""
    try:
        text = str(value) if isinstance(value, Path) else repr(value)
    except (ValueError, RecursionError):  # an integer of too many digits
        return "what is written there"
    return text if len(text) <= most else f"{text[: most // 2]}...{text[-most // 2 :]}"


def explain_toml(message: str) -> str:
    """The parser's message in words a newcomer understands."""
    if message.startswith("Cannot overwrite a value"):
        return message.replace("Cannot overwrite a value", "a key is set twice")
    if message.startswith("Cannot declare"):
        return message.replace("Cannot declare", "a table is declared twice:")
    return message[0].lower() + message[1:]


def write_toml(settings: Mapping[str, Any]) -> str:
    """TOML text; ``None`` has no TOML form and is left out, which reads back as the default."""
    return tomli_w.dumps(without_none(settings))


def without_none(value: Any) -> Any:
    """A copy without ``None`` entries; tuples become lists, as TOML knows only those."""
    if isinstance(value, Mapping):
        return {key: without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [without_none(item) for item in value]
    return value


def apply_overrides(settings: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """A copy with ``a.b=value`` applied; the value is read as TOML and, failing that, as text."""
    merged = merge({}, settings)
    names_first = sorted(overrides, key=lambda text: not text.partition("=")[0].strip().endswith(".name"))
    for override in names_first:
        dotted, equals, text = override.partition("=")
        keys = [key.strip() for key in dotted.split(".")]
        if not equals or not all(keys):
            raise BadConfig(f"--set {shown(override)} is not of the form section.key=value, e.g. --set train.batch=32.")
        if len(keys) > MAX_DOTS:
            raise BadConfig(f"--set {shown(override)} cannot be: it is {TOO_DEEP}.")
        patch: Any = read_value(text.strip())
        for key in reversed(keys):
            patch = {key: patch}
        merged = merge(merged, patch)
    return merged


def read_value(text: str) -> Any:
    """``text`` as a TOML value, or as the string it is."""
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):  # no TOML, or a number of thousands of digits
        return text
    return table["value"] if set(table) == {"value"} else text


def merge(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with ``patch`` over it, table by table.

    A table whose ``name`` changes starts afresh: the options of one network mean nothing to another.
    """
    merged = dict(base)
    for key, value in patch.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            renamed = "name" in value and "name" in old and value["name"] != old["name"]
            merged[key] = merge({} if renamed else old, value)
        else:
            merged[key] = merge({}, value) if isinstance(value, Mapping) else value
    return merged


BOTH_RATES = "optimizer.generator.lr, or optimizer.discriminator.lr,"
ELSEWHERE = {
    "n_critic": "train.n_d",
    "batch_size": "train.batch",
    "epochs": "train.steps",
    "iterations": "train.steps",
    "train.kimg": "train.steps",
    "lr": BOTH_RATES,
    "learning_rate": BOTH_RATES,
    "z_dim": "prior.dim",
    "nz": "prior.dim",
    "latent_dim": "prior.dim",
    "lambda_gp": "variant.gp_lambda",
}
"""What other programs call it, in any section or in one, and what it is called here."""


def called_here(dotted: str) -> str:
    """One sentence for a setting by the name that other programs give it; empty for any other."""
    name = ELSEWHERE.get(dotted) or ELSEWHERE.get(dotted.rpartition(".")[2])
    return f"{dotted!r} is not a setting: it is called {name} here." if name else ""


def explain(error: ValidationError, schema: type[BaseModel], where: str = "") -> str:
    """The first thing wrong, in one sentence: the dotted key, what is wrong with it, what would do."""
    first = error.errors()[0]
    keys = [str(part) for part in first["loc"]]
    dotted = ".".join([where, *keys] if where else keys)
    if first["type"] == "extra_forbidden":
        other = f"{dotted!r} is not a setting.{did_you_mean(keys[-1], keys_at(schema, keys[:-1]))}"
        return called_here(dotted) or other
    if first["type"] == "missing":
        return f"{dotted!r} is missing: give it a value."
    reason = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if first["type"] == "value_error":
        return reason if not keys else f"{dotted}: {reason}"
    return f"{dotted} = {shown(first['input'])} cannot be: it {reason}."


def keys_at(schema: type[BaseModel], path: list[str]) -> list[str]:
    """The setting names of the table at ``path`` below ``schema``."""
    for key in path:
        field = schema.model_fields.get(key)
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return []
        schema = field.annotation
    return list(schema.model_fields)


def validate(schema: type[BaseModel], values: Mapping[str, Any], where: str = "") -> BaseModel:
    """``values`` as a typed object, or :class:`BadConfig` with one sentence."""
    try:
        return schema.model_validate(dict(values))
    except ValidationError as error:
        raise BadConfig(explain(error, schema, where)) from None
    except RecursionError:
        raise BadConfig(f"{where or 'The recipe'} is nested too deeply.") from None
