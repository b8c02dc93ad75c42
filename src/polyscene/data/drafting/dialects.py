"""How a text file is written, guessed from its bytes and lines: encoding, separator, header, quotes.

Every guess keeps its reason. What no setting reads is left out line by line, counted, or the file is refused
with the reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.tables import TableSettings
from polyscene.core.text import shown
from polyscene.data.tables.archives import size_of
from polyscene.data.tables.broken_lines import better_dialect
from polyscene.data.tables.delimited import Csv
from polyscene.data.tables.encodings import guess_encoding
from polyscene.data.tables.formats import TableFormat, format_of
from polyscene.data.tables.headers import is_value, looks_like_data
from polyscene.data.tables.json_lines import JsonLines
from polyscene.data.tables.json_list import JsonList
from polyscene.data.tables.opening import open_table
from polyscene.data.tables.python_lines import PythonLines
from polyscene.data.tables.records import Dialect, examined, records
from polyscene.data.tables.source import Source
from polyscene.data.tables.text_files import head_of, lines

CHECKED_BYTES = 128 * 2**20
"""Of a file: up to here it is read to its end before it is drafted."""
HEAD_BYTES = 2**18
MAX_BROKEN_SHARE = 0.2
"""Of the rows: where more are broken, the file is not what it was taken for."""
_SEPARATORS = ("::", "||", "\t", ";", ",", "|", "~", "^")
_LINES = 300
MAX_NAMED = 5
_MOSTLY = 0.9


@dataclass(frozen=True)
class Reading:
    """How a file is read.

    Attributes:
        settings: of the table; the path counts for nothing.
        reasons: by setting that is not the default, what speaks for it.
        notes: what a person should know of the file.
    """

    settings: TableSettings
    reasons: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def but(self, why: str, **changes: Any) -> Reading:  # noqa: ANN401 - the settings' own types
        """Return the reading with other settings, all for one reason."""
        reasons = self.reasons | dict.fromkeys(changes, why)
        return Reading(self.settings.model_copy(update=changes), reasons, self.notes)


def reading_of(source: Source, part: dict[str, str]) -> Reading:
    """Guess how a file is read.

    Args:
        source: the file.
        part: settings that name one table of a file that holds several.

    Raises:
        DataError: it cannot be read, whatever the settings.
        OSError: likewise.
    """
    kind = format_of(source)
    reading = Reading(TableSettings(path=source.path.name, **part))
    if isinstance(kind, Csv | JsonLines | JsonList | PythonLines):
        reading = _encoded(reading, source)
    if isinstance(kind, Csv):
        reading = _separated(reading, source, kind)
    return _sound(reading, source, kind)


def size(source: Source) -> int:
    """Return how many bytes a file has where it lies."""
    if source.archive is not None:
        return size_of(source.archive, source.path)
    return source.path.stat().st_size


def _encoded(reading: Reading, source: Source) -> Reading:
    if source.compression == "zst":
        return reading
    try:
        guess = guess_encoding(source, CHECKED_BYTES)
    except EOFError as error:
        raise OSError(f"the packed file is cut off: {error}") from None
    return reading if guess.name == "utf8" else reading.but(guess.why, encoding=guess.name)


def _separated(reading: Reading, source: Source, kind: Csv) -> Reading:
    texts = _first_lines(source, reading.settings)
    if type(kind) is Csv:
        separator = guess_separator(texts)
        if separator != kind.separator:
            reading = reading.but("it parts the lines evenly", separator=separator)
    rows = [record.fields for record in records(texts, kind.dialect(reading.settings)) if record.fields]
    if first_row_is_data(rows):
        names = [f"column_{number}" for number in range(1, len(rows[0]) + 1)]
        reading = reading.but("the first row looks like the rows below it", header=False, columns=names)
        reading.reasons["columns"] = "names of ours: the file has none"
    return reading


def _first_lines(source: Source, settings: TableSettings) -> list[str]:
    codec = {"utf16": "utf-16", "cp1252": "cp1252", "latin1": "latin1"}.get(settings.encoding, "utf-8-sig")
    if source.compression == "zst":
        texts = lines(source)
        return [line for line, _ in zip(texts, range(_LINES), strict=False)]
    text = head_of(source, HEAD_BYTES).decode(codec, "replace")
    whole = text.split("\n")[:-1] if len(text) >= HEAD_BYTES // 4 and "\n" in text else text.split("\n")
    return [line.removesuffix("\r") for line in whole[:_LINES]]


def guess_separator(texts: Sequence[str]) -> str:
    """Return what parts the lines most evenly, the comma where nothing does."""
    bare = [re.sub(r'"[^"]*"', "", line) for line in texts if line.strip()]
    scores = {mark: _evenness(bare, mark) for mark in _SEPARATORS}
    best = max(_SEPARATORS, key=lambda mark: scores[mark])
    return best if scores[best] > (0.0, 0) else ","


def _evenness(texts: Sequence[str], mark: str) -> tuple[float, int]:
    counts = Counter(line.count(mark) for line in texts)
    times = {count: lines for count, lines in counts.items() if count}
    if not times or not texts or not texts[0].count(mark):
        return (0.0, 0)
    usual = max(times, key=lambda count: times[count])
    return (round(times[usual] / len(texts), 1), usual * len(mark))


def first_row_is_data(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first row is one of the table rather than names of its columns.

    A word over a column of numbers is a name; a number over numbers, or a value that comes again below, is
    none. Consecutive numbers beside words, such as years, are names.
    """
    if len(rows) < 3:
        return bool(rows) and looks_like_data(rows[0])
    first, rest = rows[0], rows[1:]
    numbers = again = 0
    for place, cell in enumerate(first):
        values = [row[place].strip() for row in rest if place < len(row) and row[place].strip()]
        if not cell.strip() or not values:
            continue
        if sum(map(is_value, values)) >= _MOSTLY * len(values):
            if not is_value(cell):
                return False
            numbers += 1
        again += cell.strip() in values
    if numbers and not _counts_up(first):
        return True
    return 2 * again >= len(first)


def _counts_up(first: Sequence[str]) -> bool:
    words = [cell for cell in first if cell.strip() and not is_value(cell)]
    numbers = [int(cell) for cell in first if cell.strip().isdecimal()]
    return bool(words) and len(numbers) > 1 and numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _sound(reading: Reading, source: Source, kind: TableFormat) -> Reading:
    """Return settings under which no line of the file is broken, or its broken lines are left out."""
    if size(source) > CHECKED_BYTES:
        note = (
            f"{shown(source.shown)} is larger than {CHECKED_BYTES // 2**20} MB and was not read to its end: "
            "what is odd further down, `polyscene check` finds"
        )
        return replace(reading, notes=(*reading.notes, note))
    try:
        _check(reading, source)
    except DataError as error:
        if isinstance(kind, Csv):
            return _mended(reading, source, kind, error)
        return _without_broken(reading, source, kind, error)
    return reading


def _check(reading: Reading, source: Source) -> None:
    base = source.path.parent if source.archive is None else source.archive.parent
    name = str(source.path.relative_to(base))
    open_table(reading.settings.model_copy(update={"path": name, "format": source.format}), base, ())


def _mended(reading: Reading, source: Source, kind: Csv, error: DataError) -> Reading:
    read = partial(lines, source, reading.settings.encoding)
    dialect = kind.dialect(reading.settings)
    examination = examined(read(), dialect)
    if not examination.broken:
        raise error
    better, left = better_dialect(read, dialect, examination)
    if better != dialect:
        reading = _dialect_settings(reading, dialect, better, len(examination.broken) - len(left.broken))
    if not left.broken:
        return reading
    if len(left.broken) > MAX_BROKEN_SHARE * left.rows:
        raise error
    where = ", ".join(f"{record.line:,}" for _, record in left.broken[:MAX_NAMED])
    return _dropping(reading, source, len(left.broken), left.rows, where)


def _dialect_settings(reading: Reading, old: Dialect, new: Dialect, rows: int) -> Reading:
    if new.quote is None:
        return reading.but(f"quotes are plain characters: else {rows:,} rows are broken", quote="none")
    return reading.but(f"a backslash before quotes: else {rows:,} rows are broken", escape=new.escape)


def _without_broken(reading: Reading, source: Source, kind: TableFormat, error: DataError) -> Reading:
    """Leave out broken lines of JSON and the like, where most lines are sound."""
    try:
        frame, problems = kind.mended(source, reading.settings)
        sound = int(frame.collect().height)
    except Exception:  # noqa: BLE001 - whatever it was, the first error says more
        raise error from None
    broken = sum(problem.count for problem in problems)
    if not broken or broken > MAX_BROKEN_SHARE * (sound + broken):
        raise error
    return _dropping(reading, source, broken, sound + broken, _first_found(problems))


def _first_found(problems: Sequence[Problem]) -> str:
    """Return the numbers of the broken lines that a problem names."""
    found = problems[0].found
    more = re.search(r"; also lines? ([\d, ,…]+)", found)
    first = found.split(":")[0].removeprefix("line ")
    return first + (f", {more.group(1).rstrip(', …')}" if more else "")


def _dropping(reading: Reading, source: Source, broken: int, rows: int, where: str) -> Reading:
    which = f"line {where}" if broken == 1 else f"lines {where}{', …' if broken > MAX_NAMED else ''}"
    why = f"{which} of {rows:,} cannot be read" if broken == 1 else f"{broken:,} of {rows:,}: {which}"
    why = why if broken == 1 else why + " cannot be read"
    reading = reading.but(why, on_broken_line="drop")
    note = f"{source.shown}: {why}; left out, unless you mend {'it' if broken == 1 else 'them'}"
    return Reading(reading.settings, reading.reasons, (*reading.notes, note))
