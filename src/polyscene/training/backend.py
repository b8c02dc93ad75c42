"""Where a training runs: in one process, or in several that each take their share of the batches.

The loop asks nothing else of it: which share is this process', the mean of numbers over all processes, and
to wait for the others. A backend of several processes starts every one of them with the same weights, data
and generator.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from torch import Tensor

Batch = TypeVar("Batch")


class Backend(Protocol):
    """What the loop asks of the place it runs in.

    Attributes:
        rank: the number of this process, from 0; the first one writes the checkpoints.
        world_size: how many processes there are, at least 1.
    """

    @property
    def rank(self) -> int:
        """The number of this process, from 0."""
        ...

    @property
    def world_size(self) -> int:
        """How many processes there are."""
        ...

    def all_reduce(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over the processes, which all call this with the same shapes."""
        ...

    def barrier(self) -> None:
        """Return when every process has come here."""
        ...


class OneProcess:
    """No other process: every batch is this one's, every mean its own."""

    rank = 0
    world_size = 1

    def all_reduce(self, tensors: Sequence[Tensor]) -> None:
        """Leave the tensors: they are their own mean."""

    def barrier(self) -> None:
        """Return at once."""


def share_of(batches: Iterable[Batch], backend: Backend) -> Iterator[Batch]:
    """Yield this process' share of the batches: of every `world_size` in turn the one of its rank.

    What is left over in the end, too few for every process to get one, nobody gets: all take as many steps.
    """
    turn: list[Batch] = []
    for batch in batches:
        turn.append(batch)
        if len(turn) == backend.world_size:
            yield turn[backend.rank]
            turn = []
