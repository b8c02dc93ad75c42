"""`polyscene check`: everything wrong with the tables at once, and whether the model can read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import typer

from polyscene.cli.failures import WRONG
from polyscene.cli.options import CONFIG, Config, JsonFile, opened

if TYPE_CHECKING:
    from rich.table import Table

    from polyscene.core.errors import Problem
    from polyscene.learning.checking import ProjectReport


def check(config: Config = CONFIG, json: JsonFile = None) -> None:
    """Read every row of every table and list all problems with their counts.

    Exit code 0 where the project can be trained as it is, warnings or not; 1 where it cannot.
    """
    from json import dumps

    from polyscene.cli.console import show
    from polyscene.cli.tables import problems_table
    from polyscene.core.files import write_text

    report = opened(config).check()
    if json is not None:
        write_text(json, dumps(report.to_json(), indent=2, ensure_ascii=False, default=str) + "\n")
    show(_counts_table(report))
    show(_rows_table(report))
    if report.problems:
        show(problems_table(report.problems))
    show(*report.decisions, _verdict(report.problems))
    if not report.ok:
        raise typer.Exit(WRONG)


def _counts_table(report: ProjectReport) -> Table:
    from polyscene.cli.tables import plain_table

    headings = ("scenario", "items", "users", "events", "actions", "from", "to", "readable words")
    rows = []
    for name, counts in report.counts.items():
        actions = ", ".join(f"{action} {n:,}" for action, n in (counts.actions or {}).items())
        reads = f"{1 - report.coverage[name].unreadable:.0%}" if name in report.coverage else "–"
        numbers = (_count(counts.items), _count(counts.users), _count(counts.events))
        rows.append((name, *numbers, actions, _moment(counts.first), _moment(counts.last), reads))
    return plain_table("tables", headings, rows)


def _rows_table(report: ProjectReport) -> Table:
    """Return where the rows of every table went; the rows of each are the sum of what stands beside them."""
    from polyscene.cli.tables import plain_table

    tables = [(name, one) for name, counts in report.counts.items() for one in counts.tables]
    columns = {
        "rows": [one.rows for _, one in tables],
        "read": [one.read for _, one in tables],
        "of the same id": [one.merged for _, one in tables],
        "repaired: left out": [one.repaired for _, one in tables],
        "left out by where": [one.filtered for _, one in tables],
        "refused": [one.refused for _, one in tables],
    }
    wanted = {name: counts for name, counts in columns.items() if any(counts) or name in ("rows", "read")}
    rows = [
        (name, one.role, one.table, *(f"{counts[place]:,}" for counts in wanted.values()))
        for place, (name, one) in enumerate(tables)
    ]
    return plain_table("rows", ("scenario", "table", "file", *wanted), rows)


def _count(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def _moment(moment: object) -> str:
    """Return a time to the second, or a sequence number."""
    if moment is None:
        return "–"
    return f"{moment:%Y-%m-%d %H:%M:%S}" if isinstance(moment, datetime) else str(moment)


def _verdict(problems: Sequence[Problem]) -> str:
    count = {level: sum(p.severity == level for p in problems) for level in ("error", "warning", "repaired")}
    if not count["error"]:
        rest = f" ({count['warning']} warnings, {count['repaired']} repaired)" if problems else ""
        return f"ok{rest}; next: polyscene train"
    return f"{count['error']} errors have to be mended first; the column 'remedy' says how"
