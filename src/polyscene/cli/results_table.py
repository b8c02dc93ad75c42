"""An evaluation as tables for a terminal: whole numbers at any width, never cut ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich.table import Table

from polyscene.cli.console import cell
from polyscene.core.text import columns
from polyscene.evaluation.report.content import Difference, ScenarioResults
from polyscene.evaluation.results import SYSTEM

SLICES = ("new_items", "cold_items", "cold_users")
MAX_NAME = 24
"""Columns of a model's name."""
MIN_NAME = 8
GAP = 3
"""Columns between two cells: a rule and its padding."""
EDGES = 4
"""Columns of the outer rules and their padding."""
_OWN = "bold green"


class Column(NamedTuple):
    """One column of the table of models.

    Attributes:
        heading: may have several lines.
        metric: whose values stand in it.
        bounds: whether the interval stands beside the value.
    """

    heading: str
    metric: str
    bounds: bool = False

    def text(self, results: ScenarioResults, model: str) -> str:
        """Return a model's cell."""
        value = results.models[model].get(self.metric)
        bounds = results.intervals.get(model, {}).get(self.metric) if self.bounds else None
        return _number(value) + ("" if bounds is None else f" [{bounds[0]:.3f}, {bounds[1]:.3f}]")

    def width(self, results: ScenarioResults) -> int:
        """Return how many columns of the terminal it takes."""
        cells = [self.text(results, model) for model in results.models]
        return max(columns(text) for text in (*self.heading.split("\n"), *cells))


def scenario_parts(name: str, block: Mapping[str, Any], cutoff: int, width: int) -> list[Table | str]:
    """Return what is shown of one scenario's evaluation: tables, and what follows from it in words.

    Args:
        name: the scenario's.
        block: its part of the evaluation file.
        cutoff: the k that models are compared at.
        width: of the terminal, in columns.
    """
    results = ScenarioResults.from_json(name, block)
    lead = results.differences.get(f"ndcg@{cutoff}")
    seen = {"removed": "items a user already has are not shown again", "kept": "items may be shown again"}
    summary = f"{results.choices:,} choices of {results.users:,} users, protocol {results.protocol}"
    sentences = [f"{summary}; {seen.get(results.seen_items, 'all items are candidates')}."]
    return [*models_tables(results, cutoff, width), *sentences, *([_sentence(lead, cutoff)] if lead else [])]


def models_tables(results: ScenarioResults, cutoff: int, width: int) -> list[Table]:
    """Return models by metrics, best first, Polyscene's own row marked.

    Where the terminal is too narrow for all columns, those of slices follow in a table of their own, and then
    fewer columns stand in each of more tables.
    """
    whole, slices = _columns(results, cutoff)
    space = width - _name_width(results, [*whole, *slices], width)
    parts = [[*whole, *slices]]
    if not _fits(results, parts[0], space):
        parts = _packed(results, whole, space)
        slices_apart = len(parts) == 1
        parts = (
            [*parts, *_packed(results, slices, space)]
            if slices_apart
            else _packed(results, [*whole, *slices], space)
        )
    titles = [results.name, *[""] * len(parts)]
    return [
        _table(results, part, cutoff, title, width - space)
        for part, title in zip(parts, titles, strict=False)
    ]


def _columns(results: ScenarioResults, cutoff: int) -> tuple[list[Column], list[Column]]:
    main = f"ndcg@{cutoff}"
    whole = [
        Column(f"HR@{cutoff}", f"hr@{cutoff}"),
        Column(f"NDCG@{cutoff}\n[95 %]", main, bounds=True),
        Column("MRR", "mrr"),
        Column(f"coverage\n@{cutoff}", f"coverage@{cutoff}"),
    ]
    slices = [
        Column(f"NDCG@{cutoff}\n{part.replace('_', ' ')}\n({results.slices[part]:,})", f"{main}/{part}")
        for part in SLICES
        if results.slices.get(part)
    ]
    return whole, slices


def _packed(results: ScenarioResults, wanted: Sequence[Column], space: int) -> list[list[Column]]:
    """Spread columns over as few tables as fit; one column at least stands in each."""
    parts: list[list[Column]] = []
    for column in wanted:
        if parts and _fits(results, [*parts[-1], column], space):
            parts[-1].append(column)
        else:
            parts.append([column])
    return parts


def _fits(results: ScenarioResults, wanted: Sequence[Column], space: int) -> bool:
    return EDGES + sum(column.width(results) + GAP for column in wanted) <= space


def _name_width(results: ScenarioResults, wanted: Sequence[Column], width: int) -> int:
    """Return how many columns the models' names get: fewer only where the widest number needs them."""
    widest = max(column.width(results) for column in wanted) + GAP + EDGES
    longest = max(columns(name) for name in ("model", *results.models))
    return max(MIN_NAME, min(MAX_NAME, longest, width - widest))


def _table(
    results: ScenarioResults, wanted: Sequence[Column], cutoff: int, title: str, name_width: int
) -> Table:
    table = Table(title=cell(title) if title else None, title_justify="left", title_style="bold")
    table.add_column("model", no_wrap=True)
    for column in wanted:
        table.add_column(column.heading, justify="right", no_wrap=True)
    for model in results.ordered(f"ndcg@{cutoff}"):
        values = [column.text(results, model) for column in wanted]
        table.add_row(cell(model, name_width), *values, style=_OWN if model == SYSTEM else "")
    return table


def _sentence(lead: Difference, cutoff: int) -> str:
    bounds = "" if lead.low is None or lead.high is None else f" [{lead.low:+.4f} to {lead.high:+.4f}]"
    verdict = {
        "better": "ahead",
        "worse": "behind",
        "open": "not told apart by these choices",
    }[lead.verdict]
    against = f"{SYSTEM} against the best signal, {lead.against}"
    return f"{against}: NDCG@{cutoff} {lead.mean:+.4f}{bounds}; {verdict}."


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
