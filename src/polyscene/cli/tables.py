"""Results, slates and problems as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from polyscene.cli.console import cell
from polyscene.evaluation.report.content import Difference, ScenarioResults
from polyscene.evaluation.results import SYSTEM

if TYPE_CHECKING:
    from polyscene.core.errors import Problem
    from polyscene.core.types import Recommendation

SLICES = ("new_items", "cold_items", "cold_users")
_OWN = "bold green"
_COLOURS = {"error": "red", "warning": "yellow", "repaired": "cyan"}


def scenario_parts(name: str, block: Mapping[str, Any], cutoff: int) -> list[Table | str]:
    """Return what is shown of one scenario's evaluation: a table, and what follows from it in words.

    Args:
        name: the scenario's.
        block: its part of the evaluation file.
        cutoff: the k that models are compared at.
    """
    results = ScenarioResults.from_json(name, block)
    lead = results.differences.get(f"ndcg@{cutoff}")
    seen = {"removed": "items a user already has are not shown again", "kept": "items may be shown again"}
    summary = f"{results.choices:,} choices of {results.users:,} users, protocol {results.protocol}"
    sentences = [f"{summary}; {seen.get(results.seen_items, 'all items are candidates')}."]
    return [models_table(results, cutoff), *sentences, *([_sentence(lead, cutoff)] if lead else [])]


def models_table(results: ScenarioResults, cutoff: int) -> Table:
    """Return models by metrics, best first, Polyscene's own row marked."""
    main, slices = f"ndcg@{cutoff}", [part for part in SLICES if results.slices.get(part)]
    table = Table(title=cell(results.name), title_justify="left", title_style="bold")
    table.add_column("model", no_wrap=True)
    headings = [f"HR@{cutoff}", f"NDCG@{cutoff} [95 %]", "MRR"]
    headings += [f"NDCG {part.replace('_', ' ')}\n({results.slices[part]:,})" for part in slices]
    for heading in (*headings, f"coverage@{cutoff}"):
        table.add_column(heading, justify="right")
    names = [f"hr@{cutoff}", main, "mrr", *(f"{main}/{part}" for part in slices), f"coverage@{cutoff}"]
    for model in results.ordered(main):
        bounds = results.intervals.get(model, {}).get(main)
        values = [
            _number(results.models[model].get(name)) + (_bounds(bounds) if name == main else "")
            for name in names
        ]
        table.add_row(cell(model), *values, style=_OWN if model == SYSTEM else "")
    return table


def slate_table(title: str, places: Sequence[Recommendation], score: str = "score") -> Table:
    """Return recommended items in their order with reasons; one that was given already is referred to."""
    table = Table(title=cell(title, 100), title_justify="left", title_style="bold")
    table.add_column("", justify="right")
    for heading in ("item", "title"):
        table.add_column(heading)
    table.add_column(score, justify="right")
    table.add_column("why")
    given: dict[str, int] = {}
    for number, place in enumerate(places, 1):
        first = given.setdefault(place.reason, number)
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
    parts = [problem.scenario, problem.file, row, problem.column]
    return cell(", ".join(part for part in parts if part), 120)


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


def _bounds(bounds: tuple[float, float] | None) -> str:
    return "" if bounds is None else f" [{bounds[0]:.3f}, {bounds[1]:.3f}]"
