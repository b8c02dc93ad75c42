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
import cProfile
import io
import json
import pstats
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

import prepared  # noqa: F401 - numpy reads it when it loads
from generated_ids import USERS_PER_ITEM, user_id
from generated_run import GeneratedRun
from polyscene.evaluation.provenance import machine, versions
from polyscene.serving.bodies import RecommendationBody
from service_load import CONNECTIONS, EXPLORES, Load
from showing import table, write_json

WRITERS = 16
BATCH = 100


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
    bodies = [RecommendationBody.model_validate(fields | {"user": user_id(user, items)}) for user in users]
    with cProfile.Profile() as profiler:
        for body in bodies:
            answer(_decided(service, body))
    service.close()
    lines = io.StringIO()
    pstats.Stats(profiler, stream=lines).sort_stats("cumulative").print_stats(45)
    return lines.getvalue()


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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=10_000, metavar="N", help="default: 10000")
    parser.add_argument(
        "--requests", type=int, default=2_000, metavar="N", help="of each kind; default: 2000"
    )
    parser.add_argument(
        "--bulk", type=int, metavar="N", help="slates at half, without and while a job takes N new items"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="of the catalogue and the requests")
    parser.add_argument("--profile", action="store_true", help="say where the time goes")
    parser.add_argument("--serve", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
