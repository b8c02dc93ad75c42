"""`[tuning]`: how the language model learns the company's language."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from polyscene.core.registry import Registry, known_to
from polyscene.core.settings.block import Strict

OBJECTIVES: Registry[Any] = Registry(
    "polyscene.objectives", ("co_engagement", "feedback", "order", "pretraining")
)
"""What a language model is tuned for, by name: classes of `learning.objectives.learner.TextLearner`."""

RECORDERS: Registry[Any] = Registry(
    "polyscene.recorders", ("none", "jsonl", "tensorboard", "mlflow", "wandb")
)
"""Where a training's numbers go, by name: makers of `training.recording.Recorder`."""

OptimiserName = Literal["adamw", "sgd", "adafactor"]
ScheduleName = Literal["linear", "cosine", "constant"]
TrainingPrecision = Literal["float32", "bfloat16"]


class OptimiserSettings(Strict):
    """How weights move, in any training.

    "adamw" (Loshchilov and Hutter, ICLR 2019), "sgd" with momentum, or "adafactor" (Shazeer and Stern, ICML
    2018), whose memory grows with rows plus columns instead of with their product. The decay is decoupled
    from the gradient (added to it by sgd); biases and norms are spared, told by their names. After the
    warm-up the rate falls to zero in a line or a half cosine, or stays.
    """

    optimiser: OptimiserName = "adamw"
    learning_rate: float = Field(2e-4, gt=0, allow_inf_nan=False, description="the highest rate")
    schedule: ScheduleName = "cosine"
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the budget over which the rate rises")
    weight_decay: float = Field(0.01, ge=0, allow_inf_nan=False)
    momentum: float = Field(0.9, ge=0, lt=1, description="of sgd")
    clip: float | None = Field(1.0, gt=0, description="the greatest norm of the gradient; None: any")
    accumulation: int = Field(1, ge=1, description="batches per step; their gradients are averaged")
    precision: TrainingPrecision = Field("float32", description="bfloat16: the forward pass under autocast")
    perturbation: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="length of the adversarial push at the embeddings"
    )


class ObjectiveShares(Strict):
    """What the language model is tuned for: the weight of each objective; 0 leaves it out.

    A plug-in's objective is weighed by its name, as those that come with Polyscene.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Annotated[float, Field(ge=0)]]

    co_engagement: float = Field(1.0, ge=0, description="what the same people choose belongs together")
    feedback: float = Field(0.0, ge=0, description="the scenario's objectives, clicks and values, from text")
    order: float = Field(0.0, ge=0, description="the chosen above what was shown beside it")
    pretraining: float = Field(0.0, ge=0, description="the words of the catalogue itself")

    @property
    def shares(self) -> dict[str, float]:
        """Return the weight of every objective that is named, by name."""
        return {name: float(share) for name, share in self.model_dump().items()}

    @model_validator(mode="after")
    def _must_be_known(self) -> Self:
        unknown = [name for name in self.shares if name not in OBJECTIVES]
        if unknown:
            raise ValueError(f"Objectives should be among {', '.join(OBJECTIVES)}, not {', '.join(unknown)}")
        return self


class TuningDetails(Strict):
    """How the language model learns the company's language, whatever the method."""

    scope: Literal["scenario", "shared"] = Field("scenario", description="one model each, or one for all")
    layers: int = Field(1, ge=0, description="top: how many last layers learn; 0: the projection alone")
    projection: bool = Field(True, description="learn the map from the model's layers to item vectors")
    words: bool = Field(True, description="learn a vector for each word of the catalogue beside it")
    phrases: int = Field(
        100_000, ge=0, description="how many pairs of neighbouring words learn one too; 0: none"
    )
    rank: int = Field(8, ge=1, description="lora, adalora")
    bottleneck: int = Field(32, ge=1, description="adapter: width of the detour")
    prefix_tokens: int = Field(8, ge=1, description="prefix")
    dropout: float = Field(0.1, ge=0, lt=1)
    projection_steps: int = Field(400, ge=0, description="first, with the model frozen")
    projection_rate: float = Field(3e-3, gt=0)
    projection_batch: int = Field(1024, ge=2, description="choices per step of the projection")
    steps: int = Field(0, ge=0, description="then, with the method's weights learning too")
    batch: int = Field(256, ge=2, description="choices per step of the language model")
    epochs: int = Field(10, ge=1, description="in no stage more rounds through the choices than this")
    minutes: float | None = Field(None, gt=0, description="at most so long; cannot be repeated exactly")
    temperature: float = Field(0.07, gt=0)
    history: int = Field(6, ge=1, description="latest events that make a user's profile")
    history_dropout: float = Field(0.0, ge=0, lt=1, description="share of past events left out at random")
    validations: int = Field(8, ge=1, description="how often held-out choices are asked")
    patience: int | None = Field(None, ge=1, description="validations without gain after which to stop")
    seeds: int = Field(1, ge=1, description="trainings whose weights are averaged")
    checkpoint_steps: int | None = Field(None, ge=1, description="steps between checkpoints")
    recorder: Annotated[str, known_to(RECORDERS)] = "none"
    objectives: ObjectiveShares = Field(default_factory=ObjectiveShares)
    optimiser: OptimiserSettings = Field(default_factory=OptimiserSettings)
