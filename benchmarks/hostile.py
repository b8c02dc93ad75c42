"""Send hostile bodies to every endpoint that takes one: no 5xx, no hang, no growth of memory, nothing kept.

    python benchmarks/hostile.py --bodies 100000 --json hostile.json

Bodies are valid ones with values swapped, cut, nested, repeated or flipped, and plain noise. The application
is asked directly, without a socket, over a run of a small sample world.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from starlette.types import ASGIApp

import prepared  # noqa: F401 - numpy reads it when it loads
from measuring import resident_mb
from polyscene.evaluation.provenance import machine, versions
from polyscene.project import Project
from polyscene.sample.world import SampleWorld
from polyscene.serving.app import build_app
from polyscene.serving.service import Service
from projects import WORK
from showing import table, write_json

EVENT = {"user": "u1", "item": "nothing", "scenario": "shop", "action": "click", "value": 1.5, "id": "e"}
BODIES: dict[str, Any] = {
    "/v1/events": EVENT | {"time": "2026-01-01T00:00:00Z"},
    "/v1/events/batch": {"events": [EVENT, EVENT]},
    "/v1/recommendations": {"user": "u1", "scenario": "shop", "k": 3, "exclude": [], "reasons": False},
}
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 2**63, 10**400, 1e308, float("nan"), float("inf"), "", "\x00", "\ud800", "\u202e"),
    *(
        "x" * 10_000,
        "'; DROP TABLE events; --",
        "../../etc/passwd",
        "${jndi:ldap://x}",
        "<script>",
        "9" * 5_000,
    ),
    *([], {}, [[]], {"": {}}, ["shop"] * 2_000, {"user": "u1"}),
)


class HostileBodies:
    """Draws bodies.

    Args:
        seed: of what is drawn.
    """

    def __init__(self, seed: int) -> None:
        self._draws = np.random.default_rng(seed)

    def draw(self) -> tuple[str, bytes]:
        """Return a path and a body for it."""
        path = list(BODIES)[self._below(len(BODIES))]
        way = self._below(6)
        if way == 0:
            return path, self._draws.bytes(self._below(400))
        if way == 1:
            return path, b'[{"a":'[: 1 + self._below(6)] * self._below(3_000)
        body = json.dumps(self._swapped(BODIES[path])).encode("utf-8", "surrogatepass")
        return path, self._damaged(body) if way == 2 else body

    def _swapped(self, value: Any) -> Any:  # noqa: ANN401 - whatever JSON can say
        if self._below(8) == 0:
            return VALUES[self._below(len(VALUES))]
        if isinstance(value, dict):
            swapped = {key: self._swapped(inner) for key, inner in value.items() if self._below(12)}
            return swapped | ({"more": 1} if self._below(20) == 0 else {})
        if isinstance(value, list):
            return [self._swapped(inner) for inner in value]
        return value

    def _damaged(self, body: bytes) -> bytes:
        damaged = bytearray(body[: self._below(len(body)) + 1])
        for _ in range(self._below(4)):
            damaged[self._below(len(damaged))] = self._below(256)
        return bytes(damaged)

    def _below(self, n: int) -> int:
        return int(self._draws.integers(n))


async def status_of(app: ASGIApp, path: str, body: bytes) -> int:
    """Return the status of the answer to a body."""
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    statuses: list[int] = []

    async def receive() -> Any:  # noqa: ANN401 - an ASGI message
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:  # noqa: ANN401 - an ASGI message
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    return statuses[0]


async def attacked(app: ASGIApp, n: int, seed: int) -> dict[str, Any]:
    """Send n bodies; return how often each status came, the longest seconds, and the growth of memory."""
    bodies, statuses = HostileBodies(seed), Counter[int]()
    longest, before = 0.0, 0.0
    for number in range(n):
        if number == n // 5:
            before = resident_mb()
        path, body = bodies.draw()
        start = time.perf_counter()
        statuses[await status_of(app, path, body)] += 1
        longest = max(longest, time.perf_counter() - start)
    growth = resident_mb() - before
    return {"statuses": dict(sorted(statuses.items())), "longest_s": longest, "growth_mb": growth}


def main(arguments: Sequence[str] | None = None) -> int:
    """Send, print, write; 1 where anything was answered with 5xx or kept although it was wrong."""
    options = _parser().parse_args(arguments)
    folder = options.work / "hostile"
    if not (folder / "polyscene.toml").exists():
        SampleWorld.generate(options.seed, 120, 40, 20).write(folder)
    project = Project.open(folder / "polyscene.toml")
    run = project.run() if project.runs() else project.train()
    with tempfile.TemporaryDirectory() as data:
        service = Service.open(run, Path(data))
        results = asyncio.run(attacked(build_app(service), options.bodies, options.seed))
        results |= {"ready": service.live.ready, "kept": service.live.store.last}
        service.close()
    rows = [[f"status {status}", f"{count:,}"] for status, count in results["statuses"].items()]
    rows += [[name, f"{results[name]:.3g}"] for name in ("longest_s", "growth_mb", "kept")]
    print(table(["answer", f"of {options.bodies:,} bodies"], rows))
    if options.json is not None:
        about = {"bodies": options.bodies, "seed": options.seed, "machine": machine(), "versions": versions()}
        write_json(options.json, about | results)
    fine = results["ready"] and not results["kept"] and max(results["statuses"]) < 500
    return 0 if fine else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bodies", type=int, default=100_000, metavar="N", help="default: 100000")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="of the world and the bodies")
    parser.add_argument("--work", type=Path, default=WORK, metavar="FOLDER", help="default: benchmarks/.work")
    return parser


if __name__ == "__main__":
    sys.exit(main())
