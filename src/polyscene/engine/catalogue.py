"""A catalogue and numberings that grow while they serve."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import islice

import polars as pl

from polyscene.core.errors import UnknownIdError
from polyscene.core.types import Attribute, Item
from polyscene.data.schema import Catalogue, Ids
from polyscene.engine.attributes import AttributeColumn
from polyscene.responsible.traits import Traits

ERASED = "\x00erased "
"""What stands before the number in place of an id that was erased: no id can begin so."""


class Numbering:
    """Ids and their codes; new ones are added at the end. What was erased leaves its code to nobody.

    Args:
        ids: to start from.

    Attributes:
        erased: how many were erased.
    """

    def __init__(self, ids: Ids) -> None:
        self._name = ids.values.name
        self._values: list[str] = ids.values.cast(pl.String).to_list()
        self._codes = {value: code for code, value in enumerate(self._values)}
        self.erased = sum(value.startswith(ERASED) for value in self._values)

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

    def forget(self, code: int) -> None:
        """Erase an id; if it comes again it is a new one."""
        del self._codes[self._values[code]]
        self._values[code] = f"{ERASED}{code}"
        self._codes[self._values[code]] = code
        self.erased += 1

    def after(self, code: int, limit: int) -> list[tuple[int, str]]:
        """Return the next known ids behind a code, at most so many, with their codes."""
        rest = ((place, self._values[place]) for place in range(code + 1, len(self)))
        return list(islice((pair for pair in rest if not pair[1].startswith(ERASED)), limit))

    def values(self) -> list[str]:
        """Return a copy of all ids, in the order of their codes."""
        return self._values.copy()

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
        """The codes of what was put or taken out, in order."""
        self._uncounted = 0
        self._known_columns: dict[str, AttributeColumn] = {}

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def n_puts(self) -> int:
        """How often anything was put or taken out since the run was trained."""
        return self._uncounted + len(self.puts)

    def resume_count(self, n_puts: int) -> None:
        """Go on counting where it stood; `puts` holds only the last of each item after a resumption."""
        self._uncounted = n_puts - len(self.puts)

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

    def changes(self) -> list[tuple[str, str, str, dict[str, Attribute]]]:
        """Return what `put` was told of every item that came or changed since the start, by code."""
        rows = sorted(self._changed.items())
        return [(self.ids[code], self.texts[code], self.titles[code], dict(known)) for code, known in rows]

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
