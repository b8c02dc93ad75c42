"""`polyscene serve` in processes that can be killed and started again at once, and senders that load them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from polyscene.core.files import is_alive

SERVE = """
import importlib, json, os, signal, sys
import polyscene.cli.serve, polyscene.serving.app, polyscene.recommenders.kernels, uvicorn, psycopg
import polyscene.serving.snapshots as snapshots
from polyscene.cli.main import run

snapshots.SECONDS_BETWEEN_LOOKS = 0.05
snapshots.SnapshotSettings.__init__.__defaults__ = (20, 0.2, 2, None)
for name in sys.argv[1:]:
    importlib.import_module(name)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    messages, *words = json.loads(line)
    child = os.fork()
    if not child:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(os.open(messages, os.O_WRONLY | os.O_CREAT, 0o600), 2)
        os.close(0)
        sys.argv = ["polyscene", *words]
        run()
    print(child, flush=True)
"""
"""Forks what is `polyscene serve` for each line; nothing is loaded twice, and snapshots come all the time."""
BATCH = 20
PATIENCE = 60.0
SLATE_EVERY = 5
"""Requests of a sender: one of so many asks for a slate."""

Posted = tuple[str, ...]
"""The ids of the events of one request."""


class Sender(threading.Thread):
    """Posts one request after the other until the service is gone, or it is told to stop.

    Args:
        url: of the service.
        name: of whom there is one.
        items: of the shop.
        run: that is served.
        first: requests that were not answered before, to be sent again.
    """

    def __init__(self, url: str, name: str, items: Sequence[str], run: str, first: Sequence[Posted]) -> None:
        super().__init__(name=name, daemon=True)
        self._url, self._items, self._run_id, self._first = url, items, run, list(first)
        self.acknowledged: list[Posted] = []
        self.unanswered: list[Posted] = []
        self.slates = self.mixed = self.refused = self.failures = 0
        self.stopping = threading.Event()

    def run(self) -> None:
        """Post until an answer fails to come."""
        with httpx.Client(base_url=self._url, timeout=PATIENCE) as client:
            number = 0
            while not self.stopping.is_set():
                ids = self._first.pop() if self._first else self._ids(number)
                number += 1
                if not self._post(client, ids):
                    break
                if number % SLATE_EVERY == 0:
                    self._ask(client)
        self.unanswered += self._first

    def _ids(self, number: int) -> Posted:
        size = BATCH if number % 4 == 0 else 1
        return tuple(f"{self.name}-{number}-{row}" for row in range(size))

    def _post(self, client: httpx.Client, ids: Posted) -> bool:
        """Post events until they are taken; False: no answer came."""
        events = [
            {"user": f"u{hash(one) % 50}", "item": self._items[len(one) % len(self._items)]}
            | {"scenario": "shop", "id": one}
            for one in ids
        ]
        path, body = ("/v1/events", events[0]) if len(ids) == 1 else ("/v1/events/batch", {"events": events})
        try:
            while (answer := client.post(path, json=body)).status_code == httpx.codes.SERVICE_UNAVAILABLE:
                self.refused += 1
                if self.stopping.wait(0.02):
                    break
            answer.raise_for_status()
        except httpx.HTTPError:
            self.failures += not self.stopping.is_set()
            self.unanswered.append(ids)
            return False
        self.acknowledged.append(ids)
        return True

    def _ask(self, client: httpx.Client) -> None:
        body = {"user": "u1", "scenario": "shop", "k": 5, "reasons": False}
        try:
            answer = client.post("/v1/recommendations", json=body).raise_for_status().json()
        except httpx.HTTPError:  # the kill; the next event finds it out
            return
        self.slates += 1
        self.mixed += answer["run"] != self._run_id


class Forks:
    """Starts processes that serve; see `SERVE`.

    Args:
        modules: that are loaded too, before any process is started.
    """

    def __init__(self, modules: Sequence[str] = ()) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVE, *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )

    def start(self, messages: Path, words: Sequence[str]) -> int:
        """Return the id of a new process, whose messages go to a file."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(messages), *words]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End what forks."""
        self._process.communicate()


class Served:
    """A process that serves.

    Args:
        forks: where it comes from.
        config: of the project.
        data: folder of the service.
        database: where events are kept; None: in the folder.
    """

    def __init__(self, forks: Forks, config: Path, data: Path, database: str | None) -> None:
        words = ["serve", "--config", str(config), "--data", str(data), "--port", "0", "--no-auth"]
        words += [] if database is None else ["--database", database]
        start = time.perf_counter()
        data.mkdir(parents=True, exist_ok=True)
        messages = data / f"messages-{time.time_ns()}"
        self._id = forks.start(messages, words)
        while "serving at " not in (text := messages.read_text() if messages.exists() else ""):
            if not self.alive:
                raise RuntimeError(f"expected the service to start, found that it ended: {text}")
            time.sleep(0.01)
        self.url = text.split("serving at ")[1].split()[0]
        self.start_seconds = time.perf_counter() - start

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return is_alive(self._id)

    def kill(self) -> None:
        """End it with SIGKILL."""
        os.kill(self._id, signal.SIGKILL)
        while self.alive:
            time.sleep(0.001)
