"""Kill the service with SIGKILL at random moments under load: what it acknowledged must be there, once.

    python benchmarks/durability.py --kills 300 --json durability.json
    python benchmarks/durability.py --store postgres --kills 300 --json durability_postgres.json

A run is trained on a small sample world and served by a process of its own. Senders post events, single and
in batches, as fast as they are acknowledged, and ask for slates; then the process is killed. After each kill
the log is read: every acknowledged event must be in it, none twice, every batch whole or not at all. What was
not acknowledged is sent again to the next process, and must be in the log once afterwards. Slates must name
the run that is served. Snapshots are taken all the time, so that kills meet them half written.

With PostgreSQL a second process serves the same log meanwhile and is not killed: it must go on, and know in
the end as many events as the log has. In every fifth round the database is crashed under load and started
again: both processes live on, and senders repeat what was refused.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from killable_service import PATIENCE, Forks, Posted, Sender, Served
from polyscene.core.threads import prepare_environment
from polyscene.evaluation.provenance import machine, versions
from polyscene.project import Project
from polyscene.sample.world import SampleWorld
from polyscene.serving.stores.contract import LoggedEvent
from polyscene.serving.stores.opening import open_stores
from postgres_server import PostgresServer, temporary_server
from projects import WORK
from showing import table, write_json

SENDERS = 4
MAX_SECONDS = 0.5
"""A process is killed at most so long after its first acknowledgement."""
KILLS_PER_LOG = 10
"""Then comes an empty one: a start replays its log."""
ROUNDS_PER_CRASH = 5
"""Then the database is crashed too."""
SECONDS_TO_FOLLOW = 1.0


@dataclass(frozen=True)
class Kill:
    """One killed service.

    Attributes:
        seconds: from its first acknowledgement to the kill.
        start_seconds: from its start until it answered.
        acknowledged: events in this life.
        unanswered: events that were sent and not acknowledged.
        kept_unanswered: how many of these are in the log all the same.
        lost, doubled, torn: acknowledged events that are missing, events kept twice, batches kept by half.
        slates, mixed: slates in this life, and those that named another run than the one that is served.
        crashed: whether the database was crashed too.
        refused: requests that were answered with 503, and repeated.
        survivor_failures: answers that failed to come from the process that was not killed.
        behind: events that it did not know in the end.
    """

    seconds: float
    start_seconds: float
    acknowledged: int
    unanswered: int
    kept_unanswered: int
    lost: int
    doubled: int
    torn: int
    slates: int = 0
    mixed: int = 0
    crashed: bool = False
    refused: int = 0
    survivor_failures: int = 0
    behind: int = 0

    @property
    def harmless(self) -> bool:
        """Whether nothing was lost, doubled, torn or mixed, and the other process went on."""
        harm = self.lost + self.doubled + self.torn + self.mixed + self.survivor_failures + self.behind
        return harm == 0


class DurabilityTest:
    """A run, where its service keeps events, and what was acknowledged so far.

    Args:
        folder: of the sample world, its run and its services.
        seed: of the world.
        database: the server that keeps events; None: they are kept in files.
    """

    def __init__(self, folder: Path, seed: int, database: PostgresServer | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "polyscene.toml"
        if not self.config.exists():
            SampleWorld.generate(seed, 120, 40, 20).write(folder)
        project = Project.open(self.config)
        run = project.run() if project.runs() else project.train()
        ids = run.system.scenario("shop").catalogue.ids
        self._namespace = project.settings.name
        self.items, self.run_id = [ids[code] for code in range(len(ids))], run.id
        self._services, self._database = folder / "service", database
        self._survivor: Served | None = None
        self._forks = Forks()
        self.start_anew()

    def start_anew(self) -> None:
        """Begin with an empty log."""
        self._end_survivor()
        name = f"log_{time.time_ns()}"
        self.data = self._services / name
        self.url: str | None = None
        if self._database is not None:
            self._database.make_database(name)
            self.url = self._database.url(name)
            self._survivor = Served(self._forks, self.config, self._services / f"{name}_survivor", self.url)
        self._again: list[Posted] = []
        self._batches: list[Posted] = []
        self._acknowledged: set[str] = set()

    def close(self) -> None:
        """End what was started."""
        self._end_survivor()
        self._forks.close()

    def _end_survivor(self) -> None:
        if self._survivor is not None:
            self._survivor.kill()
            self._survivor = None

    def kill(self, number: int, moment: float) -> Kill:
        """Serve, send, kill, look."""
        if number and number % KILLS_PER_LOG == 0:
            self.start_anew()
        crashed = self._database is not None and number % ROUNDS_PER_CRASH == ROUNDS_PER_CRASH - 1
        victim = Served(self._forks, self.config, self.data, self.url)
        senders = [self._sender(victim, f"{number}-{row}", row) for row in range(SENDERS)]
        others = [] if self._survivor is None else [self._sender(self._survivor, f"{number}-s", None)]
        for sender in (*senders, *others):
            sender.start()
        while not any(sender.acknowledged for sender in senders) and victim.alive:
            time.sleep(0.001)
        time.sleep(moment)
        if crashed and self._database is not None:
            self._database.stop(signal.SIGQUIT)
            self._database.start()
            self._await_more(senders)
        victim.kill()
        for sender in others:
            sender.stopping.set()
        for sender in (*senders, *others):
            sender.join()
        everyone = [*senders, *others]
        done = [ids for sender in everyone for ids in sender.acknowledged]
        self._again = [ids for sender in everyone for ids in sender.unanswered]
        self._batches += done
        kill = self._looked(moment, victim.start_seconds, done)
        return replace(
            kill,
            slates=sum(sender.slates for sender in everyone),
            mixed=sum(sender.mixed for sender in everyone),
            crashed=crashed,
            refused=sum(sender.refused for sender in everyone),
            survivor_failures=sum(sender.failures for sender in others),
            behind=self._behind(),
        )

    def _sender(self, served: Served, name: str, row: int | None) -> Sender:
        first = [] if row is None else self._again[row::SENDERS]
        return Sender(served.url, name, self.items, self.run_id, first)

    def _await_more(self, senders: Sequence[Sender]) -> None:
        """Wait until events are taken again after the database came back."""
        counts = [len(sender.acknowledged) for sender in senders]
        end = time.perf_counter() + PATIENCE
        while all(len(one.acknowledged) == count for one, count in zip(senders, counts, strict=True)):
            if time.perf_counter() > end:
                raise RuntimeError("expected events to be taken again, found that they are not")
            time.sleep(0.01)

    def _behind(self) -> int:
        """Return how many events of the log the other process does not know, a second after the last."""
        if self._survivor is None or self.url is None:
            return 0
        store, decisions = open_stores(self.url, self._namespace)
        last = store.last
        store.close()
        decisions.close()
        end = time.perf_counter() + SECONDS_TO_FOLLOW
        while True:
            state = httpx.get(f"{self._survivor.url}/health/ready", timeout=PATIENCE).json()
            if state["offset"] >= last or time.perf_counter() > end:
                return max(last - int(state["offset"]), 0)
            time.sleep(0.01)

    def _looked(self, moment: float, start_seconds: float, done: Sequence[Posted]) -> Kill:
        """Compare the log with what was acknowledged."""
        self._acknowledged |= {one for ids in done for one in ids}
        store, decisions = open_stores(self.data if self.url is None else self.url, self._namespace)
        entries = (entry for _, entry in store.since(0, 2**62))
        counts = Counter(entry.id for entry in entries if isinstance(entry, LoggedEvent))
        store.close()
        decisions.close()
        unanswered = [one for ids in self._again for one in ids]
        kept = {ids: sum(one in counts for one in ids) for ids in [*self._batches, *self._again]}
        return Kill(
            moment,
            start_seconds,
            sum(map(len, done)),
            len(unanswered),
            sum(one in counts for one in unanswered),
            sum(one not in counts for one in self._acknowledged),
            sum(count > 1 for count in counts.values()),
            sum(0 < count < len(ids) for ids, count in kept.items()),
        )


def shown(kills: Sequence[Kill]) -> str:
    """Return what the kills add up to."""
    names = [field.name for field in fields(Kill) if field.name not in ("seconds", "start_seconds")]
    rows = [[name.replace("_", " "), f"{sum(getattr(kill, name) for kill in kills):,}"] for name in names]
    start = float(np.median([kill.start_seconds for kill in kills]))
    rows.append(["median seconds from start to answer", f"{start:.2f}"])
    return table(["events", f"in {len(kills)} kills"], rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill, look, print, write; 1 where anything was lost, doubled, torn or mixed."""
    options = _parser().parse_args(arguments)
    prepare_environment()
    draws = np.random.default_rng(options.seed)
    kills: list[Kill] = []
    begin = time.perf_counter()
    with ExitStack() as stack:
        server = stack.enter_context(temporary_server()) if options.store == "postgres" else None
        test = DurabilityTest(options.work / f"durability_{options.store}", options.seed, server)
        stack.callback(test.close)
        while len(kills) < options.kills and time.perf_counter() - begin < options.seconds:
            kills.append(test.kill(len(kills), float(draws.uniform(0, MAX_SECONDS))))
    print(shown(kills))
    if options.json is not None:
        write_json(options.json, _summary(kills, options.store, options.seed))
    return 0 if all(kill.harmless for kill in kills) else 1


def _summary(kills: Sequence[Kill], store: str, seed: int) -> dict[str, Any]:
    return {
        "store": store,
        "kills": len(kills),
        "harmful": sum(not kill.harmless for kill in kills),
        "seed": seed,
        "machine": machine(),
        "versions": versions(),
        "each": [asdict(kill) for kill in kills],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite", help="default: sqlite")
    parser.add_argument("--kills", type=int, default=300, metavar="N", help="default: 300")
    parser.add_argument("--seconds", type=float, default=1e9, metavar="S", help="no new one after so long")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="of the world and the moments")
    parser.add_argument("--work", type=Path, default=WORK, metavar="FOLDER", help="default: benchmarks/.work")
    return parser


if __name__ == "__main__":
    sys.exit(main())
