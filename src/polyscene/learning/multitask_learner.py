"""A network over tasks meets the trainer: batches of all scenarios together, one loss of all their tasks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter, functional

from polyscene.core.settings.multitask import MultitaskSettings, ScenarioTuning
from polyscene.core.types import FloatArray, LongArray
from polyscene.learning.multitask_examples import Examples, ScenarioExamples
from polyscene.learning.task_losses import Drawn, task_loss
from polyscene.learning.task_weighting import WEIGHTINGS, TaskLosses
from polyscene.recommenders.multitask.forward import item_features, outputs, pairs, request_features
from polyscene.recommenders.multitask.inputs import NOBODY, ScenarioInputs
from polyscene.recommenders.multitask.network import TORCH, TaskNetwork
from polyscene.representation.sharing.form import OWN, TOP, TOWER, TRUNK

STEPS, MIN_BATCH = 24, 32
"""An epoch has about so many steps or more, where that leaves them examples enough."""
VALIDATED = 256
"""So many held-out meetings are looked at together."""


@dataclass(frozen=True)
class Batch:
    """Rows of each scenario's examples."""

    rows: tuple[LongArray, ...]

    def __len__(self) -> int:
        return sum(len(rows) for rows in self.rows)


class MultitaskLearner:
    """Scenarios' examples, and the network that learns them: `L = Σ_s λ_s Σ_t μ_t L_{s,t}`.

    Args:
        network: to be trained.
        examples: of its scenarios, in its order.
        inputs: what is known of these.
        shares: λ of each.
        settings: how it learns.
        moving: which parameters may move; `none` is not meant here.
        only: the number of the one scenario that learns; None: all.
        seed: of chance.
    """

    def __init__(
        self,
        network: TaskNetwork,
        examples: Sequence[ScenarioExamples],
        inputs: Sequence[ScenarioInputs],
        shares: Sequence[float],
        settings: MultitaskSettings,
        moving: ScenarioTuning = "free",
        only: int | None = None,
        seed: int = 0,
    ) -> None:
        self.network, self.examples, self.inputs, self.settings = network, examples, inputs, settings
        self._scenarios = list(range(len(examples))) if only is None else [only]
        plan = network.plan
        self._weights = {
            head: shares[scenario] * task.weight
            for scenario in self._scenarios
            for head, task in zip(plan.heads[scenario], plan.tasks[scenario], strict=True)
        }
        self._moving = {name: p for name, p in network.parameters.items() if moves(name, moving)}
        shared = {name: p for name, p in self._moving.items() if _is_shared(name)}
        top = [p for name, p in shared.items() if name.startswith(TOP)] or list(shared.values())
        measured = [
            head
            for scenario in self._scenarios
            for head, task in zip(plan.heads[scenario], plan.tasks[scenario], strict=True)
            if task.measures
        ]
        kind = WEIGHTINGS[settings.weighting]
        self.weighting = kind(sum(map(len, plan.heads)), measured, list(shared.values()), top, seed)
        self._chance = np.random.default_rng(0)

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield what may move."""
        yield from self._moving.items()
        yield from self.weighting.named_parameters()

    def batches(self, generator: np.random.Generator) -> Iterator[Batch]:
        """Yield all examples once; each batch has of every scenario as large a share as the others."""
        sizes = [len(self.examples[scenario].training) for scenario in self._scenarios]
        size = min(max(sum(sizes) // STEPS, MIN_BATCH), self.settings.batch)
        steps = math.ceil(sum(sizes) / size)
        parts = [np.array_split(generator.permutation(size), steps) if steps else [] for size in sizes]
        order = [generator.permutation(steps) for _ in sizes]  # short parts are not all the last ones
        self._chance = np.random.default_rng(int(generator.integers(2**63)))
        for step in range(steps):
            yield Batch(tuple(part[int(turn[step])] for part, turn in zip(parts, order, strict=True)))

    def loss(self, batch: Batch) -> Tensor:
        """Return the weighted loss of all tasks that the batch says something to."""
        losses: dict[int, Tensor] = {}
        for scenario, rows in zip(self._scenarios, batch.rows, strict=True):
            if len(rows):
                examples = self.examples[scenario].training.pick(rows)
                losses |= self._losses(scenario, examples, self._chance, training=True)
        if not losses:
            return torch.stack([0.0 * p.sum() for p in self._moving.values()]).sum()
        return self.weighting(TaskLosses(losses, self._weights))

    def validate(self) -> float:
        """Return the loss by fixed weights on held-out meetings; the same items are drawn each time."""
        total, judged = 0.0, 0
        with torch.inference_mode():
            for scenario in self._scenarios:
                held, chance = self.examples[scenario].stopping, np.random.default_rng(scenario)
                sums: dict[int, list[float]] = {}
                for start in range(0, len(held), VALIDATED):
                    some = held.pick(np.arange(start, min(start + VALIDATED, len(held))))
                    for head, loss in self._losses(scenario, some, chance, training=False).items():
                        sums.setdefault(head, []).append(float(loss))
                total += sum(self._weights[head] * float(np.mean(values)) for head, values in sums.items())
                judged += len(held)
        return total if judged else math.nan

    def weights(self) -> Mapping[str, Tensor]:
        """Return a copy of the network's parameters."""
        return self.network.weights()

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Put parameters back."""
        self.network.load(weights)

    def _losses(
        self, scenario: int, examples: Examples, chance: np.random.Generator, training: bool
    ) -> dict[int, Tensor]:
        known, plan = self.examples[scenario], self.network.plan
        drawn = Drawn.by(known.drawing, self.settings.negatives, chance)
        outs = self.outputs(scenario, examples, drawn.items, chance if training else None)
        losses: dict[int, Tensor] = {}
        tasks = zip(plan.heads[scenario], plan.tasks[scenario], strict=True)
        for place, (head, task) in enumerate(tasks):
            loss = task_loss(
                task, outs[place], examples.labels[:, place], examples.item, drawn, bool(known.drawn[place])
            )
            if loss is not None:
                losses[head] = loss
        return losses

    def outputs(
        self, scenario: int, examples: Examples, drawn: LongArray, chance: np.random.Generator | None
    ) -> list[Tensor]:
        """Return (B, 1 + m, K) for each task: of the items met, and of those drawn.

        Args:
            chance: while learning: forgets who is who and leaves features out; None: nothing is left out.
        """
        plan, w = self.network.plan, self.network.parameters
        requests = self.inputs[scenario].requests(examples.queries)
        codes, place = np.unique(np.concatenate([examples.item, drawn]), return_inverse=True)
        items = self.inputs[scenario].item_rows(codes)
        if chance is not None:
            requests = replace(requests, user=self._forgotten(requests.user, chance))
            items = replace(items, own=self._forgotten(items.own, chance))
        users = request_features(plan, w, requests, scenario, TORCH)
        shown = item_features(plan, w, items, scenario, TORCH)
        size, m = len(examples), len(drawn)
        beside = np.broadcast_to(place[size:], (size, m))
        columns = np.concatenate([place[:size, None], beside], axis=1)  # (B, 1 + m)
        x = pairs(users, shown, np.repeat(np.arange(size), 1 + m), columns.ravel(), TORCH)
        if chance is not None and self.settings.dropout:
            x = functional.dropout(x, self.settings.dropout)
        return [out.reshape(size, 1 + m, -1) for out in outputs(plan, w, x, scenario, TORCH)]

    def _forgotten(self, places: LongArray, chance: np.random.Generator) -> LongArray:
        known = chance.random(len(places)) >= self.settings.forgetting
        return np.where(known, places, NOBODY)


def moves(name: str, moving: ScenarioTuning) -> bool:
    """Return whether a parameter may move: any, none below the last shared layer, or own ones alone."""
    if moving == "free" or name.startswith((OWN, TOWER)):
        return True
    return moving == "partly" and name.startswith(TOP)


def _is_shared(name: str) -> bool:
    """Return whether tasks pull at a parameter together; vectors of single people and items aside."""
    if name.startswith(TRUNK):
        return True
    return name.startswith("input.") and "items." not in name and not name.endswith("user.table")


def judged_outputs(learner: MultitaskLearner, scenario: int, examples: Examples) -> list[FloatArray]:
    """Return (n, K) for each task of the items met in held-out examples."""
    nothing: LongArray = np.zeros(0, np.int64)
    with torch.inference_mode():
        outs = learner.outputs(scenario, examples, nothing, None)
    return [out[:, 0].numpy() for out in outs]
