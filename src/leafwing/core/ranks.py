"""The ranks of one game: processes that share every batch, average every gradient, and so play one and the same game.

Launched by ``torchrun``; everything travels by ``torch.distributed`` (gloo between CPUs, NCCL between GPUs) and its
key-value store. One process by itself is :data:`SOLO`, for which all of this is nothing.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from leafwing.core.errors import BadConfig, LeafwingError

TIMEOUT_S = float(os.environ.get("LEAFWING_RANK_TIMEOUT", "60"))
"""Seconds a rank waits for the others inside a round before it gives up."""
PATIENCE = timedelta(hours=12)
"""How long ranks wait for each other's data before the first round."""
ROLL_CALL_S = 1.5
"""Seconds that ranks have to say that they are alive when one is missed."""


class RankLost(LeafwingError):
    """Another rank died, fell silent or drifted away."""

    exit_code = 1


@dataclass(frozen=True)
class Ranks:
    """This process among those that play together.

    Attributes:
        rank: its number, from 0; rank 0 alone writes files and speaks.
        count: how many there are.
        device: what collectives travel from.
        store: the key-value store that launched them; None for one process alone.
    """

    rank: int = 0
    count: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    store: Store | None = None

    @property
    def leads(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def rows(self, n: int) -> slice:
        """This rank's share of a batch of n, which must divide evenly."""
        each = n // self.count
        return slice(self.rank * each, (self.rank + 1) * each)

    @torch.no_grad()
    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over the ranks, all in one flat all-reduce; equal bits on every rank."""
        if self.count == 1 or not tensors:
            return
        flat = torch.cat([t.reshape(-1).float() for t in tensors])
        dist.all_reduce(flat)
        flat /= self.count
        for t, mean in zip(tensors, torch.split(flat, [t.numel() for t in tensors]), strict=True):
            t.copy_(mean.view_as(t))

    def all(self, here: Tensor) -> Tensor:
        """Whether a one-number truth holds on every rank."""
        if self.count == 1:
            return here
        votes = here.float()
        dist.all_reduce(votes, op=dist.ReduceOp.MIN)
        return votes > 0

    def any(self, here: bool) -> bool:
        """Whether something is true on some rank, known to all of them at the same moment."""
        return here if self.count == 1 else not self.all(torch.tensor(not here, device=self.device))

    def stay_together(self, tensors: Mapping[str, Tensor]) -> None:
        """Stop when a rank's copy of a tensor is no longer bit-equal to rank 0's (faulty memory, another torch).

        Raises:
            RankLost: names the rank and the tensor.
        """
        if self.count == 1:
            return
        sums = torch.stack([t.detach().double().sum() for t in tensors.values()])
        heaps = [torch.empty_like(sums) for _ in range(self.count)]
        dist.all_gather(heaps, sums)
        for other, theirs in enumerate(heaps):
            apart = [name for name, same in zip(tensors, (theirs == heaps[0]).tolist(), strict=True) if not same]
            if apart:
                raise RankLost(
                    f"Rank {other} drifted apart from rank 0 in {apart[0]}: check its machine and its versions, then "
                    "go on from the newest checkpoint with `leafwing resume`."
                )

    def agree(self, facts: Mapping[str, str]) -> None:
        """Refuse to play with ranks that were started with another recipe or see other data.

        Raises:
            BadConfig: names the rank and what differs.
        """
        if self.store is None:
            return
        self.store.set(f"facts/{self.rank}", json.dumps(dict(facts)))
        for other in range(self.count):
            theirs = json.loads(self.store.get(f"facts/{other}"))  # waits until that rank is ready
            for name, value in facts.items():
                if theirs.get(name) != value:
                    raise BadConfig(
                        f"Ranks {min(self.rank, other)} and {max(self.rank, other)} do not have the same {name}: "
                        "start all of them with the same command on the same data."
                    )

    def share(self, files: dict[str, bytes] | None) -> dict[str, bytes] | None:
        """Rank 0's files (a checkpoint), or None, given to every rank; so that N ranks go on with what M wrote."""
        if self.count == 1:
            return files
        heading = json.dumps(None if files is None else {name: len(blob) for name, blob in files.items()}).encode()
        heading = self._broadcast(heading if self.leads else None)
        sizes = json.loads(heading)
        if sizes is None:
            return None
        whole = self._broadcast(b"".join((files or {}).values()) if self.leads else None)
        out, start = {}, 0
        for name, size in sizes.items():
            out[name], start = whole[start : start + size], start + size
        return out

    def _broadcast(self, blob: bytes | None) -> bytes:
        size = torch.tensor([len(blob or b"")], device=self.device)
        dist.broadcast(size, 0)
        data = torch.empty(int(size), dtype=torch.uint8, device=self.device)
        if blob:
            data.copy_(torch.frombuffer(bytearray(blob), dtype=torch.uint8))
        dist.broadcast(data, 0)
        return data.cpu().numpy().tobytes()

    @contextmanager
    def node_leader_first(self, what: str) -> Iterator[None]:
        """On each machine one rank does the work of the block first; the others then find it done."""
        node, first = os.environ.get("GROUP_RANK", "0"), os.environ.get("LOCAL_RANK", "0") == "0"
        if self.store is not None and not first:
            self.store.wait([f"{what}/{node}"], PATIENCE)
        yield
        if self.store is not None and first:
            self.store.set(f"{what}/{node}", "done")

    def missing(self) -> list[int]:
        """A roll call after a failure: the other ranks that do not answer in time."""
        others = [other for other in range(self.count) if other != self.rank]
        if self.store is None:
            return []
        try:
            self.store.set(f"alive/{self.rank}", "yes")
            end = time.monotonic() + ROLL_CALL_S
            while time.monotonic() < end and not self.store.check([f"alive/{other}" for other in others]):
                time.sleep(0.05)
            return [other for other in others if not self.store.check([f"alive/{other}"])]
        except (RuntimeError, OSError):  # the store went down with the rank that kept it
            return [0]


SOLO = Ranks()
"""A process that plays by itself."""


@contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """The ranks that ``torchrun`` started, or :data:`SOLO`; a lost rank ends the others with one sentence.

    Raises:
        RankLost: names the ranks that died or fell silent.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or not dist.is_available():
        yield SOLO
        return
    store, rank, count = next(rendezvous("env://", timeout=PATIENCE))
    ranks = Ranks(rank, count, device, store)
    try:
        yield ranks
        farewell(ranks)
    except RuntimeError as error:
        if not is_about_ranks(error):
            raise
        lost = ", ".join(f"rank {r}" for r in ranks.missing()) or "another rank"
        raise RankLost(
            f"Rank {rank} stops: {lost} died or did not answer for {TIMEOUT_S:.0f} s. "
            "The newest checkpoint is whole; start again with `leafwing resume`."
        ) from error
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def farewell(ranks: Ranks) -> None:
    """Wait for rank 0, which may still be saving after the last round, and let it, who keeps the store, go last."""
    if ranks.store is None:
        return
    if not ranks.leads:
        ranks.store.wait(["done"], PATIENCE)
        ranks.store.set(f"left/{ranks.rank}", "yes")
        return
    ranks.store.set("done", "yes")
    ranks.store.wait([f"left/{other}" for other in range(1, ranks.count)], PATIENCE)


def connect(ranks: Ranks) -> None:
    """Open the channels between the ranks, once all of them are ready to play."""
    if ranks.store is not None:
        dist.init_process_group(
            "nccl" if ranks.device.type == "cuda" else "gloo",
            store=PrefixStore("game", ranks.store),
            rank=ranks.rank,
            world_size=ranks.count,
            timeout=timedelta(seconds=TIMEOUT_S),
        )


def is_about_ranks(error: RuntimeError) -> bool:
    """Whether torch says that a peer is gone; gloo has no error class of its own."""
    text = str(error).lower()
    signs = ("gloo", "nccl", "connection closed by peer", "connection reset", "timed out waiting", "broken pipe")
    return isinstance(error, dist.DistError) or any(sign in text for sign in signs)
