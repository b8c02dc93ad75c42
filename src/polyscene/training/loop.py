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
from polyscene.training.budget import Budget, TrainingPosition
from polyscene.training.checkpoints import (
    Checkpoints,
    chance_state,
    optimiser_state,
    restore_chance,
    restore_optimiser,
)
from polyscene.training.optimisation import OptimisationSettings, rate, set_rate
from polyscene.training.recording import Recorder
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
    budget: Budget,
    optimisation: OptimisationSettings,
    generator: np.random.Generator,
    progress: Progress | None = None,
    label: str = "training",
    checkpoints: Checkpoints | None = None,
    recorder: Recorder | None = None,
    patience: int | None = None,
    validate_every: int | None = None,
) -> Curve:
    """Improve the learners together and leave in them the weights that validated best.

    Each step takes `optimisation.accumulation` batches, the learners in turn. With `checkpoints`, a training
    that was killed goes on where it stood when it is called again with the same arguments, and ends with the
    same weights to the bit (same machine, same number of threads).

    Args:
        learners: by name, as the scenario; they may share parameters.
        shares: λ_s by name.
        budget: how long.
        optimisation: how weights move.
        generator: draws the order of the batches; its state seeds torch's stream, from which dropout draws
            and which is put back at the end.
        progress: told of steps, epochs or seconds, whichever bounds the budget.
        label: what the progress is called.
        checkpoints: where to keep the state and how often; None: nowhere.
        recorder: takes down loss, gradient_norm, learning_rate and validation; it is not closed.
        patience: validations without improvement after which to stop; None: never.
        validate_every: steps between validations; None: after every epoch. The weights before the first step
            are validated too.

    Returns:
        The curve of the weighted training and validation losses.

    Raises:
        DataError: no learner has a batch.
        ModelError: a loss or a gradient is not finite.
        RunError: the checkpoint is damaged or of another training.
    """
    training = _Training(learners, shares, budget, optimisation, generator, patience, validate_every)
    training.checkpoints, training.recorder = checkpoints, recorder
    with torch.random.fork_rng(training.stepper.cuda_devices()):
        torch.manual_seed(derived(0, json.dumps(generator.bit_generator.state)))
        training.run(progress or Silent(), label)
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

    checkpoints: Checkpoints | None = None
    recorder: Recorder | None = None

    def __init__(
        self,
        learners: Learners,
        shares: Mapping[str, float],
        budget: Budget,
        settings: OptimisationSettings,
        generator: np.random.Generator,
        patience: int | None,
        validate_every: int | None,
    ) -> None:
        self.learners, self.shares, self.budget, self.settings = learners, shares, budget, settings
        self.generator, self.patience, self.validate_every = generator, patience, validate_every
        self.stepper = Stepper(learners, settings)
        self.by_epoch = settings.stepping == "epoch"
        self.place, self.curve = TrainingPosition(), Curve()
        self.best: dict[str, Mapping[str, Tensor]] = {}
        self.began = time.monotonic()

    def run(self, progress: Progress, label: str) -> None:
        """Train until the budget is spent, or patience is."""
        if not self._resumed():
            self.place.epoch_steps = self._epoch_steps()
            self.curve.initial = self._validation()
            self.place.improved(self.curve.initial)
            self.best = self._weights()
        with progress.track(label, self.budget.extent, self.budget.unit) as advance:
            advance(self._done())
            while not self._over():
                self._epoch(advance)
        if self.place.validated < self.place.step:
            self._validate()
        if self.checkpoints and not self.place.finished:
            self.place.finished = True
            self._save(self.checkpoints)
        for name, learner in self.learners.items():
            learner.load(self.best[name])

    def _epoch(self, advance: Advance) -> None:
        """Take every batch once, or those that an interrupted epoch has left."""
        place = self.place
        if place.position:
            self.generator.bit_generator.state = place.dawn
        else:
            place.dawn = dict(self.generator.bit_generator.state)
        batches = mixed(self.learners, self.generator)
        for _ in range(place.position):
            next(batches)
        for name, batch in batches:
            place.total += self.stepper.gather(name, self.learners[name], batch, self.shares[name])
            place.counted, place.position = place.counted + 1, place.position + 1
            if self.stepper.gathered == self.settings.accumulation:
                self._step(advance)
                if self._over():
                    return
        if self.stepper.gathered:
            self._step(advance)
        self._end_epoch(advance)

    def _step(self, advance: Advance) -> None:
        place, before = self.place, self._done()
        spent, grain = self.budget.spent(place, self.by_epoch), self.budget.grain(place, self.by_epoch)
        learning_rate = set_rate(self.stepper.optimiser, rate(self.settings, spent, grain))
        step = self.stepper.step()
        place.step += 1
        place.seconds = time.monotonic() - self.began
        self._record(loss=step.loss, gradient_norm=step.gradient_norm, learning_rate=learning_rate)
        if self.validate_every is not None and place.step % self.validate_every == 0:
            self._validate()
        if self.checkpoints and place.step % self.checkpoints.every == 0:
            self._save(self.checkpoints)
        advance(self._done() - before)

    def _end_epoch(self, advance: Advance) -> None:
        if not self.place.position:
            raise DataError(_NOTHING)
        before = self._done()
        self.place.epoch, self.place.position = self.place.epoch + 1, 0
        if self.validate_every is None:
            self._validate()
        advance(self._done() - before)

    def _validate(self) -> None:
        """Take down where the training stands and keep the weights where they are the best so far."""
        value = self._validation()
        self.curve.training.append(self.place.total / self.place.counted)
        self.curve.validation.append(value)
        self.curve.steps.append(self.place.step)
        self.place.total, self.place.counted = 0.0, 0
        if self.place.improved(value):
            self.best = self._weights()

    def _validation(self) -> float:
        found = {name: learner.validate() for name, learner in self.learners.items()}
        value = sum(self.shares[name] * each for name, each in found.items())
        self._record(validation=value, **{f"validation/{name}": each for name, each in found.items()})
        return value

    def _over(self) -> bool:
        """Return whether the budget or the patience is spent."""
        place, budget = self.place, self.budget
        return (
            place.finished
            or (self.patience is not None and place.waited >= self.patience)
            or (budget.steps is not None and place.step >= budget.steps)
            or (budget.epochs is not None and place.epoch >= budget.epochs)
            or (budget.minutes is not None and time.monotonic() - self.began >= 60 * budget.minutes)
        )

    def _done(self) -> int:
        """Return how much of the budget is done, in its unit."""
        done = {"steps": self.place.step, "epochs": self.place.epoch, "seconds": int(self.place.seconds)}
        return min(done[self.budget.unit], self.budget.extent)

    def _epoch_steps(self) -> int:
        """Return how many steps an epoch has, where the rate depends on it."""
        moving = self.settings.schedule != "constant" or self.settings.warmup > 0
        if self.budget.epochs is None or self.by_epoch or not moving:
            return 0
        n_batches = sum(1 for _ in mixed(self.learners, copy.deepcopy(self.generator)))
        return math.ceil(n_batches / self.settings.accumulation)

    def _weights(self) -> dict[str, Mapping[str, Tensor]]:
        return {name: learner.weights() for name, learner in self.learners.items()}

    def _record(self, **values: float) -> None:
        if self.recorder:
            for name, value in values.items():
                self.recorder.scalar(name, value, self.place.step)

    def _identity(self) -> dict[str, Any]:
        """Return what must be the same for a checkpoint to be of this training, as JSON gives it back."""
        shapes = [
            [f"{name}/{part}", *parameter.shape]
            for name, learner in self.learners.items()
            for part, parameter in learner.named_parameters()
        ]
        said = {
            "budget": asdict(self.budget),
            "optimisation": asdict(self.settings),
            "shares": dict(self.shares),
            "patience": self.patience,
            "validate_every": self.validate_every,
            "parameters": shapes,
        }
        found: dict[str, Any] = json.loads(json.dumps(said))
        return found

    def _save(self, checkpoints: Checkpoints) -> None:
        facts, moments = optimiser_state(self.stepper.optimiser)
        tensors = {f"optimiser/{name}": tensor for name, tensor in moments.items()}
        tensors |= {f"chance/{name}": t for name, t in chance_state(self.stepper.cuda_devices()).items()}
        for kind, weights in (("now", self._weights()), ("best", self.best)):
            for number, state in enumerate(weights.values()):
                tensors |= {f"{kind}/{number}/{name}": tensor for name, tensor in state.items()}
        checkpoints.save(
            {
                "identity": self._identity(),
                "place": asdict(self.place),
                "curve": asdict(self.curve),
                "optimiser": facts,
                "generator": self.generator.bit_generator.state,
            },
            tensors,
        )

    def _resumed(self) -> bool:
        """Put everything back from the checkpoint; False where there is none."""
        found = self.checkpoints.load(self._identity()) if self.checkpoints else None
        if found is None:
            return False
        facts, tensors = found
        self.place, self.curve = TrainingPosition(**facts["place"]), Curve(**facts["curve"])
        self.began = time.monotonic() - self.place.seconds
        self.generator.bit_generator.state = facts["generator"]
        restore_optimiser(self.stepper.optimiser, facts["optimiser"], _under("optimiser/", tensors))
        for number, (name, learner) in enumerate(self.learners.items()):
            learner.load(_under(f"now/{number}/", tensors))
            self.best[name] = _under(f"best/{number}/", tensors)
        restore_chance(_under("chance/", tensors))
        return True


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
