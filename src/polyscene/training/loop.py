"""The one training loop: several learners together, `L = Σ_s λ_s L_s`, stopped early, resumed after a kill.

It knows no model and no objective: a `polyscene.core.contracts.Learner` gives batches and their loss.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from polyscene.core.contracts import Learner
from polyscene.core.errors import DataError, Problem
from polyscene.core.progress import Advance, Progress, Silent
from polyscene.core.seeds import derived
from polyscene.training.backend import share_of
from polyscene.training.budget import TrainingPosition
from polyscene.training.checkpoints import (
    Checkpoints,
    chance_state,
    optimiser_state,
    restore_chance,
    restore_optimiser,
)
from polyscene.training.optimisation import rate, set_rate
from polyscene.training.plan import Plan
from polyscene.training.stepping import Stepper

Learners = Mapping[str, Learner[Any]]

_NOTHING = Problem("nothing to learn from", "at least one batch", "none", "give more data or smaller batches")


@dataclass
class Curve:
    """What a training looked like: one entry per validation, which is one per epoch unless said otherwise.

    Attributes:
        training: mean weighted loss over the batches since the entry before.
        validation: `Σ_s λ_s validate()`, smaller is better.
        steps: optimiser steps taken until then.
        initial: the validation before the first step.
    """

    training: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    initial: float = math.nan


def fit(
    learners: Learners,
    shares: Mapping[str, float],
    plan: Plan,
    generator: np.random.Generator,
    progress: Progress | None = None,
) -> Curve:
    """Improve the learners together and leave in them the weights that validated best.

    Each step takes `plan.optimiser.accumulation` batches, the learners in turn. The weights before the first
    step are validated too. With checkpoints, a training that was killed goes on where it stood when it is
    called again with the same arguments, and ends with the same weights to the bit (same machine, same number
    of threads).

    Args:
        learners: by name, as the scenario; they may share parameters.
        shares: λ_s by name.
        plan: how long, how fast, what is written down on the way.
        generator: draws the order of the batches; its state seeds torch's stream, from which dropout draws
            and which is put back at the end.
        progress: told of steps, epochs or seconds, whichever bounds the budget.

    Returns:
        The curve of the weighted training and validation losses.

    Raises:
        DataError: no learner has a batch.
        ModelError: a loss or a gradient is not finite.
        RunError: the checkpoint is damaged or of another training.
    """
    training = _Training(learners, shares, plan, generator)
    with torch.random.fork_rng(training.stepper.cuda_devices()):
        torch.manual_seed(derived(0, json.dumps(generator.bit_generator.state)))
        training.run(progress or Silent())
    return training.curve


def mixed(learners: Learners, generator: np.random.Generator) -> Iterator[tuple[str, Any]]:
    """Yield every learner's batches once, the learners in turn."""
    waiting = {name: learner.batches(generator) for name, learner in learners.items()}
    while waiting:
        for name in list(waiting):
            batch = next(waiting[name], None)
            if batch is None:
                del waiting[name]
            else:
                yield name, batch


class _Training:
    """One training, from its start or its checkpoint to its end."""

    def __init__(
        self, learners: Learners, shares: Mapping[str, float], plan: Plan, generator: np.random.Generator
    ) -> None:
        self.learners, self.shares, self.plan, self.generator = learners, shares, plan, generator
        self.stepper = Stepper(learners, plan.optimiser, plan.transforms, plan.backend)
        self.by_epoch = plan.stepping == "epoch"
        self.position, self.curve = TrainingPosition(), Curve()
        self.best: dict[str, Mapping[str, Tensor]] = {}
        self.began = time.monotonic()

    def run(self, progress: Progress) -> None:
        """Train until the budget is spent, or patience is."""
        budget = self.plan.budget
        if not self._resumed():
            self.position.epoch_steps = self._epoch_steps()
            self.curve.initial = self._validation()
            self.position.improved(self.curve.initial)
            self.best = self._weights()
        with progress.track(self.plan.label, budget.extent, budget.unit) as advance:
            advance(self._done())
            while not self._over():
                self._epoch(advance)
        if self.position.validated < self.position.step:
            self._validate()
        if self.plan.checkpoints and not self.position.finished:
            self.position.finished = True
            self._save(self.plan.checkpoints)
        for name, learner in self.learners.items():
            learner.load(self.best[name])

    def _epoch(self, advance: Advance) -> None:
        """Take every batch once, or those that an interrupted epoch has left."""
        position = self.position
        if position.batch:
            self.generator.bit_generator.state = position.epoch_start
        else:
            position.epoch_start = dict(self.generator.bit_generator.state)
        batches = share_of(mixed(self.learners, self.generator), self.plan.backend)
        for _ in range(position.batch):
            next(batches)
        for name, batch in batches:
            position.total += self.stepper.gather(name, self.learners[name], batch, self.shares[name])
            position.counted, position.batch = position.counted + 1, position.batch + 1
            if self.stepper.gathered == self.plan.optimiser.accumulation:
                self._step(advance)
                if self._over():
                    return
        if self.stepper.gathered:
            self._step(advance)
        self._end_epoch(advance)

    def _step(self, advance: Advance) -> None:
        position, plan, before = self.position, self.plan, self._done()
        spent, grain = plan.budget.spent(position, self.by_epoch), plan.budget.grain(position, self.by_epoch)
        learning_rate = set_rate(self.stepper.optimiser, rate(plan.optimiser, spent, grain))
        step = self.stepper.step()
        position.step += 1
        position.seconds = self._agreed(time.monotonic() - self.began)
        self._record(loss=step.loss, gradient_norm=step.gradient_norm, learning_rate=learning_rate)
        if plan.validate_every is not None and position.step % plan.validate_every == 0:
            self._validate()
        if plan.checkpoints and position.step % plan.checkpoints.every == 0:
            self._save(plan.checkpoints)
        advance(self._done() - before)

    def _end_epoch(self, advance: Advance) -> None:
        if not self.position.batch:
            raise DataError(_NOTHING)
        before = self._done()
        self.position.epoch, self.position.batch = self.position.epoch + 1, 0
        if self.plan.validate_every is None:
            self._validate()
        advance(self._done() - before)

    def _validate(self) -> None:
        """Take down where the training stands and keep the weights where they are the best so far."""
        value = self._validation()
        self.curve.training.append(self.position.total / self.position.counted)
        self.curve.validation.append(value)
        self.curve.steps.append(self.position.step)
        self.position.total, self.position.counted = 0.0, 0
        if self.position.improved(value):
            self.best = self._weights()

    def _validation(self) -> float:
        values = {name: learner.validate() for name, learner in self.learners.items()}
        value = self._agreed(sum(self.shares[name] * each for name, each in values.items()))
        self._record(validation=value, **{f"validation/{name}": each for name, each in values.items()})
        return value

    def _agreed(self, value: float) -> float:
        """Return the mean of a number over the processes, so that all of them decide alike."""
        shared = torch.tensor([value], dtype=torch.float64)
        self.plan.backend.all_reduce([shared])
        return float(shared[0])

    def _over(self) -> bool:
        """Return whether the budget or the patience is spent."""
        position, budget, patience = self.position, self.plan.budget, self.plan.patience
        return (
            position.finished
            or (patience is not None and position.waited >= patience)
            or (budget.steps is not None and position.step >= budget.steps)
            or (budget.epochs is not None and position.epoch >= budget.epochs)
            or (budget.minutes is not None and position.seconds >= 60 * budget.minutes)
        )

    def _done(self) -> int:
        """Return how much of the budget is done, in its unit."""
        done = {
            "steps": self.position.step,
            "epochs": self.position.epoch,
            "seconds": int(self.position.seconds),
        }
        return min(done[self.plan.budget.unit], self.plan.budget.extent)

    def _epoch_steps(self) -> int:
        """Return how many steps an epoch has, where the rate depends on it."""
        optimiser = self.plan.optimiser
        moving = optimiser.schedule != "constant" or optimiser.warmup > 0
        if self.plan.budget.epochs is None or self.by_epoch or not moving:
            return 0
        batches = share_of(mixed(self.learners, copy.deepcopy(self.generator)), self.plan.backend)
        return math.ceil(sum(1 for _ in batches) / optimiser.accumulation)

    def _weights(self) -> dict[str, Mapping[str, Tensor]]:
        return {name: learner.weights() for name, learner in self.learners.items()}

    def _record(self, **values: float) -> None:
        if self.plan.recorder:
            for name, value in values.items():
                self.plan.recorder.scalar(name, value, self.position.step)

    def _identity(self) -> dict[str, Any]:
        """Return what must be the same for a checkpoint to be of this training, as JSON gives it back."""
        shapes = [
            [f"{name}/{part}", *parameter.shape]
            for name, learner in self.learners.items()
            for part, parameter in learner.named_parameters()
        ]
        identity = self.plan.identity() | {"shares": dict(self.shares), "parameters": shapes}
        plain: dict[str, Any] = json.loads(json.dumps(identity))
        return plain

    def _save(self, checkpoints: Checkpoints) -> None:
        if self.plan.backend.rank == 0:
            self._write(checkpoints)
        self.plan.backend.barrier()

    def _write(self, checkpoints: Checkpoints) -> None:
        facts, moments = optimiser_state(self.stepper.optimiser)
        tensors = {f"optimiser/{name}": tensor for name, tensor in moments.items()}
        tensors |= {f"chance/{name}": t for name, t in chance_state(self.stepper.cuda_devices()).items()}
        for kind, weights in (("now", self._weights()), ("best", self.best)):
            for number, state in enumerate(weights.values()):
                tensors |= {f"{kind}/{number}/{name}": tensor for name, tensor in state.items()}
        checkpoints.save(
            {
                "identity": self._identity(),
                "position": asdict(self.position),
                "curve": asdict(self.curve),
                "optimiser": facts,
                "generator": self.generator.bit_generator.state,
            },
            tensors,
        )

    def _resumed(self) -> bool:
        """Put everything back from the checkpoint; False where there is none."""
        checkpoints = self.plan.checkpoints
        saved = checkpoints.load(self._identity()) if checkpoints else None
        if saved is None:
            return False
        facts, tensors = saved
        self.position, self.curve = TrainingPosition(**facts["position"]), Curve(**facts["curve"])
        self.began = time.monotonic() - self.position.seconds
        self.generator.bit_generator.state = facts["generator"]
        restore_optimiser(self.stepper.optimiser, facts["optimiser"], _under("optimiser/", tensors))
        for number, (name, learner) in enumerate(self.learners.items()):
            learner.load(_under(f"now/{number}/", tensors))
            self.best[name] = _under(f"best/{number}/", tensors)
        restore_chance(_under("chance/", tensors))
        return True


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
