"""What follows from an answer, or from none: it is returned, raised, or asked for again after a while.

Nothing here sends or sleeps: `exchange` says what to do next, and the clients do it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeAlias, TypeVar

import httpx
from msgspec import DecodeError, Struct, ValidationError
from msgspec.json import decode

from polyscene.client.errors import ApiError, Detail, LostAnswerError, UnreadableAnswerError
from polyscene.client.requests import Call, Repeat
from polyscene.core.errors import ArgumentError

T = TypeVar("T")

REQUEST_ID = "X-Request-Id"
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""The service cannot have seen a request that ended so."""
REFUSED_UNSEEN = ("too_many_requests", "overloaded")
"""Codes of answers that came before anything was done."""
PASSING = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Statuses that may be others a moment later."""

Outcome: TypeAlias = httpx.Response | httpx.TransportError


@dataclass(frozen=True)
class Send:
    """To be done: send the request; give back the answer, read wholly, or the error of the transport."""


@dataclass(frozen=True)
class Wait:
    """To be done: wait."""

    seconds: float


Steps: TypeAlias = Generator[Send | Wait, Outcome | None, T]


@dataclass(frozen=True)
class Retries:
    """How often a request is sent again, and after which waits.

    The n-th wait is drawn evenly between nothing and `first_seconds` * 2^n, at most `max_seconds`, so that
    clients that failed together do not come again together; where the service says how long (`Retry-After`),
    it is that long at least.

    Attributes:
        times: how often a request is sent again; 0: never.
        max_wait_asked: what the service may ask for; where it asks for more, the error is raised at once.
    """

    times: int = 4
    first_seconds: float = 0.1
    max_seconds: float = 5.0
    max_wait_asked: float = 60.0

    def __post_init__(self) -> None:
        if self.times < 0 or min(self.first_seconds, self.max_seconds, self.max_wait_asked) < 0:
            raise ArgumentError("expected no negative number of times or seconds, found one")

    def wait(self, n: int, asked: float, chance: Callable[[], float] = random.random) -> float:
        """Return the seconds before the request is sent for the (n + 2)-th time.

        Args:
            asked: seconds that the service asked for.
            chance: gives a number in [0, 1).
        """
        return max(asked, chance() * min(self.first_seconds * 2.0**n, self.max_seconds))


class _Problem(Struct):
    where: str
    message: str


class _Error(Struct):
    code: str
    message: str
    details: tuple[_Problem, ...] = ()


class _Refusal(Struct):
    error: _Error


def exchange(call: Call[T], retries: Retries) -> Steps[httpx.Response]:
    """Say what to do until there is an answer to a request, and return the answer.

    Raises:
        ApiError: the service refused it, and went on to where it was sent again.
        LostAnswerError: no answer came.
    """
    for sent in range(retries.times + 1):
        outcome = yield Send()
        if outcome is None:
            raise AssertionError("expected an outcome of what was sent")
        if isinstance(outcome, httpx.Response) and _is_answer(call, outcome):
            return outcome
        error = error_of(outcome)
        asked = _asked_wait(outcome)
        if sent == retries.times or asked > retries.max_wait_asked or not _may_repeat(call, outcome, error):
            raise error
        yield Wait(retries.wait(sent, asked))
    raise AssertionError("expected the last attempt to return or raise")


def error_of(outcome: Outcome) -> ApiError | LostAnswerError:
    """Return what an answer without success, or no answer, is for the caller."""
    if not isinstance(outcome, httpx.Response):
        kind = type(outcome).__name__
        return LostAnswerError(f"expected an answer, found {kind}: {outcome}; is the service there?")
    name = outcome.headers.get(REQUEST_ID, "")
    try:
        error = decode(outcome.content, type=_Refusal).error
    except (DecodeError, ValidationError):  # something between here and the service answered
        message = f"expected an answer of the service, found status {outcome.status_code} of something else"
        return ApiError("unreadable", outcome.status_code, message, (), name)
    details = tuple(Detail(one.where, one.message) for one in error.details)
    return ApiError(error.code, outcome.status_code, error.message, details, name)


def read(call: Call[T], answer: httpx.Response) -> T:
    """Return an answer as what it is.

    Raises:
        UnreadableAnswerError: it is something else.
    """
    if call.kind is str:
        return answer.text  # type: ignore[return-value]  # T is str here
    try:
        return decode(answer.content, type=call.kind)
    except (DecodeError, ValidationError) as error:
        name = call.kind.__name__
        raise UnreadableAnswerError(
            f"expected an answer of the kind {name}, found another: {error}; does the address lead to the "
            "service, and is the client as new as it?"
        ) from None


def _is_answer(call: Call[T], outcome: httpx.Response) -> bool:
    return outcome.is_success or outcome.status_code in call.answers


def _may_repeat(call: Call[T], outcome: Outcome, error: ApiError | LostAnswerError) -> bool:
    if isinstance(error, ApiError):
        if error.status not in PASSING:
            return False
        return call.repeat is Repeat.always or error.code in REFUSED_UNSEEN
    return call.repeat is Repeat.always or isinstance(outcome, NEVER_SENT)


def _asked_wait(outcome: Outcome) -> float:
    """Return the seconds that an answer asks to wait; a date is taken for no wish."""
    text = outcome.headers.get("Retry-After", "") if isinstance(outcome, httpx.Response) else ""
    return float(text) if text.isascii() and text.isdigit() else 0.0
