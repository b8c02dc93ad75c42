"""What scenarios teach each other: trained on some of them, judged on each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from polyscene.evaluation.significance import Interval

METRIC = "ndcg"
"""Of held-out choices among about a hundred other items, without a cutoff."""


@dataclass(frozen=True)
class TransferRow:
    """One network.

    Attributes:
        trained_on: names of scenarios.
        judged: by scenario, the mean gain of its held-out choices.
    """

    trained_on: tuple[str, ...]
    judged: Mapping[str, Interval]


@dataclass(frozen=True)
class TransferMatrix:
    """Several networks on the same held-out choices.

    Attributes:
        rows: fewest scenarios first. A scenario a network was not trained on is judged by what it says there
            with nothing of its own.
        chance: by scenario, what an order by chance is worth on the same choices.
        choices: by scenario, how many they are.
        refused: scenarios in which nothing can be learned, so that none learns with them.
        own: scenarios that keep a network of their own, since they lose by learning together.
    """

    rows: tuple[TransferRow, ...]
    chance: Mapping[str, float]
    choices: Mapping[str, int]
    refused: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    metric: str = field(default=METRIC)

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Names of those that are judged."""
        return tuple(self.chance)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "metric": self.metric,
            "rows": [
                {
                    "trained_on": list(row.trained_on),
                    "judged": {name: [one.mean, one.low, one.high] for name, one in row.judged.items()},
                }
                for row in self.rows
            ],
            "chance": dict(self.chance),
            "choices": dict(self.choices),
            "refused": list(self.refused),
            "own": list(self.own),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Take them back."""
        rows = tuple(
            TransferRow(
                tuple(row["trained_on"]),
                {name: Interval(*(float(part) for part in one)) for name, one in row["judged"].items()},
            )
            for row in values["rows"]
        )
        names = (tuple(values["refused"]), tuple(values["own"]))
        return cls(rows, values["chance"], values["choices"], *names, values["metric"])
