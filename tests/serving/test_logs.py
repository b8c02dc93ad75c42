from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from polyscene.core.text import redacted
from polyscene.serving.app import build_app
from polyscene.serving.logs import ACCESS, RedactingFormatter, set_up_logging
from polyscene.serving.service import Service

KEY = "psk_" + "aB-9_" * 8
LEAKS = [
    f"a key {KEY}, and more",
    f"Authorization: Bearer {KEY}",
    "postgresql://shop:hunter2@db:5432/shop?sslmode=require",
    "postgresql+psycopg://shop:hun@ter2/x@db/shop",
    "postgresql://db/shop?user=u&password=hunter2&x=1",
    "host=db password=hunter2 dbname=shop",
    "host=db PASSWORD = 'hunter2 \\' hunter2' dbname=shop",
]


@pytest.mark.parametrize("text", LEAKS)
def test_no_secret_is_left(text: str) -> None:
    line = redacted(text)
    assert not any(secret in line for secret in ("hunter2", "hun@ter2", "aB-9_"))
    assert "…" in line


@pytest.mark.parametrize(
    "text", ["an item psk", "mail@example.org", "http://127.0.0.1:8000/", "a password is asked for"]
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root, access, hook = logging.getLogger(), logging.getLogger(ACCESS), threading.excepthook
    before = (root.handlers[:], root.level, access.handlers[:], access.propagate, access.level)
    yield
    root.handlers[:], root.level, access.handlers[:], access.propagate, access.level = before
    threading.excepthook = hook


@pytest.mark.parametrize("text", LEAKS)
def test_no_secret_reaches_the_log_even_in_a_traceback(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(access=False)
    try:
        raise RuntimeError(text)
    except RuntimeError as error:
        logging.getLogger("uvicorn.error").exception("failed: %s, %s", text, [error])
    captured = capsys.readouterr()
    assert "Traceback" in captured.err
    assert not any(secret in captured.err for secret in ("hunter2", "hun@ter2", "aB-9_"))


def test_a_thread_that_dies_is_logged_like_all_else(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(access=False)

    def die() -> None:
        raise RuntimeError(KEY)

    thread = threading.Thread(target=die, name="writer")
    thread.start()
    thread.join()
    text = capsys.readouterr().err
    assert "the thread 'writer' ended" in text
    assert KEY not in text


def test_a_request_is_named_where_it_fails(
    service: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up_logging(access=False)

    def broken(*_: object) -> None:
        logging.getLogger("any").error("beside the loop")
        raise RuntimeError(KEY)

    monkeypatch.setattr(service.decisions, "put", broken)
    client = TestClient(build_app(service), "http://localhost", raise_server_exceptions=False)
    headers = {"X-Request-Id": "trace-1"}
    client.post("/v1/recommendations", json={"user": "u", "scenario": "shop"}, headers=headers)
    text = capsys.readouterr().err
    assert "[trace-1] any: beside the loop" in text
    assert "[trace-1] polyscene.serving.guard: a request failed" in text
    assert KEY not in text


@pytest.mark.parametrize("brought", ["", "a b", "x" * 65, "ä", "a\tb"])
def test_an_id_that_is_none_is_not_taken_over(service: Service, brought: str) -> None:
    client = TestClient(build_app(service), "http://localhost")
    answer = client.get("/health/live", headers=[(b"x-request-id", brought.encode("latin-1"))])
    assert answer.headers["x-request-id"] != brought
    assert len(answer.headers["x-request-id"]) == 16


def test_a_line_for_every_request_names_nobody(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(access=True)
    client = TestClient(build_app(service), "http://localhost")
    client.get("/v1/history", params={"user": "jane@example.org"})
    client.get("/v1/items/shop/jane/similar")
    client.get("/jane")
    lines = capsys.readouterr().out.splitlines()
    assert not any("jane" in line for line in lines)
    rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert [(row["method"], row["endpoint"], row["status"]) for row in rows] == [
        ("GET", "/v1/history", 200),
        ("GET", "/v1/items/{scenario}/{item:path}/similar", 404),
        ("GET", "other", 404),
    ]
    assert {row["key"] for row in rows} == {"no key"}
    assert all(0 < row["seconds"] < 60 and row["request"] for row in rows)


def test_no_line_is_written_where_none_is_wanted(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logging(access=False)
    TestClient(build_app(service), "http://localhost").get("/v1/users")
    assert capsys.readouterr().out == ""


def test_the_formatter_stands_alone() -> None:
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "key %s", (KEY,), None)
    assert RedactingFormatter("%(request)s %(message)s").format(record) == "- key psk_…"
