"""One file of a table, as its name describes it: on disk, or inside a zip archive."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Literal, cast

from polyscene.data.tables.archives import read_member

Compression = Literal["gz", "zst"]


@dataclass(frozen=True, slots=True)
class Source:
    """One file of a table.

    Attributes:
        path: where it lies; within an archive the archive's path, then the name inside it.
        shown: its name in messages, relative to the configuration file where possible.
        format: what it holds: a name of `polyscene.table_formats`.
        compression: how it is packed, if at all.
        archive: the zip archive that it is read out of, if any.
    """

    path: Path
    shown: str
    format: str
    compression: Compression | None
    archive: Path | None = None

    @property
    def data(self) -> Path | bytes:
        """What the engine reads: the path, or what the archive holds there."""
        return self.path if self.archive is None else read_member(self.archive, self.path)

    def open(self) -> IO[bytes]:
        """Open the unpacked content for reading; .zst stays packed.

        Raises:
            OSError: it cannot be opened.
        """
        if self.archive is not None:
            return BytesIO(read_member(self.archive, self.path))
        if self.compression == "gz":
            return cast(IO[bytes], gzip.open(self.path))
        return self.path.open("rb")
