"""A connection that loses answers after the work was done: nothing counts twice, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from polyscene.client import ApiError, Client, Event, LostAnswerError
from polyscene.serving.service import Service


def lost(answer: httpx.Response) -> httpx.Response:
    """Lose an answer."""
    raise httpx.ReadError("the answer was lost")


def overloaded(answer: httpx.Response) -> httpx.Response:
    """Put a refusal in place of an answer."""
    error = {"code": "store_unavailable", "message": "later", "details": []}
    return httpx.Response(503, json={"error": error})


@pytest.fixture
def item(client: Client) -> str:
    return client.recommend("u00001", "shop").ids[0]


@pytest.mark.parametrize("awaited", [False, True])
def test_an_event_whose_answer_is_lost_counts_once(
    client: Client, ask: Callable[..., Any], transport: Any, service: Service, item: str, awaited: bool
) -> None:
    transport.sent.clear()
    transport.faults = [lost, overloaded, lost]
    args = ("u00001", item, "shop", "purchase")
    receipt = ask("send_event", *args) if awaited else client.send_event(*args)
    assert (receipt.repeated, receipt.offset) == (True, 1)
    assert service.live.store.last == 1
    assert len({request.headers["Idempotency-Key"] for request in transport.sent}) == 1
    assert len({request.content for request in transport.sent}) == 1
    assert len(transport.sent) == 4


def test_a_batch_whose_answer_is_lost_counts_once(
    client: Client, transport: Any, service: Service, item: str
) -> None:
    transport.faults = [lost]
    client.send_events([Event("u1", item, "shop"), Event("u2", item, "shop")])
    assert service.live.store.last == 2


def test_each_call_has_a_key_of_its_own(client: Client, transport: Any, service: Service, item: str) -> None:
    transport.sent.clear()
    for _ in range(2):
        client.send_event("u1", item, "shop")
    assert len({request.headers["Idempotency-Key"] for request in transport.sent}) == 2
    assert service.live.store.last == 2
    client.send_event("u1", item, "shop", key="mine")
    assert client.send_event("u1", item, "shop", key="mine").repeated
    with pytest.raises(ApiError, match="conflict"):
        client.send_event("u2", item, "shop", key="mine")


def test_what_is_lost_for_good_is_told(client: Client, transport: Any, service: Service, item: str) -> None:
    transport.faults = [lost] * 4
    with pytest.raises(LostAnswerError, match="ReadError: the answer was lost"):
        client.send_event("u1", item, "shop", id="once")
    assert service.live.store.last == 1
    assert client.send_event("u1", item, "shop", id="once").duplicates == 1


def test_what_must_not_be_done_twice_is_sent_once(client: Client, transport: Any, item: str) -> None:
    transport.sent.clear()
    transport.faults = [lost]
    with pytest.raises(LostAnswerError):
        client.delete_item("shop", item)
    assert len(transport.sent) == 1


class Breaking(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that ends in its middle."""

    def __iter__(self) -> Any:
        yield b'{"kind": "profile"}\n{"ki'
        raise httpx.RemoteProtocolError("ended early")

    async def __aiter__(self) -> Any:
        for part in self:
            yield part


def test_an_export_that_breaks_off_is_no_export(client: Client, gather: Any, transport: Any) -> None:
    transport.faults = [lambda answer: httpx.Response(200, stream=Breaking())]
    lines = client.export_user("u00001")
    assert next(lines) == {"kind": "profile"}
    with pytest.raises(LostAnswerError, match="ended early"):
        next(lines)
    transport.faults = [lambda answer: httpx.Response(200, stream=Breaking())]
    with pytest.raises(LostAnswerError, match="ended early"):
        gather("export_user", "u00001")


def test_an_export_that_is_refused_is_told(client: Client, transport: Any) -> None:
    transport.faults = [overloaded, overloaded]
    assert next(client.export_user("u00001"))["kind"] == "profile"
    transport.faults = [overloaded] * 4
    with pytest.raises(ApiError) as refusal:
        next(client.export_user("u00001"))
    assert refusal.value.code == "store_unavailable"
