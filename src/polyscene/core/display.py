"""Answers as notebooks and data frames show them; text of any origin is shown, never obeyed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from polyscene.core.errors import MissingExtraError
from polyscene.core.text import one_line

if TYPE_CHECKING:
    import pandas  # type: ignore[import-not-found, import-untyped, unused-ignore]
    import polars

FrameLibrary = Literal["polars", "pandas"]
Frame: TypeAlias = "polars.DataFrame | pandas.DataFrame"

MAX_CELL_COLUMNS = 400
MAX_HTML_ROWS = 20
_LINE = "border:0;border-bottom:1px solid rgba(128,128,128,.35)"
_CELL = f"{_LINE};padding:4px 14px 4px 0;vertical-align:top;background:none"
"""What notebooks would do otherwise: texts to the right, stripes, no room between columns."""


def html_table(
    title: str, headings: Sequence[str], rows: Iterable[Sequence[object]], notes: Sequence[str] = ()
) -> str:
    """Return an HTML table whose every text is escaped, cut and on one line; in the colours around it.

    Args:
        title: stands over it.
        headings: of the columns; without any text there is no line of headings.
        rows: cells in the order of the headings; floats get four digits.
        notes: stand below it.
    """
    lines = list(rows)
    numeric = [_all_numbers([row[column] for row in lines]) for column in range(len(headings))]
    head = "".join(_cell("th", *pair) for pair in zip(headings, numeric, strict=True))
    body = "".join(
        f"<tr>{''.join(_cell('td', *pair) for pair in zip(row, numeric, strict=True))}</tr>"
        for row in lines[:MAX_HTML_ROWS]
    )
    more = len(lines) - MAX_HTML_ROWS
    rest = f"<p>and {more:,} more rows</p>" if more > 0 else ""
    below = "".join(f"<p>{html_text(note)}</p>" for note in notes)
    first = f"<thead><tr>{head}</tr></thead>" if any(headings) else ""
    return (
        '<table style="border-collapse:collapse;margin:0 0 12px">'
        f'<caption style="text-align:left;font-weight:bold;padding:4px 0">{html_text(title)}</caption>'
        f"{first}<tbody>{body}</tbody></table>{rest}{below}"
    )


def _all_numbers(values: Sequence[object]) -> bool:
    """Return whether a column holds numbers, and nothing else but dashes for those that are missing."""
    return all(isinstance(value, int | float) or value == "–" for value in values)


def _cell(tag: str, value: object, numeric: bool) -> str:
    side = "right;font-variant-numeric:tabular-nums" if numeric else "left"
    return f'<{tag} style="{_CELL};text-align:{side}">{html_text(value)}</{tag}>'


def html_text(value: object) -> str:
    """Return a value as HTML text: escaped, isolated from the direction of what stands around it."""
    text = f"{value:.4f}" if isinstance(value, float) else one_line(value, MAX_CELL_COLUMNS)
    return f"<bdi>{escape(text)}</bdi>"


def listed(names: Sequence[str], limit: int = 3) -> str:
    """Return the first names and how many there are beside them, on one line."""
    first = ", ".join(one_line(name, 24) for name in names[:limit])
    return first + (f", … ({len(names):,})" if len(names) > limit else "")


def data_frame(
    columns: Mapping[str, Any], schema: Mapping[str, Any], library: FrameLibrary = "polars"
) -> Any:  # noqa: ANN401 - of the library that was asked for
    """Return columns as a data frame.

    Args:
        columns: sequences or arrays by name, of equal length.
        schema: polars types of some of them; the others are inferred.
        library: `polars`, or `pandas` where that is installed.

    Raises:
        MissingExtraError: pandas was asked for and is not installed.
        ValueError: it is neither.
    """
    import polars as pl

    frame = pl.DataFrame(dict(columns), schema_overrides=dict(schema))
    if library == "polars":
        return frame
    if library != "pandas":
        raise ValueError(f"expected the library 'polars' or 'pandas', found {library!r}")
    try:
        import pandas as pd
    except ImportError:
        raise MissingExtraError(
            "expected pandas for a pandas data frame, found none; pip install pandas, or take polars"
        ) from None
    return pd.DataFrame(frame.to_dict(as_series=False))
