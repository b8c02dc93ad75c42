from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from polyscene.core.errors import ConfigError
from polyscene.runs.run import Run
from polyscene.serving.app import build_app
from polyscene.serving.auth import KeyFile, Scope
from polyscene.serving.guard import OPEN
from polyscene.serving.service import Service


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "service" / "keys.json")


def test_a_key_is_never_kept(keys: KeyFile) -> None:
    key = keys.add("shop", [Scope.events])
    assert len(key) >= 43
    text = keys.path.read_text(encoding="utf-8")
    assert key not in text
    assert key.removeprefix("psk_") not in text
    assert stat.S_IMODE(keys.path.stat().st_mode) == 0o600


def test_keys_are_told_apart(keys: KeyFile) -> None:
    first, second = keys.add("one", [Scope.events]), keys.add("two", [Scope.admin])
    assert first != second
    found = keys.find(first)
    assert found is not None
    assert (found.name, found.may(Scope.events), found.may(Scope.read)) == ("one", True, False)
    admin = keys.find(second)
    assert admin is not None
    assert all(admin.may(scope) for scope in Scope)
    for wrong in ("", first[:-1], first + "x", first.upper(), "\ud800", "psk_" * 1000):
        assert keys.find(wrong) is None


def test_a_name_is_used_once(keys: KeyFile) -> None:
    keys.add("shop", [Scope.read])
    with pytest.raises(ConfigError, match="a new name"):
        keys.add("shop", [Scope.read])


def test_keys_come_and_go_while_the_service_runs(keys: KeyFile) -> None:
    old = keys.add("old", [Scope.read])
    new = KeyFile(keys.path).add("new", [Scope.read])
    assert keys.find(new) is not None
    rows = [row for row in json.loads(keys.path.read_text()) if row["name"] != "old"]
    keys.path.write_text(json.dumps(rows))
    assert keys.find(old) is None
    keys.path.write_text("[{")  # half of an edit: the keys from before count
    assert keys.find(new) is not None


def test_a_damaged_file_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text('[{"name": "x"}]')
    with pytest.raises(ConfigError, match="key file"):
        KeyFile(tmp_path / "keys.json")


@pytest.fixture
def guarded(reopen: Callable[[], Run], keys: KeyFile, tmp_path: Path) -> Iterator[Service]:
    service = Service.open(reopen(), tmp_path / "service", keys)
    yield service
    service.close()


def test_every_endpoint_asks_for_a_key_of_the_right_scope(guarded: Service, keys: KeyFile) -> None:
    app = build_app(guarded)
    client = TestClient(app, "http://anywhere.example", raise_server_exceptions=False)
    tokens = {scope: keys.add(scope, [scope]) for scope in Scope}
    paths = client.get("/openapi.json").json()["paths"]
    closed = [(path, method) for path, methods in paths.items() for method in methods if path not in OPEN]
    assert len(closed) >= 9
    for path, method in [*closed, ("/nothing", "get")]:
        right, wrong = (Scope.events, Scope.read) if "events" in path else (Scope.read, Scope.events)

        def status(key: str | None, path: str = path, method: str = method) -> int:
            headers = {} if key is None else {"Authorization": f"Bearer {key}"}
            return client.request(method.upper(), path, headers=headers).status_code

        assert status(None) == 401
        assert status("psk_" + "A" * 43) == 401
        assert status(tokens[wrong]) == 403
        assert status(tokens[right]) not in (401, 403, 500)
        assert status(tokens[Scope.admin]) not in (401, 403, 500)


def test_open_paths_tell_nothing_of_the_data(guarded: Service) -> None:
    client = TestClient(build_app(guarded), "http://anywhere.example")
    for path in OPEN:
        answer = client.get(path)
        assert answer.status_code in (200, 404)
        assert "u00001" not in answer.text


def test_a_key_is_asked_for_before_the_body_is_read(guarded: Service) -> None:
    client = TestClient(build_app(guarded), "http://anywhere.example")
    answer = client.post("/v1/events", content=b"\x00" * 2_000_000)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
