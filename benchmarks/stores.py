"""What keeping events costs in each store: durable events per second, and how soon requests see them.

    python benchmarks/stores.py --store sqlite --json stores_sqlite.json
    python benchmarks/stores.py --store postgres --json stores_postgres.json

First the store alone: one event, then a hundred, in a transaction each. Then live runs over a generated
catalogue (`generated.py`), which learn each event before it is acknowledged: one sender that waits for each
receipt, and sixteen. "Visible" is the time from handing an event in until requests see it; with PostgreSQL
also at a second live run over the same log. The database is started for this, on the same machine, with its
usual settings: every commit waits for the disk.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np

import prepared  # noqa: F401 - numpy reads it when it loads
from generated_run import GeneratedRun
from polyscene.core.threads import set_threads
from polyscene.evaluation.provenance import machine, versions
from polyscene.runs.run import Run
from polyscene.serving.live import LiveRun
from polyscene.serving.stores.contract import Batch, EventStore, LoggedEvent, Receipt
from polyscene.serving.stores.opening import open_stores
from postgres_server import temporary_server
from showing import table, write_json

ITEMS = 2_000
BATCH = 100
SENDERS = 16


class Senders:
    """Live runs over one store.

    Args:
        place: of the store.
        servers: how many live runs.
        seed: of the catalogue and the events.
    """

    def __init__(self, place: Path | str, servers: int, seed: int) -> None:
        self.stores: list[EventStore] = []
        self.lives: list[LiveRun] = []
        for _ in range(servers):
            events, decisions = open_stores(place, "benchmark")
            decisions.close()
            self.stores.append(events)
            self.lives.append(LiveRun(cast(Run, GeneratedRun(ITEMS, seed)), events))
        self._draws = np.random.default_rng(seed)

    def events(self, count: int) -> list[LoggedEvent]:
        """Return clicks of anybody on anything."""
        users, items = self._draws.integers(0, ITEMS, (2, count)).tolist()
        return [
            LoggedEvent(f"u{user}", f"i{item:04}", "generated", "click", time=1)
            for user, item in zip(users, items, strict=True)
        ]

    def kept(self, size: int, count: int) -> float:
        """Return events per second of the store alone, in batches."""
        batches = [Batch.of(self.events(size)) for _ in range(count)]
        start = time.perf_counter()
        for batch in batches:
            self.stores[0].append([batch])
        seconds = time.perf_counter() - start
        for live in self.lives:
            live.catch_up()
        return size * count / seconds

    def sent(self, size: int, count: int, senders: int) -> dict[str, float]:
        """Return events per second and milliseconds until they are visible; senders wait for receipts."""
        batches = [self.events(size) for _ in range(count)]

        def send(batch: list[LoggedEvent]) -> float:
            start = time.perf_counter()
            self.lives[0].submit(batch).result()
            return time.perf_counter() - start

        start = time.perf_counter()
        with ThreadPoolExecutor(senders) as pool:
            times = list(pool.map(send, batches))
        return {"per_second": size * count / (time.perf_counter() - start), **_quantiles(times)}

    def seen_elsewhere(self, count: int) -> dict[str, float]:
        """Return milliseconds from handing an event in at one server until another has learned it."""
        here, there = self.lives[:2]
        times = []
        for _ in range(count):
            start = time.perf_counter()
            receipt: Future[Receipt] = here.submit(self.events(1))
            goal = receipt.result().last
            while there.applied < goal:
                time.sleep(0.0002)
            times.append(time.perf_counter() - start)
        return _quantiles(times)

    def close(self) -> None:
        """Let go of everything."""
        for live in self.lives:
            live.close()
        for store in self.stores:
            store.close()


def measured(senders: Senders, count: int) -> dict[str, Any]:
    """Return all figures of a store."""
    results: dict[str, Any] = {
        "store_single_per_second": senders.kept(1, count),
        f"store_batches_of_{BATCH}_per_second": senders.kept(BATCH, count // 4),
        "live_one_sender": senders.sent(1, count, 1),
        f"live_{SENDERS}_senders": senders.sent(1, 4 * count, SENDERS),
        f"live_batches_of_{BATCH}": senders.sent(BATCH, count // 4, 4),
    }
    if len(senders.lives) > 1:
        results["seen_by_another_server"] = senders.seen_elsewhere(count)
    return results


def shown(results: dict[str, Any]) -> str:
    """Return the figures as a table."""
    rows = []
    for name, value in results.items():
        parts = value if isinstance(value, dict) else {"": value}
        rows += [[f"{name} {part}".replace("_", " "), f"{number:,.1f}"] for part, number in parts.items()]
    return table(["events", ""], rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = _parser().parse_args(arguments)
    set_threads(1)
    with ExitStack() as stack:
        place = stack.enter_context(_place(options.store))
        senders = Senders(place, 2 if options.store == "postgres" else 1, options.seed)
        stack.callback(senders.close)
        results = measured(senders, options.events)
    print(shown(results))
    if options.json is not None:
        about = {"store": options.store, "machine": machine(), "versions": versions()}
        write_json(options.json, about | results)
    return 0


@contextmanager
def _place(store: str) -> Iterator[Path | str]:
    if store == "postgres":
        with temporary_server() as server:
            yield server.url()
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)


def _quantiles(seconds: Sequence[float]) -> dict[str, float]:
    return {
        f"visible_{word}_ms": 1e3 * float(np.quantile(seconds, at))
        for word, at in (("p50", 0.5), ("p99", 0.99))
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite", help="default: sqlite")
    parser.add_argument(
        "--events", type=int, default=500, metavar="N", help="of the smallest part; default: 500"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="of the catalogue and the events")
    return parser


if __name__ == "__main__":
    sys.exit(main())
