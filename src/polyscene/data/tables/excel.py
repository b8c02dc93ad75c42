"""Excel workbooks: a table is one sheet, under a header. Needs the extra `excel`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, ClassVar

import polars as pl

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.tables import TableSettings
from polyscene.core.text import shown
from polyscene.data.tables.formats import TableFormat
from polyscene.data.tables.source import Source

_LIBRARY = "fastexcel"


class Excel(TableFormat):
    """The rows of the sheet that `sheet` names, or of the only one."""

    endings: ClassVar[tuple[str, ...]] = (".xlsx", ".xlsm")
    packed_inside: ClassVar[str | None] = "the file itself; Excel files are packed inside"

    def scan(self, source: Source, settings: TableSettings) -> pl.LazyFrame:
        """Return the rows.

        Raises:
            DataError: the extra is not installed, the file is no workbook, or the sheet is not told.
        """
        workbook = _workbook(source)
        name = _sheet(source, workbook.sheet_names, settings.sheet)
        try:
            sheet = workbook.load_sheet(name, dtype_coercion="coerce", schema_sample_rows=None)
            frame: pl.DataFrame = sheet.to_polars()
        except Exception as error:  # noqa: BLE001 - the library's own family of errors, and Rust's
            raise DataError(_unreadable(source, error)) from None
        return frame.lazy()

    def parts(self, source: Source) -> Mapping[str, Mapping[str, str]]:
        """Return the sheets, where there are several.

        Raises:
            OSError: the extra is not installed, or the file is no workbook.
        """
        try:
            names = _workbook(source).sheet_names
        except DataError as error:
            problem = error.problems[0]
            raise OSError(f"{problem.what}; {problem.remedy}") from None
        return {name: {"sheet": name} for name in names} if len(names) > 1 else {}


def _workbook(source: Source) -> Any:  # noqa: ANN401 - the library is optional
    if find_spec(_LIBRARY) is None:
        raise DataError(
            Problem(
                "Excel files need the extra 'excel'",
                "the package fastexcel",
                "it is not installed",
                'pip install "polyscene[excel]", or save the sheet as CSV',
                file=source.shown,
            )
        )
    import fastexcel

    data = source.data
    try:
        return fastexcel.read_excel(data if isinstance(data, bytes) else str(data))
    except Exception as error:  # noqa: BLE001 - the library's own family of errors, and Rust's
        raise DataError(_unreadable(source, error)) from None


def _unreadable(source: Source, error: Exception) -> Problem:
    return Problem(
        "the file is no Excel workbook, or a damaged one",
        "a workbook that opens in a spreadsheet",
        shown((str(error).strip().splitlines() or [type(error).__name__])[0], 160),
        "save it again, or save the sheet as CSV",
        file=source.shown,
    )


def _sheet(source: Source, names: list[str], wanted: str | None) -> str:
    if wanted in names:
        return str(wanted)
    if wanted is None and len(names) == 1:
        return names[0]
    raise DataError(
        Problem(
            "the workbook has several sheets" if wanted is None else f"there is no sheet {shown(wanted)}",
            "the name of one of its sheets",
            shown(", ".join(names), 160),
            f'set sheet = "{names[0]}", or another of them' if names else "write the workbook again",
            file=source.shown,
            key="sheet",
        )
    )
