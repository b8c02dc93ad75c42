"""What an endpoint asks of a key; what is not named here asks for the most."""

from __future__ import annotations

import re

from polyscene.serving.auth import Scope
from polyscene.serving.page import PATHS

OPEN = ("/", "/docs", "/openapi.json", "/health/live", "/health/ready", "/favicon.ico", *PATHS)
"""Paths that need no key."""
EVENTS = "/v1/events"
READING_POSTS = ("/v1/recommendations", "/v1/predictions", "/v1/explanations")
"""What is asked by a body, and changes nothing."""
_ADMIN_READS = re.compile(
    r"/v1/users/[^/]+/export|/v1/items/[^/]+/[^/]+/movement|/v1/erasures/[^/]+|/v1/models|/v1/audit"
)
"""What tells everything about somebody."""


def right_of(method: str, path: str) -> Scope:
    """Return which scope a request needs."""
    if path == "/metrics":
        return Scope.metrics
    if _within(path, EVENTS):
        return Scope.events
    if method in ("GET", "HEAD"):
        return Scope.admin if _ADMIN_READS.fullmatch(path) else Scope.read
    if method == "POST" and any(_within(path, one) for one in READING_POSTS):
        return Scope.read
    return Scope.admin


def _within(path: str, whole: str) -> bool:
    return path == whole or path.startswith(whole + "/")
