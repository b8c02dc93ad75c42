"""Pages of a slate by cursor: nothing comes twice, whatever happens meanwhile."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from starlette.testclient import TestClient

from polyscene.serving import cursors
from polyscene.serving.cursors import LENGTH, Chain, chain_of, cursor_after
from polyscene.serving.service import Service

ASKED = {"user": "u00001", "scenario": "shop", "k": 7, "reasons": False}
EXPLORING = {"policy": {"name": "plackett_luce", "temperature": 2.0}}


def page(client: TestClient, **more: Any) -> dict[str, Any]:
    answer = client.post("/v1/recommendations", json=ASKED | more)
    assert answer.status_code == 200, answer.text
    value: dict[str, Any] = answer.json()
    return value


def ids(value: dict[str, Any]) -> list[str]:
    return [place["id"] for place in value["items"]]


@pytest.mark.parametrize("more", [{}, EXPLORING], ids=["greedy", "exploring"])
def test_pages_never_repeat_even_while_events_arrive(client: TestClient, more: dict[str, Any]) -> None:
    value, shown = page(client, **more), list[str]()
    while True:
        assert not set(shown) & set(ids(value))
        shown += ids(value)
        if value["cursor"] is None:
            break
        assert len(value["cursor"]) == LENGTH
        event = {"user": "u00001", "item": shown[-1], "scenario": "shop", "action": "click"}
        assert client.post("/v1/events", json=event).status_code == 200
        value = page(client, cursor=value["cursor"], **more)
    assert len(shown) == len(set(shown)) > 30
    assert client.get(f"/v1/decisions/{value['decision']}").json()["page"] == -(-len(shown) // 7)


def test_greedy_pages_are_one_long_slate(client: TestClient) -> None:
    first = page(client)
    second = page(client, cursor=first["cursor"])
    assert ids(first) + ids(second) == ids(page(client, k=14))
    assert ids(page(client, cursor=first["cursor"])) == ids(second), "a page may be asked for again"
    assert ids(page(client, cursor=first["cursor"], k=3)) == ids(second)[:3]


def test_a_page_whose_decision_is_on_the_disk_goes_on(client: TestClient, service: Service) -> None:
    first = page(client)
    service.decisions.close()
    assert service.decisions.waiting == 0
    assert chain_of(first["cursor"], service.decisions, "u00001", "shop") == Chain(2, ids(first))


def damaged(cursor: str) -> list[str]:
    other = "A" if cursor[5] != "A" else "B"
    zeros = base64.urlsafe_b64encode(bytes(21)).decode()
    return [cursor[:5] + other + cursor[6:], zeros, "é" * LENGTH, "!" * LENGTH, cursor[::-1]]


def test_a_damaged_or_foreign_cursor_is_refused(client: TestClient) -> None:
    cursor = page(client)["cursor"]

    def refused(**more: Any) -> tuple[int, str]:
        answer = client.post("/v1/recommendations", json=ASKED | more)
        return answer.status_code, answer.json()["error"]["message"]

    for broken in damaged(cursor):
        status, message = refused(cursor=broken)
        assert (status, "the cursor is damaged" in message) == (422, True), broken
    assert refused(cursor="short")[0] == 422
    for more in ({"user": "u00002"}, {"scenario": "news"}):
        status, message = refused(cursor=cursor, **more)
        assert (status, "belongs to another request" in message) == (422, True)
    unknown = cursor_after("0" * 32, Chain(), ["a"], 1)
    status, message = refused(cursor=unknown)
    assert (status, "begin anew without" in message) == (404, True)


def test_a_chain_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "ab" * 16
    assert cursor_after(name, Chain(), ["a"], 2) is None, "the slate was short: there is no more"
    assert cursor_after(name, Chain(), ["a", "b"], 2) is not None
    monkeypatch.setattr(cursors, "MAX_SHOWN", 4)
    assert cursor_after(name, Chain(2, ["x"]), ["a", "b"], 2) is not None
    assert cursor_after(name, Chain(2, ["x", "y"]), ["a", "b"], 2) is None
