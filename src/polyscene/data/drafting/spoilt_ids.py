"""Ids that a spreadsheet has spoilt, as a look at tables shows them: zeros lost, digits cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from polyscene.core.settings.tables import WORDS_FOR_MISSING
from polyscene.core.text import shown
from polyscene.data.drafting.columns import as_ids, id_of, share_of
from polyscene.data.drafting.names import has_id_word, hint, likeness
from polyscene.data.drafting.tables import Table
from polyscene.data.tables.ids import SCIENTIFIC

_MEETING_SHARE = 0.5
"""Of a column's ids: where more are another table's but for zeros, zeros were lost."""
_CUT_SHARE = 0.05
_USUAL_SHARE = 0.95
"""Of a column's ids: where as many are digits, the others are exceptions."""
_MIN_IDS = 5


def with_filled_zeros(tables: list[Table]) -> list[Table]:
    """Return the tables, ids filled with zeros where another table shows how many digits they have."""
    widths = [width for table in tables for width in _padded_columns(table)]
    return [_filled(table, [w for w in widths if w.table is not table]) for table in tables]


def cut_ids(table: Table) -> Iterator[str]:
    """Yield a note for each column of ids that are written like 9.78064E+12."""
    file, sample = table.name, table.sample
    for name, dtype in sample.schema.items():
        named = has_id_word(name) or hint(name, "item") > 0 or hint(name, "user") > 0
        if not (named and isinstance(dtype, pl.String)):
            continue
        cut = sample[name].drop_nulls().str.contains(SCIENTIFIC)
        if share_of(cut) > _CUT_SHARE:
            ids = sample[name].drop_nulls().filter(cut)
            count = ids.n_unique()
            are = "1 id is" if count == 1 else f"{count:,} ids are"
            yield (
                f"{are} written like {shown(ids[0].strip(), 24)} in {shown(name, 40)} of {shown(file)}: "
                "a spreadsheet has cut them; export that column as text"
            )


@dataclass(frozen=True, eq=False)
class _Width:
    """A column whose ids all have the same number of digits, some with a zero in front."""

    table: Table
    name: str
    digits: int
    ids: pl.Series


def _padded_columns(table: Table) -> Iterator[_Width]:
    for name, dtype in table.sample.schema.items():
        if not isinstance(dtype, pl.String):
            continue
        ids = _ids(table.sample[name])
        digits = ids.filter(ids.str.contains(r"^\d\d+$"))
        lengths = digits.str.len_chars().unique()
        usual = len(digits) >= _USUAL_SHARE * len(ids)
        if usual and len(lengths) == 1 and digits.str.starts_with("0").any():
            yield _Width(table, name, int(lengths[0]), ids)


def _ids(values: pl.Series) -> pl.Series:
    """Return the different ids of a column as reading sees them, without missing ones."""
    ids = as_ids(values.cast(pl.String, strict=False)).drop_nulls().unique()
    return ids.filter((ids != "") & ~ids.str.to_lowercase().is_in(list(WORDS_FOR_MISSING)))


def _filled(table: Table, widths: Sequence[_Width]) -> Table:
    """Fill the columns whose values are another table's ids but for their zeros."""
    open_widths = [width for width in widths if not _known_already(table, width)]
    fills: dict[str, int] = {}
    for name, dtype in table.sample.schema.items():
        if isinstance(dtype, pl.String) or dtype.is_integer():
            ids = _ids(table.sample[name])
            meeting = next((width for width in open_widths if _meets(name, ids, width)), None)
            if meeting is not None:
                fills[name] = meeting.digits
    if not fills:
        return table
    settings = table.settings.model_copy(update={"zero_fill": fills})
    reasons = {**table.reasons, "zero_fill": "its ids are those of another table but for leading zeros"}
    sample = table.sample.with_columns(id_of(name).str.zfill(width) for name, width in fills.items())
    return replace(table, settings=settings, reasons=reasons, sample=sample)


def _known_already(table: Table, width: _Width) -> bool:
    """Return whether some column of a table names the ids as they are."""
    return any(
        share_of(_ids(table.sample[name]).is_in(width.ids.implode())) > _MEETING_SHARE
        for name, dtype in table.sample.schema.items()
        if isinstance(dtype, pl.String)
    )


def _meets(name: str, ids: pl.Series, width: _Width) -> bool:
    """Return whether a column that is named like ids holds those of another table without their zeros."""
    named = likeness(name, width.name) > 0.5 or has_id_word(name) or hint(name, "item") > 0
    numbers = ids.filter(ids.str.contains(r"^[1-9]\d*$"))
    if not named or len(ids) < _MIN_IDS or len(numbers) < _USUAL_SHARE * len(ids):
        return False
    longest = numbers.str.len_chars().max()
    if not isinstance(longest, int) or longest > width.digits:
        return False
    return share_of(ids.str.zfill(width.digits).is_in(width.ids.implode())) > _MEETING_SHARE
