from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from polyscene.core.settings.service import ServiceSettings
from polyscene.serving.app import build_app
from polyscene.serving.auth import KeyFile, Scope
from polyscene.serving.service import Service

SHOP = "https://shop.example"


@pytest.fixture
def open_to_shop(reopen: Any, tmp_path: Path) -> Iterator[Service]:
    keys = KeyFile(tmp_path / "keys.json")
    service = Service.open(reopen(), tmp_path, keys, settings=ServiceSettings(origins=[SHOP]))
    yield service
    service.close()


def preflight(client: TestClient, origin: str, method: str = "POST") -> Any:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    return client.options("/v1/recommendations", headers=headers)


def test_no_origin_may_ask_where_nothing_is_set(client: TestClient) -> None:
    answer = preflight(client, SHOP)
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_pages_of_the_listed_origins_may_ask(open_to_shop: Service) -> None:
    client = TestClient(build_app(open_to_shop), "http://anywhere.example")
    answer = preflight(client, SHOP)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    for wrong in (preflight(client, "https://shop.example.evil"), preflight(client, SHOP, "TRACE")):
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (403, "forbidden")
    assert "access-control-allow-origin" not in preflight(client, "https://shop.example.evil").headers


def test_an_origin_still_needs_a_key(open_to_shop: Service) -> None:
    assert open_to_shop.keys is not None
    key = open_to_shop.keys.add("page", [Scope.read])
    client = TestClient(build_app(open_to_shop), "http://anywhere.example")
    refused = client.get("/v1/users", headers={"Origin": SHOP})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, SHOP)
    answer = client.get("/v1/users", headers={"Origin": SHOP, "Authorization": f"Bearer {key}"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, SHOP)
    assert "X-Request-Id" in answer.headers["access-control-expose-headers"]
    other = client.get("/v1/users", headers={"Origin": "https://evil", "Authorization": f"Bearer {key}"})
    assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize("origin", ["*", "shop.example", "https://shop.example/", "https://a b", "null"])
def test_an_origin_is_a_scheme_and_a_host(origin: str) -> None:
    with pytest.raises(ValidationError):
        ServiceSettings(origins=[origin])
