"""What is likely to happen to given items: that they are chosen next, and values by task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import Queries
from polyscene.engine.decision import Request
from polyscene.engine.requests import queries_of
from polyscene.engine.selection import codes_of
from polyscene.engine.state import System
from polyscene.recommenders.fusion.choice_probabilities import choice_probabilities


@runtime_checkable
class Predicts(Protocol):
    """A signal that says how likely things are, not only what is likelier."""

    def predictions(self, queries: Queries, candidates: IntArray | LongArray) -> dict[str, FloatArray]:
        """Return (B, C) by task of (B, C) items: a calibrated probability, or a value in its own unit."""
        ...


NEXT_CHOICE = "next_choice"
"""What the fusion predicts: that the next choice of the person in the scenario is the item."""


def predict_items(system: System, request: Request, items: Sequence[str]) -> dict[str, FloatArray]:
    """Return (m,) by task of given items for one user.

    Under `NEXT_CHOICE` stands what every scenario can tell, see `choice_probabilities`: it is 0 of an item
    that may not be shown. The tasks of signals follow, whether or not an item may be shown.

    Raises:
        UnknownIdError: no such scenario or item.
    """
    state = system.scenario(request.scenario)
    with system.lock.reading():
        queries = queries_of(system, request, state)
        codes = codes_of(state.catalogue, items)[None]
        choice = choice_probabilities(state.fusion, queries, codes)
        signals: list[object] = list(state.fusion.present().values())
        tasks = {
            task: np.asarray(values[0], np.float32)
            for signal in signals
            if isinstance(signal, Predicts)
            for task, values in signal.predictions(queries, codes).items()
        }
    return {NEXT_CHOICE: choice[0].astype(np.float32), **tasks}


def by_item(items: Sequence[str], tasks: Mapping[str, FloatArray]) -> list[dict[str, Any]]:
    """Return what `predict_items` returned as plain values, an item each, in their order."""
    return [
        {"item": item, "predictions": {task: float(values[row]) for task, values in tasks.items()}}
        for row, item in enumerate(items)
    ]
