"""Both clients against the service: what comes back is what it says, and what is refused is one error."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from polyscene.client import (
    ApiError,
    AsyncClient,
    Client,
    Event,
    LostAnswerError,
    Retries,
    UnreadableAnswerError,
    VisitEvent,
)
from polyscene.core.errors import ArgumentError, PolysceneError
from polyscene.serving.service import Service
from polyscene.serving.stores.contract import LoggedEvent

Ask = Callable[..., Any]
USER = "u00001"


def test_a_slate_is_that_of_the_run(client: Client, ask: Ask, service: Service) -> None:
    expected = service.live.run.recommend(USER, "shop", 5)
    for slate in (client.recommend(USER, "shop", 5), ask("recommend", USER, "shop", 5)):
        assert slate.ids == expected.ids
        assert [place.reason for place in slate] == [place.reason for place in expected]
        assert [place.score for place in slate] == [place.score for place in expected]
        assert (len(slate), slate.run, slate.user_known) == (5, service.live.run.id, True)


def test_all_that_a_request_may_say_arrives(client: Client) -> None:
    first = client.recommend(USER, "shop", 30)
    slate = client.recommend(
        USER,
        "shop",
        3,
        exclude=first.ids[:1],
        only=first.ids[:20],
        events=[VisitEvent(first.ids[25])],
        policy={"name": "epsilon", "epsilon": 0.5},
        context={"page": "home"},
        filter={"price": {"at_least": 0}},
        seen="allow",
        reasons=False,
    )
    record = client.decision(slate.decision)
    assert record.slate == tuple(slate.ids)
    assert (record.exclude, record.only) == (tuple(first.ids[:1]), tuple(first.ids[:20]))
    assert (record.history, record.context, record.seen) == ((first.ids[25],), {"page": "home"}, "allow")
    assert record.policy == {"name": "epsilon", "epsilon": 0.5}
    assert record.filter == {"price": {"at_least": 0}}
    assert slate.items[0].reason == ""
    assert client.recommend(USER, "shop", policy="plackett_luce").policy["name"] == "plackett_luce"


def test_a_click_changes_the_next_slate(client: Client, ask: Ask) -> None:
    first = client.recommend(USER, "shop", 5).ids[0]
    receipt = client.send_event(USER, first, "shop", "purchase", id="e1")
    assert (receipt.accepted, receipt.duplicates, receipt.repeated, receipt.offset) == (1, 0, False, 1)
    assert first not in client.recommend(USER, "shop", 5).ids
    again = ask("send_event", USER, first, "shop", "purchase", id="e1")
    assert (again.accepted, again.duplicates) == (0, 1)
    assert client.history(USER).latest["shop"][0].id == first


def test_a_batch_arrives_as_it_is(client: Client, service: Service) -> None:
    item = client.recommend(USER, "shop").ids[0]
    moment = datetime(2026, 6, 1, 12, tzinfo=UTC)
    events = [Event(USER, item, "shop", "rating", 4.5, moment, "r1"), Event("new", item, "shop")]
    assert client.send_events(events).accepted == 2
    rating, click = (entry for _, entry in service.live.store.since(0, 10))
    assert isinstance(rating, LoggedEvent)
    assert isinstance(click, LoggedEvent)
    assert (rating.user, rating.action, rating.value, rating.id) == (USER, "rating", 4.5, "r1")
    assert rating.time == int(moment.timestamp()) * 1_000_000
    assert (click.user, click.action, click.value, click.id) == ("new", "click", None, None)


def test_pages_are_walked(client: Client, gather: Ask, transport: Any) -> None:
    whole = client.list_items("shop", 1000)
    assert whole.next is None
    transport.sent.clear()
    assert list(client.all_items("shop", 20)) == list(whole.items)
    assert len(transport.sent) == -(-len(whole.items) // 20)
    assert gather("all_items", "shop", 20) == list(whole.items)
    assert list(client.all_users(7))[:3] == ["u00001", "u00002", "u00003"]
    assert gather("all_users", 100) == list(client.all_users(1000))
    middle = client.list_items("shop", 20).next
    assert list(client.all_items("shop", 20, after=middle)) == list(whole.items[20:])


def test_slates_are_walked_without_repeating(client: Client, gather: Ask) -> None:
    for slates in (list(client.all_slates(USER, "shop", 10)), gather("all_slates", USER, "shop", 10)):
        ids = [item for slate in slates for item in slate.ids]
        assert len(slates) > 2
        assert len(set(ids)) == len(ids)
        assert slates[-1].cursor is None


def test_an_export_comes_line_by_line(client: Client, gather: Ask) -> None:
    client.put_user(USER, {"country": "DE", "age": 41})
    lines = list(client.export_user(USER))
    assert lines[0] == {"kind": "profile", "user": USER, "fields": {"country": "DE", "age": 41}}
    assert {line["kind"] for line in lines} == {"profile", "event", "entry"}
    assert gather("export_user", USER) == lines


def test_ids_may_hold_any_character(client: Client) -> None:
    for user in ("a/b", "..", ".", "a b?c#d%2F", "ü\u202e", "x&y=z"):
        client.put_user(user, {"age": 3})
        assert client.get_user(user).user == user
        assert client.history(user).user == user
    with pytest.raises(ArgumentError, match="expected an id as user, found an empty text"):
        client.get_user("")


def test_what_is_refused_is_one_error(client: Client, ask: Ask) -> None:
    with pytest.raises(ApiError) as refused:
        client.recommend(USER, "cinema")
    error = refused.value
    assert (error.code, error.status, error.details) == ("unknown_id", 404, ())
    assert "cinema" in error.message
    assert len(error.request_id) == 16
    assert error.request_id in str(error)
    assert isinstance(error, PolysceneError)
    with pytest.raises(ApiError) as refused:
        ask("send_events", [Event(USER, "none", "shop"), Event(USER, "P0001", "cinema")])
    assert refused.value.code == "events_refused"
    assert [one.where for one in refused.value.details] == ["events.0", "events.1"]
    assert "events.1: " in str(refused.value)


def test_not_ready_is_an_answer(client: Client, service: Service) -> None:
    assert (client.ready().status, client.live().status) == ("ready", "live")
    service.live.fault = "a fault"
    assert (client.ready().status, client.ready().problems) == ("not ready", 1)
    assert "polyscene_ready 0.0" in client.metrics()


def test_what_json_cannot_say_is_told_before_anything_is_sent(client: Client, transport: Any) -> None:
    with pytest.raises(ArgumentError, match="expected values that JSON can say"):
        client.put_user(USER, {"age": object()})
    assert transport.sent == []


@pytest.mark.parametrize("content", [b"<html>", b"{}", b'{"user": 3, "users": []}'])
def test_what_is_no_answer_of_the_service_is_told(content: bytes) -> None:
    other = httpx.MockTransport(lambda request: httpx.Response(200, content=content))
    with Client(transport=other) as client, pytest.raises(UnreadableAnswerError, match="kind SimilarUsers"):
        client.similar_users(USER)
    broken = httpx.MockTransport(lambda request: httpx.Response(404, content=content))
    with Client(transport=broken) as client, pytest.raises(ApiError) as refused:
        client.live()
    assert (refused.value.code, refused.value.status) == ("unreadable", 404)


def test_a_newer_service_may_say_more() -> None:
    newer = httpx.MockTransport(lambda request: httpx.Response(200, json={"status": "live", "more": 1}))
    with Client(transport=newer) as client:
        assert client.live().status == "live"


def test_a_service_that_is_not_there_is_told() -> None:
    with (
        Client("http://127.0.0.1:9", retries=Retries(times=0)) as client,
        pytest.raises(LostAnswerError, match="is the service there"),
    ):
        client.live()


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://x", "http://", "http://u:p@x", "http://x?y=1", "http://x:port"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ArgumentError, match="expected the address of a service"):
        Client(url)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_what_is_no_time_is_refused(kind: type[Client]) -> None:
    with pytest.raises(ArgumentError, match="timeout"):
        kind(timeout=0)
    with pytest.raises(ArgumentError, match="no negative"):
        kind(retries=Retries(times=-1))


def test_a_path_before_the_service_is_kept() -> None:
    paths = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path)
        return httpx.Response(200, json={"user": "a/b", "users": []})

    with Client("https://shop.example/api/", transport=httpx.MockTransport(answer)) as client:
        client.similar_users("a/b", k=3)
    assert paths == [b"/api/v1/users/a%2Fb/similar?k=3"]
