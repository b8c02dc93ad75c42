"""What stands before every endpoint: limits, keys, measurements and headers, as plain ASGI.

A request is refused before its body is read where that is possible, and whatever happens inside, the answer
has the one shape of errors and no traceback.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polyscene.serving.auth import KeyFile
from polyscene.serving.auth import Scope as Right
from polyscene.serving.failures import failure
from polyscene.serving.limits import MAX_BODY_BYTES, MAX_BODY_SECONDS, MAX_REQUESTS_AT_ONCE
from polyscene.serving.metrics import Metrics

OPEN = ("/", "/docs", "/openapi.json", "/health/live", "/health/ready", "/favicon.ico")
"""Paths that need no key."""
RIGHTS: Mapping[str, Right] = {"/v1/events": Right.events, "/v1/events/batch": Right.events}
"""What a path asks of a key; every other asks for `read` where it changes nothing, else for `admin`."""
ADMIN_READS = re.compile(r"/v1/models|/v1/erasures/.*|/v1/users/.*/export")
"""What changes nothing, and tells everything about somebody or of the service."""
LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
_PORT = re.compile(r":\d*$")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
POLICY = "Content-Security-Policy"
NOTHING = "default-src 'none'; frame-ancestors 'none'"
"""What a browser may do with an answer that says nothing about it."""

_log = logging.getLogger(__name__)


class _RefusedError(Exception):
    def __init__(self, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.headers = code, message, headers


class Guard:
    """Stands before an application.

    Args:
        app: that answers.
        metrics: of the service.
        keys: None: no key is needed, and only requests to this machine by its local names are answered.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, keys: KeyFile | None) -> None:
        self._app, self._metrics, self._keys = app, metrics, keys
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, answer = time.perf_counter(), _Answer(send)
        self._open += 1
        self._metrics.open_requests.set(self._open)
        try:
            await self._answered(scope, receive, answer)
        finally:
            self._open -= 1
            self._metrics.open_requests.set(self._open)
            endpoint = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(endpoint, answer.status).observe(time.perf_counter() - start)

    async def _answered(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            if self._open > MAX_REQUESTS_AT_ONCE:
                raise _RefusedError("overloaded", "too many requests at once; send it again later")
            headers = Headers(scope=scope)
            self._demand_right(scope["method"], scope["path"], headers)
            body = await _body(headers, receive)
            await self._app(scope, _replayed(body, receive), answer)
        except _RefusedError as refused:
            await failure(refused.code, refused.message, headers=refused.headers)(scope, receive, answer)
        except Exception:
            _log.exception("a request failed")
            if not answer.complete:  # else the caller has the whole answer, and the log what came after it
                raise

    def _demand_right(self, method: str, path: str, headers: Headers) -> None:
        """Refuse who may not ask."""
        if self._keys is None:
            if _PORT.sub("", headers.get("host", "")).lower() not in LOCAL_NAMES:
                raise _RefusedError("forbidden", "without keys only requests to localhost are answered")
            return
        if path in OPEN:
            return
        word, _, key = headers.get("authorization", "").partition(" ")
        known = self._keys.find(key.strip()) if word.lower() == "bearer" else None
        if known is None:
            challenge = {"WWW-Authenticate": "Bearer"}
            raise _RefusedError(
                "unauthorised", "expected a known key: 'Authorization: Bearer KEY'", challenge
            )
        right = _right(method, path)
        if not known.may(right):
            raise _RefusedError("forbidden", f"expected a key with the scope '{right}'")


def _right(method: str, path: str) -> Right:
    """Return what a request asks of a key."""
    reads = method in ("GET", "HEAD") or path == "/v1/recommendations"
    usual = Right.read if reads and not ADMIN_READS.fullmatch(path) else Right.admin
    return RIGHTS.get(path, usual)


class _Answer:
    """Sends an answer with the usual headers, and remembers its status (0: nothing was sent) and its end."""

    def __init__(self, send: Send) -> None:
        self._send, self.status, self.complete = send, 0, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault(POLICY, NOTHING)
            headers.setdefault("X-Request-Id", secrets.token_hex(8))
        else:
            self.complete = not message.get("more_body", False)
        await self._send(message)


async def _body(headers: Headers, receive: Receive) -> bytes:
    """Return the whole body, which must be small and arrive in time."""
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length[:20]) > MAX_BODY_BYTES:
        raise _too_large()
    parts, size, more = [], 0, True
    try:
        async with asyncio.timeout(MAX_BODY_SECONDS):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _RefusedError("bad_request", "expected the whole body, found a part of it")
                part = message.get("body", b"")
                parts.append(part)
                size += len(part)
                more = message.get("more_body", False)
                if size > MAX_BODY_BYTES:
                    raise _too_large()
    except TimeoutError:
        raise _RefusedError("too_slow", f"expected the body within {MAX_BODY_SECONDS:.0f} seconds") from None
    return b"".join(parts)


def _too_large() -> _RefusedError:
    return _RefusedError("too_large", f"expected at most {MAX_BODY_BYTES:,} bytes; send less at once")


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
