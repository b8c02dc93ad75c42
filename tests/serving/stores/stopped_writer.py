"""Writes to the log in a database without an end, and says a word after each write."""

from __future__ import annotations

import os
import sys

from polyscene.serving.stores.contract import Batch, LoggedEvent
from polyscene.serving.stores.postgres_events import PostgresEventStore


def write(database: str) -> None:
    """Write for ever."""
    store, number = PostgresEventStore(database, "a"), 0
    while True:
        store.append([Batch.of([LoggedEvent("u2", "sku-2", "shop", "click", id=f"w{number}")], f"k{number}")])
        os.write(1, b"written\n")
        number += 1


if __name__ == "__main__":
    write(sys.argv[1])
