"""`[multitask]`: one network over all scenarios and tasks, and how they share it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from polyscene.core.registry import Registry, known_to
from polyscene.core.settings.block import Strict

SHARING_FORMS: Registry[Any] = Registry(
    "polyscene.sharing_forms",
    ("shared_bottom", "mmoe", "ple", "star", "pepnet", "low_rank", "separate"),
)
"""How scenarios and tasks share a network: subclasses of `representation.sharing.form.SharingForm`."""

Crossing = Literal["none", "fm", "dcn"]
TaskWeighting = Literal["fixed", "uncertainty", "gradnorm", "pcgrad"]
ScenarioTuning = Literal["none", "frozen", "partly", "free"]
Ordering = Literal["softmax", "bpr"]


class MultitaskSettings(Strict):
    """The signal `multitask`, which learns all scenarios and objectives together."""

    form: Annotated[str, known_to(SHARING_FORMS)] = Field(
        "shared_bottom", description="how scenarios and tasks share the network"
    )
    crossing: Crossing = Field(
        "fm", description="how features meet: factorisation machines, DCN-v2, or not at all"
    )
    weighting: TaskWeighting = Field("fixed", description="how the losses of the tasks are balanced")
    ordering: Ordering = Field("softmax", description="the loss that puts what was chosen above the rest")
    tuning: ScenarioTuning = Field(
        "partly", description="what each scenario's own tuning may move after the joint training"
    )
    size: int = Field(16, ge=1, description="numbers of each feature")
    hidden: int = Field(64, ge=2, description="width of the network")
    experts: int = Field(3, ge=1, description="of `mmoe` and `ple`: experts that all share")
    rank: int = Field(8, ge=1, description="of `low_rank` and `dcn`: inner width of a map")
    dropout: float = Field(0.1, ge=0, lt=1, description="share of features left out in training")
    forgetting: float = Field(
        0.2, ge=0, lt=1, description="share of users and items known by their features alone in a step"
    )
    negatives: int = Field(16, ge=1, description="items drawn to stand against the choices of a batch")
    batch: int = Field(
        256,
        ge=2,
        description="examples per step at most, of all scenarios together; fewer where there are few",
    )
    epochs: int = Field(12, ge=1, description="at most so many rounds through the examples")
    patience: int = Field(2, ge=1, description="rounds without gain on held-out choices after which to stop")
    learning_rate: float = Field(3e-3, gt=0, description="the highest rate")
    max_events: int = Field(100_000, ge=1, description="latest examples of a scenario that it learns from")
    transfer: bool = Field(
        False, description="train on more sets of scenarios than needed, for the whole transfer matrix"
    )
    minutes: float | None = Field(None, gt=0, description="each training at most so long")
