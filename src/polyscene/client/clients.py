"""The two clients: one for threads, one for a loop. Requests and what follows from answers are shared."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self, TypeVar

import httpx
from msgspec.json import decode

from polyscene.client.answers import Fields
from polyscene.client.endpoint import AsyncSender, Sender
from polyscene.client.endpoints.catalogue import Items, Jobs
from polyscene.client.endpoints.operation import Health, Models, Rules
from polyscene.client.endpoints.slates import Events, Lists, Slates
from polyscene.client.endpoints.users import Rights, Users
from polyscene.client.requests import Call
from polyscene.client.retries import Outcome, Retries, Send, Wait, error_of, exchange, read
from polyscene.core.errors import ArgumentError
from polyscene.core.secrets import secret

T = TypeVar("T")

KEY = "POLYSCENE_API_KEY"
"""Environment variable with the key; with `_FILE`, of a file that holds it."""
LOCAL = "http://127.0.0.1:8000"
SLOW_SECONDS = 900.0
"""What erasures, exports and swaps of the run may take."""


class Endpoints(Slates, Events, Lists, Items, Jobs, Users, Rights, Rules, Models, Health):
    """Every endpoint of the service, as methods of both clients.

    Args:
        url: of the service.
        key: None: as `POLYSCENE_API_KEY` says, or the file that `POLYSCENE_API_KEY_FILE` names; without
            either, none is sent.
        timeout: seconds without any progress after which an attempt is given up.
        retries: how often a request is sent again, and when.

    Raises:
        ArgumentError: the address, the key or the time cannot be used.
    """

    def __init__(
        self,
        url: str = LOCAL,
        key: str | None = None,
        *,
        timeout: float = 10.0,
        retries: Retries | None = None,
    ) -> None:
        self.url, self.timeout, self.retries = _url(url), _seconds(timeout), retries or Retries()
        self._key = key_of(key)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r}, key={'no' if self._key is None else 'hidden'})"

    def _options(self) -> dict[str, Any]:
        headers = {} if self._key is None else {"Authorization": f"Bearer {self._key}"}
        return {"base_url": self.url, "headers": headers, "timeout": self.timeout}

    def _request(self, http: httpx.Client | httpx.AsyncClient, call: Call[Any]) -> httpx.Request:
        timeout = httpx.Timeout(self.timeout, read=max(self.timeout, SLOW_SECONDS if call.slow else 0.0))
        return http.build_request(
            call.method, call.target, content=call.content, headers=dict(call.headers), timeout=timeout
        )


class Client(Endpoints, Sender):
    """Asks a service, and returns when it has answered. Threads may share one.

    Args:
        transport: of httpx; None: a pool of connections.
    """

    def __init__(
        self,
        url: str = LOCAL,
        key: str | None = None,
        *,
        timeout: float = 10.0,
        retries: Retries | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(url, key, timeout=timeout, retries=retries)
        self._http = httpx.Client(transport=transport, **self._options())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(self, call: Call[T]) -> T:
        """Return the answer to a request."""
        return read(call, self._answer(call, stream=False))

    def stream(self, call: Call[Any]) -> Iterator[Fields]:
        """Return the lines of the answer to a request as they come."""
        answer = self._answer(call, stream=True)
        try:
            yield from (decode(line) for line in answer.iter_lines())
        except httpx.TransportError as error:
            raise error_of(error) from error
        finally:
            answer.close()

    def _answer(self, call: Call[Any], stream: bool) -> httpx.Response:
        request, steps = self._request(self._http, call), exchange(call, self.retries)
        outcome: Outcome | None = None
        try:
            while True:
                outcome = self._done(steps.send(outcome), request, stream)
        except StopIteration as end:
            answer: httpx.Response = end.value
            return answer

    def _done(self, step: Send | Wait, request: httpx.Request, stream: bool) -> Outcome | None:
        if isinstance(step, Wait):
            time.sleep(step.seconds)
            return None
        try:
            answer = self._http.send(request, stream=stream)
            if not answer.is_success:
                answer.read()
            return answer
        except httpx.TransportError as error:
            return error


class AsyncClient(Endpoints, AsyncSender):
    """Asks a service, and is awaited for the answer.

    Args:
        transport: of httpx; None: a pool of connections.
    """

    def __init__(
        self,
        url: str = LOCAL,
        key: str | None = None,
        *,
        timeout: float = 10.0,
        retries: Retries | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(url, key, timeout=timeout, retries=retries)
        self._http = httpx.AsyncClient(transport=transport, **self._options())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, call: Call[T]) -> T:
        """Return the answer to a request."""
        return read(call, await self._answer(call, stream=False))

    async def stream(self, call: Call[Any]) -> AsyncIterator[Fields]:
        """Return the lines of the answer to a request as they come."""
        answer = await self._answer(call, stream=True)
        try:
            async for line in answer.aiter_lines():
                yield decode(line)
        except httpx.TransportError as error:
            raise error_of(error) from error
        finally:
            await answer.aclose()

    async def _answer(self, call: Call[Any], stream: bool) -> httpx.Response:
        request, steps = self._request(self._http, call), exchange(call, self.retries)
        outcome: Outcome | None = None
        try:
            while True:
                outcome = await self._done(steps.send(outcome), request, stream)
        except StopIteration as end:
            answer: httpx.Response = end.value
            return answer

    async def _done(self, step: Send | Wait, request: httpx.Request, stream: bool) -> Outcome | None:
        if isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
            return None
        try:
            answer = await self._http.send(request, stream=stream)
            if not answer.is_success:
                await answer.aread()
            return answer
        except httpx.TransportError as error:
            return error


def key_of(key: str | None) -> str | None:
    """Return the key that was given, or that the environment names.

    Raises:
        ArgumentError: it is no key.
        ConfigError: its file cannot be read, or both variables are set.
    """
    key = secret(KEY) if key is None else key
    if key is not None and not (key.isascii() and key.isprintable() and key.strip() == key != ""):
        raise ArgumentError("expected a key of visible characters, found another; copy it as it was printed")
    return key


def _url(url: str) -> str:
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ArgumentError(
            f"expected the address of a service, found another: {error}; as {LOCAL}"
        ) from None
    if parts.scheme not in ("http", "https") or not parts.host or parts.userinfo or parts.query:
        raise ArgumentError(f"expected the address of a service, such as {LOCAL}, found another; mend it")
    return url


def _seconds(timeout: float) -> float:
    if not timeout > 0:
        raise ArgumentError(f"expected a timeout of more than 0 seconds, found {timeout}; give it some time")
    return timeout
