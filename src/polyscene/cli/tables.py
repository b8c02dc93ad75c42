"""Slates, problems and plain rows as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from polyscene.cli.console import cell

if TYPE_CHECKING:
    from polyscene.core.errors import Problem
    from polyscene.core.types import Recommendation

_COLOURS = {"error": "red", "warning": "yellow", "repaired": "cyan"}


def slate_table(title: str, places: Sequence[Recommendation], score: str = "score") -> Table:
    """Return recommended items in their order with reasons; one that was given already is referred to."""
    table = Table(title=cell(title, 100), title_justify="left", title_style="bold")
    table.add_column("", justify="right")
    for heading in ("item", "title"):
        table.add_column(heading)
    table.add_column(score, justify="right", no_wrap=True)
    table.add_column("why")
    first_places: dict[str, int] = {}
    for number, place in enumerate(places, 1):
        first = first_places.setdefault(place.reason, number)
        why = place.reason if first == number else f"as number {first}"
        row = (cell(place.item.id, 30), cell(place.item.text), f"{place.score:.3f}", cell(why, 160))
        table.add_row(str(number), *row)
    return table


def problems_table(problems: Iterable[Problem]) -> Table:
    """Return everything that a check met, errors first."""
    table = Table(title="problems", title_justify="left", title_style="bold", show_lines=True)
    for heading in ("severity", "times", "where", "what", "found", "remedy"):
        table.add_column(heading, justify="right" if heading == "times" else "left", overflow="fold")
    order = list(_COLOURS)
    for problem in sorted(problems, key=lambda problem: order.index(problem.severity)):
        table.add_row(
            Text(problem.severity, style=_COLOURS[problem.severity]),
            f"{problem.count:,}",
            _where(problem),
            cell(f"{problem.what}; expected {problem.expected}", 300),
            cell(problem.found, 200),
            cell(problem.remedy, 300),
        )
    return table


def plain_table(title: str, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Return a table of bounded text."""
    table = Table(title=cell(title), title_justify="left", title_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(cell(value, 400) for value in row))
    return table


def _where(problem: Problem) -> Text:
    row = None if problem.row is None else f"row {problem.row:,}"
    key = None if problem.key is None else f"key {problem.key}"
    parts = [problem.scenario, problem.file, row, problem.column, key]
    return cell(", ".join(part for part in parts if part), 120)
