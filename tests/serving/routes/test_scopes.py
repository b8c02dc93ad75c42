"""What every endpoint asks of a key, pinned through the guard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from polyscene.runs.run import Run
from polyscene.serving.app import build_api, build_app
from polyscene.serving.auth import KeyFile, Scope
from polyscene.serving.routes import items, jobs, models, movement, rights, rules, users
from polyscene.serving.service import Service
from polyscene.serving.tenants import Tenants

SCOPES = {
    name: scope
    for part in (items, jobs, models, movement, rights, rules, users)
    for name, scope in part.SCOPES.items()
}
Asked = tuple[TestClient, dict[str, str], set[str]]
READING = ("/v1/events", "/v1/recommendations", "/v1/predictions", "/v1/explanations", "/v1/decisions")
READS = (
    "GET /v1/items/shop",
    "GET /v1/items/shop/P0001",
    "GET /v1/jobs",
    "GET /v1/users",
    "GET /v1/users/u00001",
    "POST /v1/recommendations",
    "POST /v1/predictions",
)


@pytest.fixture(scope="module")
def asked(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("keys")
    keys = KeyFile(folder / "keys.json")
    known = {scope.value: keys.add(scope.value, [scope]) for scope in (Scope.events, Scope.read, Scope.admin)}
    service = Service.open(Run(run.folder), folder, keys)
    client = TestClient(build_app(service), "http://localhost")
    operations = {
        f"{method.upper()} {path}"
        for path, methods in build_api(Tenants([service])).openapi()["paths"].items()
        for method in methods
    }
    yield client, known, operations
    service.close()


def status(client: TestClient, name: str, key: str | None) -> int:
    method, _, path = name.partition(" ")
    for variable in ("scenario", "item", "user", "job", "run", "receipt"):
        path = path.replace(f"{{{variable}}}", "none")
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return client.request(method, path, headers=headers).status_code


def test_only_admins_change_and_see_everything(
    asked: Asked,
) -> None:
    client, keys, operations = asked
    assert set(SCOPES) <= operations
    assert set(SCOPES.values()) == {"admin"}
    for name in SCOPES:
        if name == "POST /v1/users/{user}/erasure":
            continue  # it would be done
        assert status(client, name, None) == 401, name
        assert status(client, name, keys["read"]) == 403, name
        assert status(client, name, keys["events"]) == 403, name
        assert status(client, name, keys["admin"]) not in (401, 403), name
    assert status(client, "POST /v1/users/{user}/erasure", keys["read"]) == 403


def test_whoever_reads_may_read(asked: Asked) -> None:
    client, keys, _ = asked
    for name in READS:
        assert status(client, name, keys["read"]) not in (401, 403), name
        assert status(client, name, keys["events"]) == 403, name


def test_every_endpoint_that_changes_something_is_named(
    asked: Asked,
) -> None:
    changing = {name for name in asked[2] if not name.startswith("GET ")}
    others = {name for name in changing if name.split()[1].startswith(READING)}
    assert changing - others <= set(SCOPES)
