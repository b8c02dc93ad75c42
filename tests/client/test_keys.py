"""Where the key comes from, and that nothing shows it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from polyscene.client import ApiError, AsyncClient, Client, Retries
from polyscene.core.errors import ArgumentError, ConfigError
from polyscene.runs.run import Run
from polyscene.serving.auth import KeyFile, Scope
from polyscene.serving.service import Service

KEY = "psk_a-secret"


@pytest.fixture
def echo() -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=request.headers.get("Authorization", "none"))

    return httpx.MockTransport(answer)


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POLYSCENE_API_KEY", "POLYSCENE_API_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)


def test_a_key_comes_from_an_argument_or_the_environment(
    echo: httpx.MockTransport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert Client(transport=echo).metrics() == "none"
    assert Client(key=KEY, transport=echo).metrics() == f"Bearer {KEY}"
    (tmp_path / "key").write_text("psk_file\n", encoding="utf-8")
    monkeypatch.setenv("POLYSCENE_API_KEY_FILE", str(tmp_path / "key"))
    assert Client(transport=echo).metrics() == "Bearer psk_file"
    monkeypatch.setenv("POLYSCENE_API_KEY", "psk_variable")
    with pytest.raises(ConfigError, match="both"):
        Client()
    monkeypatch.delenv("POLYSCENE_API_KEY_FILE")
    assert Client(transport=echo).metrics() == "Bearer psk_variable"
    assert Client(key=KEY, transport=echo).metrics() == f"Bearer {KEY}"


@pytest.mark.parametrize("key", ["", " psk", "psk\nX-Other: 1", "psk_ü", "a\x00"])
def test_what_is_no_key_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ArgumentError) as refused:
        Client(key=key)
    assert not key or key not in str(refused.value)


def test_nothing_shows_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for kind in (Client, AsyncClient):
        assert repr(kind("http://x", KEY)) == f"{kind.__name__}('http://x', key=hidden)"
        assert repr(kind("http://x")) == f"{kind.__name__}('http://x', key=no)"
    with Client("http://127.0.0.1:9", KEY, retries=Retries(times=1, first_seconds=0)) as client:
        try:
            client.live()
        except Exception:  # noqa: BLE001 - whatever it is, it must not show the key
            text = traceback.format_exc()
    assert "LostAnswerError" in text
    assert KEY not in text + caplog.text


def test_a_key_is_what_the_service_asks_for(
    run: Run, tmp_path: Path, reach: Callable[[Service], httpx.BaseTransport]
) -> None:
    keys = KeyFile(tmp_path / "service" / "keys.json")
    key = keys.add("shop", [Scope.read])
    service = Service.open(Run(run.folder), tmp_path / "service", keys)
    with Client("http://localhost", key, transport=reach(service)) as client:
        assert client.scenarios().run == service.live.run.id
        with pytest.raises(ApiError) as refused:
            client.list_models()
        assert refused.value.code == "forbidden"
    service.close()
