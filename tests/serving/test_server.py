"""A real process, spoken to by bare sockets: who dawdles is sent away, and nothing accepted is dropped."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx
import pytest

from polyscene.runs.run import Run

COMMAND = "from polyscene.cli.main import run; run()"
SHORT = {"HEAD_SECONDS": "0.3", "IDLE_SECONDS": "1", "BODY_SECONDS": "0.3", "WRITE_SECONDS": "0.5"}
PATIENCE = 30.0
"""A test that waits longer has failed."""
EVENT = {"user": "u", "scenario": "shop", "action": "purchase"}

Start = Callable[..., "Served"]


class Served:
    """A service in a process of its own."""

    def __init__(self, config: Path, data: Path, settings: dict[str, str]) -> None:
        words = ["serve", "--config", str(config), "--data", str(data), "--port", "0", "--no-auth"]
        chosen = {"LOAD_ENCODER": "false", **settings}  # no test here puts an item
        variables = {f"POLYSCENE_SERVICE__{name}": value for name, value in chosen.items()}
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *words],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | variables,
        )
        assert self.process.stderr is not None
        line = next(line for line in self.process.stderr if "serving at" in line)
        self.url = line.split("serving at ")[1].split()[0]

    def connected(self, room: int = 0) -> socket.socket:
        """Return a connection that may take `room` bytes before it is read."""
        url = httpx.URL(self.url)
        assert url.port is not None
        connection = socket.socket()
        if room:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        connection.settimeout(PATIENCE)
        connection.connect((url.host, url.port))
        return connection

    def ended(self) -> tuple[int, str]:
        """Return how it ended, and what it wrote."""
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors

    def stop(self, how: signal.Signals) -> tuple[int, str]:
        self.process.send_signal(how)
        return self.ended()


@pytest.fixture(scope="module")
def start(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    started: list[Served] = []

    def one(**settings: str) -> Served:
        config = run.folder.parents[2] / "polyscene.toml"
        started.append(Served(config, tmp_path_factory.mktemp("service"), settings))
        return started[-1]

    yield one
    for served in started:
        if served.process.poll() is None:
            served.process.kill()
        if served.process.stderr is not None and not served.process.stderr.closed:
            served.ended()


@pytest.fixture(scope="module")
def hasty(start: Start) -> Served:
    """Return a service that has little patience."""
    return start(**SHORT)


def rest(connection: socket.socket) -> bytes:
    """Return what comes until the other side ends the connection."""
    parts = []
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass  # an end as well
    return b"".join(parts)


def request(path: str, body: bytes = b"", method: str = "GET", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {size}\r\n\r\n".encode() + body


def answers_still(served: Served) -> bool:
    return httpx.get(served.url + "/health/ready").status_code == 200


@pytest.mark.parametrize(
    "beginning",
    [b"", b"\r\n\r\n", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "],
    ids=["silence", "empty lines", "a request line", "half a header"],
)
def test_headers_that_never_end_are_not_waited_for(hasty: Served, beginning: bytes) -> None:
    with hasty.connected() as connection:
        connection.sendall(beginning)
        assert rest(connection) == b""
    assert answers_still(hasty)


def test_after_an_answer_half_a_request_is_not_waited_for(hasty: Served) -> None:
    with hasty.connected() as connection:
        connection.sendall(request("/health/live") + b"GET / HT")
        assert rest(connection).count(b"HTTP/1.1 200") == 1
    with hasty.connected() as connection:
        connection.sendall(request("/health/live"))  # and then silence
        assert rest(connection).count(b"HTTP/1.1 200") == 1


def test_a_body_that_never_ends_is_refused(hasty: Served) -> None:
    with hasty.connected() as connection:
        connection.sendall(request("/v1/events", b'{"user": ', "POST", length=100))
        answer = rest(connection)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"too_slow"' in answer


def test_a_body_that_nobody_wants_is_not_read_for_ever(hasty: Served) -> None:
    with hasty.connected() as connection:
        connection.sendall(request("/v1/events", b"x", "POST", length=2**40))
        assert rest(connection).startswith(b"HTTP/1.1 413")


def test_headers_that_are_too_large_end_the_connection(hasty: Served) -> None:
    with hasty.connected() as connection:
        try:
            connection.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 10_000_000)
        except (ConnectionResetError, BrokenPipeError):
            return  # before all of it was taken
        assert rest(connection) == b""


def test_who_does_not_read_is_sent_away(hasty: Served) -> None:
    with hasty.connected(room=4_096) as connection:
        connection.setblocking(False)
        waiting = request("/openapi.json") * 2_000
        end = select.poll()
        end.register(connection, select.POLLERR | select.POLLHUP)
        try:
            while waiting:  # until the service takes no more of them
                waiting = waiting[connection.send(waiting) :]
        except (BlockingIOError, ConnectionResetError):
            pass
        assert end.poll(PATIENCE * 1_000)
    assert answers_still(hasty)


def test_a_half_closed_connection_gets_its_answer(hasty: Served) -> None:
    with hasty.connected() as connection:
        connection.sendall(request("/health/live"))
        connection.shutdown(socket.SHUT_WR)
        answer = rest(connection)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 200")
    assert answers_still(hasty)


def test_many_who_dawdle_do_not_keep_others_out(start: Start) -> None:
    served = start(HEAD_SECONDS="0.5", CONNECTIONS="20")
    dawdling = [served.connected() for _ in range(60)]
    for connection in dawdling:
        rest(connection)
        connection.close()
    assert answers_still(served)


def test_what_is_no_http_is_refused(hasty: Served) -> None:
    with hasty.connected() as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        assert rest(connection).startswith(b"HTTP/1.1 400")


def until_it_takes_no_connection(served: Served) -> None:
    try:
        while True:
            httpx.get(served.url + "/health/live")
    except httpx.TransportError:
        return


def first_item(served: Served) -> str:
    body = {"user": "u", "scenario": "shop", "k": 1}
    answer = httpx.post(served.url + "/v1/recommendations", json=body)
    return str(answer.json()["items"][0]["id"])


def test_a_request_that_has_begun_is_answered_after_the_signal(start: Start) -> None:
    served = start(DRAIN_SECONDS="0")
    body = json.dumps(EVENT | {"item": first_item(served)}).encode()
    with served.connected() as connection:
        connection.sendall(request("/v1/events", body[:20], "POST", length=len(body)))
        assert answers_still(served)  # by then the beginning has arrived
        served.process.send_signal(signal.SIGTERM)
        until_it_takes_no_connection(served)
        connection.sendall(body[20:])
        answer = rest(connection)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"accepted":1' in answer
    assert served.ended() == (0, "")


def test_balancers_are_told_before_it_stops(start: Start) -> None:
    served = start(DRAIN_SECONDS="600")
    assert answers_still(served)
    served.process.send_signal(signal.SIGTERM)
    while (answer := httpx.get(served.url + "/health/ready")).status_code == 200:
        pass  # the signal is on its way
    assert (answer.status_code, answer.json()["status"]) == (503, "stopping")
    late = httpx.get(served.url + "/v1/scenarios")
    assert (late.status_code, late.headers["connection"]) == (200, "close")
    assert served.stop(signal.SIGTERM)[0] == -signal.SIGTERM  # a second signal ends the waiting


def test_no_accepted_request_is_dropped_under_load(start: Start) -> None:
    """Each sender goes on until an answer asks it to leave, as a balancer would."""
    served, senders = start(DRAIN_SECONDS="1"), 6
    item, ready = first_item(served), Barrier(senders + 1)

    def send(sender: int) -> int:
        acknowledged = 0
        with httpx.Client(base_url=served.url) as client:
            ready.wait()
            while True:
                event = EVENT | {"item": item, "id": f"{sender}/{acknowledged}"}
                answer = client.post("/v1/events", json=event)
                assert answer.json()["accepted"] == 1
                acknowledged += 1
                if answer.headers.get("connection") == "close":
                    return acknowledged

    with ThreadPoolExecutor(senders) as pool:
        counts = [pool.submit(send, number) for number in range(senders)]
        ready.wait()
        served.process.send_signal(signal.SIGTERM)
        total = sum(count.result() for count in counts)
    assert served.ended() == (0, "")
    assert total >= senders


def test_the_log_of_the_process_holds_no_keys(start: Start) -> None:
    served = start()
    key = "psk_" + "A" * 43
    with served.connected() as connection:
        connection.sendall(f"{key} / HTTP/1.1\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
        rest(connection)
    httpx.get(served.url + f"/{key}", headers={"Authorization": f"Bearer {key}"})
    value: dict[str, Any] = httpx.get(served.url + f"/v1/decisions/{key}").json()
    assert value["error"]["code"] == "unknown_id"
    assert key not in served.stop(signal.SIGTERM)[1]
