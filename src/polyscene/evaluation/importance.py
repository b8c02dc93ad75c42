"""What a result rests on: how much worse choices are ranked without each part, and what the part costs.

A loss is NDCG of the whole minus NDCG without the part, a mean over choices, with a paired bootstrap interval
over people. Nothing is learned again without the part: what others could stand in for may carry all the same,
and a set of parts may carry of which each alone does not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Self, get_args

from polyscene.core.display import FrameLibrary, data_frame, html_table
from polyscene.core.files import write_text
from polyscene.evaluation.significance import Interval

Kind = Literal["signal", "signals", "field", "scenario"]
KINDS: tuple[Kind, ...] = get_args(Kind)
ChoicesOf = Literal["test", "valid"]
"""Whose choices were ranked: those that nothing has learned from, or those held out in training."""
DEAR_SHARE = 0.05
"""A part that takes a larger share of the time is dear."""
SMALL_SHARE = 0.05
"""A dear part costs its time for nothing where a loss of more than this share of the NDCG is ruled out."""


class Verdict(StrEnum):
    """What is said of a part."""

    CARRIES = "carries"
    HARMS = "harms"
    DEAR = "costs time for nothing"
    OPEN = "not shown to matter"
    UNKNOWN = "cannot be told"


@dataclass(frozen=True)
class Cost:
    """What one part takes.

    Attributes:
        fit_seconds: of a training; None: not known, or nothing of its own.
        request_us: microseconds of one request; None as above.
        share: the larger one of its shares of the seconds and of the microseconds of all signals, in [0, 1].
    """

    fit_seconds: float | None = None
    request_us: float | None = None
    share: float | None = None


@dataclass(frozen=True)
class Contribution:
    """What one part adds.

    Attributes:
        kind: a signal, several at once, a field of the items, or what people did in another scenario.
        name: of it.
        loss: of NDCG where it is withheld; below 0 where the ranking is better without it.
        between_people: of NDCG where everybody gets what it says to somebody else; None: not measured.
        between_items: of NDCG where every item gets what belongs to another one; None: not measured.
        cost: what it takes.
    """

    kind: Kind
    name: str
    loss: Interval
    between_people: Interval | None = None
    between_items: Interval | None = None
    cost: Cost = field(default_factory=Cost)

    @property
    def label(self) -> str:
        """Its name, with what it is where it is no signal."""
        return self.name if self.kind == "signal" else f"{self.kind}: {self.name}"

    def verdict(self, ndcg: float, dear_share: float = DEAR_SHARE) -> Verdict:
        """Say in a word what the loss and the share of the time come to.

        An interval about zero that reaches far up shows nothing: the choices are too few, or too much alike.

        Args:
            ndcg: of the whole.
            dear_share: of the time, above which a part is dear.
        """
        if not self.loss.known:
            return Verdict.UNKNOWN
        if self.loss.excludes_zero:
            return Verdict.CARRIES if self.loss.mean > 0 else Verdict.HARMS
        small, dear = self.loss.high <= SMALL_SHARE * ndcg, (self.cost.share or 0.0) > dear_share
        return Verdict.DEAR if small and dear else Verdict.OPEN

    @property
    def carries(self) -> bool:
        """Whether something is surely lost without it."""
        return self.loss.known and self.loss.low > 0

    def to_json(self, verdict: Verdict) -> dict[str, Any]:
        """Return plain values; unknown bounds are None."""
        return {
            "kind": self.kind,
            "name": self.name,
            "loss": _bounds(self.loss),
            "between_people": _bounds(self.between_people),
            "between_items": _bounds(self.between_items),
            "fit_seconds": self.cost.fit_seconds,
            "request_us": self.cost.request_us,
            "share": self.cost.share,
            "verdict": str(verdict),
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Take them back."""
        loss = _interval(row["loss"])
        assert loss is not None
        exchanged = (_interval(row["between_people"]), _interval(row["between_items"]))
        cost = Cost(row["fit_seconds"], row["request_us"], row["share"])
        return cls(row["kind"], row["name"], loss, *exchanged, cost)


@dataclass(frozen=True)
class ScenarioImportance:
    """The parts of one scenario.

    Attributes:
        scenario: its name.
        users: who made the choices.
        choices: how many were ranked.
        ndcg: of the whole, at the cutoff.
        parts: in no order.
        alone: the signal that is used alone, where the fusion was not better; None: the fusion answers.
        notes: what is left out and why, each a sentence.
    """

    scenario: str
    users: int
    choices: int
    ndcg: float
    parts: tuple[Contribution, ...]
    alone: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def remarks(self) -> list[str]:
        """What a reader of the figures should know, each a whole sentence."""
        alone = f"'{self.alone}' is used alone, so no other signal can carry anything."
        return [*([] if self.alone is None else [alone]), *(f"{note}." for note in self.notes)]

    def of(self, kind: Kind) -> list[Contribution]:
        """Return the parts of one kind, the largest loss first."""
        return sorted(
            (part for part in self.parts if part.kind == kind), key=lambda part: (-part.loss.mean, part.name)
        )

    def ordered(self) -> list[Contribution]:
        """Return all parts: signals, fields, scenarios, of each the largest loss first."""
        return [part for kind in KINDS for part in self.of(kind)]

    def part(self, kind: Kind, name: str) -> Contribution:
        """Return one part.

        Raises:
            KeyError: there is none of that name.
        """
        for part in self.parts:
            if (part.kind, part.name) == (kind, name):
                return part
        raise KeyError(f"expected a {kind} out of {[part.name for part in self.of(kind)]}, found '{name}'")


@dataclass(frozen=True, repr=False)
class Importance:
    """What the results of one run rest on.

    Attributes:
        scenarios: by name.
        choices_of: "test" or "valid".
        cutoff: k of NDCG.
        dear_share: see `DEAR_SHARE`.
        resamples: of every interval.
        seed: of those draws and of what is exchanged.
        machine, versions: where the costs were measured, as in `Results`.
    """

    scenarios: Mapping[str, ScenarioImportance]
    choices_of: ChoicesOf = "test"
    cutoff: int = 10
    dear_share: float = DEAR_SHARE
    resamples: int = 1000
    seed: int = 0
    machine: Mapping[str, str | int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        counts = (f"{one.scenario}: {len(one.parts)} parts" for one in self.scenarios.values())
        return f"Importance({'; '.join(counts)}; {self.choices_of} choices)"

    def _repr_html_(self) -> str:
        return "".join(
            html_table(
                f"{name}: NDCG@{self.cutoff} {one.ndcg:.4f} on {one.choices:,} {self.choices_of} choices",
                ("", "part", "loss without it", "fit s", "µs a request", ""),
                [
                    (
                        part.kind,
                        part.name,
                        interval_text(part.loss),
                        *(
                            "–" if cost is None else cost
                            for cost in (part.cost.fit_seconds, part.cost.request_us)
                        ),
                        str(part.verdict(one.ndcg, self.dear_share)),
                    )
                    for part in one.ordered()
                ],
                one.notes,
            )
            for name, one in self.scenarios.items()
        )

    def judged_by(self, dear_share: float) -> Importance:
        """Return the same with verdicts by another share of the time."""
        return replace(self, dear_share=dear_share)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a flat row per scenario and part."""
        for name, one in self.scenarios.items():
            for part in one.ordered():
                row = part.to_json(part.verdict(one.ndcg, self.dear_share))
                low, high = row["loss"][1:]
                means = {way: (row[way] or [None])[0] for way in ("loss", "between_people", "between_items")}
                yield {"scenario": name} | row | {"low": low, "high": high} | means

    def to_frame(self, library: FrameLibrary = "polars") -> Any:  # noqa: ANN401 - a frame of that library
        """Return a data frame with a row per scenario and part.

        Args:
            library: `polars`, or `pandas` where that is installed.
        """
        rows, texts = list(self.rows()), ("scenario", "kind", "name", "verdict")
        numbers = (
            "loss",
            "low",
            "high",
            "between_people",
            "between_items",
            "fit_seconds",
            "request_us",
            "share",
        )
        types = dict.fromkeys(texts[:3], str) | dict.fromkeys(numbers, float) | {"verdict": str}
        return data_frame({name: [row[name] for row in rows] for name in types}, types, library)

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "choices_of": self.choices_of,
            "cutoff": self.cutoff,
            "dear_share": self.dear_share,
            "resamples": self.resamples,
            "seed": self.seed,
            "machine": dict(self.machine),
            "versions": dict(self.versions),
            "scenarios": {
                name: {
                    "users": one.users,
                    "choices": one.choices,
                    "ndcg": one.ndcg,
                    "alone": one.alone,
                    "notes": list(one.notes),
                    "parts": [
                        part.to_json(part.verdict(one.ndcg, self.dear_share)) for part in one.ordered()
                    ],
                }
                for name, one in self.scenarios.items()
            },
        }

    def save(self, path: Path) -> None:
        """Write `to_json` to a file, whole or not at all."""
        write_text(path, json.dumps(self.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Take them back."""
        scenarios = {
            name: ScenarioImportance(
                name,
                block["users"],
                block["choices"],
                block["ndcg"],
                tuple(Contribution.from_json(row) for row in block["parts"]),
                block["alone"],
                tuple(block["notes"]),
            )
            for name, block in values["scenarios"].items()
        }
        names = ("choices_of", "cutoff", "dear_share", "resamples", "seed", "machine", "versions")
        return cls(scenarios, **{name: values[name] for name in names})


def interval_text(interval: Interval | None) -> str:
    """Return a loss with its interval, a dash where it was not measured."""
    if interval is None:
        return "–"
    bounds = f" [{interval.low:+.4f}, {interval.high:+.4f}]" if interval.known else ""
    return f"{interval.mean:+.4f}{bounds}"


def _bounds(interval: Interval | None) -> list[float | None] | None:
    if interval is None:
        return None
    return [interval.mean, interval.low, interval.high] if interval.known else [interval.mean, None, None]


def _interval(values: list[float | None] | None) -> Interval | None:
    if values is None:
        return None
    return Interval(*(float("nan") if value is None else value for value in values))
