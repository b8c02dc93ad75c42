"""Answers about many: slates of many users, vectors of many ids; as data frames and as files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from polyscene.core.display import FrameLibrary, data_frame, html_table, listed
from polyscene.core.files import replacing
from polyscene.core.types import BoolArray, FloatArray, LongArray

WRITERS = {".parquet": "write_parquet", ".csv": "write_csv", ".jsonl": "write_ndjson"}
"""How a frame is written, by the ending of the file's name."""


@dataclass(frozen=True, repr=False)
class Slates:
    """The slates of many users, without reasons: row r holds `items[offsets[r]:offsets[r + 1]]`, best first.

    Attributes:
        scenario: where they are shown.
        run: which run answered.
        users: B ids.
        known: (B,) whether the run has ever heard of the user; a stranger gets what suits everybody.
        offsets: (B + 1,).
        items: ids.
        scores: as many; comparable within one slate only.
    """

    scenario: str
    run: str
    users: tuple[str, ...]
    known: BoolArray
    offsets: LongArray
    items: tuple[str, ...]
    scores: FloatArray

    def __len__(self) -> int:
        return len(self.users)

    def __getitem__(self, row: int) -> list[str]:
        """Return the item ids of the user in that row, best first."""
        row = range(len(self))[row]
        return list(self.items[self.offsets[row] : self.offsets[row + 1]])

    def __iter__(self) -> Iterator[tuple[str, list[str]]]:
        return ((user, self[row]) for row, user in enumerate(self.users))

    def __repr__(self) -> str:
        return f"Slates({self.scenario!r:.60}, {len(self):,} users: {listed(self.users)})"

    def _repr_html_(self) -> str:
        rows = ((user, ", ".join(ids)) for user, ids in self)
        return html_table(f"{self.scenario} for {len(self):,} users", ("user", "items"), rows)

    def to_frame(self, library: FrameLibrary = "polars") -> Any:  # noqa: ANN401 - a frame of that library
        """Return a data frame with a row per place: user, rank, item, score.

        Args:
            library: `polars`, or `pandas` where that is installed.
        """
        lengths = np.diff(self.offsets)
        columns = {
            "user": np.repeat(np.array(self.users, object), lengths).tolist(),
            "rank": np.arange(1, len(self.items) + 1) - np.repeat(self.offsets[:-1], lengths),
            "item": self.items,
            "score": self.scores,
        }
        return data_frame(columns, {"user": str, "item": str}, library)

    def write(self, path: str | Path) -> Path:
        """Write `to_frame` to a .parquet, .csv or .jsonl file, whole or not at all; return its path.

        Raises:
            ValueError: the file's name ends otherwise.
        """
        return write_frame(self.to_frame(), Path(path))


@dataclass(frozen=True, repr=False)
class Vectors:
    """A vector for every id.

    Attributes:
        ids: n ids.
        array: (n, d); a zero row has none.
    """

    ids: tuple[str, ...]
    array: FloatArray

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Vectors({len(self):,} of {self.array.shape[1]} numbers: {listed(self.ids)})"

    def to_frame(self, library: FrameLibrary = "polars") -> Any:  # noqa: ANN401 - a frame of that library
        """Return a data frame with the columns id and vector.

        Args:
            library: `polars`, or `pandas` where that is installed.
        """
        import polars as pl

        width = self.array.shape[1]
        vectors = pl.Series("vector", self.array.ravel()).reshape((len(self), width)) if width else None
        frame = pl.DataFrame({"id": pl.Series(self.ids, dtype=pl.String)})
        frame = frame.with_columns(
            pl.lit(None, pl.Array(pl.Float32, 0)).alias("vector") if vectors is None else vectors
        )
        return frame if library == "polars" else data_frame(frame.to_dict(as_series=False), {}, library)

    def write(self, path: str | Path) -> Path:
        """Write ids and vectors to a .parquet or .jsonl file, or the array alone to .npy; return its path.

        Raises:
            ValueError: the file's name ends otherwise.
        """
        target = Path(path)
        if target.suffix != ".npy":
            return write_frame(self.to_frame(), target, flat=False)
        with replacing(target) as partial, partial.open("wb") as file:
            np.save(file, self.array, allow_pickle=False)
        return target


def write_frame(frame: Any, path: Path, flat: bool = True) -> Path:  # noqa: ANN401 - a polars frame
    """Write a frame in the format that the file's name tells, whole or not at all.

    Args:
        flat: whether no column is a list, so that it fits into CSV.

    Raises:
        ValueError: the name tells none.
    """
    writers = {ending: name for ending, name in WRITERS.items() if flat or ending != ".csv"}
    if path.suffix not in writers:
        raise ValueError(f"expected a file that ends in {', '.join(writers)}, found {path.name!r:.80}")
    with replacing(path) as partial:
        getattr(frame, writers[path.suffix])(partial)
    return path
