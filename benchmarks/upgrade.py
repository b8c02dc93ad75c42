"""Two servers on one PostgreSQL while it is upgraded: how soon each sees the other's events, and what waits.

    python benchmarks/upgrade.py --keys 1000000 --json upgrade.json

The log holds batches under so many keys in the tables' first version. A server of that version sends events
without a pause, another of it follows. Then a third one starts, which knows all migrations and runs them. Of
the events that were sent meanwhile the slowest tells how long writing waited; afterwards the old one and the
new one send in turns. At the end every event that was acknowledged must be in the log once.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import cast
from unittest.mock import patch

import numpy as np
import psycopg

import prepared  # noqa: F401 - numpy reads it when it loads
from generated_run import GeneratedRun
from polyscene.core.threads import set_threads
from polyscene.evaluation.provenance import machine, versions
from polyscene.runs.run import Run
from polyscene.serving.live import LiveRun
from polyscene.serving.stores import postgres
from polyscene.serving.stores.contract import LoggedEvent
from polyscene.serving.stores.migrations import migrations
from polyscene.serving.stores.postgres_events import PostgresEventStore
from postgres_server import temporary_server
from showing import table, write_json

ITEMS, NAMESPACE = 2_000, "upgrade"
KEYS = (
    "INSERT INTO polyscene_upgrade.batches (key, digest, accepted, duplicates, last) "
    "SELECT 'key ' || n, decode(md5(n::text) || md5(n::text), 'hex'), 1, 0, 0 "
    "FROM generate_series(1, %s) AS n"
)


class Server:
    """A live run over a store that knows the first few migrations, or all."""

    def __init__(self, url: str, seed: int, known: int | None = None) -> None:
        with _knowing(known):
            self.store = PostgresEventStore(url, NAMESPACE)
        self.live = LiveRun(cast(Run, GeneratedRun(ITEMS, seed)), self.store)

    def send(self, name: str, other: Server | None = None) -> float:
        """Return seconds until an event is acknowledged or, where another server is named, seen there."""
        start = time.perf_counter()
        event = LoggedEvent("u1", "i0001", "generated", "click", time=1)
        goal = self.live.submit([replace(event, id=name)]).result().last
        while other is not None and other.live.applied < goal:
            time.sleep(0.0002)
        return time.perf_counter() - start

    def close(self) -> None:
        """Let go of everything."""
        self.live.close()
        self.store.close()


def _knowing(number: int | None) -> AbstractContextManager[object]:
    return patch.object(postgres, "migrations", lambda *names: migrations(*names)[:number])


def measured(url: str, keys: int, count: int, seed: int) -> dict[str, float]:
    """Return milliseconds."""
    old, follower = Server(url, seed, 1), Server(url, seed, 1)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(KEYS, (keys,))
    before = [old.send(f"before {row}", follower) for row in range(count)]
    during, over = list[float](), Event()

    def go_on() -> None:
        while not over.is_set():
            during.append(old.send(f"during {len(during)}", follower))

    thread = Thread(target=go_on)
    thread.start()
    start = time.perf_counter()
    PostgresEventStore(url, NAMESPACE).close()
    migrating = time.perf_counter() - start
    over.set()
    thread.join()
    new = Server(url, seed)
    after = [old.send(f"old {row}", new) for row in range(count)]
    back = [new.send(f"new {row}", old) for row in range(count)]
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM polyscene_upgrade.events").fetchone()
    kept = 0 if row is None else row[0]
    for server in (old, follower, new):
        server.close()
    figures = {"migrating_ms": 1e3 * migrating, "lost_or_doubled": abs(kept - len(during) - 3 * count)}
    for name, seconds in (
        ("before", before),
        ("during", during),
        ("old_to_new", after),
        ("new_to_old", back),
    ):
        figures |= {f"{name}_{word}_ms": 1e3 * float(np.quantile(seconds, at)) for word, at in AT}
    return figures


AT = (("p50", 0.5), ("p99", 0.99), ("max", 1.0))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keys", type=int, default=1_000_000, metavar="N", help="default: 1,000,000")
    parser.add_argument("--events", type=int, default=300, metavar="N", help="of each part; default: 300")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="of the catalogue")
    options = parser.parse_args(arguments)
    set_threads(1)
    with temporary_server() as server:
        results = measured(server.url(), options.keys, options.events, options.seed)
    print(
        table(
            ["seen by another server", ""],
            [[name.replace("_", " "), f"{value:,.1f}"] for name, value in results.items()],
        )
    )
    if options.json is not None:
        about = {"keys": options.keys, "machine": machine(), "versions": versions()}
        write_json(options.json, about | results)
    return 1 if results["lost_or_doubled"] else 0


if __name__ == "__main__":
    sys.exit(main())
