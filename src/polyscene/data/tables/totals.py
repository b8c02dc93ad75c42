"""Where the rows of a table went: every row of its files is in exactly one of a few counts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from polyscene.core.errors import DataError
from polyscene.core.settings.tables import TableSettings
from polyscene.data.tables.opening import open_table
from polyscene.data.tables.table import OpenFile, Table

Role = Literal["items", "events", "users", "links", "knowledge", "entities"]


@dataclass(frozen=True, slots=True)
class RowTotals:
    """What became of the rows of one table: `rows` is the sum of the other counts.

    Attributes:
        role: what the table is to its scenario.
        table: its name, as the configuration or its only file says.
        rows: of its files, empty lines apart, lines that are no rows included.
        read: taken as they are, or mended.
        merged: say more of an id for which another row stands, as is meant: in a catalogue that is read out
            of the log, older values of a long table; or say a link again.
        refused: have a fault that has to be mended before anything is trained.
        repaired: left out as the configuration asks, or because their id is a word for 'missing'.
        filtered: left out by `where`.
    """

    role: Role
    table: str
    rows: int
    read: int
    merged: int = 0
    refused: int = 0
    repaired: int = 0
    filtered: int = 0


class RowLedger:
    """Counts the rows of one table while it is read.

    Args:
        role: what the table is to its scenario.
        settings: the table's.
    """

    def __init__(self, role: Role, settings: TableSettings) -> None:
        self._role, self.settings, self._name = role, settings, str(settings.path)
        self._rows = self._merged = self._refused = self._repaired = self._filtered = 0
        self.is_open = False

    def open(self, table: Table) -> None:
        """Count the rows of a table and what opening it leaves out."""
        self.is_open, self._name = True, table.name
        for file in table.files:
            self._count(file, table)
        errors = (remark for remark in table.remarks if remark.severity == "error")
        self._refused += sum(remark.count for remark in errors)

    def leave_out(self, count: int, asked: bool) -> None:
        """Note rows with a fault; `asked` says whether the configuration has them left out."""
        self._repaired += count if asked else 0
        self._refused += 0 if asked else count

    def merge(self, count: int) -> None:
        """Note rows for which another one stands."""
        self._merged += count

    def refuse_all(self, base: Path) -> None:
        """Note that the table cannot be used: none of its rows is read.

        Where broken lines kept it from being opened, they are rows of it all the same.
        """
        if not self.is_open:
            lenient = self.settings.model_copy(update={"on_broken_line": "drop"})
            try:
                self.open(open_table(lenient, base, ()))
            except DataError:  # it cannot be read at all, as the problems say: there is nothing to count
                return
            self._repaired = self._merged = self._filtered = 0
        self._refused = self._rows - self._merged - self._repaired - self._filtered

    def totals(self) -> RowTotals | None:
        """Return the counts; None where the table could not be opened."""
        if not self.is_open:
            return None
        sound = self._rows - self._merged - self._repaired - self._filtered
        refused = min(self._refused, sound)  # a row may have two faults
        return RowTotals(
            self._role,
            self._name,
            self._rows,
            sound - refused,
            self._merged,
            refused,
            self._repaired,
            self._filtered,
        )

    def _count(self, file: OpenFile, table: Table) -> None:
        whole = file.present()
        sound = file.with_ids(whole)
        counts = [table.collect(frame.select(pl.len())).item() for frame in (whole, sound)]
        kept = table.collect(file.rows([], table.where, numbered=True).select(pl.len())).item()
        origin = file.origin
        self._rows += counts[0] + file.lines_dropped if origin is None else origin.rows
        self._merged += 0 if origin is None else origin.rows - origin.left_out - counts[0]
        self._repaired += counts[0] - counts[1] + file.lines_dropped
        self._repaired += 0 if origin is None else origin.left_out
        self._filtered += counts[1] - kept
