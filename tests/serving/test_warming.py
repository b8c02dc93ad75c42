"""The language model is loaded in the background, and nothing waits for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from starlette.testclient import TestClient

from polyscene.core.errors import ModelError
from polyscene.runs.item_encoder import ItemEncoder
from polyscene.runs.run import Run
from polyscene.serving.service import Service
from polyscene.serving.warming import EncoderState, EncoderWarming


def ready(client: TestClient) -> dict[str, Any]:
    value: dict[str, Any] = client.get("/health/ready").json()
    return value


def test_it_is_loaded_beside_the_requests_and_then_there(
    client: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ready(client)["encoder"] == "loaded by the first item"
    go_on, encode, read = Event(), ItemEncoder.encode, list[str]()

    def slowly(encoder: ItemEncoder, scenario: str, texts: Sequence[str]) -> Any:
        read.append(scenario)
        assert go_on.wait(60)
        return encode(encoder, scenario, texts)

    monkeypatch.setattr(ItemEncoder, "encode", slowly)
    service.encoder.warm(service.live.run)
    assert (ready(client)["status"], ready(client)["encoder"]) == ("ready", "loading")
    assert "polyscene_encoder_ready 0.0" in client.get("/metrics").text
    asked = {"user": "u00001", "scenario": "shop", "k": 3}
    assert client.post("/v1/recommendations", json=asked).status_code == 200
    go_on.set()
    assert service.encoder.wait() is EncoderState.ready
    assert ready(client)["encoder"] == "ready"
    assert "polyscene_encoder_ready 1.0" in client.get("/metrics").text
    assert read == ["shop", "news", "video"]


@pytest.mark.parametrize("error", [ModelError("no model"), ImportError("no torch"), ZeroDivisionError()])
def test_where_it_cannot_be_used_that_is_said_and_the_service_goes_on(
    client: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(ItemEncoder, "encode", broken)
    service.encoder.warm(service.live.run)
    assert service.encoder.wait() is EncoderState.unavailable
    assert (ready(client)["status"], ready(client)["encoder"]) == ("ready", "not available here")


def test_it_follows_the_live_run_and_only_where_that_is_wanted(
    reopen: Callable[[], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = list[Path]()
    monkeypatch.setattr(ItemEncoder, "encode", lambda encoder, *_: read.append(encoder.folder))
    unwanted, untouched, wanted = EncoderWarming(False), EncoderWarming(True), EncoderWarming(True)
    first, second = reopen(), reopen()
    unwanted.warm(first)
    untouched.follow(first)
    assert [one.wait() for one in (unwanted, untouched)] == [EncoderState.idle] * 2
    assert read == []
    wanted.warm(first)
    assert wanted.wait() is EncoderState.ready
    wanted.follow(second)
    assert wanted.wait() is EncoderState.ready
    assert len(read) == 6


def test_a_run_without_texts_needs_none(reopen: Callable[[], Run], monkeypatch: pytest.MonkeyPatch) -> None:
    run = reopen()
    for state in run.system.scenarios.values():
        monkeypatch.setattr(type(state.space), "has_text", False)
    warming = EncoderWarming(True)
    warming.warm(run)
    assert warming.wait() is EncoderState.needless
