"""What a request costs over HTTP, beside an endpoint that answers the same always; what events cost.

    python benchmarks/serving.py --items 10000 --json serving.json

The service runs in a process of its own over a generated catalogue (`generated.py`); the sender is on the
same machine and speaks plain sockets. First it sends as fast as answers come, on several connections: that is
saturation. Then requests come by chance at half of that rate, and wait from the moment when they were due.
"CPU ms" is the service's processor time per request, whoever waits for whom. Slates are drawn by epsilon
greedy with a share of 0.1, decisions are logged. The constant endpoint has the same framework, guard, body
and size of answer. `--bulk N` asks for slates while a job takes N new items, which the language model reads
in the same process, and without. `--profile` says instead where the time of one request goes, without HTTP.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import io
import json
import os
import pstats
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.request import Request, urlopen

import numpy as np

import prepared  # noqa: F401 - numpy reads it when it loads
from polyscene.evaluation.provenance import machine, versions
from polyscene.serving.bodies import RecommendationBody
from showing import table, write_json

if TYPE_CHECKING:
    from polyscene.engine.updates import Intake
    from polyscene.runs.item_encoder import ItemEncoder

USERS_PER_ITEM = 2
CONNECTIONS = 4
CONNECTIONS_AT_HALF = 32
EXPLORES = {"name": "epsilon", "epsilon": 0.1}
WRITERS = 16
BATCH = 100
ROWS_PER_JOB = 5_000
WORDS = ("walnut", "brass", "linen", "oak", "glass", "wool", "steel")
TICKS = os.sysconf("SC_CLK_TCK")


class GeneratedRun:
    """What a service needs of a run, over a generated system."""

    id = "generated"

    def __init__(self, items: int, seed: int) -> None:
        from generated import generated_system
        from polyscene.core.settings.scenarios import ScenarioSettings

        self.system = generated_system(items, USERS_PER_ITEM * items, seed)
        tables = {
            "items": {
                "path": "i",
                "id": "i",
                "text": ["title"],
                "categorical": ["topic"],
                "numeric": ["price"],
            },
            "events": {"path": "e", "user": "u", "item": "i"},
        }
        self.settings = {"generated": ScenarioSettings.model_validate(tables)}
        self.manifest: dict[str, Any] = {}
        self.index = None
        self.folder = Path("generated") / self.id  # nothing lies there

    @cached_property
    def intake(self) -> Intake:
        """Takes items into the system."""
        from polyscene.engine.updates import Intake

        return Intake(self.system, self.settings)

    @cached_property
    def encoder(self) -> ItemEncoder:
        """Reads new items with the usual language model, as it came."""
        from polyscene.core.settings.language import LanguageSettings
        from polyscene.core.settings.runtime import RuntimeSettings
        from polyscene.learning.backbone import Backbone
        from polyscene.learning.item_views import ViewRecipe
        from polyscene.runs.item_encoder import ItemEncoder, Views

        language = LanguageSettings()
        views: Views = {"tuned": ViewRecipe(), "prior": ViewRecipe()}
        fingerprint = Backbone(language, self.folder).fingerprint
        return ItemEncoder(
            {"generated": views}, self.folder, self.folder, language, RuntimeSettings(cache=None), fingerprint
        )


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
    body = RecommendationBody.model_validate({"user": "u1", "k": 10, "reasons": False, "policy": EXPLORES})
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


def profile(items: int, seed: int, folder: Path, n: int) -> str:
    """Return where the time of requests goes, without HTTP."""
    from polyscene.core.threads import set_threads
    from polyscene.runs.run import Run
    from polyscene.serving.answers import answer
    from polyscene.serving.routes.recommendations import _decided
    from polyscene.serving.service import Service

    set_threads(1)
    service = Service.open(cast(Run, GeneratedRun(items, seed)), folder)
    users = np.random.default_rng(seed).integers(USERS_PER_ITEM * items, size=n).tolist()
    fields = {"k": 10, "reasons": False, "policy": EXPLORES}
    bodies = [RecommendationBody.model_validate(fields | {"user": f"u{user}"}) for user in users]
    with cProfile.Profile() as profiler:
        for body in bodies:
            answer(_decided(service, body))
    service.close()
    lines = io.StringIO()
    pstats.Stats(profiler, stream=lines).sort_stats("cumulative").print_stats(45)
    return lines.getvalue()


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
        """Ask n times as fast as answers come, then n times at half of that rate."""

        def requests(count: int) -> list[bytes]:
            users = self._draws.integers(USERS_PER_ITEM * self._items, size=count).tolist()
            return [
                request(path, {"user": f"u{user}", "k": 10, "reasons": reasons, "policy": EXPLORES})
                for user in users
            ]

        asyncio.run(self._sent(requests(n // 4), CONNECTIONS))
        cpu = self._cpu()
        _, whole = asyncio.run(self._sent(requests(n), CONNECTIONS))
        cpu = (self._cpu() - cpu) / n
        gaps = self._draws.exponential(2 * whole / n, n)
        seconds, _ = asyncio.run(self._sent(requests(n), CONNECTIONS_AT_HALF, np.cumsum(gaps).tolist()))
        return {
            "cpu_ms": 1e3 * cpu,
            "per_second": n / whole,
            "p50_ms": 1e3 * float(np.quantile(seconds, 0.5)),
            "p99_ms": 1e3 * float(np.quantile(seconds, 0.99)),
        }

    def beside_a_job(self, rows: int, n: int) -> dict[str, dict[str, float]]:
        """Ask at half of saturation without a bulk job, and while one takes so many new items.

        Returns:
            Of both milliseconds at quantiles and requests a second; of the job how long it took.
        """
        users = self._draws.integers(USERS_PER_ITEM * self._items, size=n).tolist()
        body = {"k": 10, "reasons": False, "policy": EXPLORES}
        requests = [request("/v1/recommendations", body | {"user": f"u{user}"}) for user in users]
        _, whole = asyncio.run(self._sent(requests, CONNECTIONS))

        def seconds() -> list[float]:
            gaps = self._draws.exponential(2 * whole / n, n)
            return asyncio.run(self._sent(requests, CONNECTIONS_AT_HALF, np.cumsum(gaps).tolist()))[0]

        self._job(1)  # the language model is loaded by now
        without = seconds()
        start, state = time.perf_counter(), self._begin(rows)
        beside = list[float]()
        while self._is_running(state):
            beside += seconds()
        taken = time.perf_counter() - start
        rows_of = {"without a job": without, "beside a job": beside}
        return {
            name: {
                "per_second": n / (2 * whole),
                "p50_ms": 1e3 * float(np.quantile(times, 0.5)),
                "p99_ms": 1e3 * float(np.quantile(times, 0.99)),
                "max_ms": 1e3 * max(times),
            }
            for name, times in rows_of.items()
        } | {"job": {"rows": rows, "rows_per_second": rows / taken}}

    def _job(self, rows: int) -> None:
        names = self._begin(rows)
        while self._is_running(names):
            time.sleep(0.05)

    def _begin(self, rows: int) -> list[str]:
        """Hand in jobs for so many new items, and return their ids."""
        names = []
        for begin in range(0, rows, ROWS_PER_JOB):
            lines = [
                {
                    "i": f"new {row}",
                    "title": f"thing {row} of {WORDS[row % len(WORDS)]}, size {row % 40}",
                    "price": 5,
                }
                for row in range(begin, min(begin + ROWS_PER_JOB, rows))
            ]
            content = "\n".join(map(json.dumps, lines)).encode()
            headers = {"Content-Type": "application/x-ndjson", "Host": "localhost"}
            names.append(self._asked(Request(self._address("items/generated/bulk"), content, headers))["id"])
        return names

    def _is_running(self, names: Sequence[str]) -> bool:
        states = [self._asked(Request(self._address(f"jobs/{name}"))) for name in names]
        failed = [state for state in states if state["status"] == "failed" or state["refused"]]
        if failed:
            raise RuntimeError(f"expected a job that takes every row, found {failed[0]}")
        return any(state["status"] != "done" for state in states)

    def _address(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}/v1/{path}"

    def _asked(self, asked: Request) -> dict[str, Any]:
        with urlopen(asked) as answer:
            value: dict[str, Any] = json.load(answer)
        return value

    def memory(self) -> float:
        """Return the resident memory of the service in MiB."""
        status = Path(f"/proc/{self._process}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

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

    async def _sent(
        self, requests: Sequence[bytes], connections: int, due: Sequence[float] | None = None
    ) -> tuple[list[float], float]:
        """Send all; return the seconds of each and of the whole.

        Args:
            due: seconds from the beginning, ascending, before which each is not sent and from which it waits;
                None: at once.
        """
        waiting = deque(zip(requests, due or [0.0] * len(requests), strict=True))
        seconds = list[float]()
        begin = time.perf_counter()

        async def work() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            while waiting:
                content, moment = waiting.popleft()
                await asyncio.sleep(max(begin + moment - time.perf_counter(), 0.0))
                start = time.perf_counter() if due is None else begin + moment
                writer.write(content)
                await _answer(reader)
                seconds.append(time.perf_counter() - start)
            writer.close()

        await asyncio.gather(*(work() for _ in range(connections)))
        return seconds, time.perf_counter() - begin

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
    return {"requests": requests, "events_per_second": events, "memory_mb": load.memory()}


def shown_beside_a_job(results: dict[str, dict[str, float]]) -> str:
    """Return what requests wait without and beside a bulk job."""
    keys = ("per_second", "p50_ms", "p99_ms", "max_ms")
    rows = [[name, *(f"{row[key]:,.1f}" for key in keys)] for name, row in results.items() if name != "job"]
    rows.append(["rows of the job", f"{results['job']['rows_per_second']:,.1f}", "", "", ""])
    return table(["slate", "per second", "p50 ms", "p99 ms", "longest ms"], rows)


def shown(results: dict[str, Any]) -> str:
    """Return both tables."""
    rows = [
        [name, f"{row['per_second']:,.0f}", *(f"{row[key]:,.2f}" for key in ("cpu_ms", "p50_ms", "p99_ms"))]
        for name, row in results["requests"].items()
    ]
    events = [[name, f"{rate:,.0f}"] for name, rate in results["events_per_second"].items()]
    events.append(["memory of the service, MiB", f"{results['memory_mb']:,.0f}"])
    head = ["answer", "per second at saturation", "CPU ms", "p50 ms at half", "p99 ms at half"]
    return "\n\n".join([table(head, rows), table(["events", "durable per second"], events)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve, send, print, write."""
    options = _parser().parse_args(arguments)
    if options.serve is not None:
        serve(options.items, options.seed, options.serve)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        if options.profile:
            print(profile(options.items, options.seed, Path(folder), options.requests))
            return 0
        words = ["--items", str(options.items), "--seed", str(options.seed), "--serve", folder]
        command = [sys.executable, __file__, *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            load = Load(int(process.stdout.readline()), process.pid, options.items, options.seed)
            try:
                if options.bulk:
                    results = load.beside_a_job(options.bulk, options.requests)
                else:
                    results = measured(load, options.requests)
            finally:
                process.kill()
    print(shown_beside_a_job(results) if options.bulk else shown(results))
    if options.json is not None:
        about = {"items": options.items, "seed": options.seed, "machine": machine(), "versions": versions()}
        write_json(options.json, about | results)
    return 0


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--items", type=int, default=10_000, metavar="N", help="default: 10000")
    made.add_argument("--requests", type=int, default=2_000, metavar="N", help="of each kind; default: 2000")
    made.add_argument(
        "--bulk", type=int, metavar="N", help="slates at half, without and while a job takes N new items"
    )
    made.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    made.add_argument("--seed", type=int, default=7, metavar="N", help="of the catalogue and the requests")
    made.add_argument("--profile", action="store_true", help="say where the time goes")
    made.add_argument("--serve", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    return made


if __name__ == "__main__":
    sys.exit(main())
