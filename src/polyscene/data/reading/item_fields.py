"""The columns that the texts of items are made of, and the texts without one of them."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.types import LongArray
from polyscene.data.reading.items import item_texts, open_items
from polyscene.data.tables.columns import Need


class TextFields:
    """A scenario's item table, kept open for its texts.

    Args:
        settings: the scenario's.
        base: the folder its paths start from.

    Attributes:
        names: of the columns that the texts are made of, in their order.

    Raises:
        DataError: the table cannot be read at all.
    """

    def __init__(self, settings: ScenarioSettings, base: Path) -> None:
        self._items = settings.items
        self._opened = open_items(settings, base, [])
        template = self._opened.template
        self.names: tuple[str, ...] = template.fields if template else tuple(self._items.text)

    def __len__(self) -> int:
        return self._opened.frame.height

    def texts(self, changed: str | None = None, order: LongArray | None = None) -> tuple[str, ...]:
        """Return the text of every row.

        Args:
            changed: the column that is left out; None, or one that no text is made of: the texts as they are.
            order: (n,) from which row each row has that column instead; None: from none.
        """
        frame = self._opened.frame
        if changed in self.names:
            alias = Need("", str(changed), "text").alias
            cells = pl.Series(alias, [None] * len(self), pl.String) if order is None else frame[alias][order]
            frame = frame.with_columns(cells)
        return item_texts(frame, self._items, self._opened.template)
