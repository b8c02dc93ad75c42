"""What every part of a run carries and costs, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from polyscene.cli.console import cell
from polyscene.evaluation.importance import Contribution, Importance, Verdict, interval_text
from polyscene.evaluation.significance import Interval

MAX_NAME = 24
_STYLES = {Verdict.CARRIES: "bold green", Verdict.HARMS: "bold red", Verdict.DEAR: "yellow"}


class Column(NamedTuple):
    """A heading, which may have several lines, and what stands below it."""

    heading: str
    text: Callable[[Contribution], str]


EXCHANGED = (
    Column("people\nexchanged", lambda part: _mean(part.between_people)),
    Column("items\nexchanged", lambda part: _mean(part.between_items)),
)
COSTS = (
    Column("fit\ns", lambda part: _number(part.cost.fit_seconds, ".2f")),
    Column("request\nµs", lambda part: _number(part.cost.request_us, ".0f")),
    Column("of the\ntime", lambda part: _number(part.cost.share, ".0%")),
)


def scenario_parts(importance: Importance, name: str, width: int) -> list[Table | str]:
    """Return what is shown of one scenario: tables, and what they rest on in words.

    Args:
        importance: of a run.
        name: the scenario's.
        width: of the terminal, in columns; where it is narrow, a table is split, and nothing is cut.
    """
    one, dear = importance.scenarios[name], importance.dear_share
    parts = one.ordered()
    verdicts = [part.verdict(one.ndcg, dear) for part in parts]
    words = Column("verdict", lambda part: part.verdict(one.ndcg, dear))
    loss = Column(f"NDCG@{importance.cutoff} lost\n[95 %]", lambda part: interval_text(part.loss))
    whole = [loss, *EXCHANGED, *COSTS, words]
    layouts = ([whole], [[loss, words], [*EXCHANGED, *COSTS]], [[loss], [*EXCHANGED], [*COSTS], [words]])
    tables = _fitting(name, parts, verdicts, layouts, width)
    summary = (
        f"NDCG@{importance.cutoff} {one.ndcg:.4f} on {one.choices:,} {importance.choices_of} choices of "
        f"{one.users:,} users; dear is what takes above {dear:.0%} of the time."
    )
    return [*tables, summary, *one.remarks]


def _fitting(
    name: str,
    parts: Sequence[Contribution],
    verdicts: Sequence[Verdict],
    layouts: Sequence[Sequence[Sequence[Column]]],
    width: int,
) -> list[Table]:
    """Return the tables of the first layout that fits, or of the last."""
    tables: list[Table] = []
    for groups in layouts:
        tables = [_table("" if place else name, parts, verdicts, group) for place, group in enumerate(groups)]
        if all(_width(table) <= width for table in tables):
            break
    return tables


def _table(
    title: str, parts: Sequence[Contribution], verdicts: Sequence[Verdict], columns: Sequence[Column]
) -> Table:
    table = Table(title=cell(title) if title else None, title_justify="left", title_style="bold")
    table.add_column("without", no_wrap=True)
    for column in columns:
        justify = "left" if column.heading == "verdict" else "right"
        table.add_column(column.heading, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for part, verdict in zip(parts, verdicts, strict=True):
        texts = [column.text(part) for column in columns]
        table.add_row(cell(part.label, MAX_NAME), *texts, style=_STYLES.get(verdict, ""))
    return table


def _width(table: Table) -> int:
    console = Console(width=1000)
    return Measurement.get(console, console.options, table).maximum


def _mean(interval: Interval | None) -> str:
    return _number(None if interval is None else interval.mean, "+.4f")


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
