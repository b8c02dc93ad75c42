"""Kill the service with SIGKILL at random moments under load: what it acknowledged must be there, once.

    python benchmarks/durability.py --times 300 --json durability.json

A run is trained on a small sample world and served by a process of its own. Senders post events, single and
in batches, as fast as they are acknowledged; then the process is killed. After each kill the log is read:
every acknowledged event must be in it, none twice, every batch whole or not at all. What was not acknowledged
is sent again to the next process, and must be in the log once afterwards.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from polyscene.core.threads import prepare_environment
from polyscene.evaluation.provenance import machine, versions
from polyscene.project import Project
from polyscene.sample.world import SampleWorld
from polyscene.serving.stores.opening import EVENTS
from polyscene.serving.stores.sqlite_events import SqliteEventStore
from projects import WORK
from showing import table, write_json

SERVE = "import sys; from polyscene.cli.main import run; run()"
SENDERS = 4
BATCH = 20
MAX_SECONDS = 0.5
"""A process is killed at most so long after its first acknowledgement."""
KILLS_PER_LOG = 10
"""Then comes an empty one: a start replays its log."""
PATIENCE = 60.0

Posted = tuple[str, ...]
"""The ids of the events of one request."""


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
    """

    seconds: float
    start_seconds: float
    acknowledged: int
    unanswered: int
    kept_unanswered: int
    lost: int
    doubled: int
    torn: int

    @property
    def harmless(self) -> bool:
        """Whether nothing was lost, doubled or torn."""
        return not (self.lost or self.doubled or self.torn)


class Sender(threading.Thread):
    """Posts one request after the other until the service is gone.

    Args:
        url: of the service.
        name: of whom there is one.
        items: of the shop.
        first: requests that were not answered before, to be sent again.
    """

    def __init__(self, url: str, name: str, items: Sequence[str], first: Sequence[Posted]) -> None:
        super().__init__(name=name, daemon=True)
        self._url, self._items, self._first = url, items, list(first)
        self.acknowledged: list[Posted] = []
        self.unanswered: list[Posted] = []

    def run(self) -> None:
        """Post until an answer fails to come."""
        with httpx.Client(base_url=self._url, timeout=PATIENCE) as client:
            number = 0
            while True:
                ids = self._first.pop() if self._first else self._ids(number)
                number += 1
                if not self._post(client, ids):
                    break
        self.unanswered += self._first

    def _ids(self, number: int) -> Posted:
        size = BATCH if number % 4 == 0 else 1
        return tuple(f"{self.name}-{number}-{row}" for row in range(size))

    def _post(self, client: httpx.Client, ids: Posted) -> bool:
        events = [
            {"user": f"u{hash(one) % 50}", "item": self._items[len(one) % len(self._items)]}
            | {"scenario": "shop", "id": one}
            for one in ids
        ]
        try:
            if len(ids) == 1:
                answer = client.post("/v1/events", json=events[0])
            else:
                answer = client.post("/v1/events/batch", json={"events": events})
            answer.raise_for_status()
        except httpx.HTTPError:
            self.unanswered.append(ids)
            return False
        self.acknowledged.append(ids)
        return True


class DurabilityTest:
    """A run, a folder for its service, and what was acknowledged so far."""

    def __init__(self, folder: Path, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "polyscene.toml"
        if not self.config.exists():
            SampleWorld.generate(seed, 120, 40, 20).write(folder)
        project = Project.open(self.config)
        run = project.run() if project.runs() else project.train()
        ids = run.system.scenario("shop").catalogue.ids
        self.items = [ids[code] for code in range(len(ids))]
        self._services = folder / "service"
        self.start_anew()

    def start_anew(self) -> None:
        """Begin with an empty log."""
        self.data = self._services / f"{time.time_ns()}"
        self._again: list[Posted] = []
        self._batches: list[Posted] = []
        self._acknowledged: set[str] = set()

    def kill(self, number: int, moment: float) -> Kill:
        """Serve, send, kill, look."""
        if number and number % KILLS_PER_LOG == 0:
            self.start_anew()
        start = time.perf_counter()
        process, url = self._serve()
        answered = time.perf_counter()
        senders = [
            Sender(url, f"{number}-{row}", self.items, self._again[row::SENDERS]) for row in range(SENDERS)
        ]
        for sender in senders:
            sender.start()
        while not any(sender.acknowledged for sender in senders) and process.poll() is None:
            time.sleep(0.001)
        time.sleep(moment)
        process.kill()
        process.communicate()
        for sender in senders:
            sender.join()
        done = [ids for sender in senders for ids in sender.acknowledged]
        self._again = [ids for sender in senders for ids in sender.unanswered]
        self._batches += done
        return self._looked(moment, answered - start, done)

    def _serve(self) -> tuple[subprocess.Popen[str], str]:
        words = ["serve", "--config", str(self.config), "--data", str(self.data), "--port", "0", "--no-auth"]
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, *words],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert process.stderr is not None
        for line in process.stderr:
            if "serving at " in line:
                return process, line.split("serving at ")[1].split()[0]
        raise RuntimeError("expected the service to start, found that it ended; look at its messages")

    def _looked(self, moment: float, start_seconds: float, done: Sequence[Posted]) -> Kill:
        """Compare the log with what was acknowledged."""
        self._acknowledged |= {one for ids in done for one in ids}
        store = SqliteEventStore(self.data / EVENTS)
        counts = Counter(event.id for _, event in store.since(0, 2**62))
        store.close()
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
    names = ("acknowledged", "unanswered", "kept_unanswered", "lost", "doubled", "torn")
    rows = [[name.replace("_", " "), f"{sum(getattr(kill, name) for kill in kills):,}"] for name in names]
    start = float(np.median([kill.start_seconds for kill in kills]))
    rows.append(["median seconds from start to answer", f"{start:.2f}"])
    return table(["events", f"in {len(kills)} kills"], rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill, look, print, write; 1 where anything was lost, doubled or torn."""
    options = _parser().parse_args(arguments)
    prepare_environment()
    draws = np.random.default_rng(options.seed)
    test = DurabilityTest(options.work / "durability", options.seed)
    kills = [test.kill(number, float(draws.uniform(0, MAX_SECONDS))) for number in range(options.times)]
    print(shown(kills))
    if options.json is not None:
        write_json(options.json, _summary(kills, options.seed))
    return 0 if all(kill.harmless for kill in kills) else 1


def _summary(kills: Sequence[Kill], seed: int) -> dict[str, Any]:
    return {
        "times": len(kills),
        "seed": seed,
        "machine": machine(),
        "versions": versions(),
        "kills": [asdict(kill) for kill in kills],
    }


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--times", type=int, default=300, metavar="N", help="default: 300")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    made.add_argument("--seed", type=int, default=7, metavar="N", help="of the world and the moments")
    made.add_argument("--work", type=Path, default=WORK, metavar="FOLDER", help="default: benchmarks/.work")
    return made


if __name__ == "__main__":
    sys.exit(main())
