from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from polyscene.runs.run import Run
from polyscene.serving.service import Service

Client = TestClient
ErrorOf = Callable[[Any], dict[str, Any]]


def test_fields_are_put_patched_and_removed(client: Client, service: Service, error_of: ErrorOf) -> None:
    path = "/v1/users/zoë"
    assert error_of(client.get(path))["code"] == "unknown_id"
    assert client.put(path, json={"fields": {"country": "DE", "age": 30}}).json()["offset"] == 1
    everywhere = ["shop", "news", "video"]
    expected = {"user": "zoë", "known_in": everywhere, "fields": {"country": "DE", "age": 30}}
    assert client.get(path).json() == expected
    assert client.patch(path, json={"fields": {"age": None}}).status_code == 200
    assert client.get(path).json()["fields"] == {"country": "DE", "age": None}
    assert client.put(path, json={"fields": {"country": "FR"}}).status_code == 200
    assert client.get(path).json()["fields"] == {"country": "FR"}
    assert client.delete(path).status_code == 200
    assert client.get(path).json()["fields"] == {}
    assert error_of(client.delete(path))["code"] == "unknown_id"
    assert client.get("/v1/users/u00001").json() == {"user": "u00001", "known_in": everywhere, "fields": {}}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"contry": "DE"}, "did you mean 'country'"),
        ({"age": "old"}, "column age"),
        ({"age": True}, "column age"),
    ],
)
def test_fields_that_no_table_has_are_refused(
    client: Client, service: Service, error_of: ErrorOf, fields: dict[str, Any], message: str
) -> None:
    error = error_of(client.put("/v1/users/u1", json={"fields": fields}))
    assert error["code"] == "invalid"
    assert message in error["message"]
    assert service.live.store.last == 0


def test_pages_lead_through_all_users_once(client: Client, service: Service) -> None:
    client.put("/v1/users/zoë", json={"fields": {}})
    users: list[str] = []
    after: int | None = -1
    while after is not None:
        page = client.get("/v1/users", params={"limit": 150, "after": after}).json()
        users += page["users"]
        after = page["next"]
    numbering = service.live.system.users
    assert users == [numbering[code] for code in range(len(numbering))]
    assert users[-1] == "zoë"


def test_fields_are_there_after_a_restart(
    client: Client, service: Service, reopen: Callable[[], Run], tmp_path: Path
) -> None:
    client.put("/v1/users/zoë", json={"fields": {"country": "DE"}})
    service.close()
    again = Service.open(reopen(), tmp_path / "service")
    try:
        assert again.live.unfit == 0
        assert again.live.system.user("zoë", "shop") >= 0
        lookup = again.management.known.told
        assert lookup("user", "", "zoë") == ("zoë", {"country": "DE"})  # type: ignore[arg-type]
    finally:
        again.close()
