"""Whatever is sent, the answer is in the one shape, below 500, and without the inside of the service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from polyscene.runs.run import Run
from polyscene.serving.app import build_app
from polyscene.serving.service import Service

POSTS = ("/v1/events", "/v1/events/batch", "/v1/recommendations")
GETS = (
    "/v1/explanations?user={}&item={}&scenario={}",
    "/v1/items/{}/{}/similar?k={}",
    "/v1/decisions/{}",
    "/v1/history?user={}",
    "/v1/users?limit={}",
)
JSON = {"content-type": "application/json"}

hostile = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def client(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    service = Service.open(Run(run.folder), tmp_path_factory.mktemp("hostile"))
    yield TestClient(build_app(service), "http://localhost", raise_server_exceptions=False)
    assert service.live.ready
    service.close()


def look(answer: Any) -> None:
    assert answer.status_code < 500, answer.text
    assert "Traceback" not in answer.text
    if answer.status_code >= 400:
        assert list(answer.json()) == ["error"]


texts = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["shop", "u00001", "P0001", "click", "", "..", "%00", "\x00", "\u202e", "'; DROP TABLE events; --"]
    ),
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)
events = st.fixed_dictionaries(
    {"user": values, "item": values, "scenario": st.sampled_from(["shop", "news"]) | values},
    optional={"action": values, "value": values, "time": values | st.datetimes().map(str), "id": values},
)
requests = st.fixed_dictionaries(
    {"user": values},
    optional={"scenario": st.just("shop") | values, "k": values, "exclude": values, "reasons": values},
)


@hostile
@given(body=values | events | requests | st.fixed_dictionaries({"events": st.lists(events, max_size=3)}))
@pytest.mark.parametrize("path", POSTS)
def test_any_json(client: TestClient, path: str, body: Any) -> None:
    look(client.post(path, json=body))


@hostile
@given(body=st.binary(max_size=200))
def test_any_bytes(client: TestClient, body: bytes) -> None:
    for path in POSTS:
        look(client.post(path, content=body, headers=JSON))


@hostile
@given(first=texts, second=texts, third=texts)
def test_any_parameters(client: TestClient, first: str, second: str, third: str) -> None:
    quoted = [httpx.QueryParams({"": text}).__str__()[1:] for text in (first, second, third)]
    for path in GETS:
        look(client.get(path.format(*quoted[: path.count("{}")])))


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"user":' * 50_000,
        b'{"user": ' + b"9" * 5_000 + b', "scenario": "shop"}',
        b'{"user": "u", "scenario": "shop", "k": 1e400}',
        b'{"user": "u", "scenario": "shop", "k": NaN}',
        b'{"user": "\\ud800", "scenario": "shop"}',
        b'{"user": "u", "scenario": "shop", "\\ud800": 1}',
        b'{"user": "u", "user": "v", "scenario": "shop"}',
        '{"user": "u", "scenario": "shop"}'.encode("utf-16"),
        b'{"user": "u", "item": "\\u0000", "scenario": "shop", "value": -1e308}',
        b'{"user": "u", "item": "i", "scenario": "shop", "time": "9999-12-31T23:59:59-23:59"}',
        b'{"events": ' + b"[" * 1_000 + b"]" * 1_000 + b"}",
        b"\xff\xfe\x00",
        b"",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_known_tricks(client: TestClient, body: bytes) -> None:
    for path in POSTS:
        look(client.post(path, content=body, headers=JSON))


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/json; charset=utf-7"},
        {"content-length": "-1"},
        {"authorization": "Bearer \xff"},
        {"idempotency-key": ""},
        {"idempotency-key": "\xff" * 256},
        {"idempotency-key": "x" * 300},
        {"content-encoding": "gzip"},
    ],
    ids=str,
)
def test_strange_headers(client: TestClient, headers: dict[str, str]) -> None:
    body = b'{"user": "u", "item": "i", "scenario": "shop"}'
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    look(client.post("/v1/events", content=body, headers=encoded))
