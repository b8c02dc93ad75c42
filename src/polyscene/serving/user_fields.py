"""Fields of users, checked against the columns of the users' tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.scenarios import ScenarioSettings
from polyscene.core.text import shown
from polyscene.data.tables.sources import nearest


def demand_user_fields(settings: Mapping[str, ScenarioSettings], fields: Mapping[str, Any]) -> None:
    """Refuse fields that no table of users has; without such tables every field is taken.

    Raises:
        DataError: a column is unknown, or its value is no number where the table says so; all are listed.
    """
    tables = [one.users for one in settings.values() if one.users is not None]
    numeric = {name for table in tables for name in table.numeric}
    names = {name for table in tables for name in (*table.categorical, *table.numeric)}
    if not tables:
        return
    problems = [_unknown(name, sorted(names)) for name in fields if name not in names]
    problems += [
        Problem("a value cannot be used", "a number, or nothing", shown(value), "mend the value", column=name)
        for name, value in fields.items()
        if name in numeric and value is not None and not _is_number(value)
    ]
    if problems:
        raise DataError(problems)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _unknown(name: str, names: list[str]) -> Problem:
    near = nearest(name, names)
    remedy = f"did you mean '{near}'?" if near else "use the column names of the users' tables"
    return Problem("no column is called so", f"one of {', '.join(names)}", shown(name), remedy, column=name)
