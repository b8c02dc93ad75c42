"""A trained network in numpy: what it says of one scenario, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from polyscene.core.arrays import Arrays
from polyscene.core.types import FloatArray, IntArray, LongArray
from polyscene.data.queries import Queries
from polyscene.recommenders.multitask.blueprint import Blueprint
from polyscene.recommenders.multitask.calibration import Calibrator
from polyscene.recommenders.multitask.forward import item_features, outputs, pairs, request_features
from polyscene.recommenders.multitask.inputs import ScenarioInputs
from polyscene.recommenders.multitask.tasks import Task
from polyscene.representation.item_space import ItemSpace
from polyscene.representation.sharing.arithmetic import NUMPY

PAIRS = 2**14
"""So many pairs are looked at together."""
PLAN, WEIGHT = "plan", "weight."


@dataclass(frozen=True)
class MultitaskWeights:
    """What a network learned, as one scenario sees it.

    Attributes:
        plan: of the network.
        arrays: its parameters.
        scenario: the scenario's number in the plan.
        inputs: what is known of its people and items.
        calibrators: one for each of its tasks.
    """

    plan: Blueprint
    arrays: Arrays
    scenario: int
    inputs: ScenarioInputs
    calibrators: tuple[Calibrator, ...]

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What it says something of."""
        return self.plan.tasks[self.scenario]

    def item_features(self, items: IntArray | LongArray) -> FloatArray:
        """Return (m, w) of items, which say the same to every request."""
        rows = self.inputs.item_rows(items)
        features: FloatArray = item_features(self.plan, self.arrays, rows, self.scenario, NUMPY)
        return features.astype(np.float32, copy=False)

    def outputs(
        self, queries: Queries, features: FloatArray, candidates: IntArray | LongArray | None = None
    ) -> list[FloatArray]:
        """Return (B, C, K) for each task.

        Args:
            queries: B requests.
            features: (n, w) of all items.
            candidates: (B, C) rows of them; None: all.
        """
        size, n = len(queries), len(features)
        width = n if candidates is None else candidates.shape[1]
        parts = [np.zeros((size, width, task.width), np.float32) for task in self.tasks]
        if not size or not width:
            return parts
        requests = self.inputs.requests(queries)
        users = request_features(self.plan, self.arrays, requests, self.scenario, NUMPY)
        flat = None if candidates is None else candidates.ravel()
        for start in range(0, size * width, PAIRS):
            place = np.arange(start, min(start + PAIRS, size * width))
            item = place % width if flat is None else flat[place]
            x = pairs(users, features, place // width, item, NUMPY)
            outs = outputs(self.plan, self.arrays, x, self.scenario, NUMPY)
            for part, out in zip(parts, outs, strict=True):
                part.reshape(size * width, -1)[place] = out
        return parts

    def scores(self, outs: list[FloatArray]) -> FloatArray:
        """Return (B, C) by which items are ordered: `Σ_t μ_t z_t` over the tasks that order."""
        return ordering_scores(self.tasks, outs)

    def predictions(self, outs: list[FloatArray]) -> dict[str, FloatArray]:
        """Return (B, C) by task: a calibrated probability, or a value in its own unit.

        Of classes it is the mean value. A task that orders is no probability and is left out.
        """
        return {
            task.name: calibrator.predicted(task, out)
            for task, out, calibrator in zip(self.tasks, outs, self.calibrators, strict=True)
            if not task.orders
        }

    def state(self) -> Arrays:
        """Return what `restore` needs beside the spaces; other scenarios' items are left out."""
        theirs = tuple(
            f"{self.plan.inputs(other)}items.{other}."
            for other in range(len(self.plan.scenarios))
            if other != self.scenario
        )
        kept = {name: array for name, array in self.arrays.items() if not name.startswith(theirs or ("\0",))}
        return {
            PLAN: np.frombuffer(self.plan.to_json().encode(), np.uint8),
            "scenario": np.array(self.scenario),
            "calibrators": np.array([one.numbers for one in self.calibrators]).reshape(-1, 2),
            **self.inputs.state(),
            **{f"{WEIGHT}{name}": array for name, array in kept.items()},
        }

    @classmethod
    def restore(cls, state: Arrays, space: ItemSpace, others: Mapping[str, ItemSpace]) -> Self:
        """Take `state` back."""
        weights = {
            name.removeprefix(WEIGHT): array for name, array in state.items() if name.startswith(WEIGHT)
        }
        return cls(
            Blueprint.of_json(state[PLAN].tobytes().decode()),
            weights,
            int(state["scenario"]),
            ScenarioInputs.restore(state, space, others),
            tuple(Calibrator(float(slope), float(offset)) for slope, offset in state["calibrators"]),
        )


def ordering_scores(tasks: tuple[Task, ...], outs: list[FloatArray]) -> FloatArray:
    """Return (B, C) the weighted sum of what the tasks that order say."""
    parts = [
        np.float32(task.weight) * out[:, :, 0] for task, out in zip(tasks, outs, strict=True) if task.orders
    ]
    total: FloatArray = np.sum(parts, axis=0)
    return total
