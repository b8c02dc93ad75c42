"""A writer killed at any moment loses nothing that it acknowledged, and keeps nothing twice or by half."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from polyscene.serving.stores.contract import LoggedEvent
from polyscene.serving.stores.sqlite_events import SqliteEventStore

KILLS = 36
SCRIPT = Path(__file__).with_name("killed_writer.py")
MAX_MOMENT = 0.02
"""Seconds after the first acknowledgement (half of the kills) or after the start."""

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")


class KilledWriter:
    """Starts writers on one folder and kills them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.acknowledged = folder, set[int]()
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def kill(self, first: int, await_one: bool, moment: float) -> None:
        """Let one write from a number on, and kill it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{self.folder}\t{first}\n")
        self._process.stdin.flush()
        child, heard = None, set[int]()
        lines = iter(self._process.stdout.readline, "dead\n")
        while child is None or (await_one and not heard):
            child = _take(next(lines), heard) or child
        time.sleep(moment)  # what is tested: any moment will do, none is waited for
        os.kill(child, signal.SIGKILL)
        for line in lines:
            _take(line, heard)
        self.acknowledged |= heard

    def close(self) -> None:
        self._process.communicate()


def _take(line: str, numbers: set[int]) -> int | None:
    """Return the process id that a line tells, or add the number of a batch to those acknowledged."""
    word, _, process = line.strip().partition(" ")
    if word == "pid":
        return int(process)
    numbers.add(int(word))
    return None


def _events_by_batch(store: SqliteEventStore) -> Counter[int]:
    entries = store.since(0, 10_000_000)
    return Counter(int(entry.user[1:]) for _, entry in entries if isinstance(entry, LoggedEvent))


def test_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    writer, batch = KilledWriter(tmp_path), runpy.run_path(str(SCRIPT))["batch"]
    draws = np.random.default_rng(3)
    first = 0
    for number in range(KILLS):
        writer.kill(first, await_one=number % 2 == 0, moment=float(draws.uniform(0, MAX_MOMENT)))
        store = SqliteEventStore(tmp_path / "events.db")
        kept = _events_by_batch(store)
        assert writer.acknowledged - set(kept) == set()  # nothing lost
        assert set(kept.values()) <= {3}  # nothing by half, nothing twice

        sent_again = range(max(0, first - 2), max(kept, default=0) + 3)
        receipts = store.append([batch(one) for one in sent_again])
        assert [receipt.repeated for receipt in receipts] == [one in kept for one in sent_again]
        assert set(_events_by_batch(store).values()) == {3}
        first = sent_again[-1] + 1
        store.close()
    writer.close()
    assert len(writer.acknowledged) > KILLS
