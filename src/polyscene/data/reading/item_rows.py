"""Items given as plain values under the user's own column names, in the shape of a catalogue.

Texts, titles, attributes and times are made as `polyscene.data.reading.items` makes them of a table, of which
every value is understood by its own type. The table's filter (`where`) is not asked: who gives an item wants
it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.settings.tables import ImagesSettings, ItemsSettings
from polyscene.core.text import shown
from polyscene.core.types import FloatArray, LongArray
from polyscene.data.reading.items import attributes, item_needs, item_texts, item_titles, template_of
from polyscene.data.reading.vectors import field_of, vector_needs, vectors_of
from polyscene.data.schema import UNKNOWN_TIME
from polyscene.data.tables.columns import WORDS, Need, converted, fits
from polyscene.data.tables.sources import is_text_table, nearest
from polyscene.data.tables.times import IMPOSSIBLE, rule_for

Row = Mapping[str, object]
DTYPES: Mapping[str, pl.DataType] = {
    "time": pl.Int64(),
    "number": pl.Float64(),
    "vector": pl.List(pl.Float64()),
}
"""Of columns that are no text."""


@dataclass(frozen=True)
class ItemRows:
    """Items as a catalogue holds them.

    Attributes:
        ids: n item ids, each once.
        texts: n texts as the language model will read them.
        titles: n short texts for people.
        attributes: n rows, columns and types as of `Catalogue.attributes`.
        since: (n,) microseconds, when the item became available; UNKNOWN_TIME where not said.
        media: by medium (n, d) vectors of length 1; a zero row is missing. A medium of which no row has a
            vector is left out.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    titles: tuple[str, ...]
    attributes: pl.DataFrame
    since: LongArray
    media: Mapping[str, FloatArray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)


def rows_of(
    settings: ScenarioSettings, rows: Sequence[Row], widths: Mapping[str, int] | None = None
) -> ItemRows:
    """Return items as training would have read them from the scenario's table.

    A column that a row lacks is missing in it; columns that the settings do not name are left alone. Where
    the settings do not say how times are written, the rows' own decide, as a table's do.

    Args:
        settings: the scenario's.
        rows: n mappings from the table's column names to values; a vector that has a file of its own goes by
            its medium, and so does that of an image, whose file is not opened here.
        widths: by medium, how many numbers a vector has; what is not there may have any.

    Returns:
        At most n items, in order; fewer where `on_duplicate` lets an id occur again.

    Raises:
        DataError: values cannot be used or an id is missing or occurs again; all problems are listed, rows
            counted from 1.
    """
    items = settings.items
    template, problems = template_of(settings)
    key = Need("id", items.id, "id", width=items.zero_fill.get(items.id, 0))
    described = [*item_needs(items, template), *vector_needs(items, of_rows=True)]
    _complain_of_strangers(rows, key, described, problems)
    columns = [
        _column(rows, need, items, problems) for need in {n.alias: n for n in [key, *described]}.values()
    ]
    frame = _keyed(pl.DataFrame(columns), key, items, problems)
    media = _media(frame, items, widths or {}, problems)
    _complain_of_files(rows, items, problems)
    if problems:
        raise DataError(problems)
    return ItemRows(
        tuple(frame[key.alias].to_list()),
        item_texts(frame, items, template),
        item_titles(frame, items, template),
        attributes(frame, items.categorical, items.numeric),
        _since(frame, described),
        media,
    )


def _media(
    frame: pl.DataFrame, items: ItemsSettings, widths: Mapping[str, int], problems: list[Problem]
) -> dict[str, FloatArray]:
    media = {}
    for name in items.vectors:
        column = field_of(items, name)
        lists = frame[Need("", column, "vector").alias]
        if lists.null_count() < len(lists):
            media[name] = vectors_of(lists, None, column, problems, widths.get(name))
    return media


def _complain_of_files(rows: Sequence[Row], items: ItemsSettings, problems: list[Problem]) -> None:
    """Report rows that name an image file: no file is opened for whoever gives items."""
    for medium, source in items.vectors.items():
        if (
            not isinstance(source, ImagesSettings) or source.files == medium
        ):  # which is no vector: told already
            continue
        named = [
            number
            for number, row in enumerate(rows, start=1)
            if _plain(row.get(source.files), items.null_values, True) is not None
        ]
        if named:
            problems.append(
                Problem(
                    "an image file is not read here",
                    f"the image's vector, by the same encoder, as '{medium}'; or nothing",
                    shown(rows[named[0] - 1][source.files]),
                    "leave the file's name out; the next training reads the files of the table",
                    row=named[0],
                    column=source.files,
                    count=len(named),
                )
            )


def _complain_of_strangers(
    rows: Sequence[Row], key: Need, described: Sequence[Need], problems: list[Problem]
) -> None:
    """Report rows that say something, but nothing that the settings name: misspelt columns, mostly."""
    names = list(dict.fromkeys(need.column for need in described))
    wrong = [
        (number, [column for column in row if column != key.column])
        for number, row in enumerate(rows, start=1)
        if names and len(row.keys() - {key.column}) and not row.keys() & set(names)
    ]
    if not wrong:
        return
    row, columns = wrong[0]
    near = nearest(str(columns[0]), names)
    problems.append(
        Problem(
            "no column of the row is known",
            "some of the columns " + shown(", ".join(names), 200),
            "columns " + shown(", ".join(map(str, columns)), 200),
            f"did you mean '{near}'?" if near else "use the column names of the items table",
            row=row,
            count=len(wrong),
        )
    )


def _column(rows: Sequence[Row], need: Need, items: ItemsSettings, problems: list[Problem]) -> pl.Series:
    """Return one column of all rows in the shape that its kind promises; problems are added."""
    loose = is_text_table(items)
    values = [_plain(row.get(need.column), items.null_values, loose) for row in rows]
    cells = pl.Series(need.alias, [None] * len(rows), dtype=DTYPES.get(need.kind, pl.String()))
    wrong: list[int] = []
    groups = list(_by_type(values))
    while groups:
        places = groups.pop()
        shaped = _converted(values, places, need, items)
        if shaped is not None:
            cells = _filled(cells, places, shaped)
        elif len(places) > 1:  # one of them cannot be used: find out which
            groups += [[place] for place in places]
        else:
            wrong += places
    wrong += _impossible(cells, need)
    if wrong:
        problems.append(_bad_value(need, rows[min(wrong)], min(wrong), len(wrong)))
    return cells


def _filled(cells: pl.Series, places: Sequence[int], shaped: pl.Series) -> pl.Series:
    """Return cells with others in some places; lists cannot be scattered."""
    if cells.dtype != DTYPES["vector"]:
        return cells.scatter(places, shaped)
    lists = cells.to_list()
    for place, one in zip(places, shaped.to_list(), strict=True):
        lists[place] = one
    return pl.Series(cells.name, lists, dtype=cells.dtype)


def _plain(value: object, null_values: Sequence[str], loose: bool) -> Any:  # noqa: ANN401 - whatever was given
    """Return a value as Python's own; None where it means 'missing'."""
    if isinstance(value, np.generic):
        value = value.item()
    elif isinstance(value, np.ndarray | tuple | set | frozenset):
        value = list(value)
    missing = isinstance(value, str) and (value in null_values or (loose and not value))
    return None if missing else value


def _by_type(values: Sequence[object]) -> Iterator[list[int]]:
    """Yield the places of values of one type, missing ones left out."""
    places: dict[type, list[int]] = {}
    for place, value in enumerate(values):
        if value is not None:
            places.setdefault(type(value), []).append(place)
    yield from places.values()


def _converted(
    values: Sequence[Any], places: Sequence[int], need: Need, items: ItemsSettings
) -> pl.Series | None:
    """Return the values at some places, all of one type, as the need promises; None where some cannot be."""
    try:
        raw = pl.Series("raw", [values[place] for place in places])
        if not fits(need.kind, raw.dtype):
            return None
        if need.kind == "time":
            need = replace(need, rule=rule_for(raw, items.time_format, items.timezone, need.column))
        cells = converted(need, pl.col("raw"), raw.dtype, is_text_table(items))
        return raw.to_frame().select(cells).to_series()
    except DataError:
        raise
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        return None


def _impossible(cells: pl.Series, need: Need) -> list[int]:
    if need.kind == "number":
        return (cells.is_infinite().fill_null(False)).arg_true().to_list()
    return (cells == IMPOSSIBLE).arg_true().to_list() if need.kind == "time" else []


def _bad_value(need: Need, row: Row, place: int, count: int) -> Problem:
    words = "a finite number" if need.kind == "number" else WORDS[need.kind]
    return Problem(
        "a value cannot be used",
        words if need.kind == "id" else f"{words}, or nothing",
        shown(row.get(need.column)),
        "mend the value, or leave it out",
        row=place + 1,
        column=need.column,
        count=count,
    )


def _keyed(frame: pl.DataFrame, key: Need, items: ItemsSettings, problems: list[Problem]) -> pl.DataFrame:
    """Return one row per id; rows without an id and repeated ids are added to the problems."""
    ids = frame[key.alias]
    nameless = ids.is_null().arg_true().to_list()
    known_bad = any(problem.column == key.column for problem in problems)
    if nameless and not known_bad:
        problems.append(
            Problem(
                "a row has no id",
                "an id in every row",
                "nothing",
                "fill it in",
                row=nameless[0] + 1,
                column=key.column,
                count=len(nameless),
            )
        )
    if items.on_duplicate != "error":
        return frame.unique(key.alias, keep=items.on_duplicate, maintain_order=True)
    again = (~ids.is_first_distinct() & ids.is_not_null()).arg_true().to_list()
    if again:
        problems.append(
            Problem(
                "an id occurs again",
                "every id once",
                shown(ids[again[0]]),
                'remove the repetition, or set on_duplicate = "first" or "last"',
                row=again[0] + 1,
                column=key.column,
                count=len(again),
            )
        )
    return frame


def _since(frame: pl.DataFrame, needs: Sequence[Need]) -> LongArray:
    alias = next((need.alias for need in needs if need.kind == "time"), None)
    if alias is None:
        return np.full(frame.height, UNKNOWN_TIME)
    return frame[alias].fill_null(UNKNOWN_TIME).to_numpy().astype(np.int64)
