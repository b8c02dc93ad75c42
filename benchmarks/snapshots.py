"""What a snapshot costs while requests and events go on: who waits how long, its size, what a start saves.

    python benchmarks/snapshots.py --items 100000 --events 5000 --without-starts --json snapshots.json

A generated catalogue (`generated.py`) takes events into a log on the disk, and 1 % of its items are described
anew, so that snapshots hold vectors too. Then one thread asks for slates and one sends events, one after the
other, first alone, then while snapshots are taken without a pause. In the end the same log is replayed on a
fresh system, and another one starts from the snapshot.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Any, cast

import numpy as np

import prepared  # noqa: F401 - numpy reads it when it loads
from generated_ids import USERS_PER_ITEM, numbered_id, user_id
from generated_run import GeneratedRun
from polyscene.core.threads import set_threads
from polyscene.engine.changes import changes_of
from polyscene.engine.decision import Request
from polyscene.engine.pipeline import decide
from polyscene.engine.state import ItemDescription
from polyscene.evaluation.provenance import machine, versions
from polyscene.runs.run import Run
from polyscene.serving.live import LiveRun
from polyscene.serving.snapshots import SnapshotKeeper, SnapshotSettings, resume_newest
from polyscene.serving.stores.contract import LoggedEvent
from polyscene.serving.stores.sqlite_events import SqliteEventStore
from showing import table, write_json

BATCH = 500
DESCRIBED_ANEW = 0.01
NEVER = SnapshotSettings(entries=2**62, seconds=1e12)


class Measured:
    """A live run over a generated system, and what is asked of it.

    Args:
        items: of the catalogue.
        events: before anything is measured.
        folder: of the log and the snapshots.
        seed: of everything.
    """

    def __init__(self, items: int, events: int, folder: Path, seed: int) -> None:
        self._items, self._seed, self._folder = items, seed, folder
        self._draws = np.random.default_rng(seed)
        self.store = SqliteEventStore(folder / "events.db")
        self.live = self._started()
        self._send(events)
        self.keeper = SnapshotKeeper(self.live, folder / "snapshots", NEVER)

    def costs(self, seconds: float) -> dict[str, Any]:
        """Ask and send alone, then beside snapshots."""
        alone = self._waits(seconds, lambda: time.sleep(seconds))
        took: list[float] = []

        def take() -> None:
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                start = time.perf_counter()
                self.newest = self.keeper.take()
                took.append(time.perf_counter() - start)

        beside = self._waits(seconds, take)
        start = time.perf_counter()
        with self.live.standing_still():
            changes_of(self.live.system)
        standing = time.perf_counter() - start
        files = [path for path in self.newest.folder.rglob("*") if path.is_file()]
        return {
            "alone": alone,
            "beside_snapshots": beside,
            "snapshots": len(took),
            "seconds_each": float(np.median(took)),
            "standing_ms": 1e3 * standing,
            "megabytes": sum(path.stat().st_size for path in files) / 1e6,
        }

    def starts(self) -> dict[str, float]:
        """Replay everything, and start from the newest snapshot; loading the run itself is not counted."""
        self.live.close()
        self.newest = self.keeper.take()
        fresh, resumed = self._run(), self._run()
        start = time.perf_counter()
        replayed = LiveRun(fresh, self.store)
        whole = time.perf_counter() - start
        start = time.perf_counter()
        if resume_newest(resumed, self.store, self._folder / "snapshots") is None:
            raise RuntimeError("expected to start from the snapshot, found that it does not fit")
        again = LiveRun(resumed, self.store)
        rest = time.perf_counter() - start
        if not np.array_equal(self._scores(replayed), self._scores(again)):  # to the last digit
            raise RuntimeError("expected the same scores after both starts, found others")
        replayed.close()
        again.close()
        return {"entries": float(self.store.last), "replay_seconds": whole, "snapshot_seconds": rest}

    def _run(self) -> Run:
        run = cast(Run, GeneratedRun(self._items, self._seed))
        _describe_anew(run, self._seed)
        return run

    def _started(self) -> LiveRun:
        return LiveRun(self._run(), self.store)

    def _event(self) -> LoggedEvent:
        user, item = (int(self._draws.integers(n)) for n in (USERS_PER_ITEM * self._items, self._items))
        name = user_id(user, self._items)
        return LoggedEvent(name, numbered_id("i", item, self._items), "generated", "click")

    def _send(self, count: int) -> None:
        for start in range(0, count, BATCH):
            self.live.submit([self._event() for _ in range(min(BATCH, count - start))]).result()

    def _waits(self, seconds: float, meanwhile: Callable[[], None]) -> dict[str, float]:
        """Return how long requests and events take, in milliseconds, while something goes on."""
        over = Event()
        asked: list[float] = []
        sent: list[float] = []
        draws = np.random.default_rng(self._seed + 1)

        def ask() -> None:
            while not over.is_set():
                user = user_id(int(draws.integers(USERS_PER_ITEM * self._items)), self._items)
                start = time.perf_counter()
                decide(self.live.system, Request(user, "generated", 10, reasons=False))
                asked.append(time.perf_counter() - start)

        def send() -> None:
            while not over.is_set():
                start = time.perf_counter()
                self.live.submit([self._event()]).result()
                sent.append(time.perf_counter() - start)

        threads = [Thread(target=ask), Thread(target=send)]
        for thread in threads:
            thread.start()
        meanwhile()
        over.set()
        for thread in threads:
            thread.join()
        figures = {}
        for name, times in (("request", asked), ("event", sent)):
            for quantile, word in ((0.5, "p50"), (0.99, "p99"), (1.0, "max")):
                figures[f"{name}_{word}_ms"] = 1e3 * float(np.quantile(times, quantile))
        return figures

    def _scores(self, live: LiveRun) -> np.ndarray:
        requests = [Request(user_id(number, self._items), "generated", 10) for number in range(9)]
        return np.concatenate([decide(live.system, one).scores for one in requests])


def _describe_anew(run: Run, seed: int) -> None:
    """Give a share of the items new texts and vectors."""
    state = run.system.scenarios["generated"]
    draws = np.random.default_rng(seed)
    codes = draws.choice(len(state.catalogue), int(DESCRIBED_ANEW * len(state.catalogue)), replace=False)
    width = state.space.view("tuned").vectors.shape[1]
    state.put(
        [
            ItemDescription(
                state.catalogue.ids[code],
                "described anew",
                f"thing {code}",
                {"topic": "topic 0", "price": 1.0},
                {view: np.asarray(draws.normal(size=width), np.float32) for view in state.space.views},
            )
            for code in codes.tolist()
        ]
    )


def shown(results: dict[str, Any]) -> str:
    """Return the figures as tables."""
    alone, beside = results["costs"]["alone"], results["costs"]["beside_snapshots"]
    rows = [[name.replace("_", " "), f"{alone[name]:.1f}", f"{beside[name]:.1f}"] for name in alone]
    waits = table(["waits", "alone", "beside snapshots"], rows)
    costs = {name: value for name, value in results["costs"].items() if not isinstance(value, dict)}
    figures = [
        [name.replace("_", " "), f"{value:,.2f}"] for name, value in (costs | results["starts"]).items()
    ]
    return f"{waits}\n\n{table(['a snapshot, and a start', ''], figures)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = _parser().parse_args(arguments)
    set_threads(1)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        measured = Measured(options.items, options.events, Path(folder), options.seed)
        costs = measured.costs(options.seconds)
        results = {"costs": costs, "starts": {} if options.without_starts else measured.starts()}
        measured.live.close()
        measured.keeper.close()
        measured.store.close()
    print(shown(results))
    if options.json is not None:
        about = {
            "items": options.items,
            "events": options.events,
            "machine": machine(),
            "versions": versions(),
        }
        write_json(options.json, about | results)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=10_000, metavar="N", help="default: 10000")
    parser.add_argument(
        "--events", type=int, default=20_000, metavar="N", help="taken before; default: 20000"
    )
    parser.add_argument("--seconds", type=float, default=5.0, metavar="S", help="of each part; default: 5")
    parser.add_argument(
        "--without-starts", action="store_true", help="leave out the starts, for which it is generated twice"
    )
    parser.add_argument("--folder", type=Path, metavar="FOLDER", help="on the disk that is to be measured")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="of the catalogue and the requests")
    return parser


if __name__ == "__main__":
    sys.exit(main())
