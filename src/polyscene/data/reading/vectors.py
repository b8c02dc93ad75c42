"""Vectors of items that the user brings, of images, audio or video: read, checked, brought to one length.

They come as a column of the items table, as a table of their own by id, or as the rows of a .npy file in the
order of a file of ids. Only their direction counts, so each is divided by its length when it is read: one
that is a million times longer than the others says no more than they do. A vector of zeros has no direction
and is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.tables import ImagesSettings, ItemsSettings, VectorsSettings
from polyscene.core.text import shown
from polyscene.core.types import BoolArray, FloatArray
from polyscene.data.reading.image_files import KEY, need_of
from polyscene.data.tables.columns import Need
from polyscene.data.tables.keyed import read_keyed
from polyscene.data.tables.opening import open_table
from polyscene.data.tables.table import Table

MAX_NUMBER = 1e9
"""What is larger is no coordinate; half as many digits are left for squares and sums."""
MIN_LENGTH = 1e-12
Rows = Mapping[str, int]
"""By id, its row in the catalogue."""


def vector_needs(items: ItemsSettings, of_rows: bool = False) -> list[Need]:
    """Return the columns with vectors, and those that name image files.

    Args:
        of_rows: of items that are given as plain values, which have vectors of every medium, also of those
            that are in other files or are made of images.
    """
    if of_rows:
        return [Need("vectors", field_of(items, medium), "vector") for medium in items.vectors]
    return [
        need_of(source) if isinstance(source, ImagesSettings) else Need("vectors", source, "vector")
        for source in items.vectors.values()
        if not isinstance(source, VectorsSettings)
    ]


def field_of(items: ItemsSettings, medium: str) -> str:
    """Return under which name plain values of an item have a medium's vector."""
    source = items.vectors[medium]
    return source if isinstance(source, str) else medium


def media_of_table(
    items: ItemsSettings, base: Path, table: Table, frame: pl.DataFrame, problems: list[Problem]
) -> dict[str, FloatArray]:
    """Return by medium (n, d) unit vectors of the n rows of a catalogue; zero where one is missing.

    Args:
        base: the folder that paths start from.
        table: of the items.
        frame: its n rows, with the id and the columns of `vector_needs`.
        problems: takes vectors that cannot be used.
    """
    media = {}
    rows = {item: row for row, item in enumerate(frame[Need("", items.id, "id").alias].to_list())}
    for name, source in items.vectors.items():
        if isinstance(source, ImagesSettings):
            continue  # an encoder makes the vectors
        try:
            if isinstance(source, str):
                need = Need("vectors", source, "vector")
                vectors = vectors_of(frame[need.alias], table.name, source, problems)
            elif source.ids is not None:
                vectors = _of_array(source, source.ids, base, rows, problems)
            else:
                vectors = _of_table(source, base, rows, problems)
        except DataError as error:
            problems.extend(error.problems)
            continue
        media[name] = vectors
    return media


def vectors_of(
    lists: pl.Series, file: str | None, column: str, problems: list[Problem], width: int | None = None
) -> FloatArray:
    """Return (n, d) unit vectors of n lists of numbers; zero where one is missing.

    Args:
        file: for messages.
        problems: takes vectors that are not finite or not of the usual length, with a count.
        width: how long they must be; None: as most are.
    """
    lengths = lists.list.len().fill_null(0).to_numpy()
    if width is None:
        width = Counter(lengths[lengths > 0].tolist()).most_common(1)[0][0] if lengths.any() else 0
    present = lists.is_not_null().to_numpy()
    whole = present & (lengths == width)
    numbers = np.zeros((len(lists), width))
    if whole.any() and width:
        flat = lists.filter(pl.Series(whole)).explode().cast(pl.Float64).fill_null(np.nan).to_numpy()
        numbers[whole] = flat.reshape(-1, width)
    usable = whole & np.all(np.abs(numbers) <= MAX_NUMBER, axis=1)  # NaN is none either
    numbers[~usable] = 0.0
    _complain(present & ~usable, lists, width, file, column, problems)
    return directions(numbers)


def directions(numbers: NDArray[np.float64]) -> FloatArray:
    """Return (n, d) rows of length 1; what has none is missing, zero."""
    lengths = np.linalg.norm(numbers, axis=1, keepdims=True)
    unit = np.divide(numbers, lengths, out=np.zeros_like(numbers), where=lengths > MIN_LENGTH)
    single: FloatArray = unit.astype(np.float32)
    return single


def _complain(
    refused: BoolArray, lists: pl.Series, width: int, file: str | None, column: str, problems: list[Problem]
) -> None:
    if not refused.any():
        return
    row = int(np.flatnonzero(refused)[0])
    numbers = lists[row].to_list()
    content = f"{len(numbers):,} numbers" if len(numbers) != width else shown(str(numbers), 120)
    problems.append(
        Problem(
            "a vector cannot be used",
            f"{width:,} finite numbers of at most {MAX_NUMBER:.0e}, as most have, or nothing",
            content,
            "mend the vector, or leave it out",
            file=file,
            row=row + 1,
            column=column,
            count=int(refused.sum()),
        )
    )


def _of_table(source: VectorsSettings, base: Path, rows: Rows, problems: list[Problem]) -> FloatArray:
    key, need = Need("id", str(source.id), "id"), Need("vector", str(source.vector), "vector")
    table = open_table(source, base, [key, need])
    problems.extend(table.remarks)
    frame = read_keyed(table, key, [need], "error", problems)
    vectors = vectors_of(frame[need.alias], table.name, str(source.vector), problems)
    return _placed(frame[key.alias].to_list(), vectors, rows, table.name, problems)


def _of_array(
    source: VectorsSettings, ids_file: str, base: Path, rows: Rows, problems: list[Problem]
) -> FloatArray:
    name = str(source.path)
    try:
        array = np.load(base / name, allow_pickle=False, mmap_mode="r")
        ids = (base / ids_file).read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            Problem(
                "the vectors cannot be read",
                "a .npy file of numbers and a text file of ids in UTF-8",
                shown(str(error), 200),
                "write them with numpy.save and one id per line",
                file=name,
                key=KEY,
            )
        ) from None
    ids = [one.strip() for one in (ids[:-1] if ids and not ids[-1] else ids)]
    if array.ndim != 2 or array.dtype.kind not in "fiu" or len(array) != len(ids):
        raise DataError(
            Problem(
                "vectors and ids do not go together",
                "a row of numbers for each id",
                f"an array of {shown(str(array.shape))} {shown(str(array.dtype))} and {len(ids):,} ids",
                "write both anew, in the same order",
                file=name,
                key=KEY,
            )
        )
    numbers = np.asarray(array, np.float64)
    usable = np.all(np.abs(numbers) <= MAX_NUMBER, axis=1)
    if not usable.all():
        lists = pl.Series(numbers[~usable][:1].tolist())
        bad = Problem(
            "a vector cannot be used",
            f"{array.shape[1]:,} finite numbers of at most {MAX_NUMBER:.0e}",
            shown(str(lists[0].to_list()), 120),
            "mend the vector, or set it to zeros: it is missing then",
            file=name,
            row=int(np.flatnonzero(~usable)[0]) + 1,
            count=int((~usable).sum()),
        )
        problems.append(bad)
    numbers = np.where(usable[:, None], numbers, 0.0)
    return _placed(ids, directions(numbers), rows, name, problems)


def _placed(
    ids: list[str], vectors: FloatArray, rows: Rows, file: str, problems: list[Problem]
) -> FloatArray:
    """Return vectors in the order of the catalogue; those of no item are counted."""
    placed = np.zeros((len(rows), vectors.shape[1]), np.float32)
    known = np.array([item in rows for item in ids], np.bool_)
    placed[[rows[item] for item in ids if item in rows]] = vectors[known]
    strangers = [item for item in ids if item not in rows]
    if strangers:
        problems.append(
            Problem(
                "vectors of items that are not in the catalogue",
                "ids of the items table",
                shown(strangers[0]),
                "look whether ids are written alike; these vectors are left out",
                file=file,
                key=KEY,
                count=len(strangers),
                severity="warning" if known.any() else "error",
            )
        )
    return placed
