"""The store: built once, whole or not at all, the same however it was built."""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image

import leafwing
from leafwing.core.errors import BadConfig, BadData, StorageFailed
from leafwing.data import cache as cache_module
from leafwing.data import cache_root, drawn, open_data, pictures, reading, tasks
from leafwing.data import store as stores
from leafwing.data.crew import Helper
from leafwing.data.reading import work_through

RNG = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LEAFWING_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def png(pixels):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=0)  # so that all have one length
    return out.getvalue()


def make_folder(root, count, garbage=0):
    """Write ``count`` pictures of 16×16, the first ``garbage`` of every twenty of them useless."""
    root.mkdir(parents=True)
    arrays = RNG.integers(0, 256, (count, 16, 16, 3), np.uint8)
    for i, pixels in enumerate(arrays):
        (root / f"{i:04d}.png").write_bytes(RNG.bytes(50) if i % 20 < garbage else png(pixels))
    return arrays


@pytest.fixture
def crew(monkeypatch):
    """Send all work but the first chunk to helper processes."""
    monkeypatch.setattr(reading, "FIRST_LOOK", 0)
    monkeypatch.setattr(reading, "WORTH_A_CREW", 0)


def leftovers(cache):
    return sorted(p.name for p in (cache / "data").iterdir() if ".tmp-" in p.name) if (cache / "data").exists() else []


def test_what_a_store_is(tmp_path, cache):
    arrays = make_folder(tmp_path / "p", 12)
    seen = []
    store = open_data(tmp_path / "p", image_size=16, progress=lambda done, total: seen.append((done, total)))
    np.testing.assert_array_equal(store.pictures, arrays)
    assert len(store) == 12
    assert store.pictures.dtype == np.uint8
    assert not store.pictures.flags.writeable
    assert len(store.fingerprint) == 64
    assert store.source == str(tmp_path / "p")
    assert store.names == [f"{i:04d}.png" for i in range(12)]
    assert store.folder.parent == cache / "data" == cache_root() / "data"
    assert not store.reused
    assert seen[-1] == (12, 12)
    assert sorted(p.name for p in store.folder.iterdir()) == [
        "bad_files.jsonl",
        "meta.json",
        "names.json",
        "pictures.u8",
        "records.bin",
    ]
    assert json.loads((store.folder / "meta.json").read_text())["n"] == 12
    assert not leftovers(cache)


def test_the_second_opening_decodes_nothing(tmp_path, monkeypatch):
    make_folder(tmp_path / "p", 6)
    first = open_data(tmp_path / "p", image_size=16)
    monkeypatch.setattr(pictures, "decode", lambda *_: pytest.fail("decoded again"))
    second = open_data(tmp_path / "p", image_size=16)
    assert second.reused
    assert second.fingerprint == first.fingerprint
    np.testing.assert_array_equal(first.pictures, second.pictures)


def test_each_option_has_its_own_store(tmp_path):
    make_folder(tmp_path / "p", 4)
    options = [{}, {"image_size": 32}, {"channels": 1}, {"fit": "pad"}, {"background": (0, 0, 0)}, {"count": 3}]
    stores = [open_data(tmp_path / "p", **{"image_size": 16, **o}) for o in options]
    assert len({s.folder for s in stores}) == len(options)
    assert not any(s.reused for s in stores)
    assert len({s.fingerprint for s in stores[:-1]}) == 1  # the same files whatever is made of them


def changed(tmp_path, change):
    make_folder(tmp_path / "p", 5)
    before = open_data(tmp_path / "p", image_size=16)
    change(tmp_path / "p")
    after = open_data(tmp_path / "p", image_size=16)
    return before, after


@pytest.mark.parametrize(
    "change",
    [
        lambda p: (p / "0001.png").write_bytes(png(np.zeros((16, 16, 3), np.uint8))),
        lambda p: (p / "0001.png").unlink(),
        lambda p: (p / "0001.png").rename(p / "9.png"),
        lambda p: (p / "new.png").write_bytes((p / "0001.png").read_bytes()),
        lambda p: same_size_and_time(p / "0001.png"),
    ],
    ids=["rewritten", "removed", "renamed", "added", "swapped content, same size and time"],
)
def test_a_changed_folder_is_built_anew_and_known(tmp_path, change):
    before, after = changed(tmp_path, change)
    assert not after.reused
    assert after.fingerprint != before.fingerprint


def same_size_and_time(path):
    facts, raw = path.stat(), path.read_bytes()
    time.sleep(0.02)  # the clock of the file system is coarse
    path.write_bytes(png(np.zeros((16, 16, 3), np.uint8)))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (facts.st_size, facts.st_mtime_ns)
    assert path.read_bytes() != raw


def test_times_and_place_do_not_enter_the_fingerprint(tmp_path):
    before, after = changed(tmp_path, lambda p: [os.utime(f, (1, 1)) for f in p.iterdir()])
    assert not after.reused
    assert after.fingerprint == before.fingerprint
    (tmp_path / "p").rename(tmp_path / "moved")
    assert open_data(tmp_path / "moved", image_size=16).fingerprint == before.fingerprint


@pytest.mark.parametrize(
    "damage",
    [
        lambda s: (s / "meta.json").write_text("{"),
        lambda s: (s / "meta.json").unlink(),
        lambda s: (s / "pictures.u8").write_bytes(b"short"),
    ],
)
def test_a_damaged_store_is_built_anew(tmp_path, damage):
    arrays = make_folder(tmp_path / "p", 4)
    damage(open_data(tmp_path / "p", image_size=16).folder)
    store = open_data(tmp_path / "p", image_size=16)
    assert not store.reused
    np.testing.assert_array_equal(store.pictures, arrays)


def test_garbage_is_skipped_named_and_counted(tmp_path, crew):
    arrays = make_folder(tmp_path / "p", 400, garbage=1)
    store = open_data(tmp_path / "p", image_size=16, workers=2)
    good = [i for i in range(400) if i % 20]
    assert len(store) == 380
    np.testing.assert_array_equal(store.pictures, arrays[good])
    assert store.names == [f"{i:04d}.png" for i in good]
    assert [b.name for b in store.bad] == [f"{i:04d}.png" for i in range(0, 400, 20)]
    assert all(b.kind == "unknown kind" for b in store.bad)
    assert (store.folder / "pictures.u8").stat().st_size == 380 * 16 * 16 * 3


def test_too_much_garbage_stops_with_a_report(tmp_path, cache):
    make_folder(tmp_path / "p", 40, garbage=3)
    (tmp_path / "p" / "0019.png").write_bytes(b"")
    with pytest.raises(BadData) as error:
        open_data(tmp_path / "p", image_size=16)
    says = str(error.value)
    assert "7 of 40 files cannot be used" in says
    assert "6 unknown kind, 1 empty file" in says
    assert "'0000.png' unknown kind" in says
    assert not list((cache / "data").iterdir())
    assert len(open_data(tmp_path / "p", image_size=16, max_bad_share=0.2)) == 33
    with pytest.raises(BadData, match="7 of 40"):  # the store is there, the limit still holds
        open_data(tmp_path / "p", image_size=16)


def test_three_pictures_will_do(tmp_path):
    make_folder(tmp_path / "p", 3)
    assert len(open_data(tmp_path / "p")) == 3


@pytest.mark.parametrize(
    "options",
    [
        {"image_size": 0},
        {"image_size": 10_000},
        {"channels": 5},
        {"fit": "stretch"},
        {"background": (0, 0, 300)},
        {"count": 1},
        {"max_bad_share": 2},
    ],
)
def test_impossible_options(tmp_path, options):
    make_folder(tmp_path / "p", 3)
    with pytest.raises(BadConfig, match=next(iter(options))):
        open_data(tmp_path / "p", **options)


class Dots:
    """A tiny world: picture i has the colour i."""

    name, version, channels, min_size = "dots", 1, 3, 16

    def __init__(self, seed=0):
        self.seed, self.drawn = seed, 0

    def render(self, indices, size=64, workers=None, out=None, progress=None):
        shades = np.array([(i + self.seed) % 256 for i in indices], np.uint8)
        self.drawn += len(indices)
        made = np.broadcast_to(shades[:, None, None, None], (len(indices), size, size, 3))
        if out is not None:
            out[:] = made
        return made if out is None else out


def test_worlds_go_through_the_same_store(monkeypatch):
    worlds = []
    monkeypatch.setitem(drawn.MORE, "dots", lambda seed: worlds.append(Dots(seed)) or worlds[-1])
    store = open_data("world:dots", image_size=16, count=300)
    assert store.pictures[:, 0, 0, 0].tolist() == [i % 256 for i in range(300)]
    assert store.names[7] == "7"
    assert store.source == "world:dots"
    again = open_data("world:dots", image_size=16, count=300)
    assert again.reused
    assert worlds[-1].drawn == 0
    assert open_data("world:dots", image_size=16, count=300, channels=1).pictures.shape == (300, 16, 16, 1)
    others = [
        open_data("world:dots", image_size=16, count=300, world_seed=1),
        open_data("world:dots", image_size=16, count=40),
    ]
    monkeypatch.setattr(Dots, "version", 2)
    others.append(open_data("world:dots", image_size=16, count=300))
    assert not any(o.reused for o in others)
    assert len({store.fingerprint, *(o.fingerprint for o in others)}) == 4
    with pytest.raises(BadConfig, match="at least 16"):
        open_data("world:dots", image_size=8)


def test_an_unknown_world():
    with pytest.raises(BadData, match=r"no world called 'facse'\. Did you mean 'faces'"):
        open_data("world:facse")


def test_faces_are_a_world(tmp_path):
    pytest.importorskip("leafwing.worlds.faces")
    store = open_data("world:faces", image_size=16, count=3, workers=1)
    assert store.pictures.shape == (3, 16, 16, 3)
    assert store.pictures.std() > 5


def script(tmp_path, text):
    path = tmp_path / "script.py"
    path.write_text(
        "from leafwing.data import open_data, reading\nreading.FIRST_LOOK = reading.WORTH_A_CREW = 0\n" + text
    )
    search = os.pathsep.join([os.path.dirname(os.path.dirname(leafwing.data.__path__[0])), *sys.path])
    return [sys.executable, str(path)], {**os.environ, "PYTHONPATH": search}


def test_an_unguarded_script_runs_once(tmp_path):
    make_folder(tmp_path / "p", 64)
    command, env = script(tmp_path, f"print('once', len(open_data({str(tmp_path / 'p')!r}, image_size=16, workers=2)))")
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "once 64\n"
    assert not done.stderr


def test_killed_while_building(tmp_path, cache):
    arrays = make_folder(tmp_path / "p", 128)
    command, env = script(
        tmp_path,
        f"""
import os
def die(done, total):
    if done >= 48: os.kill(os.getpid(), 9)
open_data({str(tmp_path / "p")!r}, image_size=16, workers=2, progress=die)
""",
    )
    child = subprocess.Popen(command, env=env, start_new_session=True)
    assert child.wait(timeout=60) == -signal.SIGKILL
    assert len(leftovers(cache)) == 1
    assert not list((cache / "data").glob("*/../*[!0-9a-f]/meta.json"))
    until = time.monotonic() + 10
    while helpers_live(child.pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not helpers_live(child.pid)
    store = open_data(tmp_path / "p", image_size=16)
    assert not store.reused
    np.testing.assert_array_equal(store.pictures, arrays)
    assert not leftovers(cache)


def helpers_live(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_an_exception_in_progress_leaves_nothing(tmp_path, cache, crew):
    make_folder(tmp_path / "p", 128)

    def stop(done, total):
        if done >= 48:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_data(tmp_path / "p", image_size=16, workers=2, progress=stop)
    assert not list((cache / "data").iterdir())


def test_two_builds_at_once(tmp_path, cache):
    arrays = make_folder(tmp_path / "p", 60)
    stores, gate = [], threading.Barrier(3)

    def build():
        gate.wait()
        stores.append(open_data(tmp_path / "p", image_size=16))

    builders = [threading.Thread(target=build) for _ in range(3)]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert len(stores) == 3
    for store in stores:
        np.testing.assert_array_equal(store.pictures, arrays)
    assert len(list((cache / "data").iterdir())) == 1


def test_a_sweep_cannot_take_a_folder_that_is_about_to_be_locked(tmp_path, monkeypatch):
    """One build has made its folder and its lock file; another begins before the lock is held."""
    began, folders = threading.Event(), []
    lock = cache_module._locked

    def slow(folder):
        (folder / "building.lock").touch()
        began.set()
        time.sleep(0.3)
        return lock(folder)

    def build(name):
        with cache_module.building(tmp_path / name) as folder:
            folders.append(folder.is_dir())
            (folder / "meta.json").touch()

    monkeypatch.setattr(cache_module, "_locked", slow)
    first = threading.Thread(target=build, args=("one",))
    first.start()
    began.wait()
    monkeypatch.setattr(cache_module, "_locked", lock)
    build("two")
    first.join()
    assert folders == [True, True]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_a_store_finished_between_two_looks_is_not_thrown_away(tmp_path, monkeypatch):
    """Two processes: the other one publishes just after this one found nothing."""
    make_folder(tmp_path / "p", 4)
    look, looks = stores._reused, []

    def late(final, share):
        if not looks:
            looks.append(1)
            open_data(tmp_path / "p", image_size=16)  # the other process
            return None
        return look(final, share)

    monkeypatch.setattr(stores, "_reused", late)
    monkeypatch.setattr(stores, "discard", lambda final: pytest.fail("a good store was thrown away"))
    assert len(open_data(tmp_path / "p", image_size=16)) == 4


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, cache):
    make_folder(tmp_path / "p", 60)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(
            StorageFailed,
            match=r"cache '.*/cache/data' cannot be written \(.*\): 0\.7 MB needed, .* MB free\. Make room",
        ) as error:
            open_data(tmp_path / "p", image_size=64)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert "\n" not in str(error.value)
    assert not list((cache / "data").iterdir())


def test_more_than_the_disk_has_is_refused_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setitem(drawn.MORE, "dots", Dots)
    with pytest.raises(StorageFailed, match="needed"):
        open_data("world:dots", image_size=4096, count=10**9)


def test_a_cache_that_cannot_be_made(tmp_path):
    make_folder(tmp_path / "p", 3)
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageFailed, match="cannot be written"):
        open_data(tmp_path / "p", cache=tmp_path / "file")


class Fragile:
    """A task that dies, process and all, over the number 30."""

    patience = 10.0

    def __call__(self, piece):
        if piece == 30:
            os._exit(3)
        return piece

    def crashed(self, piece, why):
        assert why == "crashed the decoder: its process died twice"
        return -piece


def number(value):
    return lambda: value


def test_a_helper_that_dies_costs_only_the_piece_that_killed_it(crew):
    results = list(work_through(map(number, range(64)), Fragile(), 64, workers=2))
    assert sorted(results) == [-30, *(i for i in range(64) if i != 30)]


def test_helpers_end_when_the_pipe_closes():
    helper = Helper(Fragile())
    assert helper.do([1, 2]) == [1, 2]
    helper.process.stdin.close()
    assert helper.process.wait(timeout=10) == 0
    helper.stop()


def test_a_mistake_in_a_helper_is_raised_here(tmp_path, crew):
    task = tasks.DecodeInto(tmp_path / "gone", 64, pictures.Target(16))
    pieces = [number((i, pictures.BadPicture("x: y"))) for i in range(60)] + [
        number((60, png(np.zeros((16, 16, 3), np.uint8))))
    ]
    with pytest.raises(StorageFailed, match="No such file"):
        list(work_through(pieces, task, 61, workers=2))
