"""Items that come while a run serves, as its live state takes them in."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from polyscene.core.ids import id_text
from polyscene.core.types import FloatArray
from polyscene.engine.state import ItemDescription
from polyscene.representation.item_space import ViewName

if TYPE_CHECKING:
    from polyscene.data.reading.item_rows import ItemRows


def with_id_text(item: Mapping[str, object], column: str) -> Mapping[str, object]:
    """Return an item whose id, where it is a number, is written as in every other argument."""
    number = isinstance(item.get(column), bool | np.bool_ | Real)
    return {**item, column: id_text(item[column], "item")} if number else item


def descriptions_of(rows: ItemRows, encoded: Mapping[ViewName, FloatArray]) -> list[ItemDescription]:
    """Return every item with its vectors.

    Args:
        encoded: by view of the item space, (n, d).
    """
    attributes = rows.attributes.rows(named=True) if rows.attributes.width else [{}] * len(rows)
    return [
        ItemDescription(
            rows.ids[row],
            rows.texts[row],
            rows.titles[row],
            attributes[row],
            {view: vectors[row] for view, vectors in encoded.items()},
            int(rows.since[row]),
            {name: vectors[row] for name, vectors in rows.media.items() if vectors[row].any()},
        )
        for row in range(len(rows))
    ]
