"""Where tables lie and which columns mean what."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from polyscene.core.registry import Registry, known_to
from polyscene.core.settings.block import Strict

FORMATS: Registry[Any] = Registry(
    "polyscene.table_formats",
    ("parquet", "csv", "tsv", "jsonl", "json", "python", "atomic", "excel", "sqlite"),
)
"""Subclasses of `data.tables.formats.TableFormat` by name."""

FormatName = Annotated[str, known_to(FORMATS)]


OnDuplicate = Literal["error", "first", "last"]


OnUnknown = Literal["error", "drop", "add"]

Encoding = Literal["utf8", "latin1", "cp1252", "utf16", "utf8-lossy"]

NO_QUOTE = "none"
NPY = ".npy"
MAX_ID_WIDTH = 64
"""Digits of an id that is filled with zeros."""
WORDS_FOR_MISSING = ("nan", "null", "none", "na", "n/a", "<na>", "nat", "\\n", "#n/a")
"""What spreadsheets, data frames and databases write where an id is missing, in lower case."""


class PivotSettings(Strict):
    """A long table, a row per property of a thing, as one row per thing with the latest values."""

    on: str = Field(description="column with the id of the thing")
    name: str = Field(description="column that names the property: the name of a column of the new table")
    value: str = Field(description="column with its value")
    time: str | None = Field(None, description="since when it has that value; without it the last row counts")
    time_format: str | list[str] | None = None


class TableSettings(Strict):
    """Where one table lies and how to read it.

    `path` is a file, a folder, a glob or a list of them, relative to the configuration file.
    """

    path: str | list[str]
    format: FormatName | None = Field(None, description="taken from the file's name where absent")
    where: str | None = Field(None, description="a filter in SQL over the table's own columns")
    query: str | None = Field(None, description="for sqlite files: the SELECT that yields the table")
    sheet: str | None = Field(None, description="for Excel files with several sheets: the one to read")
    separator: str | None = Field(None, min_length=1, max_length=8, description="for csv; default ','")
    quote: str | None = Field(None, description="one character around fields, or 'none'")
    escape: str | None = Field(None, min_length=1, max_length=1, description="before a quote inside a field")
    header: bool = Field(True, description="whether the first row names the columns")
    columns: list[str] = Field(default_factory=list, description="names, where there is no header")
    encoding: Encoding = "utf8"
    null_values: list[str] = Field(default_factory=list, description="texts that mean 'missing'")
    missing_ids: list[str] = Field(
        list(WORDS_FOR_MISSING), description="words, whatever their case, that stand where an id is missing"
    )
    zero_fill: dict[str, int] = Field(
        default_factory=dict, description="by column: ids of digits are filled with zeros up to this width"
    )
    on_broken_line: Literal["error", "drop"] = "error"
    decimal: Literal[".", ","] = Field(".", description="what parts the fraction of numbers written as text")
    one_hot: dict[str, list[str]] = Field(
        default_factory=dict, description="by the name of a new column: columns of 0 and 1 to list in it"
    )
    pivot: PivotSettings | None = Field(None, description="a row per property, as one row per thing")
    join: list[JoinSettings] = Field(default_factory=list, description="tables whose columns are added")

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if self.quote is not None and self.quote != NO_QUOTE and len(self.quote) != 1:
            raise ValueError("'quote' is one character, or \"none\"")
        if self.columns and self.header:
            raise ValueError("'columns' names the columns of a file without a header: set header = false")
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("'columns' names a column twice")
        if any(not 1 <= width <= MAX_ID_WIDTH for width in self.zero_fill.values()):
            raise ValueError(f"a width of 'zero_fill' is from 1 to {MAX_ID_WIDTH}")
        return self


class JoinSettings(TableSettings):
    """Another table, with one row per value of a column that both tables have."""

    on: str = Field(description="the column, in both tables")


TableSettings.model_rebuild()


class VectorsSettings(TableSettings):
    """A table of vectors of items, a row per item; or a .npy file, its rows in the order of a list of ids."""

    id: str | None = Field(None, description="column with the item's id, as in the items table")
    vector: str | None = Field(None, description="column with the numbers")
    ids: str | None = Field(None, description="of a .npy file: a text file, an id per row")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        plain = isinstance(self.path, str) and self.path.endswith(NPY)
        if plain and (self.ids is None or self.id is not None or self.vector is not None):
            raise ValueError(f"a {NPY} file has no columns: name a file with an id per row as 'ids'")
        if not plain and (self.id is None or self.vector is None or self.ids is not None):
            raise ValueError("a table of vectors needs its columns: name 'id' and 'vector'")
        return self


class ImagesSettings(Strict):
    """Image files that a column of the items table names, and the model in a local folder that reads them."""

    files: str = Field(description="column with the files' names")
    encoder: str = Field(description="folder of a vision model that transformers knows, in safetensors")
    folder: str | None = Field(
        None, description="where the files lie; default: the folder of the items table"
    )


def _kind_of_source(source: object) -> str:
    """Return which way of bringing vectors is meant, so that a mistake is told of that one alone."""
    if isinstance(source, dict | VectorsSettings):
        return "images" if isinstance(source, dict) and {"files", "encoder"} & source.keys() else "table"
    return "images" if isinstance(source, ImagesSettings) else "column"


VectorSource = Annotated[
    Annotated[str, Tag("column")]
    | Annotated[VectorsSettings, Tag("table")]
    | Annotated[ImagesSettings, Tag("images")],
    Discriminator(_kind_of_source),
]


class ItemsSettings(TableSettings):
    """The catalogue of one scenario."""

    id: str
    text: list[str] = Field(default_factory=list, description="columns with words, best first")
    categorical: list[str] = Field(default_factory=list)
    numeric: list[str] = Field(default_factory=list)
    trees: dict[str, str] = Field(
        default_factory=dict, description="by categorical column of paths: what parts their levels"
    )
    vectors: dict[str, VectorSource] = Field(
        default_factory=dict,
        description="by medium, as image or audio: a column of vectors, a table by id, or image files",
    )
    time: str | None = Field(None, description="when the item became available")
    time_format: str | list[str] | None = None
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
    liked_from: float | None = Field(
        None, description="lower values are no choice; whoever gave one has had the item all the same"
    )
    time: str | list[str] | None = Field(
        None, description="time stamp or sequence number; or the columns of its day and its time of day"
    )
    time_format: str | list[str] | None = Field(
        None,
        description="a strptime format, or several, of which the first that fits counts; "
        "or 's', 'ms', 'us', 'ns', 'days', 'excel', 'sequence'",
    )
    timezone: str = "UTC"
    split: str | None = Field(None, description="column with train, valid, test or context")
    on_unknown_item: OnUnknown = "error"
    on_bad_row: Literal["error", "drop"] = "error"
    duplicates: Literal["keep", "drop"] | None = Field(None, description="rows that are equal in all columns")

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
        if self.liked_from is not None and self.value is None:
            raise ValueError("'liked_from' says which values are liked: name their column as 'value'")
        return self
