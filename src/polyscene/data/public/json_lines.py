"""JSON Lines of any length into Parquet, a batch at a time, by a rule per line."""

from __future__ import annotations

import gzip
import html
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from polyscene.core.errors import DataError, Problem
from polyscene.core.progress import Progress
from polyscene.core.text import shown
from polyscene.data.public.base import write

_LONGEST_LINE = 16 * 2**20
_BATCH = 100_000
_LONGEST_TEXT = 4_000

Row = tuple[object, ...]


def lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield each line's 1-based number and object; `path` may be packed with gzip.

    Raises:
        DataError: a line is too long or no JSON object.
    """
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        number = 0
        while raw := file.readline(_LONGEST_LINE + 1):
            number += 1
            if not raw.strip():
                continue
            try:
                record = json.loads(raw) if len(raw) <= _LONGEST_LINE else None
            except (ValueError, RecursionError):
                record = None
            if not isinstance(record, dict):
                raise _no_object(path, number, raw)
            yield number, record


def _no_object(path: Path, number: int, raw: bytes) -> DataError:
    expected = f"one JSON object of at most {_LONGEST_LINE:,} bytes"
    remedy = "get the file again from its publisher"
    return DataError(
        Problem("this line cannot be read", expected, shown(raw[:80]), remedy, file=path.name, row=number)
    )


def convert_lines(
    source: Path,
    target: Path,
    schema: Mapping[str, pl.DataType],
    rule: Callable[[Mapping[str, Any]], Row | None],
    progress: Progress,
) -> int:
    """Write `rule`'s row for each line to one Parquet file; a rule leaves a line out by returning None.

    Returns:
        how many rows were written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".parts-") as scratch:
        parts: list[Path] = []
        batch: list[Row] = []
        for _, record in lines(source):
            row = rule(record)
            if row is not None:
                batch.append(row)
            if len(batch) == _BATCH:
                parts.append(_part(batch, schema, Path(scratch), len(parts)))
                count += len(batch)
                batch = []
        parts.append(_part(batch, schema, Path(scratch), len(parts)))
        count += len(batch)
        write(pl.scan_parquet(parts), target)
    progress.say(f"wrote {count:,} rows of {source.name}")
    return count


def _part(batch: list[Row], schema: Mapping[str, pl.DataType], folder: Path, number: int) -> Path:
    path = folder / f"{number:06d}.parquet"
    pl.DataFrame(batch, schema=dict(schema), orient="row", strict=False).write_parquet(path)
    return path


def plain(value: object) -> str | None:
    """Return a text without HTML, on one line, of bounded length; lists are joined; None where empty."""
    if isinstance(value, list):
        value = " ".join(str(part) for part in value if isinstance(part, str | int | float))
    if not isinstance(value, str):
        return None
    text = html.unescape(re.sub(r"<[^>]{0,1000}>", " ", value[: 4 * _LONGEST_TEXT]))
    return " ".join(text.split())[:_LONGEST_TEXT] or None


def number(value: object) -> float | None:
    """Return a number that may be written as '$1,299.00'; None where it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    match = (
        re.fullmatch(r"\s*\$?\s*(\d[\d,]{0,15}(?:\.\d{1,6})?)\s*", value) if isinstance(value, str) else None
    )
    return float(match.group(1).replace(",", "")) if match else None
