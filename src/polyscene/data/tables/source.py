"""One file of a table, as its name describes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Compression = Literal["gz", "zst"]


@dataclass(frozen=True, slots=True)
class Source:
    """One file of a table.

    Attributes:
        path: where it lies.
        shown: its name in messages, relative to the configuration file where possible.
        format: what it holds: a name of `polyscene.table_formats`.
        compression: how it is packed, if at all.
    """

    path: Path
    shown: str
    format: str
    compression: Compression | None
