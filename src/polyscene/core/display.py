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

MAX_CELL_COLUMNS = 160
MAX_HTML_ROWS = 100


def html_table(title: str, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return an HTML table whose every text is escaped, cut and on one line.

    Args:
        title: stands over it.
        headings: of the columns.
        rows: cells in the order of the headings; floats get four digits.
    """
    head = "".join(f"<th>{html_text(heading)}</th>" for heading in headings)
    lines = list(rows)
    body = "".join(
        "<tr>" + "".join(f"<td>{html_text(value)}</td>" for value in row) + "</tr>"
        for row in lines[:MAX_HTML_ROWS]
    )
    more = len(lines) - MAX_HTML_ROWS
    rest = f"<p>and {more:,} more rows</p>" if more > 0 else ""
    return (
        f"<table><caption>{html_text(title)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"
    )


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
