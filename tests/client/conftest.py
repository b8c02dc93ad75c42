"""A service over a small run, and both clients that reach it without a socket."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from polyscene.client import AsyncClient, Client, Retries
from polyscene.runs.run import Run
from polyscene.serving.app import build_app
from polyscene.serving.service import Service

URL = "http://localhost"
AT_ONCE = Retries(times=3, first_seconds=0.0)


class InProcess(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Asks an application directly; counts what it was sent.

    Args:
        faults: for each request in turn, what happens to it; None: nothing.
    """

    def __init__(self, service: Service) -> None:
        self._inner = httpx.ASGITransport(build_app(service), raise_app_exceptions=False)
        self.faults: list[Callable[[httpx.Response], httpx.Response] | None] = []
        self.sent: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return asyncio.run(self.handle_async_request(request))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        fault = self.faults.pop(0) if self.faults else None
        answer = await self._inner.handle_async_request(request)
        content = await answer.aread()
        whole = httpx.Response(answer.status_code, headers=answer.headers, content=content)
        return whole if fault is None else fault(whole)


@pytest.fixture(scope="session")
def served(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of `polyscene serve` in a process of its own, on a free port."""
    words = ["serve", "--no-auth", "--port", "0", "--data", str(tmp_path_factory.mktemp("served"))]
    words += ["--config", str(run.folder.parents[2] / "polyscene.toml")]
    command = [sys.executable, "-c", "from polyscene.cli.main import run; run()", *words]
    environment = os.environ | {"POLYSCENE_SERVICE__LOAD_ENCODER": "false"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        yield (
            next(line for line in lines if "serving at" in line)
            .split("serving at ")[1]
            .split()[0]
            .rstrip("/")
        )
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


@pytest.fixture
def service(run: Run, tmp_path: Path) -> Iterator[Service]:
    service = Service.open(Run(run.folder), tmp_path / "service")
    yield service
    service.close()


@pytest.fixture
def reach() -> Callable[[Service], InProcess]:
    """Return what reaches a service without a socket."""
    return InProcess


@pytest.fixture
def transport(service: Service) -> InProcess:
    return InProcess(service)


@pytest.fixture
def client(transport: InProcess) -> Iterator[Client]:
    with Client(URL, transport=transport, retries=AT_ONCE) as client:
        yield client


@pytest.fixture
def ask(transport: InProcess) -> Callable[..., Any]:
    """Return what calls a method of the client that is awaited."""

    def one(name: str, *args: Any, **kwargs: Any) -> Any:
        async def asked() -> Any:
            async with AsyncClient(URL, transport=transport, retries=AT_ONCE) as client:
                return await getattr(client, name)(*args, **kwargs)

        return asyncio.run(asked())

    return one


@pytest.fixture
def gather(transport: InProcess) -> Callable[..., list[Any]]:
    """Return what lists what a method of the client that is awaited goes through."""

    def one(name: str, *args: Any, **kwargs: Any) -> list[Any]:
        async def asked() -> list[Any]:
            async with AsyncClient(URL, transport=transport, retries=AT_ONCE) as client:
                return [part async for part in getattr(client, name)(*args, **kwargs)]

        return asyncio.run(asked())

    return one
