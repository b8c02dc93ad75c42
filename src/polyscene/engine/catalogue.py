"""A catalogue and numberings that grow while they serve."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import polars as pl

from polyscene.core.errors import UnknownIdError
from polyscene.core.types import Attribute, Item
from polyscene.data.schema import Catalogue, Ids
from polyscene.engine.attributes import AttributeColumn
from polyscene.responsible.traits import Traits


class Numbering:
    """Ids and their codes; new ones are added at the end.

    Args:
        ids: to start from.
    """

    def __init__(self, ids: Ids) -> None:
        self._name = ids.values.name
        self._values: list[str] = ids.values.cast(pl.String).to_list()
        self._codes = {value: code for code, value in enumerate(self._values)}

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, code: int) -> str:
        return self._values[code]

    def get(self, value: str) -> int | None:
        """Return the code of an id, or None where it is unknown."""
        return self._codes.get(value)

    def add(self, value: str) -> int:
        """Return the code of an id, which is made known."""
        code = self._codes.setdefault(value, len(self._values))
        if code == len(self._values):
            self._values.append(value)
        return code

    def ids(self) -> Ids:
        """Return all ids, in the order of their codes."""
        return Ids(pl.Series(self._name, self._values, pl.String))


class LiveCatalogue:
    """The items of one scenario as people see them.

    Args:
        catalogue: to start from.
    """

    def __init__(self, catalogue: Catalogue, scenario: str) -> None:
        self.ids, self.scenario = Numbering(catalogue.ids), scenario
        self.texts, self.titles = list(catalogue.text), list(catalogue.title)
        self._attributes = catalogue.attributes
        self._changed: dict[int, dict[str, Attribute]] = {}
        self.puts: list[int] = []
        """The codes of what was put, in order."""
        self._known_columns: dict[str, AttributeColumn] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def code(self, item: str) -> int:
        """Return the code of an item id.

        Raises:
            UnknownIdError: it is not in the catalogue.
        """
        code = self.ids.get(item)
        if code is None:
            example = f"; its ids look like '{self.ids[0]}'" if len(self) else ""
            raise UnknownIdError(f"expected an item of scenario '{self.scenario}', found '{item}'{example}")
        return code

    def items(self, codes: Sequence[int]) -> list[Item]:
        """Return items as people see them: title, and what is known of each."""
        return [
            Item(self.ids[code], self.scenario, self.titles[code], self._attributes_of(code))
            for code in codes
        ]

    def put(self, item: str, text: str, title: str, attributes: dict[str, Attribute]) -> int:
        """Describe a new item or a known one anew, and return its code."""
        code = self.ids.add(item)
        if code == len(self.texts):
            self.texts.append(text)
            self.titles.append(title)
        else:
            self.texts[code], self.titles[code] = text, title
        self._changed[code] = attributes
        self.puts.append(code)
        return code

    @property
    def names(self) -> list[str]:
        """The attributes that items have."""
        return self._attributes.columns

    def column(self, name: str) -> AttributeColumn:
        """Return the present values of an attribute of `names`; what was put is caught up with."""
        if name not in self._known_columns:
            self._known_columns[name] = AttributeColumn(self._attributes[name])
        column = self._known_columns[name]
        column.catch_up(len(self), self.puts, lambda code: self._attributes_of(code).get(name))
        return column

    def attributes(self) -> pl.DataFrame:
        """Return n rows of attributes, in the order of the codes."""
        if not self._changed or not self._attributes.width:
            return self._attributes
        rows = self._attributes.rows(named=True)
        rows += [{} for _ in range(len(self) - len(rows))]
        for code, attributes in self._changed.items():
            rows[code] = dict(attributes)
        return pl.DataFrame(rows, self._attributes.schema)

    @cached_property
    def traits(self) -> Traits:
        """What items share, as they are described at present."""
        return Traits(self.texts, self.titles, self._attributes_of)

    @cached_property
    def _columns(self) -> dict[str, list[Attribute]]:
        return {name: self._attributes[name].to_list() for name in self._attributes.columns}

    def _attributes_of(self, code: int) -> dict[str, Attribute]:
        changed = self._changed.get(code)
        if changed is not None:
            return changed
        return {name: column[code] for name, column in self._columns.items()}
