"""Who knows whom: a table of links between people, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from polyscene.core.errors import Problem
from polyscene.core.settings.links import LinksSettings
from polyscene.data.links import SocialLinks
from polyscene.data.reading.row_faults import RowFault, each_once, missing, placed_rows, without_faults
from polyscene.data.reading.users import project_name
from polyscene.data.schema import Ids
from polyscene.data.tables.columns import Need, number_remedy
from polyscene.data.tables.keyed import complain_if_empty
from polyscene.data.tables.opening import open_table
from polyscene.data.tables.totals import RowLedger

USER, FRIEND, WEIGHT = "#user", "#friend", "#weight"


@dataclass(frozen=True)
class OpenLinks:
    """The links of one scenario, before its people have numbers.

    Attributes:
        pairs: names in the project (`USER`, `FRIEND`) and `WEIGHT`, each pair once.
        directed: whether a link tells of its user only.
    """

    pairs: pl.DataFrame
    directed: bool

    @property
    def people(self) -> pl.Series:
        """The names of everybody who is linked."""
        ends = [self.pairs[end].alias("user") for end in (USER, FRIEND)]
        return pl.concat(ends).unique()

    def coded(self, users: Ids) -> SocialLinks:
        """Return the links in codes; one that is not directed goes both ways."""
        numbering = pl.DataFrame(
            {"id": users.values, "code": pl.int_range(len(users), dtype=pl.Int32, eager=True)}
        )
        user, friend = (
            self.pairs.select(pl.col(end).alias("id"))
            .join(numbering, on="id", how="left", maintain_order="left")["code"]
            .to_numpy()
            for end in (USER, FRIEND)
        )
        weight = self.pairs[WEIGHT].to_numpy().astype(np.float32)
        links, back = SocialLinks(user, friend, weight), SocialLinks(friend, user, weight)
        joined = SocialLinks.joined([links] if self.directed else [links, back])
        assert joined is not None
        return joined


def read_links(
    settings: LinksSettings,
    base: Path,
    scenario: str,
    local: bool,
    known: pl.Series,
    problems: list[Problem],
    ledger: RowLedger | None = None,
) -> OpenLinks:
    """Return the links that can be used.

    Args:
        settings: of the table.
        base: the folder its paths start from.
        scenario: whose users they are.
        local: whether nobody else is called as they are.
        known: names in the project of the people whom other tables of the scenario name.
        problems: takes what is wrong with rows.
        ledger: counts the rows.

    Raises:
        DataError: the table cannot be read at all.
    """
    user, friend = Need("user", settings.user, "id"), Need("friend", settings.friend, "id")
    strength = None if settings.weight is None else Need("weight", settings.weight, "number")
    needs = [user, friend, *([] if strength is None else [strength])]
    table = open_table(settings, base, needs)
    problems.extend(table.remarks)
    if ledger is not None:
        ledger.open(table)
    frame = placed_rows(table, needs)
    if frame.is_empty():
        complain_if_empty(table, "links", problems)
    frame = frame.with_columns(
        project_name(pl.col(user.alias), scenario, local).alias(USER),
        project_name(pl.col(friend.alias), scenario, local).alias(FRIEND),
        pl.lit(1.0).alias(WEIGHT)
        if strength is None
        else pl.col(strength.alias).fill_null(1.0).alias(WEIGHT),
    )
    faults = _faults(settings, user, friend, frame, known)
    frame = without_faults(table, frame, faults, problems, ledger)
    if not settings.directed:
        low, high = pl.min_horizontal(USER, FRIEND), pl.max_horizontal(USER, FRIEND)
        frame = frame.with_columns(low.alias(USER), high.alias(FRIEND))
    strongest = frame.sort(WEIGHT, descending=True, maintain_order=True)
    pairs = each_once(strongest, [USER, FRIEND], ledger).select(USER, FRIEND, WEIGHT)
    return OpenLinks(pairs.sort(USER, FRIEND), settings.directed)


def _faults(
    settings: LinksSettings, user: Need, friend: Need, frame: pl.DataFrame, known: pl.Series
) -> list[RowFault]:
    dropped = settings.on_bad_row == "drop"
    faults = [
        missing(user, "a link has no user", dropped),
        missing(friend, "a link has no friend", dropped),
        RowFault(
            pl.col(USER) == pl.col(FRIEND),
            friend.column,
            "a link leads to its own user",
            "two people",
            "they were left out: nobody is a friend of their own",
            asked=True,
        ),
    ]
    if settings.weight is not None:
        bad = frame.filter(pl.col(WEIGHT).is_infinite() | (pl.col(WEIGHT) <= 0))
        value = None if bad.is_empty() else bad[WEIGHT][0]
        faults.append(
            RowFault(
                pl.col(WEIGHT).is_infinite() | (pl.col(WEIGHT) <= 0),
                settings.weight,
                "the weight of a link cannot be used",
                "a number above 0, or nothing",
                "they were left out" if dropped else f'{number_remedy(value)}; or set on_bad_row = "drop"',
                asked=dropped,
            )
        )
    if settings.on_unknown_user != "add":
        remedy = 'add them to the users, or set on_unknown_user = "drop" or "add"'
        asked = settings.on_unknown_user == "drop"
        faults += [
            RowFault(
                ~pl.col(name).is_in(known.implode()),
                need.column,
                "a link names a person whom no other table of the scenario names",
                "an id of the users or of the events",
                "they were left out" if asked else remedy,
                asked=asked,
            )
            for name, need in ((USER, user), (FRIEND, friend))
        ]
    return faults
