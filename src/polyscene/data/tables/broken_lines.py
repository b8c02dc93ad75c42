"""What is said of broken lines: every kind with its lines and count, and the setting that reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from polyscene.core.errors import Problem
from polyscene.core.text import shown
from polyscene.data.tables.records import SWALLOWED, TOO_FEW, TOO_MANY, Dialect, Examination, Record, examined
from polyscene.data.tables.repairs import weighed
from polyscene.data.tables.source import Source

MAX_NAMED_LINES = 8
_WRAPPED_SHARE = 0.05
"""Of the rows: where more have fields in quotes, quotes are no plain characters."""
_DROP = 'or set on_broken_line = "drop" to leave them out'

Read = Callable[[], Iterable[str]]


def broken_problems(
    source: Source, examination: Examination, remedy: str, dropped: bool = False
) -> list[Problem]:
    """Return a problem per kind of broken line.

    Args:
        source: the file.
        examination: of its lines.
        remedy: what to do.
        dropped: whether the lines were left out as asked.
    """
    kinds: dict[str, list[tuple[int, Record]]] = {}
    for row, record in examination.broken:
        kinds.setdefault(record.fault, []).append((row, record))
    problems = []
    for fault, broken in kinds.items():
        row = broken[0][0]
        problem = Problem(
            fault,
            _expected(fault, examination.columns),
            _found(broken),
            remedy,
            file=source.shown,
            row=row or None,
            count=len(broken),
            severity="repaired" if dropped else "error",
        )
        problems.append(weighed(problem, examination.rows))
    return problems


def better_dialect(read: Read, dialect: Dialect, examination: Examination) -> tuple[Dialect, Examination]:
    """Return the way of telling fields apart that keeps the number of columns in the most rows.

    Args:
        read: returns the lines.
        dialect: as it was read.
        examination: what reading it so gave.
    """
    best = (dialect, examination)
    if not examination.broken or dialect.quote is None:
        return best
    options = [replace(dialect, escape="\\")] if dialect.escape is None and _has(read, "\\") else []
    if not examination.quoted and not _wrapped(read, dialect):
        options.insert(0, replace(dialect, quote=None))
    for option in options:
        other = examined(read(), option)
        if len(other.broken) < len(best[1].broken) and other.columns == examination.columns:
            best = (option, other)
    return best


def remedy_for(read: Read, dialect: Dialect, examination: Examination) -> str:
    """Return what to do about broken lines: the setting that reads them, where there is one."""
    better, left = better_dialect(read, dialect, examination)
    if better == dialect:
        return f"mend the row; put quotes around fields that contain the separator; {_DROP}"
    remedy = 'set quote = "none": quotes are plain characters in this file'
    if better.escape is not None:
        remedy = "set escape = '\\': a backslash stands before quotes inside fields"
    return remedy + (f"; {len(left.broken):,} rows stay broken, {_DROP}" if left.broken else "")


def _expected(fault: str, columns: int) -> str:
    if fault in (TOO_MANY, TOO_FEW):
        return f"{columns} fields, as in the first line"
    if fault == SWALLOWED:
        return "a quote that is closed within its field"
    return "quotes around whole fields, doubled inside them"


def _found(broken: list[tuple[int, Record]]) -> str:
    first = broken[0][1].found
    others = [f"{record.line:,}" for _, record in broken[1:MAX_NAMED_LINES]]
    more = ", …" if len(broken) > MAX_NAMED_LINES else ""
    return shown(first, 160) + (
        f"; also line{'s'[: len(others) > 1]} {', '.join(others)}{more}" if others else ""
    )


def _has(read: Read, sign: str) -> bool:
    return any(sign in line for line in read())


def _wrapped(read: Read, dialect: Dialect) -> bool:
    """Return whether fields in quotes are the custom of a file: in its header, or in many rows."""
    rows = wrapped = 0
    quote = dialect.quote or ""
    for number, line in enumerate(read()):
        rows += 1
        if quote in line:
            fields = dialect.joined(line).split(dialect.mark)
            whole = any(len(f) > 1 and f.startswith(quote) and f.endswith(quote) for f in fields)
            if whole and number == 0 and dialect.header:
                return True
            wrapped += whole
    return wrapped > _WRAPPED_SHARE * rows
