"""Requests as plain values, before anything is sent: method, path, body, and how often they may be sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from polyscene.core.errors import ArgumentError

T = TypeVar("T")

JSON, LINES = "application/json", "application/x-ndjson"
_DOTS = {".": "%2E", "..": "%2E%2E"}
"""Segments that would otherwise be taken for a way through the path."""
_GAP = re.compile(r"\{(\w+)\}")

_encode = msgspec.json.Encoder().encode


class Repeat(Enum):
    """When a request may be sent again although it may have been done already."""

    always = "always"
    """done twice, it is as if done once"""
    unless_done = "unless_done"
    """only where it is certain that nothing was done"""


class Event(Struct, frozen=True, omit_defaults=True):
    """A user did something to an item in a scenario.

    Attributes:
        value: a rating, seconds, an amount: what the action measures.
        time: when; UTC where it has no offset; None: now, or next where only order counts.
        id: by which the event is known again if it is sent twice.
    """

    user: str
    item: str
    scenario: str
    action: str = "click"
    value: float | None = None
    time: datetime | None = None
    id: str | None = None


class VisitEvent(Struct, frozen=True):
    """What somebody without an account did during this visit."""

    item: str
    action: str = "click"


@dataclass(frozen=True)
class Parts:
    """What one request says.

    Attributes:
        path: what fills the gaps of the endpoint's path; ids may hold any character.
        query: parameters; None leaves one out.
        body: that is encoded as JSON; None: there is none.
        lines: a body in JSON Lines, in place of it.
        headers: beside the usual ones.
    """

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str | int | bool | None] = field(default_factory=dict)
    body: object = None
    lines: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request that can be sent, and sent again: the same bytes, the same key.

    Attributes:
        target: path and query, encoded.
        kind: of the answer.
        answers: statuses beside 2xx that are answers and no errors.
        slow: whether the answer may take minutes.
    """

    method: str
    target: str
    content: bytes | None
    headers: Mapping[str, str]
    kind: type[T]
    repeat: Repeat
    answers: frozenset[int] = frozenset()
    slow: bool = False


def said(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever JSON can say
    """Return a body without what is None: the service then does what is usual."""
    return {name: value for name, value in fields.items() if value is not None}


def target_of(template: str, parts: Parts) -> str:
    """Return path and query.

    Raises:
        ArgumentError: an id is empty.
    """
    path = _GAP.sub(lambda gap: _segment(gap.group(1), parts.path[gap.group(1)]), template)
    query = urlencode({name: _plain(value) for name, value in parts.query.items() if value is not None})
    return f"{path}?{query}" if query else path


def content_of(parts: Parts) -> tuple[bytes | None, dict[str, str]]:
    """Return the body and its headers.

    Raises:
        ArgumentError: it holds what JSON cannot say.
    """
    if parts.lines is not None:
        return parts.lines, {"Content-Type": LINES}
    if parts.body is None:
        return None, {}
    return encoded(parts.body), {"Content-Type": JSON}


def encoded(value: object) -> bytes:
    """Return a value as JSON.

    Raises:
        ArgumentError: it holds what JSON cannot say.
    """
    try:
        return _encode(value)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"expected values that JSON can say, found another: {error}") from None


def _segment(name: str, value: str) -> str:
    text = str(value)
    if not text:
        raise ArgumentError(f"expected an id as {name}, found an empty text; name what is meant")
    return _DOTS.get(text) or quote(text, safe="")


def _plain(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
