"""Rows of delimited text read line by line: which lines are sound, which are broken, and why.

The engine reads such files fast and as a whole; this looks slowly, at files of which something is odd. A
broken line never takes the lines below it along: reading goes on with the next one.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

JOINED = "\x1f"
"""Stands for a separator of several characters, as the engine knows only single ones."""
MAX_LINES_PER_RECORD = 2_000
MAX_FIELD_CHARS = 2**24
_PROSE = ",;"
_NULL = "\\N"
_CLEAR_LINES = 4

TOO_MANY = "a row has too many fields"
TOO_FEW = "a row has too few fields"
STRAY_QUOTE = "a quote is never closed or stands where none may stand"
SWALLOWED = "a quote swallows the rows below it"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the fields of a line are told apart.

    Attributes:
        separator: one character or several.
        quote: the character around fields; None where quotes are plain characters.
        escape: the character before a quote inside a field; None where quotes are doubled.
        header: whether the first line names the columns.
    """

    separator: str = ","
    quote: str | None = '"'
    escape: str | None = None
    header: bool = True

    @property
    def mark(self) -> str:
        """The single character that stands between fields once `joined` has seen to the lines."""
        return self.separator if len(self.separator) == 1 else JOINED

    def joined(self, line: str) -> str:
        """Return a line in which one character stands between the fields."""
        return line if len(self.separator) == 1 else line.replace(self.separator, JOINED)


@dataclass(frozen=True, slots=True)
class Record:
    """One row, or one line that is none.

    Attributes:
        line: the number of its first line, from 1.
        lines: how many lines it covers.
        fields: its values; empty for an empty line and for a broken one.
        fault: what is wrong with it; "" where nothing is.
        found: what was met, for messages.
    """

    line: int
    lines: int
    fields: list[str]
    fault: str = ""
    found: str = ""


@dataclass(frozen=True)
class Examination:
    """What a slow look at a whole file gave.

    Attributes:
        columns: how many columns the file has.
        rows: lines and groups of lines that are rows, sound or broken, without the header.
        broken: each broken row with its 1-based number.
        quoted: sound rows with a field that needs its quotes.
    """

    columns: int
    rows: int
    broken: tuple[tuple[int, Record], ...]
    quoted: int


def records(lines: Iterable[str], dialect: Dialect, columns: int | None = None) -> Iterator[Record]:
    """Yield the rows of a text, the header too, each line of it in exactly one of them.

    Args:
        lines: without their ends.
        dialect: how fields are told apart.
        columns: how many there are; default: as many as in the first row.
    """
    reader = _Reader(lines, dialect, columns)
    with _long_fields():
        while (record := reader.next()) is not None:
            yield record


def examined(lines: Iterable[str], dialect: Dialect, columns: int | None = None) -> Examination:
    """Look at every line of a text; empty lines are no rows, but they are counted as places of rows."""
    broken: list[tuple[int, Record]] = []
    rows = quoted = 0
    place = 0 if dialect.header else 1
    for record in records(lines, dialect, columns):
        columns = columns or len(record.fields)
        if record.fault:
            broken.append((place, record))
        elif dialect.quote and record.fields and place:
            quoted += any(dialect.mark in field or "\n" in field for field in record.fields)
        rows += bool(place and (record.fault or record.fields))
        place += 1
    return Examination(columns or 0, rows, tuple(broken), quoted)


def rewritten(lines: Iterable[str], dialect: Dialect) -> tuple[bytes, Examination]:
    """Return a text as plain CSV with `dialect.mark` between fields, an empty line for each broken row."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=dialect.mark, lineterminator="\n")
    broken: list[tuple[int, Record]] = []
    place = 0 if dialect.header else 1
    columns, rows = 0, 0
    for record in records(lines, dialect):
        columns = columns or len(record.fields)
        if record.fields and not record.fault:
            writer.writerow(record.fields)
        else:
            text.write("\n")
        if record.fault:
            broken.append((place, record))
        rows += bool(place and (record.fault or record.fields))
        place += 1
    return text.getvalue().encode(), Examination(columns, rows, tuple(broken), 0)


class _Reader:
    """Lines on their way, as many held back as an open quote has asked for."""

    def __init__(self, lines: Iterable[str], dialect: Dialect, columns: int | None) -> None:
        self._lines = iter(lines)
        self._dialect = dialect
        self._columns = columns
        self._waiting: deque[str] = deque()
        self._number = 1

    def next(self) -> Record | None:
        """Return the next record; None at the end."""
        line = next(iter(self._ahead()), None)
        if line is None:
            return None
        record = self._record(line[:-1])
        for _ in range(record.lines):
            self._waiting.popleft()
        self._number += record.lines
        if self._columns is None and record.fields:
            self._columns = len(record.fields)
        return record

    def _ahead(self) -> Iterator[str]:
        place = 0
        while place < MAX_LINES_PER_RECORD:
            if place == len(self._waiting):
                line = next(self._lines, None)
                if line is None:
                    return
                self._waiting.append(self._prepared(line))
            yield self._waiting[place] + "\n"
            place += 1

    def _prepared(self, line: str) -> str:
        """Return a line in which what databases write for `missing` survives the escape character."""
        line = self._dialect.joined(line)
        if self._dialect.escape != "\\" or _NULL not in line:
            return line
        mark = re.escape(self._dialect.mark)
        return re.sub(rf'(?<![^{mark}"])\\N(?![^{mark}"])', lambda _: "\\" + _NULL, line)

    def _record(self, line: str) -> Record:
        if not line:
            return Record(self._number, 1, [])
        signs = (self._dialect.quote, self._dialect.escape)
        if not any(sign and sign in line for sign in signs):
            return self._counted(Record(self._number, 1, line.split(self._dialect.mark)))
        fields = self._all_quoted(line)
        if fields is not None:
            return self._counted(Record(self._number, 1, fields))
        try:
            reader = csv.reader(
                self._ahead(),
                delimiter=self._dialect.mark,
                quotechar=self._dialect.quote,
                quoting=csv.QUOTE_MINIMAL if self._dialect.quote else csv.QUOTE_NONE,
                escapechar=self._dialect.escape,
                strict=True,
            )
            record = Record(self._number, reader.line_num, next(reader))
            record = replace(record, lines=reader.line_num)
        except csv.Error as error:
            return self._broken(STRAY_QUOTE, f"near line {self._number:,}: {error}: {self._shown(line)}")
        return self._counted(record) if self._balanced(record) else self._suspicious(record)

    def _all_quoted(self, line: str) -> list[str] | None:
        """Return the fields of a line that has plain quotes around every one of them; None for others."""
        quote, escape = self._dialect.quote, self._dialect.escape
        whole = quote and len(line) > 1 and line[0] == line[-1] == quote
        if not (whole and quote) or (escape and escape in line):
            return None
        fields = line[1:-1].split(f"{quote}{self._dialect.mark}{quote}")
        return None if any(quote in field for field in fields) else fields

    def _balanced(self, record: Record) -> bool:
        """Return whether quotes come in pairs and take no rows along."""
        quote, escape = self._dialect.quote, self._dialect.escape
        held = list(self._waiting)[: record.lines]
        if quote and escape is None and sum(line.count(quote) for line in held) % 2:
            return False
        return record.lines == 1 or not self._swallows(held)

    def _swallows(self, held: list[str]) -> bool:
        """Return whether every line that a quote covers is a row of its own; of prose by its ids too."""
        parts = [line.split(self._dialect.mark) for line in held]
        if any(len(fields) != self._columns for fields in parts) or not self._columns or self._columns < 2:
            return False
        if self._dialect.mark not in _PROSE or len(held) >= _CLEAR_LINES:
            return True
        return all(re.search(r"\d", fields[0]) and not re.search(r"\s", fields[0]) for fields in parts)

    def _suspicious(self, record: Record) -> Record:
        line = self._waiting[0]
        if record.lines > 1:
            what = f"line {self._number:,} to line {self._number + record.lines - 1:,}: {self._shown(line)}"
            return self._broken(SWALLOWED, what)
        return self._broken(STRAY_QUOTE, f"near line {self._number:,}: a single quote: {self._shown(line)}")

    def _counted(self, record: Record) -> Record:
        if self._columns is None or len(record.fields) == self._columns:
            return record
        fault = TOO_MANY if len(record.fields) > self._columns else TOO_FEW
        found = f"{len(record.fields)} fields in line {record.line:,}: {self._shown(self._waiting[0])}"
        return replace(record, fields=[], fault=fault, found=found)

    def _broken(self, fault: str, found: str) -> Record:
        return Record(self._number, 1, [], fault, found)

    def _shown(self, line: str) -> str:
        return line[:400].replace(JOINED, self._dialect.separator)


@contextmanager
def _long_fields() -> Iterator[None]:
    before = csv.field_size_limit(MAX_FIELD_CHARS)
    try:
        yield
    finally:
        csv.field_size_limit(before)
