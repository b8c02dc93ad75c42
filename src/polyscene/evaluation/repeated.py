"""Several evaluations of the same models, and how far they lie apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from polyscene.core.display import FrameLibrary, data_frame, html_table
from polyscene.evaluation.results import Results


@dataclass(frozen=True)
class Spread:
    """One metric over the repeats.

    Attributes:
        mean: over the repeats that measured it.
        sd: their standard deviation (n - 1); None of a single one.
        repeats: how many measured it.
    """

    mean: float
    sd: float | None
    repeats: int


@dataclass(frozen=True, repr=False)
class Repeated:
    """Results of the same models under several seeds and, where there are times, several cuts.

    The spread is that of repeats, not of users: overlapping training data make it no interval for a new cut.

    Attributes:
        results: one per repeat.
    """

    results: tuple[Results, ...]

    @property
    def main_cutoff(self) -> int:
        """The k that models are compared at."""
        return self.results[0].main_cutoff

    def table(self) -> dict[str, dict[str, dict[str, Spread]]]:
        """Return the spread by scenario, model and metric."""
        values: dict[tuple[str, str, str], list[float]] = {}
        for one in self.results:
            for judgement in one.judgements:
                for model, row in judgement.table(one.cutoffs).items():
                    for metric, value in row.items():
                        values.setdefault((judgement.scenario, model, metric), []).append(value)
        table: dict[str, dict[str, dict[str, Spread]]] = {}
        for (scenario, model, metric), measured in values.items():
            spread = Spread(mean(measured), stdev(measured) if len(measured) > 1 else None, len(measured))
            table.setdefault(scenario, {}).setdefault(model, {})[metric] = spread
        return table

    def to_frame(self, library: FrameLibrary = "polars") -> Any:  # noqa: ANN401 - a frame of that library
        """Return a data frame with a row per scenario, model and metric: mean, sd, repeats.

        Args:
            library: `polars`, or `pandas` where that is installed.
        """
        rows = list(self._rows())
        names = ("scenario", "model", "metric", "mean", "sd", "repeats")
        columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
        types = {"scenario": str, "model": str, "metric": str, "mean": float, "sd": float, "repeats": int}
        return data_frame(columns, types, library)

    def __repr__(self) -> str:
        return f"Repeated({len(self.results)} times: {self.results[0]!r})"

    def _repr_html_(self) -> str:
        main = f"ndcg@{self.main_cutoff}"
        rows = sorted((row for row in self._rows() if row[2] == main), key=lambda row: (row[0], -row[3]))
        return html_table(
            f"{main} over {len(self.results)} repeats",
            ("scenario", "model", "", "mean", "sd", "repeats"),
            rows,
        )

    def _rows(self) -> Iterator[tuple[str, str, str, float, float | None, int]]:
        for scenario, models in self.table().items():
            for model, metrics in models.items():
                for metric, spread in metrics.items():
                    yield scenario, model, metric, spread.mean, spread.sd, spread.repeats
