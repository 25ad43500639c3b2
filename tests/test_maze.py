"""`world:maze` (issue 6, item 2; R14, R15): its rules, its pictures, and frames read back into states exactly."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from leafwing.cli.main import run
from leafwing.core import randomness
from leafwing.data.films import open_films
from leafwing.measure import maze as reading
from leafwing.worlds import maze, maze_play
from leafwing.worlds.maze import Maze

EPISODES = [Maze(0).episode(number) for number in range(12)]


def test_r15_an_episode_is_the_same_for_ever_and_every_seed_is_a_world_of_its_own():
    assert np.array_equal(Maze(3).film(5), Maze(3).film(5))
    assert not np.array_equal(Maze(3).film(5), Maze(4).film(5))
    assert Maze(0).film(2).shape == (maze.LENGTH, 40, 40, 3)
    assert np.array_equal(Maze(0).render(range(81, 83)), Maze(0).film(1)[1:3]), "pictures are frames, 80 an episode"


def test_the_rules_hold_in_every_frame():
    """Half a cell a step, never into a wall, never back, dots only eaten, ghosts on their way."""
    for episode in EPISODES:
        for before, after in pairwise(episode):
            assert abs(after.hero[0] - before.hero[0]) + abs(after.hero[1] - before.hero[1]) == 1
            assert after.hero in reading.places(before.layout)
            assert after.heading != (before.heading + 2) % 4, "no layout has a dead end"
            assert after in [state for _, state in maze.futures(before)]
            assert before.dots - after.dots <= {(after.hero[0] // 2, after.hero[1] // 2)}
            assert after.ghosts == tuple((g + 1) % 32 for g in before.ghosts)
            assert all(maze.RING[g] != after.hero for g in after.ghosts), "nobody is ever in the same place"


def test_the_player_turns_by_the_odds():
    """At a cross he goes straight on half of the time, at the side of a T two thirds, before a T either way."""
    seen: dict[tuple, list[int]] = {}
    for number in range(300):
        episode = Maze(1).episode(number)
        for before, after in pairwise(episode):
            odds = tuple(sorted(maze.turns(before).values()))
            straight = before.heading in maze.turns(before)
            seen.setdefault((odds, straight), []).append(after.heading == before.heading)
    assert {tuple(round(p, 3) for p in odds) for odds, _ in seen} == {
        (1.0,),
        (0.333, 0.667),
        (0.5, 0.5),
        (0.25, 0.25, 0.5),
    }
    for (odds, straight), went in seen.items():
        expected = max(odds) if straight and len(odds) > 1 else float(straight)
        assert np.mean(went) == pytest.approx(expected, abs=4 * np.sqrt(0.25 / len(went)))


def test_every_frame_is_read_back_into_its_state():
    for episode in EPISODES:
        for before, after in pairwise(episode):
            frame = maze.draw(after)
            assert reading.read(frame, before) == after
            assert reading.follows(before, frame) == after
            assert [reading.count(frame, c, after.layout) for c in (maze.HERO, *maze.GHOSTS)] == [1, 1, 1]


def junction() -> tuple[maze.State, list[np.ndarray]]:
    state = next(s for episode in EPISODES for s in episode if len(maze.turns(s)) > 1)
    return state, [maze.draw(after) for _, after in maze.futures(state)]


def test_what_is_not_a_next_frame_is_told():
    """Noise of a few levels is forgiven, one wrong pixel is not; the average of futures is two heroes, or none."""
    state, frames = junction()
    noise = np.random.default_rng(0).integers(-20, 21, frames[0].shape)
    noisy = np.clip(frames[0].astype(int) + noise, 0, 255).astype(np.uint8)
    assert reading.follows(state, noisy) is not None
    wrong = frames[0].copy()
    wrong[20, 20] = maze.EYES
    assert reading.follows(state, wrong) is None
    assert reading.read(wrong, state) is None
    assert reading.follows(state, maze.draw(state)) is None, "standing still is not in the rules"
    split = np.mean(frames[:2], axis=0).astype(np.uint8)
    assert reading.follows(state, split) is None
    assert reading.count(split, maze.HERO, state.layout) == 2
    gone = maze.draw(state)
    gone[(gone == maze.HERO).all(2)] = maze.GROUND
    assert reading.count(gone, maze.HERO, state.layout) == 0
    changed = maze.draw(state)
    changed[(changed == maze.GHOSTS[0]).all(2)] = maze.GHOSTS[1]
    assert [reading.count(changed, c, state.layout) for c in maze.GHOSTS] == [0, 2]


# ---- drawn into files, played, recorded ----


def test_render_writes_episodes_and_their_states(tmp_path, capsys):
    """R15: frame folders with a table, or one .npz; both are films again."""
    assert run(["data", "render", "maze", "--count", "100", "--out", str(tmp_path / "films")]) == 0
    rows = list(csv.DictReader((tmp_path / "films" / "labels.csv").read_text().splitlines()))
    assert [row["file"] for row in rows[79:81]] == ["00000/079.png", "00001/000.png"]
    state = Maze(0).episode(1)[0]
    assert (int(rows[80]["x"]), int(rows[80]["y"]), rows[80]["heading"]) == (*state.hero, maze.HEADINGS[state.heading])
    assert all(abs(sum(float(way.split(":")[1]) for way in row["turns"].split()) - 1) < 0.01 for row in rows)
    assert run(["data", "render", "maze", "--count", "100", "--out", str(tmp_path / "films.npz")]) == 0
    for source in ("films", "films.npz"):
        films = open_films(tmp_path / source)
        assert films.lengths == [80, 20]
        assert np.array_equal(films.pictures[80:], Maze(0).film(1)[:20])
    assert run(["data", "render", "maze", "--count", "9", "--out", str(tmp_path / "films.npz")]) == 2
    assert (
        run(["data", "render", "maze", "--count", "3", "--image-size", "80", "--out", str(tmp_path / "big.npz")]) == 0
    )
    assert np.load(tmp_path / "big.npz")["frames"].shape == (3, 80, 80, 3)
    assert "not empty" in capsys.readouterr().err
    for world, wish, words in (
        (
            "maze",
            ["--out", str(tmp_path / "m.zip")],
            "m.zip cannot be: the world maze is drawn into a folder or an .npz",
        ),
        ("faces", ["--out", str(tmp_path / "f.npz")], "f.npz cannot be: the world faces is drawn into a folder."),
        ("maze", ["--out", str(tmp_path / "m"), "--seed", "-1"], "--seed -1 cannot be"),
    ):
        assert run(["data", "render", world, "--count", "2", *wish]) == 2
        assert words in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"films", "films.npz", "big.npz"}


def test_r15_a_person_plays_and_records(tmp_path):
    """Keys steer where it is open; the hero never stands still or enters a wall; the recording is a film."""
    shown: list[np.ndarray] = []
    keys = iter(np.random.default_rng(0).choice(["w", "a", "s", "d", "up", "down", "right", "left", "", "x"], 200))
    frames = maze_play.play(keys, shown.append, seed=3)
    assert len(frames) == len(shown) > 100
    assert all((before != after).any() for before, after in pairwise(frames))
    state = maze.begin(randomness.stream(3, 0, "maze/play"))
    for before, after in pairwise(frames):
        assert reading.count(after, maze.HERO, state.layout) == 1
        assert not ((after == maze.WALL).all(2) ^ (before == maze.WALL).all(2)).any()
    paths = [maze_play.record(frames, tmp_path / "films") for _ in range(2)]
    assert [path.name for path in paths] == ["play-000.npz", "play-001.npz"]
    assert open_films(tmp_path / "films").lengths == [len(frames)] * 2
    assert len(maze_play.play(iter("wwq" + "w" * 50), shown.append)) == 3, "q stops"

    def cut_short() -> Iterator[str]:
        yield from "ww"
        raise KeyboardInterrupt

    assert len(maze_play.play(cut_short(), shown.append)) == 3, "Ctrl-C stops, and what was played is kept"
    assert maze_play.as_text(frames[0]).count("▀") == 40 * 20


def test_a_wanted_turn_is_taken_where_it_is_open():
    state = maze.State(0, (4, 0), 1, (1, 9), frozenset({(2, 1)}))
    assert maze_play.steer(state, 2) == 2, "down through the open gate"
    assert maze_play.steer(state, 0) == 1, "a wall above: straight on"
    assert maze_play.steer(replace(state, hero=(8, 0)), 1) == 2, "a corner: the only way"
    assert maze_play.steer(replace(state, hero=(5, 0)), 3) == 1, "between two cells nobody turns"


def test_letters_may_be_capitals_and_arrows_are_not_letters():
    """Caps Lock's A is left, an arrow's A is up, in both forms that terminals send; the last key pressed counts."""
    played = [maze_play.play(iter(keys), lambda _: None, seed=3) for keys in ("wasdwasd" * 8, "WASDWASD" * 8)]
    assert np.array_equal(*played)
    assert len(maze_play.play(iter("wwQww"), lambda _: None)) == 3
    for letter, name in {"A": "up", "B": "down", "C": "right", "D": "left"}.items():
        for sent in (f"\x1b[{letter}", f"\x1bO{letter}", f"wD\x1b[{letter}"):
            assert maze_play.last_key(sent) == name
        assert maze_play.last_key(f"\x1b[A{letter}") == letter
    assert [maze_play.KEYS[key] for key in ("up", "right", "down", "left")] == [maze_play.KEYS[key] for key in "wdsa"]
    assert maze_play.last_key("") == ""


def test_a_terminals_keys_arrive_as_they_are_pressed():
    """Through a pipe as through a terminal, one key a frame's time."""
    end, start = os.pipe()
    keys = maze_play.pressed(end, 0.05)
    for sent, key in ((b"A", "A"), (b"\x1b[A", "up"), (b"", ""), (b"ws\x1bOD", "left")):
        os.write(start, sent)
        assert next(keys) == key
    os.close(start)
    os.close(end)


def test_without_a_terminal_playing_says_so(capsys):
    assert run(["data", "play", "maze"]) == 2
    assert "needs a terminal" in capsys.readouterr().err
