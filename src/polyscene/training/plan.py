"""How a training goes, apart from what learns and from what: the one argument that says it all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from polyscene.core.settings.tuning import OptimiserSettings
from polyscene.training.backend import Backend, OneProcess
from polyscene.training.budget import Budget
from polyscene.training.checkpoints import Checkpoints
from polyscene.training.recording import Recorder
from polyscene.training.transforms import GradientTransform

Stepping = Literal["step", "epoch"]


@dataclass(frozen=True)
class Plan:
    """How a training goes.

    Attributes:
        budget: how long.
        optimiser: how weights move.
        label: what the progress is called.
        stepping: whether the learning rate moves after every "step" or, where epochs bound the budget, every
            "epoch".
        patience: validations without improvement after which to stop; None: never.
        validate_every: steps between validations; None: after every epoch.
        checkpoints: where to keep the state and how often; None: nowhere.
        recorder: takes down loss, gradient_norm, learning_rate and validation; it is not closed.
        transforms: change the gradients of a step, in this order; the optimiser's clipping comes after them.
        backend: where it runs.
    """

    budget: Budget
    optimiser: OptimiserSettings = field(default_factory=OptimiserSettings)
    label: str = "training"
    stepping: Stepping = "step"
    patience: int | None = None
    validate_every: int | None = None
    checkpoints: Checkpoints | None = None
    recorder: Recorder | None = None
    transforms: Sequence[GradientTransform] = ()
    backend: Backend = field(default_factory=OneProcess)

    def identity(self) -> dict[str, Any]:
        """Return what must be the same for a checkpoint to be of this training."""
        return {
            "budget": vars(self.budget),
            "optimiser": self.optimiser.model_dump(mode="json"),
            "stepping": self.stepping,
            "patience": self.patience,
            "validate_every": self.validate_every,
            "processes": self.backend.world_size,
        }
