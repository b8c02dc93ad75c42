"""What a report shows, as plain values: whoever has them can have a report, whatever made them.

Text is shown as text whatever it holds; long ones are cut. Empty parts are left out of the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from polyscene.core.types import FloatArray, LongArray
from polyscene.evaluation.importance import Importance, ScenarioImportance
from polyscene.evaluation.results import SYSTEM
from polyscene.evaluation.transfer import TransferMatrix


@dataclass(frozen=True)
class Difference:
    """The system's lead over the best other model.

    Attributes:
        against: that model's name.
        mean: the lead; negative where the other is ahead.
        low: lower end of its interval, None where unknown.
        high: upper end, None where unknown.
    """

    against: str
    mean: float
    low: float | None = None
    high: float | None = None

    @property
    def verdict(self) -> str:
        """`better` or `worse` where the interval excludes zero, else `open`."""
        if self.low is not None and self.low > 0:
            return "better"
        if self.high is not None and self.high < 0:
            return "worse"
        return "open"


@dataclass(frozen=True)
class ScenarioResults:
    """One scenario's block of the evaluation file, as `Results.to_json` writes it."""

    name: str
    users: int
    choices: int
    models: Mapping[str, Mapping[str, float]]
    intervals: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    slices: Mapping[str, int] = field(default_factory=dict)
    differences: Mapping[str, Difference] = field(default_factory=dict)
    protocol: str = ""
    seen_items: str = ""

    @classmethod
    def from_json(cls, name: str, block: Mapping[str, Any]) -> Self:
        """Read one block; what is allowed to be absent may be absent."""
        return cls(
            name=name,
            users=int(block["users"]),
            choices=int(block.get("choices", block["users"])),
            models={model: dict(row) for model, row in block["models"].items()},
            intervals={
                model: {metric: (float(low), float(high)) for metric, (low, high) in row.items()}
                for model, row in block.get("intervals", {}).items()
            },
            slices={part: int(n) for part, n in block.get("slices", {}).items()},
            differences={
                metric: Difference(row["against"], row["mean"], row.get("low"), row.get("high"))
                for metric, row in block.get("differences", {}).items()
            },
            protocol=str(block.get("protocol", "")),
            seen_items=str(block.get("seen_items", "")),
        )

    @property
    def main_metric(self) -> str:
        """The metric that models are ordered by: ndcg@10, else the first NDCG, else the first metric."""
        names = [name for row in self.models.values() for name in row if "/" not in name]
        wanted = ["ndcg@10", *(name for name in names if name.startswith("ndcg@")), *names]
        return next((name for name in wanted if name in names), "ndcg@10")

    def ordered(self, metric: str | None = None) -> list[str]:
        """Return the models that have the metric, best first, equal ones by name with the system first."""
        by = metric or self.main_metric
        models = [model for model, row in self.models.items() if by in row]
        return sorted(models, key=lambda model: (-self.models[model][by], model != SYSTEM, model))


@dataclass(frozen=True)
class Exposure:
    """How often items were shown against how often they were used.

    Attributes:
        popularity: (n,) training events per item.
        shown: (n,) places in the judged lists per item, by model name.
    """

    popularity: LongArray
    shown: Mapping[str, LongArray]


@dataclass(frozen=True)
class ItemMap:
    """Item vectors in two dimensions.

    Attributes:
        points: (n, 2).
        categories: n names; "" where unknown.
        method: how the two dimensions were made, in a few words.
        coloured_by: what the categories are; "" where there are none.
    """

    points: FloatArray
    categories: tuple[str, ...]
    method: str = "two main directions of the item vectors"
    coloured_by: str = ""


@dataclass(frozen=True)
class SlateEntry:
    """One place of a sample slate; propensity in (0, 1], None where nothing was left to chance."""

    title: str
    reason: str
    propensity: float | None = None


@dataclass(frozen=True)
class SampleSlate:
    """What one user would be shown, beside what they last did."""

    user: str
    history: tuple[str, ...]
    places: tuple[SlateEntry, ...]


@dataclass(frozen=True)
class ScenarioReport:
    """All that is shown of one scenario.

    Attributes:
        importance: of the whole run, if it was measured what its parts carry.
    """

    results: ScenarioResults
    exposure: Exposure | None = None
    item_map: ItemMap | None = None
    slates: tuple[SampleSlate, ...] = ()
    importance: Importance | None = None

    @property
    def parts(self) -> ScenarioImportance | None:
        """What every part carries; None where it was not measured."""
        return None if self.importance is None else self.importance.scenarios.get(self.results.name)


@dataclass(frozen=True)
class CurvePoint:
    """Where training stood after `step` steps; None where it was not measured."""

    step: int
    loss: float | None = None
    metric: float | None = None


@dataclass(frozen=True)
class LearningCurve:
    """One part's training, for example the language model's or the fusion's."""

    name: str
    points: tuple[CurvePoint, ...]
    metric: str = "validation"


@dataclass(frozen=True)
class DataCard:
    """What the numbers rest on.

    Attributes:
        counts: by scenario, what there is of what: items, users, events and so on.
        notes: what was repaired or left out while reading, each a sentence; nothing else.
        machine: what the run ran on.
        versions: of the parts that the numbers depend on.
        settings: the configuration, as text.
    """

    counts: Mapping[str, Mapping[str, int | str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    machine: Mapping[str, str | int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    settings: str = ""


@dataclass(frozen=True)
class ReportData:
    """A whole report.

    Attributes:
        title: the project's name.
        run: which run is shown.
        made: when, as text.
        scenarios: in the order of the page.
        curves: learning curves, if training left any.
        card: what the numbers rest on.
        remarks: sentences to stand at the top, such as cautions.
        transfer: what scenarios taught each other, if they learned together.
    """

    title: str
    scenarios: tuple[ScenarioReport, ...]
    run: str = ""
    made: str = ""
    curves: tuple[LearningCurve, ...] = ()
    card: DataCard = field(default_factory=DataCard)
    remarks: tuple[str, ...] = ()
    transfer: TransferMatrix | None = None
