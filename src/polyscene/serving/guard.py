"""What stands before everything else: measurements, request ids, headers and the origins that may ask.

Whatever happens inside, the answer has the one shape of errors and no traceback.
"""

from __future__ import annotations

import logging
import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polyscene.serving.failures import failure
from polyscene.serving.gate import Gate
from polyscene.serving.logs import REQUEST, tell_access
from polyscene.serving.tenants import CALLER, Caller, Tenants

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
POLICY = "Content-Security-Policy"
NOTHING = "default-src 'none'; frame-ancestors 'none'"
"""What a browser may do with an answer that says nothing about it."""
REQUEST_ID = "X-Request-Id"
_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ASKING_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", REQUEST_ID)
TELLING_HEADERS = (REQUEST_ID, "Retry-After")

_log = logging.getLogger(__name__)


class Guard:
    """Stands before an application.

    Args:
        app: that answers.
        tenants: of whom one is asked.
    """

    def __init__(self, app: ASGIApp, tenants: Tenants) -> None:
        gate, origins = Gate(app, tenants), tenants.settings.origins
        self._app: ASGIApp = _Origins(gate, origins) if origins else gate
        self._tenants, self._open = tenants, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, answer = time.perf_counter(), _Answer(send, _request_id(scope), self._tenants)
        token = REQUEST.set(answer.request)
        self._count(1)
        try:
            await self._answered(scope, receive, answer)
        finally:
            self._count(-1)
            self._measure(scope, answer, time.perf_counter() - start)
            REQUEST.reset(token)

    async def _answered(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            if self._open > self._tenants.settings.requests_at_once:
                refusal = failure("overloaded", "too many requests at once; send it again later")
                await refusal(scope, receive, answer)
                return
            await self._app(scope, receive, answer)
        except Exception:
            _log.exception("a request failed")
            if not answer.complete:  # else the caller has the whole answer, and the log what came after it
                raise

    def _count(self, change: int) -> None:
        self._open += change
        self._tenants.process.open_requests.set(self._open)

    def _measure(self, scope: Scope, answer: _Answer, seconds: float) -> None:
        caller: Caller | None = scope.get(CALLER)
        service = self._tenants.only if caller is None else caller.service
        endpoint = getattr(scope.get("route"), "path", "other")
        if service is None:
            self._tenants.process.without_tenant.labels(answer.status).inc()
        else:
            service.metrics.requests.labels(endpoint, answer.status).observe(seconds)
        tenant, key = (None, None) if caller is None else (caller.service.name, caller.name)
        tell_access(tenant, key, scope["method"], endpoint, answer.status, seconds)


class _Origins(CORSMiddleware):
    """Lets pages of some sites ask; a preflight that is refused is told in the one shape."""

    def __init__(self, app: ASGIApp, origins: list[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=ASKING_HEADERS,
            expose_headers=TELLING_HEADERS,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        message = "expected an origin, a method and headers that may ask; see 'origins' of the service"
        return failure("forbidden", message, headers={"Vary": "Origin"})


class _Answer:
    """Sends an answer with the usual headers, and remembers its status (0: nothing was sent) and its end."""

    def __init__(self, send: Send, request: str, tenants: Tenants) -> None:
        self._send, self.request, self._tenants = send, request, tenants
        self.status, self.complete = 0, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault(POLICY, NOTHING)
            headers[REQUEST_ID] = self.request
            if self._tenants.stopping:
                headers["Connection"] = "close"  # the next request belongs elsewhere
        else:
            self.complete = not message.get("more_body", False)
        await self._send(message)


def _request_id(scope: Scope) -> str:
    """Return the id that a request brings, where it is one, or a new one."""
    brought = Headers(scope=scope).get(REQUEST_ID, "")
    return brought if _ACCEPTABLE_ID.fullmatch(brought) else secrets.token_hex(8)
