from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi import Request
from starlette.testclient import TestClient

from polyscene.core.errors import StoreError
from polyscene.core.settings.service import ServiceSettings
from polyscene.serving.app import build_api
from polyscene.serving.audit import ON_USERS, Act, AuditLog
from polyscene.serving.guard import Guard
from polyscene.serving.routes.state import audit
from polyscene.serving.service import Service
from polyscene.serving.tenants import Tenants


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_line_tells_who_did_what(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    log.write("admin 1", Act.item_deleted, "shop/P0001", request="r1")
    log.write("admin 2", Act.model_activated, "run\n7", "conflict")
    first, second = rows(log.path)
    assert first.pop("time")[-6:] == "+00:00"
    assert first == {
        "who": "admin 1",
        "act": "item deleted",
        "subject": "shop/P0001",
        "result": "done",
        "request": "r1",
    }
    assert (second["subject"], second["result"]) == ("run 7", "conflict")
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600


def test_users_are_not_named(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    for act in ON_USERS:
        log.write("admin", act, "jane@example.org")
    assert not any(b"jane" in path.read_bytes() for path in tmp_path.iterdir())
    assert {row["subject"] for row in rows(log.path)} == {AuditLog(tmp_path).pseudonym("jane@example.org")}
    assert log.pseudonym("john@example.org") != log.pseudonym("jane@example.org")
    (tmp_path / "other").mkdir()
    assert AuditLog(tmp_path / "other").pseudonym("jane@example.org") != log.pseudonym("jane@example.org")
    assert stat.S_IMODE((tmp_path / "audit.key").stat().st_mode) == 0o600


def test_it_grows_to_a_size_and_keeps_some_files(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, ServiceSettings(audit_bytes=1_024, audit_files=2))
    for number in range(40):
        log.write("admin", Act.rule_changed, f"rule {number}")
    names = sorted(path.name for path in tmp_path.glob("audit.jsonl*"))
    assert names == ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]
    assert all((tmp_path / name).stat().st_size <= 1_024 for name in names)
    kept = [row["subject"] for name in reversed(names) for row in rows(tmp_path / name)]
    assert kept == [f"rule {number}" for number in range(40 - len(kept), 40)]


def test_many_may_write(tmp_path: Path) -> None:
    settings = ServiceSettings(audit_bytes=2_048, audit_files=100)

    def write(number: int) -> None:
        AuditLog(tmp_path, settings).write("admin", Act.rule_changed, f"rule {number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(80)))
    subjects = [row["subject"] for path in tmp_path.glob("audit.jsonl*") for row in rows(path)]
    assert sorted(subjects) == sorted(f"rule {number}" for number in range(80))


def test_half_a_line_spoils_no_other(tmp_path: Path) -> None:
    log = AuditLog(tmp_path)
    log.write("admin", Act.rule_changed, "one")
    with log.path.open("ab") as file:
        file.write(b'{"time": "20')
    log.write("admin", Act.rule_changed, "two")
    lines = log.path.read_text().splitlines()
    assert [json.loads(lines[0])["subject"], json.loads(lines[2])["subject"]] == ["one", "two"]


def test_a_line_is_on_the_disk_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []
    real = os.fsync

    def noted(handle: int) -> None:
        flushed.append(os.fstat(handle).st_ino)
        real(handle)

    monkeypatch.setattr(os, "fsync", noted)
    log = AuditLog(tmp_path)
    log.write("admin", Act.rule_changed, "one")
    assert {log.path.stat().st_ino, tmp_path.stat().st_ino} <= set(flushed)


def test_a_log_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").mkdir()
    with pytest.raises(StoreError, match="expected to write the audit log"):
        AuditLog(tmp_path).write("admin", Act.rule_changed, "one")


def test_half_a_write_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, text: real(handle, text[:9]))
    with pytest.raises(StoreError, match="No space left"):
        AuditLog(tmp_path).write("admin", Act.rule_changed, "one")


def test_a_route_writes_who_asked_and_the_request(service: Service) -> None:
    tenants = Tenants([service])
    api = build_api(tenants)

    @api.delete("/v1/items/{item}")
    async def remove(item: str, request: Request) -> dict[str, str]:
        await service.in_pool(audit, request, Act.item_deleted, item)
        return {}

    client = TestClient(Guard(api, tenants), "http://localhost")
    answer = client.delete("/v1/items/P0001", headers={"X-Request-Id": "trace-7"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (200, "trace-7")
    (row,) = rows(service.audit.path)
    assert (row["who"], row["act"], row["subject"], row["request"]) == (
        "no key",
        "item deleted",
        "P0001",
        "trace-7",
    )
