from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Event

import pytest

from polyscene.core.errors import StoreError
from polyscene.serving import decisions
from polyscene.serving.decisions import DecisionLog, new_id
from polyscene.serving.stores.contract import DecisionRecord


class Disk:
    """Keeps decisions in memory, and fails while it is full."""

    def __init__(self) -> None:
        self.kept = dict[str, DecisionRecord]()
        self.full, self.tried = False, Event()

    def record(self, records: Sequence[DecisionRecord]) -> None:
        self.tried.set()
        if self.full:
            raise StoreError("expected room on the disk, found none")
        self.kept |= {one.id: one for one in records}

    def find(self, decision: str) -> DecisionRecord | None:
        return self.kept.get(decision)

    def since(self, number: int, limit: int) -> Iterator[tuple[int, DecisionRecord]]:
        raise NotImplementedError

    def decisions_of(self, user: str, limit: int) -> list[DecisionRecord]:
        raise NotImplementedError

    def erase(self, user: str) -> int:
        raise NotImplementedError

    def close(self) -> None: ...


def record(name: str) -> DecisionRecord:
    return DecisionRecord(name, 1, "u", "shop", "run", 1)


def test_ids_cannot_be_guessed() -> None:
    assert len({new_id() for _ in range(1000)}) == 1000
    assert len(new_id()) == 32


def test_a_decision_is_found_before_and_after_it_is_written() -> None:
    disk = Disk()
    log = DecisionLog(disk)
    log.put(record("d1"))
    assert log.find("d1") == record("d1")
    log.close()
    assert log.find("d1") == record("d1")
    assert (log.waiting, log.lost, set(disk.kept)) == (0, 0, {"d1"})


def test_while_the_disk_is_full_decisions_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "SECONDS_BEFORE_RETRY", 0.001)
    disk = Disk()
    disk.full = True
    log = DecisionLog(disk)
    log.put(record("d1"))
    assert disk.tried.wait(10)
    assert log.find("d1") == record("d1")
    disk.full = False
    log.put(record("d2"))
    log.close()
    assert set(disk.kept) == {"d1", "d2"}
    assert log.lost == 0


def test_what_is_given_up_is_counted() -> None:
    disk = Disk()
    disk.full = True
    log = DecisionLog(disk)
    log.put(record("d1"))
    assert disk.tried.wait(10)
    log.close()
    assert (log.lost, log.waiting) == (1, 0)
    assert log.fault is not None


def test_a_record_that_cannot_be_written_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk, keep = Disk(), Disk.record

    def record_or_fail(self: Disk, records: Sequence[DecisionRecord]) -> None:
        if records[0].id == "bad":
            raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
        keep(self, records)

    monkeypatch.setattr(Disk, "record", record_or_fail)
    monkeypatch.setattr(decisions, "MAX_AT_ONCE", 1)
    log = DecisionLog(disk)
    log.put(record("bad"))
    log.put(record("d1"))
    log.close()
    assert (set(disk.kept), log.lost) == ({"d1"}, 1)
    assert "could not be written" in caplog.text


def test_too_many_waiting_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "MAX_WAITING", 2)
    monkeypatch.setattr(decisions, "MAX_AT_ONCE", 1)
    disk = Disk()
    disk.full = True
    log = DecisionLog(disk)
    log.put(record("d1"))
    assert disk.tried.wait(10)
    log.put(record("d2"))
    log.put(record("d3"))
    with pytest.raises(StoreError, match="fewer than 2"):
        log.put(record("d4"))
    assert log.find("d4") is None
    disk.full = False
    log.close()
