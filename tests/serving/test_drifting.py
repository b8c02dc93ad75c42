"""A service tells that something has changed, counts it, and asks for a cycle where it shall."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from polyscene.core.errors import StoreError
from polyscene.core.settings.drift import DriftSettings
from polyscene.online.drift import Drift
from polyscene.serving.app import build_app
from polyscene.serving.drifting import WANTED, DriftAlarm, cycle_wanted
from polyscene.serving.service import Service

CHANGE = Drift("shop", "click_rate", 0.4, 0.1, 900)


@pytest.mark.parametrize("reaction", ["alarm", "refit", "forget"])
def test_a_change_is_told_counted_and_may_ask_for_a_cycle(
    reaction: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    counted: list[tuple[str, str]] = []
    settings = DriftSettings.model_validate({"reaction": reaction})
    alarm = DriftAlarm(settings, tmp_path, {}, lambda scenario, stream: counted.append((scenario, stream)))
    with caplog.at_level(logging.WARNING):
        alarm._watch._changed(CHANGE)
    assert counted == [("shop", "click_rate")]
    assert "click_rate of 'shop' went from 0.4000 to 0.1000" in caplog.text
    wanted = cycle_wanted(tmp_path)
    if reaction == "alarm":
        assert wanted is None
    else:
        assert wanted is not None
        assert wanted["reaction"] == reaction
        assert wanted["drift"]["stream"] == "click_rate"


def test_a_damaged_request_for_a_cycle_is_told(tmp_path: Path) -> None:
    (tmp_path / WANTED).write_text("{", encoding="utf-8")
    with pytest.raises(StoreError, match="remove it"):
        cycle_wanted(tmp_path)


def test_a_folder_that_cannot_be_written_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    alarm = DriftAlarm(DriftSettings(reaction="refit"), tmp_path / "none" / "at all", {}, lambda *_: None)
    with caplog.at_level(logging.WARNING):
        alarm._watch._changed(CHANGE)
    assert "drift: click_rate" in caplog.text


def test_slates_and_events_over_http_are_watched(client: TestClient, service: Service) -> None:
    streams = service.drift._watch._detectors
    slate = client.post("/v1/recommendations", json={"user": "u00001", "scenario": "shop", "k": 3}).json()
    assert set(streams) == {("shop", "strangers")}
    event = {"user": "u00001", "scenario": "shop", "item": slate["items"][0]["id"], "action": "click"}
    headers = {"Idempotency-Key": "once"}
    for _ in range(2):
        assert client.post("/v1/events", json=event, headers=headers).status_code == 200
    assert set(streams) == {("shop", name) for name in ("strangers", "choices", "calibration")}
    assert streams["shop", "choices"].size == 1  # type: ignore[attr-defined]
    service.drift._watch._changed(CHANGE)
    assert 'polyscene_drift_total{scenario="shop",stream="click_rate"} 1.0' in client.get("/metrics").text


def test_the_configuration_decides(service: Service, tmp_path: Path) -> None:
    settings = DriftSettings(detector="none")
    alarm = DriftAlarm(settings, tmp_path, service.live.run.settings, lambda *_: None)
    service.drift = alarm
    client = TestClient(build_app(service), "http://localhost")
    assert client.post("/v1/recommendations", json={"user": "u00001", "scenario": "shop", "k": 3}).is_success
    assert alarm._watch._detectors == {}
