"""Tensors and optimisers through bytes and back, bit for bit; liars refused."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from leafwing.core.errors import BadRun
from leafwing.core.tensors import (
    DTYPES,
    all_finite,
    digest,
    flatten_optimizer,
    from_bytes,
    to_bytes,
    unflatten_optimizer,
)

torch.set_num_threads(1)


def _bits(tensor: Tensor) -> bytes:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def _same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        a.dtype == b.dtype and a.shape == b.shape and _bits(a) == _bits(b)
        for a, b in ((one[name], other[name]) for name in one)
    )


def _noise(dtype: torch.dtype, shape: tuple[int, ...], seed: int = 0) -> Tensor:
    """Any bits at all: NaN with a payload, denormals, -0."""
    raw = np.random.default_rng(seed).integers(0, 256, math.prod(shape) * dtype.itemsize, np.uint8)
    if dtype == torch.bool:
        raw &= 1
    tensor = torch.empty(shape, dtype=dtype)
    tensor.reshape(-1).view(torch.uint8).numpy()[:] = raw
    return tensor


@pytest.mark.parametrize("code", DTYPES)
def test_every_dtype_bit_for_bit(code: str):
    dtype = DTYPES[code]
    tensors = {f"{code}/{len(shape)}": _noise(dtype, shape) for shape in [(), (0,), (3, 0, 2), (7,), (2, 3, 4, 5)]}
    data = to_bytes(tensors)
    back = from_bytes(data, "x")
    assert _same(back, tensors)
    assert all(tensor.is_contiguous() for tensor in back.values())
    if code != "F8_E8M0":  # the library's torch door does not take it
        assert _same(safetensors.torch.load(data), tensors)
        assert _same(from_bytes(safetensors.torch.save(tensors), "x"), tensors)


def test_any_memory_format_in_plain_out():
    base = torch.randn(2, 3, 4, 5)
    whole = torch.arange(24.0).reshape(4, 6)
    tensors = {
        "last": base.to(memory_format=torch.channels_last),
        "transposed": whole.t(),
        "strided": whole[::2, 1::3],
        "expanded": torch.ones(1).expand(3, 4),
        "conjugate": torch.randn(3, dtype=torch.complex64).conj(),
        "negative": torch.randn(3, dtype=torch.complex64).conj().imag,
        "parameter": nn.Parameter(base),
        "shared": whole,
        "shared.too": whole[1:],
    }
    back = from_bytes(to_bytes(tensors), "x")
    for name, tensor in tensors.items():
        assert torch.equal(back[name], tensor), name
        assert back[name].is_contiguous()
        assert not back[name].requires_grad
    assert digest(tensors) == digest(back)
    back["shared"].zero_()
    assert torch.equal(back["shared.too"], whole[1:])


def test_nothing_and_metadata():
    assert from_bytes(to_bytes({}), "x") == {}
    data = to_bytes({"a": torch.ones(1)}, {"step": "7", "ü": "ä"})
    assert from_bytes(data, "x")["a"].item() == 1
    assert json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"] == {"step": "7", "ü": "ä"}


@pytest.mark.parametrize(
    "tensors",
    [
        {"a b": torch.ones(1)},
        {"": torch.ones(1)},
        {"../x": torch.ones(1)},
        {"/etc": torch.ones(1)},
        {"__metadata__": torch.ones(1)},
        {"x" * 257: torch.ones(1)},
        {"a": torch.ones([1] * 9)},
        {"a": torch.ones(2, dtype=torch.complex128)},
        {"a": torch.eye(2).to_sparse()},
        {"a": torch.ones(2, device="meta")},
    ],
)
def test_what_could_not_be_read_is_not_written(tensors: dict[str, Tensor]):
    with pytest.raises(ValueError, match=r"cannot be saved|is refused"):
        to_bytes(tensors)


def _file(header: Any, body: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + body


def _one(name: str = "a", dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8), **more: Any) -> dict[str, Any]:
    return {name: {"dtype": dtype, "shape": shape, "data_offsets": offsets, **more}}


TWO = b"12345678"
LIES: dict[str, bytes] = {
    "nothing": b"",
    "seven bytes": b"\2\0\0\0\0\0\0",
    "header beyond the end": _file(b"{}", length=3),
    "header of 2^63": _file(b"{}", length=2**63),
    "header too long": _file(b"{}" + b" " * 100_000_000),
    "empty header": _file(b""),
    "a list": _file([]),
    "a space first": _file(b" {}"),
    "not text": _file(b'{"\xff": 1}'),
    "cut": _file(b'{"a": '),
    "two objects": _file(b"{}{}"),
    "deep": _file(b'{"a":' * 100_000),
    "deep lists": _file(b'{"a":' + b"[" * 100_000),
    "huge number": _file(b'{"a":' + b"9" * 10_000 + b"}"),
    "not a number": _file(b'{"a": NaN}'),
    "twins": _file(b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},' * 2 + b'"b":1}'),
    "twin tensors": _file((json.dumps(_one())[:-1] + "," + json.dumps(_one())[1:]).encode(), TWO),
    "twin keys inside": _file(b'{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}', TWO),
    "way out": _file(_one("../../x"), TWO),
    "way out inside": _file(_one("a/../../x"), TWO),
    "absolute": _file(_one("/etc/passwd"), TWO),
    "backslash": _file(_one("a\\b"), TWO),
    "no name": _file(_one(""), TWO),
    "newline": _file(_one("a\n"), TWO),
    "NUL": _file(_one("a\0"), TWO),
    "long name": _file(_one("a" * 257), TWO),
    "half a letter": _file(b'{"\\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', TWO),
    "unknown dtype": _file(_one(dtype="F128"), TWO),
    "pickled dtype": _file(_one(dtype="torch.float32"), TWO),
    "dtype a list": _file(_one(dtype=["F32"]), TWO),
    "no dtype": _file({"a": {"shape": [2], "data_offsets": [0, 8]}}, TWO),
    "more keys": _file(_one(code="import os"), TWO),
    "entry a number": _file({"a": 1}),
    "shape a text": _file(_one(shape="2"), TWO),
    "shape of fractions": _file(_one(shape=[2.0]), TWO),
    "shape of truths": _file(_one(shape=[True, 2]), TWO),
    "negative shape": _file(_one(shape=[-2]), TWO),
    "two negatives": _file(_one(shape=[-1, -2]), TWO),
    "rank nine": _file(_one(shape=[2] + [1] * 8), TWO),
    "0 x 2^62": _file(_one(shape=[0, 2**62], offsets=(0, 0))),
    "0 x 2^31 x 2^31 x 2^31": _file(_one(shape=[0] + [2**31] * 3, offsets=(0, 0))),
    "overflow to 8 bytes": _file(_one(shape=[2**31, 2**31, 2**2], offsets=(0, 8)), TWO),
    "too small for its shape": _file(_one(shape=[3]), TWO),
    "offsets reversed": _file(_one(offsets=(8, 0)), TWO),
    "offsets negative": _file(_one(offsets=(-8, 0)), TWO),
    "offsets one": _file(_one(offsets=[0]), TWO),
    "offsets text": _file(_one(offsets=["0", "8"]), TWO),
    "offsets beyond": _file(_one(offsets=(8, 16)), TWO),
    "offsets huge": _file(_one(offsets=(2**64, 2**64 + 8)), TWO),
    "truncated": _file(_one(), TWO[:-1]),
    "trailing": _file(_one(), TWO + b"x"),
    "trailing, no tensors": _file({}, b"x"),
    "hole": _file({**_one(), **_one("b", offsets=(12, 20))}, b"x" * 20),
    "overlap": _file({**_one(), **_one("b", offsets=(4, 12))}, b"x" * 12),
    "same place": _file({**_one(), **_one("b")}, TWO),
    "100,001 tensors": _file({f"t{i}": _one("x", "U8", [0], [0, 0])["x"] for i in range(100_001)}),
    "metadata a list": _file({"__metadata__": []}),
    "metadata of numbers": _file({"__metadata__": {"a": 1}}),
    "metadata too long": _file({"__metadata__": {"a": "x" * 1_000_001}}),
    "pickle": b"\x80\x04\x95\x1e\0\0\0\0\0\0\0\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.",
    "zip": b"PK\x03\x04" + b"\0" * 60,
}


@pytest.mark.parametrize("lie", LIES)
def test_header_lies_are_refused(lie: str):
    with pytest.raises(BadRun, match=r"runs/x/g\.safetensors") as refusal:
        from_bytes(LIES[lie], "runs/x/g.safetensors")
    assert len(str(refusal.value)) < 700


def test_the_table_of_lies_starts_from_something_true():
    assert from_bytes(_file(_one(), TWO), "x")["a"].shape == (2,)


def test_no_truncation_and_no_mutant_does_more_than_be_refused():
    data = to_bytes(
        {"a": torch.randn(5), "b": torch.randn(2, 3, dtype=torch.float64), "c": torch.ones(3, dtype=torch.bool)}
    )
    for length in range(len(data)):
        with pytest.raises(BadRun):
            from_bytes(data[:length], "x")
    rng = np.random.default_rng(0)
    for _ in range(1_500):
        mutant = bytearray(data)
        for _ in range(rng.integers(1, 4)):
            mutant[rng.integers(len(data) if rng.random() < 0.3 else 200)] = rng.integers(256)
        try:
            from_bytes(bytes(mutant), "x")
        except BadRun:
            continue


NAMES = st.from_regex(r"[A-Za-z0-9_\-]{1,20}([./][A-Za-z0-9_\-]{1,10}){0,3}", fullmatch=True)
SHAPES = st.lists(st.integers(0, 4), max_size=5).map(tuple)
TENSORS = st.builds(_noise, st.sampled_from(list(DTYPES.values())), SHAPES, st.integers(0, 2**32))


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(NAMES.filter(lambda name: name != "__metadata__"), TENSORS, max_size=6),
    st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3),
    st.randoms(use_true_random=False),
)
def test_round_trip_of_anything(tensors: dict[str, Tensor], metadata: dict[str, str], shuffle: Any):
    data = to_bytes(tensors, metadata)
    back = from_bytes(data, "x")
    assert _same(back, tensors)
    names = list(tensors)
    shuffle.shuffle(names)
    shuffled = {name: tensors[name] for name in names}
    assert to_bytes(shuffled, metadata) == data
    assert digest(back) == digest(shuffled)


# -------------------------------------------------------------------------------------------- optimisers


def _net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3), nn.Flatten(), nn.Linear(16, 1))


def _learn(net: nn.Module, optimizer: torch.optim.Optimizer, start: int, last: bool) -> None:
    for step in range(start, start + 4):
        x = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        net(x.to(memory_format=torch.channels_last) if last else x).square().mean().backward()
        optimizer.step()


Maker = Callable[[Any], torch.optim.Optimizer]
OPTIMIZERS: dict[str, Maker] = {
    "Adam": lambda p: torch.optim.Adam(p, lr=1e-2, betas=(0.0, 0.99)),
    "Adam, fused": lambda p: torch.optim.Adam(p, lr=1e-2, fused=True),
    "Adam, lr a tensor": lambda p: torch.optim.Adam(p, lr=torch.tensor(1e-2), foreach=False),
    "Adam, amsgrad": lambda p: torch.optim.Adam(p, lr=1e-2, amsgrad=True, foreach=True),
    "AdamW, fused": lambda p: torch.optim.AdamW(p, lr=1e-2, fused=True),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=1e-3, momentum=0.9, centered=True),
    "SGD, momentum": lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, nesterov=True),
    "SGD, plain": lambda p: torch.optim.SGD(p, lr=1e-2),
    "Adagrad": lambda p: torch.optim.Adagrad(p, lr=1e-2),
    "Rprop": lambda p: torch.optim.Rprop(p, lr=1e-3),
    "two groups": lambda p: torch.optim.Adam([{"params": p[:2], "lr": 1e-3}, {"params": p[2:], "name": "late"}]),
}


@pytest.mark.parametrize("last", [False, True], ids=["plain", "channels_last"])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_an_optimiser_goes_on_as_if_never_interrupted(kind: str, last: bool):
    def start() -> tuple[nn.Module, torch.optim.Optimizer]:
        net = _net().to(memory_format=torch.channels_last if last else torch.contiguous_format)
        return net, OPTIMIZERS[kind](list(net.parameters()))

    net, optimizer = start()
    _learn(net, optimizer, 0, last)
    tensors, rest = flatten_optimizer(optimizer.state_dict())
    saved, text, weights = to_bytes(tensors), json.dumps(rest, allow_nan=False), to_bytes(net.state_dict())
    _learn(net, optimizer, 4, last)

    again, resumed = start()
    again.load_state_dict(from_bytes(weights, "g"))
    state = unflatten_optimizer(from_bytes(saved, "opt"), json.loads(text))
    resumed.load_state_dict(state)
    _learn(again, resumed, 4, last)

    assert digest(net.state_dict()) == digest(again.state_dict())
    assert digest(*flatten_optimizer(optimizer.state_dict())) == digest(*flatten_optimizer(resumed.state_dict()))


def test_the_state_itself_comes_back_exactly():
    state = {
        "state": {0: {"step": torch.tensor(3.0), "x": None, "hits": 7, "odd key": torch.ones(2)}, "a/b": {}},
        "param_groups": [
            {"betas": (0.9, 0.999), "lr": 0.1 + 0.2, "eps": 5e-324, "inf": math.inf, "params": [0, 1], "f": True},
            {"$": "tensor", "nested": [(1, (2.5, None)), {"k": -0.0}]},
        ],
    }
    tensors, rest = flatten_optimizer(state)
    back = unflatten_optimizer(from_bytes(to_bytes(tensors), "x"), json.loads(json.dumps(rest, allow_nan=False)))
    assert repr(back) == repr(state)  # repr tells tuples from lists, ints from floats, -0.0 from 0.0
    nan = unflatten_optimizer({}, flatten_optimizer({"x": math.nan})[1])["x"]
    assert math.isnan(nan)


def test_what_is_no_state_is_refused():
    for value in (object(), {1.5: 2}, {"f": len}):
        with pytest.raises(ValueError, match="state"):
            flatten_optimizer({"state": value})
    ones = {"t": torch.ones(2, 3)}
    for rest in (
        {"$": "tensor", "name": "missing"},
        {"$": "tensor", "name": ["t"]},
        {"$": "tensor"},
        {"$": "spell"},
        {"$": "dict", "items": [[1]]},
        {"$": "dict", "items": [[[], 1]]},
        {"$": "tuple", "items": 3},
        {"$": "float", "value": "x"},
        {"$": "tensor", "name": "t", "strides": [2**28, 1]},
        {"$": "tensor", "name": "t", "strides": [2**62, 1]},
        {"$": "tensor", "name": "t", "strides": [2**70, 1]},
        {"$": "tensor", "name": "t", "strides": [0, 0]},
        {"$": "tensor", "name": "t", "strides": [-3, 1]},
        {"$": "tensor", "name": "t", "strides": [1]},
        {"$": "tensor", "name": "t", "strides": "ab"},
    ):
        with pytest.raises(BadRun, match="optimiser state is damaged"):
            unflatten_optimizer(ones, {"x": rest})


# ---------------------------------------------------------------------------------------------- checking


def test_digest_tells_states_apart():
    a = torch.arange(6.0)
    digests = [
        digest({"a": a}),
        digest({"b": a}),
        digest({"a": a.reshape(2, 3)}),
        digest({"a": a.double()}),
        digest({"a": a.view(torch.int32)}),
        digest({"a": a, "b": a[:0]}),
        digest({"a": torch.where(a == 0, -0.0, a)}),
        digest({"a": a}, {"step": 1}),
        digest({"a": a}, {"step": 2}),
        digest({}),
    ]
    assert len(set(digests)) == len(digests)
    assert digest({"a": a}, {"x": 1, "y": (2,)}) == digest({"a": a.clone()}, {"y": [2], "x": 1})


def test_all_finite_names_the_sick():
    sick = {
        f"{str(dtype)[6:]}-{value}": torch.tensor([1.0, value, 2.0]).to(dtype)
        for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.complex64)
        for value in (math.nan, math.inf, -math.inf)
    }
    sick["float8"] = torch.tensor([math.nan]).to(torch.float8_e4m3fn)
    well = {
        "int": torch.tensor([1]),
        "bool": torch.tensor([True]),
        "empty": torch.empty(0),
        "zero-dim": torch.tensor(1e38),
        "last": torch.randn(1, 2, 3, 3).to(memory_format=torch.channels_last),
    }
    assert all_finite({**well, **sick}) == list(sick)
    assert all_finite(well) == []
