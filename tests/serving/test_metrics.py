from __future__ import annotations

import time
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from polyscene.representation.index_choice import IndexCheck
from polyscene.serving.metrics import Metrics, ProcessMetrics
from polyscene.serving.service import Service
from polyscene.serving.stores.contract import LoggedEvent, Receipt


def lines(measured: Metrics) -> list[str]:
    return [line for line in measured.text().decode().splitlines() if not line.startswith("#")]


def test_new_events_are_counted_by_what_was_done() -> None:
    measured = Metrics()
    click, skip = (LoggedEvent("u", "i", "shop", action) for action in ("click", "skip"))
    measured.batch_visible(0.01, Receipt(3, 2, 3, ((1, click), (2, click), (3, skip))))
    measured.batch_visible(0.01, Receipt(3, 0, 3, (), repeated=True))
    text = lines(measured)
    assert 'polyscene_actions_total{action="click",scenario="shop"} 2.0' in text
    assert 'polyscene_actions_total{action="skip",scenario="shop"} 1.0' in text
    assert 'polyscene_events_total{kind="new"} 3.0' in text
    assert 'polyscene_events_total{kind="duplicate"} 5.0' in text


def test_explored_slates_are_those_with_a_place_drawn_by_chance(service: Service) -> None:
    measured = Metrics()
    slate = service.live.run.recommend("u00001", "shop", 3)
    assert all(place.propensity == 1.0 for place in slate.items)
    measured.slate_given(slate)
    assert 'polyscene_slates_explored_total{scenario="shop"} 0.0' in lines(measured)
    drawn = replace(slate, items=(*slate.items[:2], replace(slate.items[2], propensity=0.99)))
    measured.slate_given(drawn)
    assert 'polyscene_slates_explored_total{scenario="shop"} 1.0' in lines(measured)
    assert 'polyscene_slates_total{scenario="shop"} 2.0' in lines(measured)


def test_every_sample_carries_its_tenant() -> None:
    measured = Metrics("shop")
    measured.include(ProcessMetrics())
    measured.watch("polyscene_something", "Something.", lambda: 7.0)
    measured.requests.labels("/", 200).observe(0.1)
    assert all('tenant="shop"' in line for line in lines(measured))
    assert 'polyscene_something{tenant="shop"} 7.0' in lines(measured)
    assert lines(measured) == lines(measured)
    assert not any("tenant=" in line for line in lines(Metrics()))


def test_the_last_use_of_a_key_is_told_by_the_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 7_199.0)
    measured = Metrics()
    measured.key_used("shop")
    assert 'polyscene_key_last_use_seconds{key="shop"} 3600.0' in lines(measured)


def test_readiness_follows_the_service(client: TestClient, service: Service) -> None:
    assert "polyscene_ready 1.0" in client.get("/metrics").text
    service.live.fault = "expected something else"
    assert "polyscene_ready 0.0" in client.get("/metrics").text
    service.live.fault = None
    service.live.close()
    assert service.faults == ["the event log has stopped"]
    assert client.get("/health/ready").json()["problems"] == 1


def test_what_indexes_find_is_told_of_the_run_that_is_live_and_of_no_other(service: Service) -> None:
    assert 'polyscene_index_recall{kind="exact",scenario="shop",view="tuned"} 1.0' in lines(service.metrics)
    measured = Metrics()
    measured.indexes_checked({("shop", "old"): IndexCheck("faiss", 9, "faiss", 0.9, 0.5, 1, 1.0)})
    replaced = IndexCheck("exact", 9, "faiss", 0.4, 0.5, 8, 1.0)
    check = IndexCheck("faiss", 9, "faiss", 0.75, 0.5, 1, 1.0)
    measured.indexes_checked({("shop", "tuned"): check, ("news", "tuned"): replaced})
    assert [line for line in lines(measured) if "index" in line] == [
        'polyscene_index_recall{kind="faiss",scenario="shop",view="tuned"} 0.75',
        'polyscene_index_recall{kind="exact",scenario="news",view="tuned"} 1.0',
    ]
