"""Does a generator that picks pixels know when its frame is wrong? On the maze, where moments are open.

    python benchmarks/hesitates.py runs/maze/generator

Every z of the prior (or 8 of them) answers 300 questions whose future is open. Printed: how likely G itself makes its
frame, in nats, and the share of such frames that are not legal; then what `leafwing demo maze` measures with one z a
frame, as it comes, and with as many tries as usual. Of one that mixes pixels, which cannot know, the measures alone.
"""

from __future__ import annotations

import argparse
import json
from itertools import pairwise

import numpy as np
import torch

from leafwing import api
from leafwing.core import pictures, randomness
from leafwing.explore import sure
from leafwing.explore.maze import UNSEEN, history_of, judge, past_of, questions
from leafwing.generator import Generator
from leafwing.measure import maze as reading
from leafwing.worlds import maze
from leafwing.worlds.maze import Maze

QUESTIONS, ANSWERS = 300, 8
EDGES = (-np.inf, -10, -5, -3, -2, sure.SURE * maze.SIDE**2, -0.5, -0.1, np.inf)


def answered(G: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Of every answer, how likely G makes it itself, and whether it is legal."""
    history, certain, legal = history_of(G), list[float](), list[bool]()
    episodes = [Maze(UNSEEN).episode(n) for n in range(QUESTIONS)]
    for number, (episode, now) in enumerate(questions(episodes, history, 2 * QUESTIONS)[:QUESTIONS]):
        z = G.prior.sample(ANSWERS, randomness.stream(0, number, "hesitates"))
        with torch.inference_mode():
            frames, likely = G.network.eval().said(z, past_of(episode, now, history).expand(ANSWERS, -1, -1, -1))
        certain += likely.tolist()
        legal += [reading.follows(episode[now], frame) is not None for frame in pictures.to_uint8(frames)]
    return np.array(certain), np.array(legal)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    G = api.load(parser.parse_args().run, device="cpu")
    picks = isinstance(G.network, sure.Sure) and G.network.is_picking
    if picks:
        print(table(*answered(G)))
    for tries in (1, sure.TRIES) if picks else (1,):
        print(f"{tries} tries:", json.dumps(judge(G, tries=tries).as_dict()))


def table(certain: np.ndarray, legal: np.ndarray) -> str:
    """How often answers of such a likelihood are wrong."""
    lines = ["| log-likelihood of its own frame | answers | not legal |", "| --- | --- | --- |"]
    for low, high in pairwise(EDGES):
        here = (certain >= low) & (certain < high)
        lines.append(f"| {low:g} to {high:g} | {here.sum():,} | {1 - legal[here].mean() if here.any() else 0:.1%} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
