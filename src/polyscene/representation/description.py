"""What an item is beside its text: `w = v + α a` with a part for each column and each medium.

The parts lie beside the text's vector, each in numbers of its own: `w = unit[v, √α₁ a₁, √α₂ a₂, …]` of unit
vectors, so that the cosine of two items is the mean of their parts' cosines, weighted by 1 and by α. A part
that an item lacks is left out of the mean: it is missing, not zero. What a part has in w is its share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import polars as pl
from pydantic import TypeAdapter

from polyscene.core.settings.block import Strict
from polyscene.core.types import Attribute, FloatArray
from polyscene.representation.attributes import ColumnEncoder, encoder_of_labels, encoder_of_numbers
from polyscene.representation.items import common_mean, shifted_unit, unit

TEXT = "text"
"""What the language model's vector is called among the parts."""
MAX_COLUMNS = 16
"""So many columns are encoded, the first ones."""


class Part(Strict):
    """One part: what encodes it, what all items share of it, and how much it counts.

    Attributes:
        name: of the column, or of the medium.
        encoder: of a column; None: vectors that the user brings.
        mean: what all items share; taken off, as of texts.
        weight: α, beside 1 for the text; 0: it does not count.
    """

    name: str
    encoder: ColumnEncoder | None = None
    mean: tuple[float, ...]
    weight: float = 0.0

    def vectors(self, raw: FloatArray) -> FloatArray:
        """Return unit rows after the mean was taken off; what is missing stays zero."""
        return shifted_unit(raw, np.array(self.mean, np.float64))


Columns = Mapping[str, Sequence[Attribute]]
Media = Mapping[str, FloatArray]
"""By medium (m, d); a zero row is missing."""
_PARTS: TypeAdapter[tuple[Part, ...]] = TypeAdapter(tuple[Part, ...])


@dataclass(frozen=True)
class Description:
    """The parts of one scenario's items."""

    parts: tuple[Part, ...] = ()

    @classmethod
    def of(cls, attributes: pl.DataFrame, media: Media, branches: Mapping[str, str] | None = None) -> Self:
        """Take stock of a catalogue; nothing counts yet.

        Args:
            attributes: n rows, texts and numbers.
            media: by name, (n, d).
            branches: by column, what parts the levels of a path.
        """
        parts = []
        for name in attributes.columns[:MAX_COLUMNS]:
            cells = attributes[name].to_list()
            if attributes[name].dtype == pl.String:
                encoder: ColumnEncoder = encoder_of_labels(cells, (branches or {}).get(name))
            else:
                encoder = encoder_of_numbers(cells)
            parts.append(Part(name=name, encoder=encoder, mean=_mean(encoder.encode(cells))))
        for name, vectors in media.items():
            parts.append(Part(name=name, mean=_mean(vectors)))
        return cls(tuple(parts))

    @property
    def weights(self) -> dict[str, float]:
        """Return α by part."""
        return {part.name: part.weight for part in self.parts}

    @property
    def counting(self) -> tuple[Part, ...]:
        """Return the parts that count."""
        return tuple(part for part in self.parts if part.weight > 0)

    @property
    def widths(self) -> dict[str, int]:
        """Return how many numbers the vectors of each medium have."""
        return {part.name: len(part.mean) for part in self.parts if part.encoder is None}

    def weighted(self, weights: Mapping[str, float]) -> Description:
        """Return the same with other α; what is not named does not count."""
        parts = (part.model_copy(update={"weight": weights.get(part.name, 0.0)}) for part in self.parts)
        return replace(self, parts=tuple(parts))

    def blocks(
        self, count: int, columns: Columns, media: Media, all_parts: bool = False
    ) -> dict[str, FloatArray]:
        """Return (count, d) unit vectors by part, zero where one is missing.

        Args:
            columns: by name, the cells of `count` items; a column that is not there is missing.
            all_parts: those that do not count too.
        """
        blocks: dict[str, FloatArray] = {}
        for part in self.parts if all_parts else self.counting:
            if part.encoder is None:
                raw = media.get(part.name, np.zeros((count, len(part.mean)), np.float32))
            else:
                raw = part.encoder.encode(columns.get(part.name, [None] * count))
            blocks[part.name] = part.vectors(raw)
        return blocks

    def joined(self, texts: FloatArray, blocks: Mapping[str, FloatArray]) -> FloatArray:
        """Return (m, D) unit vectors of (m, d) texts and their parts; see the head of this file."""
        beside = [np.float32(np.sqrt(part.weight)) * blocks[part.name] for part in self.counting]
        return unit(np.concatenate([texts, *beside], axis=1).astype(np.float32, copy=False))

    def balanced(self, sums: FloatArray, text_width: int) -> FloatArray:
        """Return (B, D) sums of joined vectors as unit vectors whose parts are as long as their α says."""
        weights = {TEXT: 1.0} | self.weights
        parts = [
            np.float32(np.sqrt(weights[name])) * unit(sums[:, place])
            for name, place in self.borders(text_width).items()
        ]
        return unit(np.concatenate(parts, axis=1))

    def borders(self, text_width: int) -> dict[str, slice]:
        """Return where each part lies in a joined vector."""
        start, borders = text_width, {TEXT: slice(0, text_width)}
        for part in self.counting:
            borders[part.name] = slice(start, start + len(part.mean))
            start += len(part.mean)
        return borders

    def shares(self, joined: FloatArray, text_width: int) -> dict[str, float]:
        """Return by part which share of an item's (D,) vector it is; a missing part is left out."""
        lengths = {
            name: float(np.sum(joined[place].astype(np.float64) ** 2))
            for name, place in self.borders(text_width).items()
        }
        total = sum(lengths.values())
        return {name: length / total for name, length in lengths.items() if length > 0}

    def closest(self, one: FloatArray, other: FloatArray, text_width: int) -> str:
        """Return the part that adds most to the cosine of two items' (D,) vectors; the text if none does."""
        cosines = {
            name: float(one[place].astype(np.float64) @ other[place])
            for name, place in self.borders(text_width).items()
        }
        best = max(cosines, key=cosines.__getitem__)
        return best if cosines[best] > 0 else TEXT

    def unknown(self, attributes: Mapping[str, Attribute]) -> dict[str, list[str]]:
        """Return by column the labels of an item that training never met: they count as missing."""
        unknown = {
            part.name: part.encoder.unknown(attributes.get(part.name))
            for part in self.parts
            if part.encoder is not None
        }
        return {name: labels for name, labels in unknown.items() if labels}

    def to_json(self) -> bytes:
        """Return everything that `of_json` needs."""
        return _PARTS.dump_json(self.parts)

    @classmethod
    def of_json(cls, text: bytes) -> Self:
        """Take it back.

        Raises:
            ValueError: it is damaged.
        """
        return cls(_PARTS.validate_json(text))


def columns_of(rows: Sequence[Mapping[str, Attribute]], names: Sequence[str]) -> dict[str, list[Attribute]]:
    """Return rows of attributes as columns."""
    return {name: [row.get(name) for row in rows] for name in names}


def _mean(vectors: FloatArray) -> tuple[float, ...]:
    return tuple(common_mean(vectors).tolist())
