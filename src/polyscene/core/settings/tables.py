"""Where tables lie and which columns mean what."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from polyscene.core.registry import Registry, known_to
from polyscene.core.settings.block import Strict

FORMATS: Registry[Any] = Registry("polyscene.table_formats", ("parquet", "csv", "tsv", "jsonl", "sqlite"))
"""Subclasses of `data.tables.formats.TableFormat` by name."""

FormatName = Annotated[str, known_to(FORMATS)]


OnDuplicate = Literal["error", "first", "last"]


OnUnknown = Literal["error", "drop", "add"]


class TableSettings(Strict):
    """Where one table lies and how to read it.

    `path` is a file, a folder, a glob or a list of them, relative to the configuration file.
    """

    path: str | list[str]
    format: FormatName | None = Field(None, description="taken from the file's name where absent")
    where: str | None = Field(None, description="a filter in SQL over the table's own columns")
    query: str | None = Field(None, description="for sqlite files: the SELECT that yields the table")
    separator: str | None = Field(None, min_length=1, max_length=1, description="for csv; default ','")
    encoding: Literal["utf8", "latin1", "utf8-lossy"] = "utf8"
    null_values: list[str] = Field(default_factory=list, description="texts that mean 'missing'")
    decimal: Literal[".", ","] = Field(".", description="what parts the fraction of numbers written as text")
    one_hot: dict[str, list[str]] = Field(
        default_factory=dict, description="by the name of a new column: columns of 0 and 1 to list in it"
    )
    join: list[JoinSettings] = Field(default_factory=list, description="tables whose columns are added")


class JoinSettings(TableSettings):
    """Another table, with one row per value of a column that both tables have."""

    on: str = Field(description="the column, in both tables")


TableSettings.model_rebuild()


class ItemsSettings(TableSettings):
    """The catalogue of one scenario."""

    id: str
    text: list[str] = Field(default_factory=list, description="columns with words, best first")
    categorical: list[str] = Field(default_factory=list)
    numeric: list[str] = Field(default_factory=list)
    time: str | None = Field(None, description="when the item became available")
    time_format: str | None = None
    timezone: str = "UTC"
    on_duplicate: OnDuplicate = "error"


class UsersSettings(TableSettings):
    """What is known of people beside their events."""

    id: str
    categorical: list[str] = Field(default_factory=list)
    numeric: list[str] = Field(default_factory=list)
    on_duplicate: OnDuplicate = "error"


class EventsSettings(TableSettings):
    """What people did: one row per event (`item`), or one row per choice (`items`)."""

    user: str
    item: str | None = Field(None, description="column with one item id per row")
    items: str | None = Field(None, description="column with a list of item ids; the last is the choice")
    action: str | None = None
    value: str | None = None
    time: str | list[str] | None = Field(
        None, description="time stamp or sequence number; or the columns of its day and its time of day"
    )
    time_format: str | None = Field(
        None, description="a strptime format, or 's', 'ms', 'us', 'ns', 'days', 'excel', 'sequence'"
    )
    timezone: str = "UTC"
    split: str | None = Field(None, description="column with train, valid, test or context")
    on_unknown_item: OnUnknown = "error"
    on_bad_row: Literal["error", "drop"] = "error"

    @property
    def time_column(self) -> str | None:
        """The column with the time; where day and time of day are apart, that of both together."""
        return " ".join(self.time) if isinstance(self.time, list) else self.time

    @model_validator(mode="after")
    def _one_layout(self) -> Self:
        if (self.item is None) == (self.items is None):
            raise ValueError(
                "name exactly one of 'item' (one event per row) and 'items' (one choice per row)"
            )
        return self
