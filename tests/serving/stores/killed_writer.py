"""Writes batches until it is killed, and says which ones were acknowledged.

For each line of standard input, a folder and the number of its first batch, a child does so; its process id
and then the numbers of acknowledged batches come out, one a line.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from polyscene.serving.stores.contract import Batch, LoggedEvent
from polyscene.serving.stores.sqlite_events import SqliteEventStore

EVENTS_PER_BATCH = 3
BATCHES_PER_GROUP = 4


def batch(number: int) -> Batch:
    """Return a batch of a number, the same one every time."""
    events = [
        LoggedEvent(f"u{number}", f"i{row}", "shop", "click", id=f"{number}.{row}")
        for row in range(EVENTS_PER_BATCH)
    ]
    return Batch.of(events, f"batch-{number}")


def write(folder: Path, first: int) -> None:
    """Write for ever."""
    store = SqliteEventStore(folder / "events.db")
    while True:
        numbers = range(first, first + BATCHES_PER_GROUP)
        store.append([batch(number) for number in numbers])
        os.write(1, "".join(f"{number}\n" for number in numbers).encode())
        first += BATCHES_PER_GROUP


if __name__ == "__main__":
    for line in sys.stdin:
        folder, first = line.rstrip("\n").split("\t")
        child = os.fork()
        if not child:
            write(Path(folder), int(first))
        os.write(1, f"pid {child}\n".encode())
        os.waitpid(child, 0)
        os.write(1, b"dead\n")
