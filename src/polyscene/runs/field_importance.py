"""What the fields of items carry: a run asked again as if they lacked one, or had another item's.

Nothing is learned again. Texts are encoded anew without the field, attributes and vectors are missing, and
every signal that places items by what they are places them anew. Links between items that were learned by
their texts stay as they were learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from polyscene.core.errors import RunError
from polyscene.core.types import Attribute, FloatArray, LongArray
from polyscene.data.reading.item_fields import TextFields
from polyscene.data.schema import UNKNOWN_TIME
from polyscene.engine.state import ScenarioState
from polyscene.recommenders.abilities import Extends
from polyscene.recommenders.item_to_item import ItemToItem
from polyscene.representation.item_space import ViewName
from polyscene.runs.run import Run

ALL_TEXT = "all text"
"""Every field that texts are made of, together."""


@dataclass(frozen=True)
class ItemFields:
    """The fields of one scenario's items.

    Attributes:
        run: asked anew for each change.
        scenario: its name.
        texts: the table that texts are made of; None: items have no text.
    """

    run: Run
    scenario: str
    texts: TextFields | None

    @classmethod
    def of(cls, run: Run, scenario: str, texts: TextFields | None) -> ItemFields:
        """Return the fields of a run's items.

        Raises:
            RunError: the texts are others than those that the run has read.
        """
        place = run.system.scenario(scenario)
        if not place.space.has_text:
            return cls(run, scenario, None)
        if texts is not None and texts.texts() != tuple(place.catalogue.texts[: len(texts)]):
            raise RunError(
                f"expected the texts of '{scenario}' that run {run.id} has read, found others; train again"
            )
        return cls(run, scenario, texts)

    @property
    def names(self) -> list[str]:
        """The fields that something in the run reads; all of several that texts are made of at the end."""
        space = self.run.system.scenario(self.scenario).space
        text = () if self.texts is None else self.texts.names
        names = [*dict.fromkeys([*text, *(part.name for part in space.description.counting)])]
        return [*names, ALL_TEXT] if len(text) > 1 else names

    @property
    def whole_text(self) -> str | None:
        """The field that is all of a text; None where items have no text."""
        text = () if self.texts is None else self.texts.names
        return ALL_TEXT if len(text) > 1 else next(iter(text), None)

    @property
    def unread(self) -> list[str]:
        """The fields that nothing in the run reads: they have no part in any text, and do not count."""
        space = self.run.system.scenario(self.scenario).space
        attributes = self.run.system.scenario(self.scenario).catalogue.attributes().columns
        return [name for name in dict.fromkeys([*attributes, *space.media]) if name not in self.names]

    def shuffled(self, chance: np.random.Generator) -> LongArray:
        """Return (n,) for each item another one; those that only events name keep what is theirs."""
        order = np.arange(len(self.run.system.scenario(self.scenario).catalogue))
        described = len(order) if self.texts is None else len(self.texts)
        turned = chance.permutation(described)
        order[turned] = np.roll(turned, 1)
        return order

    def changed(self, name: str, order: LongArray | None = None) -> ScenarioState:
        """Return the scenario of the run, opened anew, with a field changed.

        Args:
            name: out of `names`.
            order: (n,) from which item each item has the field; None: it is withheld.
        """
        place = Run(self.run.folder, self.run.present, self.run.index).system.scenario(self.scenario)
        if name == self.whole_text:
            _place_texts(place, order)
        elif self.texts is not None and name in self.texts.names:
            self._reread(place, name, order)
        rows = np.arange(len(place.catalogue))
        attributes, media = place.catalogue.attributes().rows(named=True), place.space.media
        place.space.describe(rows, _attributes(attributes, name, order), _media(media, name, order))
        for signal in place.fusion.present().values():
            ability: object = signal
            if isinstance(ability, Extends) and not isinstance(ability, ItemToItem):
                ability.extend(rows, np.full(len(rows), UNKNOWN_TIME))
        return place

    def _reread(self, place: ScenarioState, name: str, order: LongArray | None) -> None:
        """Encode the texts anew that differ from those that the run has read."""
        assert self.texts is not None
        known = place.catalogue.texts[: len(self.texts)]
        inside = None if order is None else order[: len(self.texts)]
        texts = self.texts.texts(name, inside)
        rows = np.array(
            [row for row, pair in enumerate(zip(texts, known, strict=True)) if pair[0] != pair[1]]
        )
        if len(rows):
            encoded = self.run.encoder.encode(self.scenario, [texts[row] for row in rows.tolist()])
            _put(place, rows, encoded)


def _put(place: ScenarioState, rows: LongArray, encoded: Mapping[ViewName, FloatArray]) -> None:
    for view, one in place.space.distinct().items():
        if view != "described":
            one.put(rows, encoded[view])


def _place_texts(place: ScenarioState, order: LongArray | None) -> None:
    """Let no item have a text, or each that of another one."""
    for view, one in place.space.distinct().items():
        if view != "described":
            vectors = np.zeros_like(one.vectors) if order is None else one.vectors[order]
            one.place(np.arange(len(one)), vectors)


def _attributes(
    rows: list[dict[str, Attribute]], name: str, order: LongArray | None
) -> list[dict[str, Attribute]]:
    """Return attributes by item without one, or with one from other items."""
    if not rows or name not in rows[0]:
        return rows
    values = [None] * len(rows) if order is None else [rows[row][name] for row in order.tolist()]
    return [row | {name: value} for row, value in zip(rows, values, strict=True)]


def _media(media: Mapping[str, FloatArray], name: str, order: LongArray | None) -> dict[str, FloatArray]:
    """Return vectors by medium without those of one, or with those from other items."""
    changed = {one: vectors.copy() for one, vectors in media.items()}
    if name in changed:
        changed[name] = np.zeros_like(changed[name]) if order is None else changed[name][order]
    return changed
