"""Tensors to bytes and back, without pickle: safetensors files, written and read strictly.

The file format is that of https://huggingface.co/docs/safetensors, and the reader is our own: the parser that
checks a file also builds the tensors, and it refuses some lies that the reference implementation lets pass
(the same name twice, names like ``../../x``, a shape of 0 x 2^62, a million empty tensors).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from leafwing.core.errors import BadRun

DTYPES: dict[str, torch.dtype] = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "U16": torch.uint16,
    "I16": torch.int16,
    "U32": torch.uint32,
    "I32": torch.int32,
    "U64": torch.uint64,
    "I64": torch.int64,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
    "F8_E8M0": torch.float8_e8m0fnu,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
    "C64": torch.complex64,
}
"""The names of the dtypes in a file."""

MAX_HEADER = 100_000_000
MAX_METADATA = 1_000_000
MAX_TENSORS = 100_000
MAX_RANK = 8
MAX_DIM = 2**31

_CODES = {dtype: code for code, dtype in DTYPES.items()}
_NAME = re.compile(r"[A-Za-z0-9_.\-/]{1,256}")
_METADATA = "__metadata__"


# ------------------------------------------------------------------------------------- safetensors files


def to_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """Write tensors as a safetensors file, bit for bit: :func:`to_pieces`, joined."""
    return b"".join(to_pieces(tensors, metadata))


def to_pieces(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> list[memoryview]:
    """The bytes of a safetensors file, piece by piece: the header, then each tensor.

    The pieces of plain CPU tensors are the tensors' own memory, not copies: write them before anything changes.
    Device and memory format do not travel: any may come in, plain contiguous CPU tensors come out. Tensors
    that share memory are written one by one.

    Raises:
        ValueError: a tensor that :func:`from_bytes` would refuse (its name, rank, dtype or layout).
    """
    # Widest elements first, so that every tensor starts at a multiple of its element size.
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, Any] = {_METADATA: dict(metadata)} if metadata else {}
    pieces, offset = [], 0
    for name in names:
        piece = _raw(name, tensors[name])
        code, shape = _CODES[tensors[name].dtype], list(tensors[name].shape)
        header[name] = {"dtype": code, "shape": shape, "data_offsets": [offset, offset + piece.nbytes]}
        pieces.append(piece)
        offset += piece.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    _entries(text, offset, "the file to be written", ValueError)  # never write what would not be read
    return [memoryview(len(text).to_bytes(8, "little")), memoryview(text), *pieces]


def from_bytes(data: bytes, source: str) -> dict[str, Tensor]:
    """Read a safetensors file, strictly, into fresh contiguous CPU tensors; nothing in it is executed.

    Args:
        data: the whole file.
        source: what to call it in an error, usually its path.

    Raises:
        BadRun: naming ``source`` and what is wrong.
    """
    view = memoryview(data).cast("B")
    length = int.from_bytes(view[:8], "little")
    if len(view) < 8 or length > len(view) - 8 or length > MAX_HEADER:
        raise BadRun(f"{source} is no safetensors file: it ends too soon, or its header is too long.")
    body = view[8 + length :]
    tensors = {}
    for name, dtype, shape, begin, end in _entries(bytes(view[8 : 8 + length]), len(body), source, BadRun):
        try:
            tensor = torch.empty(shape, dtype=dtype)
        except RuntimeError as error:  # strides of 0 x 2^31 x 2^31 overflow
            raise BadRun(f"{source} is refused: {name} has the impossible shape {shape}.") from error
        if end > begin:
            tensor.reshape(-1).view(torch.uint8).numpy()[:] = np.frombuffer(body[begin:end], np.uint8)
        tensors[name] = tensor
    return tensors


def _raw(name: str, tensor: Tensor) -> memoryview:
    """The tensor's bytes in plain row-major order."""
    if tensor.layout != torch.strided or tensor.dtype not in _CODES or tensor.is_meta:
        kind = f"{tensor.dtype} tensor ({tensor.layout}, {tensor.device})"
        raise ValueError(f"{name}: a {kind} cannot be saved")
    plain = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
    return plain.reshape(-1).view(torch.uint8).numpy().data


_Entry = tuple[str, torch.dtype, list[int], int, int]


def _entries(header: bytes, size: int, source: str, error: type[Exception]) -> list[_Entry]:
    """Check a header against all it may not say; return name, dtype, shape and place of each tensor."""
    if not header.startswith(b"{") or len(header) > MAX_HEADER:
        raise error(f"{source} is no safetensors file: its header is no JSON object, or too long.")
    try:
        table = json.loads(header.decode(), object_pairs_hook=_without_twins, parse_constant=_no_constant)
    except (ValueError, RecursionError) as bad:
        raise error(f"{source} is no safetensors file: its header is unreadable ({bad}).") from bad
    wrong = _wrong_metadata(table.pop(_METADATA, {}))
    if wrong or len(table) > MAX_TENSORS:
        raise error(f"{source} is refused: {wrong or f'it holds more than {MAX_TENSORS:,} tensors'}.")
    entries = []
    for name, entry in table.items():
        if wrong := _wrong_name(name) or _wrong_entry(entry):
            raise error(f"{source} is refused: the tensor {name[:256]!r} {wrong}.")
        begin, end = entry["data_offsets"]
        entries.append((name, DTYPES[entry["dtype"]], entry["shape"], begin, end))
    reached = 0
    for name, _, _, begin, end in sorted(entries, key=lambda e: e[3:]):
        if begin != reached:
            raise error(f"{source} is refused: a hole or an overlap before the tensor {name!r}.")
        reached = end
    if reached != size:
        raise error(f"{source} is refused: its tensors take {reached:,} bytes, it holds {size:,}.")
    return entries


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("the same key twice")
    return table


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _wrong_metadata(metadata: Any) -> str:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        return "its metadata is not text by text"
    if sum(len(key) + len(value) for key, value in metadata.items()) > MAX_METADATA:
        return f"its metadata is longer than {MAX_METADATA:,} letters"
    return ""


def _wrong_name(name: str) -> str:
    if not _NAME.fullmatch(name) or name.startswith("/") or ".." in name.split("/"):
        return "has a name we do not take (letters, digits, _ . - /, at most 256, no way out of a folder)"
    return ""


def _wrong_entry(entry: Any) -> str:
    """What is wrong with one tensor's description, or nothing."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        return "must have dtype, shape and data_offsets, no more"
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(code, str) or code not in DTYPES:
        return f"has the unknown dtype {str(code)[:40]!r}"
    if not isinstance(shape, list) or len(shape) > MAX_RANK or not all(_is_count(dim) for dim in shape):
        return f"has no proper shape (at most {MAX_RANK} dimensions up to {MAX_DIM:,})"
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(type(o) is int for o in offsets):
        return "has no proper data_offsets"
    length = math.prod(shape) * DTYPES[code].itemsize
    if offsets[0] < 0 or offsets[1] - offsets[0] != length:
        return "has data_offsets that do not fit its shape"
    return ""


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_DIM


# ---------------------------------------------------------------------------------------- optimiser state


def flatten_optimizer(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split an optimiser's ``state_dict()`` into tensors, for :func:`to_bytes`, and a rest that JSON can say.

    The strides of a tensor that is not plainly contiguous are kept in the rest: torch's fused Adam walks
    parameters and moments in memory order, and would silently pair the wrong elements after a resume.

    Raises:
        ValueError: something that is neither tensor, number, text, None, tuple, list nor dict.
    """
    tensors: dict[str, Tensor] = {}
    return tensors, {key: _pack(value, key, tensors) for key, value in state.items()}


def unflatten_optimizer(tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> dict[str, Any]:
    """Undo :func:`flatten_optimizer`, exactly; the result is for ``optimizer.load_state_dict``.

    Raises:
        BadRun: a tensor is missing, or ``rest`` is not what flatten_optimizer wrote.
    """
    try:
        return {key: _unpack(value, tensors) for key, value in rest.items()}
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RuntimeError) as error:
        raise BadRun(f"The saved optimiser state is damaged ({error!r}); take another step's.") from error


def _pack(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Say ``value`` in JSON, with ``{"$": kind, ...}`` for what JSON lacks."""
    if value is None or type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value)):
        return value
    if type(value) is float:
        return {"$": "float", "value": repr(value)}
    if isinstance(value, Tensor):
        name = path if path not in tensors and not _wrong_name(path) else f"tensor-{len(tensors)}"
        tensors[name] = value
        return {"$": "tensor", "name": name, **_odd_strides(value)}
    if isinstance(value, list | tuple):
        items = [_pack(item, f"{path}/{i}", tensors) for i, item in enumerate(value)]
        return items if isinstance(value, list) else {"$": "tuple", "items": items}
    if isinstance(value, dict) and all(type(key) in (int, str) for key in value):
        pairs = [(key, _pack(item, f"{path}/{key}", tensors)) for key, item in value.items()]
        if "$" not in value and all(isinstance(key, str) for key in value):
            return dict(pairs)
        return {"$": "dict", "items": [list(pair) for pair in pairs]}
    raise ValueError(f"the optimiser state {path} is a {type(value).__name__}, which cannot be saved")


def _unpack(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("$")
    if kind is None:
        return {key: _unpack(item, tensors) for key, item in value.items()}
    if kind == "float":
        return float(value["value"])
    if kind == "tensor":
        return _with_strides(tensors[value["name"]], value.get("strides"))
    if kind == "tuple":
        return tuple(_unpack(item, tensors) for item in value["items"])
    if kind == "dict":
        return {key: _unpack(item, tensors) for key, item in value["items"]}
    raise ValueError(f"unknown kind {kind!r}")


def _odd_strides(tensor: Tensor) -> dict[str, list[int]]:
    """The strides, if they are not the plain ones and the tensor fills its memory without holes."""
    plain = torch.empty(tensor.shape, device="meta").stride()
    return {"strides": list(tensor.stride())} if tensor.stride() != plain and _is_dense(tensor) else {}


def _is_dense(tensor: Tensor) -> bool:
    reached = 1
    for stride, dim in sorted((s, d) for s, d in zip(tensor.stride(), tensor.shape, strict=True) if d > 1):
        if stride != reached:
            return False
        reached *= dim
    return tensor.numel() > 0


def _with_strides(tensor: Tensor, strides: list[int] | None) -> Tensor:
    if strides is None:
        return tensor
    laid = torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype, device="meta")
    if not _is_dense(laid):  # before any memory is asked for
        raise ValueError(f"strides {strides} for the shape {list(tensor.shape)}")
    return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype, device=tensor.device).copy_(tensor)


# ----------------------------------------------------------------------------------------------- checking


def digest(tensors: Mapping[str, Tensor], rest: Any = None) -> str:
    """SHA-256 of names, dtypes, shapes and bytes of all tensors and of ``rest`` as canonical JSON.

    Equal states give equal digests, on any device and in any memory format, in whatever order they come.
    """
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        # JSON marks its own end, and dtype and shape tell how many bytes follow: no two states look alike.
        total.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        total.update(_raw(name, tensor))
    total.update(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode())
    return total.hexdigest()


def all_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the tensors that hold NaN or infinity; an empty list is good news."""
    return [name for name, tensor in tensors.items() if not _is_finite(tensor)]


def _is_finite(tensor: Tensor) -> bool:
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return True
    if tensor.element_size() == 1:  # float8 has no isfinite
        tensor = tensor.float()
    # Nothing that is added to NaN or infinity becomes finite, and a sum is twenty times as fast as isfinite.
    if bool(torch.isfinite(tensor.sum())):
        return True
    return bool(torch.isfinite(tensor).all())
