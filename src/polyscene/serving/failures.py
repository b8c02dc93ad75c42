"""The one shape of every error, and which status each kind of failure has.

    {"error": {"code": "unknown_id", "message": "…", "details": [{"where": "…", "message": "…"}]}}

`code` is for programs and does not change, `message` is for people, `details` is empty where there is no more
to say. Nothing of the inside of the service is in it: no traceback, no path, no value but what was sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from polyscene.core.errors import (
    ConflictError,
    ModelError,
    PolysceneError,
    ProblemsError,
    StoreError,
    UnknownIdError,
)
from polyscene.core.settings.keys import keys_at
from polyscene.core.text import one_line, shown
from polyscene.core.validation import refusal_of
from polyscene.serving.checking import EventsRefusedError

MAX_DETAILS = 20
MAX_MESSAGE_LENGTH = 500

STATUS = {
    "bad_request": 400,
    "unauthorised": 401,
    "forbidden": 403,
    "not_found": 404,
    "unknown_id": 404,
    "method_not_allowed": 405,
    "too_slow": 408,
    "conflict": 409,
    "too_large": 413,
    "unsupported_media_type": 415,
    "invalid": 422,
    "events_refused": 422,
    "too_many_requests": 429,
    "internal": 500,
    "overloaded": 503,
    "store_unavailable": 503,
    "model_unavailable": 503,
}
"""Every code that an error can have, with its status."""

_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (EventsRefusedError, "events_refused"),
    (UnknownIdError, "unknown_id"),
    (ConflictError, "conflict"),
    (StoreError, "store_unavailable"),
    (ModelError, "model_unavailable"),
    (ProblemsError, "invalid"),
)

Details = Sequence[tuple[str, str]]


class RefusedError(Exception):
    """A request that is refused before anything is done with it.

    Args:
        code: one of `STATUS`.
        headers: of the answer.
    """

    def __init__(self, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.headers = code, message, headers

    def response(self) -> Response:
        """Return the answer."""
        return failure(self.code, self.message, headers=self.headers)


def failure(
    code: str, message: str, details: Details = (), headers: dict[str, str] | None = None
) -> Response:
    """Return an error in the one shape.

    Args:
        code: one of `STATUS`.
        details: where in the request, and what.
    """
    places = [
        {"where": one_line(where, MAX_MESSAGE_LENGTH), "message": one_line(text, MAX_MESSAGE_LENGTH)}
        for where, text in details[:MAX_DETAILS]
    ]
    error = {"code": code, "message": one_line(message, MAX_MESSAGE_LENGTH), "details": places}
    status = STATUS[code]
    more = {"Retry-After": "1"} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    content = msgspec.json.encode({"error": error})
    return Response(content, status, more | (headers or {}), media_type="application/json")


def handle_failures(app: FastAPI) -> None:
    """Let an application answer every failure in the one shape."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(PolysceneError, _ours)
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(Exception, _bug)


async def _ours(request: Request, error: Exception) -> Response:
    code = next((code for kind, code in _KINDS if isinstance(error, kind)), "internal")
    if code == "internal":
        raise error
    if isinstance(error, EventsRefusedError):
        return failure(
            code, str(error), [(f"events.{place}", text) for place, text in error.problems.items()]
        )
    if isinstance(error, ProblemsError):
        return _problems(code, error)
    return failure(code, str(error))


def _problems(code: str, error: ProblemsError) -> Response:
    """Return one problem as the message; of several the first, and each with its place in the request."""
    places = [(replace(problem, file=None).place, problem.sentence) for problem in error.problems]
    where, sentence = places[0]
    message = f"{where}: {sentence}" if where else sentence
    if len(places) == 1:
        return failure(code, message)
    return failure(code, f"{message} (the first of {len(places):,} problems)", places)


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, RefusedError):
        raise error
    return error.response()


async def _bug(request: Request, error: Exception) -> Response:
    return failure("internal", "something went wrong inside; the log of the service says what")


async def _http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    code = next((code for code, known in STATUS.items() if known == status), "bad_request")
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    detail: Any = getattr(error, "detail", "")
    return failure(code, str(detail), headers=headers)


async def _invalid(request: Request, error: Exception) -> Response:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    if any(problem["type"] == "json_invalid" for problem in problems):
        return failure("bad_request", "expected a body in JSON, found something else")
    field = getattr(request.scope.get("route"), "body_field", None)
    body = None if field is None else field.field_info.annotation
    details = [
        (".".join(str(part) for part in problem["loc"] if part != "body"), _what(problem, body))
        for problem in problems
    ]
    return failure("invalid", "the request is not as it should be", details)


def _what(problem: Mapping[str, Any], body: object) -> str:
    """Return what is wrong; where a key is unknown, which are known in a body of this kind."""
    if problem["type"] == "extra_forbidden":
        *place, key = problem["loc"][1:]
        return f"expected one of {', '.join(keys_at(body, place))}, found {shown(key)}"
    return refusal_of(problem)
