"""Every id can be named in every path, whatever it holds, and no path means two things."""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from polyscene.serving.auth import Scope
from polyscene.serving.paths import ID, path_of
from polyscene.serving.rights import right_of

IDS = [
    "a/similar",
    "x/export",
    "u/erasure",
    "u/decisions",
    "similar",
    "bulk",
    "../y",
    "..",
    "%2F",
    "%252F",
    "/",
    "a b",
    "鞋/红色",
    "a?b#c&d=e+f;g",
    "trailing/",
    "ü\u202e\\",
]


def segment(name: str) -> str:
    return {".": "%2E", "..": "%2E%2E"}.get(name) or quote(name, safe="")


@pytest.mark.parametrize("name", IDS)
def test_an_item_of_any_id_is_put_read_compared_and_taken_out(client: TestClient, name: str) -> None:
    path = f"/v1/items/shop/{segment(name)}"
    assert client.put(path, json={"fields": {"title": "Brass desk lamp", "price": 5}}).json()["item"] == name
    assert client.get(path).json()["id"] == name
    assert client.patch(path, json={"fields": {"price": 7}}).json()["item"] == name
    assert client.get(path).json()["fields"]["price"] == 7
    similar = client.get(f"{path}/similar?k=2").json()
    assert (similar["item"], len(similar["items"])) == (name, 2)
    assert client.delete(path).json()["item"] == name
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("name", IDS)
def test_a_user_of_any_id_is_put_read_exported_and_erased(client: TestClient, name: str) -> None:
    path = f"/v1/users/{segment(name)}"
    assert client.put(path, json={"fields": {"country": "DE"}}).json()["user"] == name
    assert client.get(path).json() == {
        "user": name,
        "known_in": ["shop", "news", "video"],
        "fields": {"country": "DE"},
    }
    slate = client.post("/v1/recommendations", json={"user": name, "scenario": "shop", "k": 1}).json()
    decisions = client.get(f"{path}/decisions").json()
    assert (decisions["user"], decisions["decisions"][0]["decision"]) == (name, slate["decision"])
    assert client.get(f"{path}/similar?scenario=shop").json()["user"] == name
    assert '"country":"DE"' in client.get(f"{path}/export").text
    receipt = client.post(f"{path}/erasure").json()
    assert receipt["complete"]
    verified = client.get(f"/v1/erasures/{receipt['id']}", params={"user": name}).json()
    assert not any(verified["kept"].values())
    assert client.get(path).status_code == 404


def test_a_slash_that_is_not_encoded_parts_segments(client: TestClient) -> None:
    for path in ("/v1/items/shop/a/b", "/v1/users/a/b", "/v1/users/a/b/export", "/v1/users/a/"):
        assert client.get(path).json()["error"]["code"] == "not_found"
    assert client.get("/v1/items/shop/P0001/similar").json()["item"] == "P0001"
    assert client.get("/v1/items/shop/P0001%2Fsimilar").json()["error"]["code"] == "unknown_id"


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_segment_holds_any_id(name: str) -> None:
    raw = f"/v1/users/{segment(name)}/export"
    path = path_of({"path": unquote(raw), "raw_path": raw.encode()})
    first, *rest = path.split("/")
    assert (first, rest[:2], rest[3:]) == ("", ["v1", "users"], ["export"])
    assert ID.convert(rest[2]) == name
    assert right_of("GET", path) is Scope.admin
    assert right_of("GET", f"/v1/users/{rest[2]}") is Scope.read


def test_what_needs_no_decoding_stays_as_it_is() -> None:
    assert path_of({"path": "/v1/users/ü", "raw_path": "/v1/users/ü".encode()}) == "/v1/users/ü"
    assert path_of({"path": "/v1/users"}) == "/v1/users"
    assert path_of({"path": "/v1/items", "raw_path": b"/v1/%69tems"}) == "/v1/items"
