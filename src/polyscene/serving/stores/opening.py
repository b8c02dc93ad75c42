"""Opens the stores of a service by where they are: a folder, or the address of a database."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from polyscene.core.errors import ConfigError, MissingExtraError, Problem
from polyscene.serving.stores.contract import DecisionStore, EventStore
from polyscene.serving.stores.sqlite_decisions import SqliteDecisionStore
from polyscene.serving.stores.sqlite_events import SqliteEventStore

EVENTS, DECISIONS = "events.db", "decisions.db"
"""Files in the folder of a service."""
SCHEMES = ("postgresql://", "postgres://")


def open_stores(place: str | Path, namespace: str) -> tuple[EventStore, DecisionStore]:
    """Open where events and decisions are kept; made where they are missing.

    Args:
        place: a folder, for SQLite and one server; or `postgresql://USER@HOST:PORT/NAME`, for several.
        namespace: tells services apart that share a database; a folder belongs to one service.

    Raises:
        StoreError: they cannot be used.
        ConfigError: the database is of a kind that is not known.
        MissingExtraError: what speaks with PostgreSQL is not installed.
    """
    with ExitStack() as undo:
        events: EventStore
        decisions: DecisionStore
        if isinstance(place, str):
            _demand_known(place)
            _demand_extra()
            from polyscene.serving.stores.postgres_decisions import PostgresDecisionStore
            from polyscene.serving.stores.postgres_events import PostgresEventStore

            events = PostgresEventStore(place, namespace)
            undo.callback(events.close)
            decisions = PostgresDecisionStore(place, namespace)
        else:
            events = SqliteEventStore(Path(place) / EVENTS)
            undo.callback(events.close)
            decisions = SqliteDecisionStore(Path(place) / DECISIONS)
        undo.pop_all()
        return events, decisions


def _demand_known(address: str) -> None:
    if not address.startswith(SCHEMES):
        what, actual = (
            "the logs cannot be kept there",
            "the address of another kind of database, not shown here",
        )
        remedy = (
            "mend --database, or POLYSCENE_DATABASE_URL or the file that POLYSCENE_DATABASE_URL_FILE names"
        )
        raise ConfigError(Problem(what, "an address that begins with postgresql://", actual, remedy))


def _demand_extra() -> None:
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "expected the extra 'postgres', found no psycopg that works; "
            'run: pip install "polyscene[postgres,serve]"'
        ) from error
