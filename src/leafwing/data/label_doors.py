"""Where labels come from: sub-folders, a labels.csv, arrays of an .npz, MNIST's label files, a world's factors."""

from __future__ import annotations

import csv
import gzip
import os
import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from leafwing.core.errors import BadData, did_you_mean
from leafwing.data.archives import BROKEN
from leafwing.data.arrays import IdxDoor, NpzDoor
from leafwing.data.build import nothing_found
from leafwing.data.doors import find_door
from leafwing.data.drawn import find_world, is_world
from leafwing.data.entries import Door
from leafwing.data.labels import FEW, Labels, Numbers, learn
from leafwing.data.names import shown
from leafwing.data.pictures import BadPicture
from leafwing.data.store import DEFAULT_COUNT, Store

FOLDER = "folder"
"""Asks for the sub-folder that a picture lies in."""
TABLE = "labels.csv"
UNKNOWN = ("", "any")
"""Cells that say nothing."""
Columns = Mapping[str, Sequence[str]]
HOW = "put pictures into sub-folders and ask for data.condition=folder, or add a labels.csv (file,hair,eyes)"


@runtime_checkable
class Labelled(Protocol):
    """A world that knows what it drew."""

    def labels(self, index: int) -> Mapping[str, str | float | bool]:
        """Attribute -> value of one picture."""
        ...


def read_labels(store: Store, wanted: Sequence[str], hides: bool = False, whole: bool = True) -> Labels:
    """The labels of a store's pictures.

    Args:
        store: whose source is looked at again.
        wanted: attributes: columns of a labels.csv, arrays of an .npz, factors of a world, or ``folder``.
        hides: whether training hides labels now and then.
        whole: whether the store holds all the source's pictures; else labels of others are no surprise.

    Raises:
        BadData: no labels, no such attribute (nearest named), a damaged table, labels that mean nothing.
    """
    remarks = list[str]()
    labels = learn(find_columns(store, wanted, remarks, whole), store.source, hides)
    return Labels(labels.vocabulary, labels.codes, remarks + labels.remarks)


def try_labels(source: str, wanted: Sequence[str], count: int | None = None, hides: bool = False) -> Labels | None:
    """The labels of a source as a run would read them, but no picture is decoded or drawn; None if it is not there.

    A world is asked for 10,000 labels at most. Files that will turn out damaged count as pictures.

    Raises:
        BadData: as `read_labels`, or no source of pictures.
    """
    if is_world(source):
        drawn = {"n": min(count or DEFAULT_COUNT, DEFAULT_COUNT), "kind": "world", "source": source, "world_seed": 0}
        return read_labels(Store(Path(), drawn, False), wanted, hides)
    if not os.path.exists(os.path.expanduser(source)):
        return None
    door = find_door(source)
    names = door.listing.names[:count]
    if not names:
        raise BadData(nothing_found(door))
    store = Store(Path(), {"n": len(names), "kind": door.kind, "source": door.source}, False)
    store.names, store.bad = names, door.listing.refused
    return read_labels(store, wanted, hides)


def find_columns(store: Store, wanted: Sequence[str], remarks: list[str], whole: bool = True) -> Columns:
    """A word for each picture, for each wanted attribute; raises as `read_labels`."""
    source = store.source
    if store.meta["kind"] == "world":
        found = of_world(store)
    else:
        door = find_door(source)
        if isinstance(door, NpzDoor):
            found = of_arrays(door, store)
        elif isinstance(door, IdxDoor):
            found = of_idx(door, store)
        else:
            found = of_files(door, store, wanted, remarks, whole)
    columns: dict[str, Sequence[str]] = {}
    for name in wanted:
        several = [key for key in found if key.startswith(f"{name}.") and key[len(name) + 1 :].isdigit()]
        if name not in found and not several:
            raise BadData(f"data.condition: {shown(source)} has no label called {name!r}.{did_you_mean(name, found)}")
        columns |= (
            {name: found[name]} if name in found else telling(name, {key: found[key] for key in several}, remarks)
        )
    return columns


def telling(name: str, vector: Columns, remarks: list[str]) -> Columns:
    """The columns of a vector that are not the same for all pictures; all of them if none is."""
    varied = {key: words for key, words in vector.items() if len({word for word in words if word}) > 1}
    left_out = len(vector) - len(varied)
    if not varied or not left_out:
        return vector
    remarks.append(f"{left_out:,} of the {len(vector):,} numbers of {shown(name)} are the same for all: left out.")
    return varied


def of_world(store: Store) -> Columns:
    """A world's factors."""
    world = find_world(store.source, int(store.meta["world_seed"]))
    if not isinstance(world, Labelled):
        raise BadData(f"{store.source} has no labels, so data.condition cannot be set for it.")
    rows = [world.labels(index) for index in range(len(store))]
    return {name: [str(row[name]) for row in rows] for name in rows[0]}


def of_arrays(door: NpzDoor, store: Store) -> Columns:
    """Every other array of the .npz with a row a picture; columns of a table become ``name.0``, ``name.1`` …."""
    total = door.header.shape[0]
    rows = np.array([int(name) for name in store.names])
    found: dict[str, list[str]] = {}
    try:
        with np.load(door.path, allow_pickle=False) as arrays:
            for name in door.tables:
                array = np.asarray(arrays[name])
                table = array[rows].reshape(len(rows), -1)
                names = [name] if array.ndim == 1 else [f"{name}.{i}" for i in range(table.shape[1])]
                kind = Numbers if len(names) > 1 and np.issubdtype(table.dtype, np.floating) else list
                found |= {key: kind(map(word, column)) for key, column in zip(names, table.T.tolist(), strict=True)}
    except (*BROKEN, NotImplementedError, RuntimeError) as error:
        raise BadData(f"The labels in {shown(door.source)} cannot be read ({' '.join(str(error).split())}).") from error
    if not found:
        raise BadData(
            f"{shown(door.source)} has no labels, but data.condition asks for some: add an array such as labels with "
            f"{total:,} rows, or leave data.condition empty."
        )
    return found


def word(value: object) -> str:
    """A value of an array in words; empty for NaN."""
    return "" if value != value else str(value).strip()


def of_idx(door: IdxDoor, store: Store) -> Columns:
    """MNIST's digits: ``train-labels-idx1-ubyte`` beside ``train-images-idx3-ubyte`` is the attribute ``label``."""
    name = door.path.name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1")
    path = door.path.with_name(name)
    choices = [path, path.with_suffix("") if path.suffix == ".gz" else Path(f"{path}.gz")]
    path = next((p for p in choices if p != door.path and p.is_file()), path)
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except BROKEN:
        raise BadData(f"{shown(door.source)} has no labels beside it: put {shown(name)} there.") from None
    total = door.header.shape[0]
    if raw[:4] != b"\0\0\x08\x01" or len(raw) != 8 + total:
        raise BadData(f"{shown(path)} does not hold one label for each of {total:,} pictures: download it again.")
    return {"label": [str(raw[8 + int(row)]) for row in store.names]}


def of_files(door: Door, store: Store, wanted: Sequence[str], remarks: list[str], whole: bool) -> Columns:
    """Sub-folders and labels.csv."""
    found: dict[str, Sequence[str]] = {}
    common = posixpath.commonpath([posixpath.dirname(name) for name in store.names])
    if FOLDER in wanted:
        found[FOLDER] = of_folders(store, common)
    if set(wanted) == {FOLDER}:
        return found
    for folder in dict.fromkeys(("", common)):
        name = posixpath.join(folder, TABLE)
        where = shown(f"{door.source}{os.sep}{name}")
        try:
            raw = door.beside(name)
        except BadPicture as bad:
            raise BadData(f"{where} cannot be read ({bad}).") from bad
        if raw is not None:
            return found | of_table(raw, where, folder, store, remarks, whole)
    raise BadData(
        f"{shown(door.source)} has no labels, but data.condition asks for {', '.join(wanted)}: {HOW}, "
        "or leave data.condition empty."
    )


def of_folders(store: Store, common: str) -> list[str]:
    """The first folder of each name below what all names begin with; empty for a picture in none."""
    skip = len(common) + 1 if common else 0
    inner = [name[skip:].partition("/") for name in store.names]
    found = [first if slash else "" for first, slash, _ in inner]
    if not any(found):
        raise BadData(
            f"{shown(store.source)} has no sub-folders to tell pictures apart by: one for each class, or leave "
            "data.condition empty."
        )
    return found


def of_table(
    raw: bytes, where: str, folder: str, store: Store, remarks: list[str], whole: bool
) -> dict[str, list[str]]:
    """A labels.csv joined to the pictures by name: attribute -> a word for each picture.

    Raises:
        BadData: a table that cannot be read, a picture labelled twice and differently, no picture known.
    """
    attributes, rows = parse_table(raw, where)
    places = {name: number for number, name in enumerate(store.names)}
    columns = {name: [""] * len(places) for name in attributes}
    unknown: list[str] = []
    seen: dict[int, tuple[int, list[str]]] = {}
    for line, file, cells in rows:
        place = places.get(posixpath.normpath(posixpath.join(folder, file)), places.get(posixpath.normpath(file)))
        if place is None:
            unknown.append(file)
            continue
        if place in seen and seen[place][1] != cells:
            raise BadData(f"{where} labels {shown(file)} twice, differently: lines {seen[place][0]} and {line}.")
        seen[place] = line, cells
        for name, cell in zip(attributes, cells, strict=True):
            columns[name][place] = cell
    if not seen:
        raise BadData(f"{where} labels none of the pictures (its first file is {shown(unknown[0])}): mend its names.")
    left_out = {bad.name for bad in store.bad}
    lost = [file for file in unknown if not left_out & {file, posixpath.join(folder, file)}]
    if lost and whole:
        some = ", ".join(map(shown, lost[:FEW])) + (", …" if len(lost) > FEW else "")
        files = "1 file that is" if len(lost) == 1 else f"{len(lost):,} files that are"
        remarks.append(f"{where} names {files} not among the pictures ({some}).")
    return columns


def parse_table(raw: bytes, where: str) -> tuple[list[str], list[tuple[int, str, list[str]]]]:
    """A header, then a row a picture; the column ``file`` (else the first) names it.

    Returns:
        The attributes, and (line, file, cells) of each row; cells that say nothing are empty.

    Raises:
        BadData: not text, no header, or a row of another length.
    """
    try:
        lines = raw.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise BadData(f"{where} is not text in UTF-8: save it as CSV UTF-8.") from None
    head = lines[0] if lines else ""
    reader = csv.reader(lines, delimiter=";" if head.count(";") > head.count(",") else ",")
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(row)]
    except csv.Error as error:
        raise BadData(
            f"{where}, line {reader.line_num}, cannot be read ({error}): close quotation marks, shorten cells."
        ) from None
    if len(rows) < 2 or len(rows[0][1]) < 2:
        raise BadData(f"{where} holds no labels: the first line should be like file,hair,eyes, then a row a picture.")
    header = rows[0][1]
    at = header.index("file") if "file" in header else 0
    attributes = [name for place, name in enumerate(header) if place != at]
    if len(set(attributes)) < len(attributes) or not all(attributes):
        raise BadData(f"{where} has two columns of one name, or one without: name each once.")
    for line, row in rows[1:]:
        if len(row) != len(header):
            raise BadData(f"{where}, line {line}, has {len(row)} cells, but the header has {len(header)}.")
    cells = [["" if c in UNKNOWN else c for i, c in enumerate(row) if i != at] for _, row in rows[1:]]
    return attributes, [(line, row[at], c) for (line, row), c in zip(rows[1:], cells, strict=True)]
