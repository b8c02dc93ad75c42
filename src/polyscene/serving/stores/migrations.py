"""The numbered scripts that make the tables of a store, and bring older ones to the present version.

Servers of two versions work side by side while a service is upgraded, so a script only adds what those
before it can leave alone: it expands the tables. What nobody uses any more goes in a later one, when no
server of the version that used it runs any more: that contracts them. The first line of a script says which
servers go on beside it:

    -- oldest: 1

Without it, only those that know it do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

from polyscene.core.errors import StoreError

_OLDEST = re.compile(r"-- oldest: (\d+)\n")


class Migration(NamedTuple):
    """A script that brings tables to a version.

    Attributes:
        number: of the version.
        oldest: servers that know the tables from this version on can go on with them.
    """

    number: int
    oldest: int
    script: str


def migrations(database: str, schema: str) -> list[Migration]:
    """Return the scripts that make a schema, in order.

    Args:
        database: `sqlite` or `postgres`.
        schema: `events` or `decisions`.
    """
    folder = files("polyscene.serving.stores").joinpath("sql", database, schema)
    scripts = sorted((entry.name, entry.read_text(encoding="utf-8")) for entry in folder.iterdir())
    return [
        Migration(number, int(mark[1]) if (mark := _OLDEST.match(script)) else number, script)
        for number, (_, script) in enumerate(scripts, 1)
    ]


def missing(name: str, known: Sequence[Migration], version: int, oldest: int) -> Sequence[Migration]:
    """Return what is still to be done to tables; nothing where they are later and can be gone on with.

    Args:
        name: of the tables, for people.
        known: all scripts that this server knows.
        version: in which the tables are; 0: there are none.
        oldest: servers that know the tables from this version on can go on with them.

    Raises:
        StoreError: they are of a later version that this server cannot go on with.
    """
    if version > len(known) and oldest > len(known):
        raise StoreError(
            f"expected {name} in a version that servers of version {len(known)} can use, found {version}, "
            f"for those of {oldest} or later; use the version of Polyscene that wrote it, or a later one"
        )
    return known[version:]
