"""What each block of `polyscene.toml` may say. `polyscene.core.settings` reads them."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

TableFormat = Literal["parquet", "csv", "tsv", "jsonl", "sqlite"]
OnDuplicate = Literal["error", "first", "last"]
OnUnknown = Literal["error", "drop", "add"]
Protocol = Literal["temporal", "leave_last_out", "given", "progressive"]
SignalName = Literal[
    "popularity",
    "recency",
    "transitions",
    "linear",
    "factors",
    "neighbours",
    "content",
    "content_prior",
    "content_transitions",
    "elsewhere",
    "text_ranker",
]
TuningMethod = Literal["none", "top", "full", "lora", "adalora", "prefix", "adapter"]
ALL_SIGNALS: tuple[SignalName, ...] = get_args(SignalName)
USUAL_SIGNALS: tuple[SignalName, ...] = tuple(name for name in ALL_SIGNALS if name != "text_ranker")
"""What is combined unless a scenario says otherwise."""


class Strict(BaseModel):
    """A settings block that refuses what it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class TableSettings(Strict):
    """Where one table lies and how to read it.

    `path` is a file, a folder, a glob or a list of them, relative to the configuration file.
    """

    path: str | list[str]
    format: TableFormat | None = Field(None, description="taken from the file's name where absent")
    where: str | None = Field(None, description="a filter in SQL over the table's own columns")
    query: str | None = Field(None, description="for sqlite files: the SELECT that yields the table")
    separator: str | None = Field(None, min_length=1, max_length=1, description="for csv; default ','")
    encoding: Literal["utf8", "latin1", "utf8-lossy"] = "utf8"
    null_values: list[str] = Field(default_factory=list, description="texts that mean 'missing'")


class ItemsSettings(TableSettings):
    """The catalogue of one scenario."""

    id: str
    text: list[str] = Field(default_factory=list, description="columns with words, best first")
    categorical: list[str] = Field(default_factory=list)
    numeric: list[str] = Field(default_factory=list)
    time: str | None = Field(None, description="when the item became available")
    time_format: str | None = None
    timezone: str = "UTC"
    on_duplicate: OnDuplicate = "error"


class UsersSettings(TableSettings):
    """What is known of people beside their events."""

    id: str
    categorical: list[str] = Field(default_factory=list)
    numeric: list[str] = Field(default_factory=list)
    on_duplicate: OnDuplicate = "error"


class EventsSettings(TableSettings):
    """What people did: one row per event (`item`), or one row per choice (`items`)."""

    user: str
    item: str | None = Field(None, description="column with one item id per row")
    items: str | None = Field(None, description="column with a list of item ids; the last is the choice")
    action: str | None = None
    value: str | None = None
    time: str | None = Field(None, description="time stamp or sequence number")
    time_format: str | None = Field(None, description="a strptime format, or 's', 'ms', 'us', 'sequence'")
    timezone: str = "UTC"
    split: str | None = Field(None, description="column with train, valid, test or context")
    on_unknown_item: OnUnknown = "error"
    on_bad_row: Literal["error", "drop"] = "error"

    @model_validator(mode="after")
    def _one_layout(self) -> Self:
        if (self.item is None) == (self.items is None):
            raise ValueError(
                "name exactly one of 'item' (one event per row) and 'items' (one choice per row)"
            )
        return self


class Objective(Strict):
    """One thing that a scenario wants to happen."""

    action: str
    loss: Literal["bce", "mse"] = "bce"
    weight: float = Field(1.0, gt=0)


class ScenarioSettings(Strict):
    """A place where recommendations appear."""

    items: ItemsSettings
    events: EventsSettings
    users: UsersSettings | None = None
    template: str | None = Field(None, description="the item's text, e.g. '{title}. Brand: {brand}.'")
    objectives: list[Objective] = Field(
        default_factory=list, description="actions that count as choices, with weights; default: all"
    )
    actions: dict[str, float] = Field(
        default_factory=dict, description="weight of each action in what is learned; 0 ignores it"
    )
    weight: float = Field(1.0, gt=0, description="the scenario's share in joint training")
    users_are_local: bool = Field(False, description="same id elsewhere is another person")
    repeats: bool | None = Field(
        None, description="can a user choose an item again? default: whether anyone did in training"
    )
    signals: list[SignalName] = Field(default_factory=lambda: [*USUAL_SIGNALS])


class LanguageSettings(Strict):
    """The language model."""

    model: str = Field("minilm", description="'minilm' (carried), a Hugging Face id, or a folder")
    tuning: TuningMethod = Field("top", description="which weights learn the company's language")
    max_tokens: int = Field(128, ge=8, le=8192, description="longer texts are cut")
    reach: Literal["unbounded", "usual"] | Annotated[float, Field(ge=0, le=180)] = Field(
        "unbounded", description="how far a text may turn its item from what it begins with, in degrees"
    )
    batch_tokens: int = Field(4096, ge=64, description="padded tokens per batch")
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: str = "auto"
    download: bool = Field(False, description="may the model be fetched from the Hugging Face hub?")


class OptimiserSettings(Strict):
    """How weights move while the language model learns."""

    optimiser: Literal["adamw", "sgd", "adafactor"] = "adamw"
    learning_rate: float = Field(2e-4, gt=0, description="of the language model's own weights")
    schedule: Literal["linear", "cosine", "constant"] = "cosine"
    warmup: float = Field(0.1, ge=0, lt=1, description="share of the steps over which the rate rises")
    weight_decay: float = Field(0.01, ge=0)
    clip: float = Field(1.0, gt=0, description="the greatest norm of the gradient")
    accumulation: int = Field(1, ge=1, description="batches per step")
    precision: Literal["float32", "bfloat16"] = "float32"
    perturbation: float = Field(0.0, ge=0, description="length of the adversarial push at the embeddings")


class ObjectiveShares(Strict):
    """What the language model is tuned for: the weight of each objective; 0 leaves it out."""

    co_engagement: float = Field(1.0, ge=0, description="what the same people choose belongs together")
    feedback: float = Field(0.0, ge=0, description="the scenario's objectives, clicks and values, from text")
    order: float = Field(0.0, ge=0, description="the chosen above what was shown beside it")
    pretraining: float = Field(0.0, ge=0, description="the words of the catalogue itself")


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
    projection_steps: int = Field(800, ge=0, description="first, with the model frozen")
    projection_rate: float = Field(3e-3, gt=0)
    projection_batch: int = Field(1024, ge=2, description="choices per step of the projection")
    steps: int = Field(0, ge=0, description="then, with the method's weights learning too")
    batch: int = Field(256, ge=2, description="choices per step of the language model")
    epochs: int = Field(10, ge=1, description="in no phase more rounds through the choices than this")
    minutes: float | None = Field(None, gt=0, description="at most so long; cannot be repeated exactly")
    temperature: float = Field(0.07, gt=0)
    history: int = Field(6, ge=1, description="latest events that make a user's profile")
    history_dropout: float = Field(0.0, ge=0, lt=1, description="share of past events left out at random")
    validations: int = Field(8, ge=1, description="how often held-out choices are asked")
    patience: int | None = Field(None, ge=1, description="validations without gain after which to stop")
    seeds: int = Field(1, ge=1, description="trainings whose weights are averaged")
    checkpoint_steps: int | None = Field(None, ge=1, description="steps between checkpoints")
    recorder: Literal["none", "jsonl", "tensorboard", "mlflow", "wandb"] = "none"
    objectives: ObjectiveShares = Field(default_factory=ObjectiveShares)
    optimiser: OptimiserSettings = Field(default_factory=OptimiserSettings)


class EvaluationSettings(Strict):
    """How runs are judged."""

    protocol: Protocol = "temporal"
    cutoffs: list[int] = Field(default_factory=lambda: [5, 10, 20], min_length=1)
    test_share: float = Field(0.1, gt=0, lt=1, description="temporal: latest share of events that is judged")
    valid_share: float = Field(0.1, gt=0, lt=1, description="share of training the fusion learns from")
    warmup: float = Field(0.5, gt=0, lt=1, description="progressive: the share that is trained on first")
    max_cases: int | None = Field(None, ge=1, description="judge a random sample of this many choices")
    hidden_items: float = Field(
        0.0, ge=0, lt=1, description="share of the items whose events are kept from training"
    )
    bootstrap: int = Field(1000, ge=0, description="resamples for intervals; 0 draws none")


class FusionSettings(Strict):
    """The learned combination of signals."""

    hidden: int = Field(32, ge=1)
    epochs: int = Field(12, ge=1)
    max_choices: int = Field(12_000, ge=10, description="choices learned from, the latest")
    hidden_items: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="share of the items that the signals do not know while the fusion learns; "
        "default: 0 where the split is a moment of time, else 0.1",
    )
    max_catalogue: int = Field(
        2_000, ge=10, description="above it, the softmax runs over importance-weighted candidates"
    )


class TextRankerSettings(Strict):
    """The language model as a slow reader behind the signal `text_ranker`."""

    reader: Literal["none", "pair", "answers"] = Field(
        "none", description="pair: an encoder and a head; answers: a decoder and its answer words"
    )
    top: int = Field(20, ge=2, le=1000, description="the signal's best of each request that are read")
    history: int = Field(10, ge=1, le=50, description="latest past items that a prompt tells")
    chars: int = Field(120, ge=10, le=300, description="characters that a prompt tells of each text")
    examples: int = Field(2000, ge=0, description="labelled prompts that it learns from")
    steps: int = Field(0, ge=0, description="pair: steps in which the encoder itself learns")
    template: str | None = Field(None, description="of a prompt: {title} and, as you like, {liked}")

    @model_validator(mode="after")
    def _steps_of_encoders(self) -> Self:
        if self.steps and self.reader == "answers":
            raise ValueError("a reader of answers does not learn: leave 'steps' out, or say reader = 'pair'")
        return self


class RuntimeSettings(Strict):
    """Where and how to compute; never changes what is learned."""

    threads: int | None = Field(None, ge=1)
    runs: str = Field("runs", description="folder of the runs, relative to the configuration file")
    cache: str | None = Field(None, description="folder of encoded texts; default: the user's cache folder")
    blocks_mb: int = Field(256, ge=16, description="memory for one block of scores")
