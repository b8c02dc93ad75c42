"""What is likely to happen to given items: probabilities and values by task, beside the order of scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from polyscene.core.errors import ArgumentError
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import Queries
from polyscene.engine.decision import Request
from polyscene.engine.requests import queries_of
from polyscene.engine.selection import codes_of
from polyscene.engine.state import System


@runtime_checkable
class Predicts(Protocol):
    """A signal that says how likely things are, not only what is likelier."""

    def predictions(self, queries: Queries, candidates: IntArray | LongArray) -> dict[str, FloatArray]:
        """Return (B, C) by task of (B, C) items: a calibrated probability, or a value in its own unit."""
        ...


def predict_items(system: System, request: Request, items: Sequence[str]) -> dict[str, FloatArray]:
    """Return (m,) by task of given items for one user, whether or not they may be shown.

    Raises:
        UnknownIdError: no such scenario or item.
        ArgumentError: no signal of the scenario predicts anything.
    """
    state = system.scenario(request.scenario)
    with system.lock.reading():
        queries = queries_of(system, request, state)
        codes = codes_of(state.catalogue, items)[None]
        signals: list[object] = list(state.fusion.present().values())
        predicting = [signal for signal in signals if isinstance(signal, Predicts)]
        predictions = {
            task: np.asarray(values[0], np.float32)
            for signal in predicting
            for task, values in signal.predictions(queries, codes).items()
        }
    if not predictions:
        raise ArgumentError(
            f"expected a scenario in which something is predicted, found '{state.name}'; list the signal "
            "'multitask' among its signals, name its objectives, and train again"
        )
    return predictions
