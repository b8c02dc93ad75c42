from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from polyscene.runs.run import Run
from polyscene.serving.jobs import ROWS_PER_BLOCK
from polyscene.serving.service import Service
from polyscene.serving.stores.contract import LoggedChange

Client = TestClient
ErrorOf = Callable[[Any], dict[str, Any]]
NDJSON = {"Content-Type": "application/x-ndjson"}


def row(number: int, **more: Any) -> dict[str, Any]:
    return {"item_id": f"bulk {number}", "title": f"Chair {number}", "price": number} | more


def send(client: Client, rows: list[Any], scenario: str = "shop") -> dict[str, Any]:
    text = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in rows)
    answer = client.post(f"/v1/items/{scenario}/bulk", content=text.encode(), headers=NDJSON)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    assert (job["status"], job["read"]) == ("waiting", 0)
    return job


def finished(client: Client, service: Service, job: dict[str, Any]) -> dict[str, Any]:
    service.management.jobs.wait(job["id"], 60.0)
    value: dict[str, Any] = client.get(f"/v1/jobs/{job['id']}").json()
    assert value["read"] == value["taken"] + value["refused"]
    return value


def test_rows_are_taken_and_the_others_refused_with_reasons(client: Client, service: Service) -> None:
    rows = [
        row(1),
        "{broken",
        row(2, price="cheap"),
        "[1]",
        row(3),
        {"title": "no id"},
        row(4, title={"a": 1}),
        row(5, item_id="\ud800"),
        row(6, item_id="x" * 300),
        "",
        row(7, item_id=7),
    ]
    job = finished(client, service, send(client, rows))
    assert (job["status"], job["rows"], job["read"], job["taken"], job["refused"]) == ("done", 10, 10, 3, 7)
    reasons = {one["row"]: one["reason"] for one in job["refusals"]}
    assert sorted(reasons) == [2, 3, 4, 6, 7, 8, 9]
    assert "JSON" in reasons[2]
    assert "column price" in reasons[3]
    assert "id" in reasons[6]
    body = {"user": "u00001", "scenario": "shop", "k": 100, "reasons": False}
    shown = [place["id"] for place in client.post("/v1/recommendations", json=body).json()["items"]]
    assert {"bulk 1", "bulk 3", "7"} <= set(shown)
    assert client.get("/v1/jobs").json()["jobs"][0] == job
    assert service.management.jobs.waiting == 0


def test_a_row_that_comes_later_counts(client: Client, service: Service) -> None:
    finished(client, service, send(client, [row(1), row(1, title="Table")]))
    assert client.get("/v1/items/shop/bulk 1").json()["title"] == "Table"


def test_a_restart_goes_on_where_it_stopped_and_takes_no_row_twice(
    service: Service,
    client: Client,
    reopen: Callable[[], Run],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = service.management.jobs
    update = jobs._update

    def unplugged(name: str, **values: Any) -> None:
        if values.get("read", 0) > ROWS_PER_BLOCK:
            jobs._stopping.set()  # what was taken is in the log, and not yet counted
            return
        update(name, **values)

    monkeypatch.setattr(jobs, "_update", unplugged)
    job = send(client, [row(number) for number in range(150)])
    jobs._thread.join(60.0)
    assert (jobs.find(job["id"]).status, jobs.find(job["id"]).read) == ("running", ROWS_PER_BLOCK)
    assert service.live.store.last == 2 * ROWS_PER_BLOCK
    service.close()

    again = Service.open(reopen(), tmp_path / "service")
    try:
        done = again.management.jobs.wait(job["id"], 60.0)
        assert (done.status, done.read, done.taken, done.refused) == ("done", 150, 150, 0)
        names = [
            entry.name for _, entry in again.live.store.since(0, 1_000) if isinstance(entry, LoggedChange)
        ]
        assert names == [f"bulk {number}" for number in range(150)]
        assert again.live.system.scenario("shop").catalogue.ids.get("bulk 149") is not None
    finally:
        again.close()


def test_a_cancelled_job_ends_and_what_was_taken_stays(
    client: Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, block = service.management.jobs, service.management.jobs._block

    def cancelling(*args: Any) -> Any:
        result = block(*args)
        client.post(f"/v1/jobs/{args[0].id}/cancel")
        return result

    monkeypatch.setattr(jobs, "_block", cancelling)
    job = send(client, [row(number) for number in range(200)])
    other = send(client, [row(1)])
    assert finished(client, service, other)["status"] == "cancelled"  # it was cancelled in its first block
    value = client.get(f"/v1/jobs/{job['id']}").json()
    assert (value["status"], value["read"], value["taken"]) == ("cancelled", ROWS_PER_BLOCK, ROWS_PER_BLOCK)
    assert client.post(f"/v1/jobs/{job['id']}/cancel").json() == value
    assert service.live.store.last == ROWS_PER_BLOCK + 1


def test_a_job_that_cannot_go_on_says_why(
    client: Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("/secret")

    monkeypatch.setattr(service.management.jobs, "_prepare", broken)
    job = finished(client, service, send(client, [row(1)]))
    assert (job["status"], job["fault"]) == ("failed", "a bug; the log says more")


def test_what_is_no_job_is_refused(client: Client, error_of: ErrorOf) -> None:
    path = "/v1/items/shop/bulk"
    assert error_of(client.post(path, json=[row(1)]))["code"] == "unsupported_media_type"
    unknown = client.post("/v1/items/cinema/bulk", content=b"{}", headers=NDJSON)
    assert error_of(unknown)["code"] == "unknown_id"
    assert error_of(client.get("/v1/jobs/none"))["code"] == "unknown_id"
    assert error_of(client.post("/v1/jobs/none/cancel"))["code"] == "unknown_id"


def test_too_many_jobs_at_once_are_refused(
    client: Client, service: Service, error_of: ErrorOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.management.jobs.close()
    for number in range(20):
        send(client, [row(number)])
    answer = client.post("/v1/items/shop/bulk", content=b"{}", headers=NDJSON)
    assert error_of(answer)["code"] == "store_unavailable"


def test_an_empty_job_is_done(client: Client, service: Service) -> None:
    job = finished(client, service, send(client, []))
    assert (job["status"], job["rows"], job["read"]) == ("done", 0, 0)
