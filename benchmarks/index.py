"""What each kind of index costs and finds: milliseconds a search, seconds to build, memory, updates, recall.

    python benchmarks/index.py --vectors 10000 --vectors 100000 --vectors 300000 --json index.json
    python benchmarks/index.py --vectors 100000 --kind clusters --kind faiss

Generated unit vectors in topics, `--topic` to each, of which a query is another draw. Every kind is measured
in a process of its own, on one thread. Memory is what the process grew by while the index was built and
searched; the vectors themselves, which a run holds anyway, are not in it. Recall is measured at the usual
effort, and again at what a service needs for `--recall`.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import prepared  # noqa: F401 - numpy reads it when it loads
from measuring import resident_mb
from polyscene.core.seeds import generator
from polyscene.core.settings.index import IndexSettings
from polyscene.core.threads import set_threads
from polyscene.core.types import FloatArray, LongArray
from polyscene.evaluation.provenance import machine, versions
from polyscene.representation.index import VectorIndex
from polyscene.representation.index_choice import INDEXES, NEAREST, checked, recall_of
from polyscene.representation.items import unit
from showing import table, write_json

SPREAD = 1.0
"""The length of what a vector has beside its topic, whose length is 1."""
QUERIES, UPDATES, SOME = 100, 300, 10_000
HEAD = (
    "index",
    "vectors",
    "ms",
    "p99 ms",
    "build s",
    "more MB",
    "update µs",
    "recall",
    "effort",
    "recall then",
    "ms then",
)


def vectors(count: int, width: int, draws: np.random.Generator, topics: FloatArray) -> FloatArray:
    """Return (count, width) unit vectors, each in one of the topics."""
    rows = np.empty((count, width), np.float32)
    for start in range(0, count, SOME):
        stop = min(start + SOME, count)
        own = draws.normal(size=(stop - start, width)).astype(np.float32) * np.float32(
            SPREAD / np.sqrt(width)
        )
        rows[start:stop] = unit(topics[draws.integers(0, len(topics), stop - start)] + own)
    return rows


def timed(run: Callable[[int], object], times: int) -> list[float]:
    """Return the seconds of each of so many calls, ascending."""
    seconds = []
    for number in range(times):
        start = time.perf_counter()
        run(number)
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)


def searches(index: VectorIndex, queries: FloatArray) -> list[float]:
    """Return the seconds of each search, ascending."""
    return timed(lambda number: index.search(queries[number : number + 1], NEAREST), len(queries))


def found(index: VectorIndex, queries: FloatArray) -> LongArray:
    """Return (B, k) the codes that an index finds, query by query."""
    return np.stack([index.search(query[None], NEAREST)[0][0] for query in queries])


def measure(kind: str, count: int, width: int, seed: int, recall: float, per_topic: int) -> dict[str, Any]:
    """Build an index in this process, ask it, change it, and say what that took."""
    draws = generator(seed, "benchmark index")
    topics = unit(draws.normal(size=(max(count // per_topic, 1), width)).astype(np.float32))
    rows = vectors(count, width, draws, topics)
    queries, fresh = vectors(QUERIES, width, draws, topics), vectors(UPDATES, width, draws, topics)
    changed = draws.choice(count, UPDATES, replace=False)
    gc.collect()
    before, start = resident_mb(), time.perf_counter()
    index = INDEXES[kind](rows)
    build = time.perf_counter() - start
    found(index, queries)  # what is read lazily is there from now on
    seconds = searches(index, queries)
    more = resident_mb() - before
    share = recall_of(found(index, queries), index.best_of_all(queries, NEAREST)[0])
    check = checked(index, IndexSettings(kind=kind, recall=recall))
    later = seconds if index.exact else searches(index, queries)
    index.put(changed[:1], fresh[:1])  # the vectors are copied once, where they are another's
    updates = timed(
        lambda number: index.put(changed[number : number + 1], fresh[number : number + 1]), UPDATES
    )
    return {
        "kind": kind,
        "vectors": count,
        "width": width,
        "ms": 1e3 * seconds[QUERIES // 2],
        "p99_ms": 1e3 * seconds[QUERIES * 99 // 100],
        "build_s": build,
        "more_mb": more,
        "update_us": 1e6 * updates[UPDATES // 2],
        "recall": share,
        "effort": check.effort,
        "checked_recall": check.recall,
        "checked_ms": 1e3 * later[QUERIES // 2],
    }


def apart(kind: str, count: int, args: argparse.Namespace) -> dict[str, Any]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--only", kind, "--vectors", str(count)]
    command += ["--width", str(args.width), "--seed", str(args.seed), "--recall", str(args.recall)]
    command += ["--topic", str(args.topic)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    row: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return row


def line(row: dict[str, Any]) -> list[str]:
    """Return a row of the table."""
    exact = row["kind"] == "exact"
    return [
        row["kind"],
        f"{row['vectors']:,}",
        f"{row['ms']:.2f}",
        f"{row['p99_ms']:.2f}",
        f"{row['build_s']:.1f}",
        f"{row['more_mb']:.0f}",
        f"{row['update_us']:.0f}",
        f"{row['recall']:.3f}",
        "" if exact else str(row["effort"]),
        "" if exact else f"{row['checked_recall']:.3f}",
        "" if exact else f"{row['checked_ms']:.2f}",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every kind over every number of vectors."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vectors", type=int, action="append", help="how many; may be repeated")
    parser.add_argument("--kind", action="append", choices=list(INDEXES), help="may be repeated")
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--recall", type=float, default=IndexSettings().recall)
    parser.add_argument("--topic", type=int, default=1_000, help="vectors in each topic")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    set_threads(1)
    if args.only is not None:
        print(json.dumps(measure(args.only, args.vectors[0], args.width, args.seed, args.recall, args.topic)))
        return
    rows = []
    for count in args.vectors or [10_000, 100_000, 300_000]:
        for kind in args.kind or list(INDEXES):
            rows.append(apart(kind, count, args))
            print(table(HEAD, [line(rows[-1])]), file=sys.stderr, flush=True)
    print(table(HEAD, [line(row) for row in rows]))
    if args.json is not None:
        write_json(args.json, {"machine": machine(), "versions": versions(), "rows": rows})


if __name__ == "__main__":
    main()
