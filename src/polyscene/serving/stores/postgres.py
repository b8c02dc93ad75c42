"""PostgreSQL as a service needs it: a schema of a known version, connections that come back, clear errors."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeAlias

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

from polyscene.core.errors import StoreError
from polyscene.core.text import shown
from polyscene.serving.stores.migrations import migrations, missing

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
SCHEMA_PREFIX = "polyscene_"
USUAL = {
    "connect_timeout": "5",
    "application_name": "polyscene",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
"""Of every connection, in the words of libpq; the address may say otherwise."""
LIMITS = {
    "statement_timeout": "30s",
    "lock_timeout": "15s",
    "idle_in_transaction_session_timeout": "15s",
}
"""A server that hangs within a transaction holds up the others for no longer than this."""
FIRST_DELAY, MAX_DELAY = 0.1, 2.0
"""Seconds without a new attempt after one that failed; doubled each time."""
_REMEDIES: tuple[tuple[type[psycopg.Error], str, str], ...] = (
    (errors.DiskFull, "room on the disk of", "make room; what was refused can be sent again"),
    (errors.TooManyConnections, "a free connection to", "raise its max_connections, or start fewer servers"),
    (
        errors.QueryCanceled,
        "an answer in time from",
        "look what keeps it busy; what was refused can be sent again",
    ),
    (
        errors.IdleInTransactionSessionTimeout,
        "no pause in the middle of a write to",
        "look why this server hung; what was refused can be sent again",
    ),
    (errors.LockNotAvailable, "an answer in time from", "look who holds its locks; it can be sent again"),
    (
        errors.InsufficientPrivilege,
        "the right to use",
        "grant CREATE on the database, or on the schema to its user",
    ),
    (errors.ReadOnlySqlTransaction, "to write to", "name the primary server, not a replica"),
    (errors.UndefinedTable, "the tables of this service in", "restart, so that they are made"),
    (
        psycopg.OperationalError,
        "to reach",
        "look whether it runs and takes this user; it is tried again by itself",
    ),
    (psycopg.Error, "a working", "see what the message says"),
)
"""The first that fits counts."""


class PostgresDatabase:
    """A database, and the schema in it that belongs to one service.

    Args:
        url: `postgresql://USER@HOST:PORT/NAME`; what it leaves out, libpq takes from the environment
            (PGPASSWORD, PGPASSFILE, PGSSLMODE and so on).
        namespace: tells services apart that share a database; its schema is `polyscene_NAMESPACE`.

    Raises:
        StoreError: the address or the namespace cannot be read.
    """

    def __init__(self, url: str, namespace: str) -> None:
        if NAMESPACE.fullmatch(namespace) is None:
            raise StoreError(
                "expected a namespace of at most 40 letters, digits, - and _, "
                f"found {shown(namespace)}; choose another name"
            )
        self.schema = f"{SCHEMA_PREFIX}{namespace}"
        self._words = USUAL | _words_of(url)
        host, name = (
            self._words.get("host", "the usual host"),
            self._words.get("dbname", "the usual database"),
        )
        self.name = f"PostgreSQL '{name}' on {host}, schema {self.schema}"

    def connect(self) -> Connection:
        """Return a new connection to the schema, in which every statement is a transaction of its own.

        Raises:
            psycopg.Error: it cannot be had.
        """
        connection = psycopg.connect(make_conninfo(**self._words), autocommit=True)
        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(self.schema)))
        for name, value in LIMITS.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        return connection

    def migrate(self, connection: Connection, part: str) -> None:
        """Make the tables of a part, or bring them to the present version.

        Servers that start together take turns.

        Args:
            connection: that nobody else uses meanwhile.
            part: `events` or `decisions`.

        Raises:
            StoreError: the schema belongs to something else, or to a later version that this server cannot
                go on with.
        """
        with connection.transaction():
            for limit in LIMITS:
                connection.execute("SELECT set_config(%s, '0', true)", (limit,))
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (self.schema,))
            self._demand_utf8(connection)
            self._make_schema(connection)
            known, name = migrations("postgres", part), f"{part} of {self.name}"
            for step in missing(name, known, *self._version(connection, part)):
                connection.execute(step.script.encode())
                connection.execute(
                    "INSERT INTO migrations (part, version, oldest) VALUES (%s, %s, %s)",
                    (part, step.number, step.oldest),
                )

    def _make_schema(self, connection: Connection) -> None:
        """Make the schema, unless it is there; its user need not have the right to make one then."""
        if not _one(connection, "SELECT count(*) FROM pg_namespace WHERE nspname = %s", self.schema):
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self.schema)))
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = %s"
        names = {name for (name,) in connection.execute(tables, (self.schema,))}
        if names and "migrations" not in names:
            raise StoreError(
                f"expected {self.name} to be empty or written by this service, found other tables in it; "
                "choose another namespace"
            )
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (part text, version integer, "
            "at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (part, version))"
        )
        connection.execute("ALTER TABLE migrations ADD COLUMN IF NOT EXISTS oldest integer")

    def _version(self, connection: Connection, part: str) -> tuple[int, int]:
        """Return in which version the tables of a part are, and from which on servers can go on with them."""
        query = (
            "SELECT coalesce(max(version), 0), coalesce(max(coalesce(oldest, version)), 0) "
            "FROM migrations WHERE part = %s"
        )
        row = connection.execute(query, (part,)).fetchone()
        assert row is not None
        return row[0], row[1]

    def _demand_utf8(self, connection: Connection) -> None:
        encoding = _one(connection, "SELECT current_setting('server_encoding')")
        if encoding != "UTF8":
            raise StoreError(
                f"expected {self.name} in UTF8, found {encoding}; create a database with ENCODING 'UTF8'"
            )

    def problem(self, error: psycopg.Error) -> StoreError:
        """Return an error of the database in the words of this service; the password is not in it."""
        expected, remedy = next(words for kind, *words in _REMEDIES if isinstance(error, kind))
        return StoreError(
            f"expected {expected} {self.name}, found: {self._without_password(error)}; {remedy}"
        )

    def _without_password(self, error: psycopg.Error) -> str:
        text, password = " ".join(str(error).split()), self._words.get("password")
        return text.replace(password, "***") if password else text


def _one(connection: Connection, query: str, *values: object) -> object:
    row = connection.execute(query.encode(), values).fetchone()
    assert row is not None
    return row[0]


def _words_of(url: str) -> dict[str, str]:
    """Return the parts of an address.

    Raises:
        StoreError: it cannot be read; it is not told in the words of libpq, which may repeat the password.
    """
    try:
        words = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except psycopg.Error:
        words = None
    if words is None or "@" in words.get("host", "").lstrip("@"):  # the rest of a password
        raise StoreError(
            "expected an address such as postgresql://user@host:5432/name, found one that cannot be read; "
            "write special characters of its parts as %40 and the like"
        )
    return words


class PostgresConnection:
    """One connection that threads take in turns, made when it is first used and anew after it was lost.

    Args:
        database: to which.
        prepare: is called with each new connection.
    """

    def __init__(
        self, database: PostgresDatabase, prepare: Callable[[Connection], object] | None = None
    ) -> None:
        self.database, self._prepare = database, prepare
        self._lock = Lock()
        self._connection: Connection | None = None
        self._delay, self._next_attempt = 0.0, 0.0
        self._trouble: StoreError | None = None

    @contextmanager
    def use(self) -> Iterator[Connection]:
        """Yield the connection.

        Raises:
            StoreError: it cannot be had, or what was done with it failed.
        """
        with self._lock:
            connection = self._connected()
            try:
                yield connection
            except psycopg.Error as error:
                raise self.database.problem(error) from error
            finally:
                if connection.closed or connection.info.transaction_status != TransactionStatus.IDLE:
                    self._drop()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield the connection within a transaction.

        Who hangs within it is thrown out after `LIMITS["idle_in_transaction_session_timeout"]`.

        Raises:
            StoreError: it could not be committed; whether it was is not known where the connection was lost.
        """
        with self.use() as connection, connection.transaction():
            yield connection

    def close(self) -> None:
        """Let it go."""
        with self._lock:
            self._drop()

    @contextmanager
    def prepared(self, part: str) -> Iterator[Connection]:
        """Yield the connection for a look at a part's tables, which are made first.

        After an error it is closed.

        Raises:
            StoreError: it cannot be had, or the schema belongs to something else.
        """
        try:
            with self.use() as connection:
                self.database.migrate(connection, part)
                yield connection
        except BaseException:
            self.close()
            raise

    def _connected(self) -> Connection:
        if self._connection is not None:
            return self._connection
        if self._trouble is not None and time.monotonic() < self._next_attempt:
            raise StoreError(str(self._trouble))
        try:
            self._connection = self._made()
        except psycopg.Error as error:
            self._delay = min(max(2 * self._delay, FIRST_DELAY), MAX_DELAY)
            self._next_attempt = time.monotonic() + self._delay
            self._trouble = self.database.problem(error)
            raise self._trouble from error
        self._delay, self._trouble = 0.0, None
        return self._connection

    def _made(self) -> Connection:
        connection = self.database.connect()
        try:
            if self._prepare is not None:
                self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def as_text(value: str) -> str:
    r"""Return text as PostgreSQL can keep it: a NUL, which it cannot, as `\0`, and `\` as `\\`."""
    return value.replace("\\", "\\\\").replace("\0", "\\0")


def from_text(value: str) -> str:
    """Return what `as_text` was given."""
    return value if "\\" not in value else _ESCAPED.sub(lambda match: _MEANINGS[match[0]], value)


_ESCAPED, _MEANINGS = re.compile(r"\\[\\0]"), {"\\\\": "\\", "\\0": "\0"}


def as_texts(values: Sequence[str | None]) -> list[str | None]:
    """Return texts as PostgreSQL can keep them."""
    return [None if value is None else as_text(value) for value in values]
