"""Asks a service that runs elsewhere: `from polyscene.client import Client, AsyncClient`.

    with Client("http://127.0.0.1:8000") as client:
        slate = client.recommend("u42", "shop", 10)
        client.send_event(Event("u42", slate.ids[0], "shop"))

It needs httpx and msgspec (the extra `client`). They are loaded when one of the names is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from polyscene.core.errors import MissingExtraError

if TYPE_CHECKING:
    from polyscene.client.clients import AsyncClient, Client
    from polyscene.client.errors import ApiError, ClientError, LostAnswerError, UnreadableAnswerError
    from polyscene.client.requests import Event, VisitEvent
    from polyscene.client.retries import Retries

_HOMES = {
    "ApiError": "errors",
    "AsyncClient": "clients",
    "Client": "clients",
    "ClientError": "errors",
    "Event": "requests",
    "LostAnswerError": "errors",
    "Retries": "retries",
    "UnreadableAnswerError": "errors",
    "VisitEvent": "requests",
}
__all__ = [
    "ApiError",
    "AsyncClient",
    "Client",
    "ClientError",
    "Event",
    "LostAnswerError",
    "Retries",
    "UnreadableAnswerError",
    "VisitEvent",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute may be anything
    if name not in _HOMES:
        raise AttributeError(f"module 'polyscene.client' has no attribute '{name}'")
    try:
        home = import_module(f"polyscene.client.{_HOMES[name]}")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("httpx", "msgspec"):
            raise
        raise MissingExtraError(
            f"expected {missing} to be installed, found nothing; pip install 'polyscene[client]' brings it"
        ) from error
    return getattr(home, name)
