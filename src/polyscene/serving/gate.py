"""The gate: who asks, whether they may, how often they did, and a body that is small and arrives in time.

What does not pass is answered in the one shape of errors, and nothing behind the gate hears of it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polyscene.core.settings.service import ServiceSettings
from polyscene.serving.failures import RefusedError
from polyscene.serving.rates import Rates
from polyscene.serving.rights import OPEN, right_of
from polyscene.serving.tenants import CALLER, Caller, Tenants

LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
_PORT = re.compile(r":\d*$")
PREFIX_OF_A_HOUSEHOLD = 64
"""Bits of an IPv6 address that one subscriber cannot choose."""


class Gate:
    """Stands before an application, and puts who asks into the scope.

    Args:
        app: that answers.
        tenants: of whom one is asked.
    """

    def __init__(self, app: ASGIApp, tenants: Tenants) -> None:
        self._app, self._tenants, self._rates = app, tenants, Rates()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or refuse it."""
        try:
            headers = Headers(scope=scope)
            caller = self._admitted(scope, headers)
            settings = self._tenants.settings
            if caller is not None:
                settings = caller.service.settings
            body = await _body(headers, receive, settings)
        except RefusedError as refused:
            await refused.response()(scope, receive, send)
            return
        await self._app(scope, _replayed(body, receive), send)

    def _admitted(self, scope: Scope, headers: Headers) -> Caller | None:
        """Return who asks; None: somebody who needs no key there.

        Raises:
            RefusedError: they may not, or not now.
        """
        keyless = self._tenants.keyless
        if keyless is not None:
            if _PORT.sub("", headers.get("host", "")).lower() not in LOCAL_NAMES:
                raise RefusedError("forbidden", "without keys only requests to localhost are answered")
            scope[CALLER] = keyless
            return keyless
        if scope["path"] in OPEN:
            return None
        caller = scope[CALLER] = self._caller(scope, headers)
        self._demand_right(scope, caller)
        self._demand_rate(caller)
        return caller

    def _caller(self, scope: Scope, headers: Headers) -> Caller:
        word, _, key = headers.get("authorization", "").partition(" ")
        caller = self._tenants.find(key.strip()) if word.lower() == "bearer" else None
        if caller is None:
            self._demand_patience(self._tenants.settings.failures_per_address, "address", _network(scope))
            challenge = {"WWW-Authenticate": "Bearer"}
            raise RefusedError("unauthorised", "expected a known key: 'Authorization: Bearer KEY'", challenge)
        return caller

    def _demand_right(self, scope: Scope, caller: Caller) -> None:
        right = right_of(scope["method"], scope["path"])
        if caller.key is not None and not caller.key.may(right):
            raise RefusedError("forbidden", f"expected a key with the scope '{right}'")

    def _demand_rate(self, caller: Caller) -> None:
        settings, tenant = caller.service.settings, caller.service.name
        caller.service.metrics.key_used(caller.name)
        self._demand_patience(settings.rate_per_key, "key", tenant, caller.name)
        self._demand_patience(settings.rate_per_tenant, "tenant", tenant)

    def _demand_patience(self, rate: str | None, *name: str) -> None:
        seconds = self._rates.wait(rate, *name)
        if seconds:
            message = f"expected at most {rate} for each {name[0]}, found more; wait {seconds} seconds"
            raise RefusedError("too_many_requests", message, {"Retry-After": str(seconds)})


def _network(scope: Scope) -> str:
    """Return from where a request comes: an address, or the network of an IPv6 subscriber."""
    host = str((scope.get("client") or ("unknown", 0))[0])
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, PREFIX_OF_A_HOUSEHOLD), strict=False))
    return host


async def _body(headers: Headers, receive: Receive, settings: ServiceSettings) -> bytes:
    """Return the whole body, which must be small and arrive in time."""
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length[:20]) > settings.body_bytes:
        raise _too_large(settings)
    parts, size, more = [], 0, True
    try:
        async with asyncio.timeout(settings.body_seconds):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RefusedError("bad_request", "expected the whole body, found a part of it")
                part = message.get("body", b"")
                parts.append(part)
                size += len(part)
                more = message.get("more_body", False)
                if size > settings.body_bytes:
                    raise _too_large(settings)
    except TimeoutError:
        text = f"expected the body within {settings.body_seconds:g} seconds"
        raise RefusedError("too_slow", text, {"Connection": "close"}) from None
    return b"".join(parts)


def _too_large(settings: ServiceSettings) -> RefusedError:
    message = f"expected at most {settings.body_bytes:,} bytes; send less at once"
    return RefusedError("too_large", message, {"Connection": "close"})


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return what gives the body once, and then whatever comes."""
    body_sent = False

    async def again() -> Message:
        nonlocal body_sent
        if body_sent:
            return await receive()
        body_sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
