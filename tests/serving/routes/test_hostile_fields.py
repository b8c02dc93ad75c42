"""Whatever is sent as fields is taken or refused, and what was taken is given back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from polyscene.runs.run import Run
from polyscene.serving.app import build_app
from polyscene.serving.service import Service

TEXTS = st.text(max_size=12)
NAMES = TEXTS.filter(lambda name: name not in (".", ".."))
"""Of items and users; before a path with one of these two is sent, the client shortens it to another one."""
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
)
COLUMNS = st.sampled_from(["item_id", "title", "description", "brand", "price", "listed", "age", "country"])
FIELDS = st.dictionaries(COLUMNS | TEXTS, VALUES, max_size=4)


@pytest.fixture(scope="module")
def service(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service.open(Run(run.folder), tmp_path_factory.mktemp("hostile"))
    yield service
    service.close()


@pytest.fixture(scope="module")
def client(service: Service) -> TestClient:
    return TestClient(build_app(service), "http://localhost", raise_server_exceptions=False)


def sent(client: TestClient, method: str, path: str, body: Any) -> Any:
    content = json.dumps(body).encode("utf-8", "surrogatepass")
    answer = client.request(method, path, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (200, 400, 404, 422), (answer.status_code, answer.text)
    return answer


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(method=st.sampled_from(["PUT", "PATCH"]), name=NAMES, fields=FIELDS)
@example("PUT", "a", {"price": 2**80})
@example("PUT", "a", {"price": -1e308, "title": ["x", 1, True]})
@example("PUT", "a", {"listed": "2026-13-45", "title": "\u202e"})
@example("PUT", "a", {"listed": 2**53})
def test_items(client: TestClient, service: Service, method: str, name: str, fields: dict[str, Any]) -> None:
    path = f"/v1/items/shop/{quote(name.encode('utf-8', 'surrogatepass'))}"
    unfit = service.live.unfit
    answer = sent(client, method, path, {"fields": fields})
    if answer.status_code == 200:
        known = sent(client, "GET", path, None).json()
        if method == "PUT":
            assert {key: known["fields"][key] for key in fields} == fields
    assert service.live.unfit == unfit  # what was acknowledged was taken


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(method=st.sampled_from(["PUT", "PATCH"]), name=NAMES, fields=FIELDS)
def test_users(client: TestClient, service: Service, method: str, name: str, fields: dict[str, Any]) -> None:
    path = f"/v1/users/{quote(name.encode('utf-8', 'surrogatepass'))}"
    answer = sent(client, method, path, {"fields": fields})
    if answer.status_code == 200:
        known = sent(client, "GET", path, None).json()["fields"]
        assert {key: known[key] for key in fields} == fields


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=VALUES, method=st.sampled_from(["PUT", "PATCH", "DELETE", "GET"]))
def test_bodies(client: TestClient, body: Any, method: str) -> None:
    for path in ("/v1/items/shop/x", "/v1/items/shop", "/v1/users/x", "/v1/jobs/x", "/v1/models/x"):
        content = json.dumps(body).encode("utf-8", "surrogatepass")
        answer = client.request(method, path, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code < 500, (method, path, answer.text)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(FIELDS | st.binary(max_size=30), max_size=6))
def test_rows(client: TestClient, service: Service, rows: list[Any]) -> None:
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    headers = {"Content-Type": "application/x-ndjson"}
    answer = client.post("/v1/items/shop/bulk", content=b"\n".join(lines), headers=headers)
    assert answer.status_code == 202, answer.text
    unfit = service.live.unfit
    job = service.management.jobs.wait(answer.json()["id"], 60.0)
    assert (job.status, job.read) == ("done", job.rows)
    assert job.read == job.taken + job.refused
    assert service.live.unfit == unfit
