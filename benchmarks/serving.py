"""What a request costs over HTTP, beside an endpoint that answers the same always; what events cost.

    python benchmarks/serving.py --items 10000 --json serving.json

The service runs in a process of its own over a generated catalogue (`generated.py`); the sender is on the
same machine and speaks plain sockets. "CPU ms" is the service's processor time per request, whoever waits for
whom. The constant endpoint has the same framework, guard, body and size of answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

import prepared  # noqa: F401 - numpy reads it when it loads
from polyscene.evaluation.provenance import machine, versions
from polyscene.serving.bodies import RecommendationBody
from showing import table, write_json

USERS_PER_ITEM = 2
CONNECTIONS = 4
WRITERS = 16
BATCH = 100
TICKS = os.sysconf("SC_CLK_TCK")


class GeneratedRun:
    """What a service needs of a run, over a generated system."""

    id = "generated"

    def __init__(self, items: int, seed: int) -> None:
        from generated import generated_system
        from polyscene.core.settings.scenarios import ScenarioSettings

        self.system = generated_system(items, USERS_PER_ITEM * items, seed)
        tables = {"items": {"path": "i", "id": "i"}, "events": {"path": "e", "user": "u", "item": "i"}}
        self.settings = {"generated": ScenarioSettings.model_validate(tables)}


def serve(items: int, seed: int, folder: Path) -> None:
    """Serve until killed; the port is printed."""
    import uvicorn
    from starlette.responses import Response

    from polyscene.core.threads import set_threads
    from polyscene.runs.run import Run
    from polyscene.serving.app import build_api
    from polyscene.serving.guard import Guard
    from polyscene.serving.routes.recommendations import _decided
    from polyscene.serving.service import Service
    from polyscene.serving.tenants import Tenants

    set_threads(1)
    service = Service.open(cast(Run, GeneratedRun(items, seed)), folder)
    body = RecommendationBody(user="u1", k=10, reasons=False)
    constant = json.dumps(_decided(service, body)).encode()
    tenants = Tenants([service])
    api = build_api(tenants)

    @api.post("/constant")
    async def answer(body: RecommendationBody) -> Response:
        return Response(constant, media_type="application/json")

    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        print(listening.getsockname()[1], flush=True)
        app = Guard(api, tenants)
        settings = uvicorn.Config(app, http="httptools", access_log=False, log_level="error")
        uvicorn.Server(settings).run(sockets=[listening])


def request(path: str, body: object) -> bytes:
    """Return the bytes of a request."""
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


class Load:
    """Sends to one service and measures.

    Args:
        port: where it listens.
        process: its id.
        items: of its catalogue.
        seed: of who asks and what is sent.
    """

    def __init__(self, port: int, process: int, items: int, seed: int) -> None:
        self._port, self._process, self._items = port, process, items
        self._draws = np.random.default_rng(seed)

    def slates(self, path: str, reasons: bool, n: int) -> dict[str, float]:
        """Ask n times on one connection, then on several."""

        def body() -> object:
            user = int(self._draws.integers(USERS_PER_ITEM * self._items))
            return {"user": f"u{user}", "k": 10, "reasons": reasons}

        asyncio.run(self._sent([request(path, body()) for _ in range(n // 4)], 1))
        cpu = self._cpu()
        seconds, _ = asyncio.run(self._sent([request(path, body()) for _ in range(n)], 1))
        cpu = (self._cpu() - cpu) / n
        _, whole = asyncio.run(self._sent([request(path, body()) for _ in range(n)], CONNECTIONS))
        return {
            "cpu_ms": 1e3 * cpu,
            "p50_ms": 1e3 * float(np.quantile(seconds, 0.5)),
            "p99_ms": 1e3 * float(np.quantile(seconds, 0.99)),
            "per_second": n / whole,
        }

    def events(self, size: int, n: int, connections: int) -> float:
        """Return how many events a second become durable in requests of a size."""
        width = len(str(self._items))

        def event() -> dict[str, str]:
            user, item = self._draws.integers(self._items, size=2)
            return {"user": f"u{user}", "item": f"i{item:0{width}}", "scenario": "generated"}

        requests = [
            request("/v1/events", event())
            if size == 1
            else request("/v1/events/batch", {"events": [event() for _ in range(size)]})
            for _ in range(n)
        ]
        _, whole = asyncio.run(self._sent(requests, connections))
        return size * n / whole

    async def _sent(self, requests: Sequence[bytes], connections: int) -> tuple[list[float], float]:
        """Send all; return the seconds of each and of the whole."""
        waiting, seconds = list(requests), list[float]()

        async def work() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            while waiting:
                start = time.perf_counter()
                writer.write(waiting.pop())
                await _answer(reader)
                seconds.append(time.perf_counter() - start)
            writer.close()

        start = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(connections)))
        return seconds, time.perf_counter() - start

    def _cpu(self) -> float:
        """Return the seconds of processor time that the service has used."""
        fields = Path(f"/proc/{self._process}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


async def _answer(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    status = head.split(b" ", 2)[1]
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    content = await reader.readexactly(length)
    if status != b"200":
        raise RuntimeError(f"expected status 200, found {status.decode()}: {content[:300]!r}")


def measured(load: Load, n: int) -> dict[str, Any]:
    """Return everything that is measured."""
    kinds: dict[str, Callable[[], dict[str, float]]] = {
        "constant": lambda: load.slates("/constant", False, n),
        "slate": lambda: load.slates("/v1/recommendations", False, n),
        "slate with reasons": lambda: load.slates("/v1/recommendations", True, n),
    }
    requests = {name: ask() for name, ask in kinds.items()}
    events = {
        "single, one sender": load.events(1, n // 4, 1),
        f"single, {WRITERS} senders": load.events(1, n, WRITERS),
        f"batches of {BATCH}, {CONNECTIONS} senders": load.events(BATCH, n // 10, CONNECTIONS),
    }
    return {"requests": requests, "events_per_second": events}


def shown(results: dict[str, Any]) -> str:
    """Return both tables."""
    rows = [
        [name, *(f"{row[key]:,.2f}" for key in ("cpu_ms", "p50_ms", "p99_ms")), f"{row['per_second']:,.0f}"]
        for name, row in results["requests"].items()
    ]
    events = [[name, f"{rate:,.0f}"] for name, rate in results["events_per_second"].items()]
    head = ["answer", "CPU ms", "p50 ms", "p99 ms", f"per second, {CONNECTIONS} senders"]
    return "\n\n".join([table(head, rows), table(["events", "durable per second"], events)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve, send, print, write."""
    options = _parser().parse_args(arguments)
    if options.serve is not None:
        serve(options.items, options.seed, options.serve)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        words = ["--items", str(options.items), "--seed", str(options.seed), "--serve", folder]
        command = [sys.executable, __file__, *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            load = Load(int(process.stdout.readline()), process.pid, options.items, options.seed)
            try:
                results = measured(load, options.requests)
            finally:
                process.kill()
    print(shown(results))
    if options.json is not None:
        about = {"items": options.items, "seed": options.seed, "machine": machine(), "versions": versions()}
        write_json(options.json, about | results)
    return 0


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--items", type=int, default=10_000, metavar="N", help="default: 10000")
    made.add_argument("--requests", type=int, default=2_000, metavar="N", help="of each kind; default: 2000")
    made.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    made.add_argument("--seed", type=int, default=7, metavar="N", help="of the catalogue and the requests")
    made.add_argument("--serve", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    return made


if __name__ == "__main__":
    sys.exit(main())
