"""Sends requests to a service over plain sockets, and measures how long they wait."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np

from generated_ids import USERS_PER_ITEM, numbered_id, user_id

CONNECTIONS = 4
CONNECTIONS_AT_HALF = 32
EXPLORES = {"name": "epsilon", "epsilon": 0.1}
ROWS_PER_JOB = 5_000
WORDS = ("walnut", "brass", "linen", "oak", "glass", "wool", "steel")
TICKS = os.sysconf("SC_CLK_TCK")


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
            body = {"k": 10, "reasons": reasons, "policy": EXPLORES}
            return [request(path, body | {"user": user}) for user in self._users(count)]

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
        body = {"k": 10, "reasons": False, "policy": EXPLORES}
        requests = [request("/v1/recommendations", body | {"user": user}) for user in self._users(n)]
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

    def _users(self, count: int) -> list[str]:
        """Draw who asks."""
        codes = self._draws.integers(USERS_PER_ITEM * self._items, size=count).tolist()
        return [user_id(code, self._items) for code in codes]

    def memory(self) -> float:
        """Return the resident memory of the service in MiB."""
        status = Path(f"/proc/{self._process}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def events(self, size: int, n: int, connections: int) -> float:
        """Return how many events a second become durable in requests of a size."""

        def event() -> dict[str, str]:
            user, item = self._draws.integers(self._items, size=2)
            return {
                "user": user_id(int(user), self._items),
                "item": numbered_id("i", int(item), self._items),
                "scenario": "generated",
            }

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
