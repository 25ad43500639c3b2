"""What a code of z does to the picture: the same z with every value of one code, as in the paper's figures.

Source: Chen et al. 2016, arXiv:1606.03657, Fig. 2 to 6. Continuous codes are shown from -1 to 1, their whole range.
"""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor

from leafwing.core.errors import BadConfig
from leafwing.explore import sample as sampling
from leafwing.explore.asked import sheet
from leafwing.generator import Generator
from leafwing.latents import Codes

STEPS = 8
"""Values at which a continuous code is shown, its ends among them."""


def codes_sheet(G: Generator, code: int, count: int, seed: int) -> Image.Image:
    """A line for each of ``count`` z, a captioned column for each value of the code.

    Args:
        G: with a prior that has codes.
        code: which one, from 1: the categorical codes first, then the numbers.
        count: lines, at least 1.
        seed: of z; line i depends on it and i alone.

    Raises:
        BadConfig: there is no such code.
    """
    if not isinstance(G.prior, Codes):
        name = type(G.prior).__name__
        raise BadConfig(f"This generator's z has no codes (its prior is {name}): train one by --recipe infogan.")
    zs = sampling.latents_at(G.prior, seed, 0, count)
    names, rows = swept(G.prior, code, zs)
    device = sampling.device_of(G.network)
    made = [sampling.generate(G.network, some.to(device)) for some in rows]
    return sheet(made, names)


def swept(prior: Codes, code: int, zs: Tensor) -> tuple[list[str], Tensor]:
    """The values of a code in words, v of them, and each z with all of them: [n, z] -> [n, v, z].

    Raises:
        BadConfig: there is no such code.
    """
    known = len(prior.classes) + prior.numbers
    if not 1 <= code <= known:
        raise BadConfig(f"--code {code} cannot be: this generator has the codes 1 to {known}.")
    if code <= len(prior.classes):
        block = prior.blocks[code - 1]
        values = torch.eye(block.stop - block.start)
        names = [f"class {number}" for number in range(1, len(values) + 1)]
    else:
        place = sum(prior.classes) + code - len(prior.classes) - 1
        block, values = slice(place, place + 1), torch.linspace(-1, 1, STEPS)[:, None]
        names = [f"{float(value):+.2f}" for value in values]
    rows = zs[:, None].repeat(1, len(values), 1)
    rows[:, :, block] = values
    return names, rows
