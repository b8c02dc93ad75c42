"""What is known of people beside their events."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from polyscene.core.errors import DataError, Problem
from polyscene.core.settings.tables import UsersSettings
from polyscene.data.reading.items import attributes, complain_of_twins
from polyscene.data.schema import Ids
from polyscene.data.tables.columns import Need
from polyscene.data.tables.keyed import complain_if_empty, read_keyed
from polyscene.data.tables.opening import open_table
from polyscene.data.tables.totals import RowLedger

ID = "#id"


def project_name(user: pl.Expr, scenario: str, local: bool) -> pl.Expr:
    """Return what a user of one scenario is called in the whole project."""
    return pl.lit(f"{scenario}/") + user if local else user


def read_users(
    settings: UsersSettings,
    base: Path,
    scenario: str,
    local: bool,
    problems: list[Problem],
    from_log: bool = False,
    ledger: RowLedger | None = None,
) -> pl.DataFrame:
    """Return the users' names in the project (column `ID`) and their attributes.

    Args:
        settings: of the table.
        base: the folder its paths start from.
        scenario: whose users they are.
        local: whether nobody else is called as they are.
        problems: takes what is wrong with rows.
        from_log: whether the table is the log itself, so that ids occur again on purpose.
        ledger: counts the rows.

    Raises:
        DataError: the table cannot be read at all.
    """
    wrong = complain_of_twins(settings.categorical, settings.numeric, "users")
    if "user" in (*settings.categorical, *settings.numeric):
        wrong.append(
            Problem(
                "an attribute cannot be called 'user'",
                "another name",
                "'user'",
                "rename the column",
                key="users",
            )
        )
    if wrong:
        raise DataError(wrong)
    key = Need("id", settings.id, "id")
    needs = [
        *(Need("categorical", name, "text") for name in settings.categorical),
        *(Need("numeric", name, "number") for name in settings.numeric),
    ]
    table = open_table(settings, base, [key, *needs])
    problems.extend(table.remarks)
    if ledger is not None:
        ledger.open(table)
    frame = read_keyed(table, key, needs, settings.on_duplicate, problems, from_log, ledger)
    if frame.is_empty():
        complain_if_empty(table, "users", problems)
    name = frame.select(project_name(pl.col(key.alias), scenario, local).alias(ID))
    return pl.concat([name, attributes(frame, settings.categorical, settings.numeric)], how="horizontal")


def profile(frame: pl.DataFrame, users: Ids) -> pl.DataFrame:
    """Return a table of users with codes of the project in the column `user`, instead of names."""
    numbering = pl.DataFrame({ID: users.values, "user": pl.int_range(len(users), dtype=pl.Int32, eager=True)})
    coded = frame.join(numbering, on=ID, how="left", maintain_order="left")
    return coded.select("user", *(name for name in frame.columns if name != ID))
