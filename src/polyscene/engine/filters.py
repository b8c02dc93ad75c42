"""Which items meet conditions on their attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

import numpy as np

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.conditions import Condition
from polyscene.core.text import shown
from polyscene.core.types import BoolArray
from polyscene.engine.attributes import AttributeColumn
from polyscene.engine.catalogue import LiveCatalogue

MAX_NAMES_SHOWN = 12


def meeting(catalogue: LiveCatalogue, conditions: Mapping[str, Condition]) -> BoolArray:
    """Return (n,) True for the items that meet all conditions.

    Raises:
        DataError: an attribute does not exist, or holds something else than it is compared with.
    """
    met = np.ones(len(catalogue), np.bool_)
    for name, condition in conditions.items():
        demand_fit(catalogue, name, condition)
        for mask in _masks(catalogue.column(name), condition):
            met &= mask
    return met


def demand_attribute(catalogue: LiveCatalogue, name: str) -> None:
    """Refuse an attribute that items do not have.

    Raises:
        DataError: they do not; the message names those that they have.
    """
    if name in catalogue.names:
        return
    near = get_close_matches(name, catalogue.names, n=1, cutoff=0.5)
    remedy = f"did you mean '{near[0]}'?" if near else "name one of these, or add it to the items' columns"
    names = (
        ", ".join(shown(one) for one in catalogue.names[:MAX_NAMES_SHOWN]) or "none: they have no attributes"
    )
    raise DataError(
        Problem(
            "the filter names what the items do not have",
            f"one of {names}",
            shown(name),
            remedy,
            _place(catalogue),
        )
    )


def demand_numbers(catalogue: LiveCatalogue, name: str) -> None:
    """Refuse an attribute that holds no numbers.

    Raises:
        DataError: the attribute does not exist, or holds texts.
    """
    demand_attribute(catalogue, name)
    if catalogue.column(name).is_text:
        raise DataError(
            Problem(
                f"'{name}' holds texts, which nothing can be multiplied by",
                "an attribute of numbers, such as a price",
                shown(name),
                "name another attribute",
                _place(catalogue),
            )
        )


def demand_fit(catalogue: LiveCatalogue, name: str, condition: Condition) -> None:
    """Refuse a condition that cannot be meant.

    Raises:
        DataError: the attribute does not exist, or numbers are compared with texts.
    """
    demand_attribute(catalogue, name)
    is_text = catalogue.column(name).is_text
    held, other = ("texts", "numbers") if is_text else ("numbers", "texts")
    values = [value for value in (condition.equal, condition.has) if value is not None]
    values += [*(condition.any_of or ()), *(condition.none_of or ())]
    values += [value for value in (condition.at_least, condition.at_most) if value is not None]
    wrong = next((value for value in values if isinstance(value, str) != is_text), None)
    if wrong is not None:
        raise DataError(
            Problem(
                f"the filter compares '{name}' with {other}",
                f"{held}: that is what '{name}' holds",
                shown(wrong),
                f"write {held[:-1]}s, or name another attribute",
                _place(catalogue),
            )
        )


def unmet(catalogue: LiveCatalogue, conditions: Mapping[str, Condition], code: int) -> list[tuple[str, str]]:
    """Return the conditions that one item does not meet: the attribute, and what it is."""
    rows = []
    for name, condition in conditions.items():
        column = catalogue.column(name)
        if not all(mask[code] for mask in _masks(column, condition)):
            value = column.shown(code)
            rows.append(
                (name, "unknown" if value is None else f"{value:g}" if isinstance(value, float) else value)
            )
    return rows


def _masks(column: AttributeColumn, condition: Condition) -> Iterator[BoolArray]:
    """Yield (n,) what meets each part of a condition."""
    if condition.equal is not None:
        yield column.any_of([condition.equal])
    if condition.any_of is not None:
        yield column.any_of(condition.any_of)
    if condition.none_of is not None:
        yield column.known & ~column.any_of(condition.none_of)
    if condition.has is not None:
        yield column.has(condition.has)
    if condition.at_least is not None:
        yield column.numbers >= condition.at_least
    if condition.at_most is not None:
        yield column.numbers <= condition.at_most
    if condition.known is not None:
        yield column.known == condition.known


def _place(catalogue: LiveCatalogue) -> str:
    return f"the items of scenario {shown(catalogue.scenario)}"
